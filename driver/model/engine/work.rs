// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the device does by itself, a step at a time.

use super::Engine;
use crate::{
    arcs::State,
    crc::Crc32c,
    device::Device, //
};

/// Whether a step may be out in `state`: neither in the P2P states nor in a stopped one.
pub(super) const fn allowed(state: State) -> bool {
    matches!(state, State::Running | State::PreCopy)
}

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>, C: Crc32c> Engine<D, B, C> {
    /// Whether [`Engine::begin_step`] would give a step. To be asked after each call that may change
    /// that: a register write, a change of the state, a reset, the end of a step.
    pub fn ready(&self) -> bool {
        allowed(self.state) && !self.held && !self.device.working() && self.device.ready()
    }

    /// The next step, if there is one. It is done without a lock and then given to
    /// [`Engine::finish_step`], whatever happened meanwhile.
    pub fn begin_step(&mut self) -> Option<D::Step> {
        if !self.ready() {
            return None;
        }
        self.device.begin()
    }

    /// The step that was out is done.
    pub fn finish_step(&mut self, outcome: D::Outcome) {
        self.device.finish(outcome);
    }

    /// Whether a step is out. Before [`Engine::set_state`] to another state than `RUNNING` and
    /// `PRE_COPY`, before [`Engine::reset`] and [`Engine::close`], wait until none is, with the device
    /// held.
    pub fn working(&self) -> bool {
        self.device.working()
    }

    /// Whether a step is out that a register write has forbidden: who wrote waits until it is not, so
    /// that there is no DMA after the write.
    pub fn stale(&self) -> bool {
        self.device.stale()
    }

    /// While the device is held no step begins.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }
}
