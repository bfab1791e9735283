// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Devices through their own node and IOMMUFD.
//!
//! C headers: `include/uapi/linux/vfio.h` (`VFIO_DEVICE_BIND_IOMMUFD`,
//! `VFIO_DEVICE_ATTACH_IOMMUFD_PT`), `include/uapi/linux/iommufd.h`.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use vfio_bindings::bindings::vfio::{vfio_device_attach_iommufd_pt, vfio_device_bind_iommufd};

use crate::call::Call;
use crate::device::Device;
use crate::dma::AddressSpace;
use crate::error::{Error, Result};
use crate::iommufd::{IommuDestroy, IommuIoasAlloc};
use crate::sys;

/// An open `/dev/iommu` with one I/O address space (IOAS).
#[derive(Debug)]
pub struct Iommufd {
    file: File,
    ioas: u32,
}

impl Iommufd {
    /// Opens the node and makes the address space.
    ///
    /// # Errors
    ///
    /// [`Error::Path`]: the node cannot be opened; else the ioctl that failed.
    pub fn open(node: &Path) -> Result<Self> {
        let file = open(node)?;
        let mut alloc = IommuIoasAlloc::default();
        sys::ioctl(file.as_fd(), Call::IommuIoasAlloc, &mut alloc)?;
        Ok(Self {
            file,
            ioas: alloc.out_ioas_id,
        })
    }

    /// Number of the address space.
    pub fn ioas(&self) -> u32 {
        self.ioas
    }

    /// Destroys an object, for callers that made one through the descriptor.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is none; `EBUSY`: it is in use.
    pub fn destroy(&self, id: u32) -> Result<()> {
        let mut destroy = IommuDestroy {
            id,
            ..Default::default()
        };
        sys::ioctl(self.file.as_fd(), Call::IommuDestroy, &mut destroy)?;
        Ok(())
    }
}

impl AsFd for Iommufd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A device node that is open and not bound: the device cannot be used yet, and its driver does
/// not know that anybody is there.
#[derive(Debug)]
pub struct Cdev {
    file: File,
}

impl Cdev {
    /// Opens `/dev/vfio/devices/vfioN`.
    ///
    /// # Errors
    ///
    /// [`Error::Path`].
    pub fn open(node: &Path) -> Result<Self> {
        Ok(Self { file: open(node)? })
    }

    /// Binds the device to `iommufd` and attaches it to the address space. The driver's
    /// `open_device` runs here, so its errors come out of this call.
    ///
    /// # Errors
    ///
    /// What the driver says, or `EINVAL`: the device is bound already, or its group is in use.
    pub fn bind(self, name: &str, iommufd: Iommufd) -> Result<Device> {
        let mut bind = vfio_device_bind_iommufd {
            iommufd: iommufd.file.as_raw_fd(),
            ..Default::default()
        };
        sys::ioctl(self.file.as_fd(), Call::DeviceBindIommufd, &mut bind)?;
        let mut attach = vfio_device_attach_iommufd_pt {
            pt_id: iommufd.ioas,
            ..Default::default()
        };
        sys::ioctl(self.file.as_fd(), Call::DeviceAttachIommufdPt, &mut attach)?;
        let space = Arc::new(AddressSpace::Iommufd(iommufd));
        Ok(Device::new(self.file, name.to_owned(), space))
    }
}

impl AsFd for Cdev {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Opens a node for reading and writing; std sets O_CLOEXEC.
pub(crate) fn open(node: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true);
    options.open(node).map_err(|e| Error::path(node, &e))
}
