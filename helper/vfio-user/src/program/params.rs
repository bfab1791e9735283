// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The values of the device: judged by the library `vmig` from the device's own description.

use std::{
    collections::BTreeMap,
    fs,
    io::{
        self,
        Read as _, //
    },
    path::Path,
};

use vmig::{
    check::check,
    document::Document,
    list::{
        Given as Value,
        List,
        TEXT_MAX, //
    },
    reason::Reason,
};
use vmig_model::{
    info::write_info,
    params::Param,
    types::DeviceType,
    values::Values, //
};

use super::{
    cli::Given,
    Failure, //
};

/// The values of a device of type `ty`.
pub(super) fn values(ty: &'static DeviceType, given: &Given) -> Result<Values, Failure> {
    let list = match given {
        Given::Options(options) => from_options(ty, options),
        Given::List(path) => from_file(path)?,
    };
    let mut text = String::new();
    write_info(ty, &mut text).map_err(Failure::refused)?;
    let document = Document::parse(text.as_bytes(), ty.name).map_err(Failure::refused)?;
    let outcome = check(&list, ty.model, &document);
    let Some(apply) = outcome.apply else {
        return Err(refusal(ty, &outcome.reasons));
    };
    let mut values = Values::off_or_init(ty);
    for (name, value) in &apply {
        let set = ty
            .index(name)
            .map(|i| values.set(ty, i, &value.to_string()));
        set.transpose().map_err(Failure::refused)?;
    }
    values.check(ty).map_err(Failure::refused)?;
    Ok(values)
}

/// What the options say; what they do not say is as in a new device.
fn from_options(ty: &DeviceType, options: &[(&'static str, String)]) -> List {
    let mut params = BTreeMap::new();
    for param in ty.params {
        let initial = Value::Text(param.init.to_string());
        params.insert(param.name.to_owned(), initial);
    }
    for (name, value) in options {
        params.insert((*name).to_owned(), Value::Text(value.clone()));
    }
    List {
        model: ty.model.to_owned(),
        params,
        off: None,
        runtime: None,
        device: None,
    }
}

fn from_file(path: &Path) -> Result<List, Failure> {
    let shown = path.display().to_string();
    let unreadable = |error: io::Error| {
        let why = vmig::error::Errno(&error);
        Failure::refused(format_args!("{shown}: cannot read: {why}"))
    };
    // More than a list may have, so that the reader says what is wrong.
    let most = u64::try_from(TEXT_MAX).unwrap_or(u64::MAX);
    let most = most.saturating_mul(2);
    let mut text = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().take(most).read_to_end(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut text))
    }
    .map_err(unreadable)?;
    List::parse(&text, &shown, None).map_err(Failure::refused)
}

fn refusal(ty: &'static DeviceType, reasons: &[Reason]) -> Failure {
    let mut messages = reasons.iter().map(|reason| reason.message.clone());
    let first = messages.next().unwrap_or_default();
    let mut details: Vec<String> = messages.map(|m| format!("also    : {m}")).collect();
    for reason in reasons {
        let Some(name) = &reason.param else {
            continue;
        };
        let line = accepts(ty, name).unwrap_or_else(|| known(ty));
        if !details.contains(&line) {
            details.push(line);
        }
    }
    Failure::Refused(format!("cannot make the device: {first}"), details)
}

/// The values that a parameter takes.
pub(super) fn accepted(param: &Param) -> String {
    let items: Vec<String> = param.allowed.iter().map(ToString::to_string).collect();
    items.join(", ")
}

/// A line with the values that the parameter `name` takes; `None` if there is no such parameter.
pub(super) fn accepts(ty: &DeviceType, name: &str) -> Option<String> {
    let param = ty.params.get(ty.index(name)?)?;
    Some(format!("accepts : {name} {}", accepted(param)))
}

/// A line with the parameters that there are.
pub(super) fn known(ty: &DeviceType) -> String {
    let names: Vec<&str> = ty.params.iter().map(|param| param.name).collect();
    format!("accepts : {}", names.join(", "))
}
