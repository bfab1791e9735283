// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The table of the kernel's sample driver in `tests/CONFORMANCE.md`, made from a run.

use std::fs;

use anyhow::{bail, Context, Result};

use crate::paths::Paths;
use crate::vm::Parts;

/// The suite that compares the page with a run. The sample has memory errors, so it gets a VM of its
/// own.
pub(crate) const SUITE: &str = "mtty";

/// The suite prints what should be there between two of these lines.
const CUT: &str = "-- 8< -- mtty -- 8< --\n";

/// What stands before and after it in the page.
const BEGIN: &str = "<!-- mtty: make conform-mtty -->\n\n";
const END: &str = "\n<!-- mtty: end -->\n";

/// Writes the table anew if it is not what a run gives. True unless the run failed for another reason,
/// or a new row still has to be explained.
pub(crate) fn renew(paths: &Paths, parts: &Parts) -> Result<bool> {
    let (judgement, channel) = parts.heard(paths, SUITE)?;
    if let Some(problem) = judgement.problems.first() {
        bail!("{problem}");
    }
    let place = paths.checkout.join("tests/CONFORMANCE.md");
    let page = fs::read_to_string(&place).context("cannot read tests/CONFORMANCE.md")?;
    let new = match printed(&channel) {
        Some(table) => replaced(&page, table).context("tests/CONFORMANCE.md has no marks")?,
        None if judgement.suites.iter().any(|(_, counts)| counts.failed > 0) => {
            bail!("the suite {SUITE} failed")
        }
        None => page.clone(),
    };
    if new == page {
        println!("tests/CONFORMANCE.md is what a run gives");
    } else {
        fs::write(&place, &new).context("cannot write tests/CONFORMANCE.md")?;
        println!("tests/CONFORMANCE.md has a new table");
    }
    let open = new.lines().find(|line| line.ends_with(" | ? |"));
    if let Some(row) = open {
        println!("say in its last column which promise is broken: {row}");
    }
    Ok(open.is_none())
}

fn printed(channel: &str) -> Option<&str> {
    let (_, rest) = channel.split_once(CUT)?;
    Some(rest.split_once(CUT)?.0)
}

fn replaced(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, table, END, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_is_replaced() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        let channel = format!("---- stdout ----\n{CUT}new\n{CUT}thread panicked\n");
        let table = printed(&channel).unwrap();
        let new = format!("a\n{BEGIN}new\n{END}b\n");
        assert_eq!(replaced(&page, table), Some(new));
        assert_eq!(printed("test result: ok"), None);
        assert_eq!(replaced("no marks", table), None);
    }
}
