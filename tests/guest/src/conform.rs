// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Running the conformance suite. Each statement is checked by a process of `vmig conform`, so that
//! one that dies or hangs is a result and not the end of the run.

use std::process::Command;
use std::time::Duration;

use vmig_conform::{AttachForm, Options, Report, Run, Starter, Statement};
use vmig_vfio::Attach;

use crate::{kernel, Mdev};

const PROGRAM: &str = "/bin/vmig";

/// How long one statement may take. Those that try a lot stop after half of it.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Bad streams of a kind that a statement tries where all would take too long.
const FEW_TRIES: usize = 64;

/// [`Options::tries`] for types that are another one with fewer values.
pub fn few_tries() -> usize {
    match kernel::is_debug() {
        true => FEW_TRIES / 4,
        false => FEW_TRIES,
    }
}

/// Options to check everything that can be checked on `mdev`. `reconfigure` is a shell command that
/// makes it reconfigure itself.
pub fn options(mdev: &Mdev, attach: Attach, reconfigure: Option<&str>) -> Options {
    let defaults = Options::default();
    let command = reconfigure.map(|script| ["/bin/busybox", "sh", "-c", script]);
    Options {
        directory: mdev.directory().to_owned(),
        attach,
        destructive: true,
        deadline: DEADLINE,
        tries: match kernel::is_debug() {
            true => FEW_TRIES,
            false => defaults.tries,
        },
        reconfigure: command.into_iter().flatten().map(str::to_owned).collect(),
        ..defaults
    }
}

/// Checks these statements, in this order.
///
/// # Panics
///
/// If the device cannot be looked at, or is opened through another interface than was asked for.
#[track_caller]
pub fn run(options: &Options, statements: &[&'static Statement]) -> Vec<Report> {
    let mut run = Run::begin(starter(options), options.clone()).expect("a device");
    assert_eq!(run.look().attach, form(options.attach));
    assert!(run.sees_log(), "the kernel's complaints count");
    let reports = statements.iter().map(|statement| run.check(statement));
    reports.collect()
}

/// A report in one line.
pub fn line(report: &Report) -> String {
    let Report {
        statement,
        outcome,
        ms,
    } = report;
    let (id, word) = (statement.id.to_string(), outcome.word());
    let details = outcome.details().join("; ");
    format!("{word:<8} {id:<4} {ms:>6} ms  {details}")
}

fn form(attach: Attach) -> AttachForm {
    match attach {
        Attach::Group => AttachForm::Group,
        Attach::Cdev | Attach::Auto => AttachForm::Cdev,
    }
}

/// The command with the same options, that has jobs done.
fn starter(options: &Options) -> Starter {
    let mut arguments = words(options);
    arguments.push("--jobs".to_owned());
    Starter {
        program: PROGRAM.into(),
        arguments: arguments.into_iter().map(Into::into).collect(),
    }
}

/// The command that checks `statement` in its own process, with the same options.
pub fn check(options: &Options, statement: &Statement) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(words(options)).arg("--job");
    command.arg(statement.id.to_string());
    command
}

fn words(options: &Options) -> Vec<String> {
    let mut arguments = vec![
        "conform".to_owned(),
        options.directory.display().to_string(),
        "--deadline".to_owned(),
        options.deadline.as_secs().to_string(),
        "--tries".to_owned(),
        options.tries.to_string(),
        "--attach".to_owned(),
        match options.attach {
            Attach::Group => "group".to_owned(),
            Attach::Cdev | Attach::Auto => "cdev".to_owned(),
        },
    ];
    if options.destructive {
        arguments.push("--destructive".to_owned());
    }
    if let Some((script, command)) = options.reconfigure.split_last() {
        arguments.push("--reconfigure".to_owned());
        arguments.push(format!("{} '{script}'", command.join(" ")));
    }
    arguments
}
