// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Bad input, at every place that takes one: the exit status is one of the contract's, the message
//! says where it was, nothing is written, nothing panics, and it is quick.

mod support;

use std::{
    fs,
    time::{
        Duration,
        Instant, //
    },
};

use support::{
    Machine,
    Said, //
};

const A: &str = "83c3fb1a-0000-4000-8000-00000000000a";
const VAR: &str = "vmig/vmig-serial-var";
const MIB: usize = 1 << 20;

/// What is put everywhere. None of it is a list, a document, a UUID, a place or a pair.
fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let object = |members: &str| text(&format!("{{{members}}}"));
    let many = (0..40_000).map(|n| format!("\"key{n}\":1,"));
    vec![
        ("empty", text("")),
        ("newline", text("\n")),
        ("NUL", text("\0")),
        ("1 MiB of x", text(&"x".repeat(MIB))),
        ("1 MiB of NUL", vec![0; MIB]),
        ("1 MiB of [", text(&"[".repeat(MIB))),
        ("1 MiB of {", text(&"{".repeat(MIB))),
        ("1 MiB of nested objects", text(&"{\"a\":".repeat(MIB / 5))),
        ("1 MiB of digits", text(&"9".repeat(MIB))),
        ("1 MiB of =", text(&"=".repeat(MIB))),
        ("1 MiB of /", text(&"/".repeat(MIB))),
        ("1 MiB of newlines", text(&"\n".repeat(MIB))),
        ("1 MiB string", text(&format!("\"{}\"", "x".repeat(MIB)))),
        ("1 MiB of escape characters", vec![0x1b; MIB]),
        ("1 MiB of 0xff", vec![0xff; MIB]),
        (
            "many members",
            object(&(many.collect::<String>() + "\"models\":1")),
        ),
        ("not UTF-8", b"model: a/b\n\xff=1\n".to_vec()),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("lone surrogate", text(r#"{"schema":"\ud800"}"#)),
        (
            "duplicate keys",
            text(r#"{"models":{},"schema":"vmig.params/1","models":{}}"#),
        ),
        ("duplicate names", text("model: a/b\nn=1\nn=2\n")),
        ("path up", text("../x")),
        ("absolute path", text("/no/such/x")),
        ("null", text("null")),
        ("array", text("[]")),
        ("number", text("1e3")),
        (
            "unknown schema",
            text(r#"{"schema":"vmig.params/2","model":"a/b","params":{}}"#),
        ),
        (
            "truncated",
            text(r#"{"schema":"vmig.params/1","model":"a/b","params":{"#),
        ),
        (
            "wrong types",
            text(r#"{"schema":1,"models":"a/b","params":[]}"#),
        ),
        (
            "terminal escapes",
            text("\u{1b}]0;title\u{7}\u{1b}[2J=\u{9b}1m\u{202e}"),
        ),
    ]
}

fn assert_good_answer(said: &Said, what: &str) {
    assert!([1, 2, 3, 4].contains(&said.status), "{what}: {said:?}");
    let out_is_answer = said.out.contains("unknown") || said.out.contains("vmig.");
    assert!(
        out_is_answer || said.out.is_empty(),
        "{what}: {}",
        &said.out[..200]
    );
    assert!(
        out_is_answer || said.err.starts_with("vmig: "),
        "{what}: {}",
        said.err
    );
    for text in [&said.out, &said.err] {
        let active = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(active), "{what}: {}", text.escape_debug());
        assert!(text.len() < 40_000, "{what}: {} bytes", text.len());
    }
}

/// Runs `words`, in which `@` stands for the input.
fn run(machine: &Machine, words: &[&str], input: &str, stdin: &[u8]) -> Said {
    let words: Vec<&str> = words
        .iter()
        .map(|word| if *word == "@" { input } else { word })
        .collect();
    machine.run_with(&words, stdin)
}

#[test]
fn contents() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file.json");
    let path = file.to_str().unwrap();
    let machine = Machine::new();
    machine.run(&["create", VAR, A, "--new"]);
    let before = machine.kernel.snapshot();
    let list = b"model: a/b\nn=1\n";
    for (name, input) in inputs() {
        fs::write(&file, &input).unwrap();
        // Where a list is read, then where documents are, then a stream; from a file and a pipe.
        for words in [
            &["check", "--from", "@", VAR][..],
            &["check", "--from", "@", VAR, "-o", "json"],
            &["create", VAR, "--from", "@"],
            &["stage", VAR, "--from", "@"],
            &["set", A, "--from", "@"],
            &["commands", "--to", VAR, "--from", "@"],
            &["commands", "--to", VAR, "--from", "@", "--tool", "mdevctl"],
            &["info", "@"],
            &["info", "@", "-o", "json"],
            &["state", "show", "@"],
            &["state", "show", "@", "-o", "json"],
        ] {
            for (place, stdin) in [(path, &b""[..]), ("-", &input)] {
                let begin = Instant::now();
                let said = run(&machine, words, place, stdin);
                let what = format!("{name}: {words:?} {place}");
                assert_good_answer(&said, &what);
                assert_eq!(said.status, 3, "{what}: {}", said.err);
                assert!(begin.elapsed() < Duration::from_secs(5), "{what}");
            }
        }
        let check = ["check", "--from", "-", "@", "--all"];
        for source in [path, directory.path().to_str().unwrap()] {
            let said = run(&machine, &check, source, list);
            assert_good_answer(&said, name);
            assert_eq!(said.status, 3, "{name}: {said:?}");
        }
    }
    assert!(machine.kernel.snapshot() == before);
}

#[test]
fn words() {
    let machine = Machine::new();
    machine.run(&["create", VAR, A, "--new"]);
    let before = machine.kernel.snapshot();
    for (name, input) in inputs() {
        // What is not UTF-8 cannot be a str here; `process.rs` has it.
        let Ok(input) = String::from_utf8(input) else {
            continue;
        };
        for words in [
            &["check", "--from", "@"][..],
            &["check", "--from", "/dev/null", "--model", "@"],
            &["check", "--from", "/dev/null", "--model", "a/b", "@"],
            &["info", "@"],
            &["params", "@"],
            &["create", "@", "--new"],
            &["create", VAR, "@", "--new"],
            &["create", VAR, "--from", "@"],
            &["stage", "@", "--new"],
            &["stage", VAR, "@", "--new"],
            &["unstage", "@"],
            &["unstage", "--all", "--at", "@"],
            &["set", "@", "ports=1"],
            &["set", A, "@"],
            &[
                "commands",
                "--from",
                "/dev/null",
                "--model",
                "a/b",
                "--to",
                "@",
            ],
            &[
                "commands",
                "--from",
                "/dev/null",
                "--model",
                "a/b",
                "--to",
                VAR,
                "--uuid",
                "@",
            ],
            &["state", "save", "@", "/no/such/file"],
            &["state", "load", A, "@"],
            &["state", "show", "@"],
            &["man", "@"],
        ] {
            // A UUID that is not there is no failure for these; `-` is not among the inputs.
            let said = run(&machine, words, &input, b"");
            assert_good_answer(&said, &format!("{name}: {words:?}"));
        }
    }
    assert!(machine.kernel.snapshot() == before);
}

/// Words that one of a few is wanted for. The longest argument that Linux passes has 128 KiB.
#[test]
fn choices() {
    let machine = Machine::new();
    let long = "x".repeat((128 << 10) - 1);
    let lines = "a\n".repeat(1000);
    for input in ["", "\0", "../x", "\u{1b}[2J\u{202e}", &long, &lines] {
        for words in [
            &["info", "-o", "@"][..],
            &["info", "--color", "@"],
            &["set", A, "--keep", "@"],
            &["commands", "--tool", "@"],
            &["commands", "--attach", "@"],
            &["completions", "@"],
            &["@"],
        ] {
            let said = run(&machine, words, input, b"");
            assert_good_answer(&said, &format!("{words:?}"));
            assert_eq!(said.status, 2, "{words:?}");
        }
    }
}

/// Attributes of a driver that says nonsense.
#[test]
fn attributes() {
    for (name, input) in inputs() {
        let machine = Machine::new();
        machine.run(&["create", VAR, A, "--new"]);
        let device = machine.sys().join("bus/mdev/devices").join(A);
        let kind = machine
            .sys()
            .join("class/mdev_bus")
            .join(VAR.replace('/', "/mdev_supported_types/"));
        for (path, words, status) in [
            (
                kind.join("migration_info.json"),
                &["info", VAR][..],
                &[3u8][..],
            ),
            (kind.join("migration_info.json"), &["params", A], &[3]),
            (
                kind.join("migration_info.json"),
                &["create", VAR, "--new"],
                &[3],
            ),
            (kind.join("migration/model"), &["params", A], &[0, 3]),
            (
                kind.join("migration/staged"),
                &["unstage", "--all"],
                &[0, 3],
            ),
            (
                kind.join("available_instances"),
                &["create", VAR, "--new"],
                &[3],
            ),
            (device.join("migration/ports"), &["params", A], &[3]),
            (device.join("vmig/in_use"), &["remove", A], &[3]),
            (device.join("vmig/keep"), &["set", A, "--keep", "on"], &[3]),
        ] {
            let good = fs::read(&path).unwrap();
            fs::write(&path, &input).unwrap();
            let before = machine.kernel.snapshot();
            let said = machine.run(words);
            let what = format!("{name} in {}: {said:?}", path.display());
            let what = &what[..what.len().min(2000)];
            assert!(status.contains(&said.status), "{what}");
            assert!(
                said.status != 0 || input.iter().all(u8::is_ascii_whitespace),
                "{what}"
            );
            assert!(machine.kernel.snapshot() == before, "{what}");
            fs::write(&path, good).unwrap();
        }
    }
}
