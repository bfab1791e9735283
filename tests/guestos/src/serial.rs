// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Ports of a PCI serial card under the kernel's own driver, each with a loopback plug in it.
//!
//! A port's line of a report is `NAME CHIP sent=N received=N lines=N lost=N doubled=N damaged=N
//! overruns=N irq=N`: bytes written and read back, what [`Checker`] makes of them, how often the kernel
//! says that the chip has lost bytes, and how many interrupts its handler has seen.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

use crate::cards::Known;
use crate::lines::{self, Checker};
use crate::{tty, Error, Result};

/// Bytes that may be on their way: more than all FIFOs hold, less than any buffer of the kernel.
const WINDOW: usize = 512;

/// After each line, for the other threads: with two ports that never rest, an emulated processor in an
/// emulated one does so little else that it takes a quarter of a minute to answer.
const REST: Duration = Duration::from_millis(50);

/// A port that is in use.
pub(crate) struct Port {
    name: String,
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    quiet: AtomicBool,
    close: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sent: usize,
    received: usize,
    checker: Checker,
    failure: Option<Error>,
}

impl Port {
    /// Opens `/dev/NAME`, and sends lines through it and reads them back until told otherwise.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let tty = tty::raw(name, OFlag::O_NONBLOCK)?;
        let shared = Arc::new(Shared::default());
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if let Err(error) = shared.work(tty) {
                    shared.state().failure = Some(error);
                }
            })
        };
        Ok(Self {
            name: name.to_owned(),
            shared,
            worker: Some(worker),
        })
    }

    /// No more lines are begun.
    pub(crate) fn quiet(&self) {
        self.shared.quiet.store(true, Ordering::Relaxed);
    }

    /// Its name, and what the kernel takes its chip for.
    pub(crate) fn describe(&self) -> Result<String> {
        let known = Known::of(&self.name)?;
        Ok(format!("{} {}", self.name, known.chip))
    }

    /// The line of the report.
    pub(crate) fn report(&self) -> Result<String> {
        let known = Known::of(&self.name)?;
        let state = self.shared.state();
        if let Some(error) = &state.failure {
            return Err(format!("{}: {error}", self.name).into());
        }
        let State {
            sent,
            received,
            checker,
            ..
        } = &*state;
        Ok(format!(
            "{} {} sent={sent} received={received} lines={} lost={} doubled={} damaged={} \
             overruns={} irq={}",
            self.name,
            known.chip,
            checker.good,
            checker.lost,
            checker.doubled,
            checker.damaged,
            known.overruns,
            known.interrupts()?,
        ))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.shared.close.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            // A panic of it is on the console.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut tty: File) -> Result<()> {
        let mut number = 0;
        let mut line: Vec<u8> = Vec::new();
        let mut buffer = [0; 1024];
        while !self.close.load(Ordering::Relaxed) {
            let under_way = {
                let state = self.state();
                state.sent - state.received
            };
            if line.is_empty() && !self.quiet.load(Ordering::Relaxed) {
                line = lines::line(number);
                number += 1;
            }
            let sends = !line.is_empty() && under_way + line.len() <= WINDOW;
            let mut wanted = PollFlags::POLLIN;
            wanted.set(PollFlags::POLLOUT, sends);
            // Now and then a look at what has been asked for meanwhile.
            let mut set = [PollFd::new(tty.as_fd(), wanted)];
            poll(&mut set, PollTimeout::from(100u8))?;
            let ready = set[0].revents().unwrap_or(PollFlags::empty());
            if ready.contains(PollFlags::POLLIN) {
                let len = blocks_not(tty.read(&mut buffer))?;
                let mut state = self.state();
                state.received += len;
                state.checker.feed(&buffer[..len]);
            }
            if ready.contains(PollFlags::POLLOUT) {
                let len = blocks_not(tty.write(&line))?;
                line.drain(..len);
                self.state().sent += len;
                if line.is_empty() {
                    thread::sleep(REST);
                }
            }
            if ready.intersects(PollFlags::POLLERR | PollFlags::POLLHUP) {
                return Err(format!("the port says {ready:?}").into());
            }
        }
        Ok(())
    }
}

fn blocks_not(result: std::io::Result<usize>) -> Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => Ok(other?),
    }
}
