// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A card with a migration region, and a user who goes about it as QEMU does.

use std::cell::RefCell;

use vmig_model::{
    error::Error,
    v1::{
        Section,
        View, //
    },
};

use crate::support::{
    dut,
    Dut,
    List, //
};

pub(crate) const STATE: u64 = 0;
pub(crate) const PENDING: u64 = 8;
pub(crate) const DATA_OFFSET: u64 = 16;
pub(crate) const DATA_SIZE: u64 = 24;
/// Where the data section begins, and how long it is if nothing else is said.
pub(crate) const DATA: u64 = 64;
pub(crate) const SECTION: u64 = 4096;

pub(crate) const STOP: u32 = 0b000;
pub(crate) const RUNNING: u32 = 0b001;
pub(crate) const STOP_COPY: u32 = 0b010;
pub(crate) const PRE_COPY: u32 = 0b011;
pub(crate) const RESUMING: u32 = 0b100;

pub(crate) struct Memory(RefCell<Vec<u8>>);

impl Memory {
    pub(crate) fn new(len: usize) -> Self {
        Self(RefCell::new(vec![0; len]))
    }
}

impl Section for Memory {
    fn len(&self) -> usize {
        self.0.borrow().len()
    }

    fn read(&self, at: usize, out: &mut [u8]) -> Result<(), Error> {
        let memory = self.0.borrow();
        let end = at.checked_add(out.len()).ok_or(Error::OutOfRange)?;
        out.copy_from_slice(memory.get(at..end).ok_or(Error::OutOfRange)?);
        Ok(())
    }

    fn write(&self, at: usize, data: &[u8]) -> Result<(), Error> {
        let mut memory = self.0.borrow_mut();
        let end = at.checked_add(data.len()).ok_or(Error::OutOfRange)?;
        let part = memory.get_mut(at..end).ok_or(Error::OutOfRange)?;
        part.copy_from_slice(data);
        Ok(())
    }
}

pub(crate) struct Card {
    pub(crate) dut: Dut,
    pub(crate) view: View,
    section: Memory,
}

impl Card {
    /// An open `serial-var` with `list`.
    pub(crate) fn new(list: &List) -> Self {
        Self::with_section(list, usize::try_from(SECTION).unwrap())
    }

    pub(crate) fn with_section(list: &List, len: usize) -> Self {
        Self {
            dut: dut(list),
            view: View::new(DATA),
            section: Memory::new(len),
        }
    }

    pub(crate) fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        self.view.access(&mut self.dut, &self.section).read(at, out)
    }

    pub(crate) fn write(&mut self, at: u64, data: &[u8]) -> Result<(), Error> {
        self.view
            .access(&mut self.dut, &self.section)
            .write(at, data)
    }

    pub(crate) fn u32_at(&mut self, at: u64) -> u32 {
        let mut field = [0; 4];
        self.read(at, &mut field).unwrap();
        u32::from_ne_bytes(field)
    }

    pub(crate) fn u64_at(&mut self, at: u64) -> u64 {
        let mut field = [0; 8];
        self.read(at, &mut field).unwrap();
        u64::from_ne_bytes(field)
    }

    pub(crate) fn state(&mut self) -> u32 {
        self.u32_at(STATE)
    }

    pub(crate) fn ask(&mut self, state: u32) -> Result<(), Error> {
        self.write(STATE, &state.to_ne_bytes())
    }

    pub(crate) fn pending(&mut self) -> u64 {
        self.u64_at(PENDING)
    }

    pub(crate) fn set_size(&mut self, size: u64) -> Result<(), Error> {
        self.write(DATA_SIZE, &size.to_ne_bytes())
    }

    /// The first `size` bytes of the data section.
    pub(crate) fn data(&mut self, size: u64) -> Vec<u8> {
        let mut data = vec![0; usize::try_from(size).unwrap()];
        self.read(DATA, &mut data).unwrap();
        data
    }

    /// One transaction, if something is pending.
    pub(crate) fn round(&mut self) -> Option<Vec<u8>> {
        if self.pending() == 0 {
            return None;
        }
        assert_eq!(self.u64_at(DATA_OFFSET), DATA);
        let size = self.u64_at(DATA_SIZE);
        assert!(size > 0, "V33");
        Some(self.data(size))
    }

    /// Transactions until nothing is pending.
    pub(crate) fn drain(&mut self) -> Vec<u8> {
        let mut stream = Vec::new();
        while let Some(data) = self.round() {
            stream.extend(data);
        }
        stream
    }

    /// The stream of the stopped device; the device is in 000b then.
    pub(crate) fn saved(&mut self) -> Vec<u8> {
        self.ask(STOP_COPY).unwrap();
        let stream = self.drain();
        self.ask(STOP).unwrap();
        stream
    }

    /// One transaction of a stream.
    pub(crate) fn give(&mut self, data: &[u8]) -> Result<(), Error> {
        assert_eq!(self.u64_at(DATA_OFFSET), DATA);
        self.write(DATA, data)?;
        self.set_size(u64::try_from(data.len()).unwrap())
    }

    /// A stream in one transaction, and 001b.
    pub(crate) fn load(&mut self, stream: &[u8]) -> Result<(), Error> {
        self.ask(RESUMING)?;
        self.give(stream)?;
        self.ask(RUNNING)
    }
}
