// SPDX-License-Identifier: GPL-2.0-only

//! Do the bindings and the kernel agree on the layout of the C structs?
//!
//! bindgen reads the headers with clang; the kernel may have been built by gcc.
//! The sizes that the C compiler saw are compared with the bindings' once,
//! before anything is registered.

use kernel::prelude::*;

use crate::bindings;

/// Compares the sizes of the C structs with the bindings'.
///
/// # Errors
///
/// `EINVAL` if one differs, which means that the module was built with
/// bindings of another kernel configuration.
pub fn check() -> Result {
    // SAFETY: A constant of this module, written by nobody.
    let c = unsafe { &bindings::vmig_layout };
    let pairs = [
        (c.vfio_device, size_of::<bindings::vfio_device>()),
        (c.vfio_device_ops, size_of::<bindings::vfio_device_ops>()),
        (
            c.vfio_migration_ops,
            size_of::<bindings::vfio_migration_ops>(),
        ),
        (c.vfio_log_ops, size_of::<bindings::vfio_log_ops>()),
        (c.mdev_device, size_of::<bindings::mdev_device>()),
        (c.mdev_driver, size_of::<bindings::mdev_driver>()),
        (c.mdev_parent, size_of::<bindings::mdev_parent>()),
        (c.mdev_type, size_of::<bindings::mdev_type>()),
    ];
    if pairs.iter().all(|(c, rust)| c == rust) {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

#[kunit_tests(vmig_layout)]
mod tests {
    use super::*;

    #[test]
    fn bindings_and_kernel_agree() -> Result {
        check()
    }
}
