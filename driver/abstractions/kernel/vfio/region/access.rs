// SPDX-License-Identifier: GPL-2.0-only

//! Access to regions by `pread` and `pwrite`, in pieces.

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    uaccess::{
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

use super::Position;
use crate::{
    bindings,
    compat,
    vfio::{
        Device,
        Open,
        Operations, //
    }, //
};

/// Longest piece of registers that reaches a driver, in bytes.
const PIECE_MAX: usize = 8;

/// Longest piece of [bulk](Operations::region_is_bulk) memory that reaches a driver, in bytes.
const BULK_MAX: usize = 16 * PAGE_SIZE;

impl Position {
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

    /// Longest piece at this offset of memory that is accessed in bulk: it ends where a page does, or
    /// with the `left` bytes, which are more than zero.
    fn bulk(self, left: usize) -> usize {
        // CAST: Less than a page. NO-OVERFLOW: The longest piece is longer than a page.
        let within = (self.offset % PAGE_SIZE as u64) as usize;
        left.min(BULK_MAX - within)
    }
}

/// Where pieces are copied to and from users: a few bytes, or memory for larger ones.
enum Bounce {
    Small([u8; PIECE_MAX]),
    Large(KVVec<u8>),
}

impl Bounce {
    /// For an access of `total` bytes to bulk memory, or to registers.
    fn new(bulk: bool, total: usize) -> Result<Self> {
        Ok(match total.min(BULK_MAX) {
            size if bulk && size > PIECE_MAX => {
                Self::Large(KVVec::from_elem(0, size, GFP_KERNEL_ACCOUNT)?)
            }
            _ => Self::Small([0; PIECE_MAX]),
        })
    }

    fn piece(&mut self, size: usize) -> Result<&mut [u8]> {
        let bytes = match self {
            Self::Small(bytes) => bytes.as_mut_slice(),
            Self::Large(bytes) => bytes.as_mut_slice(),
        };
        bytes.get_mut(..size).ok_or(EINVAL)
    }
}

/// Reads pieces until `user` is full or one fails; an error only counts if it is the first piece's.
///
/// What a read of a register changes in the device has happened even if the copy to the user then
/// fails; vfio-pci and hardware are no different.
pub(in crate::vfio) fn read<T: Operations>(
    device: &Device<T, Open>,
    position: &mut bindings::loff_t,
    mut user: UserSliceWriter,
) -> Result<isize> {
    let total = user.len();
    walk(device, position, total, |bounce, at, size| {
        let piece = bounce.piece(size)?;
        piece.fill(0);
        T::region_read(device, at, piece)?;
        user.write_slice(piece)
    })
}

/// Writes pieces until all of `user` is taken or one fails; an error only counts if it is the first
/// piece's.
pub(in crate::vfio) fn write<T: Operations>(
    device: &Device<T, Open>,
    position: &mut bindings::loff_t,
    mut user: UserSliceReader,
) -> Result<isize> {
    let total = user.len();
    walk(device, position, total, |bounce, at, size| {
        let piece = bounce.piece(size)?;
        user.read_slice(piece)?;
        T::region_write(device, at, piece)
    })
}

/// Calls `access` for each piece of the `total` bytes at `position`, and moves `position` on.
fn walk<T: Operations>(
    device: &Device<T, Open>,
    position: &mut bindings::loff_t,
    total: usize,
    mut access: impl FnMut(&mut Bounce, Position, usize) -> Result,
) -> Result<isize> {
    let regions = T::device_info(device).regions;
    let mut at = Position::new(*position, regions).ok_or(EINVAL)?;
    let bulk = T::region_is_bulk(device, at.index());
    let mut bounce = Bounce::new(bulk, total)?;
    let mut left = total;
    let mut done: isize = 0;
    while left > 0 {
        let size = match bulk {
            true => at.bulk(left),
            false => at.piece(left),
        };
        match access(&mut bounce, at, size) {
            Ok(()) => {}
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        left -= size;
        // CAST: at most `BULK_MAX`. NO-OVERFLOW: the sum is at most `total`, and the VFS lets no more
        // than `MAX_RW_COUNT` bytes pass.
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

#[kunit_tests(vmig_vfio_region_access)]
mod tests {
    use super::*;

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
    fn bulk_is_cut_where_pages_end() {
        for (offset, left, expected) in [
            (0, 1, 1),
            (0, BULK_MAX, BULK_MAX),
            (0, BULK_MAX + 1, BULK_MAX),
            (5, BULK_MAX, BULK_MAX - 5),
            (PAGE_SIZE as u64 + 5, 3, 3),
            (PAGE_SIZE as u64 - 1, BULK_MAX, BULK_MAX - (PAGE_SIZE - 1)),
        ] {
            let at = Position { index: 0, offset };
            assert_eq!(at.bulk(left), expected);
        }
    }
}
