// SPDX-License-Identifier: GPL-2.0-only

//! Device classes, and class devices that own their data.
//!
//! A class device here is a `struct device` of ours: it is allocated together with the driver's
//! data and both are freed by its release callback, when the last reference is gone. That is what
//! an API needs whose C side uses the driver's memory as long as somebody refers to the device.
//!
//! This module does not support: attributes of the class, character devices, a parent device.
//!
//! C headers: [`include/linux/device/class.h`](srctree/include/linux/device/class.h),
//! [`include/linux/device.h`](srctree/include/linux/device.h)

use core::{
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    device,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Completion,
        Refcount, //
    },
    types::Opaque, //
};

use crate::bindings;

/// Counts the devices of a class that were not released yet, and the class itself.
#[pin_data]
struct Live {
    count: Refcount,
    #[pin]
    none: Completion,
}

impl Live {
    fn put(&self) {
        if self.count.dec_and_test() {
            self.none.complete_all();
        }
    }
}

/// A device class; dropping it waits until all its devices were released, and all that was given a
/// [`Hold`].
///
/// # Invariants
///
/// `class` was returned by `class_create()` and not destroyed yet.
#[pin_data(PinnedDrop)]
pub struct Class {
    class: NonNull<bindings::class>,
    #[pin]
    live: Live,
}

// SAFETY: The driver core synchronises access to the class; `Live` is made for sharing.
unsafe impl Send for Class {}

// SAFETY: As above.
unsafe impl Sync for Class {}

impl Class {
    /// Makes the class `name`, `/sys/class/<name>`.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is such a class; `ENOMEM`.
    pub fn new(name: &'static CStr) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // INVARIANT: The class is destroyed by the destructor only.
            class: {
                // SAFETY: `name` is a C string and static, for the class keeps the pointer.
                let class = from_err_ptr(unsafe { bindings::class_create(name.as_char_ptr()) })?;
                NonNull::new(class).ok_or(ENOMEM)?
            },
            live <- pin_init!(Live {
                count: Refcount::new(1),
                none <- Completion::new(),
            }),
        }? Error)
    }

    /// Makes the class's destructor wait for the returned value, too.
    ///
    /// For objects that are not the class's devices, but are released at a time that the driver does
    /// not know either.
    pub fn hold(&self) -> Hold {
        self.live.count.inc();
        // INVARIANT: Counted just now.
        Hold(NonNull::from(&self.live))
    }
}

/// Something that a [`Class`] waits for before it goes.
///
/// # Invariants
///
/// The pointer is to the `live` of a class, which counts this; hence the class is still there.
pub struct Hold(NonNull<Live>);

// SAFETY: `Live` is made for sharing.
unsafe impl Send for Hold {}

// SAFETY: As above; there is nothing that a shared one could be used for.
unsafe impl Sync for Hold {}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; the class may go after this call.
        unsafe { self.0.as_ref() }.put();
    }
}

#[pinned_drop]
impl PinnedDrop for Class {
    fn drop(self: Pin<&mut Self>) {
        // The release callback of a device is text of the module.
        self.live.put();
        self.live.none.wait_for_completion();
        // SAFETY: By the type invariant; no device refers to the class any more.
        unsafe { bindings::class_destroy(self.class.as_ptr()) };
    }
}

/// A class device with data of type `T`.
///
/// # Invariants
///
/// - `dev` is an initialised `struct device` whose release callback frees the whole allocation,
///   which `KBox` made.
/// - `live` points to the `live` of the device's class, which outlives the device.
#[pin_data]
#[repr(C)]
pub struct Device<T> {
    #[pin]
    dev: Opaque<bindings::device>,
    live: NonNull<Live>,
    #[pin]
    data: T,
}

