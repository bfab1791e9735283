// SPDX-License-Identifier: GPL-2.0-only

//! Faults of the migration region (protocol version 1): stands in the place of `device/v1.rs`.
#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::Arc, //
};
use kernel_vfio::vfio::{
    region::{
        self,
        Area,
        InfoCap,
        Memory,
        Position, //
    },
    Device,
    Open, //
};
use vmig_model::{
    arcs::State,
    refusal::Refusal, //
};

use super::{
    Card,
    Fault, //
};
use crate::device::v1;

pub(in crate::device) use crate::device::v1::{
    count,
    is_index,
    Region, //
};

/// Offsets of the fields.
const STATE: u64 = 0;
const RESERVED: u64 = 4;
const PENDING: u64 = 8;
const OFFSET: u64 = 16;
const SIZE: u64 = 24;
const HEADER: u64 = 32;

/// Numbers of states.
const RUNNING: u32 = 0b001;
const STOP_COPY: u32 = 0b010;
const PRE_COPY: u32 = 0b011;

/// What happened since the last reset.
#[derive(Default)]
pub(super) struct Seen {
    /// The field that was read last.
    last: Option<u64>,
    /// How often `data_size` was read since `pending_bytes` was.
    sizes: u32,
    /// `data_size` was read since the device was opened.
    sized: bool,
    saved: bool,
    lags: bool,
    pended: bool,
    offset_written: bool,
    /// The device was reset in the middle of a buffer.
    interrupted: bool,
    /// A `data_size` that was written and not told to the device yet.
    late: Option<[u8; 8]>,
    /// The data section, as soon as it was mapped, and that of the last user.
    mapped: Option<Arc<Memory>>,
    old: Option<Arc<Memory>>,
}

impl Seen {
    /// That of a device that was opened.
    pub(super) fn open(&mut self) -> Self {
        Self {
            old: self.mapped.take().or_else(|| self.old.take()),
            ..Self::default()
        }
    }

    /// That of a device that was reset in the state `from`.
    pub(super) fn reset(&mut self, from: State) -> Self {
        Self {
            sized: self.sized,
            interrupted: from == State::StopCopy && self.sizes > 0,
            mapped: self.mapped.take(),
            old: self.old.take(),
            ..Self::default()
        }
    }
}

/// How far the data section is off.
fn shift(fault: Fault, state: State) -> u64 {
    match fault {
        Fault::OffsetMisaligned => 8,
        Fault::OffsetMoves if state == State::Resuming => 8,
        _ => 0,
    }
}

/// Where an access at `at` goes to, which the user believes to be off by `shift`.
fn place(at: u64, shift: u64) -> u64 {
    match (v1::DATA_OFFSET..v1::END).contains(&at) {
        true => at.saturating_sub(shift),
        false => at,
    }
}

pub(in crate::device) fn info(
    device: &Device<Card, Open>,
    caps: &mut InfoCap<'_>,
) -> Result<region::Info> {
    let guard = device.state.lock();
    let (fault, state) = (guard.engine.fault, guard.engine.real.state());
    drop(guard);
    if fault == Fault::AreaIsEmpty {
        caps.add_type(region::TYPE_MIGRATION, region::SUBTYPE_MIGRATION)?;
        let size = v1::END.saturating_sub(v1::DATA_OFFSET);
        let area = |offset, size| Area { offset, size };
        caps.add_sparse_mmap(&[area(v1::DATA_OFFSET, size), area(v1::END, 0)])?;
        return Ok(region::Info {
            flags: region::Info::READ | region::Info::WRITE | region::Info::MMAP,
            size: v1::END,
        });
    }
    let mut info = v1::info(device, caps)?;
    match fault {
        Fault::RegionUnreadable => info.flags &= !region::Info::READ,
        Fault::RegionGrows if state == State::Resuming => {
            info.size = info.size.saturating_add(v1::DATA_OFFSET);
        }
        _ => (),
    }
    Ok(info)
}

