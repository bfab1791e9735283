// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Writes that are done as a whole or undone.
//!
//! A verb that changes the host calls [`run`] with what it wants to write, step by step. If a step
//! fails, or the user interrupts, what was done is undone in reverse order, and the first error is
//! the one that is reported.

use std::{
    io,
    path::{
        Path,
        PathBuf, //
    },
};

use serde::Serialize;
use vmig::{
    error::{
        Errno,
        Error, //
    },
    sysfs::System,
};
use vmig_model::uuid::Uuid;

use crate::{
    context::Context,
    failure::{
        Failure,
        Message, //
    },
};

/// A write to sysfs, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The attribute.
    pub path: String,
    /// What goes into it.
    pub data: String,
}

/// Why a change stopped.
#[derive(Debug)]
pub enum Stop {
    /// The kernel refused a write.
    Write {
        /// What it was for: `cannot stage 1234...`.
        what: String,
        /// The attribute.
        path: PathBuf,
        /// What was to be written.
        data: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// The driver did something else than it was told to.
    Wrong(Message),
    /// Something could not be read.
    Read(Error),
    /// The user interrupted.
    Interrupted,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

/// How to undo a write.
#[derive(Clone, Debug)]
pub enum Undo {
    /// Nothing to undo.
    Nothing,
    /// Write this.
    Write(PathBuf, String),
    /// Forget the staged entry, if it is still there.
    Unstage(PathBuf, Uuid),
    /// Remove the device.
    Remove(Uuid),
}

/// A change that is going on.
pub struct Change<'a, 'b> {
    context: &'a mut Context<'b>,
    dry: bool,
    undo: Vec<Undo>,
    written: Vec<Written>,
}

/// Makes a change: all of `steps`, or nothing. With `dry` nothing is written.
///
/// # Errors
///
/// What stopped it first, as the exit status wants it: before the first write a rule's refusal
/// ([`Failure::Refused`]) or the environment's; after it [`Failure::Undone`], or
/// [`Failure::NotUndone`] with what is left behind.
pub fn run<T>(
    context: &mut Context<'_>,
    dry: bool,
    steps: impl FnOnce(&mut Change<'_, '_>) -> Result<T, Stop>,
) -> Result<(T, Vec<Written>), Failure> {
    context.interrupt.hold();
    let mut change = Change {
        context,
        dry,
        undo: Vec::new(),
        written: Vec::new(),
    };
    match steps(&mut change) {
        Ok(value) => Ok((value, change.written)),
        Err(stop) => Err(change.fail(stop)),
    }
}

impl Change<'_, '_> {
    /// The system.
    pub fn system(&self) -> &System {
        &self.context.system
    }

    /// Whether nothing is written, so that there is nothing to read back either.
    pub fn is_dry(&self) -> bool {
        self.dry
    }

    /// Writes `data` to `path`; `what` says what for, should it fail. `undo` is kept for later.
    ///
    /// # Errors
    ///
    /// [`Stop::Write`], or [`Stop::Interrupted`] before anything is written.
    pub fn write(&mut self, what: &str, path: &Path, data: &str, undo: Undo) -> Result<(), Stop> {
        if self.context.interrupt.seen() {
            return Err(Stop::Interrupted);
        }
        let written = Written {
            path: path.display().to_string(),
            data: data.to_owned(),
        };
        if self.dry {
            self.written.push(written);
            return Ok(());
        }
        let line = format!("write {:?} to {}", written.data, written.path);
        self.context.detail(&Message::new(line));
        if let Err(error) = self.context.system.writer.write(path, data.as_bytes()) {
            return Err(Stop::Write {
                what: what.to_owned(),
                path: path.to_owned(),
                data: data.to_owned(),
                error,
            });
        }
        self.written.push(written);
        self.undo.push(undo);
        Ok(())
    }

    /// One thing more to undo, after whatever comes later is undone.
    pub fn on_undo(&mut self, undo: Undo) {
        self.undo.push(undo);
    }

    /// Stops here if the user has interrupted.
    ///
    /// # Errors
    ///
    /// [`Stop::Interrupted`].
    pub fn checkpoint(&self) -> Result<(), Stop> {
        match self.context.interrupt.seen() {
            true => Err(Stop::Interrupted),
            false => Ok(()),
        }
    }

    fn fail(mut self, stop: Stop) -> Failure {
        if self.written.is_empty() || self.dry {
            return before_the_first_write(stop);
        }
        let mut left = Vec::new();
        while let Some(undo) = self.undo.pop() {
            if let Err(message) = self.undo_one(&undo) {
                left.push(message);
            }
        }
        let message = message(&stop);
        if left.is_empty() {
            return match stop {
                Stop::Interrupted => Failure::Interrupted(message.with("state", "all undone")),
                _ => Failure::Undone(message.with("state", "all undone")),
            };
        }
        let with = |message: Message, left| message.with("left", left);
        Failure::NotUndone(left.into_iter().fold(message, with))
    }

    fn undo_one(&self, undo: &Undo) -> Result<(), String> {
        let system = self.system();
        match undo {
            Undo::Nothing => Ok(()),
            Undo::Write(path, data) => match system.writer.write(path, data.as_bytes()) {
                Ok(()) => Ok(()),
                Err(error) => Err(format!("{}: {}", path.display(), Errno(&error))),
            },
            Undo::Unstage(path, uuid) => {
                match system.writer.write(path, uuid.to_string().as_bytes()) {
                    Ok(()) => Ok(()),
                    // Consumed by a device, or gone with its parent.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    Err(error) if error.raw_os_error() == Some(errno::ENODEV) => Ok(()),
                    Err(error) => Err(format!(
                        "staged entry {uuid} ({}); try vmig unstage {uuid}",
                        Errno(&error)
                    )),
                }
            }
            Undo::Remove(uuid) => remove(system, *uuid)
                .map_err(|why| format!("device {uuid} ({why}); try vmig remove {uuid}")),
        }
    }
}

/// Removes a device that may be gone already, without waiting for whoever has it open.
fn remove(system: &System, uuid: Uuid) -> Result<(), String> {
    let device = match system.device(uuid) {
        Ok(Some(device)) => device,
        Ok(None) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if let Ok(Some(true)) = device.in_use() {
        return Err("in use".to_owned());
    }
    match system.writer.write(&device.remove_path(), b"1") {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Errno(&error).to_string()),
    }
}

fn before_the_first_write(stop: Stop) -> Failure {
    let told = message(&stop);
    match stop {
        Stop::Write { path, error, .. } if is_rule(&path, &error) => Failure::Refused(told),
        Stop::Write { .. } | Stop::Wrong(_) => Failure::Environment(told),
        Stop::Read(error) => Failure::Input(error),
        Stop::Interrupted => Failure::Interrupted(told),
    }
}

fn message(stop: &Stop) -> Message {
    match stop {
        Stop::Write {
            what,
            path,
            data,
            error,
        } => {
            let attribute = path.file_name().unwrap_or_default().to_string_lossy();
            let why = meaning(&attribute, error).map_or_else(String::new, |why| format!("{why}: "));
            Message::new(format!("{what}: {why}{}", Errno(error)))
                .with("wrote", data)
                .with("to", path.display().to_string())
        }
        Stop::Wrong(message) => message.clone(),
        Stop::Read(error) => Message::new(error.to_string()),
        Stop::Interrupted => Message::new("interrupted"),
    }
}

/// Whether the driver refused by a rule, rather than the environment.
fn is_rule(path: &Path, error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(
            errno::E2BIG
            | errno::EEXIST
            | errno::EINVAL
            | errno::EDOM
            | errno::ERANGE
            | errno::ENODATA,
        ) => true,
        // The driver's word for an unknown parameter, if the attribute itself is there.
        Some(errno::ENOENT) => path.ends_with("stage") && path.exists(),
        _ => false,
    }
}

/// What an errno means when it comes from this attribute of vmig's.
fn meaning(attribute: &str, error: &io::Error) -> Option<&'static str> {
    let number = error.raw_os_error()?;
    Some(match (attribute, number) {
        ("stage", errno::ENOENT) => "a parameter is not known there, or the type is gone",
        ("stage", errno::ERANGE) => "a value is not allowed there",
        ("stage", errno::EDOM) => "the values are not allowed together",
        ("stage", errno::ENODATA) => "a parameter without an off value is left out",
        ("stage", errno::E2BIG) => "the list is too long",
        ("stage", errno::EEXIST) => "the UUID is staged otherwise, or the device exists",
        ("stage" | "unstage", errno::EBUSY) => "the device is being created",
        ("stage", errno::ENOSPC) => "no more entries can be staged",
        ("create", errno::EEXIST) => "the device exists, or is staged at another type",
        ("create" | "stage", errno::EUSERS | errno::ENOSPC) => "nothing is free there",
        (_, errno::EUSERS) => "the parent has not so much left",
        (_, errno::ENODEV) => "it is gone",
        ("create" | "stage" | "unstage" | "remove", _) => return None,
        (_, errno::EBUSY) => "the device is in use",
        (_, errno::ERANGE) => "the value is not allowed",
        _ => return None,
    })
}

/// The errnos that are told apart, by the numbers of `asm-generic/errno*.h`.
mod errno {
    pub(super) const ENOENT: i32 = 2;
    pub(super) const E2BIG: i32 = 7;
    pub(super) const EBUSY: i32 = 16;
    pub(super) const EEXIST: i32 = 17;
    pub(super) const ENODEV: i32 = 19;
    pub(super) const EINVAL: i32 = 22;
    pub(super) const ENOSPC: i32 = 28;
    pub(super) const EDOM: i32 = 33;
    pub(super) const ERANGE: i32 = 34;
    pub(super) const ENODATA: i32 = 61;
    pub(super) const EUSERS: i32 = 87;
}