impl<T: Send + Sync + 'static> Device<T> {
    /// Makes a device that is not in sysfs yet, and need not come there.
    pub(crate) fn new(
        class: &Class,
        name: &CStr,
        data: impl PinInit<T, Error>,
    ) -> Result<ARef<Self>> {
        let this = KBox::try_pin_init(
            try_pin_init!(Self {
                dev <- Opaque::ffi_init(|dev: *mut bindings::device| {
                    // SAFETY: All zeroes is a valid `struct device` before its initialisation.
                    unsafe { dev.write_bytes(0, 1) };
                }),
                live: NonNull::from(&class.live),
                data <- data,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The box is not moved out of; it stays where it is until the release callback.
        let this = KBox::into_raw(unsafe { Pin::into_inner_unchecked(this) });
        // SAFETY: `this` is valid, and `dev` is at its beginning.
        let dev = unsafe { (*this).dev.get() };
        class.live.count.inc();
        // INVARIANT: From here on the device is initialised and freed by the callback only. The
        // class's destructor waits for it; a class that is pinned and not dropped stays for ever.
        //
        // SAFETY: `dev` is valid and zeroed; nobody else has it yet.
        unsafe {
            bindings::device_initialize(dev);
            (*dev).class = class.class.as_ptr();
            (*dev).release = Some(Self::release_callback);
        }
        // SAFETY: `this` is not null, and comes with the reference that `device_initialize` gave.
        let this = unsafe { ARef::from_raw(NonNull::new_unchecked(this)) };
        // SAFETY: The format fits the argument, which is a C string.
        to_result(unsafe { bindings::dev_set_name(dev, c"%s".as_char_ptr(), name.as_char_ptr()) })?;
        Ok(this)
    }

    /// # Safety
    ///
    /// Only called by the driver core, with the `dev` of a `Device<T>` that has no reference left.
    unsafe extern "C" fn release_callback(dev: *mut bindings::device) {
        // CAST: `dev` is the first member of a `repr(C)` struct.
        let this = dev.cast::<Self>();
        // SAFETY: By the function's requirement; nobody else has the device any more. It was taken
        // out of a pinned box in `Self::new`.
        let this = unsafe { Pin::new_unchecked(KBox::from_raw(this)) };
        let live = this.live;
        drop(this);
        // SAFETY: By the type invariant the class is still there: it waits for the call below.
        unsafe { live.as_ref() }.put();
    }
}

impl<T> Device<T> {
    /// The data.
    pub fn data(&self) -> Pin<&T> {
        // SAFETY: `data` is structurally pinned, and a device is never moved.
        unsafe { Pin::new_unchecked(&self.data) }
    }
}

impl<T> AsRef<device::Device> for Device<T> {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: By the type invariant `dev` is a valid device, which lives as long as `self`.
        unsafe { device::Device::from_raw(self.dev.get()) }
    }
}

// SAFETY: By the type invariant every instance is reference-counted by its `struct device`.
unsafe impl<T: Send + Sync> AlwaysRefCounted for Device<T> {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the count is not zero.
        unsafe { bindings::get_device(self.dev.get()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference that it owns. `dev` is the first member.
        unsafe { bindings::put_device(obj.cast().as_ptr()) }
    }
}

// SAFETY: The device may be released on any thread; the data is `Send` by the bound.
unsafe impl<T: Send + Sync> Send for Device<T> {}

// SAFETY: The driver core synchronises access to the device; the data is `Sync` by the bound.
unsafe impl<T: Send + Sync> Sync for Device<T> {}

/// A class device that is in sysfs; dropping this takes it out. It is freed when the last reference
/// is gone.
///
/// # Invariants
///
/// The device was added by `device_add()`.
pub struct Registration<T: Send + Sync + 'static>(ARef<Device<T>>);

impl<T: Send + Sync + 'static> Registration<T> {
    /// Makes the device `name` of `class`.
    ///
    /// # Errors
    ///
    /// Those of `data`; `ENOMEM`; `EEXIST` if the class has a device of that name (which the kernel
    /// then reports with a stack trace).
    pub fn new(class: &Class, name: &CStr, data: impl PinInit<T, Error>) -> Result<Self> {
        let dev = Device::new(class, name, data)?;
        // SAFETY: The device is initialised, has a name, and was not added before.
        to_result(unsafe { bindings::device_add(dev.dev.get()) })?;
        // INVARIANT: Added just now.
        Ok(Self(dev))
    }
}

impl<T: Send + Sync + 'static> Deref for Registration<T> {
    type Target = Device<T>;

    fn deref(&self) -> &Device<T> {
        &self.0
    }
}

impl<T: Send + Sync + 'static> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the device was added, and nobody else deletes it.
        unsafe { bindings::device_del(self.0.dev.get()) };
    }
}
