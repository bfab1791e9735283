// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Linux guests in QEMUs in the VM, which use the cards that they get and check what comes back.
//!
//! All start from one state, in which the guest has booted and waits (`vm/src/guestos.rs`). A card is
//! plugged in while the guest runs, and the guest told to use it; what it can be told, and what its
//! reports mean, is written in `tests/guestos`.

mod console;
mod machine;
mod report;

pub use console::Console;
pub use machine::{Machine, Plug};
pub use report::Counts;

/// Says on the VM's console how far a test has come: the harness ends a VM that is silent for minutes, which
/// a busy machine may need for a journey.
pub fn tell(text: &str) {
    // Nobody depends on it.
    let _ = std::fs::write("/dev/kmsg", format!("<6>guest: {text}\n"));
}
