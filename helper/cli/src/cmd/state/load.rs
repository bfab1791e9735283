// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig state load`: gives a device the state that another one had.

use std::{
    fs,
    io, //
};

use vmig::error::Error;
use vmig_vfio::Phase;

use super::{
    failure,
    Document,
    Meter,
    Target, //
};
use crate::{
    cli::StateFile,
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    interrupt::Patient,
};

pub(super) fn run(args: &StateFile, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let target = Target::find(&args.device, context)?;
    let name = &target.name;
    let what = format!("cannot load the state into {name}");
    target.must_keep(&format!("{what}: closing would scrub it again"))?;
    let interrupt = context.interrupt.clone();
    let mut file = match args.file.as_str() {
        "-" => None,
        path => {
            let file = fs::File::open(path)
                .map_err(|error| Error::unreadable(path, "cannot read", &error))?;
            Some(Patient::new(file, &interrupt))
        }
    };
    let device = target.open(&what, context)?;
    interrupt.hold();
    let streams = context.streams();
    let input: &mut dyn io::Read = match &mut file {
        Some(file) => file,
        None => streams.stdin,
    };
    let mut meter = Meter(streams.progress);
    let loaded = vmig_vfio::load(&*device, input, &mut |at| {
        meter.show(at);
    });
    drop(meter);
    drop(device);
    let bytes = loaded.map_err(|error| {
        // From the moment when it is to take the stream, a device has no old contents.
        let lost = error.phase != Phase::Query;
        failure(&what, &error, lost, &target, &interrupt)
    })?;
    context.notice(&Message::new(format!(
        "loaded {bytes} bytes of state into {name}; the source keeps its copy until it is removed"
    )));
    if context.json() {
        context.document(&Document {
            schema: "vmig.state/1",
            verb: "load",
            device: target.name,
            file: args.file.clone(),
            bytes,
        })?;
    }
    Ok(Exit::Done)
}
