// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig stage`: hands the parameters of a device to its type before the device exists.

use vmig::{
    sysfs::{
        Staged,
        TypeDir, //
    },
    value::Params,
};
use vmig_model::{
    stage::LINE_MAX,
    uuid::Uuid, //
};

use crate::{
    change::{
        self,
        Change,
        Stop,
        Undo, //
    },
    cli::{
        Stage,
        Values, //
    },
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    place,
    report::{
        Done,
        Target, //
    },
};

pub(super) fn run(args: &Stage, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let dir = place::mdev_type(&args.destination, context)?;
    let uuid = given_or_random(args.uuid.as_deref(), context)?;
    let what = format!("cannot stage {uuid} at {}", dir.name());
    if !dir.can_stage() {
        let line = format!("{what}: its driver takes no parameters before the device exists");
        let message = Message::new(line).with("try", format!("vmig create {}", dir.name()));
        return Err(Failure::Refused(message));
    }
    let params = wanted(&what, &args.values, &dir, context)?;
    let line = line(&what, uuid, &params)?;
    let ((), writes) = change::run(context, args.dry_run, |change| {
        stage(change, &what, &dir, uuid, &line)?;
        change.checkpoint()
    })?;
    Done {
        verb: "stage",
        dry_run: args.dry_run,
        devices: vec![Target::new(context, &dir, uuid, Some(params))],
        writes,
        names: true,
    }
    .tell(context)?;
    Ok(Exit::Done)
}

/// The UUID on the command line, or a new one.
pub(super) fn given_or_random(text: Option<&str>, context: &Context<'_>) -> Result<Uuid, Failure> {
    match text {
        Some(text) => place::uuid(text),
        None => Ok(context.system.random_uuid()?),
    }
}

/// The full set that `--from` or `--new` asks for.
pub(super) fn wanted(
    what: &str,
    values: &Values,
    dir: &TypeDir,
    context: &mut Context<'_>,
) -> Result<Params, Failure> {
    match values.from() {
        Some(from) => {
            let list = context.list(&from)?;
            place::full_set(what, &list, dir, context)
        }
        None => Ok(place::init_set(dir)?),
    }
}

/// The line for `stage`.
///
/// # Errors
///
/// [`Failure::Refused`] for values that no line can hold.
pub(crate) fn line(what: &str, uuid: Uuid, params: &Params) -> Result<String, Failure> {
    let mut line = uuid.to_string();
    for (name, value) in params {
        let value = value.to_string();
        if value.contains(char::is_whitespace) {
            let line = format!("{what}: {name}={value} has white space, which cannot be staged");
            return Err(Failure::Refused(Message::new(line)));
        }
        line.push_str(&format!(" {name}={value}"));
    }
    if line.len() >= LINE_MAX {
        let line =
            format!("{what}: the list is longer than the {LINE_MAX} bytes that can be staged");
        return Err(Failure::Refused(Message::new(line)));
    }
    Ok(line)
}

/// Writes the line. An entry that was there before is left as it was when this is undone.
pub(crate) fn stage(
    change: &mut Change<'_, '_>,
    what: &str,
    dir: &TypeDir,
    uuid: Uuid,
    line: &str,
) -> Result<(), Stop> {
    let undo = match entry(dir, uuid) {
        Some(_) => Undo::Nothing,
        None => Undo::Unstage(dir.unstage_path(), uuid),
    };
    change.write(what, &dir.stage_path(), line, undo)
}

/// The staged entry of this UUID, as far as it can be read.
pub(crate) fn entry(dir: &TypeDir, uuid: Uuid) -> Option<Staged> {
    let entries = dir.staged().ok()?;
    entries.into_iter().find(|entry| entry.uuid == uuid)
}
