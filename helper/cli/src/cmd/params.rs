// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig params`: the migration parameter list of a device, or of a vfio-user program.

use std::{
    fs,
    path::{
        Path,
        PathBuf, //
    },
};

use vmig::{
    error::Error,
    exec,
    inventory::Info,
    list::{
        self,
        List, //
    },
    program,
    sysfs::Device,
};

use crate::{
    cli::Params,
    context::Context,
    exit::Exit,
    failure::Failure,
    place, //
};

pub(super) fn run(args: &Params, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let list = match (&args.device, args.pid) {
        (Some(device), _) => read(&place::device(device, context)?, context)?,
        (None, Some(pid)) => running(pid, context)?,
        (None, None) => planned(&args.program)?,
    };
    if context.json() {
        context.document(&list)?;
    } else {
        context.verbatim(&list.to_string())?;
    }
    Ok(Exit::Done)
}

/// The list of `device`: each parameter whose value is not "off".
fn read(device: &Device, context: &Context<'_>) -> Result<List, Error> {
    let info = device.kind.info()?;
    let (name, model) = place::model(&device.kind, &info.document)?;
    let values = place::values(device, model)?;
    Ok(List {
        device: Some(list::Device {
            host: context.system.host().name,
            parent: device.kind.parent.clone(),
            kind: device.kind.kind.clone(),
            uuid: device.uuid.to_string(),
        }),
        ..List::of_device(name, model, &values)
    })
}

/// The list of the program that runs as process `pid`: what it was started with, asked of the
/// executable that it runs, which may have been replaced on disk since.
fn running(pid: u32, context: &Context<'_>) -> Result<List, Error> {
    let directory = context.system.proc.join(pid.to_string());
    let path = directory.join("cmdline");
    let shown = path.display().to_string();
    let line = fs::read(&path)
        .map_err(|error| Error::unreadable(&*shown, "there is no such program", &error))?;
    let line = String::from_utf8(line).map_err(|_| Error::malformed(&*shown, "not UTF-8"))?;
    let line = line.strip_suffix('\0').unwrap_or(&line);
    let mut words: Vec<String> = line.split('\0').map(str::to_owned).collect();
    let Some(name) = words.first_mut().filter(|name| !name.is_empty()) else {
        return Err(Error::malformed(
            &*shown,
            "a process without a command line",
        ));
    };
    *name = directory.join("exe").display().to_string();
    of_program(&words, &directory.join("cwd"), &format!("process {pid}"))
}

/// The list of a program that is to be started.
fn planned(words: &[String]) -> Result<List, Error> {
    let name = words.first().map_or("", String::as_str);
    of_program(words, &PathBuf::new(), name)
}

fn of_program(words: &[String], directory: &Path, source: &str) -> Result<List, Error> {
    let text = exec::run(words, source, exec::TIMEOUT)?;
    let info = Info::parse(&text, source)?;
    let arguments = words.get(1..).unwrap_or_default();
    program::list(arguments, &info.document, directory, source)
}
