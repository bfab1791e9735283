// SPDX-License-Identifier: GPL-2.0-only

//! What the `kernel` crate keeps to itself, or lacks in a type that it has.
//!
//! Every work-around for such an item of the kernel crate stands here, so that
//! upstream this file vanishes as one hunk.

use kernel::{
    alloc::Flags,
    device,
    prelude::*,
    types::ForeignOwnable, //
};

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

/// `__GFP_RETRY_MAYFAIL`, which `kernel::alloc::flags` lacks: to be told that there is no memory, rather
/// than to have somebody killed for it.
pub(crate) const GFP_RETRY_MAYFAIL: Flags = {
    let raw: bindings::gfp_t = 1 << bindings::___GFP_RETRY_MAYFAIL_BIT;
    // SAFETY: `Flags` has one field, a `gfp_t`, and, as is checked here, the size of one: it has room for
    // that at its very beginning only. All values are valid.
    unsafe { core::mem::transmute::<bindings::gfp_t, Flags>(raw) }
};

/// `fatal_signal_pending(current)`: will the current task die on its way back to user space?
pub(crate) fn fatal_signal_pending() -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { bindings::vmig_fatal_signal_pending() }
}

/// `Device::drvdata_obtain`.
///
/// # Safety
///
/// `T` must be the type that was given to `Device::set_drvdata`.
pub(crate) unsafe fn drvdata_obtain<T>(
    dev: &device::Device<device::CoreInternal<'_>>,
) -> Option<Pin<KBox<T>>> {
    let dev = device_as_raw(dev);
    // SAFETY: `dev` comes from a reference, hence is a valid `struct device`.
    let ptr = unsafe { bindings::dev_get_drvdata(dev) };
    // SAFETY: As above.
    unsafe { bindings::dev_set_drvdata(dev, core::ptr::null_mut()) };
    if ptr.is_null() {
        return None;
    }
    // SAFETY: A pointer that is not null comes from `into_foreign()` in
    // `Device::set_drvdata`, of a box of this type by the function's own requirement; it was
    // taken out of the device above, so nobody obtains it a second time.
    Some(unsafe { Pin::<KBox<T>>::from_foreign(ptr.cast()) })
}

/// A name for a lock that has one address in all crates of the module.
///
/// Lockdep wants the locks of a class to have the very same name, not an equal one. The literal that
/// `new_mutex!` and its like take is copied into every crate that the initialiser is inlined into;
/// a `static`, as the class is one, is not.
macro_rules! lock_name {
    ($name:literal) => {{
        static NAME: &::kernel::str::CStr = ::kernel::c_str!($name);
        NAME
    }};
}
pub(crate) use lock_name;
