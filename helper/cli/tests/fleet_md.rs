// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `helper/FLEET.md` is true: each of its commands is run by a shell, in its order and in one
//! directory, and prints what the page shows.
//!
//! The inventories that the page starts from are those of two hosts, one for each generation of the
//! driver. With `VMIG_GOLDEN=write` they and the page are written anew; look at the difference.

mod support;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{
        Path,
        PathBuf, //
    },
    process::{
        Command,
        Stdio, //
    },
};

use support::Machine;
use vmig_model::types::Generation;

const INVENTORIES: [(Generation, &str); 2] = [
    (Generation::One, "generation-1.json"),
    (Generation::Two, "generation-2.json"),
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn is_written_anew() -> bool {
    std::env::var_os("VMIG_GOLDEN").is_some_and(|value| value == "write")
}

/// What `vmig info -o json` prints on a host whose driver is of this generation. The one of the
/// newer generation is later, and another boot.
fn inventory(generation: Generation) -> String {
    let machine = Machine::bare();
    machine.kernel.parent("vmig", generation, false);
    let said = machine.run(&["info", "-o", "json"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    match generation {
        Generation::One => said.out,
        Generation::Two => {
            let boot = said.json()["boot_id"].as_str().unwrap().to_owned();
            let time = said.json()["time"].as_str().unwrap().to_owned();
            let out = said.out;
            let out = out.replace(&boot, "b1d3c1a4-52a0-4f6e-9e0b-6d6f2d1c0a42");
            out.replace(&time, "2026-11-22T20:30:00Z")
        }
    }
}

#[test]
fn inventories_are_those_of_the_driver() {
    for (generation, name) in INVENTORIES {
        let found = inventory(generation);
        // The page makes hosts of it by replacing this name.
        assert_eq!(found.matches("host-a").count(), 1);
        let path = repository("tests/golden/fleet").join(name);
        if is_written_anew() {
            fs::write(&path, &found).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), found, "{name}");
    }
}

/// A piece of the page.
enum Piece {
    /// Text, or lines that are shown but not run; with the end of its last line.
    Text(String),
    /// Lines of shell without any output: functions that commands use.
    Functions(String),
    /// A command, and what follows it.
    Command(String, String),
}

fn pieces(page: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut block: Option<&str> = None;
    for line in page.split_inclusive('\n') {
        let fence = line.trim_end().strip_prefix("```");
        match (block, fence) {
            (None, Some(language)) => block = Some(language),
            (Some(_), Some(_)) => block = None,
            _ => {}
        }
        let kind = block.filter(|_| fence.is_none());
        match (kind, line.strip_prefix("$ "), pieces.last_mut()) {
            (Some("console"), Some(command), _) => {
                pieces.push(Piece::Command(command.trim_end().to_owned(), String::new()));
            }
            (Some("console"), None, Some(Piece::Command(_, shown))) => shown.push_str(line),
            (Some("sh"), _, Some(Piece::Functions(text))) => text.push_str(line),
            (Some("sh"), _, _) => pieces.push(Piece::Functions(line.to_owned())),
            (_, _, Some(Piece::Text(text))) => text.push_str(line),
            _ => pieces.push(Piece::Text(line.to_owned())),
        }
    }
    pieces
}

/// What a terminal shows of a command, and its exit status where it is not 0.
fn run(functions: &str, command: &str, directory: &Path, programs: &Path) -> String {
    let path = std::env::var("PATH").unwrap();
    // Both streams go where a terminal would show them, so in this order.
    let script = format!("exec 2>&1\n{functions}\n{command}\n");
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let mut shown = String::from_utf8(output.stdout).unwrap();
    match output.status.code() {
        Some(0) => {}
        status => shown.push_str(&format!("[exit {}]\n", status.unwrap_or(-1))),
    }
    shown
}

#[test]
fn every_command_prints_what_the_page_shows() {
    let path = repository("helper/FLEET.md");
    let page = fs::read_to_string(&path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let work = directory.path().join("work");
    let programs = directory.path().join("bin");
    fs::create_dir(&work).unwrap();
    fs::create_dir(&programs).unwrap();
    symlink(env!("CARGO_BIN_EXE_vmig"), programs.join("vmig")).unwrap();
    for (generation, name) in INVENTORIES {
        fs::write(work.join(name), inventory(generation)).unwrap();
    }
    let (mut functions, mut found, mut commands) = (String::new(), String::new(), 0);
    for piece in pieces(&page) {
        match piece {
            Piece::Text(text) => found.push_str(&text),
            Piece::Functions(text) => {
                functions.push_str(&text);
                found.push_str(&text);
            }
            Piece::Command(command, shown) => {
                commands += 1;
                let said = run(&functions, &command, &work, &programs);
                if !is_written_anew() {
                    assert_eq!(said, shown, "$ {command}");
                }
                found.push_str(&format!("$ {command}\n{said}"));
            }
        }
    }
    assert!(commands >= 20, "the page has its commands: {commands}");
    if is_written_anew() {
        fs::write(&path, found).unwrap();
    } else {
        assert_eq!(found, page);
    }
}
