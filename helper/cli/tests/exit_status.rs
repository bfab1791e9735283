// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The table of exit status: each one is reached.

mod support;

use std::collections::BTreeSet;

use support::{
    kernel::EBUSY,
    Machine, //
};
use vmig_cli::{
    exit::Exit,
    guard, //
};

const A: &str = "83c3fb1a-0000-4000-8000-00000000000a";
const VAR: &str = "vmig/vmig-serial-var";
const LIST: &[u8] = b"model: vmig.example/pci-serial\nports=2\n";

type Prepare = fn(&Machine);

fn nothing(_: &Machine) {}

/// Refuses every write to an attribute of this name.
fn refuse(machine: &Machine, names: &'static [&'static str]) {
    machine.kernel.hook(move |path, _| {
        let name = path.file_name().unwrap().to_str().unwrap();
        names.contains(&name).then_some(EBUSY)
    });
}

const TABLE: &[(u8, Prepare, &[&str], &[u8])] = &[
    // Yes, or done.
    (0, nothing, &["check", "--from", "-", VAR], LIST),
    (0, nothing, &["check", "--from", "-", VAR, "/no/such"], LIST),
    (0, nothing, &["create", VAR, A, "--from", "-"], LIST),
    (0, nothing, &["remove", A], b""),
    (0, nothing, &["unstage", A], b""),
    (0, nothing, &["types"], b""),
    (0, nothing, &["--help"], b""),
    (0, nothing, &["--version"], b""),
    (0, nothing, &["help", "state", "save"], b""),
    (0, nothing, &["man"], b""),
    (0, nothing, &["man", "state", "save"], b""),
    (0, nothing, &["completions", "zsh"], b""),
    (
        0,
        nothing,
        &["check", "--from", "-", "./possible.json"],
        b"model: a/b\nn=2\n",
    ),
    // No, or refused by a rule.
    (
        1,
        nothing,
        &["check", "--from", "-", "vmig/vmig-serial-1"],
        LIST,
    ),
    (
        1,
        nothing,
        &["check", "--all", "--from", "-", "vmig/vmig-serial-1", VAR],
        LIST,
    ),
    (
        1,
        nothing,
        &["create", "vmig/vmig-serial-1", "--from", "-"],
        LIST,
    ),
    (
        1,
        nothing,
        &["commands", "--to", "vmig/vmig-serial-1", "--from", "-"],
        LIST,
    ),
    (
        1,
        nothing,
        &["commands", "--to", VAR, "--from", "-", "--tool", "virsh"],
        LIST,
    ),
    (
        1,
        |m| drop(m.run(&["stage", VAR, A, "--new"])),
        &["stage", VAR, A, "--from", "-"],
        LIST,
    ),
    (
        1,
        |m| drop(m.run(&["create", VAR, A, "--new"])),
        &["state", "save", A, "file"],
        b"",
    ),
    (
        1,
        |m| drop(m.run(&["create", VAR, A, "--new"])),
        &["set", A, "ports=3"],
        b"",
    ),
    // The command line.
    (2, nothing, &[], b""),
    (2, nothing, &["nonsense"], b""),
    (2, nothing, &["check"], b""),
    (2, nothing, &["check", "--from", "-", "-"], b""),
    (2, nothing, &["types", "-o", "xml"], b""),
    (2, nothing, &["types", "-q", "-v"], b""),
    (2, nothing, &["stage", VAR], b""),
    (2, nothing, &["stage", VAR, "--new", "--from", "-"], b""),
    (2, nothing, &["create", VAR, "not-a-uuid", "--new"], b""),
    (2, nothing, &["params", "not-a-uuid"], b""),
    (2, nothing, &["man", "nonsense"], b""),
    (
        2,
        nothing,
        &["commands", "--to", VAR, "--from", "-", "--tool", "qemu"],
        LIST,
    ),
    (2, nothing, &["completions", "cmd"], b""),
    // The input.
    (3, nothing, &["check", "--from", "-", VAR], b"nonsense\n"),
    (3, nothing, &["check", "--from", "-"], b"n=1\n"),
    (
        3,
        nothing,
        &["check", "--from", "-"],
        b"{\"schema\":\"vmig.params/9\"}",
    ),
    (
        3,
        nothing,
        &["check", "--from", "-", "--model", "a/b"],
        LIST,
    ),
    (3, nothing, &["info", "-"], b"{}"),
    (3, nothing, &["state", "show", "-"], b"vmig\r\n"),
    // The environment.
    (4, nothing, &["check", "--from", "-", "/no/such"], LIST),
    (4, nothing, &["check", "--from", "/no/such"], b""),
    (
        4,
        nothing,
        &["check", "--all", "--from", "-", VAR, "/no/such"],
        LIST,
    ),
    (
        4,
        |m| refuse(m, &["stage"]),
        &["create", VAR, A, "--from", "-"],
        LIST,
    ),
    (4, nothing, &["params", A], b""),
    (4, nothing, &["create", "vmig/nothing", "--new"], b""),
    // Undone, and not undone.
    (
        5,
        |m| refuse(m, &["create"]),
        &["create", VAR, A, "--from", "-"],
        LIST,
    ),
    (
        6,
        |m| refuse(m, &["create", "unstage"]),
        &["create", VAR, A, "--from", "-"],
        LIST,
    ),
    // Only possible.
    (
        7,
        nothing,
        &["check", "--strict", "--from", "-", "./possible.json"],
        b"model: a/b\nn=2\n",
    ),
    // Interrupted.
    (
        130,
        |m| m.interrupt.raise(),
        &["create", VAR, A, "--from", "-"],
        LIST,
    ),
];

#[test]
fn every_status_of_the_table() {
    let directory = tempfile::tempdir().unwrap();
    std::env::set_current_dir(&directory).unwrap();
    let possible = r#"{"models":{"a/b":{"params":{"n":{"type":"int","init_value":1}}}}}"#;
    std::fs::write("possible.json", possible).unwrap();
    let mut seen = BTreeSet::new();
    for (status, prepare, words, stdin) in TABLE {
        let machine = Machine::new();
        prepare(&machine);
        let said = machine.run_with(words, stdin);
        assert_eq!(said.status, *status, "{words:?}: {said:?}");
        seen.insert(*status);
        if *status != 0 {
            // The first line stands alone, or the answer is on standard output.
            let answer = matches!(words.first(), Some(&"check")) && said.err.is_empty();
            let usage = words.is_empty();
            let first = said.err.lines().next().unwrap_or_default();
            assert!(
                answer || usage || first.starts_with("vmig: "),
                "{words:?}: {said:?}"
            );
            assert!(answer != said.out.is_empty(), "{words:?}: {said:?}");
        }
    }
    seen.insert(guard::catch(|| panic!("on purpose")).status());
    assert_eq!(seen, BTreeSet::from([0, 1, 2, 3, 4, 5, 6, 7, 70, 130]));
    assert_eq!(guard::catch(|| Exit::No), Exit::No);
}
