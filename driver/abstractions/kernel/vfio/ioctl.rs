// SPDX-License-Identifier: GPL-2.0-only

//! The `ioctl` calls of the device file that the VFIO core leaves to drivers.

use core::mem::offset_of;

use kernel::{
    prelude::*,
    transmute::AsBytes,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

use super::{
    irq,
    Device,
    Open,
    Operations, //
};
use crate::{
    bindings,
    nospec, //
};

/// Size of `struct vfio_device_info` before the capability offset was added to it.
const DEVICE_INFO_MIN: usize = offset_of!(bindings::vfio_device_info, cap_offset);

// SAFETY: All fields are `u32`, without padding between or behind them.
unsafe impl AsBytes for bindings::vfio_device_info {}
const _: () = assert!(size_of::<bindings::vfio_device_info>() == 6 * size_of::<u32>());

/// Serves `cmd`.
pub(super) fn dispatch<T: Operations>(
    device: &Device<T, Open>,
    cmd: u32,
    user: UserPtr,
) -> Result<isize> {
    match cmd {
        bindings::VFIO_DEVICE_GET_INFO => device_info(device, user)?,
        bindings::VFIO_DEVICE_GET_IRQ_INFO => irq_info(device, user)?,
        bindings::VFIO_DEVICE_SET_IRQS => set_irqs(device, user)?,
        bindings::VFIO_DEVICE_RESET => T::reset(device)?,
        _ => return Err(ENOTTY),
    }
    Ok(0)
}

fn device_info<T: Operations>(device: &Device<T, Open>, user: UserPtr) -> Result {
    let [argsz, ..]: [u32; DEVICE_INFO_MIN / size_of::<u32>()] =
        UserSlice::new(user, DEVICE_INFO_MIN).reader().read()?;
    // CAST: `u32` fits into `usize` wherever VFIO is built.
    let size = argsz as usize;
    if size < DEVICE_INFO_MIN {
        return Err(EINVAL);
    }
    let info = T::device_info(device);
    let raw = bindings::vfio_device_info {
        argsz,
        flags: info.flags,
        num_regions: info.regions,
        num_irqs: info.irqs,
        ..Default::default()
    };
    let bytes = raw.as_bytes();
    let bytes = bytes.get(..size).unwrap_or(bytes);
    UserSlice::new(user, bytes.len())
        .writer()
        .write_slice(bytes)
}

fn irq_info<T: Operations>(device: &Device<T, Open>, user: UserPtr) -> Result {
    const SIZE: usize = size_of::<bindings::vfio_irq_info>();
    const _: () = assert!(SIZE == 4 * size_of::<u32>());

    let (mut reader, mut writer) = UserSlice::new(user, SIZE).reader_writer();
    let [argsz, _, index, _]: [u32; 4] = reader.read()?;
    if (argsz as usize) < SIZE {
        return Err(EINVAL);
    }
    let irqs = T::device_info(device).irqs;
    let bounded = nospec::index(index, irqs).ok_or(EINVAL)?;
    let info = T::irq_info(device, bounded)?;
    writer.write(&[argsz, info.flags, index, info.count])
}

fn set_irqs<T: Operations>(device: &Device<T, Open>, user: UserPtr) -> Result {
    const FIXED: usize = offset_of!(bindings::vfio_irq_set, data);
    const _: () = assert!(FIXED == 5 * size_of::<u32>());

    let [argsz, flags, index, start, count]: [u32; 5] =
        UserSlice::new(user, FIXED).reader().read()?;
    let mut header = bindings::vfio_irq_set {
        argsz,
        flags,
        index,
        start,
        count,
        ..Default::default()
    };
    let irqs = T::device_info(device).irqs;
    let bounded = nospec::index(index, irqs).ok_or(EINVAL)?;
    let available = T::irq_info(device, bounded)?.count;
    let size = irq::prepare(&mut header, available, irqs)?;

    let mut data = KVec::new();
    UserSlice::new(user.wrapping_byte_add(FIXED), size).read_all(&mut data, GFP_KERNEL_ACCOUNT)?;
    T::set_irqs(device, &irq::Set::new(bounded, flags, start, count, &data)?)
}
