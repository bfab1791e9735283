// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A queue: its registers, and how far it has come.
//!
//! | offset | register | access | reset value |
//! |---|---|---|---|
//! | 00 | CONTROL | read, write | 0; bit 0: enable |
//! | 04 | STATUS | read | 0; bits 0 to 7: error, see [`super::descriptor`] and below |
//! | 08 | BASE, lower half | read, write while disabled | 0; the lower 5 bits are always 0 |
//! | 0c | BASE, upper half | read, write while disabled | 0 |
//! | 10 | SIZE | read, write while disabled | 0; bits 0 to 15 |
//! | 14 | HEAD | read | 0 |
//! | 18 | TAIL | read, write as a whole while enabled | 0 |
//! | 1c | DONE | read | 0 |
//!
//! SIZE descriptors at the IOVA BASE are a ring. HEAD is the descriptor that is done next, TAIL the first
//! one that is not to be done: writing TAIL is the doorbell. The queue does what is between, one after
//! the other; it is done when HEAD equals TAIL, so that a doorbell asks for at most SIZE - 1 descriptors.
//! HEAD moves, and DONE counts up (and wraps around), after the status of a descriptor was written. As a
//! descriptor cannot name another one, no ring loops. A TAIL that lies behind asks for the rest of the ring as
//! well; it does not take back a descriptor that was read.
//!
//! A driver puts descriptors into the ring first, and orders these writes before that of TAIL. All 32 bytes of
//! a descriptor are read, result and status as well. To see what is done a driver reads HEAD, or the status of
//! a descriptor, and orders that before it reads result and data.
//!
//! Enabling sets HEAD, TAIL, DONE and STATUS to 0, and so does disabling. SIZE must be a power of two from
//! 2 to 4096, and the ring must not wrap around. A descriptor is read once, when its turn comes.
//!
//! # Errors
//!
//! An error stops the queue: STATUS tells which, HEAD stays at the descriptor, whose status tells it as well
//! if it is the descriptor's error, and the queue has an interrupt. Data may have been written in part. The
//! queue does nothing more until it is disabled and enabled again. The first error stays: when a bad TAIL is
//! written while a descriptor is being done, STATUS tells that, even if the descriptor fails as well. Errors of
//! the queue, beside those of descriptors:
//!
//! | STATUS | meaning |
//! |---|---|
//! | 10 | a descriptor cannot be read |
//! | 11 | the result or the status of a descriptor cannot be written |
//! | 12 | TAIL is not below SIZE |
//! | 13 | SIZE is not allowed, or the ring wraps around |

mod state;

pub use state::QueueV1;

use super::descriptor::{
    self,
    Descriptor,
    Error, //
};
use crate::pci::{
    halves64,
    join64,
    Piece, //
};

/// Bytes of registers of a queue.
pub const REGISTERS_LEN: u64 = 0x20;

/// Most descriptors in a ring.
pub const SIZE_MAX: u32 = 4096;

const CONTROL: u64 = 0x00;
const STATUS: u64 = 0x04;
const BASE_LOW: u64 = 0x08;
const BASE_HIGH: u64 = 0x0c;
const SIZE: u64 = 0x10;
const HEAD: u64 = 0x14;
const TAIL: u64 = 0x18;
const DONE: u64 = 0x1c;

const CONTROL_ENABLE: u32 = 1;

const BASE_MASK: u32 = !0x1f;
const SIZE_MASK: u32 = 0xffff;

/// A descriptor that was read and is not done.
///
/// # Invariants
///
/// `moved` is above 0 and below the descriptor's length. `crc` is 0 if the operation is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    pub(super) descriptor: Descriptor,
    /// Bytes that are done.
    pub(super) moved: u32,
    /// Register of the CRC unit.
    pub(super) crc: u32,
}

/// What a write to a register of a queue did besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// Whatever a step does for the queue is no longer wanted.
    Stopped,
    /// The queue has an error now.
    Failed,
}

