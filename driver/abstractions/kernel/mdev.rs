// SPDX-License-Identifier: GPL-2.0-only

//! Mediated devices.
//!
//! A driver of mediated devices registers itself ([`Registration`]), then parents that offer types
//! ([`ParentRegistration`], [`Type`]). User space creates a device by writing a UUID to a type; the
//! driver's [`Driver::probe`] builds it.
//!
//! The mdev core uses the memory of parent, types and driver as long as anybody refers to the
//! types, which may be after all of them were unregistered. Therefore parent and types are the data
//! of a device of ours ([`crate::class`]), and keep the driver. That device is the parent itself, or,
//! if a device of somebody else is the parent, takes over the types that are left at the end.
//!
//! This module does not support: `max_instances` and `show_description`.
//!
//! C header: [`include/linux/mdev.h`](srctree/include/linux/mdev.h)

mod device;
mod driver;
mod parent;
pub mod type_dir;

pub use device::Device;
pub use driver::{
    Driver,
    Registration, //
};
pub use parent::{
    ParentRegistration,
    Type, //
};

use kernel::prelude::*;

use crate::bindings;

/// The user API that a device has, `device_api` in sysfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceApi {
    /// VFIO PCI.
    Pci,
    /// VFIO platform.
    Platform,
    /// VFIO CCW.
    Ccw,
    /// VFIO AP.
    Ap,
}

impl DeviceApi {
    /// Its name as a static C string.
    const fn as_char_ptr(self) -> *const c_char {
        // CAST: From bytes that end with a NUL to a C string.
        match self {
            Self::Pci => bindings::VFIO_DEVICE_API_PCI_STRING.as_ptr().cast(),
            Self::Platform => bindings::VFIO_DEVICE_API_PLATFORM_STRING.as_ptr().cast(),
            Self::Ccw => bindings::VFIO_DEVICE_API_CCW_STRING.as_ptr().cast(),
            Self::Ap => bindings::VFIO_DEVICE_API_AP_STRING.as_ptr().cast(),
        }
    }
}
