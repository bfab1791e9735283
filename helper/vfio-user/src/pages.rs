// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Memory of a device that runs in a program: pages that are made when they are written.
//!
//! No client maps it. What a client writes to memory that it has mapped cannot be seen from another
//! process, so that pre-copy would lose it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        Mutex,
        MutexGuard,
        PoisonError, //
    },
};

use vmig_model::memory::{
    Full,
    Memory,
    PAGE, //
};

/// Device memory.
#[derive(Clone, Debug)]
pub struct Pages(Arc<Mutex<Inner>>);

/// # Invariants
///
/// Every page that is there has [`PAGE`] bytes; `touched` of them are there.
#[derive(Debug)]
struct Inner {
    pages: Vec<Option<Box<[u8]>>>,
    touched: u32,
    tracking: bool,
    dirty: BTreeSet<u32>,
}

impl Pages {
    /// Untouched memory of `pages` pages.
    pub fn new(pages: u32) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            pages: (0..pages).map(|_| None).collect(),
            touched: 0,
            tracking: false,
            dirty: BTreeSet::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The page of byte `at`, the offset in it, and how many of `len` bytes lie in it.
fn piece(at: u64, len: usize) -> Option<(u32, usize, usize)> {
    let page = u64::try_from(PAGE).ok()?;
    let number = u32::try_from(at.checked_div(page)?).ok()?;
    let offset = usize::try_from(at.checked_rem(page)?).ok()?;
    Some((number, offset, PAGE.saturating_sub(offset).min(len)))
}

impl Inner {
    /// Page `number`, made if it is not there; `None` beyond the memory.
    fn page(&mut self, number: u32) -> Result<Option<&mut [u8]>, Full> {
        let slot = usize::try_from(number).ok();
        let Some(slot) = slot.and_then(|number| self.pages.get_mut(number)) else {
            return Ok(None);
        };
        if slot.is_none() {
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(PAGE).map_err(|_| Full)?;
            bytes.resize(PAGE, 0);
            *slot = Some(bytes.into_boxed_slice());
            self.touched = self.touched.saturating_add(1);
        }
        Ok(slot.as_deref_mut())
    }
}

impl Memory for Pages {
    fn pages(&self) -> u32 {
        u32::try_from(self.lock().pages.len()).unwrap_or(u32::MAX)
    }

    fn read(&self, mut at: u64, mut out: &mut [u8]) {
        let inner = self.lock();
        while let Some((number, offset, len)) = piece(at, out.len()).filter(|_| !out.is_empty()) {
            let Some((now, rest)) = out.split_at_mut_checked(len) else {
                return;
            };
            let slot = usize::try_from(number).ok();
            match slot.and_then(|number| inner.pages.get(number)) {
                Some(Some(page)) => {
                    let from = page.get(offset..).unwrap_or_default();
                    for (to, from) in now.iter_mut().zip(from) {
                        *to = *from;
                    }
                }
                Some(None) => now.fill(0),
                None => return,
            }
            out = rest;
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
    }

    fn write(&self, mut at: u64, mut data: &[u8]) -> Result<(), Full> {
        let mut inner = self.lock();
        while let Some((number, offset, len)) = piece(at, data.len()).filter(|_| !data.is_empty()) {
            let Some((now, rest)) = data.split_at_checked(len) else {
                break;
            };
            let Some(page) = inner.page(number)? else {
                break;
            };
            let to = page.get_mut(offset..).unwrap_or_default();
            for (to, from) in to.iter_mut().zip(now) {
                *to = *from;
            }
            if inner.tracking {
                inner.dirty.insert(number);
            }
            data = rest;
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn track(&self, on: bool) {
        let mut inner = self.lock();
        inner.tracking = on;
        inner.dirty.clear();
    }

    fn take_dirty(&self, from: u32) -> Option<u32> {
        let mut inner = self.lock();
        let first = inner.dirty.range(from..).next().copied()?;
        inner.dirty.remove(&first);
        Some(first)
    }

    fn dirty(&self, from: u32) -> u32 {
        let count = self.lock().dirty.range(from..).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn take_touched(&self, from: u32) -> Option<u32> {
        let page = self.next_touched(from)?;
        self.lock().dirty.remove(&page);
        Some(page)
    }

    fn next_touched(&self, from: u32) -> Option<u32> {
        let inner = self.lock();
        let rest = inner.pages.get(usize::try_from(from).ok()?..)?;
        let step = rest.iter().position(Option::is_some)?;
        from.checked_add(u32::try_from(step).ok()?)
    }

    fn touched(&self, from: u32) -> u32 {
        let inner = self.lock();
        if from == 0 {
            return inner.touched;
        }
        let pages = inner
            .pages
            .iter()
            .skip(usize::try_from(from).unwrap_or(usize::MAX));
        u32::try_from(pages.flatten().count()).unwrap_or(u32::MAX)
    }

    fn discard(&self) {
        let mut inner = self.lock();
        inner.pages.fill_with(|| None);
        inner.touched = 0;
        inner.dirty.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_made_when_they_are_written() {
        let memory = Pages::new(4);
        let page = PAGE as u64;
        let mut out = [1; 8];
        memory.read(page - 4, &mut out);
        assert_eq!((out, memory.touched(0)), ([0; 8], 0));
        memory.write(2 * page - 2, b"edge").unwrap();
        assert_eq!((memory.touched(0), memory.next_touched(0)), (2, Some(1)));
        assert_eq!((memory.touched(2), memory.touched(3)), (1, 0));
        assert_eq!(
            (memory.next_touched(2), memory.next_touched(3)),
            (Some(2), None)
        );
        memory.read(2 * page - 4, &mut out);
        assert_eq!(&out, b"\0\0edge\0\0");
        // What is beyond is ignored.
        memory.write(4 * page - 1, b"ab").unwrap();
        memory.write(u64::MAX, b"ab").unwrap();
        let mut out = [7; 2];
        memory.read(4 * page - 1, &mut out);
        assert_eq!(&out, b"a\x07");
        assert_eq!(memory.touched(0), 3);
        memory.discard();
        assert_eq!((memory.touched(0), memory.next_touched(0)), (0, None));
    }

    #[test]
    fn writes_are_tracked_while_it_is_on() {
        let memory = Pages::new(8);
        let page = PAGE as u64;
        memory.write(0, b"x").unwrap();
        assert_eq!(memory.dirty(0), 0);
        memory.track(true);
        for at in [5, 2, 5] {
            memory.write(at * page, b"x").unwrap();
        }
        assert_eq!((memory.dirty(0), memory.take_dirty(3)), (2, Some(5)));
        assert_eq!(
            (memory.take_dirty(3), memory.take_dirty(0)),
            (None, Some(2))
        );
        for at in [0, 5] {
            memory.write(at * page, b"x").unwrap();
        }
        assert_eq!((memory.dirty(0), memory.dirty(1)), (2, 1));
        assert_eq!((memory.take_touched(3), memory.dirty(0)), (Some(5), 1));
        assert_eq!((memory.take_touched(1), memory.dirty(0)), (Some(2), 1));
        memory.track(true);
        assert_eq!(memory.dirty(0), 0);
    }
}
