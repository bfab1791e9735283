// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What a driver in the machine would do with a card: fill it, look whether all is there, use it.

mod accel;
mod serial;

use super::qtest::Qtest;
use super::SLOT;

/// Where the cards of a machine are, by their number in it: apart by these distances. The memory of an
/// accelerator has up to 128 MiB here; three fit, and they come first.
const PORTS_AT: u16 = 0xc000;
const PORTS_STEP: u16 = 0x100;
const REGISTERS_AT: u64 = 0xe000_0000;
const REGISTERS_STEP: u64 = 0x10_0000;
const MEMORY_AT: u64 = 0xc000_0000;
const MEMORY_STEP: u64 = 128 << 20;
/// Of guest memory, from what the first uses.
const RAM_STEP: u64 = 0x40_0000;

/// A slot of a machine, with all that belongs to the card in it.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    machine: &'a Qtest,
    number: u8,
}

impl Site<'_> {
    fn slot(self) -> u8 {
        SLOT + self.number
    }

    #[track_caller]
    fn config(self, at: u8) -> u32 {
        self.machine.config(self.slot(), at)
    }

    #[track_caller]
    fn set_config(self, at: u8, value: u32) {
        self.machine.set_config(self.slot(), at, value);
    }

    /// Where BAR 0 of a serial card answers.
    fn ports(self) -> u16 {
        PORTS_AT + PORTS_STEP * u16::from(self.number)
    }

    /// Where the registers of an accelerator answer.
    fn registers(self) -> u64 {
        REGISTERS_AT + REGISTERS_STEP * u64::from(self.number)
    }

    /// Where its memory does.
    fn memory(self) -> u64 {
        MEMORY_AT + MEMORY_STEP * u64::from(self.number)
    }

    /// The guest memory that is for it what `first` is for the first card.
    fn ram(self, first: u64) -> u64 {
        first + RAM_STEP * u64::from(self.number)
    }
}

/// A card in a machine.
#[derive(Clone, Copy, Debug)]
pub enum Card<'a> {
    /// A serial card with so many ports.
    Serial(Site<'a>, u16),
    /// An accelerator.
    Accel(Site<'a>),
}

impl<'a> Card<'a> {
    /// The only card of the machine, by its IDs.
    ///
    /// # Panics
    ///
    /// If there is none of ours; so for all below, if something is not as it has to be.
    #[track_caller]
    pub fn find(machine: &'a Qtest) -> Self {
        Self::nth(machine, 0)
    }

    /// The card with this number, from 0, of a machine that has several.
    #[track_caller]
    pub fn nth(machine: &'a Qtest, number: u8) -> Self {
        let site = Site { machine, number };
        match site.config(0) {
            0x0002_1b36 => Self::Serial(site, 1),
            0x0003_1b36 => Self::Serial(site, 2),
            0x4d47_1234 => Self::Accel(site),
            other => panic!("IDs {other:08x}"),
        }
    }

    /// Sets the card up and puts something into all of it.
    #[track_caller]
    pub fn fill(self) {
        match self {
            Self::Serial(site, ports) => serial::fill(site, ports),
            Self::Accel(site) => accel::fill(site),
        }
    }

    /// Asserts that all is there that [`Card::fill`] has put in, and takes it out.
    #[track_caller]
    pub fn check(self) {
        match self {
            Self::Serial(site, ports) => serial::check(site, ports),
            Self::Accel(site) => accel::check(site),
        }
    }

    /// Uses a card that is set up, which changes nothing that [`Card::check`] looks at.
    #[track_caller]
    pub fn touch(self) {
        match self {
            Self::Serial(site, ports) => serial::touch(site, ports),
            Self::Accel(site) => accel::touch(site),
        }
    }
}
