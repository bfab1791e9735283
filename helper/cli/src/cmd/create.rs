// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig create`: a device with a migration parameter list, or nothing.
//!
//! Where the type can stage, the list is staged first, so that no device with other parameters ever
//! exists. Other drivers know only the RFC's attributes of an existing device: there the device is
//! created, and each attribute is written once, in the byte order of the names.

use vmig::{
    sysfs::{
        Device,
        TypeDir, //
    },
    value::{
        Params,
        Value, //
    },
};
use vmig_model::uuid::Uuid;

use super::stage;
use crate::{
    change::{
        self,
        Change,
        Stop,
        Undo, //
    },
    cli::Create,
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

pub(super) fn run(args: &Create, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let dir = place::mdev_type(&args.destination, context)?;
    let uuid = stage::given_or_random(args.uuid.as_deref(), context)?;
    let plan = Plan {
        what: format!("cannot create {uuid} at {}", dir.name()),
        keep: args.keep,
        uuid,
        params: wanted(args, &dir, uuid, context)?,
        init: args.values.from.is_none() && args.values.new,
        dir,
    };
    let writes = match context.system.device(uuid)? {
        Some(device) => plan.repeat(&device, args.dry_run, context)?,
        None => plan.make(args.dry_run, context)?,
    };
    let Plan { dir, params, .. } = plan;
    Done {
        verb: "create",
        dry_run: args.dry_run,
        devices: vec![Target::new(context, &dir, uuid, Some(params))],
        writes,
        names: true,
    }
    .tell(context)?;
    Ok(Exit::Done)
}

/// The full set of the device: that of `--from` or `--new`, or of what is staged.
fn wanted(
    args: &Create,
    dir: &TypeDir,
    uuid: Uuid,
    context: &mut Context<'_>,
) -> Result<Params, Failure> {
    let what = format!("cannot create {uuid} at {}", dir.name());
    if args.values.from.is_some() || args.values.new {
        return stage::wanted(&what, &args.values, dir, context);
    }
    let entry = match args.uuid {
        Some(_) => stage::entry(dir, uuid),
        None => None,
    };
    let Some(entry) = entry else {
        let line = format!("{what}: give --from LIST, or --new, or the UUID of a staged entry");
        return Err(Failure::Usage(Message::new(line)));
    };
    let info = dir.info()?;
    let (_, model) = place::model(dir, &info.document)?;
    let value = |(name, param): (&String, &std::sync::Arc<vmig::document::Param>)| {
        let text = entry.params.get(name);
        let value = match text {
            Some(text) => Value::parse(param.kind, text).ok(),
            None => param.off.clone(),
        };
        Some((name.clone(), value?))
    };
    Ok(model.params.iter().filter_map(value).collect())
}

/// What is to be made.
struct Plan {
    what: String,
    dir: TypeDir,
    uuid: Uuid,
    params: Params,
    /// Whether `params` is what the driver gives a new device anyway.
    init: bool,
    keep: bool,
}

type Writes = Vec<change::Written>;

impl Plan {
    /// The device exists: that is fine if it is the one that was asked for.
    fn repeat(
        &self,
        device: &Device,
        dry: bool,
        context: &mut Context<'_>,
    ) -> Result<Writes, Failure> {
        let Self { what, dir, .. } = self;
        if (&device.kind.parent, &device.kind.kind) != (&dir.parent, &dir.kind) {
            let line = format!("{what}: it exists at {}", device.kind.name());
            return Err(Failure::Refused(Message::new(line)));
        }
        let differences = self.differences(device)?;
        if !differences.is_empty() {
            let line = format!(
                "{what}: it exists with other parameters: {}",
                differences.join(", ")
            );
            let message = Message::new(line)
                .with("read", device.param_path("").display().to_string())
                .with("try", format!("vmig set {} --from LIST", self.uuid));
            return Err(Failure::Refused(message));
        }
        let ((), writes) = change::run(context, dry, |change| {
            self.set_keep(change, device)?;
            change.checkpoint()
        })?;
        Ok(writes)
    }

    fn make(&self, dry: bool, context: &mut Context<'_>) -> Result<Writes, Failure> {
        let Self {
            what, dir, uuid, ..
        } = self;
        let stages = dir.can_stage();
        let line = match stages {
            true => Some(stage::line(what, *uuid, &self.params)?),
            false => None,
        };
        // An entry that is staged already holds its share.
        let held = stages.then(|| stage::entry(dir, *uuid)).flatten();
        if held.is_none() && dir.free()? == Some(0) {
            let line = format!("{what}: no free instance");
            let read = dir.path.join("available_instances").display().to_string();
            return Err(Failure::Environment(Message::new(line).with("read", read)));
        }
        let ((), writes) = change::run(context, dry, |change| {
            if let Some(line) = &line {
                stage::stage(change, what, dir, *uuid, line)?;
                if held.is_some() {
                    // Once the device is made and removed again, the entry is gone.
                    change.on_undo(Undo::Write(dir.stage_path(), line.clone()));
                }
            }
            change.write(
                what,
                &dir.create_path(),
                &uuid.to_string(),
                Undo::Remove(*uuid),
            )?;
            self.configure(change, stages)
        })?;
        Ok(writes)
    }

    /// What comes after `create`: attributes, `vmig/keep`, and the proof.
    fn configure(&self, change: &mut Change<'_, '_>, staged: bool) -> Result<(), Stop> {
        let Self { what, uuid, .. } = self;
        change.checkpoint()?;
        let path = change.system().device_path(*uuid);
        if !staged && !self.init {
            for (name, value) in &self.params {
                let path = path.join("migration").join(name);
                change.write(what, &path, &value.to_string(), Undo::Nothing)?;
            }
        }
        if change.is_dry() {
            if self.keep {
                change.write(what, &path.join("vmig/keep"), "1", Undo::Nothing)?;
            }
            return Ok(());
        }
        let gone = || Stop::Wrong(Message::new(format!("{what}: the device is not there")));
        let device = change.system().device(*uuid)?.ok_or_else(gone)?;
        let differences = self.differences(&device)?;
        if !differences.is_empty() {
            let line = format!(
                "{what}: the driver made it otherwise: {}",
                differences.join(", ")
            );
            let read = device.param_path("").display().to_string();
            return Err(Stop::Wrong(Message::new(line).with("read", read)));
        }
        self.set_keep(change, &device)?;
        change.checkpoint()
    }

    /// Parameters of `device` that are not as they should be: `name=value, not other`.
    fn differences(&self, device: &Device) -> Result<Vec<String>, vmig::error::Error> {
        let mut differences = Vec::new();
        for (name, wanted) in &self.params {
            let found = device.param(name)?;
            if Value::parse(wanted.kind(), &found).as_ref() != Ok(wanted) {
                differences.push(format!("{name}={found}, not {wanted}"));
            }
        }
        Ok(differences)
    }

    fn set_keep(&self, change: &mut Change<'_, '_>, device: &Device) -> Result<(), Stop> {
        if !self.keep || device.keep()? == Some(true) {
            return Ok(());
        }
        let undo = Undo::Write(device.keep_path(), "0".to_owned());
        change.write(&self.what, &device.keep_path(), "1", undo)
    }
}
