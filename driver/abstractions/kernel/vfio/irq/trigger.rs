// SPDX-License-Identifier: GPL-2.0-only

//! A single event, such as the request to give a device back.

use kernel::prelude::*;

use super::{
    Action,
    Data,
    Set, //
};
use crate::eventfd;

/// An event that can be bound to an eventfd.
#[derive(Default)]
pub struct Trigger(Option<eventfd::Context>);

impl Trigger {
    /// An event that nobody waits for.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Serves `set` for an index with one interrupt.
    ///
    /// # Errors
    ///
    /// `ENOTTY` for masking; `EINVAL` for an empty range, or if there is nothing to disable or to
    /// trigger; `EBADF` or `EINVAL` for what is no eventfd.
    pub fn apply(&mut self, set: &Set<'_>) -> Result {
        if set.action != Action::Trigger {
            return Err(ENOTTY);
        }
        match (set.data, set.count) {
            (Data::None, 0) if self.0.is_some() => self.clear(),
            (_, 0) => return Err(EINVAL),
            (Data::Eventfd(fds), _) => self.0 = fds.contexts().next().ok_or(EINVAL)??,
            (Data::None | Data::Bool(_), _) => {
                let context = self.0.as_ref().ok_or(EINVAL)?;
                if set.concerns(0) {
                    context.signal();
                }
            }
        }
        Ok(())
    }

    /// Signals the event. Returns whether somebody waits for it.
    pub fn signal(&self) -> bool {
        self.0.as_ref().map(eventfd::Context::signal).is_some()
    }

    /// Forgets the eventfd.
    pub fn clear(&mut self) {
        self.0 = None;
    }
}
