// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `tests/FAULTS.md`, read.

use std::collections::BTreeSet;

use vmig_conform::Id;

/// One fault.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: String,
    /// The module with faults has it; else a tracer makes it.
    pub(crate) by_module: bool,
    /// The statements that do not hold.
    pub(crate) breaks: BTreeSet<Id>,
}

impl Fault {
    pub(crate) fn none() -> Self {
        Self::by_module("none")
    }

    pub(crate) fn by_module(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            by_module: true,
            breaks: BTreeSet::new(),
        }
    }
}

/// The page.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) faults: Vec<Fault>,
    /// Statements that no fault breaks.
    pub(crate) unproved: BTreeSet<Id>,
    /// Statements that have nothing to check on a device without faults.
    pub(crate) skipped: BTreeSet<Id>,
}

impl Table {
    pub(crate) fn read() -> Self {
        let mut table = Self::default();
        let mut heading = "";
        for line in include_str!("../../../FAULTS.md").lines() {
            if let Some(text) = line.strip_prefix("## ") {
                heading = text;
            }
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let ["", first, second, third, ""] = cells.as_slice() else {
                continue;
            };
            let name = first.trim_matches('`');
            match heading {
                _ if ["", "fault", "statement"].contains(&name) || name.starts_with("---") => {}
                "Faults of the module" | "Faults of the kernel" => table.faults.push(Fault {
                    name: name.to_owned(),
                    by_module: heading == "Faults of the module",
                    breaks: statements(third),
                }),
                // Of a cargo test: no kernel has a part in them.
                "Faults of a vfio-user server" => {}
                "Statements without a result" => {
                    table.skipped.extend(statements(name));
                    if *second == "no" {
                        table.unproved.extend(statements(name));
                    }
                }
                other => panic!("a table under {other:?}: {line}"),
            }
        }
        assert!(!table.faults.is_empty() && !table.unproved.is_empty());
        table
    }
}

/// `C1, C2`, or `none`.
fn statements(cell: &str) -> BTreeSet<Id> {
    let words = cell.split(", ").filter(|word| *word != "none");
    let id = |word: &str| word.parse().unwrap_or_else(|error| panic!("{error}"));
    words.map(id).collect()
}
