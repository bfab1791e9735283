// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device of any model, for those who run them all.

use crate::{
    accel,
    device::{
        Device,
        Fault,
        Irqs,
        Left,
        Phase,
        Region,
        RegionInfo,
        Taken, //
    },
    memory::{
        Full,
        Memory, //
    },
    refusal::Flaw,
    serial,
    stream::wire::Payload,
    types::DeviceType,
    values::Values, //
};

/// A device.
#[derive(Clone, Debug)]
pub enum Model<M> {
    /// A serial card.
    Serial(serial::Card),
    /// An accelerator.
    Accel(accel::Card<M>),
}

/// Does the same with whatever model it is.
macro_rules! each {
    ($model:expr, $device:ident => $does:expr) => {
        match $model {
            Model::Serial($device) => $does,
            Model::Accel($device) => $does,
        }
    };
}

impl<M: Memory> Model<M> {
    /// A new device of type `ty` with `values`. `memory` is asked for untouched memory of so many pages,
    /// if such a device has any.
    ///
    /// # Errors
    ///
    /// Those of `memory`.
    pub fn new<E>(
        ty: &'static DeviceType,
        values: Values,
        memory: impl FnOnce(u32) -> Result<M, E>,
    ) -> Result<Self, E> {
        Ok(if ty.model == accel::MODEL {
            let memory = memory(accel::pages(ty, &values))?;
            Self::Accel(accel::Card::new(ty, values, memory))
        } else {
            Self::Serial(serial::Card::new(ty, values))
        })
    }

    /// Its memory, if it has any.
    pub const fn memory(&self) -> Option<&M> {
        match self {
            Self::Serial(_) => None,
            Self::Accel(card) => Some(card.memory()),
        }
    }
}

/// How far a saving session has come.
#[derive(Debug, Default)]
pub struct Cursor {
    serial: u32,
    accel: accel::Cursor,
}

/// What was taken from a stream.
#[derive(Debug, Default)]
pub enum Held {
    /// Nothing.
    #[default]
    Nothing,
    /// Of a serial card.
    Serial(<serial::Card as Device>::Held),
    /// Of an accelerator.
    Accel(accel::Held),
}

impl<M: Memory> Device for Model<M> {
    type Memory = M;

    type Step = accel::Step;

    type Outcome = accel::Outcome;

    type Cursor = Cursor;

    type Held = Held;

    fn record_max(&self) -> usize {
        each!(self, device => device.record_max())
    }

    fn ty(&self) -> &'static DeviceType {
        each!(self, device => device.ty())
    }

    fn values(&self) -> &Values {
        each!(self, device => device.values())
    }

    fn needs_memory(&self, values: &Values) -> Option<u32> {
        each!(self, device => device.needs_memory(values))
    }

    fn set_values(&mut self, values: Values, memory: Option<M>) {
        match self {
            Self::Serial(card) => card.set_values(values, None),
            Self::Accel(card) => card.set_values(values, memory),
        }
    }

    fn reset(&mut self) {
        each!(self, device => device.reset());
    }

    fn park(&mut self) {
        each!(self, device => device.park());
    }

    fn region(&self, region: Region) -> RegionInfo {
        each!(self, device => device.region(region))
    }

    fn irqs(&self) -> Irqs {
        each!(self, device => device.irqs())
    }

    fn read(&mut self, region: Region, at: u64, data: &mut [u8]) {
        each!(self, device => device.read(region, at, data));
    }

    fn peek(&self, region: Region, at: u64, data: &mut [u8]) {
        each!(self, device => device.peek(region, at, data));
    }

    fn write(&mut self, region: Region, at: u64, data: &[u8]) -> Result<(), Full> {
        each!(self, device => device.write(region, at, data))
    }

    fn intx(&self) -> bool {
        each!(self, device => device.intx())
    }

    fn pending(&self) -> u32 {
        each!(self, device => device.pending())
    }

    fn delivered(&mut self, mask: u32) {
        each!(self, device => device.delivered(mask));
    }

    fn ready(&self) -> bool {
        each!(self, device => device.ready())
    }

    fn begin(&mut self) -> Option<accel::Step> {
        match self {
            Self::Serial(_) => None,
            Self::Accel(card) => card.begin(),
        }
    }

    fn finish(&mut self, outcome: accel::Outcome) {
        match self {
            // It gave no step.
            Self::Serial(_) => (),
            Self::Accel(card) => card.finish(outcome),
        }
    }

    fn working(&self) -> bool {
        each!(self, device => device.working())
    }

    fn stale(&self) -> bool {
        each!(self, device => device.stale())
    }

    fn begin_save(&mut self, phase: Phase) {
        each!(self, device => device.begin_save(phase));
    }

    fn end_save(&mut self) {
        each!(self, device => device.end_save());
    }

    fn left(&self, cursor: &Cursor) -> Left {
        match self {
            Self::Serial(card) => card.left(&cursor.serial),
            Self::Accel(card) => card.left(&cursor.accel),
        }
    }

    fn stop_bytes(&self, cursor: &Cursor) -> u64 {
        match self {
            Self::Serial(card) => card.stop_bytes(&cursor.serial),
            Self::Accel(card) => card.stop_bytes(&cursor.accel),
        }
    }

    fn save(
        &mut self,
        phase: Phase,
        cursor: &mut Cursor,
        out: &mut Payload<'_>,
    ) -> Result<Option<u16>, Fault> {
        match self {
            Self::Serial(card) => card.save(phase, &mut cursor.serial, out),
            Self::Accel(card) => card.save(phase, &mut cursor.accel, out),
        }
    }

    fn load(
        &mut self,
        held: &mut Held,
        values: &Values,
        tag: u16,
        payload: &[u8],
    ) -> Result<Taken, Flaw> {
        if let Held::Nothing = held {
            *held = match self {
                Self::Serial(_) => Held::Serial(Default::default()),
                Self::Accel(_) => Held::Accel(Default::default()),
            };
        }
        match (self, held) {
            (Self::Serial(card), Held::Serial(held)) => card.load(held, values, tag, payload),
            (Self::Accel(card), Held::Accel(held)) => card.load(held, values, tag, payload),
            // What is held was made for this device.
            _ => Err(Flaw::OutOfPlace { tag }),
        }
    }

    fn complete(&self, held: &Held, values: &Values) -> bool {
        match (self, held) {
            (Self::Serial(card), Held::Serial(held)) => card.complete(held, values),
            (Self::Accel(card), Held::Accel(held)) => card.complete(held, values),
            _ => false,
        }
    }

    fn restore(&mut self, held: Held) {
        match (self, held) {
            (Self::Serial(card), Held::Serial(held)) => card.restore(held),
            (Self::Accel(card), Held::Accel(held)) => card.restore(held),
            _ => (),
        }
    }
}
