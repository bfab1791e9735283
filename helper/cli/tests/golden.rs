// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Golden tests: the files in `tests/golden/cli` are sessions on the machine of [`support`].
//!
//! A line `$ vmig ...` is a command (with `< FILE` for standard input, quotes as in a shell); what
//! follows is its output, then what it said on standard error, each line after `! `, and the exit
//! status if it is not 0. A line beginning with `#` is a comment. With `VMIG_GOLDEN=write` the files
//! are written anew; look at the difference.

mod support;

use std::{
    fs,
    path::Path, //
};

use support::{
    Machine,
    Said, //
};

#[test]
fn sessions() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/cli");
    // Sources are shown as typed, so they are typed relative to the sessions.
    std::env::set_current_dir(&directory).unwrap();
    let mut sessions: Vec<_> = fs::read_dir(".")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".session"))
        .collect();
    sessions.sort();
    assert!(!sessions.is_empty());
    let mut wrong = Vec::new();
    for name in sessions {
        let expected = fs::read_to_string(&name).unwrap();
        let found = play(&expected);
        if std::env::var_os("VMIG_GOLDEN").is_some_and(|value| value == "write") {
            fs::write(&name, &found).unwrap();
        } else if found != expected {
            wrong.push(format!("{name}:\n{}", difference(&expected, &found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs the commands of a session, and returns it as it should be.
fn play(session: &str) -> String {
    let machine = Machine::new();
    let mut found = String::new();
    for line in session.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            if !found.is_empty() {
                found.push('\n');
            }
            found.push_str(&format!("$ {command}\n{}", show(&run(&machine, command))));
        } else if line.starts_with('#') {
            let end = if found.is_empty() || found.ends_with('#') {
                ""
            } else {
                "\n"
            };
            let more = found
                .lines()
                .last()
                .is_some_and(|last| last.starts_with('#'));
            found.push_str(if more { "" } else { end });
            found.push_str(&format!("{line}\n"));
        }
    }
    found
}

fn run(machine: &Machine, command: &str) -> Said {
    let words = shlex::split(command).expect("balanced quotes");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // A device that someone has open, for the sessions that want one.
    if let ["open" | "close", uuid] = words.as_slice() {
        let path = machine
            .sys()
            .join("bus/mdev/devices")
            .join(uuid)
            .join("vmig/in_use");
        let flag = if words[0] == "open" { "1\n" } else { "0\n" };
        fs::write(path, flag).unwrap();
        return Said {
            status: 0,
            out: String::new(),
            err: String::new(),
        };
    }
    match words.as_slice() {
        ["vmig", words @ .., "<", file] => machine.run_with(words, &fs::read(file).unwrap()),
        ["vmig", words @ ..] => machine.run(words),
        _ => panic!("not a vmig command: {command}"),
    }
}

fn show(said: &Said) -> String {
    let mut shown = said.out.clone();
    for line in said.err.lines() {
        shown.push_str(&format!("! {line}\n"));
    }
    if said.status != 0 {
        shown.push_str(&format!("[exit {}]\n", said.status));
    }
    shown
}

fn difference(expected: &str, found: &str) -> String {
    let first = expected
        .lines()
        .zip(found.lines())
        .position(|(a, b)| a != b);
    let first = first.unwrap_or(expected.lines().count().min(found.lines().count()));
    let excerpt = |text: &str| {
        let lines: Vec<&str> = text
            .lines()
            .skip(first.saturating_sub(2))
            .take(12)
            .collect();
        lines.join("\n")
    };
    format!(
        "from line {}\n--- expected\n{}\n--- found\n{}\n",
        first + 1,
        excerpt(expected),
        excerpt(found)
    )
}
