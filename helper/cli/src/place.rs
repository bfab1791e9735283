// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the verbs that change the host work on: types, devices, and full sets of values.

use std::path::Path;

use vmig::{
    check::judge,
    document::{
        Document,
        Model, //
    },
    error::{
        Code,
        Error, //
    },
    list::List,
    reason::Reason,
    source::Source,
    sysfs::{
        Device,
        TypeDir, //
    },
    value::{
        Params,
        Value, //
    },
    verdict::Verdict,
};
use vmig_model::uuid::Uuid;

use crate::{
    context::Context,
    failure::{
        Failure,
        Message, //
    },
};

/// The mdev type that `text` names.
///
/// # Errors
///
/// [`Failure::Input`] if there is none; [`Failure::Usage`] if it is another kind of source.
pub fn mdev_type(text: &str, context: &Context<'_>) -> Result<TypeDir, Failure> {
    match Source::resolve(text, &context.system)? {
        Source::Type(dir) => Ok(dir),
        _ => Err(Failure::Usage(Message::new(format!(
            "{text} is no mdev type of this host (a type's directory, or PARENT/TYPE)"
        )))),
    }
}

/// The UUID in `text`.
///
/// # Errors
///
/// [`Failure::Usage`].
pub fn uuid(text: &str) -> Result<Uuid, Failure> {
    text.parse()
        .map_err(|_| Failure::Usage(Message::new(format!("{text} is not a UUID"))))
}

/// How `DEVICE` names a device.
pub enum Named {
    /// The device.
    Device(Box<Device>),
    /// There is no such device.
    Nothing(Error),
}

/// The device that `text` names: a UUID, or a directory in sysfs.
///
/// # Errors
///
/// [`Failure::Usage`] if it is neither; [`Failure::Input`] if it is no mediated device.
pub fn find_device(text: &str, context: &Context<'_>) -> Result<Named, Failure> {
    let system = &context.system;
    let nothing = |text: String| {
        Named::Nothing(Error::new(
            Code::Unreadable,
            text,
            "there is no such device",
        ))
    };
    let found = |device| Named::Device(Box::new(device));
    if let Ok(uuid) = text.parse::<Uuid>() {
        let path = || system.device_path(uuid).display().to_string();
        let device = system.device(uuid)?;
        return Ok(device.map_or_else(|| nothing(path()), found));
    }
    let path = Path::new(text);
    if !text.contains('/') {
        let line = format!("{text} is neither a UUID nor the directory of a device");
        return Err(Failure::Usage(Message::new(line)));
    }
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(nothing(text.to_owned())),
        _ => Ok(found(system.device_at(path)?)),
    }
}

/// The device that `text` names, which must exist.
///
/// # Errors
///
/// As [`find_device`]; [`Failure::Input`] if it does not exist.
pub fn device(text: &str, context: &Context<'_>) -> Result<Device, Failure> {
    match find_device(text, context)? {
        Named::Device(device) => Ok(*device),
        Named::Nothing(error) => Err(error.into()),
    }
}

/// The model of a device or type: the one that its attribute names, or the only one.
///
/// # Errors
///
/// [`Code::Contradiction`].
pub fn model<'a>(dir: &TypeDir, document: &'a Document) -> Result<(&'a str, &'a Model), Error> {
    let path = dir.info_path().display().to_string();
    let named = dir.model()?;
    let mut models = document.models.iter();
    let found = match (named, models.next(), models.next()) {
        (Some(name), _, _) => document.models.get_key_value(&name),
        (None, only, None) => only,
        (None, _, Some(_)) => None,
    };
    let (name, model) = found.ok_or_else(|| {
        Error::new(
            Code::Contradiction,
            path,
            "it is not clear which device model the type is",
        )
    })?;
    Ok((name, model))
}

/// The values in effect of every parameter of `model`.
///
/// # Errors
///
/// [`Code::Unreadable`]; [`Code::Malformed`] for text that is no value of the parameter's type;
/// [`Code::Contradiction`] for a parameter of the device that its type does not describe.
pub fn values(device: &Device, model: &Model) -> Result<Params, Error> {
    for name in device.param_names()? {
        // The attribute of the RFC's version 4 that stands beside its only parameter.
        if !model.params.contains_key(&name) && name != "device_model" {
            let path = device.param_path(&name).display().to_string();
            let message = "the migration information of the type has no such parameter";
            return Err(Error::new(Code::Contradiction, path, message));
        }
    }
    let mut values = Params::new();
    for (name, param) in &model.params {
        let text = device.param(name)?;
        let value = Value::parse(param.kind, &text).map_err(|why| {
            Error::malformed(
                device.param_path(name).display().to_string(),
                why.to_string(),
            )
        })?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// The full set of values with which `model` takes `list`.
///
/// # Errors
///
/// [`Failure::Refused`] with every reason, for `what`.
pub fn full_set(
    what: &str,
    list: &List,
    dir: &TypeDir,
    context: &mut Context<'_>,
) -> Result<Params, Failure> {
    let info = dir.info()?;
    for warning in &info.document.warnings {
        context.warning(warning);
    }
    let (params, doubt) = judged(what, list, dir, &info.document)?;
    if let Some(doubt) = doubt {
        context.notice(&doubt);
    }
    Ok(params)
}

/// As [`full_set`], where `document` is what the type says; with what is to be told about the list
/// if it is not certain.
///
/// # Errors
///
/// As [`full_set`].
pub fn judged(
    what: &str,
    list: &List,
    dir: &TypeDir,
    document: &Document,
) -> Result<(Params, Option<Message>), Failure> {
    let outcome = match document.models.get(&list.model) {
        Some(model) => judge(list, model),
        None => {
            let other = document.models.keys().next().map_or("", String::as_str);
            vmig::check::check(list, other, document)
        }
    };
    let read = dir.info_path().display().to_string();
    if let Some(apply) = outcome.apply {
        let doubt = (outcome.verdict == Verdict::Possible).then(|| {
            let line = format!("{what}: it is not certain that the driver accepts the list");
            because(line, &outcome.reasons).with("read", read)
        });
        return Ok((apply, doubt));
    }
    Err(Failure::Refused(
        no(what, &outcome.reasons).with("read", read),
    ))
}

/// Why not: the first reason in the line that stands alone, and all of them if there are more.
pub fn no(what: &str, reasons: &[Reason]) -> Message {
    match reasons {
        [] => Message::new(format!("{what}: the list is not accepted")),
        [only] => Message::new(format!("{what}: {}", only.message)),
        [first, others @ ..] => {
            let line = format!("{what}: {} (and {} more)", first.message, others.len());
            because(line, reasons)
        }
    }
}

fn because(line: String, reasons: &[Reason]) -> Message {
    let with = |message: Message, reason: &Reason| message.with("reason", reason.message.clone());
    reasons.iter().fold(Message::new(line), with)
}

/// The values of a new device.
///
/// # Errors
///
/// As [`model`].
pub fn init_set(dir: &TypeDir) -> Result<Params, Error> {
    let info = dir.info()?;
    let (_, model) = model(dir, &info.document)?;
    let init = model.params.iter();
    Ok(init
        .filter_map(|(name, param)| Some((name.clone(), param.init.clone()?)))
        .collect())
}
