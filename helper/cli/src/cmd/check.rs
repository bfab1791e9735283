// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig check`: does a destination accept the list, and every reason why not.

use vmig::{
    output::{
        self,
        CheckResult,
        ErrorForm,
        Mode,
        Where, //
    },
    verdict::Verdict,
};

use crate::{
    cli::Check,
    context::Context,
    exit::Exit,
    failure::Failure,
    text::{
        message_line,
        style,
        Table, //
    },
};

pub(super) fn run(args: &Check, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (list, records) = context.list_and_sources(&args.from, &args.sources)?;
    let mode = if args.all { Mode::All } else { Mode::Any };
    let answer = output::Check::new(&list, &records, mode);
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
    Ok(exit(answer.verdict, errors, args.strict))
}

/// The exit status of a verdict over results, of which `errors` are what could not be read.
pub(super) fn exit<'a>(
    verdict: Verdict,
    mut errors: impl Iterator<Item = &'a ErrorForm>,
    strict: bool,
) -> Exit {
    match verdict {
        Verdict::Compatible => Exit::Done,
        Verdict::Possible if strict => Exit::Possible,
        Verdict::Possible => Exit::Done,
        Verdict::Incompatible => Exit::No,
        Verdict::Unknown => match errors.next().map(|error| error.exit) {
            Some(3) => Exit::Input,
            // Also where there is no destination at all.
            _ => Exit::Environment,
        },
    }
}

/// A line per result, and one under it for each reason.
fn lines(results: &[CheckResult], context: &Context<'_>) -> Vec<String> {
    if results.is_empty() {
        return vec!["unknown: no destination at all".to_owned()];
    }
    let mut table = Table::new(&["VERDICT", "HOST", "TYPE", "MODEL", "FREE"]);
    for result in results {
        table.row([
            result.verdict.to_string(),
            result.place.host.clone(),
            type_name(&result.place),
            model(&result.place),
            free(result),
        ]);
    }
    let under = results.iter().map(|result| {
        let lines = against(result);
        lines.map(|line| message_line(&line)).collect()
    });
    judged(table, results, under, context)
}

/// What speaks against a destination, a line for each.
pub(super) fn against(result: &CheckResult) -> impl Iterator<Item = String> + '_ {
    let reasons = result.reasons.iter().map(ToString::to_string);
    reasons.chain(result.error.as_ref().map(error))
}

/// The rows of `table`, one for each of `results`, its verdict (the first column) in its colour, and
/// `under` it the lines that belong to it.
pub(super) fn judged<'a>(
    table: Table,
    results: impl IntoIterator<Item = &'a CheckResult>,
    under: impl IntoIterator<Item = Vec<String>>,
    context: &Context<'_>,
) -> Vec<String> {
    let mut rows = table.lines().into_iter();
    let mut lines: Vec<String> = rows.next().into_iter().collect();
    for ((row, result), under) in rows.zip(results).zip(under) {
        let verdict = result.verdict.to_string();
        let rest = row.strip_prefix(&verdict).unwrap_or_default();
        lines.push(context.paint(style(result.verdict), &verdict) + rest);
        lines.extend(under.into_iter().map(|line| format!("    {line}")));
    }
    lines
}

/// How many more devices can be made, if that is known.
pub(super) fn free(result: &CheckResult) -> String {
    let free = result.free.map(|free| free.to_string());
    free.unwrap_or_else(|| "-".to_owned())
}

/// The model's name, if it is known.
pub(super) fn model(place: &Where) -> String {
    place.model.clone().unwrap_or_else(|| "-".to_owned())
}

/// `PARENT/TYPE`, as far as it is known.
pub(super) fn type_name(place: &Where) -> String {
    match (&place.parent, &place.kind) {
        (Some(parent), Some(kind)) => format!("{parent}/{kind}"),
        (_, Some(kind)) => kind.clone(),
        _ => "-".to_owned(),
    }
}

/// `FILE: MEMBER: what is wrong`.
fn error(error: &ErrorForm) -> String {
    let member = error.member.as_ref().map(|member| format!("{member}: "));
    format!(
        "{}: {}{}",
        error.path,
        member.unwrap_or_default(),
        error.message
    )
}
