// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Documents of the largest size, made to cost as much as they can: the helper answers, quickly, and
//! with 256 MiB beyond the input.

use std::{
    fs,
    path::Path,
    process::Command, //
};

const DOCUMENT_MAX: usize = 16 << 20;

/// A build that is not optimised gets documents of a sixteenth: what costs more than in proportion
/// shows in those, too.
const SIZE: usize = if cfg!(debug_assertions) {
    1 << 20
} else {
    DOCUMENT_MAX
};

/// Memory in KiB: 256 MiB beyond a document of the largest size. What is there before anything is
/// read does not shrink with the document.
const MEMORY: usize = if cfg!(debug_assertions) {
    (32 << 10) + 17 * (SIZE >> 10)
} else {
    (256 << 10) + (SIZE >> 10)
};

/// As many of `item(0)`, `item(1)` and so on, in commas, as fit into `room` bytes.
fn fill(room: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(room + 100);
    for n in 0.. {
        let item = item(n);
        if text.len() + item.len() + 1 > room {
            break;
        }
        if n > 0 {
            text.push(',');
        }
        text.push_str(&item);
    }
    text
}

/// The model `a/b` with these parameters and other members.
fn model(params: &str, more: &str) -> String {
    format!(r#"{{"models":{{"a/b":{{"params":{{{params}}}{more}}}}}}}"#)
}

fn documents() -> Vec<(&'static str, String)> {
    let room = SIZE - 200;
    let ignored = |inside: String| format!(r#"{{"models":{{}},"x":[{inside}]}}"#);
    // A quarter for parameters, half for constraints, a quarter for profiles; all at their limits
    // in 16 MiB.
    let names = SIZE / 4096;
    let param = |n| format!(r#""n{n}":{{"type":"int","init_value":1,"off_value":0}}"#);
    let params: Vec<String> = (0..names).map(param).collect();
    let params = params.join(",");
    let clauses: Vec<String> = (0..names).map(|n| format!(r#""n{n}":["0-9"]"#)).collect();
    let clauses = clauses.join(",");
    let constraint = format!(r#"{{"if":{{{clauses}}},"then":{{"n1":["1-9"]}}}}"#);
    let constraints = vec![constraint; 64].join(",");
    let profiles = (0..SIZE / 256).map(|n| format!(r#"{{"name":"p{n}","params":{{"n1":1}}}}"#));
    let profiles: Vec<String> = profiles.collect();
    let rules = format!(
        r#","constraints":[{constraints}],"profiles":[{}]"#,
        profiles.join(",")
    );
    let items = SIZE / 256;
    let ints: Vec<String> = (0..items).map(|n| (2 * n).to_string()).collect();
    let ints = ints.join(",");
    let strs: Vec<String> = (0..items).map(|n| format!("\"{n:x}\"")).collect();
    let strs = strs.join(",");
    let ones = vec!["1"; items].join(",");
    let many = |kind: &str, init: &str, items: &str| {
        let param = |n| {
            format!(r#""n{n}":{{"type":"{kind}","init_value":{init},"allowed_values":[{items}]}}"#)
        };
        model(&fill(room, param), "")
    };
    vec![
        ("ints", ignored(fill(room, |_| "1".to_owned()))),
        ("floats", ignored(fill(room, |_| "1.5".to_owned()))),
        ("arrays", ignored(fill(room, |_| "[1]".to_owned()))),
        ("empty arrays", ignored(fill(room, |_| "[]".to_owned()))),
        ("objects", ignored(fill(room, |_| "{\"a\":1}".to_owned()))),
        ("escapes", ignored(fill(room, |_| "\"\\n\"".to_owned()))),
        (
            "keys",
            ignored(format!("{{{}}}", fill(room, |n| format!("\"{n:x}\":1")))),
        ),
        ("the same int", many("int", "1", &ones)),
        ("other ints", many("int", "1", &ints)),
        ("strs", many("str", "\"1\"", &strs)),
        (
            "models",
            format!(
                "{{\"models\":{{{}}}}}",
                fill(room, |n| format!(r#""a/{n}":{{"versions":["v"]}}"#))
            ),
        ),
        ("constraints and profiles", model(&params, &rules)),
        ("one string", ignored(format!("\"{}\"", "x".repeat(room)))),
        (
            "too long",
            ignored(fill(DOCUMENT_MAX + 2000, |_| "1".repeat(1000))),
        ),
    ]
}

#[test]
fn documents_of_the_largest_size() {
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("list");
    fs::write(&list, "model: a/b\nn1=1\n").unwrap();
    for (name, text) in documents() {
        assert!(
            text.len() <= SIZE || name == "too long",
            "{name}: {}",
            text.len()
        );
        let file = directory.path().join("document.json");
        fs::write(&file, &text).unwrap();
        run(
            name,
            &["check", "--from", path(&list), path(&file), "-o", "json"],
        );
        run(name, &["info", path(&file), "-o", "json"]);
        run(name, &["info", path(&file)]);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(name: &str, words: &[&str]) {
    let limits = format!("ulimit -t 2 && ulimit -v {MEMORY} && exec \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limits, "sh", env!("CARGO_BIN_EXE_vmig")])
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let status = output.status.code();
    assert!(
        [Some(0), Some(1), Some(3), Some(4)].contains(&status),
        "{name}: {words:?}: {status:?}: {said}"
    );
    assert!(said.len() < 10_000, "{name}: {words:?}: {said}");
}
