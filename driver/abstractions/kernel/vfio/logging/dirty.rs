// SPDX-License-Identifier: GPL-2.0-only

//! Which pages have been written: sparse, and bounded.
//!
//! Bitmaps of [`LEAF_PAGES`] pages each stand in a tree, made when the first of their pages is
//! written. When there is no memory for another one, or when there would be more than [`LEAVES_MAX`],
//! the log gives up exactness, never truth: from then on all that is logged counts as written, in
//! every report until logging stops.

use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    }, //
};

use super::Range;
use crate::compat::GFP_RETRY_MAYFAIL;

/// Pages per bitmap.
const LEAF_PAGES: u64 = LEAF_WORDS as u64 * WORD_BITS;
const LEAF_WORDS: usize = 64;
const WORD_BITS: u64 = 64;

/// Most bitmaps: 2 MiB, for 64 GiB of pages of 4 KiB that are all written.
const LEAVES_MAX: usize = 4096;

/// Smallest page size, in bytes; the core reports no finer.
const PAGE_MIN: u64 = 4096;

type Leaf = [u64; LEAF_WORDS];

/// The log between its start and its end.
///
/// # Invariants
///
/// - `ranges` are not empty, and do not overlap.
/// - No leaf is without a bit.
pub(super) struct DirtyLog {
    shift: u32,
    ranges: KVec<Range>,
    leaves: RBTree<u64, Leaf>,
    count: usize,
    max: usize,
    everything: bool,
}

impl DirtyLog {
    /// A log of `ranges` in pages of about `page_size` bytes: 4 KiB if that is no power of two, or
    /// less.
    ///
    /// # Errors
    ///
    /// `EINVAL` if a range is empty or all there is (which is what the core makes of an empty one at
    /// address zero), or if there are none.
    pub(super) fn new(ranges: KVec<Range>, page_size: u64) -> Result<Self> {
        let all = |range: &Range| range.first == 0 && range.last == u64::MAX;
        if ranges.is_empty() || ranges.iter().any(|r| r.last < r.first || all(r)) {
            return Err(EINVAL);
        }
        let page_size = match page_size {
            size if size >= PAGE_MIN && size.is_power_of_two() => size,
            _ => PAGE_MIN,
        };
        Ok(Self {
            shift: page_size.trailing_zeros(),
            ranges,
            leaves: RBTree::new(),
            count: 0,
            max: LEAVES_MAX,
            everything: false,
        })
    }

    /// Size of the pages in bytes.
    pub(super) fn page_size(&self) -> u64 {
        1 << self.shift
    }

    /// Logs that the device has written `written`.
    pub(super) fn mark(&mut self, written: Range) {
        for i in 0..self.ranges.len() {
            if self.everything {
                return;
            }
            let range = self.ranges.get(i).and_then(|r| r.intersection(written));
            let Some(range) = range else {
                continue;
            };
            if self
                .mark_pages(range.first >> self.shift, range.last >> self.shift)
                .is_err()
            {
                self.everything = true;
                self.leaves = RBTree::new();
                self.count = 0;
            }
        }
    }

    /// Sets the bits of pages `first` to `last`.
    fn mark_pages(&mut self, first: u64, last: u64) -> Result {
        for key in first / LEAF_PAGES..=last / LEAF_PAGES {
            let base = key * LEAF_PAGES;
            let from = first.max(base) - base;
            let to = last.min(base + (LEAF_PAGES - 1)) - base;
            let leaf = self.leaf(key)?;
            for bit in from..=to {
                set(leaf, bit);
            }
        }
        Ok(())
    }