/// A queue.
///
/// # Invariants
///
/// - `base` is a multiple of 32; `size` has 16 bits.
/// - Disabled, `head`, `tail`, `done`, `error` and `active` are as after reset.
/// - Enabled without an error `Setup`, `size` is allowed and the ring does not wrap around; `head` and
///   `tail` are below `size`. With that error, `head`, `tail` and `done` are 0.
/// - `head` is `done` modulo `size` where that is allowed.
/// - `active` is `Some` only if the queue is enabled and there is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    pub(super) enabled: bool,
    pub(super) base: u64,
    pub(super) size: u32,
    pub(super) head: u32,
    pub(super) tail: u32,
    pub(super) done: u32,
    pub(super) error: Option<Error>,
    pub(super) active: Option<Active>,
}

impl Queue {
    /// After reset.
    pub const fn new() -> Self {
        Self {
            enabled: false,
            base: 0,
            size: 0,
            head: 0,
            tail: 0,
            done: 0,
            error: None,
            active: None,
        }
    }

    /// Whether there is something to do.
    pub(super) const fn is_ready(&self) -> bool {
        let due = self.active.is_some() || self.head != self.tail;
        self.enabled && self.error.is_none() && due
    }

    /// IOVA of the descriptor at `head`.
    pub(super) fn at_head(&self) -> u64 {
        let offset = u64::from(self.head).saturating_mul(RING_STEP);
        // INVARIANT: an enabled ring does not wrap around.
        self.base.saturating_add(offset)
    }

    /// The descriptor at `head` is done.
    pub(super) fn advance(&mut self) {
        let next = self.head.wrapping_add(1);
        // INVARIANT: below `size`.
        self.head = if next < self.size { next } else { 0 };
        self.done = self.done.wrapping_add(1);
        self.active = None;
    }

    /// Stops with an error.
    pub(super) fn fail(&mut self, error: Error) {
        self.error = Some(error);
        self.active = None;
    }

    /// Takes how far a step has come; the doorbell may have been rung meanwhile.
    pub(super) fn take(&mut self, after: &Self) {
        self.head = after.head;
        self.done = after.done;
        // What was wrong first is what is told.
        if self.error.is_none() {
            self.error = after.error;
            self.active = after.active;
        }
    }

    /// The register at `at`, a multiple of 4.
    pub(super) fn read(&self, at: u64) -> u32 {
        match at {
            CONTROL => u32::from(self.enabled),
            STATUS => self.error.map_or(0, |error| u32::from(error.code())),
            BASE_LOW => halves64(self.base).0,
            BASE_HIGH => halves64(self.base).1,
            SIZE => self.size,
            HEAD => self.head,
            TAIL => self.tail,
            DONE => self.done,
            _ => 0,
        }
    }

    /// Writes a part of a register.
    pub(super) fn write(&mut self, piece: Piece) -> Effect {
        let (low, high) = halves64(self.base);
        match (piece.at, self.enabled) {
            (CONTROL, _) => return self.control(piece),
            (BASE_LOW, false) => self.base = join64(piece.merge(low, BASE_MASK), high),
            (BASE_HIGH, false) => self.base = join64(low, piece.merge(high, u32::MAX)),
            (SIZE, false) => self.size = piece.merge(self.size, SIZE_MASK),
            (TAIL, true) if piece.is_whole() && self.error.is_none() => {
                if piece.value >= self.size {
                    self.fail(Error::Tail);
                    return Effect::Failed;
                }
                self.tail = piece.value;
            }
            _ => (),
        }
        Effect::None
    }

    fn control(&mut self, piece: Piece) -> Effect {
        let enabled = piece.merge(u32::from(self.enabled), CONTROL_ENABLE) != 0;
        if enabled == self.enabled {
            return Effect::None;
        }
        *self = Self {
            enabled,
            base: self.base,
            size: self.size,
            ..Self::new()
        };
        if !enabled {
            return Effect::Stopped;
        }
        if !self.is_ring() {
            self.fail(Error::Setup);
            return Effect::Failed;
        }
        Effect::None
    }

    /// Whether `base` and `size` are a ring.
    pub(super) fn is_ring(&self) -> bool {
        let len = u64::from(self.size).saturating_mul(RING_STEP);
        let sized = self.size.is_power_of_two() && (2..=SIZE_MAX).contains(&self.size);
        // The last byte may have the highest address.
        sized && self.base.checked_add(len.saturating_sub(1)).is_some()
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes from a descriptor to the next: [`descriptor::LEN`].
const RING_STEP: u64 = 32;
const _: () = assert!(descriptor::LEN == 32);
