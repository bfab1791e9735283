// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device that exists is changed: runtime parameters, and whether its contents survive close.
//!
//! An attribute that has its value already is no change, so that a whole configuration can be given.
//! What the configuration does not name stays as it is. All is written, or nothing.

use vmig::{
    check::judge,
    document::Model,
    list::List,
    mdevctl::{
        Config,
        KEEP, //
    },
    sysfs::Device,
    value::{
        Params,
        Value, //
    },
};

use super::{
    shown,
    Call, //
};
use crate::{
    change::{
        self,
        Stop,
        Undo, //
    },
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    place,
};

/// Applies what the configuration has that the device has not.
pub(super) fn modify(call: &Call, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let what = call.cannot("change");
    let config = call.config(&what, context)?;
    let device = call.device(&what, context)?;
    let info = device.kind.info()?;
    let (name, model) = place::model(&device.kind, &info.document)?;
    let now = place::values(&device, model)?;

    let (changed, mut reasons) = params(&config.list(name), &now, model);
    let keep = keep(&config, &device, &mut reasons)?;
    if let [first, others @ ..] = reasons.as_slice() {
        let line = match others.len() {
            0 => format!("{what}: {first}"),
            more => format!("{what}: {first} (and {more} more)"),
        };
        let message = Message::new(line);
        let with = |message: Message, reason: &String| message.with("reason", reason);
        let all = if others.is_empty() {
            &[]
        } else {
            reasons.as_slice()
        };
        let message = all.iter().fold(message, with);
        let read = shown(&device.kind.info_path());
        return Err(Failure::Refused(message.with("read", read)));
    }
    change::run(context, false, |change| {
        for (name, value) in &changed {
            let path = device.param_path(name);
            let before = now.get(name).map_or(String::new(), Value::to_string);
            let what = format!("{what}: {name}={value}");
            let undo = Undo::Write(path.clone(), before);
            change.write(&what, &path, &value.to_string(), undo)?;
            let found = device.param(name)?;
            if found != value.to_string() {
                let line = format!("{what}: it is {found} after that");
                return Err(Stop::Wrong(Message::new(line)));
            }
        }
        if let Some((before, after)) = keep {
            let undo = Undo::Write(device.keep_path(), before.to_owned());
            change.write(&what, &device.keep_path(), after, undo)?;
        }
        change.checkpoint()
    })?;
    Ok(Exit::Done)
}

/// The parameters of `list` that are to change, and all that speaks against it.
fn params(list: &List, now: &Params, model: &Model) -> (Params, Vec<String>) {
    let given = |(name, value): (&String, &Value)| (name.clone(), value.clone().into());
    let mut whole = List {
        params: now.iter().map(given).collect(),
        ..list.clone()
    };
    whole.params.extend(list.params.clone());
    let outcome = judge(&whole, model);
    let mut reasons = Vec::new();
    if outcome.apply.is_none() {
        reasons.extend(outcome.reasons.into_iter().map(|reason| reason.message));
    }
    let mut changed = Params::new();
    for (name, given) in &list.params {
        let Some(param) = model.params.get(name) else {
            continue;
        };
        let Some(value) = given.typed(param.kind) else {
            continue;
        };
        let Some(before) = now.get(name).filter(|before| **before != value) else {
            continue;
        };
        if !param.runtime {
            reasons.push(format!(
                "{name} is {before} and cannot become {value} while the device exists"
            ));
        }
        changed.insert(name.clone(), value);
    }
    (changed, reasons)
}

/// What `vmig/keep` is and is to be, if that is not the same; it is the only other attribute.
fn keep(
    config: &Config,
    device: &Device,
    reasons: &mut Vec<String>,
) -> Result<Option<(&'static str, &'static str)>, Failure> {
    let mut keep = None;
    for (name, value) in config.others() {
        keep = match (name, value, device.keep()?) {
            (KEEP, "1", Some(false)) => Some(("0", "1")),
            (KEEP, "0", Some(true)) => Some(("1", "0")),
            (KEEP, "0" | "1", Some(_)) => None,
            _ => {
                reasons.push(format!(
                    "{name} cannot become {value:?} while the device exists"
                ));
                keep
            }
        };
    }
    Ok(keep)
}
