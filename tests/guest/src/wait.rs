// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Waiting with a deadline.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// The shortest and the longest time between two looks.
const PAUSE: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];

/// Longest wait for something that should happen at once. Generous, because the VM may be
/// emulated on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// How long nothing has to happen until a test believes that it will not.
pub const QUIET: Duration = Duration::from_millis(50);

/// Waits until `condition` holds; `false` if it still does not after `limit`.
pub fn until(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        pause(start);
    }
}

/// Sleeps before the next look at something that is waited for since `start`: the longer it takes, the longer.
/// Who looks all the time takes the processor that the other side could do with.
pub fn pause(start: Instant) {
    let [shortest, longest] = PAUSE;
    sleep((start.elapsed() / 8).clamp(shortest, longest));
}
