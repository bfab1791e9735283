// SPDX-License-Identifier: GPL-2.0-only

//! Memory of the card, and the machine's memory as the card reaches it: the kernel's, as the model
//! wants to see them.
#![forbid(unsafe_code)]

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};
use kernel_vfio::{
    memcg::Memcg,
    vfio::{
        region::Pages,
        InUse, //
    },
};
use vmig_model::memory::{
    Bus,
    BusFault,
    Full,
    Memory,
    PAGE, //
};

use super::Card;

// What the model calls a page is one that can be mapped.
const _: () = assert!(PAGE == PAGE_SIZE);

/// Memory of a card.
#[derive(Clone)]
pub(super) struct DeviceMemory(Arc<Pages>);

impl DeviceMemory {
    /// Memory of `pages` pages, none of which is there yet.
    pub(super) fn new(pages: u32) -> Result<Self> {
        Ok(Self(Pages::new(pages.try_into()?)?))
    }

    /// Whether it has so many pages.
    pub(super) fn has(&self, pages: u32) -> bool {
        self.pages() == pages
    }

    /// Charges pages to `owner` from now on.
    pub(super) fn set_owner(&self, owner: Option<Memcg>) {
        self.0.set_owner(owner);
    }

    /// Prepares for a write of `len` bytes, wherever, under a lock.
    pub(super) fn reserve(&self, len: usize) -> Result {
        self.0.reserve(len)
    }

    /// Prepares for a write of `len` bytes to `at` under a lock.
    pub(super) fn reserve_at(&self, at: u64, len: usize) -> Result {
        self.0.reserve_at(at.try_into()?, len)
    }

    /// What users map.
    pub(super) fn shared(&self) -> Arc<Pages> {
        self.0.clone()
    }
}

/// The number of a page. There are fewer than 2^32.
fn narrow(index: usize) -> u32 {
    index.try_into().unwrap_or(u32::MAX)
}

fn wide(index: u32) -> usize {
    index.try_into().unwrap_or(usize::MAX)
}

impl Memory for DeviceMemory {
    fn pages(&self) -> u32 {
        narrow(self.0.count())
    }

    fn read(&self, at: u64, out: &mut [u8]) {
        // What lies beyond is ignored, and nothing else fails.
        let _ = at.try_into().map(|at| self.0.read(at, out));
    }

    fn write(&self, at: u64, data: &[u8]) -> core::result::Result<(), Full> {
        let Ok(at) = at.try_into() else {
            return Ok(());
        };
        match self.0.write(at, data) {
            Err(error) if error == ENOMEM => Err(Full),
            // As above.
            _ => Ok(()),
        }
    }

    fn track(&self, on: bool) {
        self.0.track(on);
    }

    fn take_dirty(&self, from: u32) -> Option<u32> {
        self.0.take_dirty(wide(from)).map(narrow)
    }

    fn dirty(&self, from: u32) -> u32 {
        narrow(self.0.dirty(wide(from)))
    }

    fn take_touched(&self, from: u32) -> Option<u32> {
        self.0.take_touched(wide(from)).map(narrow)
    }

    fn next_touched(&self, from: u32) -> Option<u32> {
        self.0.next_touched(wide(from)).map(narrow)
    }

    fn touched(&self, from: u32) -> u32 {
        narrow(self.0.touched(wide(from)))
    }

    fn discard(&self) {
        self.0.discard();
    }
}

/// The machine's memory, as far as the user lets the card reach it.
pub(super) struct Dma<'a>(pub(super) InUse<'a, Card>);

impl Bus for Dma<'_> {
    fn read(&self, iova: u64, out: &mut [u8]) -> core::result::Result<(), BusFault> {
        self.0.dma_read(iova, out).map_err(|_| BusFault)
    }

    fn write(&self, iova: u64, data: &[u8]) -> core::result::Result<(), BusFault> {
        self.0.dma_write(iova, data).map_err(|_| BusFault)
    }
}
