// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The conformance suite, seen to fail: devices and kernels that break one rule each, and the
//! statements that notice. `tests/FAULTS.md` is the table of them.
//!
//! The tests check for each fault the statements that the table names and a few that it does not;
//! with parts of names in [`THOROUGH`], all statements for the faults that have one of them in theirs,
//! and nothing for others.

mod lies;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use guest::tracer::{self, Event};
use guest::{conform, modules, sysfs, Mdev, Test, Type};
use lies::Lies;
use serde_json::Value;
use table::{Fault, Table};
use vmig_conform::catalogue::{statement, statements};
use vmig_conform::{Id, Options, Outcome, Statement};
use vmig_vfio::Attach;

/// The module with faults, where the image has it.
const MODULE: &str = "/lib/faults/vmig.ko";

/// What the harness has to say to this suite, see there.
const THOROUGH: &str = "/run/thorough";

/// Statements of which one is checked with a fault of the module although it has nothing to do with it.
const CONTROLS: [&str; 4] = ["C2", "C25", "C39", "V10"];

/// As long as one test may take, with what the table names and with all statements.
const LIMIT: Duration = Duration::from_secs(29 * 60);
const THOROUGH_LIMIT: Duration = Duration::from_secs(3 * 60 * 60);

/// As long as one statement may take. Some use half of it; less, where all are checked.
const DEADLINE: Duration = Duration::from_secs(20);

/// Bad streams of a kind, where all statements are checked: by the module, and under the tracer, which makes
/// each of them slow.
const TRIES_THOROUGH: [usize; 2] = [64, 16];

/// Says something at once, and on the console, too: what a test prints is held back until it ends.
fn note(line: &str) {
    println!("{line}");
    // The console may be somebody else's.
    let console = File::options().write(true).open("/dev/console");
    let _ = console.and_then(|mut console| writeln!(console, "{line}"));
}

type Results = BTreeMap<Id, Outcome>;

/// The module with faults in the place of the other, as long as this lives.
struct Faulty;

impl Faulty {
    fn load() -> Self {
        modules::unload("vmig").expect("rmmod");
        modules::load_file(Path::new(MODULE)).expect("the module with faults");
        Self
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        // The next test loads the usual one.
        let _ = modules::unload("vmig");
    }
}

/// A device of the module with faults.
struct Device(Mdev);

impl Device {
    fn new() -> Self {
        Self(Type::default_parent("serial-var").new_device())
    }

    fn set(&self, fault: &str) {
        let written = sysfs::write(self.0.path("vmig/fault"), fault);
        written.unwrap_or_else(|errno| panic!("fault {fault}: {errno}"));
    }

    fn options(&self, is_traced: bool) -> Options {
        let is_thorough = is_thorough();
        let toggle = format!(
            "f={}; read v <$f; [ $v = on ] && v=off || v=on; echo $v >$f",
            self.0.path("migration/line-stats").display()
        );
        Options {
            deadline: match is_thorough {
                true => DEADLINE / 2,
                false => DEADLINE,
            },
            tries: match is_thorough {
                true => TRIES_THOROUGH[usize::from(is_traced)],
                false => Options::default().tries,
            },
            ..conform::options(&self.0, Attach::Group, Some(&toggle))
        }
    }

