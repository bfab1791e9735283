// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! An open device: information, reset, regions, DMA mappings.
//!
//! Interrupts are in `irq.rs`, features in `feature.rs`, `migration.rs` and `logging.rs`.
//!
//! C header: `include/uapi/linux/vfio.h`, `VFIO_DEVICE_*`.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use vfio_bindings::bindings::vfio::{
    vfio_device_info, VFIO_DEVICE_FLAGS_PCI, VFIO_DEVICE_FLAGS_RESET,
};

use crate::call::Call;
use crate::cdev::{Cdev, Iommufd};
use crate::dma::{AddressSpace, DmaMapping};
use crate::error::{Error, Result};
use crate::group::Group;
use crate::location::{Location, Roots};
use crate::memory::Memory;
use crate::region::{self, Region, RegionInfo};
use crate::sys;

/// Which of the two kernel interfaces to open a device through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attach {
    /// The device's own node; the group where there is no such node, or it may not be opened.
    #[default]
    Auto,
    /// The device's own node and IOMMUFD only.
    Cdev,
    /// The IOMMU group and a type 1 container only.
    Group,
}

/// What a device is, `struct vfio_device_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// `VFIO_DEVICE_FLAGS_*`.
    pub flags: u32,
    /// Number of regions; indexes go from 0 to one less.
    pub regions: u32,
    /// Number of interrupt indexes; likewise.
    pub irqs: u32,
}

impl DeviceInfo {
    /// The device has the regions and interrupts of a PCI device.
    pub fn is_pci(&self) -> bool {
        self.flags & VFIO_DEVICE_FLAGS_PCI != 0
    }

    /// The device can be reset.
    pub fn can_reset(&self) -> bool {
        self.flags & VFIO_DEVICE_FLAGS_RESET != 0
    }
}

/// An open device, ready for use. Dropping it closes the device.
#[derive(Debug)]
pub struct Device {
    // Before `space`: the device is closed before what it is attached to.
    file: File,
    name: String,
    space: Arc<AddressSpace>,
}

impl Device {
    /// Opens the device whose directory in sysfs is `directory`.
    ///
    /// # Errors
    ///
    /// See [`Location::find`], [`Cdev::bind`] and [`Group::device`]. With [`Attach::Auto`] the
    /// group is tried only when a node of the other interface is not there or may not be opened:
    /// a device that refuses to be opened would refuse the second time as well.
    pub fn open(roots: &Roots, directory: &Path, attach: Attach) -> Result<Self> {
        let location = Location::find(roots, directory)?;
        let missing = || Error::NotVfio {
            path: directory.to_owned(),
        };
        let cdev = || match &location.cdev {
            Some(node) => Self::open_cdev(roots, node, &location.name),
            None => Err(missing()),
        };
        let group = || match &location.group {
            Some(node) => Group::open(&roots.container(), node)?.device(&location.name),
            None => Err(missing()),
        };
        match attach {
            Attach::Cdev => cdev(),
            Attach::Group => group(),
            Attach::Auto => cdev().or_else(|first| {
                if !is_absent(&first) {
                    return Err(first);
                }
                group().map_err(
                    |second| match is_absent(&second) && location.cdev.is_some() {
                        true => first,
                        false => second,
                    },
                )
            }),
        }
    }

    fn open_cdev(roots: &Roots, node: &Path, name: &str) -> Result<Self> {
        // The node first: without it there is no reason to touch IOMMUFD.
        let cdev = Cdev::open(node)?;
        cdev.bind(name, Iommufd::open(&roots.iommu())?)
    }

    pub(crate) fn new(file: File, name: String, space: Arc<AddressSpace>) -> Self {
        Self { file, name, space }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The kernel's name of the device: a UUID, or a PCI address.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interface that the device was opened through, never [`Attach::Auto`].
    pub fn attached(&self) -> Attach {
        match self.space.is_iommufd() {
            true => Attach::Cdev,
            false => Attach::Group,
        }
    }

    /// What the device is.
    ///
    /// # Errors
    ///
    /// What the kernel says; so for all below.
    pub fn info(&self) -> Result<DeviceInfo> {
        let mut info = vfio_device_info::default();
        sys::ioctl(self.as_fd(), Call::DeviceGetInfo, &mut info)?;
        Ok(DeviceInfo {
            flags: info.flags,
            regions: info.num_regions,
            irqs: info.num_irqs,
        })
    }

    /// Resets the device (`VFIO_DEVICE_RESET`); this is also the way out of the migration state
    /// ERROR and out of an unfinished RESUMING.
    ///
    /// # Errors
    ///
    /// `ENOTTY`: the device cannot be reset.
    pub fn reset(&self) -> Result<()> {
        sys::ioctl_number(self.as_fd(), Call::DeviceReset, 0)?;
        Ok(())
    }

    /// What region `index` is.
    ///
    /// # Errors
    ///
    /// `EINVAL` from the kernel: no such region. [`Error::Answer`]: a bad capability chain.
    pub fn region_info(&self, index: u32) -> Result<RegionInfo> {
        region::info(self, index)
    }

    /// Region `index`, for reading, writing and mapping.
    ///
    /// # Errors
    ///
    /// As [`Self::region_info`].
    pub fn region(&self, index: u32) -> Result<Region<'_>> {
        Ok(Region::new(self, self.region_info(index)?))
    }

    /// Lets the device read and write `memory` at the I/O virtual address `iova`.
    ///
    /// # Errors
    ///
    /// What the kernel says: `EEXIST` where something is mapped, `EINVAL` for a bad alignment.
    pub fn dma_map(&self, iova: u64, memory: Memory) -> Result<DmaMapping> {
        DmaMapping::new(Arc::clone(&self.space), iova, memory)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether an interface is not there at all, or closed to us: no device has refused anything.
fn is_absent(error: &Error) -> bool {
    match error {
        Error::NotVfio { .. } => true,
        Error::Path { errno, .. } => matches!(
            errno,
            Errno::ENOENT | Errno::ENODEV | Errno::ENXIO | Errno::EACCES | Errno::EPERM
        ),
        _ => false,
    }
}
