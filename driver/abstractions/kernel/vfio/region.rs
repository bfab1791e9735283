// SPDX-License-Identifier: GPL-2.0-only

//! Regions: the address spaces of a device, and access to them by `pread` and `pwrite`.
//!
//! C header: [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)

mod caps;
mod memory;

pub use self::{
    caps::{
        Area,
        InfoCap, //
    },
    memory::Memory, //
};

use kernel::{
    mm::virt::{
        flags,
        VmaNew, //
    },
    page::PAGE_SIZE,
    prelude::*,
    uaccess::{
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

use super::{
    Device,
    Open,
    Operations, //
};
use crate::{
    bindings,
    compat,
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

/// Longest piece that reaches a driver, in bytes.
const PIECE_MAX: usize = 8;

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

    /// Longest naturally aligned piece at this offset that is not longer than `left`, which is not
    /// zero: 1, 2, 4 or 8.
    fn piece(self, left: usize) -> usize {
        match self.offset {
            offset if left >= 8 && offset & 7 == 0 => 8,
            offset if left >= 4 && offset & 3 == 0 => 4,
            offset if left >= 2 && offset & 1 == 0 => 2,
            _ => 1,
        }
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

/// Reads pieces until `user` is full or one fails; an error only counts if it is the first piece's.
///
/// What a read of a register changes in the device has happened even if the copy to the user then
/// fails; vfio-pci and hardware are no different.
pub(super) fn read<T: Operations>(
    device: &Device<T, Open>,
    position: &mut bindings::loff_t,
    mut user: UserSliceWriter,
) -> Result<isize> {
    let mut buffer = [0; PIECE_MAX];
    let total = user.len();
    walk(device, position, total, |at, size| {
        let piece = buffer.get_mut(..size).ok_or(EINVAL)?;
        piece.fill(0);
        T::region_read(device, at, piece)?;
        user.write_slice(piece)
    })
}

/// Writes pieces until all of `user` is taken or one fails; an error only counts if it is the first
/// piece's.
pub(super) fn write<T: Operations>(
    device: &Device<T, Open>,
    position: &mut bindings::loff_t,
    mut user: UserSliceReader,
) -> Result<isize> {
    let mut buffer = [0; PIECE_MAX];
    let total = user.len();
    walk(device, position, total, |at, size| {
        let piece = buffer.get_mut(..size).ok_or(EINVAL)?;
        user.read_slice(piece)?;
        T::region_write(device, at, piece)
    })
}

/// Calls `access` for each piece of the `total` bytes at `position`, and moves `position` on.
fn walk<T: Operations>(
    device: &Device<T, Open>,
    position: &mut bindings::loff_t,
    total: usize,
    mut access: impl FnMut(Position, usize) -> Result,
) -> Result<isize> {
    let regions = T::device_info(device).regions;
    let mut at = Position::new(*position, regions).ok_or(EINVAL)?;
    let mut left = total;
    let mut done: isize = 0;
    while left > 0 {
        let size = at.piece(left);
        match access(at, size) {
            Ok(()) => {}
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        left -= size;
        // CAST: at most 8. NO-OVERFLOW: the sum is at most `total`, and the VFS lets no more than
        // `MAX_RW_COUNT` bytes pass.
        done += size as isize;
        let Some(next) = at.advance(size) else {
            break;
        };
        at = next;
        // No shorter access for any other signal: users take a short one for an error.
        if compat::fatal_signal_pending() {
            break;
        }
    }
    // NO-OVERFLOW: the VFS checked that the position plus the count is a file position.
    *position += done as bindings::loff_t;
    Ok(done)
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
    let (memory, start) = T::region_map(device, position, size)?;
    memory.map(vma, start)
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
    fn pieces_are_naturally_aligned() {
        for (offset, left, expected) in [
            (0, 1, 1),
            (0, 2, 2),
            (0, 3, 2),
            (0, 7, 4),
            (0, 4096, 8),
            (1, 8, 1),
            (2, 8, 2),
            (4, 8, 4),
            (6, 1, 1),
            (8, 8, 8),
        ] {
            let at = Position { index: 0, offset };
            assert_eq!(at.piece(left), expected);
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
