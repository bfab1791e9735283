// SPDX-License-Identifier: GPL-2.0-only

//! `struct vfio_device_ops` for a driver.

use core::marker::PhantomData;

use kernel::{
    error::from_result,
    ffi,
    mm::virt::VmaNew,
    str::as_char_ptr_in_const_context,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

use super::{
    ioctl,
    region,
    Device,
    Open,
    Operations, //
};
use crate::bindings;

/// The C table that calls the driver `T`.
pub(super) struct VTable<T: Operations>(PhantomData<T>);

impl<T: Operations> VTable<T> {
    pub(super) const OPS: bindings::vfio_device_ops = bindings::vfio_device_ops {
        name: as_char_ptr_in_const_context(T::NAME).cast_mut(),
        release: Some(Self::release_callback),
        #[cfg(CONFIG_IOMMUFD)]
        bind_iommufd: Some(bindings::vfio_iommufd_emulated_bind),
        #[cfg(CONFIG_IOMMUFD)]
        unbind_iommufd: Some(bindings::vfio_iommufd_emulated_unbind),
        #[cfg(CONFIG_IOMMUFD)]
        attach_ioas: Some(bindings::vfio_iommufd_emulated_attach_ioas),
        #[cfg(CONFIG_IOMMUFD)]
        detach_ioas: Some(bindings::vfio_iommufd_emulated_detach_ioas),
        open_device: Some(Self::open_device_callback),
        close_device: Some(Self::close_device_callback),
        read: Some(Self::read_callback),
        write: Some(Self::write_callback),
        mmap: if T::HAS_REGION_MAP {
            Some(Self::mmap_callback)
        } else {
            None
        },
        ioctl: Some(Self::ioctl_callback),
        get_region_info_caps: Some(Self::region_info_callback),
        request: if T::HAS_REQUEST {
            Some(Self::request_callback)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to a `Device<T>` without references.
    unsafe extern "C" fn release_callback(vdev: *mut bindings::vfio_device) {
        // SAFETY: This is the core's release of the device.
        unsafe { Device::<T>::release(vdev) };
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to a registered `Device<T>`.
    unsafe extern "C" fn open_device_callback(vdev: *mut bindings::vfio_device) -> ffi::c_int {
        // SAFETY: The device is registered, and counts as open during this call.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        device.usage().open();
        from_result(|| {
            T::open_device(device).inspect_err(|_| {
                device.usage().close();
                device.usage().drain();
            })?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`.
    unsafe extern "C" fn close_device_callback(vdev: *mut bindings::vfio_device) {
        // SAFETY: The device is open until this call returns.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        device.usage().close();
        device.usage().drain();
        T::close_device(device);
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`, `position` is valid.
    unsafe extern "C" fn read_callback(
        vdev: *mut bindings::vfio_device,
        buffer: *mut ffi::c_char,
        count: usize,
        position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: The file that is read keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        // SAFETY: The core passes a valid file position that only this call uses.
        let position = unsafe { &mut *position };
        let user = UserSlice::new(UserPtr::from_ptr(buffer.cast()), count);
        from_result(|| region::read(device, position, user.writer()))
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`, `position` is valid.
    unsafe extern "C" fn write_callback(
        vdev: *mut bindings::vfio_device,
        buffer: *const ffi::c_char,
        count: usize,
        position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: The file that is written keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        // SAFETY: The core passes a valid file position that only this call uses.
        let position = unsafe { &mut *position };
        let user = UserSlice::new(UserPtr::from_ptr(buffer.cast_mut().cast()), count);
        from_result(|| region::write(device, position, user.reader()))
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`, `vma` is a mapping that is
    /// being made.
    unsafe extern "C" fn mmap_callback(
        vdev: *mut bindings::vfio_device,
        vma: *mut bindings::vm_area_struct,
    ) -> ffi::c_int {
        // SAFETY: The file that is mapped keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        // SAFETY: The mapping is being made, and stays so until this call returns.
        let vma = unsafe { VmaNew::from_raw(vma) };
        from_result(|| region::map(device, vma).map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`.
    unsafe extern "C" fn ioctl_callback(
        vdev: *mut bindings::vfio_device,
        cmd: ffi::c_uint,
        arg: ffi::c_ulong,
    ) -> ffi::c_long {
        // SAFETY: The file that the call came through keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        from_result(|| ioctl::dispatch(device, cmd, UserPtr::from_addr(arg)))
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`, `info` and `caps` are
    /// valid.
    unsafe extern "C" fn region_info_callback(
        vdev: *mut bindings::vfio_device,
        info: *mut bindings::vfio_region_info,
        caps: *mut bindings::vfio_info_cap,
    ) -> ffi::c_int {
        // SAFETY: The file that the call came through keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        // SAFETY: Both are variables of the core that only this call uses.
        let (info, caps) = unsafe { (&mut *info, &mut *caps) };
        from_result(|| region::info(device, info, caps).map(|()| 0))
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to a `Device<T>` that is being unregistered.
    unsafe extern "C" fn request_callback(vdev: *mut bindings::vfio_device, count: ffi::c_uint) {
        // SAFETY: Whoever unregisters the device holds a reference to it.
        let device = unsafe { Device::<T>::from_raw(vdev) };
        T::request(device, count);
    }
}
