// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Devices through their IOMMU group and a type 1 container, the older interface.
//!
//! C header: `include/uapi/linux/vfio.h` (`VFIO_GROUP_*`, `VFIO_SET_IOMMU`).

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use vfio_bindings::bindings::vfio::{
    vfio_group_status, VFIO_TYPE1v2_IOMMU, VFIO_API_VERSION, VFIO_GROUP_FLAGS_VIABLE,
};

use crate::call::Call;
use crate::cdev::open;
use crate::device::Device;
use crate::dma::AddressSpace;
use crate::error::{Error, Result};
use crate::sys;

/// An open group with a container of its own. A group opens once; several device descriptors
/// can be had from it, and they share one device.
#[derive(Debug)]
pub struct Group {
    /// Holds the container and the group; every device keeps it alive.
    space: Arc<AddressSpace>,
}

/// The descriptors that make up the address space of a group.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) group: File,
    pub(crate) container: File,
}

impl Group {
    /// Opens a container and the group, and puts them together.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] for a node that cannot be opened (`EBUSY`: the group is open elsewhere);
    /// `EPERM` from `VFIO_GROUP_GET_STATUS`: not all devices of the group belong to VFIO.
    pub fn open(container: &Path, group: &Path) -> Result<Self> {
        let container = open(container)?;
        let version = sys::ioctl_number(container.as_fd(), Call::GetApiVersion, 0)?;
        if u32::try_from(version) != Ok(VFIO_API_VERSION) {
            return Err(Error::Answer {
                call: Call::GetApiVersion,
                what: "an API version other than 0",
            });
        }
        // Loads the type 1 driver if it is a module, which SET_IOMMU alone does not.
        sys::ioctl_number(container.as_fd(), Call::CheckExtension, VFIO_TYPE1v2_IOMMU)?;
        let group = open(group)?;
        let mut status = vfio_group_status::default();
        sys::ioctl(group.as_fd(), Call::GroupGetStatus, &mut status)?;
        if status.flags & VFIO_GROUP_FLAGS_VIABLE == 0 {
            return Err(Error::Call {
                call: Call::GroupGetStatus,
                errno: Errno::EPERM,
            });
        }
        sys::ioctl_fd(group.as_fd(), Call::GroupSetContainer, container.as_fd())?;
        sys::ioctl_number(container.as_fd(), Call::SetIommu, VFIO_TYPE1v2_IOMMU)?;
        let space = AddressSpace::Container(Container { group, container });
        Ok(Self {
            space: Arc::new(space),
        })
    }

    /// A group that somebody else has opened and put together with its container, and whose
    /// descriptors this process has got: inherited, or through a socket.
    pub fn of_files(container: OwnedFd, group: OwnedFd) -> Self {
        let space = AddressSpace::Container(Container {
            group: group.into(),
            container: container.into(),
        });
        Self {
            space: Arc::new(space),
        }
    }

    /// The descriptor of the container; that of the group is what [`AsFd`] gives.
    pub fn container(&self) -> BorrowedFd<'_> {
        self.space.container_fd()
    }

    /// Opens the device of this name. The driver's `open_device` runs at the first such call, so
    /// its errors come out of it.
    ///
    /// # Errors
    ///
    /// `ENODEV`: no such device in the group; else what the driver says.
    pub fn device(&self, name: &str) -> Result<Device> {
        let call = Call::GroupGetDeviceFd;
        let c_name = CString::new(name).map_err(|_| Error::Call {
            call,
            errno: Errno::EINVAL,
        })?;
        let fd = sys::ioctl_open(self.as_fd(), call, &c_name)?;
        Ok(Device::new(
            fd.into(),
            name.to_owned(),
            Arc::clone(&self.space),
        ))
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.space.group_fd()
    }
}
