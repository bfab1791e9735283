// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A guest driver of the accelerator, written from its data sheet.

use std::time::Duration;

use vmig_vfio::{Device, DmaMapping, Memory, Region};

use crate::{pci, wait};

/// Index of the region of registers.
pub const REGISTERS: u32 = 0;
/// Index of the region of device memory.
pub const MEMORY: u32 = 2;

/// FEATURES.
pub const FEATURES: u64 = 0x08;
/// MEMORY, in MiB.
pub const MEMORY_SIZE: u64 = 0x0c;
/// CONTROL; bit 0 resets.
pub const CONTROL: u64 = 0x10;
/// INTERRUPT.
pub const INTERRUPT: u64 = 0x20;
/// MASK.
pub const MASK: u64 = 0x24;

/// Registers of queue `n`.
pub const fn queue(n: u64) -> u64 {
    0x100 + 0x20 * n
}

/// CONTROL of a queue; bit 0 enables.
pub const QUEUE_CONTROL: u64 = 0x00;
/// STATUS of a queue.
pub const QUEUE_STATUS: u64 = 0x04;
/// BASE of a queue, 64 bits.
pub const QUEUE_BASE: u64 = 0x08;
/// SIZE of a queue.
pub const QUEUE_SIZE: u64 = 0x10;
/// HEAD of a queue.
pub const QUEUE_HEAD: u64 = 0x14;
/// TAIL of a queue, the doorbell.
pub const QUEUE_TAIL: u64 = 0x18;
/// DONE of a queue.
pub const QUEUE_DONE: u64 = 0x1c;

/// Status of a descriptor that is done.
pub const DONE: u32 = 0x01;

/// How long a test waits for work: minutes of it are done in less.
const LONG: Duration = Duration::from_secs(40);

/// Length of a descriptor.
const LEN: usize = 32;

/// What a queue is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Operation, 1 to 5.
    pub operation: u8,
    /// Bit 0 asks for an interrupt.
    pub flags: u8,
    /// Must be 0.
    pub reserved: u16,
    /// Length in bytes.
    pub length: u32,
    /// IOVA, offset or pattern.
    pub source: u64,
    /// IOVA or offset.
    pub destination: u64,
}

impl Descriptor {
    const fn new(operation: u8, source: u64, destination: u64, length: u32) -> Self {
        Self {
            operation,
            flags: 0,
            reserved: 0,
            length,
            source,
            destination,
        }
    }

    /// Copies from guest memory to device memory.
    pub const fn copy_in(iova: u64, offset: u64, length: u32) -> Self {
        Self::new(1, iova, offset, length)
    }

    /// Copies from device memory to guest memory.
    pub const fn copy_out(offset: u64, iova: u64, length: u32) -> Self {
        Self::new(2, offset, iova, length)
    }

    /// Copies in device memory.
    pub const fn copy_within(from: u64, to: u64, length: u32) -> Self {
        Self::new(3, from, to, length)
    }

    /// Repeats 8 bytes in device memory.
    pub const fn fill(pattern: u64, offset: u64, length: u32) -> Self {
        Self::new(4, pattern, offset, length)
    }

    /// Sums up device memory.
    pub const fn crc(offset: u64, length: u32) -> Self {
        Self::new(5, offset, 0, length)
    }

    /// The same, with an interrupt when it is done.
    pub const fn interrupting(self) -> Self {
        Self { flags: 1, ..self }
    }

    /// As it stands in a ring. Result and status are what the card never writes.
    pub fn bytes(self) -> [u8; LEN] {
        let mut bytes = [0xee; LEN];
        bytes[0] = self.operation;
        bytes[1] = self.flags;
        bytes[2..4].copy_from_slice(&self.reserved.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.source.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.destination.to_le_bytes());
        bytes
    }
}

/// Lets the card do DMA and send messages, as every driver does first.
///
/// # Panics
///
/// If config space cannot be written.
#[track_caller]
pub fn enable(device: &Device) {
    // Memory space, Bus Master.
    let on = 0x0002 | pci::COMMAND_MASTER;
    let config = pci::config(device);
    config.write_u16(pci::COMMAND, on).expect("COMMAND");
}

/// A queue of an open card, and its ring.
#[derive(Debug)]
pub struct Queue<'a> {
    registers: Region<'a>,
    at: u64,
    ring: DmaMapping,
    size: u32,
    tail: u32,
}

