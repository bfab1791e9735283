// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig state`, as far as it goes without a VFIO device: what is refused before one is opened, and
//! `state show` on the golden streams. Saving and loading are tested in the VM.

mod support;

use std::fs;

use support::{
    streams,
    Machine, //
};

const A: &str = "83c3fb1a-0000-4000-8000-00000000000a";

#[test]
fn golden_streams_are_shown() {
    let machine = Machine::bare();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state");
    for (name, bytes) in streams() {
        fs::write(&file, &bytes).unwrap();
        let said = machine.run(&["state", "show", file.to_str().unwrap(), "-o", "json"]);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{name}");
        let shown = said.json();
        let model = match name.contains("/accel-") {
            true => "vmig.example/accel",
            false => "vmig.example/pci-serial",
        };
        assert_eq!(shown["model"], model);
        assert_eq!(shown["bytes"], bytes.len());
        let records = shown["records"].as_array().unwrap();
        assert_eq!(records[0]["name"], "model");
        assert_eq!(records[1]["name"], "parameters");
        assert_eq!(records.last().unwrap()["name"], "trailer");
        // The records follow each other without a gap, each 12 bytes longer than its payload.
        let mut at = 16;
        for record in records {
            assert_eq!(record["offset"], at);
            at += record["bytes"].as_u64().unwrap() + 12;
        }
        assert_eq!(at, bytes.len() as u64);
        // The same from standard input, and as text.
        let text = machine.run_with(&["state", "show", "-"], &bytes).out;
        assert!(text.contains(&format!("model: {model}\n")), "{text}");
        for (name, value) in shown["params"].as_object().unwrap() {
            let value = match value {
                serde_json::Value::Bool(true) => "on".to_owned(),
                serde_json::Value::Bool(false) => "off".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert!(text.contains(&format!("{name}={value}\n")), "{text}");
        }
    }
}

#[test]
fn broken_streams_are_not() {
    let machine = Machine::bare();
    let shortest = streams().into_iter().min_by_key(|(_, bytes)| bytes.len());
    let (_, bytes) = shortest.unwrap();
    for end in 0..bytes.len() {
        let said = machine.run_with(&["state", "show", "-"], &bytes[..end]);
        assert_eq!((said.status, said.out.as_str()), (3, ""), "{end}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        let said = machine.run_with(&["state", "show", "-"], &flipped);
        // The minor version may be any, but its checksum then is wrong.
        assert_eq!((said.status, said.out.as_str()), (3, ""), "{at}");
    }
    let mut longer = bytes;
    longer.push(0);
    let said = machine.run_with(&["state", "show", "-", "-o", "json"], &longer);
    assert_eq!(said.status, 3);
    assert_eq!(said.json()["error"]["code"], "malformed");
    assert!(said.err.contains("bytes after the trailer"), "{}", said.err);
    // A record that claims to be huge costs nothing.
    let mut huge = longer[..16].to_vec();
    huge.extend([1, 0, 1, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(machine.run_with(&["state", "show", "-"], &huge).status, 3);
}

#[test]
fn a_device_that_does_not_keep_its_contents_is_refused() {
    let machine = Machine::new();
    machine.run(&["create", "vmig/vmig-serial-var", A, "--new"]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("state");
    let file = file.to_str().unwrap();
    let empty = directory.path().join("empty");
    fs::write(&empty, "").unwrap();
    for words in [
        ["state", "save", A, file],
        ["state", "load", A, empty.to_str().unwrap()],
    ] {
        let said = machine.run(&words);
        assert_eq!(said.status, 1, "{}", said.err);
        assert!(said.err.contains("vmig/keep is 0"), "{}", said.err);
        assert!(
            said.err.contains(&format!("vmig set {A} --keep on")),
            "{}",
            said.err
        );
    }
    // With it, the next thing that is missing is VFIO; an incomplete file does not stay.
    assert_eq!(machine.run(&["set", A, "--keep", "on"]).status, 0);
    let said = machine.run(&["state", "save", A, file]);
    assert_eq!(said.status, 4, "{}", said.err);
    assert!(said.err.contains("no VFIO driver"), "{}", said.err);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    // A driver that does not say is taken at its word.
    machine.run(&[
        "create",
        "plain/vmig-serial-var",
        "83c3fb1a-0000-4000-8000-00000000000b",
        "--new",
    ]);
    let said = machine.run(&[
        "state",
        "save",
        "83c3fb1a-0000-4000-8000-00000000000b",
        file,
    ]);
    assert_eq!(said.status, 4, "{}", said.err);
    assert!(said.err.contains("no VFIO driver"), "{}", said.err);
}

#[test]
fn command_lines_that_make_no_sense() {
    let mut machine = Machine::new();
    machine.run(&["create", "vmig/vmig-serial-var", A, "--new", "--keep"]);
    for (words, status) in [
        (&["state", "save", A, "-", "-o", "json"][..], 2),
        (&["state", "save", A, "/no/such/directory/file"], 4),
        (&["state", "load", A, "/no/such/file"], 4),
        (&["state", "show", "/no/such/file"], 4),
        (
            &["state", "save", "83c3fb1a-0000-4000-8000-0000000000ff", "f"],
            4,
        ),
        (&["state", "save", "/no/such", "f"], 4),
        (&["state", "save"], 2),
        (&["state"], 2),
    ] {
        let said = machine.run(words);
        assert_eq!(
            (said.status, said.out.as_str()),
            (status, ""),
            "{words:?}: {}",
            said.err
        );
        assert!(!said.err.is_empty());
    }
    machine.terminal = true;
    assert_eq!(machine.run(&["state", "save", A]).status, 2);
}
