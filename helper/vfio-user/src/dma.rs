// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The client's memory, as far as it lets the device see it.
//!
//! A mapping that comes with a file is read and written through that file with pread(2) and
//! pwrite(2), and one without by messages. Nothing is ever mapped into this process: a client that
//! shortens its file gets an error, and no signal ends the server; and what a device reads is a copy
//! that nobody changes under it. What a device writes beyond the end of such a file makes it longer.
//!
//! What cannot be read or written through its file is left to messages. That is so for the writes to
//! every file of hugetlbfs, which has no write(2): to map them for that long is deliberately not done.
//! A client that gives a file with each mapping, and no socket for commands to it, may not know any:
//! it is sent none, and such an access fails.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    os::{
        fd::OwnedFd,
        unix::fs::FileExt as _, //
    },
};

use nix::errno::Errno;
use vmig_model::memory::{
    Bus,
    BusFault, //
};

use crate::{
    dirty::{
        Log,
        Range, //
    },
    message::{
        uapi::{
            VFIO_DMA_MAP_FLAG_READ,
            VFIO_DMA_MAP_FLAG_WRITE, //
        },
        DmaMap,
        DATA_MAX, //
    },
};

/// Alignment of mappings, in bytes.
pub const PAGE: u64 = 4096;

/// How a file should be used: by mmap(2), or as it is here. libvfio-user knows these flags.
const HINTS: u32 = 1 << 2 | 1 << 3;

/// Most mappings.
pub const MAPS_MAX: usize = 65535;

/// Most mappings whose file is kept; later ones are served by messages, as the protocol allows for
/// any of them. Below the usual limit of 1024 open files with room to spare.
pub const FILES_KEPT: usize = 512;

/// How memory without a file is reached.
pub trait Messages {
    /// Reads `out.len()` bytes, at most [`DATA_MAX`], from `address`.
    ///
    /// # Errors
    ///
    /// [`BusFault`]: the client refuses, or is gone.
    fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), BusFault>;

    /// Writes `data`, at most [`DATA_MAX`] bytes, to `address`.
    ///
    /// # Errors
    ///
    /// [`BusFault`]: the client refuses, or is gone.
    fn write(&mut self, address: u64, data: &[u8]) -> Result<(), BusFault>;

    /// Largest piece that the client takes, in bytes.
    fn largest(&self) -> usize;
}

/// A mapping.
#[derive(Debug)]
struct Map {
    size: u64,
    readable: bool,
    writable: bool,
    /// The file and the offset in it.
    file: Option<(File, u64)>,
}

/// The mappings of a connection, by their first address.
///
/// # Invariants
///
/// They are not empty, do not overlap, and none reaches beyond 2^64. At most [`MAPS_MAX`] of them,
/// at most [`FILES_KEPT`] with a file, whose offsets are within what `off_t` can say.
#[derive(Debug, Default)]
pub struct Maps {
    maps: BTreeMap<u64, Map>,
    files: usize,
    /// Something was mapped without a file, so that the client knows of messages.
    knows_messages: bool,
}

impl Maps {
    /// Adds a mapping.
    ///
    /// # Errors
    ///
    /// `EINVAL`: not aligned, empty, unknown flags; `EEXIST`: something is mapped there; `ENOSPC`:
    /// [`MAPS_MAX`]. A file that is of no use, since it is no regular one, cannot be read or is shorter
    /// than the mapping, is none: to use it is for the server to choose.
    pub fn map(&mut self, map: &DmaMap, file: Option<OwnedFd>) -> Result<(), Errno> {
        let known = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE | HINTS;
        let aligned = map.address % PAGE == 0 && map.size % PAGE == 0;
        if map.flags & !known != 0 || !aligned {
            return Err(Errno::EINVAL);
        }
        let range = Range::new(map.address, map.size)?;
        if self.covered(range).next().is_some() {
            return Err(Errno::EEXIST);
        }
        if self.maps.len() >= MAPS_MAX {
            return Err(Errno::ENOSPC);
        }
        self.knows_messages |= file.is_none();
        let file = file.filter(|_| self.files < FILES_KEPT);
        let file = file.and_then(|file| usable(file, map));
        self.files = self.files.saturating_add(usize::from(file.is_some()));
        let map = Map {
            size: map.size,
            readable: map.flags & VFIO_DMA_MAP_FLAG_READ != 0,
            writable: map.flags & VFIO_DMA_MAP_FLAG_WRITE != 0,
            file,
        };
        // INVARIANT: Everything was checked above.
        self.maps.insert(range.first, map);
        Ok(())
    }

