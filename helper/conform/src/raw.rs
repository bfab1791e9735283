// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! System calls with arguments that no correct program passes: the only file with `unsafe`.
//!
//! What the kernel is given here is never memory that this program uses: addresses are such that
//! nothing is mapped there, or belong to a mapping that was made for the call.

use std::{
    io::{
        IoSlice,
        IoSliceMut, //
    },
    num::NonZeroUsize,
    os::fd::{
        AsFd,
        AsRawFd,
        FromRawFd,
        OwnedFd,
        RawFd, //
    },
    ptr::NonNull,
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        mman::{
            mmap_anonymous,
            mprotect,
            munmap,
            MapFlags,
            ProtFlags, //
        },
        socket::{
            recvmsg,
            sendmsg,
            socketpair,
            AddressFamily,
            ControlMessage,
            ControlMessageOwned,
            MsgFlags,
            SockFlag,
            SockType, //
        },
    },
};

/// `_IO(VFIO_TYPE, VFIO_BASE + number)`.
pub(crate) const fn vfio(number: u8) -> libc::Ioctl {
    nix::request_code_none!(b';', 100 + number) as libc::Ioctl
}

pub(crate) const VFIO_DEVICE_GET_INFO: libc::Ioctl = vfio(7);
pub(crate) const VFIO_DEVICE_RESET: libc::Ioctl = vfio(11);
pub(crate) const VFIO_DEVICE_FEATURE: libc::Ioctl = vfio(17);
pub(crate) const VFIO_DEVICE_BIND_IOMMUFD: libc::Ioctl = vfio(18);
pub(crate) const VFIO_MIG_GET_PRECOPY_INFO: libc::Ioctl = vfio(21);

/// Two pages: a page with data that may be read-only, and one that cannot be touched at all.
///
/// # Invariants
///
/// `base` is a private mapping of two pages of `page` bytes that lives as long as this value and
/// that nothing else refers to.
pub(crate) struct Trap {
    base: NonNull<libc::c_void>,
    page: usize,
}

/// Where a system call gets its argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    /// Ends where the good page ends: all of it can be read and, unless protected, written.
    Good,
    /// Its first so many bytes are on the good page, the rest is not there.
    Cut(usize),
    /// Nothing of it is there.
    Gone,
}

impl Trap {
    pub(crate) fn new() -> Result<Self, Errno> {
        // A constant of the system, at least 4096.
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?
            .and_then(|size| usize::try_from(size).ok())
            .ok_or(Errno::EINVAL)?;
        let size = NonZeroUsize::new(2 * page).ok_or(Errno::EINVAL)?;
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: The kernel chooses the address, so no memory of ours is replaced.
        let base = unsafe { mmap_anonymous(None, size, prot, MapFlags::MAP_PRIVATE) }?;
        // INVARIANT: As mmap(2) has just said.
        let trap = Self { base, page };
        // SAFETY: The second page is ours, and nobody refers to it.
        let second = unsafe { base.byte_add(page) };
        // SAFETY: As above.
        unsafe { mprotect(second, page, ProtFlags::PROT_NONE) }?;
        Ok(trap)
    }

    /// Size of a page, in bytes.
    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// Makes the good page read-only, or writable again.
    pub(crate) fn protect(&self, read_only: bool) -> Result<(), Errno> {
        let mut prot = ProtFlags::PROT_READ;
        prot.set(ProtFlags::PROT_WRITE, !read_only);
        // SAFETY: The page is ours, and nobody holds a reference into it.
        unsafe { mprotect(self.base, self.page, prot) }
    }

    /// The address for an argument of `len` bytes, at most a page.
    fn address(&self, len: usize, place: Place) -> usize {
        let base = self.base.addr().get();
        match place {
            Place::Good => base + self.page - len.min(self.page),
            Place::Cut(there) => base + self.page - there.min(len).min(self.page),
            Place::Gone => base + self.page,
        }
    }

    /// Puts what is there of `argument` in place. The page must not be protected.
    fn fill(&self, argument: &[u8], place: Place) -> usize {
        let at = self.address(argument.len(), place);
        let there = (self.base.addr().get() + self.page).saturating_sub(at);
        for (i, byte) in argument.iter().take(there).enumerate() {
            let offset = at - self.base.addr().get() + i;
            // SAFETY: `offset` is on the first page, which is mapped and writable.
            unsafe { self.base.cast::<u8>().add(offset).write_volatile(*byte) };
        }
        at
    }

