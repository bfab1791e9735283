// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A step of a queue: a piece of its work, done where nothing is locked.

use super::{
    descriptor::{
        Descriptor,
        Error,
        Limits,
        Operation,
        DONE,
        LEN,
        RESULT,
        STATUS, //
    },
    queue::{
        Active,
        Queue, //
    }, //
};
use crate::{
    crc::Crc32c,
    memory::{
        Bus,
        Memory, //
    }, //
};

/// Most bytes that a step moves.
pub const STEP_MAX: u32 = 1 << 20;

/// What a descriptor counts at least, in bytes: so many descriptors without much to move make a step.
const DESCRIPTOR_COST: u32 = 4096;

/// A step that is out. It is to be run once, and its outcome given back.
#[derive(Debug)]
#[must_use = "the device waits for the outcome"]
pub struct Step {
    pub(super) index: u8,
    pub(super) queue: Queue,
    pub(super) limits: Limits,
}

/// What came of a step.
#[derive(Debug)]
#[must_use = "the device waits for it"]
pub struct Outcome {
    pub(super) index: u8,
    pub(super) queue: Queue,
    /// The queue has an interrupt.
    pub(super) interrupt: bool,
}

impl Step {
    /// Does it: reads descriptors and moves data between `bus` and the device's `memory`, through
    /// `scratch`. The longer that is, the fewer accesses are made; 64 KiB are plenty. Without any,
    /// nothing is done.
    pub fn run<C: Crc32c>(
        self,
        bus: &impl Bus,
        memory: &impl Memory,
        scratch: &mut [u8],
    ) -> Outcome {
        let Self {
            index,
            queue,
            limits,
        } = self;
        let mut run = Run {
            queue,
            limits,
            bus,
            memory,
            scratch,
            left: STEP_MAX,
            interrupt: false,
        };
        while run.left > 0 && run.queue.is_ready() && !run.scratch.is_empty() {
            if let Err(error) = run.next::<C>() {
                run.fail(error);
            }
        }
        Outcome {
            index,
            queue: run.queue,
            interrupt: run.interrupt,
        }
    }
}

struct Run<'a, B, M> {
    queue: Queue,
    limits: Limits,
    bus: &'a B,
    memory: &'a M,
    scratch: &'a mut [u8],
    /// Bytes that may still be moved.
    left: u32,
    interrupt: bool,
}

impl<B: Bus, M: Memory> Run<'_, B, M> {
    /// Carries the descriptor at the head on.
    fn next<C: Crc32c>(&mut self) -> Result<(), Error> {
        let mut active = match self.queue.active {
            Some(active) => active,
            None => self.fetch()?,
        };
        let before = active.moved;
        while active.moved < active.descriptor.length {
            let room = u32::try_from(self.scratch.len()).unwrap_or(u32::MAX);
            let lacking = active.descriptor.length.saturating_sub(active.moved);
            let spent = active.moved.saturating_sub(before);
            let len = lacking.min(room).min(self.left.saturating_sub(spent));
            if len == 0 {
                break;
            }
            self.transfer::<C>(&mut active, len)?;
            active.moved = active.moved.saturating_add(len);
        }
        let cost = active.moved.saturating_sub(before).max(DESCRIPTOR_COST);
        self.left = self.left.saturating_sub(cost);
        if active.moved < active.descriptor.length {
            // INVARIANT: something was moved, as `left` was not 0.
            self.queue.active = Some(active);
            return Ok(());
        }
        self.complete(&active)
    }

    /// Reads the descriptor at the head.
    fn fetch(&self) -> Result<Active, Error> {
        let mut bytes = [0; LEN];
        let read = self.bus.read(self.queue.at_head(), &mut bytes);
        read.map_err(|_| Error::Fetch)?;
        let request = bytes.first_chunk().ok_or(Error::Fetch)?;
        let descriptor = Descriptor::parse(request, self.limits)?;
        let crc = match descriptor.operation {
            Operation::Crc => u32::MAX,
            _ => 0,
        };
        Ok(Active {
            descriptor,
            moved: 0,
            crc,
        })
    }

    /// Moves the next `len` bytes, at most as many as `scratch` has.
    fn transfer<C: Crc32c>(&mut self, active: &mut Active, len: u32) -> Result<(), Error> {
        let Descriptor {
            operation,
            source,
            destination,
            ..
        } = active.descriptor;
        let moved = u64::from(active.moved);
        // INVARIANT: the ranges were checked.
        let (from, to) = (
            source.saturating_add(moved),
            destination.saturating_add(moved),
        );
        let len = usize::try_from(len).unwrap_or(0);
        let data = self.scratch.get_mut(..len).unwrap_or_default();
        match operation {
            Operation::CopyIn => self.bus.read(from, data).map_err(|_| Error::Data)?,
            Operation::CopyOut | Operation::CopyWithin | Operation::Crc => {
                self.memory.read(from, data);
            }
            Operation::Fill => fill(source, moved, data),
        }
        match operation {
            Operation::CopyIn | Operation::CopyWithin | Operation::Fill => {
                self.memory.write(to, data).map_err(|_| Error::Memory)?;
            }
            Operation::CopyOut => self.bus.write(to, data).map_err(|_| Error::Data)?,
            Operation::Crc => active.crc = C::update(active.crc, data),
        }
        Ok(())
    }

    /// Writes back what is written back, the status last.
    fn complete(&mut self, active: &Active) -> Result<(), Error> {
        if active.descriptor.operation == Operation::Crc {
            self.put(RESULT, !active.crc)?;
        }
        self.put(STATUS, DONE)?;
        self.queue.advance();
        self.interrupt |= active.descriptor.interrupt;
        Ok(())
    }

    /// Writes a field of the descriptor at the head.
    fn put(&self, field: u64, value: u32) -> Result<(), Error> {
        let at = self.queue.at_head().saturating_add(field);
        let written = self.bus.write(at, &value.to_le_bytes());
        written.map_err(|_| Error::Complete)
    }

    fn fail(&mut self, error: Error) {
        if error.is_of_descriptor() {
            // The queue has its error, whether the descriptor can tell it or not.
            let _ = self.put(STATUS, u32::from(error.code()));
        }
        self.queue.fail(error);
        self.interrupt = true;
    }
}

/// Fills `data` with the 8 bytes of `pattern`, repeated; `moved` bytes come before.
fn fill(pattern: u64, moved: u64, data: &mut [u8]) {
    let bytes = pattern.to_le_bytes();
    let first = usize::try_from(moved % 8).unwrap_or(0);
    let mut turned = [0; 8];
    for (slot, byte) in turned.iter_mut().zip(bytes.iter().cycle().skip(first)) {
        *slot = *byte;
    }
    for chunk in data.chunks_mut(8) {
        for (slot, byte) in chunk.iter_mut().zip(turned) {
            *slot = byte;
        }
    }
}
