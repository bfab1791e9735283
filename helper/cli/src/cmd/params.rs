// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig params`: the migration parameter list of a device.

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

use vmig::{
    document::Model,
    error::{
        Code,
        Error, //
    },
    list::{
        self,
        List, //
    },
    sysfs::Device,
    value::{
        Params as Values,
        Value, //
    },
};

use crate::{
    cli::Params,
    context::Context,
    exit::Exit,
    failure::Failure,
    place, //
};

pub(super) fn run(args: &Params, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let device = place::device(&args.device, context)?;
    let list = read(&device, context)?;
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
    let values = values(device, model)?;
    let mut params = BTreeMap::new();
    let mut off = Values::new();
    let mut runtime = BTreeSet::new();
    for (name, param) in &model.params {
        let Some(value) = values.get(name) else {
            continue;
        };
        if param.off.as_ref() == Some(value) {
            off.insert(name.clone(), value.clone());
        } else {
            params.insert(name.clone(), value.clone().into());
        }
        if param.runtime {
            runtime.insert(name.clone());
        }
    }
    Ok(List {
        model: name.to_owned(),
        params,
        off: Some(off),
        runtime: Some(runtime),
        device: Some(list::Device {
            host: context.system.host().name,
            parent: device.kind.parent.clone(),
            kind: device.kind.kind.clone(),
            uuid: device.uuid.to_string(),
        }),
    })
}

/// The values in effect of every parameter of `model`.
///
/// # Errors
///
/// [`Code::Unreadable`]; [`Code::Malformed`] for text that is no value of the parameter's type;
/// [`Code::Contradiction`] for a parameter of the device that its type does not describe.
pub(super) fn values(device: &Device, model: &Model) -> Result<Values, Error> {
    for name in device.param_names()? {
        // The attribute of the RFC's version 4 that stands beside its only parameter.
        if !model.params.contains_key(&name) && name != "device_model" {
            let path = device.param_path(&name).display().to_string();
            let message = "the migration information of the type has no such parameter";
            return Err(Error::new(Code::Contradiction, path, message));
        }
    }
    let mut values = Values::new();
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
