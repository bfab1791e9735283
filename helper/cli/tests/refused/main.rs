// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Input that is refused: malformed documents and lists, limits, contradictions. Each row says what
//! the command exits with and what it prints, and the command is run as a process with at most 2
//! seconds of CPU and 256 MiB beyond its input.

mod complexity;
mod contradictions;
mod documents;
mod lists;

use std::{
    fs,
    path::Path,
    process::Command, //
};

/// A build that is not optimised gets more time for the same work.
const SECONDS: u32 = if cfg!(debug_assertions) { 20 } else { 2 };

/// What the address space may have beyond the input, in KiB.
const MEMORY: u64 = 256 << 10;

/// Runs `vmig` in `directory` under the limits: exit status, and all that it prints.
fn run(directory: &Path, words: &[&str]) -> (Option<i32>, String) {
    let input: u64 = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let memory = MEMORY + (input >> 10);
    let limits = format!("ulimit -t {SECONDS} && ulimit -v {memory} && exec \"$@\" 2>&1");
    let output = Command::new("sh")
        .args(["-c", &limits, "sh", env!("CARGO_BIN_EXE_vmig")])
        .args(words)
        .args(["--sysfs-root", "."])
        .current_dir(directory)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), said)
}

/// Files by name, in a directory of their own.
fn files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

const LIST: &[u8] = b"model: a/b\nn=1\n";

const GOOD: &[u8] =
    br#"{"models":{"a/b":{"params":{"n":{"type":"int","init_value":1,"allowed_values":[1,2]}}}}}"#;

/// An int parameter `n` of the model `a/b`, with these members.
fn int(members: &str) -> String {
    param("n", &format!(r#""type":"int","init_value":1{members}"#))
}

/// A parameter of the model `a/b`.
fn param(name: &str, members: &str) -> String {
    format!(r#"{{"models":{{"a/b":{{"params":{{"{name}":{{{members}}}}}}}}}}}"#)
}

/// The model `a/b` with a bool, an int and these members.
fn model(members: &str) -> String {
    let b = r#""b":{"type":"bool","init_value":true,"off_value":false}"#;
    let n = r#""n":{"type":"int","init_value":1,"off_value":0}"#;
    format!(r#"{{"models":{{"a/b":{{"params":{{{b},{n}}}{members}}}}}}}"#)
}

/// As many int parameters.
fn params(n: usize) -> String {
    let param = |n| format!(r#""p{n}":{{"type":"int","init_value":1}}"#);
    (0..n).map(param).collect::<Vec<_>>().join(",")
}

fn nested(n: usize) -> String {
    // The outermost object counts as one.
    let (open, close) = ("[".repeat(n - 1), "]".repeat(n - 1));
    format!(r#"{{"models":{{}},"x":{open}{close}}}"#)
}
