// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The saving side: device to bytes.

use super::{
    Direction,
    Engine,
    Opened,
    SessionId, //
};
use crate::{
    arcs::State,
    crc::Crc32c,
    device::{
        Device,
        Phase, //
    },
    error::Error,
    stream::{
        self,
        params,
        wire::Payload,
        Header,
        HEADER_LEN,
        MODEL,
        OVERHEAD,
        PARAMS,
        TRAILER,
        TRAILER_LEN, //
    },
    values::Values, //
};

/// What [`Engine::peek`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// This many bytes were copied; [`Engine::consume`] them when they are used.
    Data(usize),
    /// Nothing now, perhaps later: the temporary end of pre-copy (ENOMSG).
    Temporary,
    /// Nothing, for ever.
    End,
}

/// What `VFIO_MIG_GET_PRECOPY_INFO` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrecopyInfo {
    /// Initial data not consumed yet, in bytes.
    pub initial_bytes: u64,
    /// Estimated later data not consumed yet, in bytes.
    pub dirty_bytes: u64,
    /// There is new initial data (`VFIO_PRECOPY_INFO_REINIT`).
    pub reinit: bool,
}

/// State of a saving session.
///
/// # Invariants
///
/// - `sent <= filled <=` length of the buffer; `buffer[sent..filled]` was encoded and not consumed.
/// - `filled - sent` is `produced` minus the number of bytes consumed.
#[derive(Debug)]
pub(super) struct Save<K> {
    phase: Phase,
    /// How far the device has come.
    cursor: K,
    filled: usize,
    sent: usize,
    /// Length of the stream so far, consumed or not.
    produced: u64,
    /// Length of the stream up to the end of its last initial data.
    initial_end: u64,
    /// The last initial data came from a changed parameter.
    reinit: bool,
    records: u32,
    trailer: bool,
}

impl<K: Default> Default for Save<K> {
    fn default() -> Self {
        Self {
            phase: Phase::Stop,
            cursor: K::default(),
            filled: 0,
            sent: 0,
            produced: 0,
            initial_end: 0,
            reinit: false,
            records: 0,
            trailer: false,
        }
    }
}

impl<K> Save<K> {
    /// The device is stopped from now on.
    pub(super) fn freeze(&mut self) {
        self.phase = Phase::Stop;
    }

    fn unread(&self) -> usize {
        self.filled.saturating_sub(self.sent)
    }

    fn initial_left(&self) -> u64 {
        let consumed = self.produced.saturating_sub(wide(self.unread()));
        self.initial_end.saturating_sub(consumed)
    }

