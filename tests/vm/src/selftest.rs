// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Does the harness notice? Runs whose tests pass and that must be judged as failed all the same.

use std::time::Duration;

use anyhow::{bail, Result};

use crate::flavor::Flavor;
use crate::paths::Paths;
use crate::qemu::Terms;
use crate::report::Report;
use crate::vm::Parts;

/// What goes wrong (see the guest's `provoke`), and what the harness has to say about it.
type Row = (&'static str, &'static str);

const PLAIN: &[Row] = &[
    // The kernel goes on, and init reports that all is well.
    ("WARNING", "------------[ cut here ]------------"),
    ("EXCEPTION", "BUG: kernel NULL pointer dereference"),
    ("PANIC", "Kernel panic - not syncing: dumptest"),
    (HANG, "no sign of life"),
    ("mute", "no verdict"),
    ("twice", "2 verdicts"),
];

/// The same for what only the debug kernel sees.
const DEBUG: &[Row] = &[
    ("READ_AFTER_FREE", "BUG: KASAN: slab-use-after-free"),
    // A lock that is never released: lockdep sees it at the end of the system call.
    (
        "SPINLOCKUP",
        "WARNING: lock held when returning to user space!",
    ),
    ("CFI_FORWARD_PROTO", "CFI failure at lkdtm_"),
    ("leak", "kmemleak found unreferenced objects: "),
];

const HANG: &str = "hang";

/// A VM that hangs may do so for half a minute.
const IMPATIENCE: Terms = Terms {
    silence: Duration::from_secs(30),
    ..Terms::USUAL
};

/// What is tried on a kernel.
pub(crate) fn rows(flavor: Flavor) -> &'static [Row] {
    match flavor {
        Flavor::Plain => PLAIN,
        Flavor::Debug => DEBUG,
    }
}

/// The check for a row.
pub(crate) fn run(paths: &Paths, parts: &Parts, row: &Row, report: &mut Report) {
    let (what, complaint) = row;
    report.check(&format!("harness notices {what}"), || {
        notices(paths, parts, what, complaint)
    });
}

fn notices(paths: &Paths, parts: &Parts, what: &str, complaint: &str) -> Result<()> {
    let terms = match what {
        HANG => IMPATIENCE,
        _ => Terms::USUAL,
    };
    let judgement = parts.provoke(paths, what, terms)?;
    if judgement
        .suites
        .iter()
        .all(|(_, counts)| counts.passed == 0)
    {
        bail!("it did not come to that: {:?}", judgement.problems);
    }
    if judgement
        .problems
        .iter()
        .any(|problem| problem.contains(complaint))
    {
        return Ok(());
    }
    bail!("it says {:?}, not {complaint:?}", judgement.problems)
}