    /// Checks `statements` with this fault.
    fn check(&self, fault: &Fault, statements: &[&'static Statement]) -> Results {
        let results = match fault.by_module {
            true => self.check_faulty(&fault.name, statements),
            false => self.check_traced(&fault.name, statements),
        };
        for (id, outcome) in &results {
            if !matches!(outcome, Outcome::Ok { .. }) {
                let details = outcome.details().join("; ");
                note(&format!("    {id} {}: {details}", outcome.word()));
            }
        }
        results
    }

    /// With a fault of the module. C46 makes the device anew, without a fault: it comes last, and
    /// alone.
    fn check_faulty(&self, fault: &str, statements: &[&'static Statement]) -> Results {
        let renews = |statement: &&Statement| statement.id.to_string() == "C46";
        let (last, first): (Vec<&Statement>, Vec<&Statement>) =
            statements.iter().partition(|statement| renews(statement));
        let mut results = Results::new();
        for statements in [first, last] {
            if !statements.is_empty() {
                self.set(fault);
                let reports = conform::run(&self.options(false), &statements);
                results.extend(reports.into_iter().map(|r| (r.statement.id, r.outcome)));
            }
        }
        results
    }

    /// With a fault of the kernel.
    fn check_traced(&self, fault: &str, statements: &[&'static Statement]) -> Results {
        let check = |statement: &&'static Statement| {
            let mut lies = Lies::new(fault);
            let outcome = self.trace(statement, |event| lies.judge(event));
            (statement.id, outcome)
        };
        statements.iter().map(check).collect()
    }

    /// Checks a statement under a tracer. The process that checks it is traced and not the one that
    /// waits for it: that one would only make it slow.
    fn trace(&self, statement: &Statement, judge: impl FnMut(Event<'_>)) -> Outcome {
        let command = conform::check(&self.options(true), statement);
        let place = "/tmp/conform.json";
        let output = File::create(place).expect("a file");
        tracer::run(&command, output, judge).expect("a traced program");
        let text = fs::read(place).expect("its output");
        let answer: Value = serde_json::from_slice(&text).expect("an answer");
        let outcome = serde_json::from_value(answer["outcome"].clone());
        outcome.expect("an outcome")
    }

    /// Which of `faults` the kernel would show to which statements. A statement that is never told
    /// a lie has nothing to notice, and need not be checked with that fault.
    fn touched(&self, faults: &[&Fault]) -> BTreeMap<String, BTreeSet<Id>> {
        let mut touched = BTreeMap::<String, BTreeSet<Id>>::new();
        for statement in statements() {
            let mut lies: Vec<_> = faults.iter().map(|fault| Lies::new(&fault.name)).collect();
            let outcome = self.trace(statement, |mut event| {
                for (lies, fault) in lies.iter_mut().zip(faults) {
                    if lies.would_lie(&mut event) {
                        let names = touched.entry(fault.name.clone()).or_default();
                        names.insert(statement.id);
                    }
                }
            });
            let is_fine = matches!(outcome, Outcome::Ok { .. } | Outcome::Skip { .. });
            assert!(is_fine, "{} without a lie: {outcome:?}", statement.id);
            let told = touched.values().filter(|ids| ids.contains(&statement.id));
            note(&format!("{}: {} lies", statement.id, told.count()));
        }
        touched
    }
}

fn is_thorough() -> bool {
    matches!(fs::exists(THOROUGH), Ok(true))
}

fn limit() -> Duration {
    match is_thorough() {
        true => THOROUGH_LIMIT,
        false => LIMIT,
    }
}

/// Those that do not hold; also those that nobody promises.
fn broken(results: &Results) -> BTreeSet<Id> {
    let is_broken =
        |outcome: &Outcome| matches!(outcome, Outcome::NotOk { .. } | Outcome::NotHeld { .. });
    let broken = results.iter().filter(|(_, outcome)| is_broken(outcome));
    broken.map(|(id, _)| *id).collect()
}

/// For people.
fn shown(ids: &BTreeSet<Id>) -> String {
    ids.iter().map(Id::to_string).collect::<Vec<_>>().join(", ")
}

/// Checks the faults of the table that `chosen` takes; says what does not agree.
fn prove(chosen: impl Fn(&Fault) -> bool) {
    let (table, device) = (Table::read(), Device::new());
    let thorough = fs::read_to_string(THOROUGH).ok();
    let is_meant = |fault: &&Fault| {
        let parts = thorough.as_deref();
        let has = |parts: &str| parts.split(',').any(|part| fault.name.contains(part));
        chosen(fault) && parts.is_none_or(has)
    };
    let faults: Vec<&Fault> = table.faults.iter().filter(is_meant).collect();
    let lies: Vec<&Fault> = faults.iter().copied().filter(|f| !f.by_module).collect();
    let touched = match (&thorough, lies.is_empty()) {
        (None, _) => None,
        (Some(_), true) => Some(BTreeMap::new()),
        (Some(_), false) => Some(device.touched(&lies)),
    };
    let mut wrong = Vec::new();
    for fault in faults {
        let statements = match &touched {
            None => named(
                fault,
                table
                    .faults
                    .iter()
                    .position(|other| other.name == fault.name),
            ),
            Some(_) if fault.by_module => statements().collect(),
            Some(touched) => touched
                .get(&fault.name)
                .into_iter()
                .flatten()
                .filter_map(|&id| statement(id))
                .collect(),
        };
        let begun = Instant::now();
        let seen = broken(&device.check(fault, &statements));
        let seconds = begun.elapsed().as_secs_f32();
        note(&format!(
            "{}: {} of {} ({seconds:.1} s)",
            fault.name,
            shown(&seen),
            statements.len()
        ));
        if seen != fault.breaks {
            let (seen, expected) = (shown(&seen), shown(&fault.breaks));
            wrong.push(format!("{}: {seen} instead of {expected}", fault.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What the table names, and the controls. Under a tracer everything is slow, and most else does
/// not even ask the driver.
fn named(fault: &Fault, turn: Option<usize>) -> Vec<&'static Statement> {
    let controls: &[&str] = match fault.by_module {
        true => &CONTROLS,
        false => &["C12"],
    };
    // Each has its turn, but for those that are to notice.
    let is_free = |control: &&&str| !fault.breaks.iter().any(|id| id.to_string() == **control);
    let turns = controls.iter().cycle().skip(turn.unwrap_or(0));
    let control = turns.take(controls.len()).find(is_free);
    assert!(control.is_some() || !fault.by_module, "{}", fault.name);
    let is_control = |id: Id| control.is_some_and(|control| id.to_string() == *control);
    statements()
        .filter(|statement| fault.breaks.contains(&statement.id) || is_control(statement.id))
        .collect()
}

#[test]
fn the_table_covers_the_catalogue_and_the_faults() {
    let _test = Test::begin();
    let table = Table::read();
    let proved: BTreeSet<Id> = table.faults.iter().flat_map(|f| f.breaks.clone()).collect();
    assert_eq!(proved.intersection(&table.unproved).next(), None);
    let all: BTreeSet<Id> = statements().map(|statement| statement.id).collect();
    assert_eq!(&proved | &table.unproved, all);

    let _module = Faulty::load();
    let device = Device::new();
    let text = sysfs::line(device.0.path("vmig/fault"));
    let mut names: BTreeSet<_> = text.split_ascii_whitespace().collect();
    assert!(names.remove("[none]"), "{text}");
    let of_table = table.faults.iter().filter(|fault| fault.by_module);
    let of_table: BTreeSet<_> = of_table.map(|fault| fault.name.as_str()).collect();
    assert_eq!(names, of_table);
}

#[test]
fn the_usual_module_has_no_faults() {
    let _test = Test::begin();
    let device = Device::new();
    assert!(device.0.path("vmig/refusal").exists());
    assert!(!device.0.path("vmig/fault").exists());
}

#[test]
fn without_a_fault_every_statement_holds() {
    let _test = Test::begin_within(Duration::from_secs(600));
    let _module = Faulty::load();
    let (table, device) = (Table::read(), Device::new());
    let all = statements().collect::<Vec<_>>();
    let results = device.check(&Fault::none(), &all);
    let skipped = |(id, outcome): (&Id, &Outcome)| match outcome {
        Outcome::Skip { .. } => Some(*id),
        _ => None,
    };
    let skipped: BTreeSet<Id> = results.iter().filter_map(skipped).collect();
    assert_eq!(broken(&results), BTreeSet::new());
    assert_eq!(skipped, table.skipped);
}

/// A driver may go to ERROR when it refuses a stream. Then the statements about ERROR have
/// something to say, and the others still hold.
#[test]
fn a_device_in_error_is_checked() {
    let _test = Test::begin_within(Duration::from_secs(120));
    let _module = Faulty::load();
    let device = Device::new();
    let fault = Fault::by_module("refusal-is-error");
    let numbers = ["C26", "C29", "C60", "C64", "C66", "C67", "V7", "V8", "V26"];
    let is_named = |statement: &&Statement| numbers.contains(&statement.id.to_string().as_str());
    let statements: Vec<_> = statements().filter(is_named).collect();
    let results = device.check(&fault, &statements);
    assert_eq!(results.len(), numbers.len());
    let is_ok = |outcome: &Outcome| matches!(outcome, Outcome::Ok { .. });
    assert!(results.values().all(is_ok), "{results:?}");
}

#[test]
fn faults_of_the_module_are_noticed() {
    let _test = Test::begin_within(limit());
    let _module = Faulty::load();
    prove(|fault| fault.by_module);
}

#[test]
fn faults_of_the_kernel_are_noticed() {
    let _test = Test::begin_within(limit());
    // The module has nothing to do with it, but it says as little as in the other test.
    let _module = Faulty::load();
    prove(|fault| !fault.by_module);
}
