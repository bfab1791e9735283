// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! mdevctl: the device's configuration with every parameter.
//!
//! With vmig's callout installed all of them are staged at once; without it mdevctl writes them one
//! after the other once the device exists, which leads to the same device, whatever the order.

use vmig::{
    mdevctl::Config,
    output::to_json, //
};

use super::{
    Command,
    Script,
    Target, //
};
use crate::failure::Failure;

pub(super) fn script(target: &Target<'_>) -> Result<Script, Failure> {
    let config = Config::new(target.kind, target.params, target.keep);
    let json = to_json(&config).map_err(std::io::Error::from)?;
    let command = |verb: &str, json: Option<&String>| {
        let mut argv = vec!["mdevctl".to_owned(), verb.to_owned()];
        let mut option = |name: &str, value: String| argv.extend([name.to_owned(), value]);
        if let Some(uuid) = target.uuid {
            option("--uuid", uuid.to_string());
        }
        option("--parent", target.parent.to_owned());
        if json.is_some() {
            option("--jsonfile", "/dev/stdin".to_owned());
        }
        Command {
            argv,
            stdin: json.cloned(),
            more: false,
        }
    };
    let commands = match target.define {
        false => vec![command("start", Some(&json))],
        true => {
            target.uuid("--define needs")?;
            vec![command("define", Some(&json)), command("start", None)]
        }
    };
    Ok(Script {
        commands,
        ..Script::default()
    })
}
