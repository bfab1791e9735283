// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The migration state machine, as data.
//!
//! C header: [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)
//! (`enum vfio_device_mig_state`); C function: `vfio_mig_get_next_state()` in
//! `drivers/vfio/vfio_main.c`.
//!
//! [`next`] breaks a request down into direct arcs; [`effect`] says what each direct arc does to the
//! migration session. This module does not know devices or sessions.

use crate::error::Error;

/// State of migration, with the numbers of the uAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum State {
    /// Something internal broke; left by reset only.
    Error = 0,
    /// The device does not change its state and raises no interrupt.
    Stop = 1,
    /// Normal operation; the state after open and reset.
    Running = 2,
    /// Stopped; the session delivers the whole state.
    StopCopy = 3,
    /// Stopped; the session takes a stream.
    Resuming = 4,
    /// Runs, but starts no access to another device.
    RunningP2p = 5,
    /// Runs; the session delivers what is worth sending early.
    PreCopy = 6,
    /// [`State::PreCopy`] with the promise of [`State::RunningP2p`].
    PreCopyP2p = 7,
}

impl State {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Error,
        Self::Stop,
        Self::Running,
        Self::StopCopy,
        Self::Resuming,
        Self::RunningP2p,
        Self::PreCopy,
        Self::PreCopyP2p,
    ];

    /// Whether the device works: `RUNNING`, `RUNNING_P2P`, `PRE_COPY` and `PRE_COPY_P2P`.
    pub const fn is_running(self) -> bool {
        match self {
            Self::Running | Self::RunningP2p | Self::PreCopy | Self::PreCopyP2p => true,
            Self::Error | Self::Stop | Self::StopCopy | Self::Resuming => false,
        }
    }

    /// Whether it is one of the two pre-copy states.
    pub const fn is_pre_copy(self) -> bool {
        matches!(self, Self::PreCopy | Self::PreCopyP2p)
    }

    const fn index(self) -> usize {
        match self {
            Self::Error => 0,
            Self::Stop => 1,
            Self::Running => 2,
            Self::StopCopy => 3,
            Self::Resuming => 4,
            Self::RunningP2p => 5,
            Self::PreCopy => 6,
            Self::PreCopyP2p => 7,
        }
    }

    /// Whether a device with `features` has this state.
    const fn exists(self, features: Features) -> bool {
        match self {
            Self::Error | Self::Stop | Self::Running | Self::StopCopy | Self::Resuming => true,
            Self::RunningP2p => features.p2p,
            Self::PreCopy => features.pre_copy,
            Self::PreCopyP2p => features.p2p && features.pre_copy,
        }
    }
}

impl From<State> for u32 {
    fn from(state: State) -> Self {
        match state {
            State::Error => 0,
            State::Stop => 1,
            State::Running => 2,
            State::StopCopy => 3,
            State::Resuming => 4,
            State::RunningP2p => 5,
            State::PreCopy => 6,
            State::PreCopyP2p => 7,
        }
    }
}

impl TryFrom<u32> for State {
    type Error = Error;

    /// # Errors
    ///
    /// [`Error::NoArc`]: there is no state with this number.
    fn try_from(number: u32) -> Result<Self, Error> {
        let index = usize::try_from(number).map_err(|_| Error::NoArc)?;
        Self::ALL.get(index).copied().ok_or(Error::NoArc)
    }
}

/// Optional parts of the state machine (`VFIO_MIGRATION_P2P`, `VFIO_MIGRATION_PRE_COPY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// The P2P states exist.
    pub p2p: bool,
    /// The pre-copy states exist.
    pub pre_copy: bool,
}

impl Features {
    /// What every device of this crate has.
    pub const ALL: Self = Self {
        p2p: true,
        pre_copy: true,
    };
}

