// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! KTAP, version 1.
//!
//! - `ok` and `not ok` as they are; what was expected and seen stands in diagnostic lines before.
//! - What was not promised and does not hold is `ok ... # XFAIL`, so that only a broken promise
//!   fails a KTAP consumer, and the rest can still be told from what holds.
//!
//! Kernel documentation: `Documentation/dev-tools/ktap.rst`.

use std::fmt::Write;

use crate::report::{
    Outcome,
    Report, //
};

/// A KTAP text that grows with the results.
#[derive(Debug, Default)]
pub struct Ktap {
    count: usize,
}

impl Ktap {
    /// The first two lines, for a run of so many statements.
    pub fn head(&self, statements: usize) -> String {
        format!("KTAP version 1\n1..{statements}\n")
    }

    /// The lines of the next result.
    pub fn result(&mut self, report: &Report) -> String {
        self.count += 1;
        let mut text = String::new();
        let (word, directive) = match &report.outcome {
            Outcome::Ok { .. } => ("ok", String::new()),
            Outcome::NotOk { .. } => ("not ok", String::new()),
            Outcome::NotHeld { .. } => (
                "ok",
                format!(" # XFAIL not held ({})", report.statement.class),
            ),
            Outcome::Skip { reason } => ("ok", format!(" # SKIP {}", one_line(reason))),
        };
        if !matches!(report.outcome, Outcome::Skip { .. }) {
            for detail in report.outcome.details() {
                line(
                    &mut text,
                    format_args!("# {}: {}", report.statement.id, one_line(&detail)),
                );
            }
        }
        let (number, statement) = (self.count, report.statement);
        line(
            &mut text,
            format_args!(
                "{word} {number} {} {}{directive}",
                statement.id, statement.text
            ),
        );
        text
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}

/// Text that does not begin a line of its own, nor a directive.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('#', "no.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{
        statement,
        Id, //
    };

    fn report(number: u16, outcome: Outcome) -> Report {
        Report {
            statement: statement(Id::c(number)).unwrap(),
            outcome,
            ms: 1,
        }
    }

    #[test]
    fn lines_have_the_form_of_the_specification() {
        let mut ktap = Ktap::default();
        let mut text = ktap.head(4);
        let broken = || ("a\nb #1".to_owned(), "c".to_owned());
        let (expected, seen) = broken();
        for report in [
            report(1, Outcome::Ok { notes: Vec::new() }),
            report(36, Outcome::NotOk { expected, seen }),
            report(
                6,
                Outcome::Skip {
                    reason: "why\nnot".into(),
                },
            ),
            {
                let (expected, seen) = broken();
                report(56, Outcome::NotHeld { expected, seen })
            },
        ] {
            text.push_str(&ktap.result(&report));
        }
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], ["KTAP version 1", "1..4"]);
        assert!(lines[2].starts_with("ok 1 C1 GET of feature MIGRATION"));
        assert_eq!(lines[3..5], ["# C36: expected: a b no.1", "# C36: seen: c"]);
        assert!(lines[5].starts_with("not ok 2 C36 ") && !lines[5].contains('#'));
        assert!(lines[6].starts_with("ok 3 C6 ") && lines[6].ends_with(" # SKIP why not"));
        assert!(lines[9].starts_with("ok 4 C56 "));
        assert!(lines[9].ends_with(" # XFAIL not held (wish)"));
        assert_eq!(lines.len(), 10);
    }
}
