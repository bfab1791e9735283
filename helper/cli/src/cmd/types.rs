// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig types`: the mdev types of this host, their free instances and staged entries.

use serde::Serialize;
use vmig::{
    error::Error,
    inventory::Implementation,
    sysfs::TypeDir,
    value::{
        Params,
        Value, //
    },
};

use crate::{
    cli::Types,
    context::Context,
    exit::Exit,
    failure::Failure,
    place,
    text::{
        escape,
        Table, //
    },
};

/// `vmig.types/1`.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    host: String,
    types: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    parent: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_api: Option<String>,
    driver: String,
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<u64>,
    /// Left out where nothing can be staged, or it may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    staged: Option<Vec<Entry>>,
}

#[derive(Serialize)]
struct Entry {
    uuid: String,
    params: Params,
}

pub(super) fn run(_: &Types, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    for dir in context.system.all_types()? {
        rows.push(row(&dir, context, &mut errors));
    }
    let host = context.system.host().name;
    if context.json() {
        context.document(&Document {
            schema: "vmig.types/1",
            host,
            types: rows,
        })?;
    } else {
        context.lines(lines(&rows))?;
    }
    for error in &errors {
        context.complain(error);
    }
    Ok(errors.first().map_or(Exit::Done, Exit::from))
}

fn row(dir: &TypeDir, context: &mut Context<'_>, errors: &mut Vec<Error>) -> Row {
    let Implementation {
        name,
        device_api,
        driver,
        free,
        info,
        ..
    } = context.system.implementation(dir);
    let model = match &info {
        Ok(info) => place::model(dir, &info.document).ok(),
        Err(error) => {
            if dir.is_migratable() {
                errors.push(error.clone());
            }
            None
        }
    };
    let typed = |(name, text): (String, String)| {
        let param = model.and_then(|(_, model)| model.params.get(&name));
        let value = param.and_then(|param| Value::parse(param.kind, &text).ok());
        (name, value.unwrap_or(Value::Str(text)))
    };
    let staged = match dir.can_stage().then(|| dir.staged()) {
        None => None,
        Some(Ok(entries)) => Some(
            entries
                .into_iter()
                .map(|entry| Entry {
                    uuid: entry.uuid.to_string(),
                    params: entry.params.into_iter().map(typed).collect(),
                })
                .collect(),
        ),
        Some(Err(error)) => {
            // Ordinary users may not read it, which is no failure.
            context.warning(&error);
            None
        }
    };
    Row {
        parent: dir.parent.clone(),
        kind: dir.kind.clone(),
        name,
        device_api,
        driver,
        model: model.map(|(name, _)| name.to_owned()),
        free,
        staged,
    }
}

/// A line per type, and one under it for each staged entry.
fn lines(rows: &[Row]) -> Vec<String> {
    let dash = || "-".to_owned();
    let mut table = Table::new(&["PARENT", "TYPE", "MODEL", "FREE", "STAGED"]);
    for row in rows {
        table.row([
            row.parent.clone(),
            row.kind.clone(),
            row.model.clone().unwrap_or_else(dash),
            row.free.map_or_else(dash, |free| free.to_string()),
            row.staged
                .as_ref()
                .map_or_else(dash, |staged| staged.len().to_string()),
        ]);
    }
    let mut table = table.lines().into_iter();
    let mut lines: Vec<String> = table.next().into_iter().collect();
    for (line, row) in table.zip(rows) {
        lines.push(line);
        for entry in row.staged.iter().flatten() {
            let params = entry
                .params
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            let params: Vec<String> = params.collect();
            let line = format!("    staged {}:{}", entry.uuid, params.concat());
            lines.push(escape(&line).into_owned());
        }
    }
    lines
}
