// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Which kernel the tests run on.

use std::path::Path;

/// How much longer things take on the debug kernel.
pub const SLOWER: u32 = 4;

/// Whether it is the debug kernel (`tests/kernel-debug.config`).
pub fn is_debug() -> bool {
    Path::new("/sys/kernel/debug/kmemleak").exists()
}
