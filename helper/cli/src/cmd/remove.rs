// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig remove`: removes a device that nobody uses.

use crate::{
    change::{
        self,
        Undo, //
    },
    cli::Remove,
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    place::{
        self,
        Named, //
    },
    report::{
        Done,
        Target, //
    },
};

pub(super) fn run(args: &Remove, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut devices = Vec::new();
    let mut writes = Vec::new();
    match place::find_device(&args.device, context)? {
        Named::Nothing(error) => context.detail(&Message::new(error.to_string())),
        Named::Device(device) => {
            let what = format!("cannot remove {}", device.uuid);
            // The kernel waits for whoever has it open, and then not even a signal helps.
            if device.in_use()? == Some(true) {
                let line = format!("{what}: it is in use");
                let read = device.path.join("vmig/in_use").display().to_string();
                let message = Message::new(line).with("read", read);
                return Err(Failure::Environment(message));
            }
            let path = device.remove_path();
            let write = change::run(context, args.dry_run, |change| {
                change.write(&what, &path, "1", Undo::Nothing)
            });
            writes = match write {
                Ok(((), writes)) => writes,
                // Gone in between, which is what was asked for.
                Err(_) if context.system.device(device.uuid)?.is_none() => Vec::new(),
                Err(failure) => return Err(failure),
            };
            devices.push(Target::new(context, &device.kind, device.uuid, None));
        }
    }
    Done {
        verb: "remove",
        dry_run: args.dry_run,
        devices,
        writes,
        names: false,
    }
    .tell(context)?;
    Ok(Exit::Done)
}
