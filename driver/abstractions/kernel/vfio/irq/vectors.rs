// SPDX-License-Identifier: GPL-2.0-only

//! Message-signalled interrupts: one eventfd per vector.

use kernel::prelude::*;

use super::{
    Action,
    Data,
    Set, //
};
use crate::eventfd;

/// The vectors of one index, MSI or MSI-X.
///
/// Vectors may be bound and unbound one by one while others are in use.
#[derive(Default)]
pub struct Vectors {
    /// Empty while the index is disabled.
    contexts: KVec<Option<eventfd::Context>>,
}

impl Vectors {
    /// A disabled index.
    pub const fn new() -> Self {
        Self {
            contexts: KVec::new(),
        }
    }

    /// Has the user set up the index?
    pub fn is_enabled(&self) -> bool {
        !self.contexts.is_empty()
    }

    /// Serves `set` for an index of `available` vectors. On error nothing has changed.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for masking; `EINVAL` to trigger what is disabled, or to bind nothing; `EBADF` or
    /// `EINVAL` for what is no eventfd; `ENOMEM`.
    pub fn apply(&mut self, set: &Set<'_>, available: u32) -> Result {
        if set.action != Action::Trigger {
            return Err(ENOTTY);
        }
        if set.disables() && self.is_enabled() {
            self.clear();
            return Ok(());
        }
        let range = set.range()?;
        match set.data {
            Data::Eventfd(_) if range.is_empty() => return Err(EINVAL),
            Data::Eventfd(fds) => {
                let mut new = KVec::with_capacity(range.len(), GFP_KERNEL_ACCOUNT)?;
                for context in fds.contexts() {
                    new.push(context?, GFP_KERNEL_ACCOUNT)?;
                }
                if !self.is_enabled() {
                    self.contexts = disabled(usize::try_from(available)?)?;
                }
                let slots = self.contexts.get_mut(range).ok_or(EINVAL)?;
                for (slot, context) in slots.iter_mut().zip(new) {
                    *slot = context;
                }
            }
            Data::None | Data::Bool(_) => {
                if !self.is_enabled() {
                    return Err(EINVAL);
                }
                let slots = self.contexts.get(range).ok_or(EINVAL)?;
                for (i, slot) in slots.iter().enumerate() {
                    if let (true, Some(context)) = (set.concerns(i), slot) {
                        context.signal();
                    }
                }
            }
        }
        Ok(())
    }

    /// Signals the vectors whose bit is set in `pending`, lowest bit first vector; returns those
    /// that are bound to an eventfd, which the others have to wait for.
    pub fn signal(&self, pending: u32) -> u32 {
        let bits = (0..u32::BITS).map(|i| 1 << i);
        let mut delivered = 0;
        for (bit, slot) in bits.zip(&self.contexts) {
            if let (true, Some(context)) = (pending & bit != 0, slot) {
                context.signal();
                delivered |= bit;
            }
        }
        delivered
    }

    /// Disables the index and forgets all eventfds.
    pub fn clear(&mut self) {
        self.contexts = KVec::new();
    }
}

/// `count` vectors that are bound to nothing.
fn disabled(count: usize) -> Result<KVec<Option<eventfd::Context>>> {
    let mut contexts = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
    for _ in 0..count {
        contexts.push(None, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(contexts)
}
