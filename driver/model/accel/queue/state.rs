// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A queue in the stream.

use super::{
    Active,
    Queue,
    BASE_MASK,
    SIZE_MASK, //
};
use crate::{
    accel::descriptor::{
        Descriptor,
        Error,
        Limits,
        Operation,
        REQUEST_LEN, //
    },
    pci::halves64,
    refusal::Flaw,
    stream::wire::{
        Fields,
        Payload, //
    }, //
};

/// Payload of record 0x0210, after the queue: plain data, untrusted until [`Queue::restore`].
///
/// ```text
///  0  u8   CONTROL       2  u64  BASE     18  u32  TAIL    26  u8  1 if a descriptor is being done,
///  1  u8   STATUS       10  u32  SIZE     22  u32  DONE            else 0 and nothing follows:
///                       14  u32  HEAD     27  u8[24] the descriptor as it was read, without result
///                                             and status
///                                         51  u32  bytes of it that are done
///                                         55  u32  CRC32C register; 0 if the operation is another
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueV1 {
    /// CONTROL.
    pub control: u8,
    /// STATUS.
    pub status: u8,
    /// BASE.
    pub base: u64,
    /// SIZE.
    pub size: u32,
    /// HEAD.
    pub head: u32,
    /// TAIL.
    pub tail: u32,
    /// DONE.
    pub done: u32,
    /// What is being done.
    pub active: Option<ActiveV1>,
}

/// A descriptor that is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveV1 {
    /// What was read of the descriptor.
    pub request: [u8; REQUEST_LEN],
    /// Bytes that are done.
    pub moved: u32,
    /// Register of the CRC unit.
    pub crc: u32,
}

impl QueueV1 {
    /// Longest payload.
    pub const LEN_MAX: usize = 59;

    /// Appends the payload.
    pub fn write(&self, out: &mut Payload<'_>) {
        let Self {
            control,
            status,
            base,
            size,
            head,
            tail,
            done,
            active,
        } = *self;
        out.u8(control);
        out.u8(status);
        out.u64(base);
        for value in [size, head, tail, done] {
            out.u32(value);
        }
        out.u8(u8::from(active.is_some()));
        if let Some(ActiveV1 {
            request,
            moved,
            crc,
        }) = active
        {
            out.bytes(&request);
            out.u32(moved);
            out.u32(crc);
        }
    }

    /// Reads the payload; `None` if it is too short, or the byte at 26 is neither 0 nor 1.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut queue = Self {
            control: fields.u8()?,
            status: fields.u8()?,
            base: fields.u64()?,
            size: fields.u32()?,
            head: fields.u32()?,
            tail: fields.u32()?,
            done: fields.u32()?,
            active: None,
        };
        match fields.u8()? {
            0 => (),
            1 => {
                queue.active = Some(ActiveV1 {
                    request: *fields.bytes(REQUEST_LEN)?.first_chunk()?,
                    moved: fields.u32()?,
                    crc: fields.u32()?,
                });
            }
            _ => return None,
        }
        Some(queue)
    }
}

impl Active {
    fn save(&self) -> ActiveV1 {
        let Self {
            descriptor,
            moved,
            crc,
        } = self;
        ActiveV1 {
            request: descriptor.bytes(),
            moved: *moved,
            crc: *crc,
        }
    }

    fn restore(limits: Limits, saved: ActiveV1) -> Result<Self, Flaw> {
        let ActiveV1 {
            request,
            moved,
            crc,
        } = saved;
        let descriptor = Descriptor::parse(&request, limits);
        let descriptor = descriptor.map_err(|_| Flaw::Field("descriptor"))?;
        if moved == 0 || moved >= descriptor.length {
            Err(Flaw::Field("descriptor progress"))
        } else if crc != 0 && descriptor.operation != Operation::Crc {
            Err(Flaw::Field("CRC register"))
        } else {
            // INVARIANT: just checked.
            Ok(Self {
                descriptor,
                moved,
                crc,
            })
        }
    }
}

impl Queue {
    /// What travels.
    pub fn save(&self) -> QueueV1 {
        let Self {
            enabled,
            base,
            size,
            head,
            tail,
            done,
            error,
            active,
        } = self;
        QueueV1 {
            control: u8::from(*enabled),
            status: error.map_or(0, Error::code),
            base: *base,
            size: *size,
            head: *head,
            tail: *tail,
            done: *done,
            active: active.as_ref().map(Active::save),
        }
    }

    /// The queue with this state, if one with these limits can reach it.
    ///
    /// # Errors
    ///
    /// [`Flaw::Field`] names what it cannot reach.
    pub fn restore(limits: Limits, saved: QueueV1) -> Result<Self, Flaw> {
        let QueueV1 {
            control,
            status,
            base,
            size,
            head,
            tail,
            done,
            active,
        } = saved;
        let error = match status {
            0 => None,
            code => Some(Error::of(code).ok_or(Flaw::Field("STATUS"))?),
        };
        let active = active.map(|active| Active::restore(limits, active));
        let queue = Self {
            enabled: control == 1,
            base,
            size,
            head,
            tail,
            done,
            error,
            active: active.transpose()?,
        };
        let idle = (head, tail, done) == (0, 0, 0);
        let set_up = error != Some(Error::Setup);
        let possible = [
            ("CONTROL", control <= 1),
            ("BASE", halves64(base).0 & !BASE_MASK == 0),
            ("SIZE", size & !SIZE_MASK == 0),
            ("STATUS", queue.enabled || error.is_none()),
            ("STATUS", !queue.enabled || queue.is_ring() == set_up),
            ("ring position", (queue.enabled && set_up) || idle),
            ("ring position", idle || (head < size && tail < size)),
            ("DONE", idle || done & size.saturating_sub(1) == head),
            ("STATUS", error != Some(Error::NoUnit) || !limits.crc),
            ("descriptor", queue.active.is_none() || queue.is_ready()),
        ];
        match possible.iter().find(|(_, possible)| !possible) {
            Some((name, _)) => Err(Flaw::Field(name)),
            // INVARIANT: just checked.
            None => Ok(queue),
        }
    }
}