    /// ioctl(2) with `argument` in `place`. The good page is made read-only for the call if
    /// `read_only`.
    ///
    /// `argument` holds no address of memory that this program uses.
    pub(crate) fn ioctl(
        &self,
        fd: &impl AsFd,
        request: libc::Ioctl,
        argument: &[u8],
        place: Place,
        read_only: bool,
    ) -> Result<i32, Errno> {
        let at = self.fill(argument, place);
        self.protect(read_only)?;
        // SAFETY: The kernel can reach nothing at or after `at` but the rest of our own good page,
        // which nobody refers to; the page after it cannot be touched.
        let ret = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), request, at) };
        let ret = Errno::result(ret);
        self.protect(false)?;
        ret
    }

    /// read(2) of `len` bytes into `place`.
    pub(crate) fn read(&self, fd: &impl AsFd, len: usize, place: Place) -> Result<usize, Errno> {
        let at = self.address(len, place) as *mut libc::c_void;
        // SAFETY: As in `ioctl`.
        let ret = unsafe { libc::read(fd.as_fd().as_raw_fd(), at, len) };
        Errno::result(ret).map(|n| n as usize)
    }

    /// write(2) of `len` bytes from `place`.
    pub(crate) fn write(&self, fd: &impl AsFd, len: usize, place: Place) -> Result<usize, Errno> {
        let at = self.address(len, place) as *const libc::c_void;
        // SAFETY: The kernel only reads; what it can reach is our own good page.
        let ret = unsafe { libc::write(fd.as_fd().as_raw_fd(), at, len) };
        Errno::result(ret).map(|n| n as usize)
    }

    /// The `len` bytes of a [`Place::Good`] argument after a call.
    pub(crate) fn bytes(&self, len: usize) -> Vec<u8> {
        let len = len.min(self.page);
        let offset = self.page - len;
        (0..len)
            // SAFETY: On the first page, which can be read.
            .map(|i| unsafe { self.base.cast::<u8>().add(offset + i).read_volatile() })
            .collect()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        // SAFETY: By the invariant this is our mapping, and nobody holds a reference into it.
        let _ = unsafe { munmap(self.base, 2 * self.page) };
    }
}

/// A second descriptor of the same open file, sent through a Unix socket.
pub(crate) fn through_socket(fd: &impl AsFd) -> Result<OwnedFd, Errno> {
    let (here, there) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?;
    let payload = [IoSlice::new(&[0])];
    let fds = [fd.as_fd().as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(here.as_raw_fd(), &payload, &rights, MsgFlags::empty(), None)?;
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut byte = [0];
    let mut buffer = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(there.as_raw_fd(), &mut buffer, Some(&mut space), flags)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            if let [fd] = received.as_slice() {
                // SAFETY: The kernel has just installed this descriptor for us.
                return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
            }
        }
    }
    Err(Errno::EBADMSG)
}

#[cfg(test)]
mod tests {
    use nix::unistd::{
        pipe,
        write, //
    };

    use super::*;

    #[test]
    fn the_kernel_stops_where_the_page_does() {
        let trap = Trap::new().unwrap();
        let (reader, writer) = pipe().unwrap();
        write(&writer, &[7; 32]).unwrap();
        assert_eq!(trap.read(&reader, 16, Place::Gone), Err(Errno::EFAULT));
        assert_eq!(trap.read(&reader, 16, Place::Good), Ok(16));
        assert_eq!(trap.bytes(16), [7; 16]);
        trap.protect(true).unwrap();
        assert_eq!(trap.read(&reader, 16, Place::Good), Err(Errno::EFAULT));
        assert_eq!(trap.write(&writer, 4, Place::Gone), Err(Errno::EFAULT));
    }

    #[test]
    fn a_descriptor_sent_through_a_socket_is_the_same_file() {
        let (reader, writer) = pipe().unwrap();
        let copy = through_socket(&writer).unwrap();
        write(&copy, b"x").unwrap();
        let mut seen = [0];
        nix::unistd::read(&reader, &mut seen).unwrap();
        assert_eq!(&seen, b"x");
    }

    #[test]
    fn requests_have_the_numbers_of_the_header() {
        assert_eq!(VFIO_DEVICE_FEATURE, 0x3b75);
        assert_eq!(VFIO_DEVICE_BIND_IOMMUFD, 0x3b76);
        assert_eq!(VFIO_MIG_GET_PRECOPY_INFO, 0x3b79);
    }

    #[test]
    fn an_unknown_request_is_refused_whatever_the_argument() {
        let (reader, _writer) = pipe().unwrap();
        let trap = Trap::new().unwrap();
        let refused = trap.ioctl(&reader, vfio(0), &[0; 8], Place::Cut(4), true);
        assert_eq!(refused, Err(Errno::ENOTTY));
    }
}