pub(in crate::device) fn read(device: &Device<Card, Open>, at: u64, out: &mut [u8]) -> Result {
    let mut guard = device.state.lock();
    let (fault, state) = (guard.engine.fault, guard.engine.real.state());
    let in_section = (v1::DATA_OFFSET..v1::END).contains(&at);
    let idle = guard.engine.real.session().is_none();
    let whole = if at < PENDING { 4 } else { 8 };
    let zeros = match fault {
        Fault::FieldsInParts => at < HEADER && out.len() != whole,
        Fault::SectionAlwaysOpen => in_section && idle,
        Fault::SectionEndless => at >= v1::END,
        Fault::SizeComesLate => at == SIZE && !guard.engine.region.sized,
        _ => false,
    };
    if at == SIZE {
        guard.engine.region.sized = true;
        guard.engine.region.sizes = guard.engine.region.sizes.saturating_add(1);
    }
    if zeros {
        out.fill(0);
        return Ok(());
    }
    if fault == Fault::PendingEnds && at == PENDING && state == State::PreCopy {
        // From pre-copy there is always a way back.
        let _ = guard.engine.real.set_state(State::Running);
    }
    drop(guard);
    v1::read(device, place(at, shift(fault, state)), out)?;
    if at < HEADER {
        falsify(device, at, out);
    }
    Ok(())
}

/// Falsifies a field that was read.
fn falsify(device: &Device<Card, Open>, at: u64, out: &mut [u8]) {
    let mut guard = device.state.lock();
    let engine = &mut guard.engine;
    let (fault, state) = (engine.fault, engine.real.state());
    let seen = &mut engine.region;
    let repeated = seen.last.replace(at) == Some(at);
    if at == PENDING {
        seen.sizes = 0;
    }
    if let (STATE | RESERVED, Ok(field)) = (at, <&mut [u8; 4]>::try_from(&mut *out)) {
        let value = u32::from_ne_bytes(*field);
        let value = match (fault, at) {
            (Fault::BitsFlicker, STATE) if state == State::PreCopy => value | 1 << 3,
            (Fault::FreezeLags, STATE) if core::mem::take(&mut seen.lags) => PRE_COPY,
            (Fault::ReservedSpeaks, RESERVED) => 1,
            _ => value,
        };
        *field = value.to_ne_bytes();
    }
    if let Ok(field) = <&mut [u8; 8]>::try_from(out) {
        let value = u64::from_ne_bytes(*field);
        let saves = state == State::StopCopy;
        let value = match (fault, at, value) {
            (Fault::PendingGrows, PENDING, 1..) if repeated => value.saturating_add(1),
            (Fault::PendingReturns, PENDING, 0) if repeated && saves => 1,
            (Fault::EndPends, PENDING, 0) if saves && !seen.pended => {
                seen.pended = true;
                1
            }
            (Fault::OffsetIsTaken, OFFSET, _) if seen.offset_written => 0,
            (_, OFFSET, _) => value.saturating_add(shift(fault, state)),
            (Fault::SizeShrinks, SIZE, 1..) if seen.sizes > 1 => value.saturating_sub(1),
            _ => value,
        };
        *field = value.to_ne_bytes();
    }
}

/// Tells the device of a `data_size` that [`Fault::TakesLate`] has kept back.
fn take_late(device: &Device<Card, Open>) -> Result {
    let late = device.state.lock().engine.region.late.take();
    late.map_or(Ok(()), |size| v1::write(device, SIZE, &size))
}

