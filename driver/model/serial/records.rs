// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The card as records of a stream, and back.

use super::{
    config::{
        Config,
        ConfigV1, //
    },
    count,
    uart::{
        Chip,
        LineStats,
        Uart,
        UartV1, //
    },
    Card,
    PORTS_MAX, //
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
    types::DeviceType,
    values::Values, //
};

/// Tag of the config space record.
const CONFIG: u16 = 0x0101;
/// Tag of the interrupt record.
const INTERRUPTS: u16 = 0x0102;
/// Tag of a port's record.
const PORT: u16 = 0x0110;
/// Tag of a port's record of line statistics.
const LINE_STATS: u16 = 0x0111;

/// A record that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Config,
    Interrupts,
    Port(u8),
    LineStats(u8),
}

impl Due {
    const fn tag(self) -> u16 {
        match self {
            Self::Config => CONFIG,
            Self::Interrupts => INTERRUPTS,
            Self::Port(_) => PORT,
            Self::LineStats(_) => LINE_STATS,
        }
    }
}

/// The record with number `step` of a card with `values`; `None` after the last one.
fn due(ty: &DeviceType, values: &Values, step: u32) -> Option<Due> {
    let ports = [0, 1].into_iter().take(count(ty, values));
    let with_stats = values.bool(ty, "line-stats");
    let per_port = ports.flat_map(|port| {
        let stats = with_stats.then_some(Due::LineStats(port));
        [Due::Port(port)].into_iter().chain(stats)
    });
    let mut all = [Due::Config, Due::Interrupts].into_iter().chain(per_port);
    all.nth(usize::try_from(step).ok()?)
}

/// Upper bound of the bytes of all records.
pub(super) fn stop_bytes(card: &Card) -> u64 {
    let all = (0..).map_while(|step| due(card.ty, &card.values, step));
    let lens = all.map(|due| match due {
        Due::Config => ConfigV1::LEN,
        Due::Interrupts => 4,
        Due::Port(_) => UartV1::LEN_MAX.saturating_add(1),
        Due::LineStats(_) => LineStats::LEN.saturating_add(1),
    });
    let sum = lens.fold(0usize, |sum, len| {
        sum.saturating_add(len).saturating_add(OVERHEAD)
    });
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Writes the record with number `step`, counts it, and returns its tag; `None` after the last one.
pub(super) fn save(card: &Card, step: &mut u32, out: &mut Payload<'_>) -> Option<u16> {
    let Card {
        ty,
        values,
        config,
        ports,
        pending,
    } = card;
    let due = due(ty, values, *step)?;
    match due {
        Due::Config => config.save().write(out),
        Due::Interrupts => out.u32(*pending),
        Due::Port(port) => {
            let (saved, _) = ports.get(usize::from(port))?.save();
            out.u8(port);
            saved.write(out);
        }
        Due::LineStats(port) => {
            let (_, stats) = ports.get(usize::from(port))?.save();
            out.u8(port);
            stats.write(out);
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
    pending: u32,
    ports: [Option<Uart>; PORTS_MAX],
}

/// Takes a record.
pub(super) fn load(
    card: &Card,
    held: &mut Held,
    values: &Values,
    tag: u16,
    payload: &[u8],
) -> Result<Taken, Flaw> {
    if !matches!(tag, CONFIG | INTERRUPTS | PORT | LINE_STATS) {
        return Ok(Taken::Unknown);
    }
    let due = due(card.ty, values, held.step).filter(|due| due.tag() == tag);
    let due = due.ok_or(Flaw::OutOfPlace { tag })?;
    let mut fields = Fields::new(payload);
    match due {
        Due::Config => {
            let saved = ConfigV1::read(&mut fields).ok_or(Flaw::Field("config space record"))?;
            held.config = Some(Config::restore(count(card.ty, values), saved)?);
        }
        Due::Interrupts => {
            let pending = fields.u32().ok_or(Flaw::Field("interrupt record"))?;
            let most = u32::from(held.config.is_some_and(|config| config.msi_enabled()));
            if pending > most {
                return Err(Flaw::Field("pending interrupts"));
            }
            held.pending = pending;
        }
        Due::Port(port) => {
            expect_port(&mut fields, port)?;
            let saved = UartV1::read(&mut fields).ok_or(Flaw::Field("port record"))?;
            let uart = Uart::try_from((Chip::of(card.ty, values), saved))?;
            let slot = held.ports.get_mut(usize::from(port));
            *slot.ok_or(Flaw::OutOfPlace { tag })? = Some(uart);
        }
        Due::LineStats(port) => {
            expect_port(&mut fields, port)?;
            let stats = LineStats::read(&mut fields).ok_or(Flaw::Field("line statistics"))?;
            let slot = held
                .ports
                .get_mut(usize::from(port))
                .and_then(Option::as_mut);
            slot.ok_or(Flaw::OutOfPlace { tag })?.set_stats(stats);
        }
    }
    if !fields.is_empty() {
        return Err(Flaw::Field("record length"));
    }
    held.step = held.step.saturating_add(1);
    Ok(Taken::Final)
}

/// Whether all records of a card with `values` arrived.
pub(super) fn complete(card: &Card, held: &Held, values: &Values) -> bool {
    due(card.ty, values, held.step).is_none()
}

fn expect_port(fields: &mut Fields<'_>, port: u8) -> Result<(), Flaw> {
    match fields.u8() {
        Some(found) if found == port => Ok(()),
        _ => Err(Flaw::Field("port number")),
    }
}

/// Applies what arrived.
pub(super) fn restore(card: &mut Card, held: Held) {
    let Held {
        step: _, // complete
        config,
        pending,
        ports,
    } = held;
    if let Some(config) = config {
        card.config = config;
    }
    card.pending = pending;
    for (live, port) in card.ports.iter_mut().zip(ports) {
        if let Some(port) = port {
            *live = port;
        }
    }
}
