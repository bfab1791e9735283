// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The conformance suite, on every type, through both interfaces, for both protocols: everything that
//! can be checked holds, and what is skipped is exactly what is listed here.

use std::time::Duration;

use guest::{conform, Test, Type};
use vmig_conform::{select, Outcome, Protocol, Report, Summary};
use vmig_model::types::{types, Generation};
use vmig_vfio::Attach;

/// A statement that is not checked, and how its reason begins.
type Skipped = (&'static str, &'static str);

/// Not checked on any of the types.
const SKIPPED: [Skipped; 8] = [
    ("C6", "the device has migration"),
    ("C14", "the device has all states"),
    // Nothing that a user can do breaks the device.
    (
        "C29",
        "no bad stream that was tried brings the device into ERROR",
    ),
    ("C71", "it takes streams of another version of the driver"),
    // The suite knows no device well enough to make it work.
    ("C75", "only a driver of the device can give it work"),
    ("C76", "only a driver of the device can make it do DMA"),
    ("C84", "only a driver of the device can make it do DMA"),
    (
        "V8",
        "no bad stream that was tried brings the device into 110b",
    ),
];

/// Not checked through a cdev: `VFIO_DEVICE_BIND_IOMMUFD` comes once.
const SKIPPED_CDEV: Skipped = ("C88", "a cdev opens once");

const KINDS: [&str; 6] = [
    "serial-1",
    "serial-2",
    "serial-var",
    "accel-64",
    "accel-128",
    "accel-var",
];

fn is_expected(report: &Report, attach: Attach) -> Option<&'static str> {
    let id = report.statement.id.to_string();
    let cdev = (attach == Attach::Cdev).then_some(SKIPPED_CDEV);
    let mut listed = SKIPPED.into_iter().chain(cdev);
    listed.find_map(|(skipped, reason)| (id == skipped).then_some(reason))
}

/// As it has to be: skipped for the reason that is listed, or else checked and held.
fn is_good(report: &Report, attach: Attach) -> bool {
    match (&report.outcome, is_expected(report, attach)) {
        (Outcome::Ok { .. }, None) => true,
        (Outcome::Skip { reason }, Some(expected)) => reason.starts_with(expected),
        _ => false,
    }
}

/// Checks a type; returns how many statements were checked and skipped.
fn check(protocol: Protocol, kind: &str, attach: Attach) -> (usize, usize) {
    let _test = Test::begin_within(Duration::from_secs(600));
    let statements = select(Some(protocol), None);
    let mdev = Type::default_parent(kind).new_device();
    // A runtime parameter, and a value that it does not have.
    let (param, value) = match kind.starts_with("serial") {
        true => ("line-stats", "on"),
        false => ("codec", "none"),
    };
    let file = mdev.path("migration").join(param);
    let script = format!("echo {value} >{}", file.display());
    let mut options = conform::options(&mdev, attach, Some(&script));
    if !kind.ends_with("-var") {
        options.tries = conform::few_tries();
    }
    let reports = conform::run(&options, &statements);
    for report in &reports {
        println!("{}", conform::line(report));
    }
    let ms: u64 = reports.iter().map(|report| report.ms).sum();
    println!("{kind} {attach:?} {protocol}: {ms} ms");
    let bad = reports.iter().filter(|report| !is_good(report, attach));
    let bad: Vec<_> = bad.map(conform::line).collect();
    assert!(bad.is_empty(), "{kind} {attach:?} {protocol}: {bad:#?}");
    let Summary {
        ok,
        skip,
        not_ok: 0,
        not_held: 0,
    } = Summary::of(&reports)
    else {
        panic!("{:?}", Summary::of(&reports));
    };
    assert_eq!(ok + skip, statements.len());
    (ok, skip)
}

/// How many statements are checked and skipped in a whole run, here and in `tests/CONFORMANCE.md`.
const V1: (usize, usize) = (32, 1);
const V2_CDEV: (usize, usize) = (82, 8);
const V2_GROUP: (usize, usize) = (83, 7);

