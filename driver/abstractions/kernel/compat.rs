// SPDX-License-Identifier: GPL-2.0-only

//! What the `kernel` crate has, but keeps to itself.
//!
//! Every work-around for a `pub(crate)` item of the kernel crate stands here, so
//! that upstream this file vanishes as one hunk.

use kernel::device;

use crate::bindings;

/// `Device::as_raw`.
pub(crate) fn device_as_raw<Ctx: device::DeviceContext>(
    dev: &device::Device<Ctx>,
) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of `Opaque<bindings::device>`.
    core::ptr::from_ref(dev)
        .cast_mut()
        .cast::<bindings::device>()
}
