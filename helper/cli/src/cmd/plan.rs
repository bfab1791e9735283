// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig plan`: destinations by rank, and what would have to change for each.

use vmig::{
    fleet,
    plan::{
        self,
        Change,
        PlanResult,
        When, //
    },
};

use super::check;
use crate::{
    cli::Plan,
    context::{
        read_once,
        Context, //
    },
    exit::Exit,
    failure::Failure,
    text::{
        escape,
        style,
        Table, //
    },
};

pub(super) fn run(args: &Plan, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let inputs = args.sources.iter().chain([&args.from.list]);
    read_once(inputs.map(String::as_str))?;
    let list = context.list(&args.from)?;
    let (mut records, narrow) = context.narrowed(&args.sources, &args.narrow)?;
    fleet::narrow(&mut records, &narrow);
    let answer = plan::Plan::new(&list, &records);
    if context.json() {
        context.document(&answer)?;
    } else {
        let lines = lines(&answer.results, context);
        context.lines(lines)?;
    }
    let errors = answer
        .results
        .iter()
        .filter_map(|result| result.error.as_ref());
    Ok(check::exit(answer.verdict, errors, args.strict))
}

/// A line per result, best first, and under it what speaks against it and what would help.
fn lines(results: &[PlanResult], context: &Context<'_>) -> Vec<String> {
    if results.is_empty() {
        return vec!["unknown: no destination at all".to_owned()];
    }
    let mut results: Vec<&PlanResult> = results.iter().collect();
    results.sort_by_key(|result| result.rank);
    let mut table = Table::new(&[
        "VERDICT", "RANK", "CHANGES", "HOST", "TYPE", "MODEL", "FREE",
    ]);
    for result in &results {
        let place = &result.place;
        table.row([
            result.verdict.to_string(),
            result.rank.to_string(),
            result
                .changes
                .as_ref()
                .map_or_else(|| "-".to_owned(), |changes| changes.len().to_string()),
            place.host.clone(),
            check::type_name(place),
            place.model.clone().unwrap_or_else(|| "-".to_owned()),
            result
                .free
                .map_or_else(|| "-".to_owned(), |free| free.to_string()),
        ]);
    }
    let mut rows = table.lines().into_iter();
    let mut lines: Vec<String> = rows.next().into_iter().collect();
    for (row, result) in rows.zip(results) {
        let verdict = result.verdict.to_string();
        let rest = row.strip_prefix(&verdict).unwrap_or_default();
        lines.push(context.paint(style(result.verdict), &verdict) + rest);
        let reasons = result.reasons.iter().map(ToString::to_string);
        let error = result.error.as_ref().map(check::error);
        let changes = result.changes.iter().flatten().map(change);
        let under = reasons.chain(error).chain(changes);
        lines.extend(under.map(|line| format!("    {}", escape(&line))));
    }
    lines
}

fn change(change: &Change) -> String {
    let text = |value: &Option<_>| match value {
        Some(value) => vmig::list::Given::to_string(value),
        None => "absent".to_owned(),
    };
    let when = match change.when {
        When::Now => "now",
        When::Restart => "with the device closed",
    };
    let (from, to) = (text(&change.from), text(&change.to));
    format!("change {} from {from} to {to}, {when}", change.param)
}
