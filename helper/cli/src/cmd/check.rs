// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig check`: does a destination accept the list, and every reason why not.

use vmig::{
    output::{
        self,
        CheckResult,
        Mode, //
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
    Ok(exit(&answer, args.strict))
}

fn exit(answer: &output::Check, strict: bool) -> Exit {
    match answer.verdict {
        Verdict::Compatible => Exit::Done,
        Verdict::Possible if strict => Exit::Possible,
        Verdict::Possible => Exit::Done,
        Verdict::Incompatible => Exit::No,
        Verdict::Unknown => {
            let first = answer
                .results
                .iter()
                .find_map(|result| result.error.as_ref());
            match first.map(|error| error.exit) {
                Some(3) => Exit::Input,
                // Also where there is no destination at all.
                _ => Exit::Environment,
            }
        }
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
            type_name(result),
            result.place.model.clone().unwrap_or_else(|| "-".to_owned()),
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
        let error = result.error.as_ref().map(|error| {
            let member = error.member.as_ref().map(|member| format!("{member}: "));
            format!(
                "{}: {}{}",
                error.path,
                member.unwrap_or_default(),
                error.message
            )
        });
        lines.extend(
            reasons
                .chain(error)
                .map(|reason| format!("    {}", message_line(&reason))),
        );
    }
    lines
}

fn type_name(result: &CheckResult) -> String {
    match (&result.place.parent, &result.place.kind) {
        (Some(parent), Some(kind)) => format!("{parent}/{kind}"),
        (_, Some(kind)) => kind.clone(),
        _ => "-".to_owned(),
    }
}
