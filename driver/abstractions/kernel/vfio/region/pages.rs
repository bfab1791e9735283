// SPDX-License-Identifier: GPL-2.0-only

//! Memory of a device that comes into being page by page, and knows what was written.

mod frame;
mod leaf;
mod map;
mod marks;
mod table;
mod track;

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        static_lock_class,
        Arc,
        Mutex,
        SpinLock, //
    }, //
};

use self::{
    frame::Frame,
    leaf::Leaf,
    map::Maps,
    table::Table, //
};
use crate::{
    compat::lock_name,
    memcg::Memcg, //
};

/// Memory that users can map, and a driver reads and writes by copying.
///
/// It reads as zeroes at first. A page is made when it is written first, or touched in a mapping, and
/// charged to the [owner](Pages::set_owner), whoever does it. Where there is no memory for it a write
/// fails; a mapping has no way to say so, and its user gets `SIGBUS`. Nobody is killed to make room.
///
/// # What was written
///
/// Between [`track(true)`](Pages::track) and `track(false)` every page that is written gets a mark,
/// through mappings as well. [`Pages::take_dirty`] takes a mark away, and what is read afterwards holds
/// every write that is not marked again.
///
/// Writes that go around the page tables are not seen: those of a user who makes the mapping the buffer
/// of direct I/O, or writes to it through `/proc/PID/mem`, from the last mark to the end of that I/O.
///
/// # Locks
///
/// All of these may sleep. None waits for a user, nor for any lock that is held while user memory is
/// copied, so that this memory can be the buffer of any access, to this memory as well. None but
/// [`Pages::reserve`] and [`Pages::write`] allocates, and the latter not after the former.
///
/// Order: the lock of a page, then that of the mappings (below the lock of an address space, above
/// those of the page tables), then that of the table, innermost.
#[pin_data]
pub struct Pages {
    count: usize,
    #[pin]
    table: SpinLock<Table>,
    #[pin]
    maps: Mutex<Maps>,
}

impl Pages {
    /// Memory of `count` pages, none of which is there.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no pages at all, or more than can be counted in bytes; `ENOMEM`.
    pub fn new(count: usize) -> Result<Arc<Self>> {
        if count == 0 || count.checked_mul(PAGE_SIZE).is_none() {
            return Err(EINVAL);
        }
        let init = try_pin_init!(Self {
            table <- SpinLock::new(
                Table::new(count)?,
                lock_name!("vfio::region::Pages::table"),
                static_lock_class!(),
            ),
            maps <- Mutex::new(
                Maps::new(),
                lock_name!("vfio::region::Pages::maps"),
                static_lock_class!(),
            ),
            count,
        }? Error);
        Arc::pin_init(init, GFP_KERNEL)
    }

