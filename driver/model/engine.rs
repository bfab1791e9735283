// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The migration engine: one per device, whatever protocol drives it.
//!
//! The v2 ioctls and data file, the v1 region and the vfio-user messages are thin views of it. It
//! owns the device, so that every access passes the gates of the migration state.
//!
//! - **Saving** is a pull: [`Engine::peek`] copies bytes out and consumes nothing, [`Engine::consume`]
//!   does. A copy to the user that fails in between loses nothing, and any segmentation gives the
//!   same bytes.
//! - **Resuming** is a push: [`Engine::write`] takes bytes in any segmentation. Entering `RESUMING`
//!   resets the device; what arrives is validated and held back, and applied as a whole on the way
//!   to `STOP`. A refused stream stays refused, with the same error.
//! - **Work** that the device does by itself goes in steps ([`Engine::begin_step`]), which the driver
//!   does without its lock. In the states `RUNNING` and `PRE_COPY` only: before any other the driver
//!   holds the device and waits for the step that is out.
//! - **Sessions** have numbers. An old number is never valid again, so that a file that outlives its
//!   session is harmless ([`Error::Ended`]).
//!
//! What the engine does not do: lock, allocate, wait, copy user memory, signal. It is called under
//! one lock of the driver's. After each call the driver delivers what [`Engine::intx`],
//! [`Engine::take_started`] and [`Engine::msi_pending`] say.

mod access;
mod load;
mod save;
mod work;

use core::marker::PhantomData;

use crate::{
    arcs::{
        self,
        Effect,
        State, //
    },
    crc::{
        Crc32c,
        Table, //
    },
    device::{
        Device,
        Phase, //
    },
    error::Error,
    refusal::Refusal,
    stream::{
        OVERHEAD,
        PAYLOAD_MAX, //
    }, //
};

use load::Load;
use save::Save;

pub use save::{
    Peek,
    PrecopyInfo, //
};

/// Number of a session; never used twice by an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(u64);

/// Which way the bytes of a session go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the device: [`Engine::peek`].
    Save,
    /// To the device: [`Engine::write`].
    Resume,
}

/// A session that a state change opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub session: SessionId,
    /// Its direction.
    pub direction: Direction,
}

/// Length of the buffer that an engine for `device` needs: room for the largest record.
pub fn buffer_len<D: Device>(device: &D) -> usize {
    device
        .record_max()
        .max(PAYLOAD_MAX)
        .saturating_add(OVERHEAD)
}

