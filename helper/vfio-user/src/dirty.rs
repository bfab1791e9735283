// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Which of the client's pages the device has written: `VFIO_DEVICE_FEATURE_DMA_LOGGING_*`.
//!
//! It is kept in pages of [`PAGE`] bytes whatever a client would like, and reported in the pages that
//! it asks for: what was logged in larger ones could not be taken out in part. A page of which a
//! client asks for a part only is reported, and stays.
//!
//! As in the kernel module: bitmaps of [`LEAF_PAGES`] pages, made when the first of them is written.
//! When there would be too many of them, the log gives up exactness, never truth: from then on all
//! that is logged counts as written, until logging stops.

use std::collections::BTreeMap;

use nix::errno::Errno;

/// Pages per bitmap.
const LEAF_PAGES: u64 = 4096;
const LEAF_WORDS: usize = 64;

/// Most bitmaps: 2 MiB.
const LEAVES_MAX: usize = 4096;

/// Size of the pages of the log, and of the smallest that it is reported in, in bytes.
pub const PAGE: u64 = 4096;
const PAGE_SHIFT: u32 = PAGE.trailing_zeros();

/// Most ranges, as in the kernel.
pub const RANGES_MAX: usize = 256;

/// A range of addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub first: u64,
    /// Last address, not below the first.
    pub last: u64,
}

impl Range {
    /// All addresses.
    pub const ALL: Self = Self {
        first: 0,
        last: u64::MAX,
    };

    /// The range of `length` bytes from `address`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it is empty, or leaves the 64 bits.
    pub fn new(address: u64, length: u64) -> Result<Self, Errno> {
        let rest = length.checked_sub(1);
        let last = rest.and_then(|rest| address.checked_add(rest));
        Ok(Self {
            first: address,
            last: last.ok_or(Errno::EINVAL)?,
        })
    }

    fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    fn intersection(self, other: Self) -> Option<Self> {
        let first = self.first.max(other.first);
        let last = self.last.min(other.last);
        (first <= last).then_some(Self { first, last })
    }
}

type Leaf = [u64; LEAF_WORDS];

/// The log, from its start to its end.
///
/// # Invariants
///
/// There are at most [`LEAVES_MAX`] leaves, and none if `everything`.
#[derive(Debug)]
pub struct Log {
    ranges: Vec<Range>,
    leaves: BTreeMap<u64, Leaf>,
    everything: bool,
}

impl Log {
    /// A log of `ranges`.
    ///
    /// # Errors
    ///
    /// `E2BIG`: more than [`RANGES_MAX`] ranges.
    pub fn new(ranges: Vec<Range>) -> Result<Self, Errno> {
        if ranges.len() > RANGES_MAX {
            return Err(Errno::E2BIG);
        }
        Ok(Self {
            ranges,
            leaves: BTreeMap::new(),
            everything: false,
        })
    }

    /// Logs that the device has written `written`.
    pub fn mark(&mut self, written: Range) {
        if self.everything {
            return;
        }
        let parts: Vec<Range> = self
            .ranges
            .iter()
            .filter_map(|range| range.intersection(written))
            .collect();
        for part in parts {
            let (first, last) = (page(part.first), page(part.last));
            for key in first / LEAF_PAGES..=last / LEAF_PAGES {
                if self.leaves.len() >= LEAVES_MAX && !self.leaves.contains_key(&key) {
                    self.everything = true;
                    self.leaves.clear();
                    return;
                }
                let leaf = self.leaves.entry(key).or_insert([0; LEAF_WORDS]);
                let base = key.saturating_mul(LEAF_PAGES);
                let to = last.saturating_sub(base).min(LEAF_PAGES.saturating_sub(1));
                for bit in first.saturating_sub(base)..=to {
                    if let Some((word, mask)) = word(leaf, bit) {
                        *word |= mask;
                    }
                }
            }
        }
    }

