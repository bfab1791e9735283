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
        .filter_map(|result| result.check.error.as_ref());
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
        let place = &result.check.place;
        table.row([
            result.check.verdict.to_string(),
            result.rank.to_string(),
            result
                .changes
                .as_ref()
                .map_or_else(|| "-".to_owned(), |changes| changes.len().to_string()),
            place.host.clone(),
            check::type_name(place),
            check::model(place),
            check::free(&result.check),
        ]);
    }
    let under = results.iter().map(|result| {
        let changes = result.changes.iter().flatten().map(change);
        let lines = check::against(&result.check).chain(changes);
        lines.map(|line| escape(&line).into_owned()).collect()
    });
    let checks = results.iter().map(|result| &result.check);
    check::judged(table, checks, under, context)
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
