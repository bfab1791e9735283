// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Time and instructions of a piece of work.

use std::time::Instant;

use perf_event::events::Hardware;
use perf_event::{Builder, Counter};

/// What a piece of work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Time on the wall.
    pub(crate) ns: u64,
    /// Instructions of this thread and of those that it started meanwhile, in the kernel and outside.
    pub(crate) instructions: Option<u64>,
}

/// A clock, and a counter where there is one.
#[derive(Debug)]
pub(crate) struct Meter {
    counter: Result<Counter, String>,
}

impl Meter {
    /// Under emulation there is no counter, see [`Self::trouble`].
    pub(crate) fn new() -> Self {
        let mut builder = Builder::new().kind(Hardware::INSTRUCTIONS);
        builder.include_kernel().inherit(true);
        let counter = builder
            .build()
            .map_err(|error| format!("perf_event_open: {error}"));
        Self { counter }
    }

    /// Why instructions cannot be counted, if so.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.counter.as_ref().err().map(String::as_str)
    }

    /// Does the work.
    pub(crate) fn run<R>(&mut self, work: impl FnOnce() -> R) -> (Taken, R) {
        let before = self.read();
        self.switch(Counter::enable);
        let start = Instant::now();
        let result = work();
        let ns = nanos(start);
        self.switch(Counter::disable);
        let after = self.read();
        let instructions = after.zip(before).map(|(after, before)| after - before);
        (Taken { ns, instructions }, result)
    }

    fn read(&mut self) -> Option<u64> {
        let counter = self.counter.as_mut().ok()?;
        match counter.read() {
            Ok(count) => Some(count),
            Err(error) => {
                self.counter = Err(format!("the counter: {error}"));
                None
            }
        }
    }

    fn switch(&mut self, how: fn(&mut Counter) -> std::io::Result<()>) {
        let done = self.counter.as_mut().map(how);
        if let Ok(Err(error)) = done {
            self.counter = Err(format!("the counter: {error}"));
        }
    }
}

/// Nanoseconds since `start`.
pub(crate) fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
