// SPDX-License-Identifier: GPL-2.0-only

//! Who may open devices of a parent: everybody, until the parent goes away.
#![forbid(unsafe_code)]

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

use super::Parent;

/// Counts the open devices of a parent.
#[pin_data]
pub(super) struct Gate {
    #[pin]
    state: Mutex<State>,
}

struct State {
    opens: usize,
    closed: bool,
}

impl Gate {
    pub(super) fn new() -> impl PinInit<Self> {
        let state = State {
            opens: 0,
            closed: false,
        };
        pin_init!(Self {
            state <- new_mutex!(state, "vmig::Gate"),
        })
    }

    /// Closes the gate for good, unless a device is open (`EBUSY`).
    pub(super) fn close(&self) -> Result {
        let mut state = self.state.lock();
        if state.opens > 0 {
            return Err(EBUSY);
        }
        state.closed = true;
        Ok(())
    }

    /// Closes the gate for good, whoever is inside.
    pub(super) fn shut(&self) {
        self.state.lock().closed = true;
    }

    /// Whether the gate is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    fn enter(&self) -> Result {
        let mut state = self.state.lock();
        if state.closed {
            return Err(ENODEV);
        }
        state.opens = state.opens.checked_add(1).ok_or(EOVERFLOW)?;
        Ok(())
    }

    fn leave(&self) {
        let mut state = self.state.lock();
        // A guard leaves once, so this never saturates.
        state.opens = state.opens.saturating_sub(1);
    }
}

/// A device of a parent is open.
pub(crate) struct OpenGuard(Arc<Parent>);

impl OpenGuard {
    pub(super) fn new(parent: Arc<Parent>) -> Result<Self> {
        parent.gate.enter()?;
        Ok(Self(parent))
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.gate.leave();
    }
}

#[kunit_tests(vmig_gate)]
mod tests {
    use super::*;

    #[test]
    fn an_open_device_keeps_the_gate_open() -> Result {
        let gate = KBox::pin_init(Gate::new(), GFP_KERNEL)?;
        gate.enter()?;
        gate.enter()?;
        assert_eq!(gate.close(), Err(EBUSY));
        gate.leave();
        assert_eq!(gate.close(), Err(EBUSY));
        assert!(!gate.is_closed());
        gate.leave();
        gate.close()
    }

    #[test]
    fn nobody_enters_a_closed_gate() -> Result {
        let gate = KBox::pin_init(Gate::new(), GFP_KERNEL)?;
        gate.close()?;
        assert!(gate.is_closed());
        assert_eq!(gate.enter(), Err(ENODEV));
        gate.close()
    }

    #[test]
    fn those_inside_can_leave_a_gate_that_was_shut() -> Result {
        let gate = KBox::pin_init(Gate::new(), GFP_KERNEL)?;
        gate.enter()?;
        gate.shut();
        assert!(gate.is_closed());
        assert_eq!(gate.enter(), Err(ENODEV));
        assert_eq!(gate.close(), Err(EBUSY));
        gate.leave();
        gate.close()
    }
}
