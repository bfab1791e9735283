// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig info`: the migration information, as tables or as inventories.

use std::{
    collections::{
        HashMap,
        HashSet, //
    },
    hash::Hash,
};

use vmig::{
    document::{
        Constraint,
        Model, //
    },
    inventory::{
        Host,
        Implementation,
        Inventory, //
    },
    reason::clauses,
    source::Record,
};

use crate::{
    cli::Info,
    context::Context,
    exit::Exit,
    failure::Failure,
    text::{
        escape,
        Table, //
    },
};

pub(super) fn run(args: &Info, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let records = context.documents(&args.sources)?;
    let offers = || records.iter().flat_map(|record| &record.implementations);
    let errors: Vec<_> = offers()
        .filter_map(|offer| offer.info.as_ref().err())
        .collect();
    if let ([error, ..], true) = (errors.as_slice(), offers().count() == errors.len()) {
        // There is no answer at all: the first error is it, the others are told before.
        for error in errors.iter().skip(1) {
            context.complain(error);
        }
        return Err((*error).clone().into());
    }
    if context.json() {
        let this_host = args.sources.is_empty().then(|| context.system.host());
        for inventory in inventories(&records, this_host) {
            context.document(&inventory)?;
        }
    } else {
        let lines: Vec<String> = records.iter().flat_map(tables).collect();
        context.lines(lines)?;
    }
    for error in &errors {
        context.complain(error);
    }
    Ok(errors.first().map_or(Exit::Done, |error| (*error).into()))
}

/// One inventory per host, in the order of the input; `this_host` is there even if it is empty.
fn inventories(records: &[Record], this_host: Option<Host>) -> Vec<Inventory> {
    let mut inventories: Vec<Inventory> = Vec::new();
    let mut places: HashMap<Host, usize> = HashMap::new();
    let mut place = |host: &Host, inventories: &mut Vec<Inventory>| {
        *places.entry(host.clone()).or_insert_with(|| {
            inventories.push(Inventory {
                host: host.clone(),
                implementations: Vec::new(),
            });
            inventories.len() - 1
        })
    };
    if let (Some(host), []) = (this_host, records) {
        place(&host, &mut inventories);
    }
    // The same source may be typed twice.
    let mut known = HashSet::new();
    for record in records {
        let i = place(&record.host, &mut inventories);
        for offer in &record.implementations {
            if known.insert((i, identity(offer))) {
                inventories[i].implementations.push(offer.clone());
            }
        }
    }
    inventories
}

/// All that is shown of an implementation, the document by its digest.
fn identity(offer: &Implementation) -> impl Eq + Hash + '_ {
    let Implementation {
        parent,
        kind,
        program,
        name,
        device_api,
        driver,
        driver_version,
        free,
        info,
    } = offer;
    let digest = info.as_ref().ok().and_then(|info| info.digest.as_deref());
    let place = (parent, kind, program);
    (
        place,
        name,
        device_api,
        driver,
        driver_version,
        free,
        digest,
    )
}

fn tables(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    for offer in &record.implementations {
        let Ok(info) = &offer.info else { continue };
        for (name, model) in &info.document.models {
            lines.push(heading(record, offer, name));
            lines.extend(table(model));
            lines.extend(rules(model).map(|rule| format!("  {}", escape(&rule))));
            lines.push(String::new());
        }
    }
    lines
}

/// `HOST PARENT/TYPE (NAME): MODEL, 12 free`.
fn heading(record: &Record, offer: &Implementation, model: &str) -> String {
    let mut line = record.host.name.clone();
    if let (Some(parent), Some(kind)) = (&offer.parent, &offer.kind) {
        line.push_str(&format!(" {parent}/{kind}"));
    }
    if let Some(name) = &offer.name {
        line.push_str(&format!(" ({name})"));
    }
    line.push_str(&format!(": {model}"));
    if let Some(free) = offer.free {
        line.push_str(&format!(", {free} free"));
    }
    escape(&line).into_owned()
}

fn table(model: &Model) -> Vec<String> {
    let mut table = Table::new(&[
        "  PARAMETER",
        "TYPE",
        "INIT",
        "OFF",
        "ACCEPTS",
        "RUNTIME",
        "DESCRIPTION",
    ]);
    for (name, param) in &model.params {
        let value = |value: &Option<_>| match value {
            Some(value) => vmig::value::Value::to_string(value),
            None => "-".to_owned(),
        };
        table.row([
            format!("  {name}"),
            param.kind.to_string(),
            value(&param.init),
            value(&param.off),
            param.accepted.to_string(),
            if param.runtime { "yes" } else { "no" }.to_owned(),
            param.description.clone().unwrap_or_default(),
        ]);
    }
    table.lines()
}

/// Constraints and profiles, a line each.
fn rules(model: &Model) -> impl Iterator<Item = String> + '_ {
    let constraint = |constraint: &Constraint| {
        let (when, then) = (clauses(&constraint.when), clauses(&constraint.then));
        format!("constraint: {when} needs {then}")
    };
    let constraints = model.constraints.iter().map(constraint);
    let profiles = model.profiles.iter().map(|profile| {
        let params = profile.params.iter();
        let params: Vec<_> = params
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        format!("profile {}:{}", profile.name, params.concat())
    });
    constraints.chain(profiles)
}