    /// Number of pages.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        // NO-OVERFLOW: Checked when it was made.
        self.count * PAGE_SIZE
    }

    /// Number of pages from `from` on that are there.
    pub fn touched(&self, from: usize) -> usize {
        self.table.lock().touched(from)
    }

    /// Charges new pages to `owner`, to whoever makes them if that is `None`. Pages that are there stay
    /// charged as they are; what was [reserved](Pages::reserve) is given back.
    pub fn set_owner(&self, owner: Option<Memcg>) {
        let before = core::mem::replace(&mut self.table.lock().owner, owner);
        drop(before);
        loop {
            let spare = self.table.lock().take_spare();
            if spare.is_none() {
                break;
            }
        }
    }

    /// Prepares for writing `len` bytes, wherever, where nothing is to be allocated. Up to 30 pages are
    /// kept for that; they go to whoever writes next.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn reserve(&self, len: usize) -> Result {
        // A page more if the bytes begin within one, and one for the table.
        self.keep_spare(len.div_ceil(PAGE_SIZE).saturating_add(2))
    }

    /// The same for the `len` bytes from `at` on. Nothing is needed for pages that are there.
    ///
    /// # Errors
    ///
    /// As [`Pages::write`], which does not fail after this unless somebody else writes as well.
    pub fn reserve_at(&self, at: usize, len: usize) -> Result {
        let mut wanted = 0_usize;
        self.for_each(at, len, |index, _, _| {
            let table = self.table.lock();
            if table.get(index).is_none() {
                // Perhaps one for the table, of which there is one for many pages.
                wanted = wanted.max(1) + 1;
            }
            Ok(())
        })?;
        self.keep_spare(wanted)
    }

    fn keep_spare(&self, wanted: usize) -> Result {
        let wanted = wanted.min(table::SPARE);
        loop {
            let owner = {
                let table = self.table.lock();
                if table.spare() >= wanted {
                    return Ok(());
                }
                table.owner.clone()
            };
            let frame = charged(&owner, Frame::new)?;
            self.table.lock().keep(frame);
        }
    }

    /// Page `index`, if it is there.
    fn frame(&self, index: usize) -> Option<Frame> {
        self.table.lock().get(index).cloned()
    }

    /// Page `index`, made if need be.
    fn make(&self, index: usize) -> Result<Frame> {
        let (lacks_leaf, owner) = {
            let table = self.table.lock();
            if let Some(frame) = table.get(index) {
                return Ok(frame.clone());
            }
            (table.lacks_leaf(index), table.owner.clone())
        };
        let allocate = || {
            let leaf = lacks_leaf.then(Leaf::new).transpose()?;
            Ok::<_, Error>((Frame::new()?, leaf))
        };
        let (frame, mut leaf) = charged(&owner, allocate)?;
        loop {
            // What is left over of `frame` and `leaf` is dropped without the lock.
            let inserted = self.table.lock().insert(index, &frame, &mut leaf);
            match inserted {
                Some(frame) => return Ok(frame),
                // The leaf went in between.
                None => leaf = Some(charged(&owner, Leaf::new)?),
            }
        }
    }

    /// Calls `f` for each page of the `len` bytes from `at` on: with its number, where in it they
    /// begin, and which of them they are.
    fn for_each(
        &self,
        at: usize,
        len: usize,
        mut f: impl FnMut(usize, usize, core::ops::Range<usize>) -> Result,
    ) -> Result {
        if at.checked_add(len).is_none_or(|end| end > self.size()) {
            return Err(EINVAL);
        }
        let mut done = 0;
        while done < len {
            // NO-OVERFLOW: The end was checked above.
            let (index, offset) = ((at + done) / PAGE_SIZE, (at + done) % PAGE_SIZE);
            let size = (PAGE_SIZE - offset).min(len - done);
            f(index, offset, done..done + size)?;
            done += size;
        }
        Ok(())
    }

    /// Copies `out.len()` bytes out, from `at` on. No page is made for that.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the memory does not have them; then nothing was copied.
    pub fn read(&self, at: usize, out: &mut [u8]) -> Result {
        self.for_each(at, out.len(), |index, offset, part| {
            let out = out.get_mut(part).ok_or(EINVAL)?;
            match self.frame(index) {
                Some(frame) => frame.read(offset, out),
                None => {
                    out.fill(0);
                    Ok(())
                }
            }
        })
    }

    /// Copies `data` in, to `at`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the memory is too short, then nothing was copied; `ENOMEM`, then all before some
    /// page was.
    pub fn write(&self, at: usize, data: &[u8]) -> Result {
        self.for_each(at, data.len(), |index, offset, part| {
            let prepared = self.table.lock().make(index);
            let frame = prepared.map_or_else(|| self.make(index), Ok)?;
            frame.write(offset, data.get(part).ok_or(EINVAL)?)?;
            // After the write: one who takes the mark, then reads, reads all of it. Not if the page was
            // discarded meanwhile, and the write with it.
            let mut table = self.table.lock();
            if table.is(index, &frame) {
                table.mark(index);
            }
            Ok(())
        })
    }

    /// First page from `from` on that was ever touched.
    pub fn next_touched(&self, from: usize) -> Option<usize> {
        self.table.lock().next(from)
    }
}

