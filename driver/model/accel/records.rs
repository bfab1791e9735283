// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the card keeps beside its memory, as records of a stream, and back.

use super::{
    config::{
        Config,
        ConfigV1, //
    },
    contents,
    interrupts::{
        Interrupts,
        ENTRY_LEN, //
    },
    queue::{
        Queue,
        QueueV1, //
    },
    Build,
    Card,
    QUEUES_MAX, //
};
use crate::{
    device::Taken,
    refusal::Flaw,
    stream::{
        wire::{
            Fields,
            Payload, //
        },
        OVERHEAD, //
    },
    values::Values, //
};

/// Tag of the config space record.
const CONFIG: u16 = 0x0201;
/// Tag of the interrupt record.
const INTERRUPTS: u16 = 0x0202;
/// Tag of the record of the MSI-X table.
const TABLE: u16 = 0x0203;
/// Tag of a queue's record.
const QUEUE: u16 = 0x0210;

/// How far a saving session has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub(super) contents: contents::Cursor,
    /// Number of other records saved.
    pub(super) step: u32,
}

/// A record that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Config,
    Interrupts,
    Table,
    Queue(u8),
}

impl Due {
    const fn tag(self) -> u16 {
        match self {
            Self::Config => CONFIG,
            Self::Interrupts => INTERRUPTS,
            Self::Table => TABLE,
            Self::Queue(_) => QUEUE,
        }
    }
}

/// The records, in order.
fn all(build: Build) -> impl Iterator<Item = Due> {
    let queues = (0..build.queues).map(Due::Queue);
    [Due::Config, Due::Interrupts, Due::Table]
        .into_iter()
        .chain(queues)
}

/// The record with number `step`; `None` after the last one.
fn due(build: Build, step: u32) -> Option<Due> {
    all(build).nth(usize::try_from(step).ok()?)
}

/// Upper bound of the bytes of all records.
pub(super) fn bytes(build: Build) -> u64 {
    let lens = all(build).map(|due| match due {
        Due::Config => ConfigV1::LEN,
        Due::Interrupts => 3,
        Due::Table => ENTRY_LEN.saturating_mul(usize::from(build.queues)),
        Due::Queue(_) => QueueV1::LEN_MAX.saturating_add(1),
    });
    let sum = lens.fold(0usize, |sum, len| {
        sum.saturating_add(len).saturating_add(OVERHEAD)
    });
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Writes the record with number `step`, counts it, and returns its tag; `None` after the last one.
pub(super) fn save<M>(card: &Card<M>, step: &mut u32, out: &mut Payload<'_>) -> Option<u16> {
    let due = due(card.build, *step)?;
    match due {
        Due::Config => card.config.save().write(out),
        Due::Interrupts => card.interrupts.save(out),
        Due::Table => card.interrupts.save_table(out),
        Due::Queue(index) => {
            out.u8(index);
            card.queues.get(usize::from(index))?.save().write(out);
        }
    }
    *step = step.saturating_add(1);
    Some(due.tag())
}

/// What arrived and is not applied yet; everything in it is validated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    /// Number of records taken.
    step: u32,
    config: Option<Config>,
    interrupts: Option<Interrupts>,
    queues: [Queue; QUEUES_MAX],
}

impl Held {
    /// Nothing arrived.
    pub(super) const fn is_empty(&self) -> bool {
        self.step == 0
    }

    /// All records arrived.
    pub(super) fn is_complete(&self, build: Build) -> bool {
        due(build, self.step).is_none()
    }
}

/// Takes a record.
pub(super) fn load<M>(
    card: &Card<M>,
    held: &mut Held,
    values: &Values,
    tag: u16,
    payload: &[u8],
) -> Result<Taken, Flaw> {
    if !matches!(tag, CONFIG | INTERRUPTS | TABLE | QUEUE) {
        return Ok(Taken::Unknown);
    }
    let build = Build::of(card.ty, values);
    let due = due(build, held.step).filter(|due| due.tag() == tag);
    let due = due.ok_or(Flaw::OutOfPlace { tag })?;
    let mut fields = Fields::new(payload);
    match due {
        Due::Config => {
            let saved = ConfigV1::read(&mut fields).ok_or(Flaw::Field("config space record"))?;
            held.config = Some(Config::restore(build.layout(), saved)?);
        }
        Due::Interrupts => {
            let msix = held.config.is_some_and(|config| config.msix_enabled());
            let mut interrupts = Interrupts::new(build.queues);
            interrupts.load(msix, &mut fields)?;
            held.interrupts = Some(interrupts);
        }
        Due::Table => {
            let interrupts = held.interrupts.as_mut();
            let interrupts = interrupts.ok_or(Flaw::OutOfPlace { tag })?;
            interrupts.load_table(&mut fields)?;
        }
        Due::Queue(index) => {
            if fields.u8() != Some(index) {
                return Err(Flaw::Field("queue number"));
            }
            let saved = QueueV1::read(&mut fields).ok_or(Flaw::Field("queue record"))?;
            let index = usize::from(index);
            let slot = held.queues.get_mut(index);
            *slot.ok_or(Flaw::OutOfPlace { tag })? = Queue::restore(build.limits(index), saved)?;
        }
    }
    if !fields.is_empty() {
        return Err(Flaw::Field("record length"));
    }
    held.step = held.step.saturating_add(1);
    Ok(Taken::Final)
}

/// Applies what arrived.
pub(super) fn restore<M>(card: &mut Card<M>, held: Held) {
    let Held {
        step: _, // complete
        config,
        interrupts,
        queues,
    } = held;
    if let (Some(config), Some(interrupts)) = (config, interrupts) {
        card.config = config;
        card.interrupts = interrupts;
    }
    card.queues = queues;
}