impl<'a> Queue<'a> {
    /// Enables queue `number` with a ring of `size` descriptors at `iova`.
    ///
    /// # Panics
    ///
    /// If a step is refused; so for all below.
    #[track_caller]
    pub fn enable(device: &'a Device, number: u64, iova: u64, size: u32) -> Self {
        let len = (size as usize * LEN).next_multiple_of(4096);
        let ring = Memory::anonymous(len).expect("memory");
        let ring = device.dma_map(iova, ring).expect("map the ring");
        let queue = Self::attach(device, number, ring, size);
        queue.set_up();
        queue
    }

    /// The queue `number`, which was enabled elsewhere with `size` descriptors in `ring`, and whose
    /// TAIL is its HEAD.
    #[track_caller]
    pub fn attach(device: &'a Device, number: u64, ring: DmaMapping, size: u32) -> Self {
        let mut queue = Self {
            registers: device.region(REGISTERS).expect("registers"),
            at: queue(number),
            ring,
            size,
            tail: 0,
        };
        queue.tail = queue.register(QUEUE_TAIL);
        queue
    }

    /// Disables the queue and enables it again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.set_register(QUEUE_CONTROL, 0);
        self.set_up();
        self.tail = 0;
    }

    #[track_caller]
    fn set_up(&self) {
        let base = self.at + QUEUE_BASE;
        self.registers
            .write_u64(base, self.ring.iova())
            .expect("BASE");
        self.set_register(QUEUE_SIZE, self.size);
        self.set_register(QUEUE_CONTROL, 1);
    }

    /// The queue's memory.
    pub fn ring(&self) -> &DmaMapping {
        &self.ring
    }

    /// Gives back the queue's memory; the queue stays as it is.
    pub fn into_ring(self) -> DmaMapping {
        self.ring
    }

    /// Reads a register of the queue.
    #[track_caller]
    pub fn register(&self, register: u64) -> u32 {
        self.registers.read_u32(self.at + register).expect("read")
    }

    /// Writes a register of the queue.
    #[track_caller]
    pub fn set_register(&self, register: u64, value: u32) {
        let written = self.registers.write_u32(self.at + register, value);
        written.expect("write");
    }

    /// Puts descriptors into the ring and returns the index of the first; the queue does not know of
    /// them yet.
    #[track_caller]
    pub fn push(&mut self, descriptors: &[Descriptor]) -> u32 {
        assert!(descriptors.len() < self.size as usize, "a ring holds less");
        let first = self.tail;
        for descriptor in descriptors {
            let at = self.tail as usize * LEN;
            let memory = self.ring.memory();
            memory.write(at, &descriptor.bytes()).expect("ring");
            self.tail = (self.tail + 1) % self.size;
        }
        first
    }

    /// Rings the doorbell for all that was put into the ring.
    #[track_caller]
    pub fn ring_doorbell(&self) {
        self.set_register(QUEUE_TAIL, self.tail);
    }

    /// Result and status of the descriptor `index`.
    #[track_caller]
    pub fn written_back(&self, index: u32) -> (u32, u32) {
        let mut bytes = [0; 8];
        let at = (index % self.size) as usize * LEN + 24;
        self.ring.memory().read(at, &mut bytes).expect("ring");
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        (word(0), word(4))
    }

    /// Waits until the queue has done all that it was asked for, or has stopped with an error.
    #[track_caller]
    pub fn wait(&self) {
        let idle = || {
            let error = self.register(QUEUE_STATUS);
            error != 0 || self.register(QUEUE_HEAD) == self.tail
        };
        assert!(wait::until(LONG, idle), "the queue does not get ahead");
    }

    /// Has descriptors done, all of them.
    #[track_caller]
    pub fn run(&mut self, descriptors: &[Descriptor]) {
        let first = self.push(descriptors);
        self.ring_doorbell();
        self.wait();
        assert_eq!(self.register(QUEUE_STATUS), 0, "queue error");
        for (i, descriptor) in (0..).zip(descriptors) {
            let (_, status) = self.written_back(first + i);
            assert_eq!(status, DONE, "{descriptor:?}");
        }
    }

    /// Has one descriptor done that is wrong. Returns the errors that queue and descriptor show, and
    /// enables the queue again.
    #[track_caller]
    pub fn run_wrong(&mut self, descriptor: Descriptor) -> (u32, u32) {
        let index = self.push(&[descriptor]);
        self.ring_doorbell();
        self.wait();
        let error = self.register(QUEUE_STATUS);
        let (_, status) = self.written_back(index);
        self.restart();
        (error, status)
    }
}