pub(in crate::device) fn write(device: &Device<Card, Open>, at: u64, data: &[u8]) -> Result {
    take_late(device)?;
    let mut guard = device.state.lock();
    let engine = &mut guard.engine;
    let (fault, state) = (engine.fault, engine.real.state());
    match (at, <[u8; 4]>::try_from(data), <[u8; 8]>::try_from(data)) {
        (STATE, Ok(number), _) => {
            drop(guard);
            return set_state(device, u32::from_ne_bytes(number));
        }
        (OFFSET, ..) if fault == Fault::OffsetIsTaken => {
            engine.region.offset_written = true;
            return Ok(());
        }
        (SIZE, _, Ok(size)) => match fault {
            Fault::TakesLate if state == State::Resuming => {
                engine.region.late = Some(size);
                return Ok(());
            }
            Fault::RefusesSevens if u64::from_ne_bytes(size) == 7 => return Err(EINVAL),
            Fault::SizeStops if state == State::Running => {
                // There is always a way.
                let _ = engine.real.set_state(State::Stop);
                return Err(EINVAL);
            }
            _ => (),
        },
        _ => (),
    }
    drop(guard);
    let written = v1::write(device, place(at, shift(fault, state)), data);
    match fault {
        Fault::RegionRefusesLate if at == SIZE && state == State::Resuming => Ok(()),
        _ => written,
    }
}

/// Writes `device_state`.
fn set_state(device: &Device<Card, Open>, number: u32) -> Result {
    let mut guard = device.state.lock();
    let fault = guard.engine.fault;
    if fault == Fault::ErrorIsLeft && guard.engine.real.state() == State::Error {
        guard.engine.real.reset();
    }
    let state = guard.engine.real.state();
    let number = match (fault, state, number) {
        (Fault::BitsFlicker, ..) => number & 7,
        (Fault::RefusalMoves, State::Running, 0b101) => {
            // There is always a way.
            let _ = guard.engine.real.set_state(State::Stop);
            return Err(EINVAL);
        }
        (Fault::TakesInvalid, _, 0b111) => return Ok(()),
        (Fault::StopCannotSave, State::Stop, STOP_COPY) => return Err(EINVAL),
        _ => number,
    };
    drop(guard);
    let done = v1::write(device, STATE, &number.to_ne_bytes());
    let mut guard = device.state.lock();
    let engine = &mut guard.engine;
    if done.is_err() && state == State::Resuming {
        let nothing = matches!(engine.real.refusal(), Some(Refusal::Truncated { at: 0 }));
        match fault {
            Fault::RefusalIsError | Fault::ErrorIsLeft => engine.real.break_down(),
            Fault::RegionAcceptsNothing if number == RUNNING && nothing => {
                engine.real.reset();
                return Ok(());
            }
            _ => (),
        }
    }
    if done.is_ok() && number == STOP_COPY {
        let again = core::mem::replace(&mut engine.region.saved, true);
        match fault {
            Fault::FreezeLags => engine.region.lags = state == State::PreCopy,
            Fault::FreezeLoses if state == State::PreCopy => engine.lose(),
            Fault::SavingAgainLoses if again => engine.lose(),
            Fault::ResetLoses if core::mem::take(&mut engine.region.interrupted) => engine.lose(),
            _ => (),
        }
    }
    done
}

pub(in crate::device) fn map(
    device: &Device<Card, Open>,
    position: Position,
    size: usize,
) -> Result<(Arc<Memory>, usize)> {
    let (memory, start) = v1::map(device, position, size)?;
    let mut guard = device.state.lock();
    let (fault, state) = (guard.engine.fault, guard.engine.real.state());
    let seen = &mut guard.engine.region;
    let old = seen.old.clone().filter(|_| state == State::Running);
    if fault == Fault::MapsOldData && old.is_none() {
        seen.mapped = Some(memory.clone());
    }
    drop(guard);
    match fault {
        Fault::MapsElsewhere => {
            let len = v1::END.saturating_sub(v1::DATA_OFFSET).try_into()?;
            Ok((Memory::new(len)?, start))
        }
        Fault::MapsOldData => Ok((old.unwrap_or(memory), start)),
        _ => Ok((memory, start)),
    }
}
