// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The verbs of the harness. Each returns whether all passed; an error is something that kept it
//! from finding out.

use anyhow::Result;

use crate::bench;
use crate::checks;
use crate::client;
use crate::flavor::Flavor;
use crate::guestos;
use crate::jobs::{self, Job};
use crate::kernel::Kernel;
use crate::module::{self, Pass};
use crate::mtty;
use crate::paths::Paths;
use crate::report::Report;
use crate::selftest;
use crate::verdict::Judgement;
use crate::vm::Parts;

/// Everything.
pub(crate) fn test() -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    checks::run(&paths, &mut report);
    let root = report.step("build root", || paths.make_root());
    if root.is_none() {
        report.fail("the rest", "not run: no build root");
    }
    let ready = root.and_then(|()| in_root(&paths, &mut report));
    // They take minutes, most of which they use one processor: beside VMs, if there are any.
    let mut jobs: Vec<Job<'_>> = vec![Box::new(|report| checks::tests(&paths, report))];
    jobs.extend(ready.iter().flat_map(|ready| in_vms(&paths, ready)));
    jobs::run(jobs, &mut report);
    Ok(report.finish())
}

/// All that VMs need.
struct Ready {
    debug: Parts,
    plain: Parts,
    /// Whether there are clients.
    clients: bool,
}

/// What needs the build root and no VM; what it made, if all of it.
fn in_root(paths: &Paths, report: &mut Report) -> Option<Ready> {
    let (kernels, clients) = made(paths, report);
    let Some(kernels) = kernels else {
        report.fail("module and VM", "not run: no kernel");
        return None;
    };
    let [plain, debug] = &kernels;
    report.check("sysfs-abi.md by get_abi.py", || {
        checks::kernel_abi_tool(paths, &plain.headers())
    });
    for kernel in &kernels {
        let name = kernel.flavor.of("module, no warning", ' ');
        report.check(&name, || module::build(paths, kernel, Pass::Build));
    }
    report.check("module, clippy", || {
        module::build(paths, plain, Pass::Clippy)
    });
    let [plain, debug] = [plain, debug].map(|kernel| {
        let flavor = kernel.flavor;
        let name = flavor.of("guest programs", ' ');
        let parts = report.step(&name, || Parts::ensure(paths, flavor));
        if parts.is_none() {
            report.fail(&flavor.of("VM", ' '), "not run: no image");
        }
        parts
    });
    Some(Ready {
        debug: debug?,
        plain: plain?,
        clients,
    })
}

/// What takes minutes to make on a new machine: the kernels, and whether there are clients. The one is made while
/// the other is, since unpacking, configuring and linking a kernel leave a processor idle, and so does
/// fetching packages.
fn made(paths: &Paths, report: &mut Report) -> (Option<[Kernel; 2]>, bool) {
    let (mut both, mut clients) = (None, false);
    let jobs: Vec<Job<'_>> = vec![
        Box::new(|report| both = kernels(paths, report)),
        Box::new(|report| {
            report.check("builds with Rust 1.85", || checks::oldest_rust(paths));
            let trees = || client::ensure(paths, &client::suites());
            clients = report.step("clients", trees).is_some();
            if clients {
                report.step("guest in the VM", || guestos::ensure(paths));
            }
        }),
    ];
    jobs::run(jobs, report);
    (both, clients)
}

/// All that runs in VMs, the longest run first.
fn in_vms<'a>(paths: &'a Paths, ready: &'a Ready) -> Vec<Job<'a>> {
    let Ready {
        debug,
        plain,
        clients,
    } = ready;
    let both = [debug, plain];
    let mut jobs = Vec::<Job<'_>>::new();
    for parts in both {
        jobs.push(Box::new(move |report| {
            guest_tests(paths, parts, None, None, report);
        }));
    }
    for parts in both {
        for &suites in parts.kernel.flavor.apart() {
            if !*clients && !client::needed_by(suites).is_empty() {
                jobs.push(Box::new(move |report| {
                    report.fail(&name(parts, Some(suites)), "not run: no clients");
                }));
                continue;
            }
            jobs.push(Box::new(move |report| {
                guest_tests(paths, parts, Some(suites), None, report);
            }));
        }
    }
    for parts in both {
        for row in selftest::rows(parts.kernel.flavor) {
            jobs.push(Box::new(move |report| {
                selftest::run(paths, parts, row, report);
            }));
        }
    }
    jobs.push(Box::new(move |report| {
        if let Some(judgement) = report.step("demo", || plain.demo(paths)) {
            report.judged("demo", judgement);
        }
    }));
    jobs
}

/// The suites that have a VM of their own.
fn apart(paths: &Paths, parts: &Parts, report: &mut Report) {
    for suites in parts.kernel.flavor.apart() {
        guest_tests(paths, parts, Some(suites), None, report);
    }
}

