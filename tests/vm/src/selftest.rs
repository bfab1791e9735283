// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Does the harness notice? Runs whose tests pass and that must be judged as failed all the same.

use std::time::Duration;

use anyhow::{bail, Result};

use crate::paths::Paths;
use crate::report::Report;
use crate::vm::Parts;

/// What goes wrong (see the guest's `provoke`), and what the harness has to say about it.
const ROWS: &[(&str, &str)] = &[
    // The kernel goes on, init reports that all is well.
    ("WARNING", "console: "),
    ("EXCEPTION", "console: "),
    ("PANIC", "console: "),
    ("hang", "no sign of life"),
    ("mute", "no verdict"),
    ("twice", "2 verdicts"),
];

/// Shorter than for real runs, and long enough for a slow boot.
const SILENCE: Duration = Duration::from_secs(15);

/// One check for each row.
pub(crate) fn run(paths: &Paths, parts: &Parts, report: &mut Report) {
    for (what, complaint) in ROWS {
        report.check(&format!("harness notices {what}"), || {
            notices(paths, parts, what, complaint)
        });
    }
}

fn notices(paths: &Paths, parts: &Parts, what: &str, complaint: &str) -> Result<()> {
    let judgement = parts.provoke(paths, what, SILENCE)?;
    if judgement
        .problems
        .iter()
        .any(|problem| problem.starts_with(complaint))
    {
        return Ok(());
    }
    bail!(
        "it says {:?}, nothing that starts with {complaint:?}",
        judgement.problems
    )
}
