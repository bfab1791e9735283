// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! File descriptors that come from somebody else: the only file with `unsafe`.
//!
//! recvmsg(2) hands out plain numbers, and so does a command line.
#![expect(unsafe_code, reason = "numbers become file descriptors here")]

use std::{
    fs, io, mem,
    os::fd::{
        AsRawFd,
        BorrowedFd,
        FromRawFd,
        OwnedFd,
        RawFd, //
    },
};

use nix::{
    errno::Errno,
    libc, //
};

/// Room for the control data of one recvmsg(2), in words, as what is in it is aligned to them. A
/// socket that was handed over may be set up to deliver credentials and time stamps as well.
const CONTROL_WORDS: usize = 256;

/// `SCM_PIDFD` of `linux/socket.h`, which the C library's header does not name yet.
const SCM_PIDFD: libc::c_int = 4;

/// Room for the control data of one recvmsg(2).
pub(crate) fn control_space() -> Vec<u64> {
    vec![0; CONTROL_WORDS]
}

/// Reads into `bytes`, without waiting. Files that come with them are put into `files`; those that
/// make it more than `most` are closed, and counted in the second result, as is what the kernel had
/// to leave out because there are too many open files.
///
/// # Errors
///
/// `EAGAIN`: there is nothing now.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    control: &mut [u64],
    files: &mut Vec<OwnedFd>,
    most: usize,
) -> Result<(usize, usize), Errno> {
    let mut piece = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: It consists of numbers and pointers, for which zero stands for nothing.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut piece;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(control);
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: Both buffers are borrowed for longer than the call, and as long as the header says.
    let read = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let read = usize::try_from(Errno::result(read)?).map_err(|_| Errno::EIO)?;
    // What is there is there also if not all of it is: nix, which then hands out nothing, would leave
    // files open that nobody knows of.
    let mut excess = usize::from(header.msg_flags & libc::MSG_CTRUNC != 0);
    // SAFETY: The header describes what the kernel has just written, in a buffer of words.
    let mut item = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    // SAFETY: It is null, or points to a whole header in that buffer.
    while let Some(found) = unsafe { item.as_ref() } {
        // SAFETY: No more than arithmetic.
        let head = usize::try_from(unsafe { libc::CMSG_LEN(0) }).map_err(|_| Errno::EIO)?;
        let rights = found.cmsg_type == libc::SCM_RIGHTS;
        let has_files = rights || found.cmsg_type == SCM_PIDFD;
        let holds = found.cmsg_level == libc::SOL_SOCKET && has_files;
        let bytes = found.cmsg_len.saturating_sub(head);
        let count = bytes.checked_div(size_of::<RawFd>()).filter(|_| holds);
        // SAFETY: As above.
        let data = unsafe { libc::CMSG_DATA(item) }.cast::<RawFd>();
        for n in 0..count.unwrap_or_default() {
            // SAFETY: The kernel says that the item has that many numbers, of any alignment.
            let number = unsafe { data.add(n).read_unaligned() };
            if number < 0 {
                continue;
            }
            // SAFETY: The kernel has just installed this file descriptor for us.
            let file = unsafe { OwnedFd::from_raw_fd(number) };
            if rights && files.len() < most {
                files.push(file);
            } else {
                excess = excess.saturating_add(usize::from(rights));
            }
        }
        // SAFETY: Both are those of this message.
        item = unsafe { libc::CMSG_NXTHDR(&raw const header, item) };
    }
    Ok((read, excess))
}

/// Takes over the socket that this process was started with as file descriptor `number`. To be
/// called once per number, before anything else is opened.
///
/// # Errors
///
/// `EBADF`: it is not open, no socket, or one of the standard streams.
pub fn inherited(number: u32) -> io::Result<OwnedFd> {
    let bad = || io::Error::from(Errno::EBADF);
    let number = RawFd::try_from(number).map_err(|_| bad())?;
    let target = fs::read_link(format!("/proc/self/fd/{number}")).map_err(|_| bad())?;
    if number <= 2
        || !target
            .as_os_str()
            .as_encoded_bytes()
            .starts_with(b"socket:")
    {
        return Err(bad());
    }
    // SAFETY: It is open, as /proc has just said, and nobody in this process has opened it: whoever
    // started the process did, and hands it over by naming it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
