// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The accelerator.

mod machine;
mod memory;

mod errors;
mod golden;
mod hostile;
mod interrupts;
mod operations;
mod precopy;
mod random;
mod sheet;
mod state;
mod step;
mod types;
mod unreachable;

pub(crate) use golden::golden;
