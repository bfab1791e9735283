// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device is started: before that its migration parameters are staged, so that it comes with all of
//! them or not at all; and if it did not come, they are forgotten.
//!
//! Nothing is remembered between the two calls. What is forgotten is the entry that the first one
//! made, or would have made: the very list of the configuration. Any other entry stays.

use std::collections::BTreeMap;

use vmig::{
    list::List,
    sysfs::TypeDir,
    value::Params, //
};

use super::{
    say,
    shown,
    Call, //
};
use crate::{
    change::{
        self,
        Stop,
        Undo, //
    },
    cmd::stage,
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    place,
};

/// Before the start: stages the list. Without one the device is to have its initial values.
pub(super) fn pre(call: &Call, dir: &TypeDir, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let what = call.cannot("start");
    let Some(list) = call.list(&what, dir, context)? else {
        return Ok(Exit::Done);
    };
    let info = dir.info()?;
    let (params, doubt) = place::judged(&what, &list, dir, &info.document)?;
    if let Some(doubt) = doubt {
        say(&doubt, context);
    }
    if context.system.device(call.uuid)?.is_some() {
        // mdevctl says so, and where it is.
        return Ok(Exit::Done);
    }
    let line = stage::line(&what, call.uuid, &params)?;
    let wanted = entry(&list, &params, dir)?;
    if let Some(other) = stage::entry(dir, call.uuid).filter(|entry| entry.params != wanted) {
        let other: Vec<String> = other
            .params
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let line = format!(
            "{what}: it is staged with another list: {}",
            other.join(" ")
        );
        let message = Message::new(line)
            .with("read", shown(&dir.staged_path()))
            .with("try", format!("vmig unstage {}", call.uuid));
        return Err(Failure::Refused(message));
    }
    let missing: Vec<&str> = params
        .keys()
        .filter(|name| !list.params.contains_key(*name))
        .map(String::as_str)
        .collect();
    change::run(context, false, |change| {
        stage::stage(change, &what, dir, call.uuid, &line)?;
        change.checkpoint()?;
        // The entry holds its share. If that was the last, mdevctl does not even try.
        if dir.free()? != Some(0) {
            return Ok(());
        }
        if !missing.is_empty() {
            let line = format!(
                "{what}: it takes the last free instance, which mdevctl can only create unstaged, and then \
                 every parameter must be given: {} is not",
                missing.join(", ")
            );
            let message = Message::new(line).with(
                "try",
                format!("vmig create {} {} --from LIST", dir.name(), call.uuid),
            );
            return Err(Stop::Wrong(message));
        }
        // Judged it is; mdevctl writes each parameter, and removes the device should one fail.
        let undo = Undo::Write(dir.stage_path(), line.clone());
        change.write(&what, &dir.unstage_path(), &call.uuid.to_string(), undo)
    })?;
    Ok(Exit::Done)
}

/// After a start that failed: forgets the list.
pub(super) fn failed(
    call: &Call,
    dir: &TypeDir,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let what = call.cannot("unstage");
    let Some(list) = call.list(&what, dir, context)? else {
        return Ok(Exit::Done);
    };
    let info = dir.info()?;
    let Ok((params, _)) = place::judged(&what, &list, dir, &info.document) else {
        // Then nothing was staged.
        return Ok(Exit::Done);
    };
    let wanted = entry(&list, &params, dir)?;
    let entries = dir.staged()?;
    let staged = |entry: &vmig::sysfs::Staged| entry.uuid == call.uuid && entry.params == wanted;
    if !entries.iter().any(staged) {
        return Ok(Exit::Done);
    }
    change::run(context, false, |change| {
        let uuid = call.uuid.to_string();
        change.write(&what, &dir.unstage_path(), &uuid, Undo::Nothing)
    })?;
    Ok(Exit::Done)
}

/// How `migration/staged` shows the full set `params`: what is not off, as text.
fn entry(list: &List, params: &Params, dir: &TypeDir) -> Result<BTreeMap<String, String>, Failure> {
    let info = dir.info()?;
    let (_, model) = place::model(dir, &info.document)?;
    let staged = List::of_device(&list.model, model, params);
    let text = |(name, value): (String, vmig::list::Given)| (name, value.to_string());
    Ok(staged.params.into_iter().map(text).collect())
}