/// A test per run.
macro_rules! runs {
    ($($name:ident: $protocol:ident, $kind:literal, $attach:ident, $numbers:ident;)*) => {$(
        #[test]
        fn $name() {
            assert_eq!(check(Protocol::$protocol, $kind, Attach::$attach), $numbers);
        }
    )*};
}

runs! {
    serial_1_cdev_v1: V1, "serial-1", Cdev, V1;
    serial_1_cdev_v2: V2, "serial-1", Cdev, V2_CDEV;
    serial_1_group_v1: V1, "serial-1", Group, V1;
    serial_1_group_v2: V2, "serial-1", Group, V2_GROUP;
    serial_2_cdev_v1: V1, "serial-2", Cdev, V1;
    serial_2_cdev_v2: V2, "serial-2", Cdev, V2_CDEV;
    serial_2_group_v1: V1, "serial-2", Group, V1;
    serial_2_group_v2: V2, "serial-2", Group, V2_GROUP;
    serial_var_cdev_v1: V1, "serial-var", Cdev, V1;
    serial_var_cdev_v2: V2, "serial-var", Cdev, V2_CDEV;
    serial_var_group_v1: V1, "serial-var", Group, V1;
    serial_var_group_v2: V2, "serial-var", Group, V2_GROUP;
    accel_64_cdev_v1: V1, "accel-64", Cdev, V1;
    accel_64_cdev_v2: V2, "accel-64", Cdev, V2_CDEV;
    accel_64_group_v1: V1, "accel-64", Group, V1;
    accel_64_group_v2: V2, "accel-64", Group, V2_GROUP;
    accel_128_cdev_v1: V1, "accel-128", Cdev, V1;
    accel_128_cdev_v2: V2, "accel-128", Cdev, V2_CDEV;
    accel_128_group_v1: V1, "accel-128", Group, V1;
    accel_128_group_v2: V2, "accel-128", Group, V2_GROUP;
    accel_var_cdev_v1: V1, "accel-var", Cdev, V1;
    accel_var_cdev_v2: V2, "accel-var", Cdev, V2_CDEV;
    accel_var_group_v1: V1, "accel-var", Group, V1;
    accel_var_group_v2: V2, "accel-var", Group, V2_GROUP;
}

#[test]
fn no_run_is_missing_and_none_is_twice() {
    let offered = types(Generation::NEWEST).iter().map(|ty| ty.name);
    assert_eq!(offered.collect::<Vec<_>>(), KINDS);
    let mut runs = std::collections::BTreeSet::new();
    for protocol in ["v1", "v2"] {
        for kind in KINDS {
            let kind = kind.replace('-', "_");
            for attach in ["cdev", "group"] {
                runs.insert(format!("{kind}_{attach}_{protocol}: "));
            }
        }
    }
    let text = include_str!("conform.rs");
    for run in &runs {
        assert_eq!(text.matches(&format!("\n    {run}")).count(), 1, "{run}");
    }
}

#[test]
fn the_page_has_these_numbers() {
    let skipped = |first: char| {
        let ids = SKIPPED.into_iter().chain([SKIPPED_CDEV]).map(|(id, _)| id);
        let ids: Vec<_> = ids.filter(|id| id.starts_with(first)).collect();
        ids.join(", ")
    };
    let cell =
        |(ok, skip): (usize, usize), which: &str| format!("{ok} ok, {skip} skipped ({which})");
    let old = cell(V1, &skipped('V'));
    let new = cell(V2_CDEV, &skipped('C'));
    let group = cell(V2_GROUP, "C88 is checked");
    let page = include_str!("../../CONFORMANCE.md");
    for row in [
        format!("\n| v1 | {old} | {old} |\n"),
        format!("\n| v2 | {new} | {group} |\n"),
    ] {
        assert!(page.contains(&row), "{row}");
    }
    let all = |protocol| select(Some(protocol), None).len();
    assert_eq!(V1.0 + V1.1, all(Protocol::V1));
    assert_eq!(V2_CDEV.0 + V2_CDEV.1, all(Protocol::V2));
    assert_eq!(V2_GROUP.0 + V2_GROUP.1, all(Protocol::V2));
}
