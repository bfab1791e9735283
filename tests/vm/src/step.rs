// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Running a long command: output to a log file, signs of life on the terminal, and the lines
//! that matter when it fails.

use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

/// Runs `command` with its output in `log`, and returns that; `what` names it in messages ("kernel").
/// An exit status other than 0 is an error.
pub(crate) fn run(what: &str, command: &mut Command, log: &Path) -> Result<String> {
    let (status, text) = output(what, command, log)?;
    if status.success() {
        return Ok(text);
    }
    for line in telling_lines(&text) {
        eprintln!("  | {line}");
    }
    bail!("{what} failed ({status}), log: {}", log.display())
}

/// As [`run`], for commands whose exit status does not say it all.
///
/// While it runs, a line says how long it has been running and how many objects it has compiled.
pub(crate) fn output(
    what: &str,
    command: &mut Command,
    log: &Path,
) -> Result<(ExitStatus, String)> {
    if let Some(parent) = log.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| {
            format!(
                "{what}: cannot run {}",
                command.get_program().to_string_lossy()
            )
        })?;
    let terminal = std::io::stderr().is_terminal();
    let pace = Duration::from_secs(if terminal { 2 } else { 20 });
    let (mut nap, mut said) = (Duration::from_millis(5), start);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(200));
        if said.elapsed() >= pace {
            said = Instant::now();
            let objects = count_objects(&text_of(log));
            let counted = if objects > 0 {
                format!(", {objects} objects compiled")
            } else {
                String::new()
            };
            let end = if terminal { "\r" } else { "\n" };
            eprint!("  {what}: {} s{counted}{end}", start.elapsed().as_secs());
            std::io::stderr().flush().ok();
        }
    };
    if terminal && said != start {
        eprint!("\r\x1b[K");
    }
    Ok((status, text_of(log)))
}

fn text_of(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned()
}

/// Kbuild prints `  CC      file.o` for each object (`RUSTC L`, `CC [M]` and so on).
fn count_objects(log: &str) -> usize {
    let compiles = |line: &&str| {
        let mut words = line.split_ascii_whitespace();
        line.starts_with("  ")
            && matches!(words.next(), Some("CC" | "AS" | "RUSTC"))
            && words.next().is_some()
    };
    log.lines().filter(compiles).count()
}

/// The lines that say why: those that mention an error, else the last ones.
pub(crate) fn telling_lines(log: &str) -> Vec<&str> {
    const LIMIT: usize = 15;
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let is_error = |line: &str| {
        line.contains("rror:")
            || line.contains("rror[")
            || line.starts_with("E: ")
            || line.contains("No space left")
    };
    match lines.iter().position(|line| is_error(line)) {
        Some(first) => lines.into_iter().skip(first).take(LIMIT).collect(),
        None => lines
            .iter()
            .skip(lines.len().saturating_sub(LIMIT))
            .copied()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted() {
        for (log, count) in [
            ("", 0),
            (
                "  CC      init/main.o\n  CC [M]  a.o\n  RUSTC L rust/core.o\n  AS      b.o\n",
                4,
            ),
            (
                "  LD      vmlinux\nmake[1]: Entering CC\n  HOSTCC  x\n CC x\n  CC\n",
                0,
            ),
        ] {
            assert_eq!(count_objects(log), count, "{log:?}");
        }
    }

    #[test]
    pub(crate) fn telling_lines_start_at_the_first_error() {
        assert_eq!(telling_lines("a\n\nb\n"), ["a", "b"]);
        assert_eq!(
            telling_lines("a\nx.c:1: error: no\nnote\n"),
            ["x.c:1: error: no", "note"]
        );
        assert_eq!(telling_lines("a\nerror[E0308]: no\n"), ["error[E0308]: no"]);
        let long = "x\n".repeat(99);
        assert_eq!(telling_lines(&long).len(), 15);
    }

    #[test]
    fn failure_and_success_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let shell = |text: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", text]);
            run("it", &mut command, &log)
        };
        assert_eq!(shell("echo out; echo err >&2").unwrap(), "out\nerr\n");
        assert!(shell("exit 3")
            .unwrap_err()
            .to_string()
            .starts_with("it failed (exit status: 3)"));
    }
}
