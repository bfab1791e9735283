// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Errors as users see them.
//!
//! The first line stands alone, because libvirt and scripts paste it: what, about which object,
//! which value, what would be accepted. Lines with a label follow: where it was read, what to try.

use std::io;

use vmig::error::Error;

use crate::exit::Exit;

/// Lines of one label that are shown without `-v`.
pub const LINES_MAX: usize = 10;

/// A message: a first line that stands alone, and labelled lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub line: String,
    /// Label and text of the lines after it.
    pub details: Vec<(&'static str, String)>,
}

impl Message {
    /// A message of one line.
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            details: Vec::new(),
        }
    }

    /// The same with one more line.
    #[must_use]
    pub fn with(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.details.push((label, text.into()));
        self
    }
}

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// An input could not be read or understood.
    Input(Error),
    /// A state stream is broken: the device says so.
    Broken(Message),
    /// The command line makes no sense.
    Usage(Message),
    /// The answer is no: a rule refused, and nothing was written.
    Refused(Message),
    /// The environment refused, and nothing was written.
    Environment(Message),
    /// A write failed after others had succeeded; those are undone.
    Undone(Message),
    /// As before, but something could not be undone.
    NotUndone(Message),
    /// Interrupted; everything is undone.
    Interrupted(Message),
    /// The output could not be written.
    Output(io::Error),
}

impl Failure {
    /// The exit status. Nobody reading the output any more is no failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Input(error) => error.into(),
            Self::Broken(_) => Exit::Input,
            Self::Usage(_) => Exit::Usage,
            Self::Refused(_) => Exit::No,
            Self::Environment(_) => Exit::Environment,
            Self::Undone(_) => Exit::Undone,
            Self::NotUndone(_) => Exit::NotUndone,
            Self::Interrupted(_) => Exit::Interrupted,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::Environment,
        }
    }

    /// What to tell the user; `None`: nothing.
    pub fn message(&self) -> Option<Message> {
        match self {
            Self::Input(error) => Some(input(error)),
            Self::Broken(message)
            | Self::Usage(message)
            | Self::Refused(message)
            | Self::Environment(message)
            | Self::Undone(message)
            | Self::NotUndone(message)
            | Self::Interrupted(message) => Some(message.clone()),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            Self::Output(error) => Some(Message::new(format!(
                "cannot write the output: {}",
                vmig::error::Errno(error)
            ))),
        }
    }
}

/// `FILE: MEMBER: what is wrong`, in one line.
pub fn input(error: &Error) -> Message {
    Message::new(error.to_string())
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Input(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