    /// Removes the mapping with exactly this range.
    ///
    /// # Errors
    ///
    /// `ENOENT`: there is none.
    pub fn unmap(&mut self, address: u64, size: u64) -> Result<(), Errno> {
        let found = self.maps.get(&address).filter(|map| map.size == size);
        let with_file = found.ok_or(Errno::ENOENT)?.file.is_some();
        self.files = self.files.saturating_sub(usize::from(with_file));
        self.maps.remove(&address);
        Ok(())
    }

    /// Removes all of them.
    pub fn clear(&mut self) {
        self.maps.clear();
        self.files = 0;
    }

    /// Whether the client has ever mapped something without a file.
    pub fn knows_messages(&self) -> bool {
        self.knows_messages
    }

    /// Number of mappings.
    pub fn len(&self) -> usize {
        self.maps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// The mappings that have something in common with `range`, ascending.
    fn covered(&self, range: Range) -> impl Iterator<Item = (u64, &Map)> {
        let before = self.maps.range(..range.first).next_back();
        let before = before.filter(move |(start, map)| {
            let last = start.saturating_add(map.size.saturating_sub(1));
            last >= range.first
        });
        let rest = self.maps.range(range.first..=range.last);
        before
            .into_iter()
            .chain(rest)
            .map(|(start, map)| (*start, map))
    }

    /// The part of `[address, address + len)` that lies in one mapping and begins at `address`: the
    /// mapping, the offset in it, and the length.
    fn piece(&self, address: u64, len: usize) -> Option<(&Map, u64, usize)> {
        let (start, map) = self.maps.range(..=address).next_back()?;
        let offset = address.checked_sub(*start)?;
        let rest = map.size.checked_sub(offset).filter(|rest| *rest > 0)?;
        let rest = usize::try_from(rest).unwrap_or(usize::MAX);
        Some((map, offset, rest.min(len)))
    }
}

/// A file that comes with a mapping, if it can be used for it.
fn usable(file: OwnedFd, map: &DmaMap) -> Option<(File, u64)> {
    let file = File::from(file);
    let found = file.metadata().ok().filter(|found| found.is_file())?;
    let end = map.offset.checked_add(map.size)?;
    let whole = end <= found.len() && i64::try_from(end).is_ok();
    // Not so one that was opened for writing only, or whose memory is the guest's alone.
    let readable = || file.read_exact_at(&mut [0], map.offset).is_ok();
    (whole && readable()).then_some((file, map.offset))
}

/// The client's memory for the length of one piece of work of the device. An access may go over
/// several mappings; what is written is logged, also if it failed half way.
pub struct Memory<'a> {
    maps: &'a Maps,
    ways: RefCell<Ways<'a>>,
}

/// What an access changes.
struct Ways<'a> {
    log: Option<&'a mut Log>,
    messages: &'a mut dyn Messages,
}

impl Ways<'_> {
    /// The largest pieces of messages; a client that takes no byte at once would be asked for ever.
    fn largest(&self) -> Result<usize, BusFault> {
        let largest = self.messages.largest().min(DATA_MAX);
        (largest > 0).then_some(largest).ok_or(BusFault)
    }

    fn read(&mut self, mut address: u64, out: &mut [u8]) -> Result<(), BusFault> {
        for piece in out.chunks_mut(self.largest()?) {
            self.messages.read(address, piece)?;
            address = next(address, piece.len(), true)?;
        }
        Ok(())
    }

    fn write(&mut self, mut address: u64, data: &[u8]) -> Result<(), BusFault> {
        for piece in data.chunks(self.largest()?) {
            self.messages.write(address, piece)?;
            address = next(address, piece.len(), true)?;
        }
        Ok(())
    }
}

