// SPDX-License-Identifier: GPL-2.0-only

//! Regions: the address spaces of a device, and access to them by `pread` and `pwrite`.
//!
//! C header: [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)

mod access;
mod caps;
mod memory;
mod pages;

pub(super) use self::access::{
    read,
    write, //
};
pub use self::{
    caps::{
        Area,
        InfoCap, //
    },
    memory::Memory,
    pages::Pages, //
};

use kernel::{
    mm::virt::{
        flags,
        VmaNew, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

use super::{
    Device,
    Open,
    Operations, //
};
use crate::{
    bindings,
    nospec, //
};

/// Region index of the first base address register of a PCI device; the others follow.
pub const PCI_BAR0: u32 = bindings::VFIO_PCI_BAR0_REGION_INDEX;
/// Region index of the last base address register of a PCI device.
pub const PCI_BAR5: u32 = bindings::VFIO_PCI_BAR5_REGION_INDEX;
/// Region index of the configuration space of a PCI device.
pub const PCI_CONFIG: u32 = bindings::VFIO_PCI_CONFIG_REGION_INDEX;
/// Number of regions that every PCI device has; own regions start here.
pub const PCI_COUNT: u32 = bindings::VFIO_PCI_NUM_REGIONS;

/// Type of the region of migration protocol version 1 (`VFIO_REGION_TYPE_MIGRATION_DEPRECATED`).
pub const TYPE_MIGRATION: u32 = bindings::VFIO_REGION_TYPE_MIGRATION_DEPRECATED;
/// Its one subtype (`VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED`).
pub const SUBTYPE_MIGRATION: u32 = bindings::VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED;

/// Regions lie this far apart in the device file, as a power of two; the same as vfio-pci's.
const SHIFT: u32 = 40;

/// A place in the device file: a region and an offset within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    index: u32,
    offset: u64,
}

impl Position {
    /// Takes apart a file position; `None` if there is no such region.
    fn new(position: bindings::loff_t, regions: u32) -> Option<Self> {
        let position = u64::try_from(position).ok()?;
        let index = u32::try_from(position >> SHIFT).ok()?;
        Some(Self {
            index: nospec::index(index, regions)?,
            offset: position & ((1 << SHIFT) - 1),
        })
    }

    /// The region, below [`DeviceInfo::regions`](super::DeviceInfo::regions).
    pub fn index(self) -> u32 {
        self.index
    }

    /// Bytes from the start of the region.
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// The place `count` bytes on, `None` beyond what an offset can be.
    fn advance(self, count: usize) -> Option<Self> {
        let offset = self.offset.checked_add(count as u64)?;
        (offset >> SHIFT == 0).then_some(Self { offset, ..self })
    }
}

/// What a region can do, and its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Bits of [`Info::READ`], [`Info::WRITE`] and [`Info::MMAP`].
    pub flags: u32,
    /// Size in bytes; zero for a region that does not exist.
    pub size: u64,
}

impl Info {
    /// The region can be read.
    pub const READ: u32 = bindings::VFIO_REGION_INFO_FLAG_READ;
    /// The region can be written.
    pub const WRITE: u32 = bindings::VFIO_REGION_INFO_FLAG_WRITE;
    /// The region can be mapped; which parts of it, [`InfoCap::add_sparse_mmap`] says.
    pub const MMAP: u32 = bindings::VFIO_REGION_INFO_FLAG_MMAP;
}

/// Fills in `raw` and `caps` for the region that `raw` names.
pub(super) fn info<T: Operations>(
    device: &Device<T, Open>,
    raw: &mut bindings::vfio_region_info,
    caps: &mut bindings::vfio_info_cap,
) -> Result {
    let regions = T::device_info(device).regions;
    let index = nospec::index(raw.index, regions).ok_or(EINVAL)?;
    let info = T::region_info(device, index, &mut InfoCap::new(caps))?;
    raw.flags = info.flags;
    raw.size = info.size;
    raw.offset = u64::from(index) << SHIFT;
    Ok(())
}

/// What a user maps.
pub enum Mapped {
    /// Memory that is all there.
    Memory(Arc<Memory>),
    /// Memory that comes with the first touch.
    Pages(Arc<Pages>),
}

/// Maps what the driver has at the place that `vma` is a mapping of. The pages stay alive as long as
/// they are mapped; the mapping keeps the device open.
pub(super) fn map<T: Operations>(device: &Device<T, Open>, vma: &VmaNew) -> Result {
    // A private copy would never see what the device does.
    if vma.flags() & flags::SHARED == 0 {
        return Err(EINVAL);
    }
    // SAFETY: The mapping is being made, and only by this thread.
    let pages = unsafe { (*vma.as_ptr()).vm_pgoff };
    let position = pages.checked_mul(PAGE_SIZE).ok_or(EINVAL)?;
    let regions = T::device_info(device).regions;
    let position = Position::new(position.try_into()?, regions).ok_or(EINVAL)?;
    let size = vma.end().checked_sub(vma.start()).ok_or(EINVAL)?;
    let (mapped, start) = T::region_map(device, position, size)?;
    match mapped {
        Mapped::Memory(memory) => memory.map(vma, start),
        Mapped::Pages(pages) => pages.map(vma, start),
    }
}

#[kunit_tests(vmig_vfio_region)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_taken_apart() {
        for (position, expected) in [
            (0, Some((0, 0))),
            ((1 << SHIFT) - 1, Some((0, (1 << SHIFT) - 1))),
            (7 << SHIFT | 0x3c, Some((7, 0x3c))),
            (8 << SHIFT, Some((8, 0))),
            (9 << SHIFT, None),
            (i64::MAX, None),
            (-1, None),
        ] {
            let found = Position::new(position, 9).map(|at| (at.index(), at.offset()));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn offsets_end_with_the_region_file_range() {
        let last = Position {
            index: 0,
            offset: (1 << SHIFT) - 1,
        };
        assert_eq!(last.advance(1), None);
        assert!(Position { offset: 0, ..last }.advance(8).is_some());
    }
}
