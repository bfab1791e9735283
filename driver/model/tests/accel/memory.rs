// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Memory for a card under test, and guest memory behind a bus.

use std::{
    cell::{
        Cell,
        RefCell, //
    },
    collections::{
        btree_map::Entry,
        BTreeMap,
        BTreeSet, //
    },
    rc::Rc,
};

use vmig_model::memory::{
    Bus,
    BusFault,
    Full,
    Memory,
    PAGE, //
};

type Page = Box<[u8; PAGE]>;

/// Runs `f` with each piece of `len` bytes from `at` on that lies in one page: the page, and the ranges in
/// the page and in the bytes.
fn pieces<E>(
    at: u64,
    len: usize,
    mut f: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>) -> Result<(), E>,
) -> Result<(), E> {
    let mut done = 0;
    while done < len {
        let here = at + done as u64;
        let start = (here % PAGE as u64) as usize;
        let n = (PAGE - start).min(len - done);
        f(here / PAGE as u64, start..start + n, done..done + n)?;
        done += n;
    }
    Ok(())
}

struct Inner {
    pages: u32,
    map: BTreeMap<u32, Page>,
    tracking: bool,
    dirty: BTreeSet<u32>,
    /// Pages that can still be made.
    room: u32,
}

/// Device memory.
#[derive(Clone)]
pub(crate) struct Ram(Rc<RefCell<Inner>>);

impl Ram {
    pub(crate) fn new(pages: u32) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            pages,
            map: BTreeMap::new(),
            tracking: false,
            dirty: BTreeSet::new(),
            room: u32::MAX,
        })))
    }

    /// So many pages can still be made.
    pub(crate) fn limit(&self, room: u32) {
        self.0.borrow_mut().room = room;
    }

    pub(crate) fn tracking(&self) -> bool {
        self.0.borrow().tracking
    }

    pub(crate) fn get(&self, at: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.read(at, &mut data);
        data
    }

    /// Pages that are not zero.
    pub(crate) fn contents(&self) -> BTreeMap<u32, Page> {
        let mut map = self.0.borrow().map.clone();
        map.retain(|_, page| page.iter().any(|byte| *byte != 0));
        map
    }
}

impl Memory for Ram {
    fn pages(&self) -> u32 {
        self.0.borrow().pages
    }

    fn read(&self, at: u64, out: &mut [u8]) {
        let inner = self.0.borrow();
        assert!(at + out.len() as u64 <= u64::from(inner.pages) * PAGE as u64);
        let Ok(()) = pieces::<std::convert::Infallible>(at, out.len(), |page, from, to| {
            match inner.map.get(&(page as u32)) {
                Some(page) => out[to].copy_from_slice(&page[from]),
                None => out[to].fill(0),
            }
            Ok(())
        });
    }

    fn write(&self, at: u64, data: &[u8]) -> Result<(), Full> {
        let inner = &mut *self.0.borrow_mut();
        assert!(at + data.len() as u64 <= u64::from(inner.pages) * PAGE as u64);
        pieces(at, data.len(), |page, to, from| {
            let page = page as u32;
            let bytes = match inner.map.entry(page) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    inner.room = inner.room.checked_sub(1).ok_or(Full)?;
                    entry.insert(Box::new([0; PAGE]))
                }
            };
            bytes[to].copy_from_slice(&data[from]);
            if inner.tracking {
                inner.dirty.insert(page);
            }
            Ok(())
        })
    }

    fn track(&self, on: bool) {
        let mut inner = self.0.borrow_mut();
        inner.tracking = on;
        inner.dirty.clear();
    }

    fn take_dirty(&self, from: u32) -> Option<u32> {
        let mut inner = self.0.borrow_mut();
        let page = inner.dirty.range(from..).next().copied()?;
        inner.dirty.remove(&page);
        Some(page)
    }

    fn dirty(&self, from: u32) -> u32 {
        self.0.borrow().dirty.range(from..).count() as u32
    }

    fn take_touched(&self, from: u32) -> Option<u32> {
        let page = self.next_touched(from)?;
        self.0.borrow_mut().dirty.remove(&page);
        Some(page)
    }

    fn next_touched(&self, from: u32) -> Option<u32> {
        self.0
            .borrow()
            .map
            .range(from..)
            .next()
            .map(|(page, _)| *page)
    }

    fn touched(&self, from: u32) -> u32 {
        self.0.borrow().map.range(from..).count() as u32
    }

    fn discard(&self) {
        let mut inner = self.0.borrow_mut();
        inner.map.clear();
        inner.dirty.clear();
    }
}

