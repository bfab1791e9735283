// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Config space of the accelerator.
//!
//! PCI Local Bus Specification 3.0, sections 6.1, 6.2 and 6.8.2. 256 bytes; every byte not named here
//! reads 0 and ignores writes.
//!
//! | offset | register | reset value | writable bits |
//! |---|---|---|---|
//! | 00 | vendor ID | 1234 | - |
//! | 02 | device ID | 4d47 | - |
//! | 04 | COMMAND | 0000 | 0006: memory space (kept only), Bus Master |
//! | 06 | STATUS | 0010 | - |
//! | 08 | revision | 01 | - |
//! | 09 | class | 120000 | - |
//! | 10 | BAR 0 | 00000000 | all but the lower 14 |
//! | 18 | BAR 2 | 000000000000000c (64-bit, prefetchable) | all but the lower 24 (16 MiB) to 28 (256 MiB) |
//! | 2c | subsystem IDs | 1af4, 1100 | - |
//! | 34 | capabilities | 40 | - |
//! | 3c | interrupt line | 00 | ff |
//! | 3d | interrupt pin | 00 | - |
//! | 40 | MSI-X capability: ID, next | 11, 00 | - |
//! | 42 | MSI-X control | queues - 1 | c000: enable, function mask |
//! | 44 | MSI-X table | 00002000: BAR 0 | - |
//! | 48 | MSI-X pending bits | 00003000: BAR 0 | - |
//!
//! All writable bits are state in the stream, and nothing else is.

mod state;

pub use state::ConfigV1;

use super::{
    PBA,
    REGISTERS_LEN,
    TABLE, //
};
use crate::pci::{
    halves,
    halves64,
    join,
    join64,
    Piece,
    COMMAND_MASTER,
    COMMAND_MEMORY,
    STATUS_CAPABILITIES, //
};

const COMMAND_MASK: u16 = COMMAND_MEMORY | COMMAND_MASTER;

/// A BAR of memory with a 64-bit address, prefetchable.
const BAR_MEMORY64: u64 = 0xc;

const MSIX_ENABLE: u16 = 1 << 15;
const MSIX_MASK: u16 = 1 << 14;

/// Config space: what can be written of it.
///
/// # Invariants
///
/// Bits that cannot be written have their reset value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    layout: Layout,
    command: u16,
    bar_registers: u32,
    bar_memory: u64,
    interrupt_line: u8,
    msix_control: u16,
}

/// What the parameters make of config space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Number of queues, 1 to 8.
    pub queues: u8,
    /// Bytes of device memory, a power of two.
    pub memory: u64,
}

impl Layout {
    fn msix_size(self) -> u16 {
        u16::from(self.queues.saturating_sub(1))
    }

    const fn bar_mask(self) -> u64 {
        !self.memory.saturating_sub(1)
    }
}

impl Config {
    /// Reset values.
    pub fn new(layout: Layout) -> Self {
        Self {
            layout,
            command: 0,
            bar_registers: 0,
            bar_memory: BAR_MEMORY64,
            interrupt_line: 0,
            msix_control: layout.msix_size(),
        }
    }

    /// MSI-X is on.
    pub const fn msix_enabled(&self) -> bool {
        self.msix_control & MSIX_ENABLE != 0
    }

    /// A pending vector may be delivered: the card may write to memory, which is what a message is, and
    /// the vectors are not masked together.
    pub const fn msix_allowed(&self) -> bool {
        self.msix_enabled() && self.msix_control & MSIX_MASK == 0 && self.bus_master()
    }

    /// The card may access memory.
    pub const fn bus_master(&self) -> bool {
        self.command & COMMAND_MASTER != 0
    }

    /// Switches Bus Master off.
    pub(super) fn forbid_dma(&mut self) {
        self.command &= !COMMAND_MASTER;
    }

    /// The dword at `at`, a multiple of 4.
    pub fn dword(&self, at: u64) -> u32 {
        match at {
            0x00 => join(0x1234, 0x4d47),
            0x04 => join(self.command, STATUS_CAPABILITIES),
            0x08 => 0x1200_0001,
            0x10 => self.bar_registers,
            0x18 => halves64(self.bar_memory).0,
            0x1c => halves64(self.bar_memory).1,
            0x2c => join(0x1af4, 0x1100),
            0x34 => 0x40,
            0x3c => u32::from(self.interrupt_line),
            0x40 => join(0x0011, self.msix_control),
            0x44 => TABLE,
            0x48 => PBA,
            _ => 0,
        }
    }

    /// Writes a part of a dword.
    pub(crate) fn write(&mut self, piece: Piece) {
        let value = piece.merge(self.dword(piece.at), self.writable(piece.at));
        // INVARIANT: only writable bits of `value` differ.
        self.store(piece.at, value);
    }

    /// Writable bits of the dword at `at`.
    fn writable(&self, at: u64) -> u32 {
        match at {
            0x04 => u32::from(COMMAND_MASK),
            0x10 => REGISTERS_MASK,
            0x18 => halves64(self.layout.bar_mask()).0,
            0x1c => halves64(self.layout.bar_mask()).1,
            0x3c => 0xff,
            0x40 => join(0, MSIX_ENABLE | MSIX_MASK),
            _ => 0,
        }
    }

    fn store(&mut self, at: u64, value: u32) {
        let (low, high) = halves(value);
        let (memory_low, memory_high) = halves64(self.bar_memory);
        match at {
            0x04 => self.command = low,
            0x10 => self.bar_registers = value,
            0x18 => self.bar_memory = join64(value, memory_high),
            0x1c => self.bar_memory = join64(memory_low, value),
            0x3c => [self.interrupt_line, ..] = value.to_le_bytes(),
            0x40 => self.msix_control = high,
            _ => (),
        }
    }
}

/// Bits of the register BAR that hold an address.
const REGISTERS_MASK: u32 = !(REGISTERS_LEN.saturating_sub(1));
