// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig.example/accel`: an accelerator with memory of its own.
//!
//! # Data sheet
//!
//! | what | value |
//! |---|---|
//! | IDs | 1234:4d47, subsystem 1af4:1100, revision 1, class 0x120000; see [`config`] |
//! | BAR 0 | 16 KiB: registers at 0, MSI-X table at 0x2000, MSI-X pending bits at 0x3000 |
//! | BAR 2 | 64-bit, prefetchable: the device memory, 16 to 256 MiB; can be mapped |
//! | queues | 1 to 8, each with a ring of descriptors in guest memory; see [`queue`], [`descriptor`] |
//! | interrupts | MSI-X with a vector per queue; no INTx |
//!
//! # Registers
//!
//! All are dwords, little-endian. Accesses may have any width and alignment; what covers a part of a dword
//! reads or changes this part, but TAIL takes whole dwords only. What is not named reads 0 and ignores
//! writes. Reading has no side effects.
//!
//! | offset | register | access | reset value |
//! |---|---|---|---|
//! | 0000 | ID | read | 67696d76, "vmig" |
//! | 0004 | VERSION | read | 00010000 |
//! | 0008 | FEATURES | read | bits 0 to 3: number of queues; bit 8: queues 2 and up have a CRC unit |
//! | 000c | MEMORY | read | size of the device memory in MiB |
//! | 0010 | CONTROL | write | reads 0; writing 1 to bit 0 resets |
//! | 0020 | INTERRUPT | read; writing 1 clears | 0; bit n: queue n has an interrupt |
//! | 0024 | MASK | read, write | a 1 for each queue: its interrupt sends no message |
//! | 0100 | queue 0 | | 0x20 bytes per queue, see [`queue`] |
//! | 2000 | MSI-X table | read, write | 16 bytes per vector: 0, but vector control, which is 1 |
//! | 3000 | MSI-X pending bits | read | 0 |
//!
//! VERSION has a major number in its upper half, which changes when a driver written for the old number would
//! not work, and a minor one in its lower half, which counts additions that such a driver need not know of.
//! More bits of FEATURES may come with them: a driver ignores those that it does not know.
//!
//! COMMAND.1 (memory space) is kept, and gates nothing in the card: its registers and memory answer whoever
//! reaches them. It is the VMM that has the BARs in the guest's address space or not.
//!
//! Resetting by CONTROL disables all queues, gives INTERRUPT and MASK their reset values and drops pending
//! vectors. Config space, device memory and the MSI-X table stay. The reset of the function changes them as
//! well: all is as in this sheet, and the memory is 0. It is the VMM that resets the function
//! (`VFIO_DEVICE_RESET`); there is no function level reset that a guest could ask for, so that CONTROL is the
//! reset of a driver.
//!
//! A queue has an interrupt when it stops with an error, and when a descriptor that asks for it is done. With
//! MSI-X on, vector n becomes pending when bit n of INTERRUPT without those of MASK goes from 0 to 1 (or is 1
//! when MSI-X is switched on), is delivered while COMMAND.2 (Bus Master) is 1 and the function is not masked,
//! and is dropped when MSI-X is switched off. The table is only kept: it is the VMM that reads the messages
//! and the masks of single vectors from it.
//!
//! While bit n of INTERRUPT is 1, no other message comes from queue n. A driver therefore clears the bit
//! first, and reads HEAD then: what is done after that read sends a message of its own.
//!
//! # Work
//!
//! The queues work by turns, in steps of at most 1 MiB and 256 descriptors, while Bus Master is 1. What a step
//! does to HEAD, DONE, STATUS and INTERRUPT is seen at its end, all at once: the status of a descriptor is in
//! memory up to 256 descriptors or 1 MiB of work earlier, and HEAD is up to date when INTERRUPT is read as 1.
//! Once a write that disables a queue, resets or switches Bus Master off is done, the queue, the card, has done
//! its last access to guest memory. Bus Master interrupts work only: it goes on where it was. In which order descriptors of
//! different queues are done, and when a piece of data arrives, is not defined.
//!
//! # State records
//!
//! In this order: 0x0220 and 0x0221, as many as there are; then 0x0201, 0x0202, 0x0203, and for each queue
//! 0x0210. A payload of 0x0220 has up to 65,540 bytes, all others up to 4,096.
//!
//! | tag | record | payload | state |
//! |---|---|---|---|
//! | 0x0201 | config space | see [`config::ConfigV1`] | every writable bit of config space |
//! | 0x0202 | interrupts | u8 INTERRUPT, u8 MASK, u8 pending vectors | interrupts |
//! | 0x0203 | MSI-X table | 16 bytes per vector | the table |
//! | 0x0210 | queue | u8 queue, then see [`queue::QueueV1`] | registers, the descriptor that is being done |
//! | 0x0220 | memory | u32 first page, then 1 to 16 pages of 4096 bytes | device memory |
//! | 0x0221 | zero memory | u32 first page, u32 number of pages, 1 to 256 | the same; with `codec=zero` only |
//!
//! The stream begins with no memory: a page that no record names is 0. A page may come more than once; the
//! last one counts. Whether a message was sent already is not in the stream, nor is whose turn it is.

pub mod config;
pub mod descriptor;
pub mod queue;

mod build;
mod contents;
mod device;
mod interrupts;
mod records;
mod step;

