// SPDX-License-Identifier: GPL-2.0-only

//! Devices that users can open.

use kernel::{
    device,
    devres::Devres,
    error::to_result,
    prelude::*,
    sync::aref::ARef, //
};

use super::{
    Device,
    Operations, //
};
use crate::bindings;

/// A registered VFIO device without an IOMMU of its own (`vfio_register_emulated_iommu_dev`).
///
/// Dropping it, or unbinding the parent, unregisters the device: nobody can open it any more,
/// [`Operations::request`] asks present users to close it, and the call waits until the last one
/// has. References to the [`Device`] may remain.
pub struct Registration<T: Operations> {
    // Dropped first: it uses the device.
    _registered: Devres<Registered<T>>,
    device: ARef<Device<T>>,
}

impl<T: Operations> Registration<T> {
    /// Makes a device below `parent`, with what `init` makes as the driver's data, and registers
    /// it. It can be opened before this returns.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; what `init` returns; what `vfio_register_emulated_iommu_dev` returns.
    pub fn new(
        parent: &device::Device<device::Bound>,
        init: impl PinInit<T, Error>,
    ) -> Result<Self> {
        let device = Device::new(parent, init)?;
        let vdev = device.as_raw();
        if let Some(table) = T::MIGRATION {
            // SAFETY: The device is ours alone until it is registered; the table is static.
            unsafe {
                (*vdev).migration_flags = table.flags().as_raw();
                (*vdev).mig_ops = table.as_raw();
            }
        }
        #[cfg(CONFIG_IOMMUFD_DRIVER)]
        if let Some(table) = T::LOGGING {
            // SAFETY: The device is ours alone until it is registered; the table is static.
            unsafe { (*vdev).log_ops = table.as_raw() };
        }

        // SAFETY: The device is initialised and not registered, and the optional operations that
        // have to be set before are set.
        to_result(unsafe { bindings::vfio_register_emulated_iommu_dev(vdev) })?;
        // Should this fail, it drops its argument, which undoes the registration. Devres makes sure
        // that the device is unregistered before its parent is unbound, even if `Self` is leaked.
        let registered = Devres::new(parent, Ok::<_, Error>(Registered(device.clone())))?;
        Ok(Self {
            _registered: registered,
            device,
        })
    }

    /// The device.
    pub fn device(&self) -> &ARef<Device<T>> {
        &self.device
    }
}

/// The fact that a device is registered.
///
/// # Invariants
///
/// The device is registered, and nobody else unregisters it.
struct Registered<T: Operations>(ARef<Device<T>>);

impl<T: Operations> Drop for Registered<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the device is registered. When this returns, no callback
        // that needs an open device runs or will run.
        unsafe { bindings::vfio_unregister_group_dev(self.0.as_raw()) };
    }
}
