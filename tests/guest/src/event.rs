// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Eventfds that count interrupts.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::wait::{QUIET, SOON};

/// An eventfd that the kernel signals.
#[derive(Debug)]
pub struct Event(EventFd);

impl Event {
    /// A new one, not signalled.
    ///
    /// # Panics
    ///
    /// If there is none to be had.
    #[expect(clippy::new_without_default, reason = "it makes a system call")]
    pub fn new() -> Self {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Self(EventFd::from_value_and_flags(0, flags).expect("eventfd"))
    }

    /// Takes the number of signals since the last call, without waiting.
    pub fn take(&self) -> u64 {
        match self.0.read() {
            Ok(count) => count,
            Err(Errno::EAGAIN) => 0,
            Err(e) => panic!("eventfd: {e}"),
        }
    }

    /// Waits for a signal, and takes it.
    ///
    /// # Panics
    ///
    /// If none comes soon.
    #[track_caller]
    pub fn expect(&self, what: &str) -> u64 {
        assert!(readable(self.as_fd(), SOON), "no interrupt: {what}");
        self.take()
    }

    /// Waits a moment for a signal that must not come.
    ///
    /// # Panics
    ///
    /// If it comes.
    #[track_caller]
    pub fn expect_none(&self, what: &str) {
        assert!(
            !readable(self.as_fd(), QUIET),
            "{} interrupt(s) too many: {what}",
            self.take()
        );
    }

    /// Signals it from this side.
    pub fn signal(&self) {
        self.0.write(1).expect("eventfd");
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the descriptor becomes readable within `limit`.
pub fn readable(fd: BorrowedFd<'_>, limit: Duration) -> bool {
    !poll_for(fd, PollFlags::POLLIN, limit).is_empty()
}

/// Polls for `events`; returns what happened, nothing after `limit`.
pub fn poll_for(fd: BorrowedFd<'_>, events: PollFlags, limit: Duration) -> PollFlags {
    let timeout = PollTimeout::try_from(limit).expect("a limit that poll(2) can take");
    let mut fds = [PollFd::new(fd, events)];
    poll(&mut fds, timeout).expect("poll");
    fds[0].revents().expect("known events")
}