impl<'a> Memory<'a> {
    /// What `maps` say; writes are logged in `log`.
    pub fn new(maps: &'a Maps, log: Option<&'a mut Log>, messages: &'a mut dyn Messages) -> Self {
        Self {
            maps,
            ways: RefCell::new(Ways { log, messages }),
        }
    }

    /// The mapping at `address`, the offset in it, and how many of `len` bytes to move at once.
    fn piece(
        &self,
        address: u64,
        len: usize,
        allowed: fn(&Map) -> bool,
    ) -> Result<(&'a Map, u64, usize), BusFault> {
        let found = self.maps.piece(address, len.min(DATA_MAX));
        let (map, offset, len) = found.ok_or(BusFault)?;
        (allowed(map) && len > 0)
            .then_some((map, offset, len))
            .ok_or(BusFault)
    }
}

impl Bus for Memory<'_> {
    fn read(&self, mut address: u64, mut out: &mut [u8]) -> Result<(), BusFault> {
        let mut ways = self.ways.try_borrow_mut().map_err(|_| BusFault)?;
        while !out.is_empty() {
            let (map, offset, len) = self.piece(address, out.len(), |map| map.readable)?;
            let (now, rest) = out.split_at_mut_checked(len).ok_or(BusFault)?;
            let read = map.file.as_ref().is_some_and(|(file, base)| {
                let from = base.saturating_add(offset);
                file.read_exact_at(now, from).is_ok()
            });
            if !read {
                ways.read(address, now)?;
            }
            out = rest;
            address = next(address, len, out.is_empty())?;
        }
        Ok(())
    }

    fn write(&self, mut address: u64, mut data: &[u8]) -> Result<(), BusFault> {
        let mut ways = self.ways.try_borrow_mut().map_err(|_| BusFault)?;
        while !data.is_empty() {
            let (map, offset, len) = self.piece(address, data.len(), |map| map.writable)?;
            let (now, rest) = data.split_at_checked(len).ok_or(BusFault)?;
            let written = map.file.as_ref().is_some_and(|(file, base)| {
                let to = base.saturating_add(offset);
                file.write_all_at(now, to).is_ok()
            });
            let done = match written {
                true => Ok(()),
                false => ways.write(address, now),
            };
            let written = u64::try_from(len).map(|len| Range::new(address, len));
            if let (Some(log), Ok(Ok(written))) = (&mut ways.log, written) {
                log.mark(written);
            }
            done?;
            data = rest;
            address = next(address, len, data.is_empty())?;
        }
        Ok(())
    }
}

