// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Running programs and telling what they took.

use std::{
    fs,
    io::Write as _,
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

use anyhow::{bail, Context, Result};
use nix::sys::{
    resource::{
        getrusage,
        UsageWho, //
    },
    time::TimeVal,
};

use crate::generate::{
    self,
    Shape, //
};

/// What a process took.
#[derive(Clone, Copy, Debug)]
struct Taken {
    /// User and system time of all threads, in microseconds.
    cpu: i64,
    /// In microseconds.
    wall: i64,
    /// The most memory that it had, in KiB.
    memory: i64,
}

/// Runs a program, as the only child of this process, and writes what it took on standard error.
pub(crate) fn time(program: &str, args: &[&str]) -> Result<()> {
    let start = Instant::now();
    let status = Command::new(program)
        .args(args)
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    let wall = start.elapsed().as_micros();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    let cpu = micros(usage.user_time()) + micros(usage.system_time());
    eprintln!(
        "{} {cpu} {wall} {}",
        status.code().unwrap_or(-1),
        usage.max_rss()
    );
    Ok(())
}

/// The best of some runs: others share the machine.
fn best(runs: usize, words: &[&str]) -> Result<Taken> {
    let runs: Vec<Taken> = (0..runs).map(|_| once(words)).collect::<Result<_>>()?;
    let best = runs.into_iter().min_by_key(|taken| taken.cpu);
    best.context("no run")
}

fn once(words: &[&str]) -> Result<Taken> {
    let output = Command::new(std::env::current_exe()?)
        .arg("time")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    let said = String::from_utf8(output.stderr)?;
    let line = said.lines().last().unwrap_or_default();
    let numbers: Vec<i64> = line
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    match numbers.as_slice() {
        [0, cpu, wall, memory] => Ok(Taken {
            cpu: *cpu,
            wall: *wall,
            memory: *memory,
        }),
        _ => bail!("{words:?}: {said}"),
    }
}

/// Measures everything, up to `most` sources.
pub(crate) fn run(vmig: &str, most: usize) -> Result<()> {
    let directory = std::env::temp_dir().join(format!("vmig-bench.{}", std::process::id()));
    fs::create_dir(&directory)?;
    let result = table(vmig, most, &directory);
    fs::remove_dir_all(&directory)?;
    result
}

fn table(vmig: &str, most: usize, directory: &Path) -> Result<()> {
    let list = directory.join("list");
    fs::write(&list, generate::list())?;
    let own = std::env::current_exe()?;
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let (own, list) = (text(&own), text(&list));
    println!("shape       sources what         cpu ms  of peer  wall ms   MiB  us/source");
    let mut slow = Vec::new();
    for shape in [
        Shape::Distinct,
        Shape::Apart,
        Shape::Equal,
        Shape::Inventories,
    ] {
        for n in [100, 1000, 10_000, 100_000] {
            if n > most {
                continue;
            }
            let file = directory.join("sources.json");
            generate::write(shape, n, &mut fs::File::create(&file)?)?;
            let file = text(&file);
            let runs = if n > 10_000 { 1 } else { 7 };
            let peer = best(runs, &[&own, "peer", &file])?;
            let mut line = |what: &str, taken: Taken| -> Result<()> {
                let hundredths = 100 * taken.cpu / peer.cpu.max(1);
                println!(
                    "{:<11} {n:>7} {what:<10} {:>8}.{} {:>5}.{:02} {:>8} {:>5} {:>10}",
                    format!("{shape:?}").to_lowercase(),
                    taken.cpu / 1000,
                    taken.cpu / 100 % 10,
                    hundredths / 100,
                    hundredths % 100,
                    taken.wall / 1000,
                    taken.memory / 1024,
                    taken.cpu / i64::try_from(n)?,
                );
                // Documents that have nothing in common are no fleet: shown, not judged.
                let judged = n == 10_000 && shape != Shape::Apart && what != "pairwise";
                if judged && hundredths > 200 {
                    slow.push(format!("{what} {shape:?}"));
                }
                Ok(std::io::stdout().flush()?)
            };
            line("peer", peer)?;
            for verb in [
                &["check", "--from", &list][..],
                &["baseline"],
                &["plan", "--from", &list],
                &["label"],
            ] {
                let words: Vec<&str> = [vmig]
                    .iter()
                    .chain(verb)
                    .copied()
                    .chain([file.as_str(), "-q"])
                    .collect();
                line(verb[0], best(runs, &words)?)?;
            }
            if n <= 10_000 && shape == Shape::Distinct {
                line("pairwise", once(&[&own, "pairwise", &file])?)?;
            }
        }
    }
    if slow.is_empty() {
        println!("CPU for 10,000 sources of a fleet is at most twice that of the peer.");
        return Ok(());
    }
    bail!("more than twice the CPU of the peer: {}", slow.join(", "))
}
