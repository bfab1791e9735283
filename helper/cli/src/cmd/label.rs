// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig label`: short names for groups, for schedulers.

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

use vmig::label::{
    LabelResult,
    Labels, //
};

use super::{
    baseline::once,
    check, //
};
use crate::{
    cli::{
        FromList,
        Label,
        LabelFormat, //
    },
    context::{
        read_once,
        Context, //
    },
    exit::Exit,
    failure::Failure,
    text::{
        escape,
        Table, //
    },
};

pub(super) fn run(args: &Label, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let named = once("--list", &args.lists)?;
    let inputs = named.values().chain(&args.sources);
    read_once(inputs.map(String::as_str))?;
    let mut lists = BTreeMap::new();
    for (name, list) in named {
        let list = context.list(&FromList {
            list,
            model: args.model.clone(),
        })?;
        lists.insert(name, list);
    }
    let (records, narrow) = context.fleet(&args.sources, &args.narrow)?;
    let answer = Labels::new(&records, &narrow, &lists)?;
    let json = match context.json() {
        true => LabelFormat::Json,
        false => LabelFormat::Text,
    };
    match args.format.unwrap_or(json) {
        LabelFormat::Json => context.document(&answer)?,
        LabelFormat::Text => context.lines(lines(&answer.results))?,
        LabelFormat::Nfd => context.lines(all(&answer.results, |label| {
            // The feature's name is what a scheduler selects.
            format!("vmig-{label}=true")
        }))?,
        LabelFormat::Trait => context.lines(all(&answer.results, |label| {
            let label = label.to_ascii_uppercase().replace(['-', '.'], "_");
            format!("CUSTOM_VMIG_{label}")
        }))?,
    }
    Ok(match answer.results.as_slice() {
        [] => Exit::Environment,
        _ => Exit::Done,
    })
}

/// Every label once.
fn all(results: &[LabelResult], form: impl Fn(&str) -> String) -> BTreeSet<String> {
    let labels = results.iter().flat_map(|result| {
        let accepts = result.accepts.iter().map(|accepted| &accepted.label);
        [&result.label].into_iter().chain(accepts)
    });
    labels.map(|label| form(label)).collect()
}

fn lines(results: &[LabelResult]) -> Vec<String> {
    let mut table = Table::new(&["LABEL", "EXACT", "HOST", "TYPE", "MODEL"]);
    for result in results {
        table.row([
            result.label.clone(),
            if result.exact { "yes" } else { "no" }.to_owned(),
            result.place.host.clone(),
            check::type_name(&result.place),
            result.place.model.clone().unwrap_or_default(),
        ]);
    }
    let mut rows = table.lines().into_iter();
    let mut lines: Vec<String> = rows.next().into_iter().collect();
    for (row, result) in rows.zip(results) {
        lines.push(row);
        let accepts = result.accepts.iter();
        lines.extend(accepts.map(|one| {
            let name = escape(&one.name);
            format!("    {} accepts {name}", one.label)
        }));
    }
    lines
}
