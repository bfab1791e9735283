// SPDX-License-Identifier: GPL-2.0-only

//! `struct vfio_migration_ops` for a driver.

use core::marker::PhantomData;

use kernel::{
    error::from_result,
    ffi, //
};

use super::{
    DataFile,
    Flags,
    Operations,
    State, //
};
use crate::{
    bindings,
    vfio::{
        Device,
        Open, //
    }, //
};

/// The migration callbacks of the driver `T`, for
/// [`vfio::Operations::MIGRATION`](crate::vfio::Operations::MIGRATION).
pub struct Table<T> {
    flags: Flags,
    ops: &'static bindings::vfio_migration_ops,
    _driver: PhantomData<fn(T)>,
}

impl<T: Operations> Table<T> {
    /// The table of a driver that implements [`Operations`].
    pub const fn new() -> Self {
        const { assert!(T::FLAGS.contains(Flags::STOP_COPY), "the uAPI demands it") };
        Self {
            flags: T::FLAGS,
            ops: VTable::<T>::ops(),
            _driver: PhantomData,
        }
    }
}

impl<T: Operations> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Table<T> {
    pub(in crate::vfio) fn flags(&self) -> Flags {
        self.flags
    }

    pub(in crate::vfio) fn as_raw(&self) -> *const bindings::vfio_migration_ops {
        self.ops
    }
}

struct VTable<T: Operations>(PhantomData<T>);

impl<T: Operations> VTable<T> {
    #[cfg(not(CONFIG_CFI))]
    const OPS: bindings::vfio_migration_ops = bindings::vfio_migration_ops {
        migration_set_state: Some(Self::set_state_callback),
        migration_get_state: Some(Self::state_callback),
        migration_get_data_size: Some(Self::data_size_callback),
    };

    /// With kCFI a callback must have the very type that C declares, and Rust cannot name C's enum:
    /// two functions in C stand in between and find ours behind the table.
    #[cfg(CONFIG_CFI)]
    const OPS: bindings::vmig_migration_ops = bindings::vmig_migration_ops {
        ops: bindings::vfio_migration_ops {
            migration_set_state: Some(bindings::vmig_migration_set_state),
            migration_get_state: Some(bindings::vmig_migration_get_state),
            migration_get_data_size: Some(Self::data_size_callback),
        },
        set_state: Some(Self::set_state_callback),
        get_state: Some(Self::state_callback),
    };

    #[cfg(not(CONFIG_CFI))]
    const fn ops() -> &'static bindings::vfio_migration_ops {
        &Self::OPS
    }

    #[cfg(CONFIG_CFI)]
    const fn ops() -> &'static bindings::vfio_migration_ops {
        let table: &'static bindings::vmig_migration_ops = &Self::OPS;
        &table.ops
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`.
    unsafe extern "C" fn set_state_callback(
        vdev: *mut bindings::vfio_device,
        to: u32,
    ) -> *mut bindings::file {
        // SAFETY: The file that the call came through keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        let result = State::requested(to, T::FLAGS).and_then(|to| T::set_state(device, to));
        match result {
            Ok(file) => file.map_or(core::ptr::null_mut(), DataFile::into_raw),
            Err(error) => error.to_ptr(),
        }
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to a registered `Device<T>`, `state` is valid.
    unsafe extern "C" fn state_callback(
        vdev: *mut bindings::vfio_device,
        state: *mut u32,
    ) -> ffi::c_int {
        // SAFETY: The device is registered.
        let device = unsafe { Device::<T>::from_raw(vdev) };
        // SAFETY: The core passes a variable to be filled in.
        unsafe { *state = T::state(device).as_raw() };
        0
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`, `size` is valid.
    unsafe extern "C" fn data_size_callback(
        vdev: *mut bindings::vfio_device,
        size: *mut ffi::c_ulong,
    ) -> ffi::c_int {
        // SAFETY: The file that the call came through keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        from_result(|| {
            let bytes = T::data_size(device)?;
            // SAFETY: The core passes a variable to be filled in.
            unsafe { *size = bytes };
            Ok(0)
        })
    }
}
