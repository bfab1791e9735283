// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Memory that the card reads and writes: the last 4 MiB of the guest's 64, which the kernel's command
//! line keeps from the kernel (`memmap=4M$60M`).

use std::fs::File;

use vmig_vfio::Memory;

use crate::Result;

/// Where it begins, for the card.
pub(super) const BASE: u64 = 60 << 20;
/// Bytes of it.
const LEN: usize = 4 << 20;

/// Bytes of a queue.
pub(super) const SHARE: usize = 512 << 10;

/// Parts of a queue's share.
pub(super) const RING: usize = 0;
/// Where its message goes.
pub(super) const MESSAGE: usize = 0x2000;
/// What it copies in.
pub(super) const SOURCE: usize = 0x4000;
/// What it copies out, in up to three pieces.
pub(super) const TARGETS: [usize; 3] = [0x2_0000, 0x4_0000, 0x6_0000];

/// Maps it.
pub(super) fn map() -> Result<Memory> {
    let file = File::options().read(true).write(true).open("/dev/mem")?;
    Ok(Memory::shared(&file, BASE, LEN)?)
}
