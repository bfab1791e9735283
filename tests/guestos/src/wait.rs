// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Waiting with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// How long the guest waits for a device. It may be emulated by an emulator, on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// Asks until there is an answer.
pub(crate) fn for_some<T>(what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + LONG;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() > end {
            return Err(format!("no {what} after {} s", LONG.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(20));
    }
}
