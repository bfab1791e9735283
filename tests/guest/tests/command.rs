// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The command `vmig`, as a process, on the real sysfs and on real devices.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use guest::contents::{empty_and_full, fill};
use guest::stream::{load, save, Stream};
use guest::{function, table, uuid, Function, Mdev, Parent, Test, Type};
use serde_json::Value;

/// The type that most of this is about, as the command names it.
const VAR: &str = "vmig/vmig-serial-var";

const LIST: &str = "model: vmig.example/pci-serial\nline-stats=on\nports=2\n";

fn kind() -> Type {
    Type::default_parent("serial-var")
}

/// What a run of the command said.
#[derive(Debug)]
struct Said {
    status: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Said {
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.status, Some(0), "{self:?}");
        serde_json::from_slice(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    fn text(&self) -> String {
        String::from_utf8(self.out.clone()).expect("text")
    }
}

fn vmig_with(words: &[&str], input: &[u8]) -> Said {
    let mut child = Command::new("/bin/vmig")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("/bin/vmig");
    // It may not want to read it all.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    Said {
        status: status.code(),
        out: stdout,
        err: String::from_utf8(stderr).expect("text"),
    }
}

fn vmig(words: &[&str]) -> Said {
    vmig_with(words, b"")
}

/// The run must end with this status. Returns what it said.
#[track_caller]
fn ends(status: i32, words: &[&str], input: &[u8]) -> Said {
    let said = vmig_with(words, input);
    assert_eq!(said.status, Some(status), "vmig {words:?}: {said:?}");
    said
}

/// A directory for the files of a test.
struct Directory(String);

