// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The checks that need no VM: format, lints, the cargo tests, and the rules of [`crate::source`].

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::libtest::{self, Counts};
use crate::paths::Paths;
use crate::report::Report;
use crate::{source, step};

/// All but the cargo tests, cheapest first. They need neither root nor the build root.
pub(crate) fn run(paths: &Paths, report: &mut Report) {
    report.check("licence lines", || {
        each_file(paths, |path, text| {
            source::spdx(path, text).into_iter().collect()
        })
    });
    report.check("no unsafe outside driver/abstractions", || {
        each_file(paths, source::unsafe_lines)
    });
    report.check("blocks of sysfs-abi.md", || {
        none_of(source::abi(&read(paths, "sysfs-abi.md")?))
    });
    report.check("format", || format(paths));
    report.check("clippy", || clippy(paths));
}

/// The cargo tests.
pub(crate) fn tests(paths: &Paths, report: &mut Report) {
    report.suite("cargo tests", || Ok(((), cargo_tests(paths)?)));
}

/// Every target of every package builds with the oldest Rust we promise, that of the build root.
pub(crate) fn oldest_rust(paths: &Paths) -> Result<()> {
    let mut cargo = paths.in_root("cargo", &paths.checkout);
    cargo.args(["check", "--workspace", "--all-targets", "--locked"]);
    step::run(
        "cargo check",
        &mut cargo,
        &paths.work.join("oldest-rust.log"),
    )
    .map(drop)
}

/// The kernel's own tool has nothing to say about `sysfs-abi.md`.
pub(crate) fn kernel_abi_tool(paths: &Paths, headers: &std::path::Path) -> Result<()> {
    let dir = paths.work.join("abi");
    fs::remove_dir_all(&dir).ok();
    fs::create_dir_all(dir.join("testing"))?;
    fs::write(dir.join("testing/sysfs-vmig"), read(paths, "sysfs-abi.md")?)?;
    let mut python = paths.in_root("python3", &paths.checkout);
    python
        .arg("-B")
        .arg(headers.join("tools/docs/get_abi.py"))
        .arg("--dir")
        .arg(&dir)
        .arg("validate");
    let said = step::run("get_abi.py", &mut python, &paths.work.join("abi.log"))?;
    none_of(said.lines().map(str::to_owned).collect())
}

fn read(paths: &Paths, name: &str) -> Result<String> {
    fs::read_to_string(paths.checkout.join(name)).with_context(|| format!("cannot read {name}"))
}

/// The tracked and the new files, relative to the checkout.
fn files(paths: &Paths) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = git
        .current_dir(&paths.checkout)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "git ls-files: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let names = String::from_utf8(output.stdout)?;
    let exists = |name: &&str| !name.is_empty() && paths.checkout.join(name).is_file();
    Ok(names
        .split('\0')
        .filter(exists)
        .map(str::to_owned)
        .collect())
}

fn each_file(paths: &Paths, rule: impl Fn(&str, &str) -> Vec<String>) -> Result<()> {
    let mut wrong = Vec::new();
    for path in files(paths)? {
        let bytes =
            fs::read(paths.checkout.join(&path)).with_context(|| format!("cannot read {path}"))?;
        wrong.extend(rule(&path, &String::from_utf8_lossy(&bytes)));
    }
    none_of(wrong)
}

fn none_of(wrong: Vec<String>) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    for line in &wrong {
        eprintln!("  | {line}");
    }
    bail!(
        "{} (and {} more)",
        wrong.first().map_or("", String::as_str),
        wrong.len() - 1
    )
}

/// `cargo fmt` sees cargo's targets only; this sees the kernel module, too.
fn format(paths: &Paths) -> Result<()> {
    let sources: Vec<PathBuf> = files(paths)?
        .into_iter()
        .filter(|name| name.ends_with(".rs"))
        .map(PathBuf::from)
        .collect();
    let mut host = Command::new("rustfmt");
    host.args(["--check", "--edition", "2021"]).args(sources);
    let mut rustfmt = paths.rust_tool("rustfmt", host)?;
    step::run(
        "rustfmt",
        rustfmt.current_dir(&paths.checkout),
        &paths.work.join("format.log"),
    )
    .map(drop)
}

fn clippy(paths: &Paths) -> Result<()> {
    let mut host = paths.cargo();
    host.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]);
    let mut cargo = paths.rust_tool("cargo-clippy", host)?;
    step::run("clippy", &mut cargo, &paths.work.join("clippy.log")).map(drop)
}

fn cargo_tests(paths: &Paths) -> Result<Counts> {
    let log = paths.work.join("cargo-tests.log");
    let mut cargo = paths.cargo();
    cargo.args(["test", "--no-fail-fast"]);
    let (status, text) = step::output("cargo test", &mut cargo, &log)?;
    let Some(counts) =
        libtest::libtest(&text).filter(|counts| status.success() || counts.failed > 0)
    else {
        for line in step::telling_lines(&text) {
            eprintln!("  | {line}");
        }
        bail!("cargo test ended with {status}, log: {}", log.display());
    };
    if counts.failed > 0 {
        eprintln!("  log: {}", log.display());
    }
    Ok(counts)
}
