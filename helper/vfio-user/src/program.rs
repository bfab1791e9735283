// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The command line of a program that serves one device, as the RFC "VFIO Migration" and the
//! conventions of vfio-user backends have it.
//!
//! The options `--m-<parameter>` come from the model's own parameters, and it is the library `vmig`
//! that judges their values: what the program refuses is what `vmig check` refuses before it is
//! started, in the same words.
//!
//! # Exit status
//!
//! 0: it has printed what it was asked for, SIGTERM or SIGINT has ended it, or its only client has
//! gone. 1: the device cannot be made, or nobody can reach it. 2: the command line makes no sense.

mod cli;
mod endpoint;
mod params;

use std::{
    ffi::OsString,
    fmt,
    io::{
        self,
        Write as _, //
    },
    os::{
        fd::AsFd,
        unix::net::UnixStream, //
    },
    process::ExitCode,
};

use nix::sys::resource::{
    getrlimit,
    setrlimit,
    Resource, //
};
use signal_hook::{
    consts::{
        SIGINT,
        SIGTERM, //
    },
    low_level::pipe, //
};
use vmig_model::{
    device::Device,
    info::write_info,
    types::{
        find,
        DeviceType,
        Generation, //
    },
    values::Values,
};

use crate::{
    channel::Fault,
    server::{
        Server,
        Worker, //
    },
};

use endpoint::Endpoint;

/// A program that serves one device.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The type of its device, one of [`find`]'s.
    pub kind: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
}

impl Program {
    /// Its device type in generation `g`; `None` if there is none of that name.
    fn ty(&self, g: Generation) -> Option<&'static DeviceType> {
        find(g, self.kind)
    }
}

/// Why a program ends before it has served anybody.
#[derive(Debug)]
enum Failure {
    /// What clap has to say: help, the version, or what is wrong with the command line.
    Usage(clap::Error),
    /// The device cannot be made, or nobody could reach it: a line, and lines that follow it.
    Refused(String, Vec<String>),
    /// The output could not be written.
    Output,
}

impl Failure {
    fn refused(line: impl fmt::Display) -> Self {
        Self::Refused(line.to_string(), Vec::new())
    }
}

/// Runs the program with the arguments of this process; `make` makes its server.
pub fn run<D: Device, W: Worker<D>>(
    program: &Program,
    make: impl FnOnce(&'static DeviceType, Values) -> Server<D, W>,
) -> ExitCode {
    match try_run(program, std::env::args_os().collect(), make) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => {
            // There is nobody left to tell if this fails.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
        Err(Failure::Refused(line, details)) => {
            say(program, line);
            for detail in details {
                let _ = writeln!(io::stderr(), "  {detail}");
            }
            ExitCode::from(1)
        }
        Err(Failure::Output) => ExitCode::from(1),
    }
}

fn try_run<D: Device, W: Worker<D>>(
    program: &Program,
    arguments: Vec<OsString>,
    make: impl FnOnce(&'static DeviceType, Values) -> Server<D, W>,
) -> Result<(), Failure> {
    let asked = cli::parse(program, arguments)?;
    let ty = asked.ty;
    let values = params::values(ty, &asked.params)?;
    if asked.print_info {
        let mut text = String::new();
        write_info(ty, &mut text).map_err(|_| Failure::Output)?;
        let written = io::stdout().write_all(text.as_bytes());
        return written.map_err(|_| Failure::Output);
    }
    // Before anybody can connect: nothing is lost of a signal that comes early.
    let (stop, asked_to_stop) = UnixStream::pair().map_err(cannot("make a socket"))?;
    for signal in [SIGTERM, SIGINT] {
        let end = asked_to_stop.try_clone().map_err(cannot("make a socket"))?;
        pipe::register(signal, end).map_err(cannot("watch for signals"))?;
    }
    more_files();
    let endpoint = Endpoint::open(&asked.endpoint)?;
    let mut server = make(ty, values);
    let of = *program;
    server.tell(move |line| say(&of, line));
    let mut report = |fault| {
        if fault != Fault::Gone {
            say(program, format_args!("the connection ended: {fault}"));
        }
    };
    match &endpoint {
        Endpoint::Listening { listener, .. } => server
            .listen(listener, stop.as_fd(), &mut report)
            .map_err(cannot("accept connections")),
        Endpoint::Connected(socket) => {
            let socket = socket.try_clone().map_err(cannot("use the socket"))?;
            match server.serve(socket, stop.as_fd()) {
                Fault::Stopped => {}
                fault => report(fault),
            }
            Ok(())
        }
    }
}

/// Takes as many open files as it may: each mapping of a client may have one.
fn more_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Without it the limits of the library hold all the same.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn cannot(what: &str) -> impl FnOnce(io::Error) -> Failure + '_ {
    move |error| {
        Failure::refused(format_args!(
            "cannot {what}: {}",
            vmig::error::Errno(&error)
        ))
    }
}

/// A line on standard error; if that fails, there is nobody left to tell.
fn say(program: &Program, line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{}: {line}", program.name);
}