/// First step from the row's state to the column's, in the order of [`State::ALL`]. `Error` blocks.
const TABLE: [[State; 8]; 8] = {
    use State::{
        Error as E, //
        PreCopy as C,
        PreCopyP2p as CP,
        Resuming as L,
        Running as R,
        RunningP2p as RP,
        Stop as S,
        StopCopy as SC,
    };
    [
        // to:  E  S   R   SC  L   RP  C   CP
        /* E  */ [E, E, E, E, E, E, E, E],
        /* S  */ [E, S, RP, SC, L, RP, RP, RP],
        /* R  */ [E, RP, R, RP, RP, RP, C, RP],
        /* SC */ [E, S, S, SC, S, S, E, E],
        /* L  */ [E, S, S, S, L, S, S, S],
        /* RP */ [E, S, R, S, S, RP, R, CP],
        /* C  */ [E, R, R, CP, R, R, C, CP],
        /* CP */ [E, RP, RP, SC, RP, RP, C, CP],
    ]
};

/// Next state on the way from `from` to `to` of a device that has all features.
///
/// `Some(to)` if `from` is `to`; `None` if the way is blocked, which includes every way from or to
/// [`State::Error`].
pub fn next(from: State, to: State) -> Option<State> {
    next_with(Features::ALL, from, to)
}

/// [`next`] for a device with `features`; a state it lacks is skipped on the way, and `None` as `from`
/// or `to`.
pub fn next_with(features: Features, from: State, to: State) -> Option<State> {
    if !from.exists(features) || !to.exists(features) {
        return None;
    }
    let mut step = lookup(from, to);
    while step != State::Error && !step.exists(features) {
        step = lookup(step, to);
    }
    Some(step).filter(|step| *step != State::Error)
}

fn lookup(from: State, to: State) -> State {
    let row = TABLE.get(from.index());
    row.and_then(|row| row.get(to.index()))
        .copied()
        .unwrap_or(State::Error)
}

/// What a direct arc does to the migration session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: there is none, or it goes on.
    Keep,
    /// Opens a session that saves, while the device runs.
    SaveRunning,
    /// Opens a session that saves the stopped device.
    SaveStopped,
    /// The saving session goes on with the stopped device.
    Freeze,
    /// Discards the contents and opens a session that takes a stream.
    Resume,
    /// Applies what the session took, and ends it; may fail.
    Load,
    /// Ends the session.
    End,
}

/// The direct arcs of a device that has all features.
pub const ARCS: [(State, State, Effect); 15] = [
    (State::Running, State::RunningP2p, Effect::Keep),
    (State::RunningP2p, State::Running, Effect::Keep),
    (State::RunningP2p, State::Stop, Effect::Keep),
    (State::Stop, State::RunningP2p, Effect::Keep),
    (State::Stop, State::StopCopy, Effect::SaveStopped),
    (State::StopCopy, State::Stop, Effect::End),
    (State::Stop, State::Resuming, Effect::Resume),
    (State::Resuming, State::Stop, Effect::Load),
    (State::Running, State::PreCopy, Effect::SaveRunning),
    (State::PreCopy, State::Running, Effect::End),
    (State::RunningP2p, State::PreCopyP2p, Effect::SaveRunning),
    (State::PreCopyP2p, State::RunningP2p, Effect::End),
    (State::PreCopy, State::PreCopyP2p, Effect::Keep),
    (State::PreCopyP2p, State::PreCopy, Effect::Keep),
    (State::PreCopyP2p, State::StopCopy, Effect::Freeze),
];

/// What the direct arc from `from` to `to` does; `None` if it is none.
pub fn effect(from: State, to: State) -> Option<Effect> {
    let found = ARCS.iter().find(|(a, b, _)| *a == from && *b == to);
    found.map(|(_, _, effect)| *effect)
}

/// What the last direct arc on the way from `from` to `to` does, which decides whether the way ends
/// with a new session; `None` if the way is blocked or of no length.
pub fn last_effect(mut from: State, to: State) -> Option<Effect> {
    let mut last = None;
    while from != to {
        let next = next(from, to)?;
        last = Some(effect(from, next)?);
        from = next;
    }
    last
}
