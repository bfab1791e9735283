// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Mapped memory: parts of a region, and anonymous memory for DMA.
//!
//! A device may change such memory at any time, so there are no `&[u8]` to it: it is copied in and
//! out, volatile, by aligned words of 8 bytes where the range has them and by bytes elsewhere.
//! Accesses through a mapping may raise SIGBUS when the device refuses the page; that ends the
//! process, as it ends a VMM.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::libc::{self, off_t};
use nix::sys::mman::{mmap, mmap_anonymous, munmap, MapFlags, ProtFlags};
use nix::unistd::pipe;

/// Bytes that are copied through a pipe at once: less than any pipe holds.
const PIECE: usize = 4096;

/// Bytes that are copied at once where that is possible.
const WORD: usize = size_of::<u64>();

/// Memory that something outside of this program reads and writes as well.
///
/// # Invariants
///
/// `base` is a mapping of `len` bytes that lives as long as this value; it may be read and
/// written as `prot` says.
#[derive(Debug)]
pub struct Memory {
    base: NonNull<u8>,
    len: NonZeroUsize,
    prot: ProtFlags,
}

// SAFETY: The mapping belongs to the process, not to a thread, and this value owns it.
unsafe impl Send for Memory {}
// SAFETY: All accesses are volatile copies of single bytes and words; the type promises nothing
// about what concurrent ones see, which is how device memory is.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps `len` bytes of `fd` from file offset `offset`, shared.
    pub(crate) fn of_file(
        fd: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        prot: ProtFlags,
    ) -> Result<Self, Errno> {
        let len = NonZeroUsize::new(len).ok_or(Errno::EINVAL)?;
        let offset = file_offset(offset)?;
        // SAFETY: The kernel chooses the address, so no memory of ours is replaced.
        let base = unsafe { mmap(None, len, prot, MapFlags::MAP_SHARED, fd, offset) }?;
        // INVARIANT: As mmap(2) has just said.
        Ok(Self {
            base: base.cast(),
            len,
            prot,
        })
    }

    /// Maps `len` bytes of `file` from `offset` on, shared, for reading and writing. For files that stand
    /// for memory, such as `resource0` of a PCI device in sysfs.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a length of 0 or an offset inside a page, else what mmap(2) says.
    pub fn shared(file: impl AsFd, offset: u64, len: usize) -> crate::Result<Self> {
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let mapped = Self::of_file(file.as_fd(), offset, len, prot);
        mapped.map_err(|errno| crate::Error::Memory { len, errno })
    }

    /// Zeroed anonymous memory of at least `len` bytes, in whole pages; shared, so that a child
    /// process sees it too.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a length of 0, else what mmap(2) says.
    pub fn anonymous(len: usize) -> crate::Result<Self> {
        let failed = |errno| crate::Error::Memory { len, errno };
        let size = NonZeroUsize::new(len).ok_or(failed(Errno::EINVAL))?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED;
        // SAFETY: The kernel chooses the address, so no memory of ours is replaced.
        let base = unsafe { mmap_anonymous(None, size, prot, flags) }.map_err(failed)?;
        // INVARIANT: As mmap(2) has just said.
        Ok(Self {
            base: base.cast(),
            len: size,
            prot,
        })
    }

    /// Length in bytes, never 0.
    pub fn size(&self) -> usize {
        self.len.get()
    }

    /// Address of the first byte in this process.
    pub fn address(&self) -> u64 {
        self.base.addr().get() as u64
    }

    /// Copies out, from `offset` on.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the range lies outside, or the memory may not be read.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), Errno> {
        let from = self.at(offset, out.len(), ProtFlags::PROT_READ)?;
        let words = words(from, out.len());
        for i in words.clone().step_by(WORD) {
            // SAFETY: `at` has checked the range; by the type's invariant it is mapped. The word lies
            // inside and is aligned, as `words` says.
            let word = unsafe { from.add(i).cast::<u64>().read_volatile() };
            out[i..i + WORD].copy_from_slice(&word.to_ne_bytes());
        }
        for i in (0..words.start).chain(words.end..out.len()) {
            // SAFETY: As above.
            out[i] = unsafe { from.add(i).read_volatile() };
        }
        Ok(())
    }

    /// [`Self::read`] by the kernel: a page that the device refuses is an error, and does not end the
    /// process.
    ///
    /// # Errors
    ///
    /// As [`Self::read`], and `EFAULT` for a page that the device refuses; what pipe(2) says.
    pub fn read_if_there(&self, offset: usize, out: &mut [u8]) -> Result<(), Errno> {
        let (reader, writer) = pipe()?;
        let mut reader = File::from(reader);
        let mut at = offset;
        for piece in out.chunks_mut(PIECE) {
            // Nothing is in the pipe, so that there is room.
            let copied = self.drain(at, piece.len(), writer.as_fd(), None)?;
            if copied < piece.len() {
                return Err(Errno::EFAULT);
            }
            reader.read_exact(piece).map_err(|_| Errno::EIO)?;
            at += copied;
        }
        Ok(())
    }

    /// Copies in, from `offset` on.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the range lies outside, or the memory may not be written.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result<(), Errno> {
        let to = self.at(offset, data.len(), ProtFlags::PROT_WRITE)?;
        let words = words(to, data.len());
        for (i, word) in words
            .clone()
            .step_by(WORD)
            .zip(data[words.start..].chunks_exact(WORD))
        {
            let word = word.first_chunk().copied().map_or(0, u64::from_ne_bytes);
            // SAFETY: `at` has checked the range; by the type's invariant it is mapped. The word lies
            // inside and is aligned, as `words` says.
            unsafe { to.add(i).cast::<u64>().write_volatile(word) };
        }
        for i in (0..words.start).chain(words.end..data.len()) {
            // SAFETY: As above.
            unsafe { to.add(i).write_volatile(data[i]) };
        }
        Ok(())
    }

    /// Reads a dword in one access, as a register is read. It is little-endian.
    ///
    /// # Errors
    ///
    /// `EFAULT`: it lies outside or is not aligned, or the memory may not be read.
    pub fn read_u32(&self, offset: usize) -> Result<u32, Errno> {
        let from = self.dword(offset, ProtFlags::PROT_READ)?;
        // SAFETY: `dword` has checked that it is aligned and, by the type's invariant, mapped.
        Ok(u32::from_le(unsafe { from.read_volatile() }))
    }

    /// Writes a dword in one access, likewise.
    ///
    /// # Errors
    ///
    /// `EFAULT`: it lies outside or is not aligned, or the memory may not be written.
    pub fn write_u32(&self, offset: usize, value: u32) -> Result<(), Errno> {
        let to = self.dword(offset, ProtFlags::PROT_WRITE)?;
        // SAFETY: As above.
        unsafe { to.write_volatile(value.to_le()) };
        Ok(())
    }

    fn dword(&self, offset: usize, need: ProtFlags) -> Result<NonNull<u32>, Errno> {
        let at = self.at(offset, size_of::<u32>(), need)?.cast::<u32>();
        at.is_aligned().then_some(at).ok_or(Errno::EFAULT)
    }

    /// Has the kernel read `len` bytes of `file` straight into the range: pread(2), or read(2) without
    /// a position.
    pub(crate) fn fill(
        &self,
        offset: usize,
        len: usize,
        file: BorrowedFd<'_>,
        position: Option<u64>,
    ) -> Result<usize, Errno> {
        let to = self.at(offset, len, ProtFlags::PROT_WRITE)?.as_ptr();
        let (fd, to) = (file.as_raw_fd(), to.cast());
        // SAFETY: `at` has checked the range, which the kernel may write to as anybody may.
        let done = unsafe {
            match position {
                Some(at) => libc::pread(fd, to, len, file_offset(at)?),
                None => libc::read(fd, to, len),
            }
        };
        Ok(Errno::result(done)?.unsigned_abs())
    }

    /// Has the kernel write the range straight to `file`: pwrite(2), or write(2) without a position.
    pub(crate) fn drain(
        &self,
        offset: usize,
        len: usize,
        file: BorrowedFd<'_>,
        position: Option<u64>,
    ) -> Result<usize, Errno> {
        let from = self.at(offset, len, ProtFlags::PROT_READ)?.as_ptr();
        let (fd, from) = (file.as_raw_fd(), from.cast_const().cast());
        // SAFETY: `at` has checked the range, which is mapped.
        let done = unsafe {
            match position {
                Some(at) => libc::pwrite(fd, from, len, file_offset(at)?),
                None => libc::write(fd, from, len),
            }
        };
        Ok(Errno::result(done)?.unsigned_abs())
    }

    fn at(&self, offset: usize, len: usize, need: ProtFlags) -> Result<NonNull<u8>, Errno> {
        let end = offset.checked_add(len).ok_or(Errno::EFAULT)?;
        if end > self.len.get() || !self.prot.contains(need) {
            return Err(Errno::EFAULT);
        }
        // SAFETY: Inside of the mapping, or one past its end.
        Ok(unsafe { self.base.add(offset) })
    }
}