    /// `len` bytes were encoded at the end of the buffer.
    fn add(&mut self, len: usize) {
        // INVARIANT: the caller wrote them there, so they fit.
        self.filled = self.filled.saturating_add(len);
        self.produced = self.produced.saturating_add(wide(len));
    }
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>, C: Crc32c> Engine<D, B, C> {
    /// Opens a session and encodes its initial data: header, model, parameters.
    pub(super) fn begin_save(&mut self, phase: Phase) -> Result<Opened, Error> {
        self.save = Save {
            phase,
            ..Save::default()
        };
        let header = Header::bytes::<C>();
        match self.buffer.as_mut().get_mut(..HEADER_LEN) {
            Some(slot) => slot.copy_from_slice(&header),
            None => return Err(self.fail()),
        }
        self.save.add(HEADER_LEN);
        let (ty, values) = (self.device.ty(), *self.device.values());
        self.append(|out| {
            out.bytes(ty.model.as_bytes());
            Some(MODEL)
        })
        .ok_or_else(|| self.fail())?;
        self.append_params(&values).ok_or_else(|| self.fail())?;
        self.save.initial_end = self.save.produced;
        self.device.begin_save(phase);
        Ok(self.begin(Direction::Save))
    }

    /// Something broke inside: only reset leads on.
    fn fail(&mut self) -> Error {
        self.end_session();
        self.state = State::Error;
        Error::Internal
    }

    /// Breaks the device inside, in modules with faults on purpose.
    #[cfg(vmig_faults)]
    pub fn break_down(&mut self) {
        let _ = self.fail();
    }

    /// Encodes a record at the end of the buffer. `None` if there is no room for it.
    fn append(&mut self, fill: impl FnOnce(&mut Payload<'_>) -> Option<u16>) -> Option<usize> {
        let room = self.buffer.as_mut().get_mut(self.save.filled..)?;
        let len = stream::write_record::<C>(room, fill)?;
        if len > 0 {
            self.save.records = self.save.records.checked_add(1)?;
        }
        self.save.add(len);
        Some(len)
    }

    fn append_params(&mut self, values: &Values) -> Option<usize> {
        let ty = self.device.ty();
        self.append(|out| {
            params::write(ty, values, out);
            Some(PARAMS)
        })
    }

    /// Takes changed runtime parameters in pre-copy: another parameter record, new initial data.
    pub(super) fn reinitialise(&mut self, values: Values) -> Result<(), Error> {
        let unread = self.save.sent..self.save.filled;
        let left = self.save.unread();
        if self.buffer.as_ref().get(unread.clone()).is_none() {
            return Err(self.fail());
        }
        self.buffer.as_mut().copy_within(unread, 0);
        self.save.sent = 0;
        self.save.filled = left;
        // A reader that never reads cannot be told of more changes than fit.
        self.append_params(&values).ok_or(Error::Busy)?;
        self.save.initial_end = self.save.produced;
        self.save.reinit = true;
        self.device.set_values(values, None);
        Ok(())
    }

    /// Copies unread bytes of the stream to the front of `out` and consumes nothing. May copy fewer
    /// than there are.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`]; [`Error::Internal`] if the device cannot save its state, which is `ERROR`
    /// then.
    pub fn peek(&mut self, session: SessionId, out: &mut [u8]) -> Result<Peek, Error> {
        self.expect_session(session, Direction::Save)?;
        if self.save.unread() == 0 && !self.produce()? {
            return Ok(match self.save.phase {
                Phase::PreCopy => Peek::Temporary,
                Phase::Stop => Peek::End,
            });
        }
        let unread = self.buffer.as_ref().get(self.save.sent..self.save.filled);
        let unread = unread.unwrap_or_default();
        let len = unread.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), unread.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(Peek::Data(len))
    }

    /// The first `len` unread bytes were used. Nothing happens if the session is over.
    pub fn consume(&mut self, session: SessionId, len: usize) {
        if self.expect_session(session, Direction::Save).is_ok() {
            let sent = self.save.sent.saturating_add(len);
            // INVARIANT: `sent` does not pass `filled`.
            self.save.sent = sent.min(self.save.filled);
        }
    }

    /// Whether [`Engine::peek`] would find data or the permanent end; what poll() waits for.
    ///
    /// # Errors
    ///
    /// As [`Engine::peek`].
    pub fn readable(&mut self, session: SessionId) -> Result<bool, Error> {
        self.peek(session, &mut [])
            .map(|found| found != Peek::Temporary)
    }

    /// Fills the empty buffer with the next records. Whether there was one.
    fn produce(&mut self) -> Result<bool, Error> {
        self.save.sent = 0;
        self.save.filled = 0;
        let most = self.device.record_max().saturating_add(OVERHEAD);
        while self.next_record()? {
            let room = self.buffer.as_ref().len().saturating_sub(self.save.filled);
            if room < most {
                break;
            }
        }
        Ok(self.save.filled > 0)
    }

    /// Encodes the next record of the device, or the trailer. Whether there was one.
    fn next_record(&mut self) -> Result<bool, Error> {
        if self.save.trailer {
            return Ok(false);
        }
        let (phase, filled) = (self.save.phase, self.save.filled);
        let Some(room) = self.buffer.as_mut().get_mut(filled..) else {
            return Err(self.fail());
        };
        let mut fault = false;
        let initial = self.device.left(&self.save.cursor).initial > 0;
        let (device, cursor) = (&mut self.device, &mut self.save.cursor);
        let encoded = stream::write_record::<C>(room, |out| {
            let saved = device.save(phase, cursor, out);
            fault = saved.is_err();
            saved.ok().flatten()
        });
        match (encoded, self.save.records.checked_add(1)) {
            (Some(0), _) if !fault => (),
            (Some(len), Some(records)) if !fault => {
                self.save.add(len);
                self.save.records = records;
                if initial {
                    self.save.initial_end = self.save.produced;
                }
                return Ok(true);
            }
            _ => return Err(self.fail()),
        }
        match phase {
            Phase::PreCopy => Ok(false),
            Phase::Stop => {
                let (records, bytes) = (self.save.records, self.save.produced);
                self.append(|out| {
                    out.u32(records);
                    out.u64(bytes);
                    Some(TRAILER)
                })
                .ok_or_else(|| self.fail())?;
                self.save.trailer = true;
                Ok(true)
            }
        }
    }

    /// What is left to read in pre-copy.
    ///
    /// # Errors
    ///
    /// [`Error::NotPreCopy`] in any other state, and if `session` is over.
    pub fn precopy_info(&self, session: SessionId) -> Result<PrecopyInfo, Error> {
        let current = self.expect_session(session, Direction::Save).is_ok();
        if !current || !self.state.is_pre_copy() {
            return Err(Error::NotPreCopy);
        }
        let left = self.device.left(&self.save.cursor);
        let encoded = self.save.initial_left();
        let later = wide(self.save.unread()).saturating_sub(encoded);
        let initial_bytes = encoded.saturating_add(left.initial);
        Ok(PrecopyInfo {
            initial_bytes,
            dirty_bytes: left.dirty.saturating_add(later),
            reinit: self.save.reinit && initial_bytes > 0,
        })
    }

    /// Length of what a device that stops now has left to send, in bytes; an upper bound. For
    /// `VFIO_DEVICE_FEATURE_MIG_DATA_SIZE`, in every state.
    pub fn data_size(&self) -> u64 {
        let trailer = TRAILER_LEN.saturating_add(OVERHEAD);
        let fixed = match self.session {
            Some(open) if open.direction == Direction::Save => {
                let trailer = if self.save.trailer { 0 } else { trailer };
                self.save.unread().saturating_add(trailer)
            }
            _ => {
                let (ty, values) = (self.device.ty(), self.device.values());
                let parts = [HEADER_LEN, OVERHEAD, ty.model.len(), OVERHEAD, trailer];
                let list = params::len(ty, values);
                parts.iter().fold(list, |sum, len| sum.saturating_add(*len))
            }
        };
        let left = self.device.stop_bytes(&self.save.cursor);
        left.saturating_add(wide(fixed))
    }
}