pub use build::pages;
pub use interrupts::Interrupts;
pub use records::{
    Cursor,
    Held, //
};
pub use step::{
    Outcome,
    Step,
    STEP_MAX, //
};

use crate::{
    memory::Memory,
    pci::Piece,
    types::DeviceType,
    values::Values, //
};

use build::Build;
use config::Config;
use queue::{
    Effect,
    Queue, //
};

/// Device model string.
pub const MODEL: &str = "vmig.example/accel";

/// Most queues of a card.
pub const QUEUES_MAX: usize = 8;

/// Size of the register BAR.
pub const REGISTERS_LEN: u32 = 0x4000;

/// Offset of the MSI-X table in the register BAR.
pub const TABLE: u32 = 0x2000;

/// Offset of the MSI-X pending bits in the register BAR.
pub const PBA: u32 = 0x3000;

/// The BAR with the registers.
pub const BAR_REGISTERS: u8 = 0;

/// The BAR with the device memory.
pub const BAR_MEMORY: u8 = 2;

const ID: u32 = 0x6769_6d76;
const VERSION: u32 = 0x0001_0000;
const FEATURE_CRC: u32 = 1 << 8;
const CONTROL_RESET: u32 = 1;

/// A step that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Out {
    index: u8,
    /// What comes of it is not wanted.
    dropped: bool,
}

/// An accelerator.
///
/// # Invariants
///
/// - `config` and `interrupts` follow `values`; `build` does, and `memory` has as many pages as they ask for.
///   Only between `set_values` and `reset` of [`crate::device::Device`] the former two may not.
/// - Queues that `values` do not ask for are as after reset.
#[derive(Clone, Debug)]
pub struct Card<M> {
    ty: &'static DeviceType,
    values: Values,
    build: Build,
    config: Config,
    interrupts: Interrupts,
    queues: [Queue; QUEUES_MAX],
    /// The queue whose turn it is.
    turn: u8,
    out: Option<Out>,
    memory: M,
}

impl<M: Memory> Card<M> {
    /// A new card of type `ty`, one of the `accel-` types, with `values`. `memory` has as many pages as
    /// [`pages`] says, and is untouched.
    pub fn new(ty: &'static DeviceType, values: Values, memory: M) -> Self {
        let build = Build::of(ty, &values);
        Self {
            ty,
            values,
            build,
            config: Config::new(build.layout()),
            interrupts: Interrupts::new(build.queues),
            queues: [Queue::new(); QUEUES_MAX],
            turn: 0,
            out: None,
            memory,
        }
    }

    /// Its memory.
    pub const fn memory(&self) -> &M {
        &self.memory
    }

    /// The queues that are there.
    fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.iter().take(usize::from(self.build.queues))
    }

    /// The index of the queue that is to work next.
    fn next(&self) -> Option<u8> {
        if !self.config.bus_master() {
            return None;
        }
        let ready = |index: &u8| {
            let queue = self.queues.get(usize::from(*index));
            queue.is_some_and(Queue::is_ready)
        };
        let after = (self.turn..self.build.queues).find(ready);
        after.or_else(|| (0..self.build.queues).find(ready))
    }

    /// Nothing that a step does for queue `index` is wanted any more.
    fn drop_step(&mut self, index: u8) {
        if let Some(out) = self.out.as_mut().filter(|out| out.index == index) {
            out.dropped = true;
        }
    }

    /// What CONTROL does.
    fn soft_reset(&mut self) {
        self.queues = [Queue::new(); QUEUES_MAX];
        self.interrupts.soft_reset();
        self.turn = 0;
        if let Some(out) = &mut self.out {
            out.dropped = true;
        }
    }

    /// The register at `at`, a multiple of 4.
    fn register(&self, at: u64) -> u32 {
        if let Some((index, at)) = locate(at) {
            return self.queues().nth(index).map_or(0, |queue| queue.read(at));
        }
        match at {
            0x00 => ID,
            0x04 => VERSION,
            0x08 => {
                let crc = if self.build.checksum { FEATURE_CRC } else { 0 };
                u32::from(self.build.queues) | crc
            }
            0x0c => self.build.memory_mib,
            _ => self.interrupts.read(at),
        }
    }

    fn write_register(&mut self, piece: Piece) {
        let Some((index, at)) = locate(piece.at) else {
            match piece.at {
                0x10 if piece.value & CONTROL_RESET != 0 => self.soft_reset(),
                _ => self.interrupts.write(piece, self.config.msix_enabled()),
            }
            return;
        };
        let queues = self.queues.iter_mut().take(usize::from(self.build.queues));
        let Some((queue, number)) = queues.zip(0u8..).nth(index) else {
            return;
        };
        match queue.write(Piece { at, ..piece }) {
            Effect::None => (),
            Effect::Stopped => self.drop_step(number),
            Effect::Failed => self.interrupts.raise(number, self.config.msix_enabled()),
        }
    }
}

/// Index of the queue, and the register of it, at offset `at` of the register BAR.
fn locate(at: u64) -> Option<(usize, u64)> {
    let at = at.checked_sub(0x100).filter(|at| *at < 0x100)?;
    let index = usize::try_from(at / queue::REGISTERS_LEN).ok()?;
    Some((index, at % queue::REGISTERS_LEN))
}
