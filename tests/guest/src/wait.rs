// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Waiting with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest wait for something that should happen at once. Generous, because the VM may be
/// emulated on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// How long nothing has to happen until a test believes that it will not.
pub const QUIET: Duration = Duration::from_millis(50);

/// Waits until `condition` holds; `false` if it still does not after `limit`.
pub fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep(Duration::from_millis(2));
    }
}
