// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Config space of the serial card.
//!
//! PCI Local Bus Specification 3.0, sections 6.1, 6.2 and 6.8.1. 256 bytes; every byte not named here
//! reads 0 and ignores writes. Accesses of any width and alignment act byte by byte.
//!
//! | offset | register | reset value | writable bits |
//! |---|---|---|---|
//! | 00 | vendor ID | 1b36 | - |
//! | 02 | device ID | 0002 or 0003 | - |
//! | 04 | COMMAND | 0000 | 0405: I/O space, Bus Master, INTx disable |
//! | 06 | STATUS | 0010 | -; bit 3: a port has an interrupt and MSI is off |
//! | 08 | revision | 01 | - |
//! | 09 | class | 070002 | - |
//! | 10 | BAR 0 | 00000001 | all but the lower 3 (1 port) or 4 (2 ports) |
//! | 2c | subsystem IDs | 1af4, 1100 | - |
//! | 34 | capabilities | 40 | - |
//! | 3c | interrupt line | 00 | ff |
//! | 3d | interrupt pin | 01 | - |
//! | 40 | MSI capability: ID, next | 05, 00 | - |
//! | 42 | MSI control | 0080 (64-bit address, 1 vector) | 0001: enable |
//! | 44 | MSI address | 0000000000000000 | all but the lower 2 |
//! | 4c | MSI data | 0000 | ffff |
//!
//! All writable bits are state in the stream, and nothing else is.

mod state;

pub use state::ConfigV1;

use crate::pci::{
    halves,
    join,
    Piece,
    COMMAND_INTX_DISABLE,
    COMMAND_MASTER,
    STATUS_CAPABILITIES,
    STATUS_INTERRUPT, //
};

const COMMAND_MASK: u16 = 1 | COMMAND_MASTER | COMMAND_INTX_DISABLE;

const BAR_IO: u32 = 1;

const MSI_ENABLE: u16 = 1;
const MSI_64BIT: u16 = 1 << 7;
const MSI_ADDRESS_MASK: u32 = !3;

/// Size of BAR 0 of a card with `ports` ports, 1 or 2.
pub const fn bar_len(ports: usize) -> u64 {
    match ports {
        1 => 8,
        _ => 16,
    }
}

/// Config space: what can be written of it.
///
/// # Invariants
///
/// Bits that cannot be written have their reset value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    ports: usize,
    command: u16,
    bar: u32,
    interrupt_line: u8,
    msi_control: u16,
    msi_address_low: u32,
    msi_address_high: u32,
    msi_data: u16,
}

impl Config {
    /// Reset values, for a card with `ports` ports.
    pub const fn new(ports: usize) -> Self {
        Self {
            ports,
            command: 0,
            bar: BAR_IO,
            interrupt_line: 0,
            msi_control: MSI_64BIT,
            msi_address_low: 0,
            msi_address_high: 0,
            msi_data: 0,
        }
    }

    /// Number of ports that it tells of.
    pub const fn ports(&self) -> usize {
        self.ports
    }

    /// MSI is on.
    pub const fn msi_enabled(&self) -> bool {
        self.msi_control & MSI_ENABLE != 0
    }

    /// INTx may be asserted: it is not disabled, and MSI does not replace it.
    pub const fn intx_allowed(&self) -> bool {
        self.command & COMMAND_INTX_DISABLE == 0 && !self.msi_enabled()
    }

    /// The card may write to memory, which is what a message is.
    pub const fn bus_master(&self) -> bool {
        self.command & COMMAND_MASTER != 0
    }

    /// Writes a part of a dword.
    pub(crate) fn write(&mut self, piece: Piece) {
        let value = piece.merge(self.dword(piece.at, false), self.writable(piece.at));
        // INVARIANT: only writable bits of `value` differ.
        self.store(piece.at, value);
    }

    /// The dword at `at`, a multiple of 4; `interrupt` says whether a port has one.
    pub fn dword(&self, at: u64, interrupt: bool) -> u32 {
        match at {
            0x00 => join(0x1b36, if self.ports == 1 { 0x0002 } else { 0x0003 }),
            0x04 => join(self.command, self.status(interrupt)),
            0x08 => 0x0700_0201,
            0x10 => self.bar,
            0x2c => join(0x1af4, 0x1100),
            0x34 => 0x40,
            0x3c => u32::from(self.interrupt_line) | 0x0100,
            0x40 => join(0x0005, self.msi_control),
            0x44 => self.msi_address_low,
            0x48 => self.msi_address_high,
            0x4c => u32::from(self.msi_data),
            _ => 0,
        }
    }

    /// Writable bits of the dword at `at`.
    fn writable(&self, at: u64) -> u32 {
        match at {
            0x04 => u32::from(COMMAND_MASK),
            0x10 => self.bar_mask(),
            0x3c => 0xff,
            0x40 => join(0, MSI_ENABLE),
            0x44 => MSI_ADDRESS_MASK,
            0x48 => u32::MAX,
            0x4c => 0xffff,
            _ => 0,
        }
    }

    fn store(&mut self, at: u64, value: u32) {
        let (low, high) = halves(value);
        match at {
            0x04 => self.command = low,
            0x10 => self.bar = value,
            0x3c => [self.interrupt_line, ..] = value.to_le_bytes(),
            0x40 => self.msi_control = high,
            0x44 => self.msi_address_low = value,
            0x48 => self.msi_address_high = value,
            0x4c => self.msi_data = low,
            _ => (),
        }
    }

    const fn bar_mask(&self) -> u32 {
        match self.ports {
            1 => !0x7,
            _ => !0xf,
        }
    }

    const fn status(&self, interrupt: bool) -> u16 {
        if interrupt && !self.msi_enabled() {
            STATUS_CAPABILITIES | STATUS_INTERRUPT
        } else {
            STATUS_CAPABILITIES
        }
    }
}
