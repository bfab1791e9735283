// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! File descriptors that come from somebody else: the only file with `unsafe`.
//!
//! nix hands out what it receives as plain numbers, and so does a command line.
#![expect(unsafe_code, reason = "numbers become file descriptors here")]

use std::{
    fs,
    io::{
        self,
        IoSliceMut, //
    },
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
    sys::socket::{
        recvmsg,
        ControlMessageOwned,
        MsgFlags, //
    },
};

/// Files of one sendmsg(2) at most, `SCM_MAX_FD`.
const SCM_MAX_FD: usize = 253;

/// Room for the control data of one recvmsg(2).
pub(crate) fn control_space() -> Vec<u8> {
    // A socket that was handed over may be set up to deliver credentials and time stamps as well.
    nix::cmsg_space!([RawFd; SCM_MAX_FD], [u64; 32])
}

/// Receives into `bytes`, without waiting. Files that come along are put into `files`; those that
/// make it more than `most` are closed, and counted in the second result.
///
/// # Errors
///
/// `EAGAIN`: there is nothing now. `ENOBUFS`: the kernel had no room for control data, most likely
/// because there are too many open files; what it left out is lost.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    control: &mut [u8],
    files: &mut Vec<OwnedFd>,
    most: usize,
) -> Result<(usize, usize), Errno> {
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let mut buffers = [IoSliceMut::new(bytes)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(control), flags)?;
    let mut excess: usize = 0;
    for item in message.cmsgs()? {
        let ControlMessageOwned::ScmRights(numbers) = item else {
            continue;
        };
        for number in numbers {
            // SAFETY: The kernel has just installed this file descriptor for us.
            let file = unsafe { OwnedFd::from_raw_fd(number) };
            if files.len() < most {
                files.push(file);
            } else {
                excess = excess.saturating_add(1);
            }
        }
    }
    Ok((message.bytes, excess))
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
