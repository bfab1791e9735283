// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Memory that the device may read and write.
//!
//! C headers: `include/uapi/linux/iommufd.h` (`IOMMU_IOAS_MAP`), `include/uapi/linux/vfio.h`
//! (`VFIO_IOMMU_MAP_DMA`).

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use vfio_bindings::bindings::vfio::{
    vfio_iommu_type1_dma_map, VFIO_DMA_MAP_FLAG_READ, VFIO_DMA_MAP_FLAG_WRITE,
};

use crate::call::Call;
use crate::cdev::Iommufd;
use crate::error::Result;
use crate::group::Container;
use crate::iommufd::{
    IommuIoasMap, IommuIoasUnmap, IOMMU_IOAS_MAP_FIXED_IOVA, IOMMU_IOAS_MAP_READABLE,
    IOMMU_IOAS_MAP_WRITEABLE,
};
use crate::memory::Memory;
use crate::sys::{self, TypeOneUnmap};

/// The I/O address space of a device, and what keeps it open.
#[derive(Debug)]
pub(crate) enum AddressSpace {
    Iommufd(Iommufd),
    Container(Container),
}

impl AddressSpace {
    /// The descriptor that the devices were opened through.
    pub(crate) fn group_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Iommufd(iommufd) => iommufd.as_fd(),
            Self::Container(container) => container.group.as_fd(),
        }
    }

    /// The descriptor that holds the mappings.
    pub(crate) fn container_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Iommufd(iommufd) => iommufd.as_fd(),
            Self::Container(container) => container.container.as_fd(),
        }
    }

    pub(crate) fn is_iommufd(&self) -> bool {
        matches!(self, Self::Iommufd(_))
    }

    /// Lets devices reach `memory` at `iova`.
    ///
    /// # Safety
    ///
    /// `memory` is not freed before [`Self::unmap`] has succeeded.
    unsafe fn map(&self, iova: u64, memory: &Memory) -> Result<()> {
        let length = memory.size() as u64;
        match self {
            Self::Iommufd(iommufd) => {
                let mut map = IommuIoasMap {
                    flags: IOMMU_IOAS_MAP_FIXED_IOVA
                        | IOMMU_IOAS_MAP_READABLE
                        | IOMMU_IOAS_MAP_WRITEABLE,
                    ioas_id: iommufd.ioas(),
                    user_va: memory.address(),
                    length,
                    iova,
                    ..Default::default()
                };
                let fd = iommufd.as_fd();
                // SAFETY: The address is that of a mapping of `length` bytes made for such use,
                // which by our caller's promise outlives the kernel's use of it.
                unsafe { sys::ioctl_with_address(fd, Call::IommuIoasMap, &mut map) }?;
            }
            Self::Container(container) => {
                let mut map = vfio_iommu_type1_dma_map {
                    flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                    vaddr: memory.address(),
                    iova,
                    size: length,
                    ..Default::default()
                };
                let fd = container.container.as_fd();
                // SAFETY: As above.
                unsafe { sys::ioctl_with_address(fd, Call::IommuMapDma, &mut map) }?;
            }
        }
        Ok(())
    }

    fn unmap(&self, iova: u64, length: u64) -> Result<()> {
        match self {
            Self::Iommufd(iommufd) => {
                let mut unmap = IommuIoasUnmap {
                    ioas_id: iommufd.ioas(),
                    iova,
                    length,
                    ..Default::default()
                };
                sys::ioctl(iommufd.as_fd(), Call::IommuIoasUnmap, &mut unmap)?;
            }
            Self::Container(container) => {
                let mut unmap = TypeOneUnmap {
                    iova,
                    size: length,
                    ..Default::default()
                };
                sys::ioctl(container.container.as_fd(), Call::IommuUnmapDma, &mut unmap)?;
            }
        }
        Ok(())
    }
}

/// Memory that the device can reach as long as this value lives.
///
/// # Invariants
///
/// `memory` is mapped at `iova` in `space` until drop.
#[derive(Debug)]
pub struct DmaMapping {
    space: Arc<AddressSpace>,
    memory: ManuallyDrop<Memory>,
    iova: u64,
}

impl DmaMapping {
    pub(crate) fn new(space: Arc<AddressSpace>, iova: u64, memory: Memory) -> Result<Self> {
        // SAFETY: Dropping frees the memory only after it was unmapped.
        unsafe { space.map(iova, &memory) }?;
        // INVARIANT: Just mapped.
        Ok(Self {
            space,
            memory: ManuallyDrop::new(memory),
            iova,
        })
    }

    /// The memory, for this program's own accesses.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Where the device sees the memory.
    pub fn iova(&self) -> u64 {
        self.iova
    }
}

impl Drop for DmaMapping {
    fn drop(&mut self) {
        let length = self.memory.size() as u64;
        // If the kernel does not let go of the memory it must stay: a leak is harmless, a device
        // that writes into memory used for something else is not.
        if self.space.unmap(self.iova, length).is_ok() {
            // SAFETY: The value is not used again, and the device cannot reach it any more.
            unsafe { ManuallyDrop::drop(&mut self.memory) };
        }
    }
}
