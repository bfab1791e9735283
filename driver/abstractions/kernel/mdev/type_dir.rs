// SPDX-License-Identifier: GPL-2.0-only

//! A driver's own files in the directory of an mdev type.
//!
//! The mdev core gives drivers no attributes on types: `mdev_type.kobj` is marked internal.
//! Upstream this module would not pass; the core would get attribute groups in `struct mdev_type`
//! instead. Until then it stands apart from the rest.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::{
    Driver,
    ParentRegistration, //
};
use crate::sysfs::Dir;

/// The directories of the types of `parent`, in their order. Binary files and directories may be
/// made there; they have to be dropped before `parent`.
///
/// # Errors
///
/// `ENOMEM`.
pub fn directories<T: Driver>(parent: &ParentRegistration<'_, T>) -> Result<KVec<Arc<Dir>>> {
    let mut dirs = KVec::new();
    for ty in parent.types() {
        // SAFETY: The parent is registered, by its type invariant.
        let kobj = unsafe { ty.kobject() };
        dirs.push(Dir::foreign(kobj)?, GFP_KERNEL)?;
    }
    Ok(dirs)
}
