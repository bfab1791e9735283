// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The resuming side: bytes to device.

use core::{
    mem,
    str, //
};

use super::{
    Direction,
    Engine,
    SessionId, //
};
use crate::{
    crc::Crc32c,
    device::{
        Device,
        Taken, //
    },
    error::Error,
    refusal::{
        Flaw,
        Refusal, //
    },
    stream::{
        self,
        params,
        wire::Fields,
        Head,
        Header,
        HEADER_LEN,
        HEAD_LEN,
        MODEL,
        PARAMS,
        PAYLOAD_MAX,
        TRAILER, //
    },
    text::Text,
    values::Values, //
};

/// What is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The header.
    Header,
    /// The model record.
    Model,
    /// The first parameter record.
    Params,
    /// A state record, another parameter record, or the trailer.
    State,
    /// Nothing: the trailer was there.
    Nothing,
    /// Nothing: the stream is refused.
    Refused(Error),
}

/// State of a resuming session.
///
/// # Invariants
///
/// `have <= need <=` length of the buffer, whose first `have` bytes are the beginning of the header or
/// of a record. `values` are `Some` once a parameter record was accepted.
#[derive(Debug)]
pub(super) struct Load<H> {
    due: Due,
    have: usize,
    need: usize,
    head: Option<Head>,
    /// Bytes before the item that is arriving.
    at: u64,
    /// Records before the one that is arriving.
    records: u32,
    /// A record of the stopped device was taken.
    stopped: bool,
    values: Option<Values>,
    held: H,
}

impl<H: Default> Default for Load<H> {
    fn default() -> Self {
        Self {
            due: Due::Header,
            have: 0,
            need: HEADER_LEN,
            head: None,
            at: 0,
            records: 0,
            stopped: false,
            values: None,
            held: H::default(),
        }
    }
}

impl<H> Load<H> {
    /// The item of `have` bytes was used up; the next one begins with `need` bytes.
    fn turn(&mut self, need: usize) {
        self.at = self
            .at
            .saturating_add(u64::try_from(self.have).unwrap_or(u64::MAX));
        self.have = 0;
        self.need = need;
        self.head = None;
    }

