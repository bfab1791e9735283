// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The device under test: opened for one statement, and reset when that is over.

use std::{
    cell::Cell,
    ops::{
        Deref,
        Div,
        Mul, //
    },
    path::PathBuf,
    time::{
        Duration,
        Instant, //
    },
};

use vmig_vfio::{
    Attach,
    Device,
    Location,
    MigrationFlags,
    Roots,
    State, //
};

use crate::{
    paths,
    target::{
        self,
        Session,
        Target, //
    },
    verdict::{
        broken,
        check,
        error_shown,
        skip,
        Call,
        Own,
        Unheld, //
    },
};

/// What to check, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the system's files are.
    pub roots: Roots,
    /// The device's directory in sysfs.
    pub directory: PathBuf,
    /// The interface to open it through.
    pub attach: Attach,
    /// The socket of a vfio-user server whose device is checked instead; `directory` and `attach` mean
    /// nothing then.
    pub socket: Option<PathBuf>,
    /// Whether bad streams and removal are allowed.
    pub destructive: bool,
    /// How long one statement may take.
    pub deadline: Duration,
    /// About how many bad streams of a kind one statement makes at most. Below [`Options::MANY`], what is
    /// tried for a time ends sooner, too.
    pub tries: usize,
    /// A program and its arguments that make the device reconfigure itself while it is in
    /// PRE_COPY; there is no such thing in the uAPI.
    pub reconfigure: Vec<String>,
}

impl Options {
    /// [`tries`](Self::tries) of a run that takes its time.
    pub const MANY: usize = 1024;
}

impl Default for Options {
    /// The system's own files, either interface, nothing destructive, a minute for a statement,
    /// [`MANY`](Self::MANY) bad streams of a kind. No device: its directory is empty.
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            directory: PathBuf::new(),
            attach: Attach::Auto,
            socket: None,
            destructive: false,
            deadline: Duration::from_secs(60),
            tries: Self::MANY,
            reconfigure: Vec::new(),
        }
    }
}

/// What a check works with.
pub(crate) struct Bench {
    pub(crate) options: Options,
    started: Instant,
}

impl Bench {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            started: Instant::now(),
        }
    }

    /// Whether there is time for more of the same: half of the deadline is not over.
    pub(crate) fn has_time(&self) -> bool {
        self.started.elapsed() < self.options.deadline / 2
    }

    /// How much of `all` to do: in proportion to the tries, but a quarter at least.
    pub(crate) fn share<T: Mul<u32, Output = T> + Div<u32, Output = T>>(&self, all: T) -> T {
        const WHOLE: u32 = 64;
        let share = self.options.tries * WHOLE as usize / Options::MANY;
        all * u32::try_from(share)
            .unwrap_or(WHOLE)
            .clamp(WHOLE / 4, WHOLE)
            / WHOLE
    }

    pub(crate) fn location(&self) -> Result<Location, Unheld> {
        Location::find(&self.options.roots, &self.options.directory).own("the device")
    }

    /// Opens the device as it is, with or without migration.
    pub(crate) fn open_plain(&self) -> Result<Subject, Unheld> {
        let target = target::open(&self.options).must("opening the device")?;
        let flags = target.migration_flags().map_err(|e| {
            let expected = "feature MIGRATION (get) succeeds or gives ENOTTY";
            broken(expected, error_shown(&e))
        })?;
        Ok(Subject {
            target,
            flags: flags.unwrap_or(MigrationFlags(0)),
            migratable: flags.is_some(),
            tidy: Cell::new(flags.is_some()),
        })
    }

    /// Opens a device that can be migrated, and leaves it as the driver does at open.
    pub(crate) fn open_fresh(&self) -> Result<Subject, Unheld> {
        let subject = self.open_plain()?;
        match subject.migratable {
            true => Ok(subject),
            false => Err(skip(
                "the device has no migration (feature MIGRATION: ENOTTY)",
            )),
        }
    }

    /// Opens a device that can be migrated, in RUNNING.
    pub(crate) fn open(&self) -> Result<Subject, Unheld> {
        let subject = self.open_fresh()?;
        if subject.state().must("getting the state")? != State::Running {
            subject.restart()?;
        }
        Ok(subject)
    }
}

