// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A card in a machine: registers, rings and what the driver of the card does.

use vmig_model::{
    accel::{
        pages,
        Card, //
    },
    arcs::State,
    crc::Table,
    device::Region,
    engine::Engine,
    error::Error,
    types::{
        types,
        DeviceType,
        Generation, //
    },
};

use super::memory::{
    Guest,
    Ram, //
};
use crate::support::{
    drain,
    engine_of,
    values,
    List, //
};

pub(crate) type Dut = Engine<Card<Ram>, Vec<u8>>;

/// 16 MiB, one queue.
pub(crate) const SMALL: &List = &[("memory-mb", "16")];
/// 16 MiB, four queues, CRC units.
pub(crate) const FULL: &List = &[
    ("checksum", "on"),
    ("memory-mb", "16"),
    ("num-queues", "4"), //
];
/// The same with `codec=zero`.
pub(crate) const ZERO: &List = &[
    ("checksum", "on"),
    ("codec", "zero"),
    ("memory-mb", "16"),
    ("num-queues", "4"),
];
/// 16 MiB, eight queues, all there is.
pub(crate) const ALL: &List = &[
    ("checksum", "on"),
    ("codec", "zero"),
    ("memory-mb", "16"),
    ("num-queues", "8"),
];

pub(crate) const MIB: u64 = 1 << 20;
/// Bytes of device memory of these lists.
pub(crate) const MEMORY: u64 = 16 * MIB;

pub(crate) const COMMAND: u64 = 0x04;
pub(crate) const MSIX: u64 = 0x42;

pub(crate) const CONTROL: u64 = 0x10;
pub(crate) const INTERRUPT: u64 = 0x20;
pub(crate) const MASK: u64 = 0x24;
pub(crate) const TABLE: u64 = 0x2000;
pub(crate) const PBA: u64 = 0x3000;

/// Registers of a queue.
pub(crate) const ENABLE: u64 = 0x00;
pub(crate) const STATUS: u64 = 0x04;
pub(crate) const BASE: u64 = 0x08;
pub(crate) const SIZE: u64 = 0x10;
pub(crate) const HEAD: u64 = 0x14;
pub(crate) const TAIL: u64 = 0x18;
pub(crate) const DONE: u64 = 0x1c;

pub(crate) const COPY_IN: u8 = 1;
pub(crate) const COPY_OUT: u8 = 2;
pub(crate) const COPY_WITHIN: u8 = 3;
pub(crate) const FILL: u8 = 4;
pub(crate) const CRC: u8 = 5;

/// Flag: an interrupt is asked for.
pub(crate) const NOTIFY: u8 = 1;

/// What result and status hold before the card writes them.
pub(crate) const UNTOUCHED: u32 = 0xeeee_eeee;

/// Register `at` of queue `queue`.
pub(crate) const fn q(queue: u64, at: u64) -> u64 {
    0x100 + queue * 0x20 + at
}

/// Where the ring of a queue is in guest memory.
pub(crate) const fn ring(queue: u64) -> u64 {
    0x7000_0000 + queue * 0x10_0000
}

/// Where data is in guest memory; 8 MiB from there on are mapped.
pub(crate) const DATA: u64 = 0x1_0000_0000;

/// A descriptor.
pub(crate) fn descriptor(
    operation: u8,
    flags: u8,
    length: u64,
    source: u64,
    destination: u64,
) -> [u8; 32] {
    let mut bytes = [0xee; 32];
    bytes[..4].copy_from_slice(&[operation, flags, 0, 0]);
    bytes[4..8].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[8..16].copy_from_slice(&source.to_le_bytes());
    bytes[16..24].copy_from_slice(&destination.to_le_bytes());
    bytes
}

pub(crate) fn accel_var(generation: Generation) -> &'static DeviceType {
    let mut types = types(generation).iter();
    types.find(|ty| ty.name == "accel-var").unwrap()
}

/// A closed engine of an `accel-var` with `list`, everything else off.
pub(crate) fn closed(generation: Generation, list: &List) -> Dut {
    let ty = accel_var(generation);
    let values = values(ty, list);
    engine_of(Card::new(ty, values, Ram::new(pages(ty, &values))))
}

/// A card in a machine.
pub(crate) struct Rig {
    pub(crate) dut: Dut,
    pub(crate) guest: Guest,
    list: &'static List,
}

impl Rig {
    /// A card of generation 2 that is open, with Bus Master on.
    pub(crate) fn new(list: &'static List) -> Self {
        let mut dut = closed(Generation::Two, list);
        dut.open().unwrap();
        let mut rig = Self {
            dut,
            guest: Guest::default(),
            list,
        };
        rig.guest.map(DATA, 8 * MIB);
        rig.config(COMMAND, &[6, 0]);
        rig
    }

