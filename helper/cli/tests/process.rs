// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The command as a process: arguments that are no text, signals, pipes that close, scripts.

use std::{
    ffi::OsStr,
    fs,
    io::{
        Read,
        Write, //
    },
    os::unix::{
        ffi::OsStrExt,
        process::ExitStatusExt, //
    },
    path::Path,
    process::{
        Child,
        Command,
        Output,
        Stdio, //
    },
    thread,
    time::Duration,
};

use nix::{
    sys::{
        signal::{
            kill,
            Signal, //
        },
        stat::Mode,
    },
    unistd::{
        mkfifo,
        Pid, //
    },
};

fn vmig() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmig"));
    command.stdin(Stdio::null());
    command
}

fn send(child: &Child, signal: Signal) {
    let id = child.id().try_into().unwrap();
    kill(Pid::from_raw(id), signal).unwrap();
}

#[test]
fn words_that_are_no_text() {
    for words in [
        &[&b"info"[..], b"\xff\xfe"][..],
        &[b"check", b"--from", b"\xff"],
        &[b"params", b"\xff"],
        &[b"\xff"],
    ] {
        let words = words.iter().map(|word| OsStr::from_bytes(word));
        let output = vmig().args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
        assert!(output.stderr.starts_with(b"vmig: "), "{output:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("many.json");
    let document = r#"{"models":{"a/b":{"versions":["v1"]}}}"#;
    fs::write(&file, document.repeat(20_000)).unwrap();
    for form in ["text", "json"] {
        let mut child = vmig()
            .args(["info", "-o", form])
            .arg(&file)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 16];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{form}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{form}");
    }
    // A disk that is full is one.
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = vmig().arg("man").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("(ENOSPC)"));
}

#[test]
fn a_signal_ends_a_verb_that_reads() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut child = vmig()
            .args(["check", "--from", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // More than a pipe holds: written means that it reads, and waits for the rest of the list.
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&[b'\n'; 1 << 17]).unwrap();
        send(&child, signal);
        let status = child.wait().unwrap();
        assert_eq!(
            (status.code(), status.signal()),
            (Some(130), None),
            "{signal}"
        );
    }
}

/// A type whose `create` is a FIFO, so that the helper is caught between two writes.
#[test]
fn a_signal_between_two_writes_undoes_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let kind = directory
        .path()
        .join("class/mdev_bus/p/mdev_supported_types/t");
    fs::create_dir_all(kind.join("migration")).unwrap();
    fs::create_dir_all(directory.path().join("bus/mdev/devices")).unwrap();
    let info = r#"{"models":{"a/b":{"params":{"n":{"type":"int","init_value":1}}}}}"#;
    for (name, text) in [
        ("migration_info.json", info),
        ("available_instances", "1\n"),
        ("migration/model", "a/b\n"),
        ("migration/stage", ""),
        ("migration/staged", ""),
        ("migration/unstage", ""),
    ] {
        fs::write(kind.join(name), text).unwrap();
    }
    let create = kind.join("create");
    mkfifo(&create, Mode::S_IRWXU).unwrap();
    let uuid = "83c3fb1a-0000-4000-8000-00000000000a";
    let child = vmig()
        .arg("--sysfs-root")
        .arg(directory.path())
        .args(["create", "p/t", uuid, "--new"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The list is staged, and the helper waits for somebody to read from `create`.
    let staged = kind.join("migration/stage");
    while fs::read_to_string(&staged).unwrap().is_empty() {
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(100));
    send(&child, Signal::SIGINT);
    thread::sleep(Duration::from_millis(100));
    let mut written = String::new();
    fs::File::open(&create)
        .unwrap()
        .read_to_string(&mut written)
        .unwrap();
    assert_eq!(written, uuid);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(
        fs::read_to_string(kind.join("migration/unstage")).unwrap(),
        uuid
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("vmig: ") && said.contains("interrupted"),
        "{said}"
    );
    assert!(output.stdout.is_empty());
}

fn complete(shell: &str, script: &Path) -> Option<Output> {
    let mut command = Command::new(shell);
    command.arg("-n").arg(script);
    command.output().ok()
}

#[test]
fn completions_are_scripts() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = vmig().args(["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        for verb in ["types", "unstage", "completions", "sysfs-root"] {
            assert!(text.contains(verb), "{shell}: {verb}");
        }
        let script = directory.path().join(shell);
        fs::File::create(&script)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        match complete(shell, &script) {
            Some(output) => assert!(output.status.success(), "{output:?}"),
            None => println!("skipped: there is no {shell} here to read its script"),
        }
    }
}

#[test]
fn manual_pages() {
    let directory = tempfile::tempdir().unwrap();
    let status = vmig()
        .args(["man", "--directory"])
        .arg(directory.path())
        .status()
        .unwrap();
    assert!(status.success());
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let verbs = [
        "baseline",
        "check",
        "commands",
        "compare",
        "completions",
        "conform",
        "create",
        "info",
        "label",
        "man",
        "params",
        "plan",
        "remove",
        "set",
        "stage",
        "state",
        "state-load",
        "state-save",
        "state-show",
        "types",
        "unstage",
    ];
    let mut expected: Vec<String> = verbs.iter().map(|verb| format!("vmig-{verb}.1")).collect();
    expected.push("vmig.1".to_owned());
    expected.sort();
    assert_eq!(names, expected);
    for name in names {
        let page = fs::read_to_string(directory.path().join(&name)).unwrap();
        let title = name.strip_suffix(".1").unwrap();
        assert!(page.contains(&format!(".TH {title} 1")), "{name}: {page}");
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
        // The page alone is what `vmig man VERB` prints.
        let words: Vec<&str> = title.split('-').skip(1).collect();
        let output = vmig().arg("man").args(&words).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), page, "{name}");
    }
    let page = fs::read_to_string(directory.path().join("vmig.1")).unwrap();
    assert!(
        page.contains("interrupted, everything is undone"),
        "the exit status is documented"
    );
}