/// Guest memory: only what was mapped is there.
#[derive(Clone, Default)]
pub(crate) struct Guest {
    /// Numbers of pages.
    mapped: RefCell<Vec<std::ops::RangeInclusive<u64>>>,
    unmapped: RefCell<BTreeSet<u64>>,
    /// Pages that were touched.
    map: RefCell<BTreeMap<u64, Page>>,
    read_only: RefCell<BTreeSet<u64>>,
    /// Addresses and lengths of the card's writes that were made.
    pub(crate) writes: RefCell<Vec<(u64, usize)>>,
    pub(crate) reads: Cell<u64>,
}

impl Guest {
    /// Maps whole pages.
    pub(crate) fn map(&self, at: u64, len: u64) {
        let pages = at / PAGE as u64..=(at + (len - 1)) / PAGE as u64;
        self.mapped.borrow_mut().push(pages);
    }

    /// Takes the page at `at` away.
    pub(crate) fn unmap(&self, at: u64) {
        self.unmapped.borrow_mut().insert(at / PAGE as u64);
    }

    /// The card cannot write to the page at `at` any more.
    pub(crate) fn protect(&self, at: u64) {
        self.read_only.borrow_mut().insert(at / PAGE as u64);
    }

    /// What the guest's processor does.
    pub(crate) fn put(&self, at: u64, data: &[u8]) {
        self.access(at, data.len(), |page, range, from| {
            page[range].copy_from_slice(&data[from]);
        })
        .expect("mapped");
    }

    pub(crate) fn get(&self, at: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.access(at, len, |page, from, to| {
            data[to].copy_from_slice(&page[from])
        })
        .expect("mapped");
        data
    }

    pub(crate) fn get_u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.get(at, 4).try_into().unwrap())
    }

    fn access(
        &self,
        at: u64,
        len: usize,
        mut f: impl FnMut(&mut [u8; PAGE], std::ops::Range<usize>, std::ops::Range<usize>),
    ) -> Result<(), BusFault> {
        let mut map = self.map.borrow_mut();
        pieces(at, len, |page, range, data| {
            let mapped = self
                .mapped
                .borrow()
                .iter()
                .any(|range| range.contains(&page));
            if !mapped || self.unmapped.borrow().contains(&page) {
                return Err(BusFault);
            }
            let zero = || Box::new([0; PAGE]);
            f(map.entry(page).or_insert_with(zero), range, data);
            Ok(())
        })
    }
}

impl Bus for Guest {
    fn read(&self, iova: u64, out: &mut [u8]) -> Result<(), BusFault> {
        self.reads.set(self.reads.get() + 1);
        self.access(iova, out.len(), |page, from, to| {
            out[to].copy_from_slice(&page[from])
        })
    }

    fn write(&self, iova: u64, data: &[u8]) -> Result<(), BusFault> {
        let last = (iova + (data.len() as u64 - 1)) / PAGE as u64;
        let mut pages = iova / PAGE as u64..=last;
        if pages.any(|page| self.read_only.borrow().contains(&page)) {
            return Err(BusFault);
        }
        self.access(iova, data.len(), |page, to, from| {
            page[to].copy_from_slice(&data[from])
        })?;
        self.writes.borrow_mut().push((iova, data.len()));
        Ok(())
    }
}
