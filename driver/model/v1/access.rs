// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Access to the region: what reading and writing each place means.

use super::{
    Saving,
    Section,
    View, //
};
use crate::{
    arcs::State,
    crc::Crc32c,
    device::Device,
    engine::{
        Direction,
        Engine,
        Opened,
        Peek,
        SessionId, //
    },
    error::Error,
};

/// Bytes that are copied between section and engine at a time, on the stack.
const PIECE: usize = 512;

/// A field of `struct vfio_device_migration_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    DeviceState,
    Reserved,
    PendingBytes,
    DataOffset,
    DataSize,
}

impl Field {
    /// The field that an access of `len` bytes at `at` is for, if it is for a whole one.
    const fn at(at: u64, len: usize) -> Result<Self, Error> {
        Ok(match (at, len) {
            (0, 4) => Self::DeviceState,
            (4, 4) => Self::Reserved,
            (8, 8) => Self::PendingBytes,
            (16, 8) => Self::DataOffset,
            (24, 8) => Self::DataSize,
            _ => return Err(Error::NoField),
        })
    }
}

/// What `device_state` shows.
const fn shown(state: State) -> u32 {
    match state {
        State::Stop => 0b000,
        State::Running | State::RunningP2p => 0b001,
        State::StopCopy => 0b010,
        State::PreCopy | State::PreCopyP2p => 0b011,
        State::Resuming => 0b100,
        State::Error => 0b110,
    }
}

/// The state that writing `number` to `device_state` asks for.
const fn asked(number: u32) -> Result<State, Error> {
    Ok(match number {
        0b000 => State::Stop,
        0b001 => State::Running,
        0b010 => State::StopCopy,
        0b011 => State::PreCopy,
        0b100 => State::Resuming,
        _ => return Err(Error::NoArc),
    })
}

/// The region, for one access.
pub struct Access<'a, D: Device, B, C, S> {
    pub(super) view: &'a mut View,
    pub(super) engine: &'a mut Engine<D, B, C>,
    pub(super) section: &'a S,
}

