// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `make fuzz`: runs libFuzzer on the targets, one after the other.
//!
//! ```text
//! vmig-fuzz [SECONDS [TARGET...]]          looks for inputs that break a target
//! vmig-fuzz keep N [TARGET...]             adds up to N of the inputs found to each corpus
//! ```
//!
//! It starts from the corpus of the repository and from what earlier runs found, which is kept in
//! `target/fuzz`. An input that breaks a target is added to the corpus at once.

#![forbid(unsafe_code)]

use std::{
    collections::BTreeSet,
    fs,
    path::{
        Path,
        PathBuf, //
    },
    process::{
        Command,
        Stdio, //
    },
    time::Instant,
};

use anyhow::{
    bail,
    Context,
    Result, //
};
use vmig_fuzz::{
    corpus,
    inputs,
    line,
    TARGETS,
    VARIABLE, //
};

/// Seconds for each target, if nothing else is said.
const SECONDS: u32 = 120;

/// LLVM's coverage, as libFuzzer wants it.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=on";

/// Bytes of the longest input that is tried. What is longer is a matter of limits, which the tests
/// know.
const LENGTH_MAX: usize = 4096;

/// Bytes of the longest input that is kept.
const KEPT_MAX: usize = 512;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (keep, words) = match words.as_slice() {
        ["keep", rest @ ..] => (true, rest),
        all => (false, all),
    };
    let (number, names) = match words {
        [] => (SECONDS, &[][..]),
        [number, names @ ..] => (number.parse().context("not a number")?, names),
    };
    for name in names {
        vmig_fuzz::target(name).with_context(|| format!("no target {name}"))?;
    }
    let home = PathBuf::from(std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into()));
    let home = home.join("fuzz");
    let program = build(&home)?;
    let mut broken = Vec::new();
    for (name, _) in TARGETS {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        let found = home.join("corpus").join(name);
        unpack(name, &found)?;
        if keep {
            add(
                name,
                &smallest(&program, name, &home, &found, number as usize)?,
            )?;
        } else if !fuzz(&program, name, &home, &found, number)? {
            broken.push(name);
        }
    }
    match broken.as_slice() {
        [] => Ok(()),
        names => bail!(
            "broken: {}; the inputs are in the corpus now",
            names.join(", ")
        ),
    }
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
}

/// Builds the program with coverage, apart from everything else.
fn build(home: &Path) -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let version = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    let version = String::from_utf8(version.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say for what it compiles")?;
    let mut cargo = cargo();
    // With a target named, build scripts and macros have no coverage.
    cargo
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--target",
            host,
        ])
        .args([
            "--package",
            "vmig-fuzz",
            "--features",
            "libfuzzer",
            "--bin",
            "fuzz-target",
        ])
        .arg("--target-dir")
        .arg(home)
        .env("RUSTFLAGS", FLAGS);
    if std::env::var_os("CXX").is_none() && !runs("c++") {
        cargo.env("CXX", "clang++");
    }
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!("the fuzz target does not build");
    }
    Ok(home.join(host).join("release/fuzz-target"))
}

fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Puts the corpus of the repository where libFuzzer looks for it.
fn unpack(name: &str, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let path = corpus(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let inputs = inputs(&text).with_context(|| format!("{}: not hexadecimal", path.display()))?;
    for (n, input) in inputs.iter().enumerate() {
        fs::write(directory.join(format!("kept-{n}")), input)?;
    }
    Ok(())
}

fn libfuzzer(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env(VARIABLE, name)
        .arg(format!("-max_len={LENGTH_MAX}"));
    command
}

/// Runs libFuzzer for a time; whether nothing broke.
fn fuzz(program: &Path, name: &str, home: &Path, found: &Path, seconds: u32) -> Result<bool> {
    let log = home.join(format!("{name}.log"));
    let crashes = home.join("crashes").join(name);
    fs::create_dir_all(&crashes)?;
    let start = Instant::now();
    let status = libfuzzer(program, name)
        .arg(format!("-max_total_time={seconds}"))
        .args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=1024"])
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .arg(found)
        .stderr(fs::File::create(&log)?)
        .status()?;
    let seconds = start.elapsed().as_secs();
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let executions = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let executions = executions.map_or("?", str::trim);
    let edges = said.lines().rev().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "cov:");
        words.nth(1)
    });
    let verdict = if status.success() { "ok" } else { "BROKEN" };
    let edges = edges.unwrap_or("?");
    println!("{name}: {verdict}, {executions} executions in {seconds} s, {edges} edges covered");
    if status.success() {
        return Ok(true);
    }
    let mut broken = Vec::new();
    for entry in fs::read_dir(&crashes)? {
        broken.push(fs::read(entry?.path())?);
    }
    add(name, &broken)?;
    println!("  log: {}", log.display());
    Ok(false)
}

/// The smallest inputs of those that libFuzzer needs for all it has covered.
fn smallest(
    program: &Path,
    name: &str,
    home: &Path,
    found: &Path,
    most: usize,
) -> Result<Vec<Vec<u8>>> {
    let merged = home.join("merged").join(name);
    fs::remove_dir_all(&merged).ok();
    fs::create_dir_all(&merged)?;
    let status = libfuzzer(program, name)
        .arg("-merge=1")
        .args([&merged, found])
        .stderr(fs::File::create(home.join(format!("{name}.merge.log")))?)
        .status()?;
    if !status.success() {
        bail!("{name}: libFuzzer does not merge");
    }
    let mut inputs = Vec::new();
    for entry in fs::read_dir(&merged)? {
        inputs.push(fs::read(entry?.path())?);
    }
    inputs.retain(|input| !input.is_empty() && input.len() <= KEPT_MAX);
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    // Evenly over the lengths: the smallest alone would all be refused.
    let step = inputs.len().div_ceil(most.max(1)).max(1);
    Ok(inputs.into_iter().step_by(step).collect())
}

/// Adds inputs to a corpus of the repository.
fn add(name: &str, new: &[Vec<u8>]) -> Result<()> {
    let path = corpus(name);
    let mut text = fs::read_to_string(&path)?;
    let mut known: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    for line in new.iter().map(|input| line(input)) {
        if known.insert(line.clone()) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    fs::write(&path, text)?;
    Ok(())
}
