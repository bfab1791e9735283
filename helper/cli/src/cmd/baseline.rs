// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig baseline`: parameters for a new device that every host accepts.

use std::collections::BTreeMap;

use vmig::{
    baseline::{
        self,
        Answer,
        Conflict,
        Explain,
        ModelBaseline,
        Options, //
    },
    fleet::Fleet,
    value::Value,
};

use crate::{
    cli::Baseline,
    context::Context,
    exit::Exit,
    failure::{
        Failure,
        Message, //
    },
    text::escape,
};

/// Hosts that are named in a line without `-v`.
const HOSTS_MAX: usize = 3;

pub(super) fn run(args: &Baseline, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let options = Options {
        each: args.each,
        prefer: once("--prefer", &args.prefer)?,
        require: once("--require", &args.require)?,
        explain: args.explain,
    };
    let (records, narrow) = context.fleet(&args.sources, &args.narrow)?;
    let mut fleet = Fleet::new(&records, &narrow)?;
    if let Some(model) = &args.model {
        fleet.retain(|name| name == model);
    }
    let answer = baseline::Baseline::new(&fleet, &options)?;
    if context.json() {
        context.document(&answer)?;
    } else {
        let lines: Vec<String> = answer
            .models
            .iter()
            .flat_map(|model| lines(model, context.verbose()))
            .collect();
        context.lines(lines)?;
    }
    Ok(match answer.verdict {
        _ if fleet.is_empty() => fleet
            .skipped
            .first()
            .map_or(Exit::Environment, |(_, error)| (*error).into()),
        Answer::Compatible => Exit::Done,
        Answer::Possible if args.strict => Exit::Possible,
        Answer::Possible => Exit::Done,
        Answer::None => Exit::No,
    })
}

/// Values by name; a name that is given twice makes no sense.
pub(super) fn once(
    option: &str,
    named: &[(String, String)],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut values = BTreeMap::new();
    for (name, value) in named {
        if values.insert(name.clone(), value.clone()).is_some() {
            let line = format!("{option} {name} is given twice");
            return Err(Failure::Usage(Message::new(line)));
        }
    }
    Ok(values)
}

/// A text list, which other verbs read; everything else is a comment in it.
fn lines(model: &ModelBaseline, verbose: bool) -> Vec<String> {
    let shown = |hosts: &[String]| {
        let limit = if verbose { hosts.len() } else { HOSTS_MAX };
        let mut text = hosts
            .iter()
            .take(limit)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if hosts.len() > limit {
            text.push_str(&format!(" and {} more", hosts.len() - limit));
        }
        text
    };
    let verdict = match model.verdict {
        Answer::Compatible => "compatible with",
        Answer::Possible => "possible for",
        Answer::None => "no list for",
    };
    let mut head = format!("# {verdict} {} hosts", model.hosts);
    if let Some(profile) = &model.profile {
        head.push_str(&format!(", profile {profile}"));
    }
    let mut lines = vec![head];
    if !model.missing.is_empty() {
        lines.push(format!("# not offered by {}", shown(&model.missing)));
    }
    if let Some(honoured) = model.honoured.as_ref().filter(|names| !names.is_empty()) {
        lines.push(format!("# as preferred: {}", honoured.join(", ")));
    }
    for explain in model.explain.iter().flatten() {
        lines.push(explained(explain, &shown));
    }
    lines.push(format!("model: {}", model.model));
    if let Some(conflict) = &model.conflict {
        lines.extend(conflicting(conflict, &shown));
    }
    for (name, value) in model.params.iter().flatten() {
        lines.push(format!("{name}={value}"));
    }
    lines.iter().map(|line| escape(line).into_owned()).collect()
}

fn explained(explain: &Explain, shown: &impl Fn(&[String]) -> String) -> String {
    let value = match &explain.value {
        Some(value) => Value::to_string(value),
        None => "absent".to_owned(),
    };
    let why = match explain.why {
        baseline::Why::Preferred => "preferred",
        baseline::Why::Profile => "of the profile",
        baseline::Why::Init => "an init value",
        baseline::Why::Other => "no init value",
    };
    let mut line = format!("# {}: {value}, {why}", explain.param);
    if !explain.limited_by.is_empty() {
        line.push_str(&format!(", limited by {}", shown(&explain.limited_by)));
    }
    line
}

fn conflicting<'a>(
    conflict: &'a Conflict,
    shown: &impl Fn(&[String]) -> String,
) -> impl Iterator<Item = String> + 'a {
    let hosts = conflict.hosts.iter().map(|host| {
        let sets = host.sets.iter().map(|(name, set)| format!("{name}: {set}"));
        format!(
            "# {} accepts {}",
            host.host,
            sets.collect::<Vec<_>>().join("; ")
        )
    });
    let params = conflict.largest.params.iter();
    let params: Vec<String> = params
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    let largest = format!(
        "# {} hosts have a list:{} ({})",
        conflict.largest.hosts.len(),
        params.concat(),
        shown(&conflict.largest.hosts),
    );
    hosts.chain([largest])
}
