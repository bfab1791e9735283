// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A driver of the accelerator in user space, written from its data sheet, and what it does all day.
//!
//! Each queue has one batch of descriptors at a time: it copies in, within, out, fills, and sums up
//! where it has a CRC unit. When the interrupt comes, all that the card has written is compared with
//! what this program computes, and the next batch begins. Part of what a batch puts into device
//! memory is looked at by a later one only: it has to stay there. The message of an interrupt goes to
//! a word of memory of the queue, so that no kernel driver is needed.
//!
//! The line of a report is `accel queues=N sums=N rounds=N,N,... wrong=N failed=N missing=N early=N`:
//! queues, how many of them have a CRC unit, batches that each has done, results that are not as
//! computed, descriptors with another status than done, batches without an interrupt, interrupts
//! before their batch.

mod batch;
mod card;
mod dma;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use batch::Batch;
use card::Card;

use crate::{Error, Result};

/// How long after its batch an interrupt may come.
const LATE: Duration = Duration::from_secs(20);

/// Before it is looked again whether a batch is done: the processor has other things to do.
const PAUSE: Duration = Duration::from_millis(10);

/// An accelerator whose queues are busy.
pub(crate) struct Accelerator {
    description: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    quiet: AtomicBool,
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    rounds: Vec<u64>,
    sums: u64,
    wrong: u64,
    failed: u64,
    missing: u64,
    early: u64,
    failure: Option<String>,
}

impl Accelerator {
    /// Waits for the card and begins.
    pub(crate) fn start() -> Result<Self> {
        let card = Card::wait_for()?;
        let description = format!(
            "accel queues={} memory={} checksum={}",
            card.queues(),
            card.memory_mib(),
            if card.sums(card.queues() - 1) {
                "on"
            } else {
                "off"
            }
        );
        let shared = Arc::new(Shared::default());
        {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if let Err(error) = shared.work(&card) {
                    shared.change(|state| state.failure = Some(error.to_string()));
                }
            });
        }
        Ok(Self {
            description,
            shared,
        })
    }

    /// What the card says that it has.
    pub(crate) fn describe(&self) -> String {
        self.description.clone()
    }

    /// No more batches are begun.
    pub(crate) fn quiet(&self) {
        self.shared.quiet.store(true, Ordering::Relaxed);
    }

    /// The line of the report.
    pub(crate) fn report(&self) -> Result<String> {
        let State {
            rounds,
            sums,
            wrong,
            failed,
            missing,
            early,
            failure,
        } = self.shared.change(|state| state.clone());
        if let Some(error) = failure {
            return Err(Error::from(format!("accel: {error}")));
        }
        let list: Vec<String> = rounds.iter().map(u64::to_string).collect();
        Ok(format!(
            "accel queues={} sums={sums} rounds={} wrong={wrong} failed={failed} \
             missing={missing} early={early}",
            rounds.len(),
            list.join(","),
        ))
    }
}

/// A queue's batch, and since when it is done, if it is.
struct Running {
    batch: Batch,
    done: Option<Instant>,
}

impl Shared {
    fn change<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn work(&self, card: &Card) -> Result<()> {
        let queues = card.queues();
        self.change(|state| state.rounds = vec![0; queues]);
        let mut running = Vec::new();
        for queue in 0..queues {
            card.set_up(queue)?;
            running.push(Some(Self::begin(card, queue, 0)?));
        }
        while running.iter().any(Option::is_some) {
            let mut news = false;
            for (queue, slot) in running.iter_mut().enumerate() {
                if let Some(current) = slot {
                    if self.is_over(card, queue, current)? {
                        news = true;
                        let round = self.judge(card, queue, &current.batch)?;
                        let goes_on = !self.quiet.load(Ordering::Relaxed);
                        *slot = goes_on
                            .then(|| Self::begin(card, queue, round))
                            .transpose()?;
                    }
                }
            }
            if !news {
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    fn begin(card: &Card, queue: usize, round: u64) -> Result<Running> {
        let batch = Batch::new(card, queue, round)?;
        card.submit(queue, &batch.descriptors())?;
        Ok(Running { batch, done: None })
    }

    /// Whether a batch is done and has had its interrupt, or will not get it any more.
    fn is_over(&self, card: &Card, queue: usize, running: &mut Running) -> Result<bool> {
        if card.interrupted(queue)? {
            card.acknowledge(queue)?;
            // A message that was sent already may be sent again by the destination.
            let over = card.is_idle(queue)?;
            self.change(|state| state.early += u64::from(!over));
            return Ok(over);
        }
        if running.done.is_none() && card.has_written(queue)? {
            running.done = Some(Instant::now());
        }
        let late = running.done.is_some_and(|since| since.elapsed() > LATE);
        self.change(|state| state.missing += u64::from(late));
        Ok(late)
    }

    /// Counts, and returns the number of the next round.
    fn judge(&self, card: &Card, queue: usize, batch: &Batch) -> Result<u64> {
        let judged = batch.judge(card, queue)?;
        Ok(self.change(|state| {
            state.wrong += judged.wrong;
            state.failed += judged.failed;
            state.sums += judged.sums;
            let rounds = state.rounds.get_mut(queue);
            rounds.map_or(0, |rounds| {
                *rounds += 1;
                *rounds
            })
        }))
    }
}
