// SPDX-License-Identifier: GPL-2.0-only

//! Drivers of mediated devices.

use core::marker::PhantomData;

use kernel::{
    device,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    types::Opaque, //
};

use super::{
    Device,
    DeviceApi,
    Type, //
};
use crate::{
    bindings,
    compat, //
};

/// A driver of mediated devices.
pub trait Driver: Sized + 'static {
    /// The type of the driver's device private data.
    type Data<'bound>: Send + 'bound;

    /// What the driver keeps with each type of each parent.
    type TypeData: Send + Sync + 'static;

    /// The user API of its devices.
    const DEVICE_API: DeviceApi;

    /// Builds the device `dev` of type `ty`. Its error is what the write to `create` returns; the
    /// driver core also logs it, unless it is `ENODEV` or `ENXIO`.
    fn probe<'bound>(
        dev: &'bound Device<device::Core<'_>>,
        ty: &'bound Type<Self>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// Called when the device is removed, before its data is dropped. Release operations should be
    /// in `Drop`; this is for what needs the device.
    fn unbind<'bound>(dev: &'bound Device<device::Core<'_>>, this: Pin<&Self::Data<'bound>>) {
        let _ = (dev, this);
    }

    /// How many devices of type `ty` could be created now, `available_instances` in sysfs.
    fn available(ty: &Type<Self>) -> u32;
}

/// The registration of a driver of mediated devices.
///
/// It is not the kernel's generic `driver::Registration`, because parents need the address of the C
/// struct, which that one does not give away.
///
/// # Invariants
///
/// `drv` is registered.
#[pin_data(PinnedDrop)]
pub struct Registration<T: Driver> {
    #[pin]
    drv: Opaque<bindings::mdev_driver>,
    _driver: PhantomData<fn() -> T>,
}

// SAFETY: There is nothing that a shared registration could be used for but its address.
unsafe impl<T: Driver> Sync for Registration<T> {}

// SAFETY: Unregistration is implemented in C and safe from any thread.
unsafe impl<T: Driver> Send for Registration<T> {}

impl<T: Driver> Registration<T> {
    /// Registers the driver as `name`, `/sys/bus/mdev/drivers/<name>`. An open device keeps
    /// `module` loaded.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is such a driver; `ENOMEM`.
    pub fn new(name: &'static CStr, module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            drv <- Opaque::try_ffi_init(move |drv: *mut bindings::mdev_driver| {
                let mut driver = bindings::mdev_driver {
                    device_api: T::DEVICE_API.as_char_ptr(),
                    probe: Some(Self::probe_callback),
                    remove: Some(Self::remove_callback),
                    get_available: Some(Self::available_callback),
                    ..Default::default()
                };
                driver.driver.name = name.as_char_ptr();
                // mdev_register_driver() leaves this to the driver. It is what keeps the module
                // while a device is open.
                driver.driver.owner = module.as_ptr();
                // A device that was unbound by hand could never be bound again: the bus matches
                // nothing. This also turns off probing twice (CONFIG_DEBUG_TEST_DRIVER_REMOVE).
                driver.driver.suppress_bind_attrs = true;
                driver.driver.p_cb.post_unbind_rust = Some(Self::post_unbind_callback);
                // SAFETY: `drv` is valid for writing, and pinned until `drop`.
                unsafe { drv.write(driver) };
                // INVARIANT: If this succeeds.
                //
                // SAFETY: `drv` was initialised just now.
                to_result(unsafe { bindings::mdev_register_driver(drv) })
            }),
            _driver: PhantomData,
        })
    }

    /// The C struct, for the registration of parents.
    pub(super) fn as_raw(&self) -> *mut bindings::mdev_driver {
        self.drv.get()
    }

    extern "C" fn probe_callback(mdev: *mut bindings::mdev_device) -> c_int {
        // SAFETY: The mdev bus passes a valid device to this callback.
        //
        // INVARIANT: `mdev` is valid for the duration of the callback.
        let dev = unsafe { &*mdev.cast::<Device<device::CoreInternal<'_>>>() };
        // SAFETY: The device's type is one of a parent of this driver, hence in a `Type<T>`. The
        // device keeps its type.
        let ty = unsafe { Type::<T>::from_raw((*mdev).type_) };
        from_result(|| {
            dev.as_ref().set_drvdata(T::probe(dev, ty))?;
            Ok(0)
        })
    }

    extern "C" fn remove_callback(mdev: *mut bindings::mdev_device) {
        // SAFETY: The mdev bus passes a valid device to this callback.
        //
        // INVARIANT: `mdev` is valid for the duration of the callback.
        let dev = unsafe { &*mdev.cast::<Device<device::CoreInternal<'_>>>() };
        // SAFETY: This is called after a successful `probe_callback` only, which has set the
        // private data.
        let data = unsafe { dev.as_ref().drvdata_borrow::<T::Data<'_>>() };
        T::unbind(dev, data);
    }

    extern "C" fn post_unbind_callback(dev: *mut bindings::device) {
        // SAFETY: The driver core passes a valid device to this callback.
        //
        // INVARIANT: `dev` is valid for the duration of the callback.
        let dev = unsafe { &*dev.cast::<device::Device<device::CoreInternal<'_>>>() };
        // SAFETY: The private data, if any, was set by `probe_callback`.
        drop(unsafe { compat::drvdata_obtain::<T::Data<'_>>(dev) });
    }

    extern "C" fn available_callback(ty: *mut bindings::mdev_type) -> c_uint {
        // SAFETY: The mdev core passes a type of a parent of this driver, and keeps it during the
        // call.
        T::available(unsafe { Type::<T>::from_raw(ty) })
    }
}

#[pinned_drop]
impl<T: Driver> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the driver is registered. No parent is left, for a parent
        // keeps its driver.
        unsafe { bindings::mdev_unregister_driver(self.drv.get()) };
    }
}