    pub(crate) fn ram(&self) -> &Ram {
        self.dut.device().memory()
    }

    pub(crate) fn config(&mut self, at: u64, data: &[u8]) {
        self.dut.region_write(Region::Config, at, data).unwrap();
    }

    pub(crate) fn get(&mut self, at: u64) -> u32 {
        let mut data = [0; 4];
        self.dut.region_read(Region::Bar(0), at, &mut data).unwrap();
        u32::from_le_bytes(data)
    }

    pub(crate) fn set(&mut self, at: u64, value: u32) {
        let written = self
            .dut
            .region_write(Region::Bar(0), at, &value.to_le_bytes());
        written.unwrap();
    }

    /// Writes to the memory BAR.
    pub(crate) fn poke(&mut self, at: u64, data: &[u8]) {
        self.dut.region_write(Region::Bar(2), at, data).unwrap();
    }

    /// Maps the ring of a queue and enables it.
    pub(crate) fn enable(&mut self, queue: u64, size: u32) {
        self.guest.map(ring(queue), u64::from(size) * 32);
        self.set(q(queue, BASE), ring(queue) as u32);
        self.set(q(queue, BASE + 4), (ring(queue) >> 32) as u32);
        self.set(q(queue, SIZE), size);
        self.set(q(queue, ENABLE), 1);
    }

    /// Puts a descriptor into the ring and rings the doorbell. Returns where it is.
    pub(crate) fn submit(&mut self, queue: u64, bytes: [u8; 32]) -> u64 {
        let (tail, size) = (self.get(q(queue, TAIL)), self.get(q(queue, SIZE)));
        let at = ring(queue) + u64::from(tail) * 32;
        self.guest.put(at, &bytes);
        self.set(q(queue, TAIL), (tail + 1) % size);
        at
    }

    /// Does one step. Whether there was one.
    pub(crate) fn step(&mut self) -> bool {
        self.step_with(1 << 16)
    }

    /// One step with so many bytes of scratch memory.
    pub(crate) fn step_with(&mut self, scratch: usize) -> bool {
        let ready = self.dut.ready();
        let step = self.dut.begin_step();
        assert_eq!(step.is_some(), ready);
        let Some(step) = step else {
            return false;
        };
        let memory = self.ram().clone();
        let outcome = step.run::<Table>(&self.guest, &memory, &mut vec![0xaa; scratch]);
        self.dut.finish_step(outcome);
        true
    }

    /// Works until there is nothing to do. Returns the number of steps.
    pub(crate) fn work(&mut self) -> usize {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 10_000, "it does not end");
        }
        steps
    }

    /// HEAD, DONE and STATUS of a queue.
    pub(crate) fn queue(&mut self, queue: u64) -> (u32, u32, u32) {
        let mut get = |at| self.get(q(queue, at));
        (get(HEAD), get(DONE), get(STATUS))
    }

    /// Status of the descriptor at `at`.
    pub(crate) fn status(&self, at: u64) -> u32 {
        self.guest.get_u32(at + 28)
    }

    /// Result of the descriptor at `at`.
    pub(crate) fn result(&self, at: u64) -> u32 {
        self.guest.get_u32(at + 24)
    }

    /// The stream of the stopped device, which is in `STOP` then.
    pub(crate) fn saved(&mut self) -> Vec<u8> {
        let session = self.dut.set_state(State::StopCopy).unwrap().unwrap();
        let stream = drain(&mut self.dut, session.session, 70_001);
        self.dut.set_state(State::Stop).unwrap();
        stream
    }

    /// Loads `stream` as far as `STOP`.
    pub(crate) fn load(&mut self, stream: &[u8], step: usize) -> Result<(), Error> {
        let session = self.dut.set_state(State::Resuming)?.unwrap().session;
        for piece in stream.chunks(step) {
            self.dut.write(session, piece)?;
        }
        self.dut.set_state(State::Stop).map(|_| ())
    }

    /// A card of the same kind in the same machine, with the state `stream`, running.
    pub(crate) fn resumed(&self, stream: &[u8]) -> Self {
        let mut other = Self::new(self.list);
        other.guest = self.guest.clone();
        other.load(stream, 5000).unwrap();
        other.dut.set_state(State::Running).unwrap();
        other
    }

    /// Moves the card to another one.
    pub(crate) fn migrate(&mut self) {
        let stream = self.saved();
        *self = self.resumed(&stream);
    }
}

/// Bytes that repeat late.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
