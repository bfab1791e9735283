// SPDX-License-Identifier: GPL-2.0-only

//! Mediated devices as devices on their bus.

use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull, //
};

use kernel::{
    device,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

use crate::bindings;

/// A mediated device.
///
/// # Invariants
///
/// A [`Device`] represents a valid `struct mdev_device` that the mdev core created.
#[repr(transparent)]
pub struct Device<Ctx: device::DeviceContext = device::Normal>(
    Opaque<bindings::mdev_device>,
    PhantomData<Ctx>,
);

impl<Ctx: device::DeviceContext> Device<Ctx> {
    /// The C object.
    pub(crate) fn as_raw(&self) -> *mut bindings::mdev_device {
        self.0.get()
    }

    /// The UUID, in the byte order of its text (RFC 9562), which for its first three fields is not
    /// that of the C side's `guid_t`.
    pub fn uuid(&self) -> [u8; 16] {
        // SAFETY: By the type invariant; the UUID is set when the device is created.
        let [a3, a2, a1, a0, b1, b0, c1, c0, rest @ ..] = unsafe { (*self.as_raw()).uuid.b };
        let [d0, d1, e0, e1, e2, e3, e4, e5] = rest;
        [
            a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, e0, e1, e2, e3, e4, e5,
        ]
    }
}

// SAFETY: `Device` is a transparent wrapper of `struct mdev_device`, and the offset is that of its
// `struct device`.
unsafe impl<Ctx: device::DeviceContext> device::AsBusDevice<Ctx> for Device<Ctx> {
    const OFFSET: usize = offset_of!(bindings::mdev_device, dev);
}

// SAFETY: `Device` is a transparent wrapper of a type that doesn't depend on `Device`'s generic
// argument.
kernel::impl_device_context_deref!(unsafe { Device });
kernel::impl_device_context_into_aref!(Device);

// SAFETY: Instances of `Device` are always reference-counted.
unsafe impl AlwaysRefCounted for Device {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the count is not zero.
        unsafe { bindings::get_device(&raw mut (*self.as_raw()).dev) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        let mdev: *mut bindings::mdev_device = obj.cast().as_ptr();
        // SAFETY: The caller gives up a reference that it owns.
        unsafe { bindings::put_device(&raw mut (*mdev).dev) }
    }
}

impl<Ctx: device::DeviceContext> AsRef<device::Device<Ctx>> for Device<Ctx> {
    fn as_ref(&self) -> &device::Device<Ctx> {
        // SAFETY: By the type invariant `as_raw()` is valid, and so is the device in it.
        unsafe { device::Device::from_raw(&raw mut (*self.as_raw()).dev) }
    }
}

// SAFETY: A `Device` is always reference-counted and can be released from any thread.
unsafe impl Send for Device {}

// SAFETY: All methods of `Device<Normal>` are thread safe.
unsafe impl Sync for Device {}

// SAFETY: As `Device<Normal>`; the context does not change the device.
unsafe impl Sync for Device<device::Bound> {}
