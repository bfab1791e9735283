// SPDX-License-Identifier: GPL-2.0-only

//! A stretch of the table of pages, which is a page itself.

use core::ptr::NonNull;

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

use super::frame::Frame;

/// Pages that a leaf has room for.
pub(super) const LEN: usize = PAGE_SIZE / size_of::<Option<Frame>>();

type Slots = [Option<Frame>; LEN];

/// Room for [`LEN`] pages.
///
/// # Invariants
///
/// `slots` is what `page` holds, which nobody else knows.
pub(super) struct Leaf {
    page: Frame,
    slots: NonNull<Slots>,
}

// SAFETY: A leaf owns what it holds, which is `Send`.
unsafe impl Send for Leaf {}
// SAFETY: What can be reached through a shared reference is `Sync`.
unsafe impl Sync for Leaf {}

impl Leaf {
    /// A leaf without pages, charged to the current memory cgroup. It is allocated as pages are, since
    /// nobody shall be killed to make room for it either.
    pub(super) fn new() -> Result<Self> {
        Ok(Frame::new()?.into())
    }

    /// The pages.
    pub(super) fn slots(&self) -> &Slots {
        // SAFETY: By the type invariant they are ours.
        unsafe { self.slots.as_ref() }
    }

    /// The pages.
    pub(super) fn slots_mut(&mut self) -> &mut Slots {
        // SAFETY: By the type invariant they are ours.
        unsafe { self.slots.as_mut() }
    }

    /// The pages that are there.
    pub(super) fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.slots().iter().flatten()
    }
}

/// A leaf without pages, of a page of zeroes that nobody else has.
impl From<Frame> for Leaf {
    fn from(page: Frame) -> Self {
        let slots = page.address().cast();
        // INVARIANT: The page holds zeroes, which is what `None` is of a transparent wrapper of
        // `NonNull`, and begins at a multiple of its size.
        Self { page, slots }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        for slot in self.slots_mut() {
            drop(slot.take());
        }
        // `page` goes next, which frees it.
        let _ = &self.page;
    }
}
