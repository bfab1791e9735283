// SPDX-License-Identifier: GPL-2.0-only

//! `struct vfio_device` with the driver's data behind it.

use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    device,
    error::from_err_ptr,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};

use super::{
    usage::Usage,
    vtable::VTable,
    Operations, //
};
use crate::{
    bindings,
    compat, //
};

/// What is known about a device at the place where a reference to it is held.
pub trait DeviceContext: private::Sealed {}

/// Nothing is known: the device may be closed, even unregistered.
pub struct Normal;

/// The device is open: the reference was made for a callback that runs between `open_device` and
/// `close_device`.
pub struct Open;

impl DeviceContext for Normal {}
impl DeviceContext for Open {}

mod private {
    pub trait Sealed {}

    impl Sealed for super::Normal {}
    impl Sealed for super::Open {}
}

/// A VFIO device: `struct vfio_device`, and the driver's data of type `T` behind it.
///
/// Dereferences to `T`.
///
/// # Invariants
///
/// - `vdev` stands at offset 0, was initialised by `_vfio_alloc_device`, and its reference count
///   owns the allocation.
/// - `ready` says whether `usage` and `data` are initialised. It is written once, before the first
///   reference to this struct is made, so that whoever holds a reference may rely on it.
#[repr(C)]
pub struct Device<T: Operations, Ctx: DeviceContext = Normal> {
    vdev: Opaque<bindings::vfio_device>,
    ready: bool,
    usage: MaybeUninit<Usage>,
    data: MaybeUninit<T>,
    _context: PhantomData<Ctx>,
}

// SAFETY: The VFIO core lets devices be used and released by any thread, and `T` is `Send`.
unsafe impl<T: Operations, Ctx: DeviceContext> Send for Device<T, Ctx> {}
// SAFETY: What is shared of `vdev` is protected by the VFIO core, and `T` is `Sync`.
unsafe impl<T: Operations, Ctx: DeviceContext> Sync for Device<T, Ctx> {}

impl<T: Operations> Device<T> {
    /// Allocates a device below `parent` and initialises its data.
    pub(super) fn new(
        parent: &device::Device<device::Bound>,
        init: impl PinInit<T, Error>,
    ) -> Result<ARef<Self>> {
        const_assert!(
            core::mem::offset_of!(Self, vdev) == 0,
            "struct vfio_device must be at offset 0"
        );
        const_assert!(
            align_of::<Self>() <= align_of::<u64>(),
            "kvzalloc() promises no more than this"
        );

        let parent = compat::device_as_raw(parent);
        // SAFETY: `parent` is bound, hence alive; the operations are static; the size covers the
        // whole of `Self`.
        let raw = from_err_ptr(unsafe {
            bindings::_vfio_alloc_device(size_of::<Self>(), parent, &VTable::<T>::OPS)
        })?;
        let this = raw.cast::<Self>();

        // From here on the core releases the allocation, and `release` looks at `ready`, which
        // `kvzalloc` set to false.
        // SAFETY: `data` lies within the allocation, is not initialised and never moves.
        let made = unsafe { pin_init::raw_try_init((&raw mut (*this).data).cast::<T>(), init) };
        if let Err(error) = made {
            // SAFETY: We own the only reference.
            unsafe { bindings::put_device(&raw mut (*raw).device) };
            return Err(error);
        }
        // SAFETY: `usage` lies within the allocation, is not initialised and never moves.
        unsafe { pin_init::raw_init((&raw mut (*this).usage).cast::<Usage>(), Usage::new()) };
        // INVARIANT: Both were just initialised, and nobody has seen the device yet.
        // SAFETY: `ready` lies within the allocation, which nobody else knows.
        unsafe { (*this).ready = true };

        // SAFETY: `from_err_ptr` let no error pass, and `_vfio_alloc_device` never returns null.
        let this = unsafe { NonNull::new_unchecked(this) };
        // SAFETY: `this` is initialised, and the reference it came with becomes the `ARef`'s.
        Ok(unsafe { ARef::from_raw(this) })
    }

    /// Did the user opt in to `VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2`? Never while closed.
    pub fn precopy_info_v2(&self) -> bool {
        // SAFETY: The device is alive. The core writes this one byte without a lock, to 1 on the
        // user's request and to 0 at the last close; volatile stands for `READ_ONCE`.
        let opted_in = unsafe { (&raw const (*self.as_raw()).precopy_info_v2).read_volatile() };
        opted_in != 0
    }
}

impl<T: Operations, Ctx: DeviceContext> Device<T, Ctx> {
    pub(super) fn as_raw(&self) -> *mut bindings::vfio_device {
        self.vdev.get()
    }

    /// Who uses the device.
    pub(super) fn usage(&self) -> &Usage {
        // SAFETY: By the type invariant whoever holds a reference finds `usage` initialised.
        unsafe { self.usage.assume_init_ref() }
    }

    /// Borrows the device that a callback was called for.
    ///
    /// # Safety
    ///
    /// `vdev` must belong to a `Device<T>` whose data is initialised and which stays alive during
    /// `'a`; if `Ctx` is [`Open`] it must stay open, too.
    pub(super) unsafe fn from_raw<'a>(vdev: *mut bindings::vfio_device) -> &'a Self {
        // SAFETY: By the type invariant `vdev` stands at offset 0 of a `Device<T>`; contexts have
        // no representation.
        unsafe { &*vdev.cast() }
    }

    /// Drops the driver's data, if there is any.
    ///
    /// # Safety
    ///
    /// To be called once, from the core's release of the device that `vdev` belongs to.
    pub(super) unsafe fn release(vdev: *mut bindings::vfio_device) {
        let this = vdev.cast::<Self>();
        // SAFETY: The core calls us with the last reference gone, so that nobody else has access.
        if unsafe { (*this).ready } {
            // SAFETY: By the type invariant `data` is initialised; nobody uses it again.
            unsafe { core::ptr::drop_in_place((&raw mut (*this).data).cast::<T>()) };
            // SAFETY: As above, of `usage`.
            unsafe { core::ptr::drop_in_place((&raw mut (*this).usage).cast::<Usage>()) };
        }
    }
}

impl<T: Operations> Deref for Device<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariant whoever holds a reference finds `data` initialised.
        unsafe { self.data.assume_init_ref() }
    }
}

impl<T: Operations> Deref for Device<T, Open> {
    type Target = Device<T>;

    fn deref(&self) -> &Device<T> {
        // SAFETY: The two differ in the context only, which has no representation; `Normal`
        // promises less than `Open`.
        unsafe { Device::from_raw(self.as_raw()) }
    }
}

/// The `vfio-dev` device in sysfs, not its parent.
impl<T: Operations> AsRef<device::Device> for Device<T> {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: By the type invariant the embedded device is initialised; it lives as long as we.
        unsafe { device::Device::from_raw(&raw mut (*self.as_raw()).device) }
    }
}

// SAFETY: The count of the embedded `struct device` owns the allocation.
unsafe impl<T: Operations> AlwaysRefCounted for Device<T> {
    fn inc_ref(&self) {
        // SAFETY: `self` is alive, hence so is its device.
        unsafe { bindings::get_device(&raw mut (*self.as_raw()).device) };
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        let vdev = this.cast::<bindings::vfio_device>().as_ptr();
        // SAFETY: The caller gives up a reference that it owns.
        unsafe { bindings::put_device(&raw mut (*vdev).device) };
    }
}
