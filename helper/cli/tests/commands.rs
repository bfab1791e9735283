// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig commands` for each tool: what is printed is run by sh(1), with programs in the tools' places
//! that write down what they are given; and that has to be what the JSON form says.

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{
        Path,
        PathBuf, //
    },
    process::Command,
};

use serde_json::{
    json,
    Value, //
};
use support::{
    Machine,
    Said, //
};
use tempfile::TempDir;

const A: &str = "83c3fb1a-0000-4000-8000-00000000000a";
const NAME: &str = "mdev_83c3fb1a_0000_4000_8000_00000000000a_0000_00_06_0";

/// Writes down its words, each after its length, and its input; fails if told to.
const RECORDER: &str = r#"#!/bin/sh
n=$(cat "$0.count" 2>/dev/null || echo 0)
echo $((n + 1)) >"$0.count"
{ for word in "${0##*/}" "$@"; do printf '%s\0' "$word"; done; } >"$0.$n.argv"
cat >"$0.$n.stdin"
[ ! -e "$0.fail" ]
"#;

/// A directory with tools, an inventory of a PCI parent, and lists.
struct Bench {
    machine: Machine,
    directory: TempDir,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for tool in ["vmig", "mdevctl", "virsh", "qemu-system-x86_64"] {
            let path = directory.path().join(tool);
            fs::write(&path, RECORDER).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self {
            machine: Machine::new(),
            directory,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// An inventory of another host: one parent, one type, whose parameter `s` takes anything.
    fn inventory(&self, parent: &str) -> String {
        let params = json!({
            "n": {"type": "int", "init_value": 1, "off_value": 1, "allowed_values": ["1-8"]},
            "on": {"type": "bool", "init_value": false, "off_value": false},
            "s": {"type": "str", "init_value": "x"},
        });
        let inventory = json!({
            "schema": "vmig.inventory/1", "host": "host-b", "boot_id": null,
            "time": "2026-11-22T18:00:00Z", "vmig": "0.1.0", "kernel": "7.3",
            "implementations": [{
                "parent": parent, "type": "vmig-t", "driver": "vmig", "digest": format!("sha256:{}", "0".repeat(64)),
                "info": {"models": {"a/b": {"params": params}}},
            }],
        });
        self.file("inventory.json", &inventory.to_string())
    }

    fn commands(&self, list: &str, to: &str, words: &[&str]) -> Said {
        let list = self.file("list", list);
        let begin = ["commands", "-q", "--from", &list, "--to", to];
        self.machine.run(&[&begin[..], words].concat())
    }

    /// Runs a script with these arguments; returns what each call of a tool was given, and whether
    /// all went well.
    fn run(&self, script: &str, arguments: &[&str]) -> (Vec<(Vec<String>, String)>, bool) {
        let path = format!(
            "{}:{}",
            self.directory.path().display(),
            std::env::var("PATH").unwrap()
        );
        let script = self.file("script", script);
        let output = Command::new("sh")
            .arg(script)
            .args(arguments)
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        let mut calls = Vec::new();
        for tool in ["vmig", "mdevctl", "virsh", "qemu-system-x86_64"] {
            for n in 0.. {
                let part = |part| self.path(&format!("{tool}.{n}.{part}"));
                let Ok(argv) = fs::read_to_string(part("argv")) else {
                    break;
                };
                let argv = argv.split_terminator('\0').map(str::to_owned).collect();
                calls.push((argv, fs::read_to_string(part("stdin")).unwrap()));
                fs::remove_file(part("argv")).unwrap();
            }
            let _ = fs::remove_file(self.path(&format!("{tool}.count")));
        }
        (calls, output.status.success())
    }
}

/// What the JSON form says that is called.
fn calls(document: &Value, arguments: &[&str]) -> Vec<(Vec<String>, String)> {
    let commands = document["commands"].as_array().unwrap();
    let call = |command: &Value| {
        let argv = command["argv"].as_array().unwrap();
        let mut argv: Vec<String> = argv
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect();
        if command["more"] == json!(true) {
            argv.splice(1..1, arguments.iter().map(|word| (*word).to_owned()));
        }
        let stdin = command["stdin"].as_str().unwrap_or_default();
        (argv, stdin.to_owned())
    };
    commands.iter().map(call).collect()
}

/// Values that shells, JSON and XML each have their trouble with.
const VALUES: &[&str] = &[
    "x",
    "",
    " ",
    "a b",
    "'",
    "\"",
    "`id`$(id)$HOME\\",
    "END",
    "<&>'\"",
    "*?[a]~!#;|&",
    "-n",
    "%s\\n",
    "\t\r",
    "\u{e9}\u{202e}\u{200b}",
    "]]>",
    "a=b",
];

#[test]
fn text_does_what_json_says() {
    let bench = Bench::new();
    let pci = bench.inventory("0000:00:06.0");
    let mut ran = 0;
    for value in VALUES {
        let list = format!("model: a/b\nn=4\ns={value}\n");
        for words in [
            &["--tool", "vmig"][..],
            &["--tool", "vmig", "--uuid", A, "--keep"],
            &["--tool", "mdevctl"],
            &["--tool", "mdevctl", "--uuid", A, "--keep"],
            &["--tool", "mdevctl", "--uuid", A, "--define"],
            &["--tool", "virsh"],
            &["--tool", "virsh", "--uuid", A, "--define", "--keep"],
            &["--tool", "qemu", "--uuid", A],
            &[
                "--tool", "qemu", "--uuid", A, "--attach", "cdev", "--addr", "05.0",
            ],
        ] {
            let said = bench.commands(&list, &pci, words);
            assert_eq!(
                (said.status, said.err.as_str()),
                (0, ""),
                "{value:?} {words:?}"
            );
            let document = bench
                .commands(&list, &pci, &[words, &["-o", "json"]].concat())
                .json();
            assert_eq!(document["params"], json!({"n": 4, "on": false, "s": value}));
            let arguments = ["-m", "1 G"];
            let expected = calls(&document, &arguments);
            let (found, good) = bench.run(&said.out, &arguments);
            assert!(good, "{}", said.out);
            assert_eq!(found, expected, "{}", said.out);
            ran += found.len();
        }
    }
    assert_eq!(ran, VALUES.len() * 13);
}

/// The first that fails ends it.
#[test]
fn a_failure_ends_the_script() {
    let bench = Bench::new();
    let pci = bench.inventory("0000:00:06.0");
    for tool in ["mdevctl", "virsh", "vmig"] {
        bench.file(&format!("{tool}.fail"), "");
    }
    for words in [
        &["--tool", "mdevctl", "--uuid", A, "--define"][..],
        &["--tool", "virsh", "--uuid", A, "--define"],
        &["--tool", "qemu", "--uuid", A],
    ] {
        let said = bench.commands("model: a/b\ns=x\n", &pci, words);
        let (found, good) = bench.run(&said.out, &[]);
        assert!(!good && found.len() == 1, "{found:?}");
    }
}

/// What the callout reads is what the command for mdevctl gives.
#[test]
fn mdevctl_is_given_every_parameter() {
    let bench = Bench::new();
    let to = "vmig/vmig-serial-var";
    let list = "model: vmig.example/pci-serial\nports=2\n";
    let said = bench.commands(list, to, &["--tool", "mdevctl", "--uuid", A, "--keep"]);
    let (found, _) = bench.run(&said.out, &[]);
    let [(argv, stdin)] = found.as_slice() else {
        panic!("{found:?}");
    };
    let words = [
        "mdevctl",
        "start",
        "--uuid",
        A,
        "--parent",
        "vmig",
        "--jsonfile",
        "/dev/stdin",
    ];
    assert_eq!(*argv, words);
    let attrs = json!([
        {"migration/auto-flow": "off"}, {"migration/fifo-size": "16"}, {"migration/line-stats": "off"},
        {"migration/ports": "2"}, {"vmig/keep": "1"},
    ]);
    let config: Value = serde_json::from_str(stdin).unwrap();
    assert_eq!(
        config,
        json!({"mdev_type": "vmig-serial-var", "start": "manual", "attrs": attrs})
    );
    let words = [
        "-t",
        "vmig-serial-var",
        "-e",
        "pre",
        "-a",
        "start",
        "-s",
        "none",
        "-u",
        A,
        "-p",
        "vmig",
    ];
    let said = bench.machine.callout(&words, stdin.as_bytes());
    assert_eq!((said.status, said.err.as_str()), (0, ""));
}

#[test]
fn virsh_is_given_what_libvirt_knows() {
    let bench = Bench::new();
    let pci = bench.inventory("0000:00:06.0");
    let words = [
        "--tool", "virsh", "--uuid", A, "--define", "--keep", "-o", "json",
    ];
    let document = bench
        .commands("model: a/b\ns='<&>\t\n", &pci, &words)
        .json();
    let xml = format!(
        "<device>\n  <parent>pci_0000_00_06_0</parent>\n  <capability type='mdev'>\n    \
         <type id='vmig-t'/>\n    <uuid>{A}</uuid>\n    <attr name='migration/n' value='1'/>\n    \
         <attr name='migration/on' value='off'/>\n    \
         <attr name='migration/s' value='&apos;&lt;&amp;&gt;&#9;'/>\n    \
         <attr name='vmig/keep' value='1'/>\n  </capability>\n</device>\n"
    );
    let define = json!({"argv": ["virsh", "nodedev-define", "/dev/stdin"], "stdin": xml});
    let start = json!({"argv": ["virsh", "nodedev-start", NAME]});
    assert_eq!(document["commands"], json!([define, start]));
    let domain = format!(
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'>\
         <source><address uuid='{A}'/></source></hostdev>"
    );
    assert_eq!(document["domain_xml"], json!(domain));
    // A value that XML cannot say, and a parent that libvirt does not see.
    for (list, to, part) in [
        (
            "model: a/b\ns=\u{1b}\n",
            pci.as_str(),
            "migration/s: '\\u{1b}' cannot be said in XML",
        ),
        (
            "model: vmig.example/pci-serial\nports=2\n",
            "vmig/vmig-serial-var",
            "libvirt does not see the parent vmig: it knows",
        ),
    ] {
        let said = bench.commands(list, to, &["--tool", "virsh"]);
        assert_eq!((said.status, said.out.as_str()), (1, ""));
        assert!(
            said.err.contains(part) && said.err.contains("--tool mdevctl"),
            "{}",
            said.err
        );
    }
}

#[test]
fn options_that_make_no_sense() {
    let bench = Bench::new();
    let pci = bench.inventory("0000:00:06.0");
    let bare = bench.file("bare.json", r#"{"models":{"a/b":{"versions":["x"]}}}"#);
    for (to, words, part) in [
        (&pci, &["--tool", "qemu"][..], "--uuid UUID"),
        (&pci, &["--tool", "mdevctl", "--define"], "--uuid UUID"),
        (&pci, &["--tool", "virsh", "--define"], "--uuid UUID"),
        (
            &pci,
            &["--tool", "vmig", "--define"],
            "--tool mdevctl or virsh",
        ),
        (&pci, &["--tool", "mdevctl", "--addr", "5"], "--tool qemu"),
        (
            &pci,
            &["--tool", "virsh", "--attach", "cdev"],
            "--tool qemu",
        ),
        (
            &pci,
            &["--tool", "qemu", "--uuid", A, "--addr", "5,x-y=z"],
            "not SLOT",
        ),
        (&pci, &["--tool", "mdevctl", "--exec"], "--tool program"),
        (&pci, &["--tool", "virsh", "--uuid", "x"], "not a UUID"),
        (
            &bare,
            &["--tool", "mdevctl"],
            "it is not known at which mdev type",
        ),
        (
            &bare,
            &["--tool", "virsh"],
            "it is not known at which mdev type",
        ),
    ] {
        let list = if to == &bare {
            "model: a/b\nversion=x\n"
        } else {
            "model: a/b\ns=x\n"
        };
        let said = bench.commands(list, to, words);
        assert_eq!(
            (said.status, said.out.as_str()),
            (2, ""),
            "{words:?}: {}",
            said.err
        );
        assert!(said.err.contains(part), "{words:?}: {}", said.err);
    }
    assert!(Path::new(&bare).exists());
}
