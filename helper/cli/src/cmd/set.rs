// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig set`: changes parameters of an existing device, or what becomes of its contents.

use std::collections::BTreeMap;

use vmig::{
    check::accepts,
    document::Model,
    list::List,
    sysfs::Device,
    value::{
        Params,
        Value, //
    },
};

use crate::{
    change::{
        self,
        Undo, //
    },
    cli::{
        Set,
        Switch, //
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

pub(super) fn run(args: &Set, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let device = place::device(&args.device, context)?;
    let what = format!("cannot set {}", device.uuid);
    let info = device.kind.info()?;
    let (_, model) = place::model(&device.kind, &info.document)?;
    let now = place::values(&device, model)?;
    let wanted = match args.from() {
        Some(from) => {
            let list = context.list(&from)?;
            full_set(&what, &list, &device, context)?
        }
        None => single(&what, &args.params, model, &device)?,
    };
    let changed: Params = wanted
        .iter()
        .filter(|(name, value)| now.get(*name) != Some(value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    not_in_use(&what, &changed, model, &device)?;
    warn_combination(&changed, &now, model, context);

    let keep = keep(&what, args.keep, &device)?;
    let ((), writes) = change::run(context, args.dry_run, |change| {
        for (name, value) in &changed {
            let path = device.param_path(name);
            let before = now.get(name).map_or(String::new(), Value::to_string);
            let undo = Undo::Write(path.clone(), before);
            change.write(
                &format!("{what}: {name}={value}"),
                &path,
                &value.to_string(),
                undo,
            )?;
        }
        if let Some((before, after)) = keep {
            let undo = Undo::Write(device.keep_path(), before.to_owned());
            change.write(&what, &device.keep_path(), after, undo)?;
        }
        if change.is_dry() {
            return Ok(());
        }
        for (name, value) in &changed {
            let found = device.param(name)?;
            if Value::parse(value.kind(), &found).as_ref() != Ok(value) {
                let line = format!("{what}: {name} is {found} after {value} was written");
                return Err(change::Stop::Wrong(Message::new(line)));
            }
        }
        change.checkpoint()
    })?;
    Done {
        verb: "set",
        dry_run: args.dry_run,
        devices: vec![Target::new(
            context,
            &device.kind,
            device.uuid,
            Some(wanted),
        )],
        writes,
        names: false,
    }
    .tell(context)?;
    Ok(Exit::Done)
}

fn full_set(
    what: &str,
    list: &List,
    device: &Device,
    context: &mut Context<'_>,
) -> Result<Params, Failure> {
    place::full_set(what, list, &device.kind, context)
}

/// The values of `NAME=VALUE ...`.
fn single(what: &str, words: &[String], model: &Model, device: &Device) -> Result<Params, Failure> {
    let read = || device.kind.info_path().display().to_string();
    let refused = |line: String| Failure::Refused(Message::new(line).with("read", read()));
    let mut params = Params::new();
    for word in words {
        let (name, text) = word.split_once('=').ok_or_else(|| {
            Failure::Usage(Message::new(format!("{what}: {word} is not NAME=VALUE")))
        })?;
        let Some(param) = model.params.get(name) else {
            let names: Vec<&str> = model.params.keys().map(String::as_str).collect();
            let names = names.join(", ");
            return Err(refused(format!(
                "{what}: there is no parameter {name} (there are {names})"
            )));
        };
        let value = Value::parse(param.kind, text).ok();
        let Some(value) = value.filter(|value| param.accepted.contains(value)) else {
            let accepts = match param.accepted {
                vmig::set::Set::Any => format!("any {}", param.kind),
                ref set => set.to_string(),
            };
            return Err(refused(format!(
                "{what}: {name}={text} is not accepted (accepts {accepts})"
            )));
        };
        if params.insert(name.to_owned(), value).is_some() {
            let line = format!("{what}: {name} is given twice");
            return Err(Failure::Usage(Message::new(line)));
        }
    }
    Ok(params)
}

/// An open device takes new values of runtime parameters only.
fn not_in_use(what: &str, changed: &Params, model: &Model, device: &Device) -> Result<(), Failure> {
    let fixed = |name: &String| model.params.get(name).is_none_or(|param| !param.runtime);
    let Some(name) = changed.keys().find(|name| fixed(name)) else {
        return Ok(());
    };
    if device.in_use()? != Some(true) {
        return Ok(());
    }
    let line = format!("{what}: it is in use, and {name} cannot change while it is");
    let read = device.path.join("vmig/in_use").display().to_string();
    Err(Failure::Environment(Message::new(line).with("read", read)))
}

/// Single values may pass through combinations that the device cannot be opened with.
fn warn_combination(changed: &Params, now: &Params, model: &Model, context: &mut Context<'_>) {
    let mut after: BTreeMap<String, Value> = now.clone();
    after.extend(changed.clone());
    if !changed.is_empty() && accepts(model, &after).is_no() {
        let line = "warning: with these values together the device cannot be opened";
        context.notice(&Message::new(line));
    }
}

/// What `vmig/keep` is and is to be, if that is not the same.
fn keep(
    what: &str,
    wanted: Option<Switch>,
    device: &Device,
) -> Result<Option<(&'static str, &'static str)>, Failure> {
    let text = |on| if on { "1" } else { "0" };
    let Some(wanted) = wanted.map(|switch| switch == Switch::On) else {
        return Ok(None);
    };
    let Some(now) = device.keep()? else {
        let line = format!("{what}: its driver does not say what becomes of contents at close");
        let read = device.keep_path().display().to_string();
        return Err(Failure::Refused(Message::new(line).with("wanted", read)));
    };
    Ok((now != wanted).then(|| (text(now), text(wanted))))
}