    /// Takes the first run of written pages in `wanted` out of the log, as addresses within `wanted`.
    /// Pages that are wanted in part only stay in it: something else in them may have been written.
    pub fn take(&mut self, wanted: Range) -> Option<Range> {
        if self.everything {
            let parts = self.ranges.iter().filter_map(|r| r.intersection(wanted));
            return parts.min_by_key(|part| part.first);
        }
        let (first, last) = (page(wanted.first), page(wanted.last));
        let keys = first / LEAF_PAGES..=last / LEAF_PAGES;
        let mut empty = None;
        let mut found = None;
        for (key, leaf) in self.leaves.range_mut(keys) {
            let base = key.saturating_mul(LEAF_PAGES);
            let to = last.saturating_sub(base).min(LEAF_PAGES.saturating_sub(1));
            let pages = |start: u64, end: u64| Range {
                first: base.saturating_add(start).wrapping_shl(PAGE_SHIFT),
                last: base.saturating_add(end).wrapping_shl(PAGE_SHIFT) | PAGE.saturating_sub(1),
            };
            let whole = |bit| wanted.contains(pages(bit, bit));
            let Some((start, end)) = take_run(leaf, first.saturating_sub(base), to, whole) else {
                continue;
            };
            let run = pages(start, end);
            found = run.intersection(wanted);
            empty = leaf.iter().all(|word| *word == 0).then_some(*key);
            break;
        }
        if let Some(key) = empty {
            self.leaves.remove(&key);
        }
        found
    }

    /// The bitmap of the written pages of `page_size` bytes in `wanted`, at most `most` bytes long;
    /// the pages of the log that lie in `wanted` count as not written from then on.
    ///
    /// # Errors
    ///
    /// `EINVAL`: a page size that is no power of two, or below [`PAGE`]; a bitmap longer than
    /// `most`. The log stays as it is then.
    pub fn report(&mut self, wanted: Range, page_size: u64, most: usize) -> Result<Vec<u8>, Errno> {
        if page_size < PAGE || !page_size.is_power_of_two() {
            return Err(Errno::EINVAL);
        }
        let shift = page_size.trailing_zeros();
        let page = |address: u64| address.saturating_sub(wanted.first).wrapping_shr(shift);
        let bytes = (page(wanted.last) / 64).saturating_add(1).saturating_mul(8);
        let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= most);
        let mut bitmap = vec![0; bytes.ok_or(Errno::EINVAL)?];
        let mut left = wanted;
        while let Some(run) = self.take(left) {
            for page in page(run.first)..=page(run.last) {
                // A word's lowest bit is its first page, on a host of either byte order.
                let word = (page / 64).saturating_mul(8);
                let bit = page % 64;
                let byte = if cfg!(target_endian = "little") {
                    bit / 8
                } else {
                    7_u64.saturating_sub(bit / 8)
                };
                let at = usize::try_from(word.saturating_add(byte)).ok();
                if let Some(byte) = at.and_then(|at| bitmap.get_mut(at)) {
                    *byte |= 1_u8.wrapping_shl(u32::try_from(bit % 8).unwrap_or_default());
                }
            }
            match run.last.checked_add(1) {
                Some(next) if next <= left.last => left.first = next,
                _ => break,
            }
        }
        Ok(bitmap)
    }
}

/// Number of the page of an address.
fn page(address: u64) -> u64 {
    address.wrapping_shr(PAGE_SHIFT)
}

/// The word of a bit, and its mask.
fn word(leaf: &mut Leaf, bit: u64) -> Option<(&mut u64, u64)> {
    let index = usize::try_from(bit / 64).ok()?;
    let shift = u32::try_from(bit % 64).ok()?;
    Some((leaf.get_mut(index)?, 1_u64.wrapping_shl(shift)))
}

