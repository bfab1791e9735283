// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Exit status.

use std::process::ExitCode;

/// What the exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Yes, or done.
    Done = 0,
    /// The answer is no, or a rule refused before anything was written.
    No = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The input was not understood.
    Input = 3,
    /// The environment refused: busy, full, not permitted, gone; or there is no destination at all.
    Environment = 4,
    /// Failed after the first write, and everything is undone.
    Undone = 5,
    /// Failed, and undoing failed too.
    NotUndone = 6,
    /// Only possible, where `--strict` asks for certainty.
    Possible = 7,
    /// A bug of ours.
    Bug = 70,
    /// Interrupted, and everything is undone.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    pub const fn status(self) -> u8 {
        self as u8
    }
}

impl From<&vmig::error::Error> for Exit {
    fn from(error: &vmig::error::Error) -> Self {
        match error.code.exit() {
            3 => Self::Input,
            _ => Self::Environment,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.status().into()
    }
}
