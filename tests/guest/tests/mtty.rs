// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The conformance suite on the kernel's sample driver: `tests/CONFORMANCE.md` has what comes out.
//!
//! The sample has memory errors that a statement may set off, so this suite has a VM of its own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use guest::{conform, modules, sysfs, uuid, Mdev, Test};
use vmig_conform::{select, Outcome, Protocol, Report, Summary};
use vmig_vfio::Attach;

const PAGE: &str = include_str!("../../CONFORMANCE.md");

/// What stands between these lines is made here; the last column of the table is kept as it is.
const BEGIN: &str = "<!-- mtty: make conform-mtty -->\n\n";
const END: &str = "\n<!-- mtty: end -->\n";

/// `vmtest` takes what stands between these lines for the new text.
const CUT: &str = "-- 8< -- mtty -- 8< --";

const TYPES: &str = "/sys/class/mdev_bus/mtty/mdev_supported_types";

/// The sample uses memory that it has freed; a VM whose kernel notices has failed, whatever it was
/// about. The page says so.
const LEFT_OUT: &str = "C46";

/// Longest line of the text, in characters.
const WIDTH: usize = 120;

#[test]
fn the_page_has_what_a_run_gives() {
    let _test = Test::begin_within(Duration::from_secs(600));
    modules::load("mtty").unwrap();
    let uuid = uuid();
    sysfs::write(format!("{TYPES}/mtty-2/create"), &uuid).unwrap();
    let mdev = Mdev::existing(&uuid);
    let options = conform::options(&mdev, Attach::Group, None);
    let mut statements = select(Some(Protocol::V2), None);
    statements.retain(|statement| statement.id.to_string() != LEFT_OUT);
    let reports = conform::run(&options, &statements);
    for report in &reports {
        println!("{}", conform::line(report));
    }
    drop(mdev);
    modules::unload("mtty").unwrap();
    let (_, rest) = PAGE.split_once(BEGIN).expect("the mark before the table");
    let (old, _) = rest.split_once(END).expect("the mark after the table");
    let new = section(&reports, &explanations(old));
    if new != old {
        println!("{CUT}\n{new}{CUT}");
        panic!("tests/CONFORMANCE.md is not what a run gives: `make conform-mtty`");
    }
}

/// The last column of the table, by statement.
fn explanations(table: &str) -> BTreeMap<&str, &str> {
    let rows = table.lines().filter_map(|line| {
        let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let (id, rest) = row.split_once(" | ")?;
        Some((id, rest.rsplit_once(" | ")?.1))
    });
    rows.collect()
}

fn section(reports: &[Report], explanations: &BTreeMap<&str, &str>) -> String {
    let release = sysfs::line("/proc/sys/kernel/osrelease");
    let version = release.split('-').next().unwrap_or(&release);
    let skipped = reports
        .iter()
        .filter(|report| matches!(report.outcome, Outcome::Skip { .. }))
        .map(|report| report.statement.id.to_string());
    let Summary {
        ok,
        not_ok,
        not_held,
        skip,
    } = Summary::of(reports);
    let mut text = wrapped(&format!(
        "Linux {version}, `samples/vfio-mdev/mtty.c`, type `mtty-2`, `--protocol v2 --attach group \
         --destructive` without {LEFT_OUT}: {ok} ok, {not_ok} not ok, {not_held} not held, {skip} \
         skipped ({}).",
        skipped.collect::<Vec<_>>().join(", ")
    ));
    text.push_str("\n| | result | expected | seen | the uAPI says |\n|---|---|---|---|---|\n");
    for report in reports {
        let (expected, seen) = match &report.outcome {
            Outcome::NotOk { expected, seen } | Outcome::NotHeld { expected, seen } => {
                (expected.replace('|', "\\|"), seen.replace('|', "\\|"))
            }
            Outcome::Ok { .. } | Outcome::Skip { .. } => continue,
        };
        let (id, word) = (report.statement.id.to_string(), report.outcome.word());
        let why = explanations.get(id.as_str()).unwrap_or(&"?");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {id} | {word} | {expected} | {seen} | {why} |");
    }
    text
}

/// Breaks a paragraph into lines.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let fits = width + 1 + word.len() <= WIDTH;
        let between = match width {
            0 => "",
            _ if fits => " ",
            _ => "\n",
        };
        width = if fits { width + between.len() } else { 0 } + word.len();
        lines.push_str(between);
        lines.push_str(word);
    }
    lines.push('\n');
    lines
}
