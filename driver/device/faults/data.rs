// SPDX-License-Identifier: GPL-2.0-only

//! Faults of the data that a session carries.
#![forbid(unsafe_code)]

use kernel::time::{
    delay::fsleep,
    Delta, //
};
use vmig_model::{
    arcs::State,
    crc::Crc32c,
    device::Device,
    engine::{
        Peek,
        PrecopyInfo,
        SessionId, //
    },
    error::Error,
    refusal::Refusal, //
};

use super::{
    Engine,
    Fault, //
};

/// Longer than the conformance suite lets a refusal take.
const CHEWING: Delta = Delta::from_millis(6000);

/// As long as a read takes with [`Fault::SignalsLose`], for a signal to come in it: without, one that comes between two
/// system calls is all that a busy machine may see.
const LINGERING: Delta = Delta::from_micros(300);

/// How far into a write [`Fault::ChewsOnLengths`] looks, in bytes.
const REACH: usize = 256;

/// Records from here on count for [`Fault::TiresOfRecords`]: those before are the initial data.
const LATER: u64 = 112;

/// As long as a write that is one of many: [`super::Card`]'s piece.
const LARGE: usize = 4096;

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>, C: Crc32c> Engine<D, B, C> {
    fn is_open(&self, session: SessionId) -> bool {
        let open = self.real.session();
        open.is_some_and(|open| open.session == session)
    }

    pub(in crate::device) fn peek(
        &mut self,
        session: SessionId,
        out: &mut [u8],
    ) -> Result<Peek, Error> {
        if self.is_alive(session) {
            return Ok(Peek::Data(out.len().min(1)));
        }
        if self.is_open(session) {
            if self.fault == Fault::FaultsConsume {
                let faulted = self.session.peeked;
                self.consume(session, faulted);
            }
            if self.session.cut {
                return Ok(Peek::End);
            }
            let small = out.len() == 1 && self.session.consumed >= 8;
            if self.fault == Fault::EndTooEarly && self.real.state().is_pre_copy() && small {
                return Ok(Peek::Temporary);
            }
        }
        let found = self.real.peek(session, out)?;
        Ok(match found {
            Peek::Data(count) => {
                self.session.peeked = count;
                if let (Fault::BadStream, 0, [first, ..]) = (self.fault, self.session.consumed, out)
                {
                    *first ^= 1;
                }
                found
            }
            Peek::Temporary => {
                self.session.drained = true;
                match self.fault {
                    Fault::TemporaryIsEnd => Peek::End,
                    _ => found,
                }
            }
            Peek::End => self.end(),
        })
    }

    /// The end was read.
    fn end(&mut self) -> Peek {
        if self.session.ends == 0 {
            self.opening.saved = self.session.consumed;
        }
        self.session.ends = self.session.ends.saturating_add(1);
        match self.fault {
            Fault::EndWearsOff if self.session.ends > 5 => Peek::Temporary,
            Fault::EndIsTemporary if self.session.drained => Peek::Temporary,
            _ => Peek::End,
        }
    }

    pub(in crate::device) fn consume(&mut self, session: SessionId, count: usize) {
        if !self.is_open(session) {
            return;
        }
        self.real.consume(session, count);
        self.session.peeked = 0;
        let bytes = u64::try_from(count).unwrap_or(u64::MAX);
        self.session.consumed = self.session.consumed.saturating_add(bytes);
        let loses = match self.fault {
            Fault::SmallReadsLose => count == 1 && self.real.state() == State::StopCopy,
            Fault::SignalsLose => {
                fsleep(LINGERING);
                kernel::current!().signal_pending()
            }
            _ => false,
        };
        if loses {
            self.lose();
        }
    }

    pub(in crate::device) fn readable(&mut self, session: SessionId) -> Result<bool, Error> {
        if self.is_open(session) {
            let frozen = core::mem::take(&mut self.session.frozen);
            let state = self.real.state();
            match self.fault {
                Fault::PollMissesEnd if self.session.ends > 0 => return Ok(false),
                Fault::PollNeverWaits if state.is_pre_copy() => return Ok(true),
                Fault::PollSleepsOn if frozen => return Ok(false),
                _ => (),
            }
        }
        self.real.readable(session)
    }

    pub(in crate::device) fn precopy_info(
        &mut self,
        session: SessionId,
    ) -> Result<PrecopyInfo, Error> {
        let saving = self.is_open(session) && self.real.state() == State::StopCopy;
        if self.fault == Fault::InfoAnyway && saving {
            return Ok(PrecopyInfo {
                initial_bytes: 0,
                dirty_bytes: 0,
                reinit: false,
            });
        }
        if self.fault == Fault::InfoNever {
            return Err(Error::NotPreCopy);
        }
        let mut info = self.real.precopy_info(session)?;
        self.session.asked = true;
        self.session.renewed |= info.reinit;
        let begun = self.session.consumed > 0;
        if !begun {
            self.session.initial = info.initial_bytes;
        }
        match self.fault {
            Fault::InitialStays if info.initial_bytes > 0 => {
                info.initial_bytes = info.initial_bytes.max(self.session.initial);
            }
            Fault::InitialLingers if self.session.renewed => {
                info.initial_bytes = info.initial_bytes.max(1);
            }
            Fault::DirtyAtFirst if !begun => {
                info.dirty_bytes = info.dirty_bytes.saturating_add(1);
            }
            Fault::DirtyWithReinit if info.reinit => {
                info.dirty_bytes = info.dirty_bytes.saturating_add(1);
            }
            _ => (),
        }
        Ok(info)
    }

    pub(in crate::device) fn write(
        &mut self,
        session: SessionId,
        data: &[u8],
    ) -> Result<usize, Error> {
        if self.is_alive(session) {
            return Ok(data.len());
        }
        let mut taken = data;
        match (self.fault, data.split_last()) {
            (Fault::SmallWritesLose, Some((_, rest))) if (20..=24).contains(&data.len()) => {
                taken = rest;
            }
            (Fault::ChewsOnLengths, _) => {
                let mut words = data.get(..REACH).unwrap_or(data).chunks(4);
                if words.any(|word| word == [0xff; 4]) {
                    fsleep(CHEWING);
                }
            }
            _ => (),
        }
        if self.is_open(session) {
            let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.session.written = self.session.written.saturating_add(bytes);
            self.session.wrote_on |= self.session.refused;
            self.session.small |= (20..=24).contains(&data.len());
        }
        match self.real.write(session, taken) {
            Ok(_) => Ok(data.len()),
            Err(error @ Error::Refused(_)) => self.refused(data.len(), error),
            Err(error) => Err(error),
        }
    }

    /// A write of `len` bytes is refused.
    fn refused(&mut self, len: usize, error: Error) -> Result<usize, Error> {
        let refusal = self.real.refusal();
        let late_record = matches!(refusal, Some(Refusal::Record { at, .. }) if *at >= LATER);
        let trailing = matches!(refusal, Some(Refusal::Trailing { .. }));
        if !self.session.refused && late_record {
            self.opening.bad_records = self.opening.bad_records.saturating_add(1);
        }
        self.session.refused = true;
        self.session.rejected = true;
        let takes = match self.fault {
            Fault::RefusesLate => true,
            Fault::AcceptsTail => trailing && len < LARGE,
            Fault::AcceptsFlood => trailing && len >= LARGE,
            _ => false,
        };
        if takes {
            self.session.swallowed |= trailing;
            return Ok(len);
        }
        Err(error)
    }
}
