// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The card: registers, rings, interrupts.

use vmig_vfio::Memory;

use super::dma;
use crate::pci::Function;
use crate::Result;

const VENDOR: u16 = 0x1234;
const DEVICE: u16 = 0x4d47;

/// Size of BAR 0.
const REGISTERS_LEN: usize = 0x4000;
const ID: usize = 0x00;
const FEATURES: usize = 0x08;
const MEMORY: usize = 0x0c;
const CONTROL: usize = 0x10;
const INTERRUPT: usize = 0x20;
const MASK: usize = 0x24;
const QUEUES: usize = 0x100;
const QUEUE_LEN: usize = 0x20;
/// In a queue.
const QUEUE_CONTROL: usize = 0x00;
const QUEUE_STATUS: usize = 0x04;
const QUEUE_BASE: usize = 0x08;
const QUEUE_SIZE: usize = 0x10;
const QUEUE_HEAD: usize = 0x14;
const QUEUE_TAIL: usize = 0x18;
/// The MSI-X table.
const TABLE: usize = 0x2000;
const ENTRY_LEN: usize = 0x10;

const MAGIC: u32 = u32::from_le_bytes(*b"vmig");
const QUEUES_MASK: u32 = 0xf;
const CRC_UNIT: u32 = 1 << 8;
/// The first queue that can have a CRC unit.
const FIRST_CRC: usize = 2;

/// Descriptors in a ring.
const RING_SIZE: usize = 64;
/// Bytes of a descriptor, and where in it the card writes.
const LEN: usize = 32;
const RESULT: usize = 24;
const STATUS: usize = 28;

/// What a message says.
const RUNG: u32 = 0x600d_1e55;

/// A descriptor as the card reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    pub(super) operation: u8,
    pub(super) length: usize,
    pub(super) source: u64,
    pub(super) destination: u64,
}

/// What the card has written to a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) result: u32,
    pub(super) status: u32,
}

/// The card, switched on.
pub(super) struct Card {
    registers: Memory,
    /// What both sides read and write.
    pub(super) memory: Memory,
    features: u32,
    mib: u32,
    /// The next descriptor of each ring.
    tails: std::cell::RefCell<Vec<usize>>,
}

impl Card {
    /// Waits for it, resets it and lets its interrupts pass.
    pub(super) fn wait_for() -> Result<Self> {
        let function = Function::wait_for(VENDOR, DEVICE)?;
        function.enable()?;
        let registers = function.map(0, REGISTERS_LEN)?;
        let id = registers.read_u32(ID)?;
        if id != MAGIC {
            return Err(format!("the card's ID is {id:#x}").into());
        }
        registers.write_u32(CONTROL, 1)?;
        registers.write_u32(MASK, 0)?;
        let features = registers.read_u32(FEATURES)?;
        let mib = registers.read_u32(MEMORY)?;
        let count = usize::try_from(features & QUEUES_MASK)?;
        Ok(Self {
            memory: dma::map()?,
            features,
            mib,
            tails: vec![0; count].into(),
            registers,
        })
    }

    /// Queues.
    pub(super) fn queues(&self) -> usize {
        self.tails.borrow().len()
    }

    /// Size of the device memory in MiB.
    pub(super) fn memory_mib(&self) -> u32 {
        self.mib
    }

    /// Whether a queue has a CRC unit.
    pub(super) fn sums(&self, queue: usize) -> bool {
        self.features & CRC_UNIT != 0 && queue >= FIRST_CRC
    }

    /// Gives a queue its ring and its interrupt, and enables it.
    pub(super) fn set_up(&self, queue: usize) -> Result<()> {
        let share = u64::try_from(dma::SHARE * queue)? + dma::BASE;
        let entry = TABLE + ENTRY_LEN * queue;
        let message = share + u64::try_from(dma::MESSAGE)?;
        self.registers.write_u32(entry, u32::try_from(message)?)?;
        self.registers.write_u32(entry + 4, 0)?;
        self.registers.write_u32(entry + 8, RUNG)?;
        // Not masked any more.
        self.registers.write_u32(entry + 12, 0)?;
        let ring = share + u64::try_from(dma::RING)?;
        self.set(queue, QUEUE_BASE, u32::try_from(ring)?)?;
        self.set(queue, QUEUE_BASE + 4, 0)?;
        self.set(queue, QUEUE_SIZE, u32::try_from(RING_SIZE)?)?;
        self.set(queue, QUEUE_CONTROL, 1)
    }

