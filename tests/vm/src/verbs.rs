// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The verbs of the harness. Each returns whether all passed; an error is something that kept it
//! from finding out.

use anyhow::Result;

use crate::checks;
use crate::kernel::Kernel;
use crate::module::{self, Pass};
use crate::mtty;
use crate::paths::Paths;
use crate::report::Report;
use crate::selftest;
use crate::vm::Parts;

/// Everything.
pub(crate) fn test() -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    checks::run(&paths, &mut report);
    match report.step("build root", || paths.make_root()) {
        Some(()) => in_root(&paths, &mut report),
        None => report.fail("the rest", "not run: no build root"),
    }
    Ok(report.finish())
}

/// What needs the build root.
fn in_root(paths: &Paths, report: &mut Report) {
    report.check("builds with Rust 1.85", || checks::oldest_rust(paths));
    let Some(kernel) = report.step("kernel", || Kernel::ensure(paths)) else {
        return report.fail("module and VM", "not run: no kernel");
    };
    report.check("sysfs-abi.md by get_abi.py", || {
        checks::kernel_abi_tool(paths, &kernel.headers())
    });
    report.check("module, no warning", || {
        module::build(paths, &kernel, Pass::Build)
    });
    report.check("module, clippy", || {
        module::build(paths, &kernel, Pass::Clippy)
    });
    let Some(parts) = report.step("guest programs", || Parts::ensure(paths)) else {
        return report.fail("VM", "not run: no image");
    };
    if let Some(judgement) = report.step("VM", || parts.tests(paths, None, None)) {
        report.judged("VM", judgement);
    }
    if let Some(judgement) = report.step("VM, mtty", || parts.tests(paths, Some(mtty::SUITE), None))
    {
        report.judged("VM", judgement);
    }
    selftest::run(paths, &parts, report);
    if let Some(judgement) = report.step("demo", || parts.demo(paths)) {
        report.judged("demo", judgement);
    }
}

/// What needs no VM and no build root.
pub(crate) fn check() -> Result<bool> {
    let mut report = Report::default();
    checks::run(&Paths::find()?, &mut report);
    Ok(report.finish())
}

/// Guest tests only.
pub(crate) fn boot(suite: Option<&str>, filter: Option<&str>) -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    if let Some(parts) = report.step("build", || Parts::ensure(&paths)) {
        if let Some(judgement) = report.step("VM", || parts.tests(&paths, suite, filter)) {
            report.judged("VM", judgement);
        }
    }
    Ok(report.finish())
}

/// Which statements of the conformance suite notice faults whose name has `part` in it?
pub(crate) fn faults(part: &str) -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    if let Some(parts) = report.step("build", || Parts::ensure(&paths)) {
        if let Some(judgement) = report.step("VM", || parts.faults(&paths, part)) {
            report.judged("VM", judgement);
        }
    }
    Ok(report.finish())
}

/// Does the harness notice what it should?
pub(crate) fn selftest() -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    if let Some(parts) = report.step("build", || Parts::ensure(&paths)) {
        selftest::run(&paths, &parts, &mut report);
    }
    Ok(report.finish())
}

/// The module for the VM's kernel.
pub(crate) fn modules() -> Result<bool> {
    let paths = Paths::find()?;
    let out = module::build(&paths, &Kernel::ensure(&paths)?, Pass::Build)?;
    println!("{}", out.join("driver/vmig.ko").display());
    Ok(true)
}

/// The demonstration.
pub(crate) fn demo() -> Result<bool> {
    let paths = Paths::find()?;
    let judgement = Parts::ensure(&paths)?.demo(&paths)?;
    for problem in &judgement.problems {
        println!("demo: {problem}");
    }
    Ok(judgement.problems.is_empty()
        && judgement
            .suites
            .iter()
            .all(|(_, counts)| counts.failed == 0))
}

/// What the kernel's sample driver does, in `tests/CONFORMANCE.md`.
pub(crate) fn conform_mtty() -> Result<bool> {
    let paths = Paths::find()?;
    mtty::renew(&paths, &Parts::ensure(&paths)?)
}

/// A shell in the VM.
pub(crate) fn shell() -> Result<bool> {
    let paths = Paths::find()?;
    Parts::ensure(&paths)?.shell(&paths)?;
    Ok(true)
}
