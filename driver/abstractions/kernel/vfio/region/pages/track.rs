// SPDX-License-Identifier: GPL-2.0-only

//! What was written since, and how all of it is discarded.

use kernel::prelude::*;

use super::{
    frame::Frame,
    leaf::Leaf,
    Pages, //
};

impl Pages {
    /// Number of pages from `from` on that were written since tracking began, or since
    /// [`Pages::take_dirty`] or [`Pages::take_touched`].
    pub fn dirty(&self, from: usize) -> usize {
        self.table.lock().marked(from)
    }

    /// Begins, or ends, to note which pages are written. Afterwards none is.
    pub fn track(&self, on: bool) {
        {
            let mut table = self.table.lock();
            table.unmark_all();
            table.tracking = on;
        }
        if !on || self.maps.lock().is_empty() {
            return;
        }
        // A write fault that was under way has not seen that. It holds the lock of its page until it is
        // over; then its entry goes with all others.
        let mut from = 0;
        while let Some((index, frame)) = self.next_frame(from) {
            drop(frame.lock());
            from = index.saturating_add(1);
        }
        self.maps.lock().unmap(self.count);
    }

    fn next_frame(&self, from: usize) -> Option<(usize, Frame)> {
        let table = self.table.lock();
        let index = table.next(from)?;
        Some((index, table.get(index)?.clone()))
    }

    /// Finds the first page from `from` on that was written, and forgets that it was: what is written
    /// after this call is noted again, and what was before is read after it.
    pub fn take_dirty(&self, from: usize) -> Option<usize> {
        loop {
            let (index, frame) = {
                let table = self.table.lock();
                let index = table.next_marked(from)?;
                (index, table.get(index).cloned())
            };
            // Without a mark and without a page: it was discarded in between.
            let Some(frame) = frame else {
                self.table.lock().unmark(index);
                continue;
            };
            if self.forget(index, &frame) {
                return Some(index);
            }
        }
    }

    /// Finds the first page from `from` on that was ever touched, and forgets that it was written, as
    /// [`Pages::take_dirty`] does.
    pub fn take_touched(&self, from: usize) -> Option<usize> {
        loop {
            let (index, frame) = {
                let table = self.table.lock();
                let index = table.next(from)?;
                // No mapping may write to it without marking it first.
                if !table.is_marked(index) {
                    return Some(index);
                }
                (index, table.get(index)?.clone())
            };
            if self.forget(index, &frame) {
                return Some(index);
            }
        }
    }

    /// Forgets that page `index` was written; `false` if it is not `frame` any more.
    fn forget(&self, index: usize, frame: &Frame) -> bool {
        let _locked = frame.lock();
        {
            let mut table = self.table.lock();
            if !table.is(index, frame) {
                return false;
            }
            table.unmark(index);
        }
        self.maps.lock().protect(index, frame);
        true
    }

    /// Makes all of it zeroes again, in mappings, too, and ends tracking. What is written meanwhile may
    /// stay or not.
    pub fn discard(&self) {
        let leaves = {
            let mut table = self.table.lock();
            table.tracking = false;
            table.unmark_all();
            table.leaves()
        };
        for i in 0..leaves {
            let leaf = self.table.lock().take_leaf(i);
            if self.maps.lock().is_empty() {
                continue;
            }
            // A fault that has found a page still maps it, with its lock held; that goes below.
            for frame in leaf.iter().flat_map(Leaf::frames) {
                drop(frame.lock());
            }
        }
        self.maps.lock().unmap(self.count);
    }
}

#[kunit_tests(vmig_vfio_region_track)]
mod tests {
    use super::*;
    use crate::memcg::Memcg;
    use kernel::page::PAGE_SIZE;

    #[test]
    fn marks_follow_writes() -> Result {
        let pages = Pages::new(1000)?;
        pages.write(3 * PAGE_SIZE, &[1])?;
        assert_eq!(pages.dirty(0), 0);
        pages.track(true);
        assert_eq!(pages.take_dirty(0), None);

        pages.write(7 * PAGE_SIZE - 1, &[1, 2])?;
        pages.write(999 * PAGE_SIZE, &[1])?;
        pages.write(999 * PAGE_SIZE, &[2])?;
        assert_eq!(pages.dirty(0), 3);
        assert_eq!((pages.dirty(7), pages.touched(7)), (2, 2));
        assert_eq!(pages.take_dirty(7), Some(7));
        assert_eq!(pages.take_dirty(8), Some(999));
        assert_eq!(pages.take_dirty(1000), None);
        assert_eq!(pages.take_dirty(0), Some(6));
        assert_eq!(pages.take_dirty(0), None);
        pages.write(6 * PAGE_SIZE, &[3])?;
        assert_eq!(pages.dirty(0), 1);
        // The walk over what is touched takes the mark as well; the page that has none comes, too.
        assert_eq!((pages.take_touched(0), pages.dirty(0)), (Some(3), 1));
        assert_eq!((pages.take_touched(4), pages.dirty(0)), (Some(6), 0));
        assert_eq!(pages.take_touched(1000), None);
        pages.write(6 * PAGE_SIZE, &[3])?;
        assert_eq!(pages.dirty(0), 1);
        pages.track(true);
        assert_eq!(pages.dirty(0), 0);
        pages.write(6 * PAGE_SIZE, &[3])?;
        pages.track(false);
        pages.write(6 * PAGE_SIZE, &[3])?;
        assert_eq!(pages.take_dirty(0), None);
        Ok(())
    }

    #[test]
    fn discarding_leaves_nothing() -> Result {
        let pages = Pages::new(1000)?;
        pages.set_owner(Some(Memcg::current()));
        pages.track(true);
        for index in [0, 1, 511, 512, 999] {
            pages.write(index * PAGE_SIZE, &[0xff; 16])?;
        }
        pages.discard();
        assert_eq!((pages.touched(0), pages.dirty(0)), (0, 0));
        let mut out = [1; 16];
        pages.read(512 * PAGE_SIZE, &mut out)?;
        assert_eq!(out, [0; 16]);
        // Tracking is over, too.
        pages.write(0, &[1])?;
        assert_eq!((pages.touched(0), pages.dirty(0)), (1, 0));
        pages.set_owner(None);
        Ok(())
    }
}