    /// Has a queue do descriptors; the last one interrupts.
    pub(super) fn submit(&self, queue: usize, descriptors: &[Descriptor]) -> Result<()> {
        let mut tails = self.tails.borrow_mut();
        let tail = tails.get_mut(queue).ok_or("no such queue")?;
        for (i, descriptor) in descriptors.iter().enumerate() {
            let last = i + 1 == descriptors.len();
            let mut bytes = [0; LEN];
            bytes[0] = descriptor.operation;
            bytes[1] = u8::from(last);
            bytes[4..8].copy_from_slice(&u32::try_from(descriptor.length)?.to_le_bytes());
            bytes[8..16].copy_from_slice(&descriptor.source.to_le_bytes());
            bytes[16..24].copy_from_slice(&descriptor.destination.to_le_bytes());
            self.memory.write(place(queue, *tail), &bytes)?;
            *tail = (*tail + 1) % RING_SIZE;
        }
        self.set(queue, QUEUE_TAIL, u32::try_from(*tail)?)
    }

    /// What the card has written to the last `count` descriptors of a queue.
    pub(super) fn written(&self, queue: usize, count: usize) -> Result<Vec<Written>> {
        let tail = *self.tails.borrow().get(queue).ok_or("no such queue")?;
        let first = tail + RING_SIZE - count;
        let read = |i: usize| -> Result<Written> {
            let at = place(queue, (first + i) % RING_SIZE);
            Ok(Written {
                result: self.memory.read_u32(at + RESULT)?,
                status: self.memory.read_u32(at + STATUS)?,
            })
        };
        (0..count).map(read).collect()
    }

    /// Whether the last descriptor of a queue has a status.
    pub(super) fn has_written(&self, queue: usize) -> Result<bool> {
        let last = self.written(queue, 1)?;
        Ok(last.iter().all(|it| it.status != 0))
    }

    /// Whether a queue has done all it was asked for, or has stopped with an error.
    pub(super) fn is_idle(&self, queue: usize) -> Result<bool> {
        let tail = *self.tails.borrow().get(queue).ok_or("no such queue")?;
        let head = self.get(queue, QUEUE_HEAD)?;
        Ok(usize::try_from(head)? == tail || self.get(queue, QUEUE_STATUS)? != 0)
    }

    /// Whether the message of a queue has come.
    pub(super) fn interrupted(&self, queue: usize) -> Result<bool> {
        let message = self.memory.read_u32(dma::SHARE * queue + dma::MESSAGE)?;
        match message {
            0 => Ok(false),
            RUNG => Ok(true),
            other => Err(format!("queue {queue}: message {other:#x}").into()),
        }
    }

    /// Makes way for the next interrupt of a queue.
    pub(super) fn acknowledge(&self, queue: usize) -> Result<()> {
        let message = dma::SHARE * queue + dma::MESSAGE;
        self.memory.write_u32(message, 0)?;
        Ok(self.registers.write_u32(INTERRUPT, 1 << queue)?)
    }

    fn get(&self, queue: usize, register: usize) -> Result<u32> {
        Ok(self
            .registers
            .read_u32(QUEUES + QUEUE_LEN * queue + register)?)
    }

    fn set(&self, queue: usize, register: usize, value: u32) -> Result<()> {
        let at = QUEUES + QUEUE_LEN * queue + register;
        Ok(self.registers.write_u32(at, value)?)
    }
}

/// Where in memory a descriptor of a queue is.
fn place(queue: usize, index: usize) -> usize {
    dma::SHARE * queue + dma::RING + LEN * index
}