/// The part of `len` bytes from `at` on that consists of aligned words.
fn words(at: NonNull<u8>, len: usize) -> Range<usize> {
    let start = at.align_offset(WORD).min(len);
    start..len - (len - start) % WORD
}

fn file_offset(position: u64) -> Result<off_t, Errno> {
    off_t::try_from(position).map_err(|_| Errno::EOVERFLOW)
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is our mapping, and nobody holds a reference into it. A
        // failure would leave it mapped, which is harmless.
        let _ = unsafe { munmap(self.base.cast(), self.len.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_bounds_hold() {
        let memory = Memory::anonymous(4096).unwrap();
        memory.write(4090, b"123456").unwrap();
        let mut back = [0; 6];
        memory.read(4090, &mut back).unwrap();
        assert_eq!(&back, b"123456");
        memory.read(4096, &mut []).unwrap();
        assert_eq!(memory.read(4091, &mut back), Err(Errno::EFAULT));
        assert_eq!(memory.write(4097, &[]), Err(Errno::EFAULT));
        assert_eq!(memory.write(usize::MAX, &[1]), Err(Errno::EFAULT));
    }

    #[test]
    fn every_range_is_copied_whole() {
        let memory = Memory::anonymous(64).unwrap();
        let data: Vec<u8> = (1..=40).collect();
        for (offset, len) in (0..9).flat_map(|offset| (0..=40).map(move |len| (offset, len))) {
            memory.write(0, &[0xff; 64]).unwrap();
            memory.write(offset, &data[..len]).unwrap();
            let mut all = [0; 64];
            memory.read(0, &mut all).unwrap();
            let (before, rest) = all.split_at(offset);
            assert!(before.iter().all(|byte| *byte == 0xff), "{offset} {len}");
            assert_eq!(rest[..len], data[..len], "{offset}");
            assert!(
                rest[len..].iter().all(|byte| *byte == 0xff),
                "{offset} {len}"
            );
            let mut back = vec![0; len];
            memory.read(offset, &mut back).unwrap();
            assert_eq!(back, data[..len], "{offset}");
        }
    }

    #[test]
    fn a_page_that_is_refused_is_an_error() {
        let path = std::env::temp_dir().join(format!("vmig-memory-{}", std::process::id()));
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true);
        let file = file.open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file.set_len(4096).unwrap();
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let memory = Memory::of_file(file.as_fd(), 0, 2 * 4096, prot).unwrap();
        memory.write(4093, b"end").unwrap();
        let mut seen = vec![0; 4096 - 10];
        memory.read_if_there(10, &mut seen).unwrap();
        assert!(seen.ends_with(b"\0end"));
        // The file ends here, and access would be SIGBUS.
        for offset in [4000, 4096] {
            let refused = memory.read_if_there(offset, &mut [0; 200]);
            assert_eq!(refused, Err(Errno::EFAULT), "{offset}");
        }
        let outside = memory.read_if_there(8190, &mut [0; 8]);
        assert_eq!(outside, Err(Errno::EFAULT));
    }

    #[test]
    fn dwords_are_aligned_and_inside() {
        let memory = Memory::anonymous(4096).unwrap();
        memory.write_u32(4092, 0x0403_0201).unwrap();
        let mut back = [0; 4];
        memory.read(4092, &mut back).unwrap();
        assert_eq!(back, [1, 2, 3, 4]);
        assert_eq!(memory.read_u32(4092), Ok(0x0403_0201));
        for offset in [1, 2, 4093, 4096, usize::MAX] {
            assert_eq!(memory.read_u32(offset), Err(Errno::EFAULT), "{offset}");
            assert_eq!(memory.write_u32(offset, 0), Err(Errno::EFAULT), "{offset}");
        }
    }

    #[test]
    fn nothing_is_no_memory() {
        assert!(Memory::anonymous(0).is_err());
    }
}