    /// Offset of the next byte in the stream.
    fn end(&self) -> u64 {
        self.at
            .saturating_add(u64::try_from(self.have).unwrap_or(u64::MAX))
    }
}

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>, C: Crc32c> Engine<D, B, C> {
    /// Takes the next bytes of the stream, all of them. Returns their number.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`]; [`Error::Refused`], and the same again for everything that follows in this
    /// session.
    pub fn write(&mut self, session: SessionId, data: &[u8]) -> Result<usize, Error> {
        self.expect_session(session, Direction::Resume)?;
        let mut left = data;
        while !left.is_empty() {
            let taken = self.fill(left)?;
            left = left.get(taken..).unwrap_or_default();
            if self.load.have == self.load.need {
                self.item().map_err(|refusal| self.refuse_stream(refusal))?;
            }
        }
        match self.load.due {
            Due::Refused(error) => Err(error),
            _ => Ok(data.len()),
        }
    }

    /// Copies what the arriving item lacks from the front of `data`.
    fn fill(&mut self, data: &[u8]) -> Result<usize, Error> {
        match self.load.due {
            Due::Refused(error) => return Err(error),
            Due::Nothing => {
                let at = self.load.end();
                return Err(self.refuse_stream(Refusal::Trailing { at }));
            }
            Due::Header | Due::Model | Due::Params | Due::State => (),
        }
        let lacking = self.load.need.saturating_sub(self.load.have);
        let len = lacking.min(data.len());
        let end = self.load.have.saturating_add(len);
        let slot = self.buffer.as_mut().get_mut(self.load.have..end);
        let (Some(slot), Some(data)) = (slot, data.get(..len)) else {
            // Only a buffer shorter than `buffer_len` comes here.
            let at = self.load.at;
            let flaw = Flaw::Short;
            return Err(self.refuse_stream(Refusal::Record { at, flaw }));
        };
        slot.copy_from_slice(data);
        self.load.have = end;
        Ok(len)
    }

    /// The header, the head of a record or a whole record is there.
    fn item(&mut self) -> Result<(), Refusal> {
        let at = self.load.at;
        let flawed = |flaw| Refusal::Record { at, flaw };
        let bytes = self
            .buffer
            .as_ref()
            .get(..self.load.have)
            .unwrap_or_default();
        match (self.load.due, self.load.head) {
            (Due::Header, _) => {
                Header::parse::<C>(bytes)?;
                self.load.due = Due::Model;
                self.load.turn(HEAD_LEN);
            }
            (_, None) => {
                let limit = self.device.record_max().max(PAYLOAD_MAX);
                let head = Head::parse(bytes, limit).map_err(flawed)?;
                self.load.need = head.record_len();
                self.load.head = Some(head);
            }
            (_, Some(head)) => {
                self.record(head, at)?;
                self.load.turn(HEAD_LEN);
                self.load.records = self.load.records.saturating_add(1);
            }
        }
        Ok(())
    }

    /// A whole record is there.
    fn record(&mut self, head: Head, at: u64) -> Result<(), Refusal> {
        let flawed = |flaw| Refusal::Record { at, flaw };
        let tag = head.tag;
        let bytes = self
            .buffer
            .as_ref()
            .get(..self.load.have)
            .unwrap_or_default();
        let payload = stream::payload::<C>(&head, bytes).map_err(flawed)?;
        let ty = self.device.ty();
        let load = &mut self.load;
        let (due, values) = match (load.due, tag, load.values) {
            (Due::Model, MODEL, _) => {
                let model = str::from_utf8(payload).map_err(|_| flawed(Flaw::Field("model")))?;
                if !crate::params::is_model(model) {
                    return Err(flawed(Flaw::Field("model")));
                }
                if model != ty.model {
                    return Err(Refusal::Model {
                        stream: Text::new(model),
                        device: ty.model,
                    });
                }
                (Due::Params, None)
            }
            (Due::Params, PARAMS, _) => {
                let values = params::read(ty, self.device.values(), payload, at)?;
                params::compare(ty, &values, self.device.values(), |_| true)?;
                (Due::State, Some(values))
            }
            (Due::State, PARAMS, Some(first)) if !load.stopped => {
                let values = params::read(ty, self.device.values(), payload, at)?;
                params::compare(ty, &values, &first, |param| !param.runtime)?;
                (Due::State, Some(values))
            }
            (Due::State, TRAILER, Some(values)) => {
                let mut fields = Fields::new(payload);
                let counted = fields.u32() == Some(load.records) && fields.u64() == Some(at);
                if !counted || !fields.is_empty() {
                    return Err(flawed(Flaw::Count));
                }
                if !self.device.complete(&load.held, &values) {
                    return Err(flawed(Flaw::OutOfPlace { tag }));
                }
                (Due::Nothing, Some(values))
            }
            (Due::State, MODEL | PARAMS, _) => return Err(flawed(Flaw::OutOfPlace { tag })),
            (Due::State, _, Some(values)) => {
                let held = &mut load.held;
                let taken = self.device.load(held, &values, tag, payload);
                match taken.map_err(flawed)? {
                    Taken::Final => load.stopped = true,
                    Taken::Early => (),
                    Taken::Unknown if head.is_mandatory() => {
                        return Err(flawed(Flaw::Unknown { tag }));
                    }
                    Taken::Unknown => return Ok(()),
                }
                (Due::State, Some(values))
            }
            _ => return Err(flawed(Flaw::OutOfPlace { tag })),
        };
        if !head.is_mandatory() {
            let flags = head.flags;
            return Err(flawed(Flaw::Flags { tag, flags }));
        }
        load.due = due;
        load.values = values;
        Ok(())
    }

    fn refuse_stream(&mut self, refusal: Refusal) -> Error {
        let error = self.refuse(refusal);
        self.load.due = Due::Refused(error);
        error
    }

    /// `RESUMING` to `STOP`: the stream must be whole, and its last parameter list the device's.
    pub(super) fn apply(&mut self) -> Result<(), Error> {
        let values = match (self.load.due, self.load.values) {
            (Due::Refused(error), _) => return Err(error),
            (Due::Nothing, Some(values)) => values,
            _ => {
                let at = self.load.end();
                return Err(self.refuse_stream(Refusal::Truncated { at }));
            }
        };
        let (ty, device) = (self.device.ty(), *self.device.values());
        params::compare(ty, &values, &device, |_| true)
            .map_err(|refusal| self.refuse_stream(refusal))?;
        let load = mem::take(&mut self.load);
        self.device.restore(load.held);
        Ok(())
    }
}