impl<D, B, C, S> Access<'_, D, B, C, S>
where
    D: Device,
    B: AsRef<[u8]> + AsMut<[u8]>,
    C: Crc32c,
    S: Section,
{
    /// Reads `out.len()` bytes at `at`: a field, or a part of the data section.
    ///
    /// # Errors
    ///
    /// [`Error::NoField`], [`Error::OutOfRange`]; [`Error::NoData`] for the data section while nothing
    /// is saved or resumed; [`Error::Busy`] in a session of the other protocol; [`Error::Internal`] if
    /// the device cannot save its state, which is `ERROR` then.
    pub fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        if let Some(at) = self.in_section(at)? {
            self.session()?.ok_or(Error::NoData)?;
            return self.section.read(at, out);
        }
        match Field::at(at, out.len())? {
            Field::DeviceState => put(out, &shown(self.engine.state()).to_ne_bytes()),
            Field::Reserved => put(out, &[0; 4]),
            Field::PendingBytes => put(out, &self.pending_bytes()?.to_ne_bytes()),
            Field::DataOffset => {
                self.fill()?;
                put(out, &self.view.data_offset.to_ne_bytes());
            }
            Field::DataSize => {
                let filled = self.fill()?;
                self.view.saving.told = filled > 0;
                put(out, &wide(filled).to_ne_bytes());
            }
        }
        Ok(())
    }

    /// Writes `data` at `at`: a field, or a part of the data section.
    ///
    /// # Errors
    ///
    /// As [`Access::read`], and: [`Error::NoArc`] for a state that cannot be reached;
    /// [`Error::NoField`] for a field that is not written; [`Error::NoData`] for data and `data_size`
    /// outside of 100b; [`Error::OutOfRange`] for a `data_size` that the section does not have;
    /// [`Error::Refused`] if the stream is refused, and the same again from there on.
    pub fn write(&mut self, at: u64, data: &[u8]) -> Result<(), Error> {
        if let Some(at) = self.in_section(at)? {
            self.resuming()?;
            return self.section.write(at, data);
        }
        match Field::at(at, data.len())? {
            Field::DeviceState => self.set_state(u32::from_ne_bytes(get(data)?)),
            Field::Reserved => Ok(()),
            Field::PendingBytes | Field::DataOffset => Err(Error::NoField),
            Field::DataSize => self.take(u64::from_ne_bytes(get(data)?)),
        }
    }

    /// Whether an access at `at` is one of the data section, and where in it.
    fn in_section(&self, at: u64) -> Result<Option<usize>, Error> {
        let at = at.checked_sub(self.view.data_offset).map(usize::try_from);
        at.transpose().map_err(|_| Error::OutOfRange)
    }

    /// The region's session, if there is one.
    fn session(&self) -> Result<Option<Opened>, Error> {
        match self.engine.session() {
            Some(_) if !self.view.owns(self.engine) => Err(Error::Busy),
            session => Ok(session),
        }
    }

    /// The session, if it saves.
    fn saving(&self) -> Result<Option<SessionId>, Error> {
        let session = self.session()?;
        let session = session.filter(|session| session.direction == Direction::Save);
        Ok(session.map(|session| session.session))
    }

    /// The session, which takes a stream.
    fn resuming(&self) -> Result<SessionId, Error> {
        let session = self.session()?;
        let session = session.filter(|session| session.direction == Direction::Resume);
        session.map(|session| session.session).ok_or(Error::NoData)
    }

    fn set_state(&mut self, number: u32) -> Result<(), Error> {
        let to = asked(number)?;
        self.session()?;
        let opened = self.engine.set_state(to)?;
        if opened.is_some() {
            self.view.session = opened;
            self.view.saving = Saving::default();
        }
        Ok(())
    }

    /// Reads `pending_bytes`: the user has what it was told of, and there is so much more. 0 exactly if
    /// there is nothing (in 011b: nothing now), else an estimate.
    fn pending_bytes(&mut self) -> Result<u64, Error> {
        let Some(session) = self.saving()? else {
            return Ok(0);
        };
        let saving = &mut self.view.saving;
        if saving.told {
            saving.sent = saving.sent.saturating_add(wide(saving.filled));
            saving.filled = 0;
            saving.told = false;
        }
        let filled = wide(saving.filled);
        let known = saving.sent.saturating_add(filled);
        let more = match self.engine.peek(session, &mut [])? {
            Peek::Temporary | Peek::End => 0,
            Peek::Data(_) => {
                let left = match self.engine.precopy_info(session) {
                    Ok(info) => info.initial_bytes.saturating_add(info.dirty_bytes),
                    Err(_) => self.engine.data_size().saturating_sub(known),
                };
                left.max(1)
            }
        };
        Ok(filled.saturating_add(more))
    }

    /// Fills the section, if the user has what was in it and this session saves. Returns how many
    /// bytes there are.
    fn fill(&mut self) -> Result<usize, Error> {
        let Some(session) = self.saving()? else {
            return Ok(0);
        };
        let mut filled = self.view.saving.filled;
        if filled > 0 {
            return Ok(filled);
        }
        let mut piece = [0; PIECE];
        loop {
            let room = self.section.len().saturating_sub(filled);
            let piece = piece.get_mut(..room.min(PIECE)).unwrap_or_default();
            let len = match self.engine.peek(session, piece)? {
                Peek::Data(len) => len,
                Peek::Temporary | Peek::End => break,
            };
            let data = piece.get(..len).unwrap_or_default();
            // The section is full.
            if data.is_empty() {
                break;
            }
            self.section.write(filled, data)?;
            self.engine.consume(session, len);
            filled = filled.saturating_add(len);
            self.view.saving.filled = filled;
        }
        Ok(filled)
    }

    /// Writes `data_size`: so many bytes of the stream are in the section.
    fn take(&mut self, size: u64) -> Result<(), Error> {
        let session = self.resuming()?;
        let size = usize::try_from(size).map_err(|_| Error::OutOfRange)?;
        if size > self.section.len() {
            return Err(Error::OutOfRange);
        }
        let mut piece = [0; PIECE];
        let mut at = 0_usize;
        while at < size {
            let len = size.saturating_sub(at).min(PIECE);
            let piece = piece.get_mut(..len).unwrap_or_default();
            self.section.read(at, piece)?;
            self.engine.write(session, piece)?;
            at = at.saturating_add(len);
        }
        Ok(())
    }
}

/// Puts a field, whose length was judged.
fn put(out: &mut [u8], field: &[u8]) {
    out.iter_mut().zip(field).for_each(|(to, from)| *to = *from);
}

/// Gets a field, whose length was judged.
fn get<const N: usize>(data: &[u8]) -> Result<[u8; N], Error> {
    data.try_into().map_err(|_| Error::NoField)
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
