// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the verbs that change the host say when they are done.

use serde::Serialize;
use vmig::{
    sysfs::TypeDir,
    value::Params, //
};
use vmig_model::uuid::Uuid;

use crate::{
    change::Written,
    context::Context,
    failure::Failure,
    text::escape, //
};

/// `vmig.change/1`: what was written, or would be.
#[derive(Debug, Serialize)]
pub struct Report {
    schema: &'static str,
    verb: &'static str,
    dry_run: bool,
    devices: Vec<Target>,
    writes: Vec<Written>,
}

/// A device that was changed, or will exist.
#[derive(Debug, Serialize)]
pub struct Target {
    host: String,
    parent: String,
    #[serde(rename = "type")]
    kind: String,
    uuid: String,
    /// Its values, where the verb set them.
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Params>,
}

impl Target {
    /// The device `uuid` of type `dir`, with these values.
    pub fn new(context: &Context<'_>, dir: &TypeDir, uuid: Uuid, params: Option<Params>) -> Self {
        Self {
            host: context.system.host().name,
            parent: dir.parent.clone(),
            kind: dir.kind.clone(),
            uuid: uuid.to_string(),
            params,
        }
    }
}

/// What there is to say.
pub struct Done {
    /// The verb.
    pub verb: &'static str,
    /// Whether nothing was really written.
    pub dry_run: bool,
    /// The devices.
    pub devices: Vec<Target>,
    /// The writes.
    pub writes: Vec<Written>,
    /// Whether the text form names the devices: the answer of verbs that make a UUID.
    pub names: bool,
}

impl Done {
    /// Says it: the writes of a dry run as shell commands, else the UUIDs.
    ///
    /// # Errors
    ///
    /// [`Failure::Output`].
    pub fn tell(self, context: &mut Context<'_>) -> Result<(), Failure> {
        let Self {
            verb,
            dry_run,
            devices,
            writes,
            names,
        } = self;
        if context.json() {
            return context.document(&Report {
                schema: "vmig.change/1",
                verb,
                dry_run,
                devices,
                writes,
            });
        }
        if dry_run {
            return context.lines(writes.iter().map(command));
        }
        if names {
            return context.lines(devices.iter().map(|device| device.uuid.as_str()));
        }
        Ok(())
    }
}

/// The write as a shell command.
fn command(written: &Written) -> String {
    let data = quote(&written.data);
    let path = quote(&written.path);
    escape(&format!("printf %s {data} > {path}")).into_owned()
}

/// A word, quoted for a shell where it has to be.
pub fn quote(word: &str) -> String {
    match shlex::try_quote(word) {
        Ok(quoted) => quoted.into_owned(),
        // It has a NUL, which no command line can have.
        Err(_) => format!("{word:?}"),
    }
}
