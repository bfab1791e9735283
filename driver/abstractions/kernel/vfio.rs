// SPDX-License-Identifier: GPL-2.0-only

//! Virtual Function I/O (VFIO): devices that are handed to user space.
//!
//! A driver implements [`Operations`] for the type of its per-device data, makes a device of it
//! with [`Registration::new`], and keeps the [`Registration`] as long as users may open the device.
//! What is optional is a trait of its own: [`migration::Operations`] and [`logging::Operations`],
//! named in [`Operations::MIGRATION`] and [`Operations::LOGGING`].
//!
//! # User memory
//!
//! No callback sees a pointer to user memory. The `ioctl` structs are copied and judged here, region
//! accesses are split into naturally aligned pieces, and migration data passes through a buffer of
//! the data file. A driver may therefore hold its own locks wherever it likes: no copy from or to
//! user memory, which can wait for another user for ever, happens under them.
//!
//! # What is not supported
//!
//! - physical devices (`vfio_register_group_dev`), device sets, PASIDs, tokens, no-IOMMU mode;
//! - pinning of user memory (`vfio_pin_pages`), and mappings of anything but [`region::Memory`] and
//!   [`region::Pages`].
//!
//! C header: [`include/linux/vfio.h`](srctree/include/linux/vfio.h)

mod device;
pub mod dma;
mod ioctl;
pub mod irq;
#[cfg(CONFIG_IOMMUFD_DRIVER)]
pub mod logging;
pub mod migration;
pub mod region;
mod registration;
mod usage;
mod vtable;

pub use self::{
    device::{
        Device,
        DeviceContext,
        Normal,
        Open, //
    },
    registration::Registration,
    usage::InUse, //
};

use kernel::{
    error::VTABLE_DEFAULT_ERROR,
    prelude::*, //
};

use crate::bindings;

/// Answer to `VFIO_DEVICE_GET_INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Bits of [`DeviceInfo::RESET`] and [`DeviceInfo::PCI`].
    pub flags: u32,
    /// Highest region index plus one.
    pub regions: u32,
    /// Highest interrupt index plus one.
    pub irqs: u32,
}

impl DeviceInfo {
    /// `VFIO_DEVICE_RESET` works.
    pub const RESET: u32 = bindings::VFIO_DEVICE_FLAGS_RESET;
    /// Regions and interrupts have the indexes of a PCI device.
    pub const PCI: u32 = bindings::VFIO_DEVICE_FLAGS_PCI;
}

/// A VFIO driver; the implementing type is its data for one device.
///
/// Callbacks may run concurrently unless they say otherwise, from the moment the device is
/// registered. Those that take a [`Device<Self, Open>`] run only between [`open_device`] and
/// [`close_device`].
///
/// [`open_device`]: Operations::open_device
/// [`close_device`]: Operations::close_device
#[vtable]
pub trait Operations: Sized + Send + Sync + 'static {
    /// Name of the driver.
    const NAME: &'static CStr;

    /// Migration, for devices that support it.
    const MIGRATION: Option<migration::Table<Self>> = None;

    /// Logging of DMA writes, for devices that support it. Without it common users refuse to
    /// migrate a device by default, even one that does no DMA.
    #[cfg(CONFIG_IOMMUFD_DRIVER)]
    const LOGGING: Option<logging::Table<Self>> = None;

    /// The first user opens the device. Serialised with [`close_device`](Self::close_device). The device
    /// can be [used](Device::try_use) from the beginning of this call; who lets that happen before it
    /// cannot fail any more waits for them.
    ///
    /// # Errors
    ///
    /// Any; it reaches the user from `VFIO_DEVICE_BIND_IOMMUFD` or `VFIO_GROUP_GET_DEVICE_FD`.
    fn open_device(device: &Device<Self, Open>) -> Result;

    /// The last user closed the device. Afterwards data files of its sessions must yield nothing.
    /// Nobody [uses](Device::try_use) the device any more: those who did were waited for, which cannot be
    /// interrupted, so that such uses should be short.
    fn close_device(device: &Device<Self, Open>);

    /// Flags and counts; constant while the device is open.
    fn device_info(device: &Device<Self, Open>) -> DeviceInfo;

    /// Describes region `index`, which is below [`DeviceInfo::regions`]. A region that does not
    /// exist has size zero.
    ///
    /// # Errors
    ///
    /// Any.
    fn region_info(
        device: &Device<Self, Open>,
        index: u32,
        caps: &mut region::InfoCap<'_>,
    ) -> Result<region::Info>;

    /// Whether region `index` is plain memory: it is then read and written in pieces of any size and
    /// alignment, up to 16 pages. Constant while the device is open.
    fn region_is_bulk(device: &Device<Self, Open>, index: u32) -> bool {
        let _ = (device, index);
        false
    }

    /// Reads a piece of a region: 1, 2, 4 or 8 bytes, naturally aligned, maybe beyond its end. Or a
    /// longer one, of what [is plain memory](Self::region_is_bulk).
    ///
    /// # Errors
    ///
    /// Any.
    fn region_read(
        device: &Device<Self, Open>,
        position: region::Position,
        out: &mut [u8],
    ) -> Result;

    /// Writes a piece of a region, of which the same is true.
    ///
    /// # Errors
    ///
    /// Any.
    fn region_write(device: &Device<Self, Open>, position: region::Position, data: &[u8])
        -> Result;

    /// A user maps `size` bytes of a region, from `position` on; both are whole pages. Returns the
    /// memory, and where in it the mapping begins, a multiple of the page size. Runs with the lock of
    /// the user's address space held: no lock that it takes may be held while user memory is copied.
    ///
    /// # Errors
    ///
    /// Any; `EINVAL` for what cannot be mapped.
    fn region_map(
        device: &Device<Self, Open>,
        position: region::Position,
        size: usize,
    ) -> Result<(region::Mapped, usize)> {
        let _ = (device, position, size);
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Describes interrupt `index`, which is below [`DeviceInfo::irqs`]. An interrupt that does not
    /// exist has count zero.
    ///
    /// # Errors
    ///
    /// Any.
    fn irq_info(device: &Device<Self, Open>, index: u32) -> Result<irq::Info>;

    /// Sets up, masks, unmasks or triggers interrupts. The range lies within
    /// [`irq_info`](Self::irq_info)'s count.
    ///
    /// # Errors
    ///
    /// Any; `ENOTTY` for what the interrupt does not support.
    fn set_irqs(device: &Device<Self, Open>, set: &irq::Set<'_>) -> Result;

    /// Resets the device and brings its migration state back to running.
    ///
    /// # Errors
    ///
    /// Any.
    fn reset(device: &Device<Self, Open>) -> Result;

    /// Somebody wants the device back and waits until its users have closed it. Called again every
    /// ten seconds; `count` is the number of earlier calls.
    fn request(device: &Device<Self>, count: u32) {
        let _ = (device, count);
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
