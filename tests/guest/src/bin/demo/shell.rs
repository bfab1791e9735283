// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Runs one command, shows it with its output, and judges both.

use std::fmt;
use std::io::{self, Write};
use std::process::Command;

/// One command of the demo and what it has to do.
#[derive(Clone)]
pub(crate) struct Step {
    /// What a person reads above the command.
    pub(crate) say: &'static str,
    /// The command, for `sh -c`.
    pub(crate) command: String,
    /// The exit status that it has to end with.
    pub(crate) status: i32,
    /// Texts that have to stand in its output.
    pub(crate) shows: &'static [&'static str],
    /// Texts that must not stand in its output.
    pub(crate) hides: &'static [&'static str],
}

/// Why the demo stopped.
#[derive(Debug)]
pub(crate) enum Unexpected {
    /// The command could not be run, or its output not be shown.
    Io(String, io::Error),
    /// It ended with another exit status.
    Status(String, Option<i32>, i32),
    /// A text is missing in its output.
    Missing(String, &'static str),
    /// A text stands in its output that must not be there.
    Present(String, &'static str),
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(command, error) => write!(f, "cannot run `{command}`: {error}"),
            Self::Status(command, Some(is), wanted) => {
                write!(f, "`{command}` ended with {is}, not with {wanted}")
            }
            Self::Status(command, None, wanted) => {
                write!(f, "`{command}` was killed, and should end with {wanted}")
            }
            Self::Missing(command, text) => {
                write!(f, "`{command}` does not say {text:?}")
            }
            Self::Present(command, text) => {
                write!(f, "`{command}` says {text:?}, which it should not")
            }
        }
    }
}

/// Runs `step` and writes command and output to `out`.
///
/// # Errors
///
/// Where the command does not do what the step says.
pub(crate) fn run(step: &Step, out: &mut dyn Write) -> Result<(), Unexpected> {
    let io = |error| Unexpected::Io(step.command.clone(), error);
    if !step.say.is_empty() {
        writeln!(out, "\n# {}", step.say).map_err(io)?;
    }
    writeln!(out, "$ {}", step.command).map_err(io)?;
    // One stream for both, as on a terminal, so that messages stand where they belong.
    let done = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{{ {}\n}} 2>&1", step.command))
        .output()
        .map_err(io)?;
    let text = String::from_utf8_lossy(&done.stdout);
    out.write_all(text.as_bytes()).map_err(io)?;
    match done.status.code() {
        Some(0) => {}
        Some(code) => writeln!(out, "(exit status {code})").map_err(io)?,
        None => writeln!(out, "(killed)").map_err(io)?,
    }
    out.flush().map_err(io)?;

    let command = || step.command.clone();
    if done.status.code() != Some(step.status) {
        return Err(Unexpected::Status(
            command(),
            done.status.code(),
            step.status,
        ));
    }
    if let Some(text) = step.shows.iter().find(|wanted| !text.contains(**wanted)) {
        return Err(Unexpected::Missing(command(), text));
    }
    if let Some(text) = step.hides.iter().find(|banned| text.contains(**banned)) {
        return Err(Unexpected::Present(command(), text));
    }
    Ok(())
}