/// The migration engine of a device.
///
/// # Invariants
///
/// - `session` is `Some` exactly in the pre-copy states, `StopCopy` and `Resuming`; its direction is
///   `Resume` exactly in `Resuming`.
/// - Its number is `last`, and no larger number was ever given out.
pub struct Engine<D: Device, B, C = Table> {
    device: D,
    /// Encoded bytes not consumed yet, or the record that is arriving.
    buffer: B,
    state: State,
    session: Option<Opened>,
    last: u64,
    save: Save<D::Cursor>,
    load: Load<D::Held>,
    refusal: Option<Refusal>,
    reinit: bool,
    /// No step begins.
    held: bool,
    /// A state was loaded, and has not run yet.
    loaded: bool,
    /// A loaded state began to run, and the driver does not know yet.
    started: bool,
    crc: PhantomData<fn() -> C>,
}

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>> Engine<D, B> {
    /// An engine for a new `device`, closed. `buffer` has [`buffer_len`] bytes or more; with a shorter
    /// one saving ends in `ERROR`, and long records are refused.
    pub fn new(device: D, buffer: B) -> Self {
        Self::with_crc(device, buffer)
    }
}

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>, C: Crc32c> Engine<D, B, C> {
    /// [`Engine::new`] with a CRC32C of the caller's.
    pub fn with_crc(device: D, buffer: B) -> Self {
        Self {
            device,
            buffer,
            state: State::Running,
            session: None,
            last: 0,
            save: Save::default(),
            load: Load::default(),
            refusal: None,
            reinit: false,
            held: false,
            loaded: false,
            started: false,
            crc: PhantomData,
        }
    }

    /// The device.
    pub const fn device(&self) -> &D {
        &self.device
    }

    /// First open: judges the combination of parameter values. The state is `RUNNING` then, and there
    /// is no refusal.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `Class::Constraint`; the refusal names the constraint.
    pub fn open(&mut self) -> Result<(), Error> {
        self.restart();
        self.refusal = None;
        let judged = self.device.values().check(self.device.ty());
        judged.map_err(|violation| self.refuse(Refusal::Constraint(violation)))
    }

    /// Last close: ends the session and scrubs the device, unless `keep`. What was in `RESUMING` or
    /// `ERROR` is scrubbed always. The refusal stays.
    pub fn close(&mut self, keep: bool) {
        let whole = !matches!(self.state, State::Resuming | State::Error);
        self.restart();
        self.reinit = false;
        if !(keep && whole) {
            self.device.reset();
        }
    }

    /// After the last close, where the next user is somebody else: the device does no work of its own
    /// until that one allows it ([`Device::park`]).
    pub fn park(&mut self) {
        self.device.park();
    }

    /// `VFIO_DEVICE_RESET`: the device is new, the state `RUNNING`, the session over. Works in every
    /// state; the refusal stays.
    pub fn reset(&mut self) {
        self.restart();
        self.device.reset();
    }

    fn restart(&mut self) {
        self.end_session();
        self.state = State::Running;
        (self.loaded, self.started) = (false, false);
    }

    /// State of migration.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Goes to `to`, by the way [`arcs::next`] gives. Returns the session that was opened, if one was.
    /// Going to the current state does nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NoArc`]; [`Error::Busy`] if a step is out and may not be in `to`, see
    /// [`Engine::hold`]; [`Error::Refused`] if `RESUMING` cannot be left because of its stream. The
    /// state is then one on the way.
    pub fn set_state(&mut self, to: State) -> Result<Option<Opened>, Error> {
        if to == State::Error {
            return Err(Error::NoArc);
        }
        if self.device.working() && !work::allowed(to) {
            return Err(Error::Busy);
        }
        let mut opened = None;
        while self.state != to {
            let next = arcs::next(self.state, to).ok_or(Error::NoArc)?;
            opened = self.step(next)?;
        }
        Ok(opened)
    }

    /// One direct arc.
    fn step(&mut self, next: State) -> Result<Option<Opened>, Error> {
        let effect = arcs::effect(self.state, next).ok_or(Error::NoArc)?;
        let opened = match effect {
            Effect::Keep => None,
            Effect::SaveRunning => Some(self.begin_save(Phase::PreCopy)?),
            Effect::SaveStopped => Some(self.begin_save(Phase::Stop)?),
            Effect::Freeze => {
                self.save.freeze();
                None
            }
            Effect::Resume => {
                self.device.reset();
                self.refusal = None;
                self.load = Load::default();
                Some(self.begin(Direction::Resume))
            }
            Effect::Load => {
                self.apply()?;
                self.end_session();
                self.loaded = true;
                None
            }
            Effect::End => {
                self.end_session();
                None
            }
        };
        self.state = next;
        if next.is_running() {
            self.started |= core::mem::take(&mut self.loaded);
        }
        Ok(opened)
    }

    fn begin(&mut self, direction: Direction) -> Opened {
        self.last = self.last.wrapping_add(1);
        let opened = Opened {
            session: SessionId(self.last),
            direction,
        };
        self.session = Some(opened);
        opened
    }

    fn end_session(&mut self) {
        self.session = None;
        self.device.end_save();
        self.save = Save::default();
        self.load = Load::default();
    }

    /// The open session, if there is one.
    pub const fn session(&self) -> Option<Opened> {
        self.session
    }

    fn expect_session(&self, session: SessionId, direction: Direction) -> Result<(), Error> {
        match self.session {
            Some(open) if open == (Opened { session, direction }) => Ok(()),
            _ => Err(Error::Ended),
        }
    }

    /// Remembers why, and gives the error for it.
    fn refuse(&mut self, refusal: Refusal) -> Error {
        self.refusal = Some(refusal);
        Error::Refused(refusal.class())
    }

    /// Why the last open or stream was refused: the line of `vmig/refusal`. It survives close and
    /// reset, until the next open or stream.
    pub const fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }
}
