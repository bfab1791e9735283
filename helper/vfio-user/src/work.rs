// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What an accelerator does by itself: a step of its queues at a time, in the server's own thread.

use vmig_model::{
    accel::Card,
    crc::Table,
    memory, //
};

use crate::{
    dma::Memory,
    server::{
        Served,
        Worker, //
    },
};

/// Bytes that are moved at once.
const SCRATCH: usize = 1 << 16;

/// Does the work of an accelerator.
#[derive(Debug)]
pub struct Queues(Vec<u8>);

impl Default for Queues {
    fn default() -> Self {
        Self(vec![0; SCRATCH])
    }
}

impl<M: memory::Memory> Worker<Card<M>> for Queues {
    fn step(&mut self, engine: &mut Served<Card<M>>, bus: &Memory<'_>) -> bool {
        let memory = engine.device().memory().clone();
        if let Some(step) = engine.begin_step() {
            let outcome = step.run::<Table>(bus, &memory, &mut self.0);
            engine.finish_step(outcome);
        }
        engine.ready()
    }
}
