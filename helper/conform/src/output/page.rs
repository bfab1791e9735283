// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Markdown: the catalogue, and tables of results, as `tests/CONFORMANCE.md` has them.

use std::fmt::Write;

use crate::{
    catalogue::{
        sections,
        Statement, //
    },
    report::{
        Outcome,
        Report, //
    },
};

/// These statements: one table per section of the catalogue.
pub fn catalogue(chosen: &[&Statement]) -> String {
    let mut page = String::new();
    for section in sections() {
        let has = |statement: &&Statement| chosen.iter().any(|other| other.id == statement.id);
        let mut statements = section.statements.iter().filter(has).peekable();
        let Some(first) = statements.peek() else {
            continue;
        };
        let protocol = first.id.protocol;
        if !page.is_empty() {
            page.push('\n');
        }
        add(
            &mut page,
            format_args!("### {} ({protocol})\n", section.title),
        );
        page.push_str("| | class | statement | where it is promised |\n|---|---|---|---|\n");
        for statement in statements {
            let mark = if statement.destructive {
                " (destructive)"
            } else {
                ""
            };
            add(
                &mut page,
                format_args!(
                    "| {} | {}{mark} | {} | {} |",
                    statement.id, statement.class, statement.text, statement.reference
                ),
            );
        }
    }
    page
}

/// The results that are neither `ok` nor skipped, each with what explains it.
pub fn results(reports: &[Report]) -> String {
    let mut page = String::from(
        "| | result | statement | expected | seen | where it is promised |\n|---|---|---|---|---|---|\n",
    );
    for report in reports {
        let (Outcome::NotOk { expected, seen } | Outcome::NotHeld { expected, seen }) =
            &report.outcome
        else {
            continue;
        };
        let statement = report.statement;
        add(
            &mut page,
            format_args!(
                "| {} | {} ({}) | {} | {} | {} | {} |",
                statement.id,
                report.outcome.word(),
                statement.class,
                statement.text,
                cell(expected),
                cell(seen),
                statement.reference
            ),
        );
    }
    page
}

fn add(page: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{line}");
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{
        statement,
        statements,
        Id, //
    };

    #[test]
    fn the_page_has_a_row_for_each_statement() {
        let all: Vec<_> = statements().collect();
        let page = catalogue(&all);
        for statement in statements() {
            let row = format!("| {} | {}", statement.id, statement.class);
            assert_eq!(page.matches(&row).count(), 1, "{row}");
        }
        assert!(!page.contains("\n\n\n"));
    }

    #[test]
    fn results_that_hold_are_left_out() {
        let report = |number, outcome| Report {
            statement: statement(Id::c(number)).unwrap(),
            outcome,
            ms: 0,
        };
        let page = results(&[
            report(1, Outcome::Ok { notes: Vec::new() }),
            report(6, Outcome::Skip { reason: "r".into() }),
            report(
                36,
                Outcome::NotOk {
                    expected: "a|b".into(),
                    seen: "c".into(),
                },
            ),
        ]);
        assert_eq!(page.lines().count(), 3);
        assert!(page.contains("| C36 | not ok (must) |") && page.contains("a\\|b"));
    }
}