/// The address after a piece; the last one may end where addresses do.
fn next(address: u64, len: usize, last: bool) -> Result<u64, BusFault> {
    let next = u64::try_from(len)
        .ok()
        .and_then(|len| address.checked_add(len));
    match next {
        Some(next) => Ok(next),
        None if last => Ok(address),
        None => Err(BusFault),
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::memfd::{
        memfd_create,
        MFdFlags, //
    };

    use super::*;

    /// Memory behind messages: one page at 0x8000, and a list of what was asked for.
    struct Far {
        page: Vec<u8>,
        asked: Vec<(char, u64, usize)>,
        refuse: bool,
    }

    impl Far {
        fn new() -> Self {
            Self {
                page: vec![0; 0x2000],
                asked: Vec::new(),
                refuse: false,
            }
        }
    }

    impl Messages for Far {
        fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), BusFault> {
            self.asked.push(('r', address, out.len()));
            let at = address.checked_sub(0x8000).ok_or(BusFault)? as usize;
            out.copy_from_slice(self.page.get(at..at + out.len()).ok_or(BusFault)?);
            (!self.refuse).then_some(()).ok_or(BusFault)
        }

        fn write(&mut self, address: u64, data: &[u8]) -> Result<(), BusFault> {
            self.asked.push(('w', address, data.len()));
            let at = address.checked_sub(0x8000).ok_or(BusFault)? as usize;
            let to = self.page.get_mut(at..at + data.len()).ok_or(BusFault)?;
            to.copy_from_slice(data);
            (!self.refuse).then_some(()).ok_or(BusFault)
        }

        fn largest(&self) -> usize {
            1024
        }
    }

    fn map(address: u64, size: u64, flags: u32) -> DmaMap {
        DmaMap {
            argsz: 32,
            flags,
            offset: 0,
            address,
            size,
        }
    }

    fn memory(len: u64) -> File {
        let file = File::from(memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_len(len).unwrap();
        file
    }

    #[test]
    fn mappings_are_judged() {
        let mut maps = Maps::default();
        maps.map(&map(0x2000, 0x2000, 3), None).unwrap();
        for (bad, errno) in [
            (map(0x1000, 0, 3), Errno::EINVAL),
            (map(0x800, 0x1000, 3), Errno::EINVAL),
            (map(0x1000, 0x800, 3), Errno::EINVAL),
            (map(0x8000, 0x1000, 16), Errno::EINVAL),
            (map(0x8000, 0x1000, 1 << 31), Errno::EINVAL),
            (map(0u64.wrapping_sub(0x1000), 0x2000, 3), Errno::EINVAL),
            (map(0x2000, 0x1000, 3), Errno::EEXIST),
            (map(0x3000, 0x1000, 3), Errno::EEXIST),
            (map(0x1000, 0x2000, 3), Errno::EEXIST),
            (map(0, 0x10000, 3), Errno::EEXIST),
        ] {
            assert_eq!(maps.map(&bad, None), Err(errno), "{bad:?}");
        }
        maps.map(&map(0x1000, 0x1000, 1), None).unwrap();
        maps.map(&map(0x4000, 0x1000, 2), None).unwrap();
        maps.map(&map(0x5000, 0x1000, 0), None).unwrap();
        maps.map(&map(0x6000, 0x1000, 15), None).unwrap();
        maps.map(&map(0u64.wrapping_sub(0x1000), 0x1000, 3), None)
            .unwrap();
        assert_eq!(maps.len(), 6);
        for (address, size) in [(0x2000, 0x1000), (0x3000, 0x1000), (0, 0x1000)] {
            assert_eq!(maps.unmap(address, size), Err(Errno::ENOENT));
        }
        maps.unmap(0x2000, 0x2000).unwrap();
        assert_eq!(maps.unmap(0x2000, 0x2000), Err(Errno::ENOENT));
        maps.clear();
        assert!(maps.is_empty());
    }

    #[test]
    fn files_that_are_of_no_use_are_not_kept() {
        let mut maps = Maps::default();
        let file = memory(0x2000);
        let mut kept = |offset, size, file: OwnedFd| {
            let row = DmaMap {
                offset,
                ..map(0x8000, size, 3)
            };
            maps.map(&row, Some(file)).unwrap();
            assert!(!maps.knows_messages());
            let kept = maps.files;
            maps.unmap(0x8000, size).unwrap();
            assert_eq!(maps.files, 0);
            kept == 1
        };
        let clone = || file.try_clone().unwrap().into();
        assert!(!kept(0x1000, 0x2000, clone()));
        assert!(!kept(u64::MAX, 0x1000, clone()));
        let (pipe, _) = nix::unistd::pipe().unwrap();
        assert!(!kept(0, 0x1000, pipe));
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let deaf = File::options().write(true).open(name).unwrap();
        assert!(!kept(0, 0x1000, deaf.into()));
        assert!(kept(0x1000, 0x1000, clone()));
        maps.map(&map(0x8000, 0x1000, 3), None).unwrap();
        maps.clear();
        assert!(maps.knows_messages(), "not forgotten");
    }

    #[test]
    fn messages_are_left_where_files_fail() {
        let file = memory(0x1000);
        let mut maps = Maps::default();
        let handed = file.try_clone().unwrap().into();
        maps.map(&map(0x8000, 0x1000, 3), Some(handed)).unwrap();
        file.set_len(0).unwrap();
        let mut far = Far::new();
        let memory = Memory::new(&maps, None, &mut far);
        assert_eq!(memory.read(0x8800, &mut [0; 1500]), Ok(()));
        assert_eq!(far.asked, [('r', 0x8800, 1024), ('r', 0x8c00, 476)]);
    }

    #[test]
    fn an_access_goes_over_mappings_of_both_kinds() {
        let file = memory(0x3000);
        let mut maps = Maps::default();
        let first = DmaMap {
            offset: 0x1000,
            ..map(0x6000, 0x2000, 3)
        };
        maps.map(&first, Some(file.try_clone().unwrap().into()))
            .unwrap();
        maps.map(&map(0x8000, 0x2000, 3), None).unwrap();
        let mut log = Log::new(vec![Range::ALL]).unwrap();
        let mut far = Far::new();
        let data: Vec<u8> = (0..3000_u32).map(|n| (n % 251) as u8).collect();
        let memory = Memory::new(&maps, Some(&mut log), &mut far);
        memory.write(0x7f00, &data).unwrap();
        let mut back = vec![0; data.len()];
        memory.read(0x7f00, &mut back).unwrap();
        assert!(back == data);
        let mut part = [0; 0x100];
        file.read_exact_at(&mut part, 0x2f00).unwrap();
        assert_eq!(part, data[..0x100]);
        assert_eq!(far.asked[0], ('w', 0x8000, 1024), "no more than it takes");
        let all = Range::new(0, 0x10000).unwrap();
        let bitmap = log.report(all, PAGE, 8).unwrap();
        assert_eq!(bitmap[..2], [0x80, 0x01], "two pages were written");
    }

    #[test]
    fn what_is_not_allowed_is_denied() {
        let mut maps = Maps::default();
        maps.map(&map(0x6000, 0x1000, 1), Some(memory(0x1000).into()))
            .unwrap();
        maps.map(&map(0x7000, 0x1000, 2), Some(memory(0x1000).into()))
            .unwrap();
        maps.map(&map(0x8000, 0x1000, 3), None).unwrap();
        let mut far = Far::new();
        far.refuse = true;
        let memory = Memory::new(&maps, None, &mut far);
        let mut out = [0; 8];
        assert_eq!(memory.read(0x6ffc, &mut out), Err(BusFault), "second part");
        assert_eq!(memory.write(0x6000, &out), Err(BusFault));
        assert_eq!(memory.read(0x7000, &mut out), Err(BusFault));
        assert_eq!(memory.write(0x7000, &out), Ok(()));
        assert_eq!(memory.read(0x8000, &mut out), Err(BusFault));
        assert_eq!(memory.write(0x8000, &out), Err(BusFault));
        assert_eq!(memory.read(0x5fff, &mut out), Err(BusFault));
        assert_eq!(memory.read(0x9000, &mut out), Err(BusFault));
        assert_eq!(memory.read(u64::MAX, &mut out), Err(BusFault));
        assert_eq!(memory.read(0x9000, &mut []), Ok(()));
    }

    #[test]
    fn a_file_that_was_shortened_is_an_error_and_no_signal() {
        let file = memory(0x2000);
        let mut maps = Maps::default();
        let handed = file.try_clone().unwrap().into();
        maps.map(&map(0x6000, 0x2000, 1), Some(handed)).unwrap();
        file.set_len(0x1000).unwrap();
        let mut far = Far::new();
        let memory = Memory::new(&maps, None, &mut far);
        assert_eq!(memory.read(0x6ff8, &mut [0; 8]), Ok(()));
        assert_eq!(memory.read(0x7000, &mut [0; 8]), Err(BusFault));
    }

    #[test]
    fn files_are_not_kept_without_end() {
        let file = memory(0x1000);
        let mut maps = Maps::default();
        for n in 0..=FILES_KEPT as u64 {
            let handed = file.try_clone().unwrap().into();
            maps.map(&map(n * PAGE, PAGE, 1), Some(handed)).unwrap();
        }
        assert_eq!(maps.files, FILES_KEPT);
        assert!(maps.maps[&(FILES_KEPT as u64 * PAGE)].file.is_none());
        maps.unmap(0, PAGE).unwrap();
        assert_eq!(maps.files, FILES_KEPT - 1);
    }
}
