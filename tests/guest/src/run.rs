// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Running programs and passing on what they say.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use guest::modules;
use nix::fcntl::OFlag;
use nix::poll::{poll, PollFd, PollFlags};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitid, waitpid, Id, WaitPidFlag};
use nix::unistd::{pipe2, Pid};

use crate::plan::{Mode, Plan};
use crate::report::Report;

/// Where the image has the test programs.
const TESTS: &str = "/tests";
/// The suite made of the KUnit results; the harness knows it by this name.
const KUNIT: &str = "kunit";
/// Where KUnit leaves the results of the suites that ran when modules were loaded.
const KUNIT_RESULTS: &str = "/sys/kernel/debug/kunit";
/// Which suites of modules run when they are loaded.
const KUNIT_FILTER: &str = "/sys/module/kunit/parameters/filter_glob";
/// Where the benchmarks leave their figures.
const FIGURES: &str = "/run/bench.json";

/// Does what `plan` says; true if all of it passed.
pub(crate) fn run(plan: &Plan, report: &mut Report) -> io::Result<bool> {
    prepare()?;
    // The kernel's own suites ran at boot and are not ours.
    let foreign = kunit_suites();
    for name in &plan.modules {
        if let Err(error) = modules::load(name) {
            report.event(&format!("error cannot load {name}: {error}"))?;
            return Ok(false);
        }
    }
    // Once is enough: suites load the module again and again.
    fs::write(KUNIT_FILTER, "none")?;
    if let Some(text) = &plan.thorough {
        fs::write("/run/thorough", text)?;
    }
    if plan.mode == Mode::Demo {
        return program("demo", &mut Command::new("/bin/demo"), report);
    }
    if plan.mode == Mode::Bench {
        return bench(report);
    }
    let suites = if plan.suites.is_empty() {
        all_suites()?
    } else {
        plan.suites.clone()
    };
    let mut passed = true;
    for name in suites {
        passed &= if name == KUNIT {
            kunit(&foreign, report)?
        } else {
            let mut command = Command::new(format!("{TESTS}/{name}"));
            // One at a time: there is one module, one sysfs, one set of capacities for all of them.
            command.arg("--test-threads=1").args(&plan.filter);
            program(&name, &mut command, report)?
        };
    }
    Ok(passed)
}

/// Measures, and passes on what comes of it.
fn bench(report: &mut Report) -> io::Result<bool> {
    let passed = program("bench", Command::new("/bin/bench").arg(FIGURES), report)?;
    if passed {
        report.event(&format!("figures {}", fs::read_to_string(FIGURES)?))?;
    }
    Ok(passed)
}

/// A shell on the console; returns when it ends.
pub(crate) fn shell(modules: &[String]) -> io::Result<()> {
    prepare()?;
    for name in modules {
        if let Err(error) = modules::load(name) {
            eprintln!("init: cannot load {name}: {error}");
        }
    }
    println!("\nThe tests are in {TESTS}; `exit` powers off.");
    let tty = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/ttyS0")?;
    let mut command = Command::new("/bin/busybox");
    command
        .args(["setsid", "cttyhack", "sh", "-l"])
        .stdin(tty.try_clone()?)
        .stdout(tty.try_clone()?)
        .stderr(tty);
    environment(&mut command).status()?;
    Ok(())
}

/// Applets of busybox as commands, for scripts and people.
fn prepare() -> io::Result<()> {
    let status = Command::new("/bin/busybox")
        .args(["--install", "-s", "/bin"])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("busybox --install: {status}")))
    }
}

fn all_suites() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(TESTS)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    names.insert(0, KUNIT.to_owned());
    Ok(names)
}

/// The KUnit suites that have results.
fn kunit_suites() -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(KUNIT_RESULTS).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

/// Passes on the results of the KUnit suites that came with our modules. There being none is a failure.
fn kunit(foreign: &BTreeSet<PathBuf>, report: &mut Report) -> io::Result<bool> {
    report.event(&format!("run {KUNIT}"))?;
    let mut text = String::new();
    for suite in kunit_suites().difference(foreign) {
        text += &fs::read_to_string(suite.join("results"))?;
    }
    report.output(text.as_bytes())?;
    let passed = text.lines().any(|line| line.starts_with("ok ")) && !text.contains("not ok ");
    report.event(&format!("exit {KUNIT} code {}", u8::from(!passed)))?;
    Ok(passed)
}

/// Runs `command` as suite `name`.
fn program(name: &str, command: &mut Command, report: &mut Report) -> io::Result<bool> {
    report.event(&format!("run {name}"))?;
    let (output, input) = pipe2(OFlag::O_CLOEXEC)?;
    let errors = input.try_clone()?;
    environment(command)
        .stdin(Stdio::null())
        .stdout(input)
        .stderr(errors);
    let child = command.spawn();
    // The command holds our ends for writing; with them open the pipe would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = match child {
        Ok(child) => pass_on(child, File::from(output), report),
        Err(error) => Err(error),
    };
    end_all_others();
    let (text, passed) = match status {
        Ok(status) => (describe(status), status.success()),
        Err(error) => (format!("error {error}"), false),
    };
    report.event(&format!("exit {name} {text}"))?;
    Ok(passed)
}

fn environment(command: &mut Command) -> &mut Command {
    command.env_clear().current_dir("/tmp").envs([
        ("PATH", "/bin:/sbin"),
        ("HOME", "/root"),
        ("TMPDIR", "/tmp"),
        ("TERM", "linux"),
        ("RUST_BACKTRACE", "1"),
    ])
}

/// Copies the child's output until it has ended, even if a process of its own holds on to the pipe.
fn pass_on(mut child: Child, mut output: File, report: &mut Report) -> io::Result<ExitStatus> {
    let mut buffer = [0; 4096];
    loop {
        let ended = child.try_wait()?;
        reap_others(&child);
        let ready = poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], 20u8)?;
        if ready > 0 {
            let length = output.read(&mut buffer)?;
            if length == 0 {
                return child.wait();
            }
            report.output(buffer.get(..length).unwrap_or_default())?;
        } else if let Some(status) = ended {
            return Ok(status);
        }
    }
}

/// Buries what has ended and has no parent but init: as long as it is there, it passes for alive. Not
/// `child`.
fn reap_others(child: &Child) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(Some(pid)) = waitid(Id::All, flags).map(|status| status.pid()) {
        if pid.as_raw().unsigned_abs() == child.id() || waitpid(pid, None).is_err() {
            return;
        }
    }
}

/// What one suite left running is not to disturb the next.
fn end_all_others() {
    // Both fail when there is nobody left, which is what is wanted.
    kill(Pid::from_raw(-1), Signal::SIGKILL).ok();
    while waitpid(None::<Pid>, None).is_ok() {}
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
