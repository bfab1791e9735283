// SPDX-License-Identifier: GPL-2.0-only

//! Faults on purpose, in modules built with `VMIG_FAULTS=1` only: a device breaks one rule of the
//! migration uAPI, so that the conformance suite can be seen to notice.
//!
//! The driver is the same with and without. [`Engine`] stands in the place of the model's engine,
//! passes everything on, and falsifies what the chosen [`Fault`] is about. A fault is chosen per
//! device, by writing its name to the attribute `vmig/fault`, which only such a module has. Rules
//! that the VFIO core keeps for every driver cannot be broken here.
//!
//! `tests/FAULTS.md` says which statements each of them breaks.
#![forbid(unsafe_code)]

mod data;
pub(super) mod region;
mod states;

use core::ops::{
    Deref,
    DerefMut, //
};

use kernel::{
    fmt::Write as _,
    prelude::*,
    str::Formatter, //
};
use vmig_model::{
    arcs::State,
    crc::Crc32c,
    device::Device,
    engine::{
        self,
        SessionId, //
    }, //
};

use super::Card;

/// Declares the faults with their names.
macro_rules! faults {
    ($($(#[$doc:meta])* $fault:ident = $name:literal,)*) => {
        /// What is wrong with a device.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(super) enum Fault {
            $($(#[$doc])* $fault,)*
        }

        const NAMES: &[(Fault, &str)] = &[$((Fault::$fault, $name),)*];
    };
}

faults! {
    /// Nothing.
    None = "none",

    /// The last close leaves STOP to the next open.
    OpensStopped = "opens-stopped",
    /// STOP_COPY to a pre-copy state is granted, and nothing happens.
    GrantsBlockedArcs = "grants-blocked-arcs",
    /// STOP_COPY to a pre-copy state is refused, and the rest of the stream is gone.
    RefusedArcSkips = "refused-arc-skips",
    /// SET to the current state loses a byte of the stream.
    SameStateSkips = "same-state-skips",
    /// RESUMING to RUNNING ends in STOP.
    ResumingStopsShort = "resuming-stops-short",
    /// GET after RESUMING to RUNNING_P2P shows STOP once.
    StateLags = "state-lags",
    /// RESUMING to STOP_COPY opens a session that is empty.
    ResavesNothing = "resaves-nothing",
    /// PRE_COPY to STOP leaves the session readable.
    StopKeepsPreCopy = "stop-keeps-pre-copy",
    /// PRE_COPY to RUNNING leaves the session readable.
    RunKeepsPreCopy = "run-keeps-pre-copy",
    /// STOP_COPY to STOP leaves the session readable.
    StopKeepsSaving = "stop-keeps-saving",
    /// RESUMING to STOP leaves the session writable.
    StopKeepsResuming = "stop-keeps-resuming",
    /// A later session makes one that was left by STOP writable again.
    LaterWakesResuming = "later-wakes-resuming",
    /// Reset leaves a saving session readable.
    ResetKeepsSaving = "reset-keeps-saving",
    /// The last close leaves the session alive.
    CloseKeepsSession = "close-keeps-session",
    /// The next open brings the session of the last user back to life.
    OpenWakesSession = "open-wakes-session",
    /// What is first after pre-copy is lost if pre-copy was read to its end.
    FreezeLosesLater = "freeze-loses-later",
    /// What is first after pre-copy is lost if nothing but the sizes was read before.
    FreezeLosesInitial = "freeze-loses-initial",
    /// PRE_COPY to PRE_COPY_P2P loses a byte of a stream that was begun.
    P2pSkips = "p2p-skips",
    /// RESUMING to STOP_COPY with a bad stream leads to RUNNING.
    FailureRuns = "failure-runs",
    /// GET of MIG_DATA_SIZE in pre-copy leads to RUNNING.
    SizeAborts = "size-aborts",
    /// GET of MIG_DATA_SIZE fails in STOP.
    SizeFails = "size-fails",
    /// A refused stream brings the device into ERROR. Nothing forbids that.
    RefusalIsError = "refusal-is-error",
    /// The same, and SET leads out of ERROR.
    ErrorIsLeft = "error-is-left",
    /// After a session that was given up in STOP_COPY the next one lacks a byte.
    GivingUpLoses = "giving-up-loses",
    /// Ten refused arcs end saving until the last close.
    TiresOfArcs = "tires-of-arcs",
    /// Config space is all ones in STOP.
    StopHidesConfig = "stop-hides-config",
    /// Reading a BAR in STOP leads to ERROR.
    ReadingBreaks = "reading-breaks",

    /// The first byte of every stream is wrong.
    BadStream = "bad-stream",
    /// The sixth read at the end gives ENOMSG.
    EndWearsOff = "end-wears-off",
    /// poll() does not tell of the end.
    PollMissesEnd = "poll-misses-end",
    /// ENOMSG at the end of a stream of which pre-copy was read to its end.
    EndIsTemporary = "end-is-temporary",
    /// 0 at the temporary end.
    TemporaryIsEnd = "temporary-is-end",
    /// poll() does not wait at the temporary end.
    PollNeverWaits = "poll-never-waits",
    /// Who polls when pre-copy ends is told nothing.
    PollSleepsOn = "poll-sleeps-on",
    /// Reads of one byte lose the next.
    SmallReadsLose = "small-reads-lose",
    /// A read that faults consumes.
    FaultsConsume = "faults-consume",
    /// A read during which a signal comes loses a byte.
    SignalsLose = "signals-lose",
    /// Pre-copy information is given in STOP_COPY, too.
    InfoAnyway = "info-anyway",
    /// Pre-copy information is never given.
    InfoNever = "info-never",
    /// The size of the initial data stays until all were read.
    InitialStays = "initial-stays",
    /// One byte of new initial data stays for ever.
    InitialLingers = "initial-lingers",
    /// A dirty byte before anything was read.
    DirtyAtFirst = "dirty-at-first",
    /// A dirty byte together with new initial data.
    DirtyWithReinit = "dirty-with-reinit",
    /// Reads of one byte find a temporary end that sizes deny.
    EndTooEarly = "end-too-early",

    /// write() takes what is refused; SET tells.
    RefusesLate = "refuses-late",
    /// Writes of 20 to 24 bytes lose the last.
    SmallWritesLose = "small-writes-lose",
    /// A stream that came in writes of 20 to 24 bytes sets a register when the device runs.
    SmallWritesGarble = "small-writes-garble",
    /// A stream is refused if RESUMING came from STOP_COPY.
    RefusesAfterSaving = "refuses-after-saving",
    /// A stream without its end is accepted.
    AcceptsCut = "accepts-cut",
    /// A stream without anything is accepted.
    AcceptsNothing = "accepts-nothing",
    /// A few bytes after the end are accepted.
    AcceptsTail = "accepts-tail",
    /// Any number of bytes after the end is accepted, if they come in large writes.
    AcceptsFlood = "accepts-flood",
    /// Eight bad records end resuming until the last close.
    TiresOfRecords = "tires-of-records",
    /// A refused write() is forgotten with the next.
    Forgives = "forgives",
    /// A refused stream leaves a register behind that a reset does not clear.
    LeavesTraces = "leaves-traces",
    /// The reset that aborts a whole stream ends saving until the next.
    AbortBreaks = "abort-breaks",
    /// RESUMING to RUNNING accepts any stream.
    RunsAnyway = "runs-anyway",
    /// After a good stream any other is accepted until a reset.
    TrustsAfterGood = "trusts-after-good",
    /// A length of 0xffffffff keeps the device busy for six seconds.
    ChewsOnLengths = "chews-on-lengths",

    /// The region cannot be read, it says.
    RegionUnreadable = "region-unreadable",
    /// Parts of fields can be read.
    FieldsInParts = "fields-in-parts",
    /// The reserved field reads 1.
    ReservedSpeaks = "reserved-speaks",
    /// Bit 3 of `device_state` is set in 011b.
    BitsFlicker = "bits-flicker",
    /// 011b to 010b shows 011b once more.
    FreezeLags = "freeze-lags",
    /// Writing 101b in 001b fails, and leads to 000b.
    RefusalMoves = "refusal-moves",
    /// Writing 111b succeeds, and nothing happens.
    TakesInvalid = "takes-invalid",
    /// 000b to 010b is refused.
    StopCannotSave = "stop-cannot-save",
    /// Reading `pending_bytes` in 011b leads to 001b.
    PendingEnds = "pending-ends",
    /// 011b to 010b loses a byte.
    FreezeLoses = "freeze-loses",
    /// `pending_bytes` grows when it is read again.
    PendingGrows = "pending-grows",
    /// `pending_bytes` is 1 when it is read again at the end.
    PendingReturns = "pending-returns",
    /// `pending_bytes` is 1 once at the end.
    EndPends = "end-pends",
    /// After a reset in the middle of a buffer the next stream lacks a byte.
    ResetLoses = "reset-loses",
    /// The second session since a reset lacks a byte.
    SavingAgainLoses = "saving-again-loses",
    /// The first `data_size` after open is 0.
    SizeComesLate = "size-comes-late",
    /// `data_size` is one less when it is read again.
    SizeShrinks = "size-shrinks",
    /// Writing `data_offset` makes it 0.
    OffsetIsTaken = "offset-is-taken",
    /// `data_offset` is 8 more than a multiple of the page size.
    OffsetMisaligned = "offset-misaligned",
    /// `data_offset` is another one in 100b.
    OffsetMoves = "offset-moves",
    /// A mapping shows other memory than the data section.
    MapsElsewhere = "maps-elsewhere",
    /// A mapping shows what the last user has left in the data section.
    MapsOldData = "maps-old-data",
    /// What `data_size` tells of is looked at with the next write only.
    TakesLate = "takes-late",
    /// The region is a page larger in 100b.
    RegionGrows = "region-grows",
    /// One of the areas that can be mapped is empty.
    AreaIsEmpty = "area-is-empty",
    /// A transaction of 7 bytes is refused.
    RefusesSevens = "refuses-sevens",
    /// Writing `data_size` takes what is refused; `device_state` tells.
    RegionRefusesLate = "region-refuses-late",
    /// 100b to 001b accepts a stream without anything.
    RegionAcceptsNothing = "region-accepts-nothing",
    /// Writing `data_size` in 001b leads to 000b.
    SizeStops = "size-stops",
    /// The data section can be read while nothing is saved or resumed.
    SectionAlwaysOpen = "section-always-open",
    /// What lies behind the region can be read.
    SectionEndless = "section-endless",
}

impl Fault {
    fn of(name: &str) -> Result<Self> {
        let entry = NAMES.iter().find(|(_, of)| *of == name);
        entry.map(|(fault, _)| *fault).ok_or(EINVAL)
    }
}

/// What happened in the present session.
#[derive(Default)]
struct Session {
    /// The state that a resuming session was entered from.
    origin: Option<State>,
    /// Its sizes were asked for.
    asked: bool,
    /// The size of the initial data before anything was read.
    initial: u64,
    /// New initial data were told of.
    renewed: bool,
    consumed: u64,
    /// Bytes that were peeked at, and not consumed yet.
    peeked: usize,
    /// Pre-copy was read to its end.
    drained: bool,
    /// Pre-copy ended, and nobody has polled since.
    frozen: bool,
    /// How often the end was read.
    ends: u32,
    /// The rest is withheld.
    cut: bool,
    written: u64,
    /// A write had 20 to 24 bytes.
    small: bool,
    /// write() was refused.
    refused: bool,
    /// write() was called after that.
    wrote_on: bool,
    /// write() or SET was refused.
    rejected: bool,
    /// Bytes after the end were taken.
    swallowed: bool,
}

/// What happened since the last reset.
#[derive(Default)]
struct Round {
    given_up: bool,
    loaded: bool,
    /// What was loaded came in small writes, and the device has not run since.
    garbled: bool,
    cannot_save: bool,
}

/// What happened since the device was opened.
#[derive(Default)]
struct Opening {
    /// Length of the last stream that was read to its end.
    saved: u64,
    bad_records: u32,
    bad_arcs: u32,
}

/// A session that is over.
struct Old {
    id: SessionId,
    /// It does as if it were not.
    alive: bool,
}

/// The model's engine, with a fault.
pub(super) struct Engine<D: Device, B, C> {
    real: engine::Engine<D, B, C>,
    fault: Fault,
    session: Session,
    round: Round,
    opening: Opening,
    old: Option<Old>,
    lag: Option<State>,
    region: region::Seen,
}

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>, C: Crc32c> Engine<D, B, C> {
    pub(super) fn with_crc(device: D, buffer: B) -> Self {
        Self {
            real: engine::Engine::with_crc(device, buffer),
            fault: Fault::None,
            session: Session::default(),
            round: Round::default(),
            opening: Opening::default(),
            old: None,
            lag: None,
            region: region::Seen::default(),
        }
    }

    fn is_alive(&self, session: SessionId) -> bool {
        let old = self.old.as_ref();
        old.is_some_and(|old| old.alive && old.id == session)
    }
}

impl<D: Device, B, C> Deref for Engine<D, B, C> {
    type Target = engine::Engine<D, B, C>;

    fn deref(&self) -> &Self::Target {
        &self.real
    }
}

impl<D: Device, B, C> DerefMut for Engine<D, B, C> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.real
    }
}

impl Card {
    /// Writes the names of all faults and a newline; that of the device's stands in brackets.
    pub(crate) fn fault_show(&self, out: &mut Formatter<'_>) -> Result {
        let present = self.state.lock().engine.fault;
        for (fault, name) in NAMES {
            match *fault == present {
                true => write!(out, "[{name}] ")?,
                false => write!(out, "{name} ")?,
            }
        }
        Ok(writeln!(out)?)
    }

    /// Gives the device a fault by its name.
    pub(crate) fn fault_store(&self, name: &str) -> Result {
        self.state.lock().engine.fault = Fault::of(name)?;
        Ok(())
    }
}
