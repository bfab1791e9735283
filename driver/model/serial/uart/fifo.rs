// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! FIFOs of a port.

use super::FIFO_MAX;

/// A received character with the errors it came with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Char {
    /// The character.
    pub data: u8,
    /// Its bits of LSR: parity error (2), framing error (3), break (4).
    pub errors: u8,
}

/// At most [`FIFO_MAX`] items, first in, first out.
///
/// # Invariants
///
/// `len` is at most [`FIFO_MAX`]; the slots from `len` on have the default value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fifo<T> {
    slots: [T; FIFO_MAX],
    len: usize,
}

impl<T: Copy + Default> Fifo<T> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            slots: [T::default(); FIFO_MAX],
            len: 0,
        }
    }

    /// Appends `item`; `None` if there is no room at all.
    pub fn push(&mut self, item: T) -> Option<()> {
        *self.slots.get_mut(self.len)? = item;
        // INVARIANT: there was a slot at `len`.
        self.len = self.len.saturating_add(1);
        Some(())
    }

    /// Removes the first item.
    pub fn pop(&mut self) -> Option<T> {
        let first = *self.slots.first()?;
        self.len = self.len.checked_sub(1)?;
        // INVARIANT: the slot that comes last has the default value.
        self.slots.rotate_left(1);
        if let Some(last) = self.slots.last_mut() {
            *last = T::default();
        }
        Some(first)
    }
}

impl<T: Copy + Default> Default for Fifo<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Fifo<T> {
    /// Number of items.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no item.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The items, in order.
    pub fn items(&self) -> &[T] {
        self.slots.get(..self.len).unwrap_or_default()
    }

    /// The first item.
    pub const fn first(&self) -> Option<&T> {
        match &self.slots {
            [first, ..] if self.len > 0 => Some(first),
            _ => None,
        }
    }

    /// The first item.
    pub fn first_mut(&mut self) -> Option<&mut T> {
        self.slots.first_mut().filter(|_| self.len > 0)
    }
}

impl Fifo<Char> {
    /// Whether a character came with an error.
    pub(super) const fn any_error(&self) -> bool {
        let mut left = self.slots.as_slice();
        while let [char, rest @ ..] = left {
            if char.errors != 0 {
                return true;
            }
            left = rest;
        }
        false
    }
}