/// Finds the first run of bits between `from` and `to`, both included, and clears those of them that
/// `clears` names.
fn take_run(
    leaf: &mut Leaf,
    from: u64,
    to: u64,
    clears: impl Fn(u64) -> bool,
) -> Option<(u64, u64)> {
    let mut run = None;
    for bit in from..=to {
        let set = word(leaf, bit).filter(|(word, mask)| **word & mask != 0);
        match (set, run) {
            (Some((word, mask)), _) => {
                if clears(bit) {
                    *word &= !mask;
                }
                run = Some((run.map_or(bit, |(start, _)| start), bit));
            }
            (None, Some(_)) => break,
            (None, None) => {}
        }
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(first: u64, count: u64) -> Range {
        Range::new(first * PAGE, count * PAGE).unwrap()
    }

    /// Numbers of the pages in a bitmap.
    fn set(bitmap: &[u8]) -> Vec<usize> {
        let words = bitmap.chunks(8).map(|word| {
            let word: [u8; 8] = word.try_into().expect("whole words");
            u64::from_ne_bytes(word)
        });
        let bits = |(n, word): (usize, u64)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| n * 64 + bit)
        };
        words.enumerate().flat_map(bits).collect()
    }

    #[test]
    fn what_is_marked_is_reported_once() {
        let mut log = Log::new(vec![pages(0, 0x1000), pages(0x8000, 0x8000)]).unwrap();
        log.mark(Range { first: 5, last: 5 });
        log.mark(pages(0x8fff, 3));
        log.mark(pages(0xfff, 2));
        log.mark(pages(0x4000, 1));
        let report = |log: &mut Log, range| set(&log.report(range, PAGE, 1 << 20).unwrap());
        // The second leaf's part stays.
        assert_eq!(
            report(&mut log, pages(0, 0x9000)),
            [0, 0xfff, 0x8fff],
            "pages within the ranges only"
        );
        assert_eq!(report(&mut log, pages(0x9000, 0x100)), [0, 1]);
        assert_eq!(report(&mut log, pages(0, 0x10000)), [0_usize; 0]);
        assert!(log.leaves.is_empty());
    }

    #[test]
    fn page_sizes_differ() {
        let mut log = Log::new(vec![Range::ALL]).unwrap();
        log.mark(pages(17, 1));
        let bitmap = log.report(pages(8, 32), PAGE, 1 << 20).unwrap();
        assert_eq!(set(&bitmap), [9]);
        log.mark(pages(17, 1));
        log.mark(pages(0x3ff, 1));
        let bitmap = log.report(pages(0, 0x300), 1 << 20, 1 << 20).unwrap();
        assert_eq!(set(&bitmap), [0]);
        // Of the same page of 1 MiB four times that, but not asked for yet.
        let bitmap = log.report(pages(0x300, 0x100), 1 << 22, 8).unwrap();
        assert_eq!(set(&bitmap), [0]);
        let bitmap = log.report(pages(0, 0x400), 1 << 22, 8).unwrap();
        assert_eq!(set(&bitmap), [0_usize; 0]);
    }

    #[test]
    fn pages_that_are_wanted_in_part_stay() {
        let mut log = Log::new(vec![Range::ALL]).unwrap();
        log.mark(pages(0, 4));
        let range = |first, last| Range { first, last };
        let report = |log: &mut Log, range| set(&log.report(range, PAGE, 8).unwrap());
        assert_eq!(report(&mut log, range(0, PAGE - 2)), [0]);
        assert_eq!(report(&mut log, range(PAGE / 2, 3 * PAGE)), [0, 1, 2]);
        assert_eq!(report(&mut log, range(PAGE + 5, PAGE + 5)), [0_usize; 0]);
        assert_eq!(report(&mut log, pages(0, 8)), [0, 3]);
        assert_eq!(report(&mut log, pages(0, 8)), [0_usize; 0]);
        assert!(log.leaves.is_empty());
    }

    #[test]
    fn bounds() {
        let mut log = Log::new(vec![Range::ALL]).unwrap();
        for bad in [0, 1, 2048, 4097, u64::MAX] {
            assert_eq!(log.report(pages(0, 1), bad, 8), Err(Errno::EINVAL), "{bad}");
        }
        assert_eq!(log.report(pages(0, 64), PAGE, 8).unwrap().len(), 8);
        assert_eq!(log.report(pages(0, 65), PAGE, 8), Err(Errno::EINVAL));
        assert_eq!(log.report(Range::ALL, PAGE, 1 << 20), Err(Errno::EINVAL));
        assert_eq!(log.report(Range::ALL, 1 << 63, 8).unwrap().len(), 8);
        let many = vec![pages(0, 1); RANGES_MAX + 1];
        assert_eq!(Log::new(many).err(), Some(Errno::E2BIG));
        assert_eq!(Range::new(5, 0), Err(Errno::EINVAL));
        assert_eq!(Range::new(5, u64::MAX), Err(Errno::EINVAL));
    }

    #[test]
    fn highest_pages_do_not_wrap() {
        let top = Range {
            first: u64::MAX - (2 * PAGE - 1),
            last: u64::MAX,
        };
        let mut log = Log::new(vec![top]).unwrap();
        log.mark(top);
        assert_eq!(set(&log.report(top, PAGE, 8).unwrap()), [0, 1]);
    }

    #[test]
    fn too_much_is_everything() {
        let mut log = Log::new(vec![Range::ALL]).unwrap();
        for leaf in 0..=LEAVES_MAX as u64 {
            log.mark(pages(leaf * LEAF_PAGES, 1));
        }
        for _ in 0..2 {
            let bitmap = log.report(pages(7, 3), PAGE, 8).unwrap();
            assert_eq!(set(&bitmap), [0, 1, 2]);
        }
    }
}
