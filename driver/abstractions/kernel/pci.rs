// SPDX-License-Identifier: GPL-2.0-only

//! PCI drivers that the administrator chooses, and that know more than a device.
//!
//! The kernel crate's [`pci::Driver`] has no state of its own: its probe sees the device and an
//! entry of the table of IDs. Here a registration comes with a context that each probe is shown, and
//! the table is empty: a device is bound only if it is told to (`driver_override` in sysfs; with such a
//! table the PCI core refuses `new_id`).
//!
//! Upstream the context would be a part of [`driver::Registration`].

use core::{
    marker::PhantomData,
    mem::size_of, //
};

use kernel::{
    container_of,
    device::{
        Bound,
        Core, //
    },
    device_id::IdArray,
    driver,
    pci,
    prelude::*, //
};

use crate::{
    bindings,
    compat, //
};

/// A driver of PCI devices.
pub trait Driver: Sized + 'static {
    /// What all devices of a registration share.
    type Context: Send + Sync + 'static;

    /// The type of the driver's device private data, dropped when the device is unbound.
    type Data<'bound>: Send + 'bound;

    /// Binds the device. The driver core logs an error, unless it is `ENODEV` or `ENXIO`.
    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        context: &'bound Self::Context,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;
}

/// No device is bound by what it is.
static NO_IDS: IdArray<pci::DeviceId, (), 0> = IdArray::new([]);

/// A [`Driver`] as the kernel crate wants it.
struct Bridge<T>(PhantomData<T>);

impl<T: Driver> pci::Driver for Bridge<T> {
    type IdInfo = ();
    type Data<'bound> = T::Data<'bound>;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &NO_IDS;

    fn probe<'bound>(
        dev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        let bound: &'bound kernel::device::Device<Bound> = dev.as_ref();
        // SAFETY: The device is being bound to this driver, which is registered by a
        // `Registration<T>` only.
        let context = unsafe { Registration::<T>::context_of(bound) };
        T::probe(dev, context)
    }
}

/// The registration of a PCI driver with its context. Dropping it unbinds all its devices.
#[pin_data]
pub struct Registration<T: Driver> {
    // Dropped first: devices that are bound refer to the context.
    #[pin]
    driver: driver::Registration<pci::Adapter<Bridge<T>>>,
    context: T::Context,
}

impl<T: Driver> Registration<T> {
    /// Registers the driver as `name`, `/sys/bus/pci/drivers/<name>`. Devices that wait for it are
    /// probed before this returns.
    ///
    /// # Errors
    ///
    /// `EBUSY` if there is such a driver; `ENOMEM`.
    pub fn new(
        name: &'static CStr,
        module: &'static ThisModule,
        context: T::Context,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // First, for the sake of the devices that are probed by the other.
            context,
            driver <- driver::Registration::new(name, module),
        })
    }

    /// The context of the driver that `dev` is bound to, or being bound.
    ///
    /// # Safety
    ///
    /// The driver must be that of a [`Registration<T>`].
    unsafe fn context_of<'bound>(dev: &'bound kernel::device::Device<Bound>) -> &'bound T::Context {
        // The C struct fills its wrapper, hence is at the beginning of it.
        const {
            assert!(
                size_of::<driver::Registration<pci::Adapter<Bridge<T>>>>()
                    == size_of::<bindings::pci_driver>()
            );
        };
        // SAFETY: `dev` is a valid device; while it is bound this does not change.
        let driver = unsafe { (*compat::device_as_raw(dev)).driver };
        // SAFETY: By the function's requirement this is part of a `struct pci_driver`.
        let driver = unsafe { container_of!(driver, bindings::pci_driver, driver) };
        let driver = driver.cast::<driver::Registration<pci::Adapter<Bridge<T>>>>();
        // SAFETY: By the function's requirement, and see above.
        let this: *const Self = unsafe { container_of!(driver, Self, driver) };
        // SAFETY: The context was initialised before the driver was registered, and is dropped after
        // it was unregistered, which unbinds the device.
        unsafe { &(*this).context }
    }
}
