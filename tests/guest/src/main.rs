// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The first program of the test VM: prepares the system, runs what the harness asked for,
//! reports it, powers off.
//!
//! It is asked by words on the kernel's command line (see [`plan`]) and answers on the report
//! channel, whose lines `tests/vm/src/verdict.rs` describes. There is one verdict, and it is the
//! last line; a VM that ends without one has failed.

#![forbid(unsafe_code)]

mod leaks;
mod plan;
mod provoke;
mod report;
mod run;
mod system;

use std::process::ExitCode;

use plan::{Mode, Plan};
use report::Report;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("init: this is the first program of the test VM, not for use elsewhere");
        return ExitCode::FAILURE;
    }
    if let Err(error) = serve() {
        // The console is all there is without the report channel.
        eprintln!("init: {error}");
    }
    system::power_off();
    ExitCode::FAILURE
}

fn serve() -> std::io::Result<()> {
    system::mount_all()?;
    system::name_host()?;
    let plan = Plan::parse(std::env::args().skip(1));
    if let Ok(Plan {
        mode: Mode::Shell,
        modules,
        ..
    }) = &plan
    {
        return run::shell(modules);
    }
    let mut report = Report::open()?;
    let passed = match &plan {
        Ok(plan) => run::run(plan, &mut report)?,
        Err(word) => {
            report.event(&format!("error unknown word for init: {word}"))?;
            false
        }
    };
    if let Ok(Plan {
        provoke: Some(what),
        ..
    }) = &plan
    {
        if provoke::provoke(what, &mut report)?.is_break() {
            return Ok(());
        }
    }
    if let Ok(Plan {
        leaks: true,
        modules,
        ..
    }) = &plan
    {
        leaks::find(modules, &mut report)?;
    }
    report.event(&format!("taint {}", system::taint()))?;
    report.event(if passed {
        "verdict passed"
    } else {
        "verdict failed"
    })
}
