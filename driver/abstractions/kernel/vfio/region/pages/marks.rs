// SPDX-License-Identifier: GPL-2.0-only

//! A set of page numbers.

use kernel::prelude::*;

const BITS: usize = u64::BITS as usize;

/// A bitmap that knows how many of its bits are set.
pub(super) struct Marks {
    words: KVec<u64>,
    count: usize,
}

impl Marks {
    /// No mark, of `len` that are possible.
    pub(super) fn new(len: usize) -> Result<Self> {
        Ok(Self {
            words: KVec::from_elem(0, len.div_ceil(BITS), GFP_KERNEL)?,
            count: 0,
        })
    }

    /// Number of marks.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Sets mark `index`, if that is possible.
    pub(super) fn set(&mut self, index: usize) {
        let bit = 1 << (index % BITS);
        if let Some(word) = self.words.get_mut(index / BITS) {
            if *word & bit == 0 {
                *word |= bit;
                // NO-OVERFLOW: There are fewer marks than addresses.
                self.count += 1;
            }
        }
    }

    /// Clears mark `index`, if it is set.
    pub(super) fn clear(&mut self, index: usize) {
        let bit = 1 << (index % BITS);
        if let Some(word) = self.words.get_mut(index / BITS) {
            if *word & bit != 0 {
                *word &= !bit;
                // NO-OVERFLOW: It was counted.
                self.count -= 1;
            }
        }
    }

    /// Whether mark `index` is set.
    pub(super) fn is_set(&self, index: usize) -> bool {
        let word = self.words.get(index / BITS);
        word.is_some_and(|word| word >> (index % BITS) & 1 == 1)
    }

    /// Number of marks from `from` on.
    pub(super) fn count_from(&self, from: usize) -> usize {
        if from == 0 || self.count == 0 {
            return self.count;
        }
        let mut mask = u64::MAX << (from % BITS);
        let mut count = 0;
        for word in self.words.iter().skip(from / BITS) {
            // NO-OVERFLOW, CAST: At most all marks.
            count += (word & mask).count_ones() as usize;
            mask = u64::MAX;
        }
        count
    }

    /// Clears all marks.
    pub(super) fn clear_all(&mut self) {
        if self.count > 0 {
            self.words.fill(0);
            self.count = 0;
        }
    }

    /// First mark from `from` on.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let mut mask = u64::MAX << (from % BITS);
        for (i, word) in self.words.iter().enumerate().skip(from / BITS) {
            let found = word & mask;
            if found != 0 {
                // NO-OVERFLOW, CAST: The number of a mark, and of a bit in a word.
                return Some(i * BITS + found.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }
}

#[kunit_tests(vmig_vfio_region_marks)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_in_order() -> Result {
        let mut marks = Marks::new(300)?;
        assert_eq!(marks.next(0), None);
        let all = [0, 63, 64, 127, 200, 299];
        for index in all {
            marks.set(index);
            marks.set(index);
        }
        assert_eq!(marks.count(), all.len());
        let mut from = 0;
        for index in all {
            assert_eq!(marks.next(from), Some(index));
            from = index + 1;
        }
        assert_eq!(marks.next(from), None);
        assert_eq!(marks.next(usize::MAX), None);
        for from in [0, 1, 63, 64, 65, 127, 128, 299, 300, 5000, usize::MAX] {
            let expected = all.iter().filter(|&&index| index >= from).count();
            assert_eq!(marks.count_from(from), expected);
        }
        assert!(marks.is_set(63) && !marks.is_set(62) && !marks.is_set(usize::MAX));
        marks.clear(64);
        marks.clear(64);
        marks.clear(usize::MAX);
        assert_eq!((marks.next(64), marks.count()), (Some(127), all.len() - 1));
        marks.clear_all();
        assert_eq!((marks.next(0), marks.count()), (None, 0));
        Ok(())
    }
}
