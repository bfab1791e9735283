// SPDX-License-Identifier: GPL-2.0-only

//! Faults of state changes, reset, open, close and region accesses.
#![forbid(unsafe_code)]

use kernel::prelude::*;
use vmig_model::{
    arcs::State,
    crc::Crc32c,
    device::{
        Device,
        Region, //
    },
    engine::{
        Direction,
        Opened,
        Peek, //
    },
    error::Error,
    refusal::Refusal, //
};

use super::{
    Engine,
    Fault,
    Old,
    Opening,
    Round,
    Session, //
};

/// How many refusals are too many for those that tire of them.
const MANY_ARCS: u32 = 10;
const MANY_RECORDS: u32 = 8;

/// Where [`Fault::LeavesTraces`] and others leave one: the scratch register of the first port.
const SCRATCH: u64 = 7;

/// Answer to GET of MIG_DATA_SIZE.
pub(in crate::device) struct Size(Option<u64>);

/// There is none.
pub(in crate::device) struct NoSize;

impl TryFrom<Size> for usize {
    type Error = NoSize;

    fn try_from(size: Size) -> core::result::Result<Self, NoSize> {
        size.0.and_then(|size| size.try_into().ok()).ok_or(NoSize)
    }
}

impl From<NoSize> for kernel::error::Error {
    fn from(_: NoSize) -> Self {
        EIO
    }
}

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>, C: Crc32c> Engine<D, B, C> {
    pub(in crate::device) fn state(&mut self) -> State {
        let state = self.real.state();
        self.lag.take().unwrap_or(state)
    }

    pub(in crate::device) fn set_state(
        &mut self,
        to: State,
    ) -> core::result::Result<Option<Opened>, Error> {
        self.lag = None;
        if self.fault == Fault::ErrorIsLeft && self.real.state() == State::Error {
            self.reset();
        }
        let from = self.real.state();
        if self.breaks_before(from, to) {
            return Err(Error::Internal);
        }
        let old = self.real.session();
        let target = match (self.fault, from, to) {
            (Fault::ResumingStopsShort, State::Resuming, State::Running) => State::Stop,
            _ => to,
        };
        match self.real.set_state(target) {
            Ok(opened) => {
                self.moved(from, to, old, opened);
                Ok(opened)
            }
            Err(Error::NoArc) => self.blocked(from),
            Err(error) if from == State::Resuming => self.rejected(to, error),
            Err(error) => Err(error),
        }
    }

    /// Whether the state change fails without reason.
    fn breaks_before(&self, from: State, to: State) -> bool {
        let saving = to == State::StopCopy;
        match self.fault {
            Fault::RefusesAfterSaving => {
                from == State::Resuming && self.session.origin == Some(State::StopCopy)
            }
            Fault::TiresOfRecords => {
                from == State::Resuming && self.opening.bad_records >= MANY_RECORDS
            }
            Fault::TiresOfArcs => saving && self.opening.bad_arcs >= MANY_ARCS,
            Fault::AbortBreaks => saving && self.round.cannot_save,
            _ => false,
        }
    }

    /// The state has changed.
    fn moved(&mut self, from: State, to: State, old: Option<Opened>, opened: Option<Opened>) {
        self.keep(from, to, old);
        if from == State::Resuming && to != from {
            self.round.loaded = true;
            self.round.garbled = self.session.small;
        }
        if from == State::StopCopy && to != from {
            let session = &self.session;
            self.round.given_up = session.consumed > 0 && session.ends == 0;
        }
        if let Some(opened) = opened {
            if let (Fault::LaterWakesResuming, Some(old)) = (self.fault, &mut self.old) {
                old.alive = true;
            }
            self.session = Session {
                origin: Some(from).filter(|_| opened.direction == Direction::Resume),
                ..Session::default()
            };
        }
        let freezes = from.is_pre_copy() && to == State::StopCopy;
        self.session.frozen |= freezes;
        let begun = self.session.consumed > 0;
        let loses = match self.fault {
            Fault::SameStateSkips => from == to,
            Fault::P2pSkips => from == State::PreCopy && to == State::PreCopyP2p && begun,
            Fault::FreezeLosesLater => freezes && self.session.drained,
            Fault::FreezeLosesInitial => freezes && self.session.asked && !begun,
            Fault::GivingUpLoses => to == State::StopCopy && from != to && self.round.given_up,
            _ => false,
        };
        if loses {
            self.lose();
        }
        match (self.fault, from, to) {
            (Fault::StateLags, State::Resuming, State::RunningP2p) => self.lag = Some(State::Stop),
            (Fault::ResavesNothing, State::Resuming, State::StopCopy) => self.session.cut = true,
            (Fault::SmallWritesGarble, _, State::Running) => {
                if core::mem::take(&mut self.round.garbled) {
                    self.mark();
                }
            }
            _ => (),
        }
    }

    /// Lets the session live that a state change has ended, if that is the fault.
    fn keep(&mut self, from: State, to: State, old: Option<Opened>) {
        let keeps = match (from, to) {
            (State::PreCopy, State::Stop) => self.fault == Fault::StopKeepsPreCopy,
            (State::PreCopy, State::Running) | (State::PreCopyP2p, State::RunningP2p) => {
                self.fault == Fault::RunKeepsPreCopy
            }
            (State::StopCopy, State::Stop) => self.fault == Fault::StopKeepsSaving,
            (State::Resuming, State::Stop) => {
                self.fault == Fault::StopKeepsResuming || self.fault == Fault::LaterWakesResuming
            }
            _ => false,
        };
        // The first of several, so that a later one can wake it.
        let keeps = keeps && !self.old.as_ref().is_some_and(|old| old.alive);
        if let (true, Some(old)) = (keeps, old) {
            self.old = Some(Old {
                id: old.session,
                alive: self.fault != Fault::LaterWakesResuming,
            });
        }
    }

    /// There is no way to the state that was asked for.
    fn blocked(&mut self, from: State) -> core::result::Result<Option<Opened>, Error> {
        self.opening.bad_arcs = self.opening.bad_arcs.saturating_add(1);
        match self.fault {
            Fault::GrantsBlockedArcs => return Ok(None),
            Fault::RefusedArcSkips => self.session.cut = from == State::StopCopy,
            _ => (),
        }
        Err(Error::NoArc)
    }

    /// RESUMING cannot be left because of the stream.
    fn rejected(&mut self, to: State, error: Error) -> core::result::Result<Option<Opened>, Error> {
        self.session.rejected = true;
        let cut_at = match self.real.refusal() {
            Some(Refusal::Truncated { at }) => Some(*at),
            _ => None,
        };
        let saved = self.opening.saved;
        let accepts = match self.fault {
            Fault::AcceptsCut => {
                let late = |at: u64| at.saturating_mul(4) > saved.saturating_mul(3);
                to == State::Stop && cut_at.is_some_and(late)
            }
            Fault::AcceptsNothing => to == State::Stop && cut_at == Some(0),
            Fault::AcceptsTail | Fault::AcceptsFlood => self.session.swallowed,
            Fault::Forgives => self.session.wrote_on,
            Fault::RunsAnyway => to == State::Running,
            Fault::TrustsAfterGood => self.round.loaded,
            _ => false,
        };
        if accepts {
            self.real.reset();
            return self.real.set_state(to);
        }
        match self.fault {
            Fault::FailureRuns if to == State::StopCopy => self.real.reset(),
            Fault::RefusalIsError | Fault::ErrorIsLeft => self.real.break_down(),
            _ => (),
        }
        Err(error)
    }

    /// Loses the next byte of the stream.
    pub(super) fn lose(&mut self) {
        if let Some(open) = self.real.session() {
            if let Ok(Peek::Data(_)) = self.real.peek(open.session, &mut [0]) {
                self.real.consume(open.session, 1);
            }
        }
    }

    pub(in crate::device) fn open(&mut self) -> core::result::Result<(), Error> {
        self.opening = Opening::default();
        self.round = Round::default();
        self.session = Session::default();
        self.region = self.region.open();
        match (self.fault, &mut self.old) {
            (Fault::OpenWakesSession, Some(old)) => old.alive = true,
            _ => self.old = None,
        }
        self.real.open()?;
        if self.fault == Fault::OpensStopped {
            self.real.set_state(State::Stop)?;
        }
        Ok(())
    }

    pub(in crate::device) fn close(&mut self, keep: bool) {
        if let Some(open) = self.real.session() {
            if matches!(
                self.fault,
                Fault::CloseKeepsSession | Fault::OpenWakesSession
            ) {
                self.old = Some(Old {
                    id: open.session,
                    alive: self.fault == Fault::CloseKeepsSession,
                });
            }
        }
        self.real.close(keep);
    }

    pub(in crate::device) fn reset(&mut self) {
        let (from, old) = (self.real.state(), self.real.session());
        self.real.reset();
        if let (Fault::ResetKeepsSaving, Some(old)) = (self.fault, old) {
            self.old = Some(Old {
                id: old.session,
                alive: old.direction == Direction::Save,
            });
        }
        let (session, saved) = (&self.session, self.opening.saved);
        let whole = saved > 0 && session.written >= saved && !session.rejected;
        let traces = self.fault == Fault::LeavesTraces && session.rejected;
        self.round = Round {
            cannot_save: from == State::Resuming && whole,
            ..Round::default()
        };
        self.session = Session::default();
        self.region = self.region.reset(from);
        self.lag = None;
        if traces {
            self.mark();
        }
    }

    /// Leaves a trace in a register of the running device.
    fn mark(&mut self) {
        // The register is there: it cannot fail.
        let _ = self.real.region_write(Region::Bar(0), SCRATCH, &[0xa5]);
    }

    pub(in crate::device) fn data_size(&mut self) -> Size {
        let state = self.real.state();
        match self.fault {
            Fault::SizeFails if state == State::Stop => return Size(None),
            Fault::SizeAborts if state.is_pre_copy() => {
                // From pre-copy there is always a way back.
                let _ = self.real.set_state(State::Running);
            }
            _ => (),
        }
        Size(Some(self.real.data_size()))
    }

    pub(in crate::device) fn region_read(
        &mut self,
        region: Region,
        at: u64,
        data: &mut [u8],
    ) -> core::result::Result<(), Error> {
        self.real.region_read(region, at, data)?;
        if self.real.state() == State::Stop {
            match (self.fault, region) {
                (Fault::StopHidesConfig, Region::Config) => data.fill(0xff),
                (Fault::ReadingBreaks, Region::Bar(_)) => self.real.break_down(),
                _ => (),
            }
        }
        Ok(())
    }
}
