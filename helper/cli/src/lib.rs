// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The `vmig` command as a library, so that tests can run it with a system of their own.
//!
//! - [`cli`]: the command line, parsed and nothing else;
//! - [`context`]: what a verb works with: the system, the streams, the global options;
//! - [`cmd`]: the verbs, one file each;
//! - [`callout`]: what mdevctl has done for the types of vmig, a program of its own;
//! - [`place`]: types, devices and full sets that the command line names;
//! - [`change`], [`interrupt`], [`report`]: writes that are done as a whole or undone;
//! - [`exit`], [`failure`]: exit status, and errors as users see them;
//! - [`text`]: tables, escapes and colour;
//! - [`guard`]: what becomes of panics.
//!
#![forbid(unsafe_code)]

pub mod callout;
pub mod change;
pub mod cli;
pub mod cmd;
pub mod context;
pub mod exit;
pub mod failure;
pub mod guard;
pub mod interrupt;
pub mod place;
pub mod report;
pub mod text;

use std::{
    ffi::OsString,
    io::{
        self,
        IsTerminal,
        Write, //
    },
    path::PathBuf,
};

use clap::Parser;
use vmig::sysfs::System;

use crate::{
    cli::Cli,
    context::{
        Context,
        Io, //
    },
    exit::Exit,
    interrupt::{
        Interrupt,
        Patient, //
    },
    text::message_lines, //
};

/// Runs the command line of this process.
pub fn run_process() -> Exit {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let (out_terminal, err_terminal) = (out.is_terminal(), err.is_terminal());
    let interrupt = Interrupt::default();
    if let Err(error) = interrupt.watch() {
        let _ = writeln!(err, "vmig: warning: cannot watch for signals: {error}");
    }
    let mut stdin = Patient::new(io::stdin(), &interrupt);
    let plain = std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    run(
        std::env::args_os(),
        Io {
            stdin: &mut stdin,
            out: &mut out,
            err: &mut err,
            out_terminal,
            err_terminal,
            plain,
            interrupt,
        },
        System::new,
    )
}

/// Runs the command line `args`, its first word included. `system` makes the system from the root
/// that stands for /sys.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    io: Io<'_>,
    system: impl FnOnce(PathBuf) -> System,
) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, io),
    };
    let system = system(cli.global.sysfs_root.clone());
    let mut context = Context::new(io, system, &cli.global);
    let result = cmd::run(&cli.verb, &mut context);
    match result {
        Ok(exit) => exit,
        Err(failure) => context.report(&failure),
    }
}

/// Shows what clap has to say: help, the version, or what is wrong with the command line.
fn usage(error: &clap::Error, io: Io<'_>) -> Exit {
    let text = message_lines(&error.render().to_string());
    // There is nobody left to tell if this fails.
    if error.use_stderr() {
        let text = text
            .strip_prefix("error: ")
            .map_or(text.clone(), |rest| format!("vmig: {rest}"));
        let _ = io.err.write_all(text.as_bytes());
        Exit::Usage
    } else {
        let _ = io.out.write_all(text.as_bytes());
        Exit::Done
    }
}
