// SPDX-License-Identifier: GPL-2.0-only

//! Which pages there are, and which of them have been written.

use kernel::prelude::*;

use super::{
    frame::Frame,
    leaf::{
        self,
        Leaf, //
    },
    marks::Marks, //
};
use crate::memcg::Memcg;

/// The table of some memory; what its lock protects.
///
/// # Invariants
///
/// - `there` has the pages that there are.
/// - A page that is marked is there, and nothing is marked unless `tracking`.
pub(super) struct Table {
    leaves: KVec<Option<Leaf>>,
    there: Marks,
    marks: Marks,
    pub(super) tracking: bool,
    /// Who is charged for new pages.
    pub(super) owner: Option<Memcg>,
    /// Pages of zeroes, for those who write where nothing is to be allocated.
    spare: KVec<Frame>,
}

/// Most pages that are kept spare.
pub(super) const SPARE: usize = 32;

impl Table {
    /// A table without pages, for `count` of them.
    pub(super) fn new(count: usize) -> Result<Self> {
        let mut leaves = KVec::new();
        for _ in 0..count.div_ceil(leaf::LEN) {
            leaves.push(None, GFP_KERNEL)?;
        }
        Ok(Self {
            leaves,
            there: Marks::new(count)?,
            marks: Marks::new(count)?,
            tracking: false,
            owner: None,
            spare: KVec::with_capacity(SPARE, GFP_KERNEL)?,
        })
    }

    /// Number of pages from `from` on that are there.
    pub(super) fn touched(&self, from: usize) -> usize {
        self.there.count_from(from)
    }

    /// Number of pages from `from` on that are marked.
    pub(super) fn marked(&self, from: usize) -> usize {
        self.marks.count_from(from)
    }

    /// Whether page `index` is marked.
    pub(super) fn is_marked(&self, index: usize) -> bool {
        self.marks.is_set(index)
    }

    fn leaf(&self, index: usize) -> Option<&Leaf> {
        self.leaves.get(index / leaf::LEN)?.as_ref()
    }

    /// Page `index`, if it is there.
    pub(super) fn get(&self, index: usize) -> Option<&Frame> {
        let slots = self.leaf(index)?.slots();
        slots.get(index % leaf::LEN)?.as_ref()
    }

    /// Whether `frame` is page `index`, and not one that was discarded.
    pub(super) fn is(&self, index: usize, frame: &Frame) -> bool {
        let current = self.get(index).map(Frame::as_ptr);
        current == Some(frame.as_ptr())
    }

    /// Whether page `index` needs a leaf.
    pub(super) fn lacks_leaf(&self, index: usize) -> bool {
        self.leaf(index).is_none()
    }

    /// Number of pages that are spare.
    pub(super) fn spare(&self) -> usize {
        self.spare.len()
    }

    /// Keeps `frame`, a page of zeroes that nobody else has, spare, unless there are enough.
    pub(super) fn keep(&mut self, frame: Frame) {
        // What has no room is freed.
        let _ = self.spare.push_within_capacity(frame);
    }

    /// A page that was spare.
    pub(super) fn take_spare(&mut self) -> Option<Frame> {
        self.spare.pop()
    }

    /// Makes one that was spare page `index`, unless there is one. `None` if too few are spare.
    pub(super) fn make(&mut self, index: usize) -> Option<Frame> {
        if let Some(there) = self.get(index) {
            return Some(there.clone());
        }
        let lacking = 1 + usize::from(self.lacks_leaf(index));
        if self.spare.len() < lacking {
            return None;
        }
        let frame = self.spare.pop()?;
        let mut leaf = match self.lacks_leaf(index) {
            true => self.spare.pop().map(Leaf::from),
            false => None,
        };
        self.insert(index, &frame, &mut leaf)
    }

    /// Makes `frame` page `index`, unless there is one. Returns the page; `None` only if there is no
    /// leaf for it, neither in the table nor in `spare`, which is used if need be.
    pub(super) fn insert(
        &mut self,
        index: usize,
        frame: &Frame,
        spare: &mut Option<Leaf>,
    ) -> Option<Frame> {
        let slot = self.leaves.get_mut(index / leaf::LEN)?;
        if slot.is_none() {
            *slot = spare.take();
        }
        let slots = slot.as_mut()?.slots_mut();
        let slot = slots.get_mut(index % leaf::LEN)?;
        if let Some(there) = slot {
            return Some(there.clone());
        }
        *slot = Some(frame.clone());
        self.there.set(index);
        Some(frame.clone())
    }

    /// First page from `from` on that is there.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        self.there.next(from)
    }

    /// Takes a leaf out of the table, with all its pages, none of which is marked any more.
    pub(super) fn take_leaf(&mut self, i: usize) -> Option<Leaf> {
        let leaf = self.leaves.get_mut(i)?.take()?;
        // NO-OVERFLOW: There is a leaf `i`, hence its end is one of the table's, more or less.
        let end = (i + 1) * leaf::LEN;
        while let Some(index) = self.there.next(i * leaf::LEN).filter(|&index| index < end) {
            self.there.clear(index);
            self.marks.clear(index);
        }
        Some(leaf)
    }

    /// Number of leaves that the table has room for.
    pub(super) fn leaves(&self) -> usize {
        self.leaves.len()
    }

    /// Page `index`, which is there, has been written.
    pub(super) fn mark(&mut self, index: usize) {
        if self.tracking {
            self.marks.set(index);
        }
    }

    /// Page `index` has not been written since.
    pub(super) fn unmark(&mut self, index: usize) {
        self.marks.clear(index);
    }

    /// No page has been written since.
    pub(super) fn unmark_all(&mut self) {
        self.marks.clear_all();
    }

    /// First page from `from` on that is marked.
    pub(super) fn next_marked(&self, from: usize) -> Option<usize> {
        self.marks.next(from)
    }
}