    /// The leaf `key`, made if need be.
    fn leaf(&mut self, key: u64) -> Result<&mut Leaf> {
        if self.leaves.get(&key).is_none() {
            if self.count >= self.max {
                return Err(ENOMEM);
            }
            // A user who is at a limit learns it from the report: nobody is killed for a leaf.
            let flags = GFP_KERNEL_ACCOUNT | __GFP_NOWARN | GFP_RETRY_MAYFAIL;
            let node = RBTreeNode::new(key, [0; LEAF_WORDS], flags)?;
            self.leaves.insert(node);
            self.count += 1;
        }
        self.leaves.get_mut(&key).ok_or(ENOMEM)
    }

    /// Takes the first run of written pages within `wanted` out of the log.
    ///
    /// The run may be shorter than the written stretch it is part of, and is cut to `wanted`. A page
    /// that is only partly wanted stays in the log: nobody has been told of the rest of it.
    pub(super) fn take(&mut self, wanted: Range) -> Option<Range> {
        if self.everything {
            let logged = self.ranges.iter().filter_map(|r| r.intersection(wanted));
            return logged.min_by_key(|r| r.first);
        }
        let (first, last) = (wanted.first >> self.shift, wanted.last >> self.shift);
        let within_page = self.page_size() - 1;
        let mut cursor = self.leaves.cursor_lower_bound_mut(&(first / LEAF_PAGES))?;
        loop {
            let (&key, leaf) = cursor.current_mut();
            let base = key * LEAF_PAGES;
            if base > last {
                return None;
            }
            let from = first.max(base) - base;
            let to = last.min(base + (LEAF_PAGES - 1)) - base;
            if let Some((start, end)) = take_run(leaf, from, to) {
                if base + start == first && wanted.first & within_page != 0 {
                    set(leaf, start);
                }
                if base + end == last && wanted.last & within_page != within_page {
                    set(leaf, end);
                }
                let run = Range {
                    first: (base + start) << self.shift,
                    last: (base + end) << self.shift | within_page,
                };
                if leaf.iter().all(|&word| word == 0) {
                    drop(cursor.remove_current());
                    self.count -= 1;
                }
                return run.intersection(wanted);
            }
            cursor = cursor.move_next()?;
        }
    }
}

fn word(bit: u64) -> (usize, u64) {
    // CAST: A leaf has few words.
    ((bit / WORD_BITS) as usize, 1 << (bit % WORD_BITS))
}

fn set(leaf: &mut Leaf, bit: u64) {
    let (index, mask) = word(bit);
    if let Some(word) = leaf.get_mut(index) {
        *word |= mask;
    }
}

/// Clears the first run of bits between `from` and `to`, both included, and says where it was.
fn take_run(leaf: &mut Leaf, from: u64, to: u64) -> Option<(u64, u64)> {
    let is_set = |leaf: &Leaf, bit| {
        let (index, mask) = word(bit);
        leaf.get(index).is_some_and(|word| word & mask != 0)
    };
    let start = (from..=to).find(|&bit| is_set(leaf, bit))?;
    let end = (start..=to).take_while(|&bit| is_set(leaf, bit)).last()?;
    for bit in start..=end {
        let (index, mask) = word(bit);
        if let Some(word) = leaf.get_mut(index) {
            *word &= !mask;
        }
    }
    Some((start, end))
}

#[kunit_tests(vmig_vfio_dirty_log)]
mod tests {
    use super::*;

    const PAGE: u64 = 4096;

    fn range(first_page: u64, pages: u64) -> Range {
        Range {
            first: first_page * PAGE,
            last: (first_page + pages) * PAGE - 1,
        }
    }

    fn log(ranges: &[Range], page_size: u64) -> Result<DirtyLog> {
        let mut vec = KVec::new();
        vec.extend_from_slice(ranges, GFP_KERNEL)?;
        DirtyLog::new(vec, page_size)
    }

    /// Takes all that is dirty within `wanted`; joins neighbours, which leaves split.
    fn taken(log: &mut DirtyLog, wanted: Range) -> Result<KVec<Range>> {
        let mut runs: KVec<Range> = KVec::new();
        let mut left = wanted;
        while let Some(run) = log.take(left) {
            match runs.last_mut() {
                Some(previous) if previous.last + 1 == run.first => previous.last = run.last,
                _ => runs.push(run, GFP_KERNEL)?,
            }
            if run.last == left.last {
                break;
            }
            left.first = run.last + 1;
        }
        Ok(runs)
    }