/// What a VM is called in the report.
fn name(parts: &Parts, suites: Option<&[&str]>) -> String {
    let vm = parts.kernel.flavor.of("VM", ' ');
    suites.map_or_else(|| vm.clone(), |some| format!("{vm}, {}", some.join(", ")))
}

/// All of them, each in a step of its own.
fn kernels(paths: &Paths, report: &mut Report) -> Option<[Kernel; 2]> {
    let [plain, debug] = Flavor::ALL.map(|flavor| {
        let name = flavor.of("kernel", ' ');
        report.step(&name, || Kernel::ensure(paths, flavor))
    });
    Some([plain?, debug?])
}

/// The guest tests in one VM.
fn guest_tests(
    paths: &Paths,
    parts: &Parts,
    suites: Option<&[&str]>,
    filter: Option<&str>,
    report: &mut Report,
) {
    let vm = name(parts, None);
    let screen = report.screen();
    let run = || parts.tests(paths, suites, filter, screen);
    if let Some(judgement) = report.step(&name(parts, suites), run) {
        report.judged(&vm, judgement);
    }
    if suites.is_none() {
        for (suite, why) in parts.kernel.flavor.left_out() {
            report.note(format!("{vm}: without {suite}, which {why}"));
        }
    }
}

/// What needs no VM and no build root.
pub(crate) fn check() -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    checks::run(&paths, &mut report);
    checks::tests(&paths, &mut report);
    Ok(report.finish())
}

/// Guest tests only.
pub(crate) fn boot(flavor: Flavor, suite: Option<&str>, filter: Option<&str>) -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    if let Some(parts) = report.step("build", || Parts::ensure(&paths, flavor)) {
        let suites = suite.map(|one| vec![one]);
        guest_tests(&paths, &parts, suites.as_deref(), filter, &mut report);
        if suite.is_none() {
            apart(&paths, &parts, &mut report);
        }
    }
    Ok(report.finish())
}

/// Which statements of the conformance suite notice faults whose name has `part` in it?
pub(crate) fn faults(part: &str) -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    if let Some(parts) = report.step("build", || Parts::ensure(&paths, Flavor::Plain)) {
        if let Some(judgement) = report.step("VM", || parts.faults(&paths, part)) {
            report.judged("VM", judgement);
        }
    }
    Ok(report.finish())
}

/// Does the harness notice what it should?
pub(crate) fn selftest(flavor: Flavor) -> Result<bool> {
    let paths = Paths::find()?;
    let mut report = Report::default();
    if let Some(parts) = report.step("build", || Parts::ensure(&paths, flavor)) {
        for row in selftest::rows(flavor) {
            selftest::run(&paths, &parts, row, &mut report);
        }
    }
    Ok(report.finish())
}

/// The module for a kernel of the VM.
pub(crate) fn modules(flavor: Flavor) -> Result<bool> {
    let paths = Paths::find()?;
    let out = module::build(&paths, &Kernel::ensure(&paths, flavor)?, Pass::Build)?;
    println!("{}", out.join("driver/vmig.ko").display());
    Ok(true)
}

/// The clients, and where their trees are.
pub(crate) fn clients() -> Result<bool> {
    for tree in client::ensure(&Paths::find()?, &client::suites())? {
        println!("{}: {}", tree.name, tree.dir.display());
    }
    Ok(true)
}

/// The demonstration.
pub(crate) fn demo(flavor: Flavor) -> Result<bool> {
    let paths = Paths::find()?;
    let judgement = Parts::ensure(&paths, flavor)?.demo(&paths)?;
    Ok(shown("demo", &judgement))
}

/// What the devices take.
pub(crate) fn bench() -> Result<bool> {
    let paths = Paths::find()?;
    let (judgement, channel) = Parts::ensure(&paths, Flavor::Plain)?.bench(&paths)?;
    Ok(shown("bench", &judgement) && bench::keep(&paths, &channel)?)
}

/// Says what is wrong with the run of a program that a person has watched; true if nothing is.
fn shown(name: &str, judgement: &Judgement) -> bool {
    for line in &judgement.details {
        println!("{line}");
    }
    for problem in &judgement.problems {
        println!("{name}: {problem}");
    }
    let mut suites = judgement.suites.iter();
    judgement.problems.is_empty() && suites.all(|(_, counts)| counts.failed == 0)
}

/// What the kernel's sample driver does, in `tests/CONFORMANCE.md`.
pub(crate) fn conform_mtty() -> Result<bool> {
    let paths = Paths::find()?;
    mtty::renew(&paths, &Parts::ensure(&paths, Flavor::Plain)?)
}

/// A shell in the VM.
pub(crate) fn shell(flavor: Flavor) -> Result<bool> {
    let paths = Paths::find()?;
    Parts::ensure(&paths, flavor)?.shell(&paths)?;
    Ok(true)
}
