// SPDX-License-Identifier: GPL-2.0-only

//! The card's own work: what its queues ask for is done in a work item, a step at a time.
//!
//! A step is taken from the engine and given back under the lock of the card, and done without it. Whoever
//! must not have one out takes the lock by [`Card::lock_idle`].
#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use kernel_vfio::{
    memcg::Memcg,
    vfio,
    workqueue::{
        Item,
        Job, //
    },
};

use super::{
    memory::Dma,
    Card,
    Crc,
    State, //
};

/// What data pass through on their way between the card and the machine's memory, in bytes.
const SCRATCH_LEN: usize = 64 << 10;

/// What does the work of a card from its open to its close.
pub(super) struct Worker {
    item: Arc<Item<Work>>,
    /// Empty while a step is out, which has it.
    scratch: KVVec<u8>,
}

/// Work for one card.
pub(super) struct Work {
    card: ARef<vfio::Device<Card>>,
    /// Who opened the card, and is charged for all that is allocated.
    owner: Memcg,
}

impl Worker {
    /// A worker for `card`, whose allocations are charged to `owner`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn new(card: ARef<vfio::Device<Card>>, owner: Memcg) -> Result<Self> {
        let item = Item::new(Work { card, owner });
        Ok(Self {
            item: Arc::pin_init(item, GFP_KERNEL_ACCOUNT)?,
            scratch: KVVec::from_elem(0, SCRATCH_LEN, GFP_KERNEL_ACCOUNT)?,
        })
    }
}

impl Card {
    /// Queues the card's work, if there is any to be done.
    pub(super) fn start_work(&self, state: &mut State) {
        if let (true, Some(worker)) = (state.engine.ready(), &state.worker) {
            Item::queue(&worker.item, self.parent.queue());
        }
    }
}

impl Job for Work {
    fn run(this: &Arc<Item<Self>>) {
        this.owner.charge(|| step(this));
    }
}

/// Does one step, and queues the next.
fn step(this: &Arc<Item<Work>>) {
    let card = &*this.card;
    // Closed, or about to be: there will be another worker.
    let Ok(open) = card.try_use() else {
        return;
    };
    let (step, memory, mut scratch) = {
        let mut state = card.state.lock();
        let state = &mut *state;
        let Some(memory) = state.engine.device().memory().cloned() else {
            return;
        };
        let mine = |worker: &&mut Worker| Arc::ptr_eq(&worker.item, this);
        let Some(worker) = state.worker.as_mut().filter(mine) else {
            return;
        };
        let Some(step) = state.engine.begin_step() else {
            return;
        };
        card.idle.begin();
        (step, memory, core::mem::take(&mut worker.scratch))
    };
    let outcome = step.run::<Crc>(&Dma(open), &memory, &mut scratch);
    let mut state = card.state.lock();
    state.engine.finish_step(outcome);
    // The last close waits for the step before it takes the worker away.
    if let Some(worker) = &mut state.worker {
        worker.scratch = scratch;
    }
    card.idle.end();
    card.settle(&mut state);
}