impl Directory {
    fn new() -> Self {
        let path = format!("/tmp/command-{}", uuid());
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn types_are_those_of_sysfs() {
    let _test = Test::begin();
    let old = Parent::live("old", 1);
    let id = uuid();
    old.kind("serial-2").stage(format!("{id} ports=2")).unwrap();
    let document = vmig(&["types", "-o", "json"]).json();
    assert_eq!(document["schema"], "vmig.types/1");
    assert_eq!(document["host"], "vm");
    let rows = document["types"].as_array().unwrap();
    let mut expected = Vec::new();
    for (parent, generation) in [("vmig", 2), ("vmig-old", 1)] {
        for row in table::types(generation) {
            expected.push((parent, format!("{}{}", table::PREFIX, row.name), row.model));
        }
    }
    assert_eq!(rows.len(), expected.len());
    for (row, (parent, name, model)) in rows.iter().zip(expected) {
        assert_eq!(
            (&row["parent"], &row["type"]),
            (&parent.into(), &name.clone().into())
        );
        assert_eq!(row["model"], model);
        let kind = Type::of(parent, name.strip_prefix(table::PREFIX).unwrap());
        assert_eq!(row["free"], kind.available());
        let staged = row["staged"].as_array().unwrap();
        match (parent, name.as_str()) {
            ("vmig-old", "vmig-serial-2") => {
                assert_eq!(staged.len(), 1);
                assert_eq!(staged[0]["uuid"], id);
                assert_eq!(staged[0]["params"]["ports"], 2);
            }
            _ => assert_eq!(staged.len(), 0, "{parent}/{name}"),
        }
    }
    // The same for people.
    let text = vmig(&["types"]).text();
    assert!(text.contains(&format!("    staged {id}: ")), "{text}");
    ends(0, &["unstage", "--all"], b"");
    assert_eq!(old.kind("serial-2").staged(), [""; 0]);
}

#[test]
fn lists_are_staged_shown_and_forgotten() {
    let _test = Test::begin();
    let id = uuid();
    let said = ends(0, &["stage", VAR, &id, "--from", "-"], LIST.as_bytes());
    assert_eq!(said.text(), format!("{id}\n"));
    let line = format!("{id} line-stats=on ports=2");
    assert_eq!(kind().staged().join(","), line);
    // Again is as good; another list is refused, and so is a device elsewhere.
    ends(0, &["stage", VAR, &id, "--from", "-"], LIST.as_bytes());
    ends(1, &["stage", VAR, &id, "--new"], b"");
    assert_eq!(kind().staged().join(","), line);
    ends(1, &["create", "vmig/vmig-serial-2", &id, "--new"], b"");
    assert!(!Mdev::existing(&id).directory().exists());
    ends(0, &["unstage", &id], b"");
    assert_eq!(kind().staged(), [""; 0]);
    ends(0, &["unstage", &id], b"");
}

#[test]
fn a_device_is_created_set_and_removed() {
    let _test = Test::begin();
    let id = uuid();
    let free = kind().available();
    ends(
        0,
        &["create", "--keep", "--from", "-", VAR, &id],
        LIST.as_bytes(),
    );
    let mdev = Mdev::existing(&id);
    let param = |name| mdev.param(name);
    assert_eq!(
        (
            param("ports"),
            param("line-stats"),
            param("fifo-size"),
            param("auto-flow")
        ),
        ("2".into(), "on".into(), "16".into(), "off".into())
    );
    assert_eq!(mdev.status("keep"), "1");
    assert_eq!(vmig(&["params", &id]).text(), LIST);
    // Safe to repeat, refused with other parameters.
    ends(
        0,
        &["create", "--keep", "--from", "-", VAR, &id],
        LIST.as_bytes(),
    );
    ends(1, &["create", "--new", VAR, &id], b"");
    // A combination that cannot be opened is a warning, not a refusal.
    let said = ends(0, &["set", &id, "auto-flow=on"], b"");
    assert!(said.err.contains("cannot be opened"), "{said:?}");
    assert_eq!(param("auto-flow"), "on");
    ends(0, &["set", &id, "fifo-size=64"], b"");
    ends(1, &["set", &id, "fifo-size=32"], b"");
    assert_eq!(param("fifo-size"), "64");

    let device = mdev.device();
    let said = ends(4, &["set", &id, "line-stats=off", "fifo-size=16"], b"");
    assert!(
        said.err.contains("in use") || said.err.contains("EBUSY"),
        "{said:?}"
    );
    assert_eq!(
        (param("line-stats"), param("fifo-size")),
        ("on".into(), "64".into())
    );
    ends(0, &["set", &id, "line-stats=off"], b"");
    assert_eq!(param("line-stats"), "off");
    // Whoever removed it now would wait for ever.
    ends(4, &["remove", &id], b"");
    assert!(mdev.directory().exists());
    drop(device);
    ends(0, &["set", &id, "--keep", "off"], b"");
    assert_eq!(mdev.status("keep"), "0");
    ends(0, &["remove", &id], b"");
    assert!(!mdev.directory().exists());
    ends(0, &["remove", &id], b"");
    assert_eq!(kind().available(), free);
}

#[test]
fn a_create_that_the_kernel_refuses_leaves_nothing() {
    let _test = Test::begin();
    // All but one port of the parent: the list needs two.
    let serial_1 = Type::default_parent("serial-1");
    let _others: Vec<Mdev> = (1..table::PORTS).map(|_| serial_1.new_device()).collect();
    let id = uuid();
    let said = ends(4, &["create", "--from", "-", VAR, &id], LIST.as_bytes());
    assert!(said.err.contains("EUSERS"), "{said:?}");
    assert_eq!(kind().staged(), [""; 0]);
    assert!(!Mdev::existing(&id).directory().exists());
    assert_eq!(kind().available(), 1);
}

#[test]
fn state_is_saved_shown_and_loaded() {
    let _test = Test::begin();
    let directory = Directory::new();
    let (from, to) = (
        kind().new_device_with("ports=2 line-stats=on"),
        kind().new_device_with("ports=2 line-stats=on"),
    );
    from.keep(true);
    to.keep(true);
    let (empty, full) = empty_and_full(&from.device());
    let file = directory.file("state");
    let document = vmig(&["state", "save", "-o", "json", from.uuid(), &file]).json();
    assert_eq!(document["schema"], "vmig.state/1");
    assert_eq!(document["bytes"], full.len());
    assert_eq!(fs::read(&file).unwrap(), full, "the device's own stream");
    let names = guest::sysfs::names(&directory.0);
    assert_eq!(names, ["state"], "no temporary file is left");

    let document = vmig(&["state", "show", "-o", "json", &file]).json();
    let stream = Stream::parse(&full);
    assert_eq!(document["schema"], "vmig.stream/1");
    assert_eq!(document["model"], table::SERIAL);
    assert_eq!(document["params"]["line-stats"], true);
    assert_eq!(document["params"]["ports"], 2);
    let records = document["records"].as_array().unwrap();
    assert_eq!(records.len(), stream.records.len() + 1, "and the trailer");
    for (shown, record) in records.iter().zip(&stream.records) {
        assert_eq!(shown["tag"], record.tag);
        assert_eq!(shown["bytes"], record.payload.len());
    }

    ends(0, &["state", "load", to.uuid(), &file], b"");
    assert_eq!(save(&to.device()), full);
    assert_eq!(save(&from.device()), full, "two copies exist");
    // Through a pipe, and back.
    load(&to.device(), &empty).unwrap();
    let said = ends(0, &["state", "save", "-q", from.uuid(), "-"], b"");
    assert_eq!(said.out, full);
    ends(0, &["state", "load", to.uuid(), "-"], &said.out);
    assert_eq!(save(&to.device()), full);
}

#[test]
fn state_is_refused_for_the_right_reason() {
    let _test = Test::begin();
    let directory = Directory::new();
    let from = kind().new_device_with("ports=2 line-stats=on");
    let to = kind().new_device_with("ports=2");
    from.keep(true);
    let device = from.device();
    fill(&device);
    let full = save(&device);
    drop(device);
    let file = directory.file("state");
    ends(0, &["state", "save", from.uuid(), &file], b"");

    // The contents would not survive.
    let said = ends(1, &["state", "load", to.uuid(), &file], b"");
    assert!(said.err.contains("vmig/keep"), "{said:?}");
    let said = ends(
        1,
        &["state", "save", to.uuid(), &directory.file("none")],
        b"",
    );
    assert!(said.err.contains("vmig/keep"), "{said:?}");
    assert!(!Path::new(&directory.file("none")).exists());
    to.keep(true);

    // Another list: the answer is no, in the driver's words.
    let said = ends(1, &["state", "load", to.uuid(), &file], b"");
    assert!(
        said.err.contains("line-stats: stream on, device off"),
        "{said:?}"
    );
    to.set("line-stats", "on").unwrap();

    // A broken stream is input that is not understood, whatever is broken.
    let mut flipped = full.clone();
    flipped[full.len() / 2] ^= 0x10;
    for (what, bytes) in [
        ("truncated", &full[..full.len() - 1]),
        ("empty", &[][..]),
        ("a flipped bit", &flipped),
        ("more than that", &[&full[..], b"x"].concat()),
        ("no stream", b"model: vmig.example/pci-serial\n"),
    ] {
        let broken = directory.file("broken");
        fs::write(&broken, bytes).unwrap();
        let said = ends(3, &["state", "load", to.uuid(), &broken], b"");
        assert!(said.err.starts_with("vmig: "), "{what}: {said:?}");
        ends(3, &["state", "show", &broken], b"");
    }
    // After all that the device takes the right one.
    ends(0, &["state", "load", to.uuid(), &file], b"");
    assert_eq!(save(&to.device()), full);

    // Somebody else has it open.
    let device = to.device();
    ends(4, &["state", "load", to.uuid(), &file], b"");
    ends(
        4,
        &["state", "save", to.uuid(), &directory.file("busy")],
        b"",
    );
    assert!(!Path::new(&directory.file("busy")).exists());
    assert_eq!(save(&device), full);
    drop(device);

    // A combination of values that cannot be opened.
    to.set("auto-flow", "on").unwrap();
    let said = ends(
        1,
        &["state", "save", to.uuid(), &directory.file("never")],
        b"",
    );
    assert!(said.err.contains("fifo-size"), "{said:?}");
}

/// The name of such a parent has colons in it.
#[test]
fn pci_parents_are_named_by_their_address() {
    let _test = Test::begin();
    let parent = Function::at(function::ADDRESSES[0]).parent();
    let name = format!("{}/vmig-serial-var", parent.address());
    let rows = vmig(&["types", "-o", "json"]).json();
    let rows = rows["types"].as_array().unwrap();
    let mut own = rows.iter().filter(|row| row["parent"] == parent.address());
    assert!(own.any(|row| row["type"] == "vmig-serial-var"));
    let said = vmig(&["info", &name]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(said.text().contains(&name), "{said:?}");
    ends(0, &["check", "--from", "-", &name], LIST.as_bytes());
    let id = uuid();
    ends(0, &["stage", &name, &id, "--from", "-"], LIST.as_bytes());
    let staged = parent.kind("serial-var").staged();
    assert!(staged[0].starts_with(&id), "{staged:?}");
    ends(0, &["unstage", &id], b"");
    ends(0, &["create", &name, &id, "--from", "-"], LIST.as_bytes());
    let mdev = Mdev::existing(&id);
    assert_eq!(mdev.param("ports"), "2");
    ends(
        0,
        &["check", "--from", "-", &name],
        ends(0, &["params", &id], b"").text().as_bytes(),
    );
    ends(0, &["remove", &id], b"");
    assert!(!mdev.directory().exists());
}
