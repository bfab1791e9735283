// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Interrupts: SIGINT, SIGTERM and SIGHUP end a verb that only reads, and stop one that writes
//! between two writes, so that it can undo them.

use std::{
    io::{
        self,
        Read,
        Write, //
    },
    os::fd::AsFd,
    sync::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        Arc,
    },
};

use nix::poll::{
    poll,
    PollFd,
    PollFlags, //
};
use signal_hook::{
    consts::{
        SIGHUP,
        SIGINT,
        SIGTERM, //
    },
    flag,
};

use crate::exit::Exit;

/// Whether the user has interrupted, and what that does.
#[derive(Clone, Debug)]
pub struct Interrupt {
    seen: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self {
            seen: Arc::new(AtomicBool::new(false)),
            ends: Arc::new(AtomicBool::new(true)),
        }
    }
}

impl Interrupt {
    /// Watches the signals of this process.
    ///
    /// # Errors
    ///
    /// What sigaction(2) says.
    pub fn watch(&self) -> io::Result<()> {
        let status = i32::from(Exit::Interrupted.status());
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_shutdown(signal, status, Arc::clone(&self.ends))?;
            flag::register(signal, Arc::clone(&self.seen))?;
        }
        Ok(())
    }

    /// From now on an interrupt does not end the process: the verb asks for it.
    pub fn hold(&self) {
        self.ends.store(false, Ordering::SeqCst);
    }

    /// Whether the user has interrupted.
    pub fn seen(&self) -> bool {
        self.seen.load(Ordering::SeqCst)
    }

    /// Interrupts, as a signal would.
    pub fn raise(&self) {
        self.seen.store(true, Ordering::SeqCst);
    }
}

/// An output that an interrupt ends.
#[derive(Debug)]
pub struct Interruptible<T> {
    inner: T,
    interrupt: Interrupt,
}

impl<T> Interruptible<T> {
    /// Ends `inner` once `interrupt` is seen.
    pub fn new(inner: T, interrupt: &Interrupt) -> Self {
        Self {
            inner,
            interrupt: interrupt.clone(),
        }
    }
}

impl<T: Write> Write for Interruptible<T> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.interrupt.seen() {
            return Err(io::Error::other("interrupted"));
        }
        self.inner.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// An input that an interrupt ends, also while it waits.
///
/// Interrupted system calls are restarted, so that nothing else has to know about signals. Waiting
/// for input must not be, hence it waits in slices.
#[derive(Debug)]
pub struct Patient<T> {
    inner: T,
    interrupt: Interrupt,
}

impl<T> Patient<T> {
    /// Waits for input of `inner` until `interrupt` is seen.
    pub fn new(inner: T, interrupt: &Interrupt) -> Self {
        Self {
            inner,
            interrupt: interrupt.clone(),
        }
    }
}

impl<T: Read + AsFd> Read for Patient<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        const SLICE_MS: u8 = 100;
        loop {
            let mut files = [PollFd::new(self.inner.as_fd(), PollFlags::POLLIN)];
            match poll(&mut files, SLICE_MS) {
                // Whatever poll(2) says about the file, read(2) says better.
                Ok(1..) => return self.inner.read(out),
                Ok(_) | Err(nix::errno::Errno::EINTR) if self.interrupt.seen() => {
                    return Err(io::Error::other("interrupted"));
                }
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