/// Allocates something, charged to `owner`, to the caller if that is `None`.
fn charged<R>(owner: &Option<Memcg>, allocate: impl FnOnce() -> R) -> R {
    match owner {
        Some(owner) => owner.charge(allocate),
        None => allocate(),
    }
}

#[kunit_tests(vmig_vfio_region_pages)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_with_writes() -> Result {
        assert_eq!(Pages::new(0).err(), Some(EINVAL));
        assert_eq!(Pages::new(usize::MAX / 2).err(), Some(EINVAL));
        let pages = Pages::new(5000)?;
        let mut out = [1; 64];
        for at in [0, PAGE_SIZE - 1, 5000 * PAGE_SIZE - 64] {
            pages.read(at, &mut out)?;
            assert_eq!(out, [0; 64]);
        }
        assert_eq!(pages.touched(0), 0);
        assert_eq!(pages.next_touched(0), None);

        // Across a page's end, and a leaf's.
        let at = 512 * PAGE_SIZE - 3;
        pages.write(at, &[1, 2, 3, 4, 5, 6])?;
        pages.write(4999 * PAGE_SIZE, &[7])?;
        pages.write(PAGE_SIZE + 5, &[8])?;
        let mut out = [0; 8];
        pages.read(at - 1, &mut out)?;
        assert_eq!(out, [0, 1, 2, 3, 4, 5, 6, 0]);
        assert_eq!(pages.touched(0), 4);
        let mut from = 0;
        for expected in [1, 511, 512, 4999] {
            assert_eq!(pages.next_touched(from), Some(expected));
            from = expected + 1;
        }
        assert_eq!(pages.next_touched(from), None);
        assert_eq!(pages.next_touched(usize::MAX), None);
        Ok(())
    }

    #[test]
    fn bounds_hold() -> Result {
        let pages = Pages::new(2)?;
        let mut out = [0; 4];
        for at in [2 * PAGE_SIZE - 3, 2 * PAGE_SIZE, usize::MAX - 3, usize::MAX] {
            assert_eq!(pages.read(at, &mut out), Err(EINVAL));
            assert_eq!(pages.write(at, &out), Err(EINVAL));
        }
        assert_eq!(pages.touched(0), 0);
        Ok(())
    }

    #[test]
    fn what_is_reserved_is_used() -> Result {
        let pages = Pages::new(5000)?;
        let spare = || pages.table.lock().spare();
        pages.reserve(0)?;
        assert_eq!(spare(), 2);
        pages.reserve_at(PAGE_SIZE - 1, PAGE_SIZE + 2)?;
        assert_eq!((spare(), pages.touched(0)), (4, 0));
        // Two pages and the leaf; then one of those again, and one more.
        pages.write(PAGE_SIZE - 1, &[1, 2])?;
        assert_eq!((spare(), pages.touched(0)), (1, 2));
        pages.reserve_at(0, 2 * PAGE_SIZE)?;
        assert_eq!(spare(), 1);
        assert_eq!(pages.reserve_at(5000 * PAGE_SIZE, 1), Err(EINVAL));
        pages.write(0, &[3])?;
        pages.write(2 * PAGE_SIZE, &[4])?;
        assert_eq!((spare(), pages.touched(0)), (0, 3));
        let mut out = [1; 3];
        pages.read(PAGE_SIZE - 1, &mut out)?;
        assert_eq!(out, [1, 2, 0]);
        // Not enough for another leaf and a page: allocated, as without.
        pages.write(4000 * PAGE_SIZE, &[5])?;
        pages.reserve(usize::MAX)?;
        assert_eq!((spare(), pages.touched(0)), (table::SPARE, 4));
        pages.set_owner(None);
        assert_eq!(spare(), 0);
        Ok(())
    }
}
