// SPDX-License-Identifier: GPL-2.0-only

//! Directories.

use core::ptr::NonNull;

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

use super::Kobject;
use crate::bindings;

/// A directory in sysfs, kept by everything that stands in it.
///
/// # Invariants
///
/// If `parent` is set, `kobj` was made by `kobject_create_and_add()` and this is its only owner.
pub struct Dir {
    kobj: ARef<Kobject>,
    parent: Option<Arc<Dir>>,
}

impl Dir {
    /// Makes the directory `name` in `parent`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also if `parent` has such a name already (which the kernel then reports with a
    /// stack trace).
    pub fn new(parent: &Arc<Dir>, name: &CStr) -> Result<Arc<Self>> {
        // SAFETY: `name` is a C string, which is copied; the parent is a valid kobject and is kept
        // by the new one.
        let raw =
            unsafe { bindings::kobject_create_and_add(name.as_char_ptr(), parent.kobj.as_raw()) };
        let raw = NonNull::new(raw).ok_or(ENOMEM)?;
        // SAFETY: The new kobject comes with one reference, which this takes over; `Kobject` is a
        // transparent wrapper.
        let kobj = unsafe { ARef::from_raw(raw.cast::<Kobject>()) };
        // INVARIANT: See above. Should the allocation fail, the destructor removes the directory.
        let dir = Self {
            kobj,
            parent: Some(parent.clone()),
        };
        Ok(Arc::new(dir, GFP_KERNEL)?)
    }

    /// The directory of somebody else. What is put there has to be dropped before the owner removes
    /// the directory, else the kernel warns (and nothing worse).
    ///
    /// Private to the crate, because text attributes work only where the owner's `sysfs_ops` expect
    /// them.
    pub(crate) fn foreign(kobj: &Kobject) -> Result<Arc<Self>> {
        let dir = Self {
            kobj: kobj.into(),
            parent: None,
        };
        Ok(Arc::new(dir, GFP_KERNEL)?)
    }

    /// Whether text attributes in this directory are dispatched as `struct kobj_attribute`.
    pub(super) fn takes_kobj_attributes(&self) -> bool {
        self.parent.is_some()
    }

    /// The directory's kobject.
    pub(super) fn kobject(&self) -> &Kobject {
        &self.kobj
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        if self.parent.is_some() {
            // The last reference may be somebody else's, the name must go now.
            //
            // SAFETY: By the type invariant the kobject is ours alone, and it was added.
            unsafe { bindings::kobject_del(self.kobj.as_raw()) };
        }
    }
}
