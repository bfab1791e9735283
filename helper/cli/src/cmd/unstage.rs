// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig unstage`: forgets staged entries.

use std::collections::BTreeSet;

use vmig::sysfs::{
    Staged,
    TypeDir, //
};
use vmig_model::uuid::Uuid;

use crate::{
    change::{
        self,
        Undo, //
    },
    cli::Unstage,
    context::Context,
    exit::Exit,
    failure::Failure,
    place,
    report::{
        Done,
        Target, //
    },
};

pub(super) fn run(args: &Unstage, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let wanted: Result<BTreeSet<Uuid>, Failure> =
        args.uuids.iter().map(|text| place::uuid(text)).collect();
    let wanted = wanted?;
    let types = match &args.at {
        Some(text) => vec![place::mdev_type(text, context)?],
        None => context.system.all_types()?,
    };
    // A UUID is staged at most once, so wherever it is found is the place.
    let mut entries: Vec<(TypeDir, Staged)> = Vec::new();
    for dir in types.into_iter().filter(TypeDir::can_stage) {
        for entry in dir.staged()? {
            if args.all || wanted.contains(&entry.uuid) {
                entries.push((dir.clone(), entry));
            }
        }
    }
    let ((), writes) = change::run(context, args.dry_run, |change| {
        for (dir, entry) in &entries {
            let uuid = entry.uuid.to_string();
            let what = format!("cannot unstage {uuid} at {}", dir.name());
            let undo = Undo::Write(dir.stage_path(), line(entry));
            change.write(&what, &dir.unstage_path(), &uuid, undo)?;
        }
        change.checkpoint()
    })?;
    let target = |(dir, entry): &(TypeDir, Staged)| Target::new(context, dir, entry.uuid, None);
    let devices = entries.iter().map(target).collect();
    Done {
        verb: "unstage",
        dry_run: args.dry_run,
        devices,
        writes,
        names: false,
    }
    .tell(context)?;
    Ok(Exit::Done)
}

/// The line that stages the entry again.
fn line(entry: &Staged) -> String {
    let params = entry.params.iter();
    let params: Vec<String> = params
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    format!("{}{}", entry.uuid, params.concat())
}