/// The open device. Dropping it resets and closes it.
pub(crate) struct Subject {
    target: Box<dyn Target>,
    flags: MigrationFlags,
    migratable: bool,
    /// Reset before it is closed.
    tidy: Cell<bool>,
}

impl Deref for Subject {
    type Target = dyn Target;

    fn deref(&self) -> &Self::Target {
        &*self.target
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Whether a reset works is what C27 says; here it is only tidiness.
        if self.tidy.get() {
            let _ = self.target.reset();
        }
    }
}

impl Subject {
    pub(crate) fn flags(&self) -> MigrationFlags {
        self.flags
    }

    pub(crate) fn is_migratable(&self) -> bool {
        self.migratable
    }

    /// Closes the device as it is, without a reset.
    pub(crate) fn close(self) {
        self.tidy.set(false);
    }

    /// Has a device without migration reset in the end as well.
    pub(crate) fn touch(&self) {
        self.tidy.set(true);
    }

    /// The device as the kernel has it, for statements that are about nothing else.
    pub(crate) fn device(&self) -> Result<&Device, Unheld> {
        let device = self.target.kernel();
        device.ok_or_else(|| skip("the device is not one of the kernel's"))
    }

    /// The states that the device has and that can be entered: all but ERROR.
    pub(crate) fn states(&self) -> impl Iterator<Item = State> + '_ {
        let mut states = State::ALL.into_iter();
        std::iter::from_fn(move || {
            states.find(|&state| state != State::Error && self.flags.has(state))
        })
    }

    /// Skips the statement unless the device has this state.
    pub(crate) fn need(&self, state: State) -> Result<(), Unheld> {
        match self.flags.has(state) {
            true => Ok(()),
            false => Err(skip(format!("the device has no {state}"))),
        }
    }

    /// Broken unless the device is in this state.
    pub(crate) fn at(&self, state: State, when: &str) -> Result<(), Unheld> {
        let seen = self.state().must("getting the state")?;
        check(
            seen == state,
            format!("{state} {when}"),
            format!("{seen} {when}"),
        )
    }

    /// Takes the device to another state; it must work.
    pub(crate) fn set(&self, to: State) -> Result<Option<Session>, Unheld> {
        self.set_state(to).must(&format!("SET {to}"))
    }

    /// Takes the device to another state on a way that opens a session.
    pub(crate) fn begin(&self, to: State) -> Result<Session, Unheld> {
        let data = self.set(to)?.or_else(|| self.target.transfer());
        data.ok_or_else(|| broken(format!("SET {to} returns a data_fd"), "data_fd -1"))
    }

    /// VFIO_DEVICE_RESET, after which the device must be in RUNNING.
    pub(crate) fn restart(&self) -> Result<(), Unheld> {
        self.reset().must("VFIO_DEVICE_RESET")?;
        self.at(State::Running, "after VFIO_DEVICE_RESET")
    }

    /// Resets the device and takes it to `state`; returns the session, if there is one there.
    pub(crate) fn enter(&self, state: State) -> Result<Option<Session>, Unheld> {
        self.restart()?;
        let data = match paths::has_session(state) {
            true => Some(self.begin(state)?),
            false if state == State::Running => None,
            false => self.set(state)?,
        };
        self.at(state, &format!("after SET {state}"))?;
        Ok(data)
    }

    /// [`Self::enter`] for a state that has a session.
    pub(crate) fn session(&self, state: State) -> Result<Session, Unheld> {
        let data = self.enter(state)?;
        data.ok_or_else(|| broken(format!("SET {state} returns a data_fd"), "data_fd -1"))
    }
}