    #[test]
    fn bad_ranges_are_refused() {
        let all = Range {
            first: 0,
            last: u64::MAX,
        };
        let empty = Range {
            first: PAGE,
            last: PAGE - 1,
        };
        assert_eq!(log(&[], PAGE).err(), Some(EINVAL));
        assert_eq!(log(&[all], PAGE).err(), Some(EINVAL));
        assert_eq!(log(&[range(0, 1), empty], PAGE).err(), Some(EINVAL));
    }

    #[test]
    fn page_sizes_are_chosen() -> Result {
        for (asked, chosen) in [
            (0, PAGE),
            (1, PAGE),
            (2048, PAGE),
            (4097, PAGE),
            (4096, 4096),
            (1 << 21, 1 << 21),
            (1 << 63, 1 << 63),
            (u64::MAX, PAGE),
        ] {
            assert_eq!(log(&[range(0, 1)], asked)?.page_size(), chosen);
        }
        Ok(())
    }

    #[test]
    fn what_is_marked_is_reported_once() -> Result {
        let whole = range(0, 1 << 20);
        let mut log = log(&[range(0, 0x1000), range(0x8000, 0x8000)], PAGE)?;
        assert_eq!(taken(&mut log, whole)?.len(), 0);

        // A byte, a stretch across two leaves, one that is only partly logged, one that is not.
        log.mark(Range { first: 5, last: 5 });
        log.mark(range(0x8fff, 3));
        log.mark(range(0xfff, 2));
        log.mark(range(0x4000, 1));
        // The second leaf's part stays.
        let runs = taken(&mut log, range(0, 0x9000))?;
        assert_eq!(&*runs, &[range(0, 1), range(0xfff, 1), range(0x8fff, 1)]);
        let runs = taken(&mut log, whole)?;
        assert_eq!(&*runs, &[range(0x9000, 2)]);
        assert_eq!(taken(&mut log, whole)?.len(), 0);
        assert_eq!(log.count, 0);
        Ok(())
    }

    #[test]
    fn pages_asked_for_in_part_stay() -> Result {
        let mut log = log(&[range(0, 16)], 4 * PAGE)?;
        log.mark(range(5, 1));
        for part in [range(4, 1), range(6, 2), range(3, 2)] {
            let seen = taken(&mut log, part)?;
            let expected = part.intersection(range(4, 4)).ok_or(EINVAL)?;
            assert_eq!(&*seen, &[expected]);
        }
        assert_eq!(&*taken(&mut log, range(4, 4))?, &[range(4, 4)]);
        assert_eq!(taken(&mut log, range(0, 16))?.len(), 0);
        assert_eq!(log.count, 0);
        Ok(())
    }

    #[test]
    fn highest_pages_do_not_wrap() -> Result {
        let top = Range {
            first: u64::MAX - (2 * PAGE - 1),
            last: u64::MAX,
        };
        let mut log = log(&[top], PAGE)?;
        log.mark(top);
        assert_eq!(&*taken(&mut log, top)?, &[top]);
        Ok(())
    }

    #[test]
    fn overflow_reports_everything() -> Result {
        let ranges = [range(0, 0x10_0000), range(0x20_0000, 1)];
        let mut log = log(&ranges, PAGE)?;
        log.max = 2;
        log.mark(range(0, 1));
        log.mark(range(0x1000, 1));
        log.mark(range(0x2000, 1));
        for _ in 0..2 {
            assert_eq!(&*taken(&mut log, range(0, 1 << 30))?, &ranges);
        }
        assert_eq!(&*taken(&mut log, range(7, 1))?, &[range(7, 1)]);
        Ok(())
    }
}
