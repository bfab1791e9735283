// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Where documents come from: files, directories, streams of documents, programs, inventories.

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path, //
};

use serde_json::{
    json,
    Value, //
};
use support::Machine;

const LIST: &[u8] = b"model: a/b\nn=2\n";

/// A document that accepts n=2 only if `yes`.
fn document(yes: bool) -> Value {
    let allowed = if yes { json!([1, 2]) } else { json!([1]) };
    json!({"models": {"a/b": {"params": {
        "n": {"type": "int", "init_value": 1, "allowed_values": allowed}
    }}}})
}

fn inventory(host: &str, boot: Option<&str>, time: &str, yes: bool) -> Value {
    json!({
        "schema": "vmig.inventory/1", "host": host, "boot_id": boot, "time": time,
        "vmig": "0.1.0", "kernel": "7.3",
        "implementations": [{
            "parent": "p", "type": "t", "driver": "d", "free": 3,
            "digest": "sha256:0", "info": document(yes),
        }],
    })
}

/// Who said what: `host source verdict` of each result.
fn said(machine: &Machine, sources: &[&str], stdin: &str) -> (Vec<String>, u8, String) {
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("list");
    fs::write(&list, LIST).unwrap();
    let mut words = vec!["check", "--from", list.to_str().unwrap(), "-o", "json"];
    words.extend(sources);
    let said = machine.run_with(&words, stdin.as_bytes());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let results = said.json()["results"].as_array().unwrap().clone();
    let results = results.iter().map(|result| {
        let error = result
            .get("error")
            .map(|error| format!(" {}", text(&error["code"])));
        format!(
            "{} {} {}{}",
            text(&result["host"]),
            text(&result["source"]),
            text(&result["verdict"]),
            error.unwrap_or_default()
        )
    });
    (results.collect(), said.status, said.err)
}

#[test]
fn concatenated_documents() {
    let machine = Machine::bare();
    let (yes, no) = (document(true), document(false));
    for (text, results, status) in [
        (format!("{yes}"), &["- - compatible"][..], 0),
        (
            format!("{yes}{no}\n"),
            &["-#1 -#1 compatible", "-#2 -#2 incompatible"],
            0,
        ),
        // A document that is bad inside hides none of the others.
        (
            format!("{no}{{\"models\":1}}{{,}}{yes:#}"),
            &[
                "-#1 -#1 incompatible",
                "-#2 -#2 unknown malformed",
                "-#3 -#3 unknown malformed",
                "-#4 -#4 compatible",
            ],
            0,
        ),
        (
            format!("{no}{{"),
            &["-#1 -#1 incompatible", "-#2 -#2 unknown malformed"],
            3,
        ),
        (
            format!("{no} x"),
            &["-#1 -#1 incompatible", "-#2 -#2 unknown malformed"],
            3,
        ),
        (String::new(), &["- - unknown malformed"], 3),
        ("  \n".to_owned(), &["- - unknown malformed"], 3),
        (
            r#"{"schema":"vmig.other/1"}"#.to_owned(),
            &["- - unknown malformed"],
            3,
        ),
        (r#"{"models":{}}"#.to_owned(), &[], 4),
    ] {
        let (found, exit, err) = said(&machine, &["-"], &text);
        assert_eq!(found, results, "{text}");
        assert_eq!(exit, status, "{text}");
        assert_eq!(err, "", "{text}");
    }
}

#[test]
fn directories() {
    let machine = Machine::bare();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
    write("b.json", document(true).to_string());
    write("a.json", document(false).to_string());
    write("c.json", "{".to_owned());
    write("d.json", format!("{}{}", document(true), document(false)));
    write(".hidden.json", document(true).to_string());
    write("other.txt", document(true).to_string());
    fs::create_dir(directory.path().join("sub")).unwrap();
    fs::create_dir(directory.path().join("sub.json")).unwrap();
    write("sub/e.json", document(true).to_string());
    let path = directory.path().to_str().unwrap();
    let (found, status, _) = said(&machine, &[path], "");
    let name = |end: &str| format!("{path}/{end}");
    let expected: Vec<String> = [
        ("a.json", "incompatible"),
        ("b.json", "compatible"),
        ("c.json", "unknown malformed"),
        ("d.json#1", "compatible"),
        ("d.json#2", "incompatible"),
    ]
    .iter()
    .map(|(end, verdict)| format!("{} {} {verdict}", name(end), name(end)))
    .collect();
    assert_eq!((found, status), (expected, 0));

    let empty = tempfile::tempdir().unwrap();
    let (found, status, _) = said(&machine, &[empty.path().to_str().unwrap()], "");
    assert_eq!((found.len(), status), (0, 4), "no destination at all");
}

#[test]
fn the_order_is_that_of_the_command_line() {
    let machine = Machine::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.json");
    fs::write(&file, document(true).to_string()).unwrap();
    let file = file.to_str().unwrap();
    let sources = [
        "vmig/vmig-serial-2",
        file,
        "/no/such",
        "vmig/vmig-serial-1",
        file,
    ];
    let (found, status, _) = said(&machine, &sources, "");
    let hosts: Vec<&str> = found
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(hosts, sources);
    assert_eq!(status, 0);
}

#[test]
fn models_stand_in_byte_order() {
    let machine = Machine::bare();
    let model = json!({"versions": ["v1"]});
    let text = json!({"models": {"z/z": model, "a/b": {"versions": ["v1"]}, "a/B": model}});
    let list = b"model: a/b\nversion=v1\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list");
    fs::write(&path, list).unwrap();
    let words = ["check", "--from", path.to_str().unwrap(), "-", "-o", "json"];
    let said = machine.run_with(&words, text.to_string().as_bytes());
    let said = said.json();
    let results = said["results"].as_array().unwrap();
    let models: Vec<&Value> = results.iter().map(|result| &result["model"]).collect();
    assert_eq!(models, ["a/B", "a/b", "z/z"]);
    assert_eq!(results[1]["apply"], json!({"version": "v1"}));
    assert_eq!(results[0]["reasons"][0]["models"], json!(["a/B"]));
}

#[test]
fn programs() {
    let machine = Machine::bare();
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("my program");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = 'a b' ] && [ \"$2\" = --print-migration-info-json ] || exit 9\necho '{}'\n",
        document(true)
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let source = format!("exec:'{}' \"a b\"", program.display());
    let (found, status, _) = said(&machine, &[&source], "");
    assert_eq!(
        (found, status),
        (vec![format!("host-a {source} compatible")], 0)
    );

    for (source, code, status) in [
        ("exec:/no/such/program", "exec_failed", 4),
        ("exec:sh -c 'exit 3'", "exec_failed", 4),
        ("exec:echo", "malformed", 3),
        ("exec:", "malformed", 3),
        ("exec:sh 'unbalanced", "malformed", 3),
    ] {
        let (found, exit, _) = said(&machine, &[source], "");
        assert!(found[0].ends_with(&format!("unknown {code}")), "{found:?}");
        assert_eq!(exit, status, "{source}");
    }
}

#[test]
fn inventories_of_one_host() {
    let machine = Machine::bare();
    let (old, new) = ("2026-11-22T18:00:00Z", "2026-11-22T19:00:00Z");
    let (x, y) = (Some("x"), Some("y"));
    for (records, results, status, stale) in [
        // Other hosts have nothing to do with each other.
        (
            vec![inventory("a", x, old, true), inventory("b", x, new, false)],
            &["a -#1 compatible", "b -#2 incompatible"][..],
            0,
            false,
        ),
        // The same boot: a duplicate.
        (
            vec![inventory("a", x, old, true), inventory("a", x, old, true)],
            &["a -#1 compatible"],
            0,
            false,
        ),
        (
            vec![inventory("a", x, old, true), inventory("a", x, new, true)],
            &["a -#2 compatible"],
            0,
            false,
        ),
        // Another boot: the newer counts, and the older is reported.
        (
            vec![inventory("a", x, new, true), inventory("a", y, old, false)],
            &["a -#1 compatible"],
            0,
            true,
        ),
        (
            vec![inventory("a", x, old, true), inventory("a", y, new, false)],
            &["a -#2 incompatible"],
            1,
            true,
        ),
        (
            vec![
                inventory("a", None, old, true),
                inventory("a", None, new, false),
            ],
            &["a -#2 incompatible"],
            1,
            true,
        ),
        // The same time, and something else.
        (
            vec![inventory("a", x, old, true), inventory("a", y, old, false)],
            &["a -#1 unknown contradiction"],
            3,
            false,
        ),
    ] {
        let text: String = records.iter().map(Value::to_string).collect();
        let (found, exit, err) = said(&machine, &["-"], &text);
        assert_eq!(found, results, "{text}");
        assert_eq!(exit, status, "{text}");
        assert_eq!(err.contains("stale"), stale, "{err}");
        // The digests here are wrong, which is a warning and no more.
        assert!(err.contains("implementations[0].digest: wrong"), "{err}");
    }
}

#[test]
fn an_implementation_that_is_bad_hides_no_other() {
    let machine = Machine::bare();
    let mut record = inventory("a", Some("x"), "2026-11-22T18:00:00Z", true);
    let bad = json!({"parent": "p", "type": "s", "driver": "d", "digest": "sha256:0",
                     "info": {"models": {"nonsense": {}}}});
    record["implementations"].as_array_mut().unwrap().push(bad);
    let (found, status, _) = said(&machine, &["-"], &record.to_string());
    assert_eq!(found, ["a - unknown malformed", "a - compatible"]);
    assert_eq!(status, 0);
    // By parent, type: the bad one has the smaller type. `info` shows the good one, and says no.
    let info = machine.run_with(&["info", "-", "-o", "json"], record.to_string().as_bytes());
    assert_eq!(info.status, 3);
    assert_eq!(info.json()["implementations"].as_array().unwrap().len(), 1);
    assert!(
        info.err.contains("implementations[1].info.models.nonsense"),
        "{}",
        info.err
    );
}

#[test]
fn malformed_inventories() {
    let machine = Machine::bare();
    let good = inventory("a", Some("x"), "2026-11-22T18:00:00Z", true);
    for member in [
        "host",
        "boot_id",
        "time",
        "vmig",
        "kernel",
        "implementations",
    ] {
        let mut record = good.clone();
        record.as_object_mut().unwrap().remove(member);
        let (found, status, _) = said(&machine, &["-"], &record.to_string());
        assert_eq!(
            (found, status),
            (vec!["- - unknown malformed".to_owned()], 3),
            "{member}"
        );
    }
    for (member, value) in [
        ("time", json!("yesterday")),
        ("boot_id", json!(1)),
        ("implementations", json!({})),
        ("host", json!(null)),
    ] {
        let mut record = good.clone();
        record[member] = value;
        let (_, status, _) = said(&machine, &["-"], &record.to_string());
        assert_eq!(status, 3, "{member}");
    }
    for member in ["parent", "type", "driver", "digest", "info"] {
        let mut record = good.clone();
        record["implementations"][0]
            .as_object_mut()
            .unwrap()
            .remove(member);
        let (_, status, _) = said(&machine, &["-"], &record.to_string());
        assert_eq!(status, 3, "{member}");
    }
    // What is not known is ignored.
    let mut record = good;
    record["more"] = json!([1.5]);
    record["implementations"][0]["more"] = json!(null);
    assert_eq!(said(&machine, &["-"], &record.to_string()).1, 0);
}

/// The types of the fake machine: six of each of its parents.
const TYPES: usize = 18;

/// A type's directory under any name, another driver's too; the page that cuts a document.
#[test]
fn type_directories() {
    let machine = Machine::new();
    let sys = machine.sys();
    let direct = sys.join("devices/virtual/vmig/vmig/mdev_supported_types/vmig-serial-1");
    let said = machine.run(&[
        "check",
        "--model",
        "vmig.example/pci-serial",
        "--from",
        "/dev/null",
        direct.to_str().unwrap(),
        "-o",
        "json",
    ]);
    let result = &said.json()["results"][0];
    assert_eq!(
        (&result["parent"], &result["type"]),
        (&json!("vmig"), &json!("vmig-serial-1"))
    );
    assert_eq!(result["free"], 24);

    for (text, hint) in [
        ("{".to_owned() + &" ".repeat(4095), true),
        ("{ ".to_owned(), false),
    ] {
        fs::write(direct.join("migration_info.json"), text).unwrap();
        let said = machine.run(&["info", "vmig/vmig-serial-1"]);
        assert_eq!(said.status, 3);
        assert!(said.err.contains("truncated"), "{}", said.err);
        assert_eq!(said.err.contains("ends at a page"), hint, "{}", said.err);
    }
    // This host: the bad type is reported, the others are shown; one without information is none.
    fs::remove_file(
        sys.join(
            "devices/virtual/vmig/vmig/mdev_supported_types/vmig-serial-2/migration_info.json",
        ),
    )
    .unwrap();
    let said = machine.run(&["info", "-o", "json"]);
    assert_eq!(said.status, 3);
    let listed = said.json()["implementations"].as_array().unwrap().len();
    assert_eq!(listed, TYPES - 2);
    let said = machine.run(&["types"]);
    assert_eq!(said.status, 3);
    assert_eq!(said.out.lines().count(), 1 + TYPES);
    let said = machine.run(&["info", "vmig/vmig-serial-2"]);
    assert_eq!(said.status, 4, "named, and not there: {}", said.err);
}

#[test]
fn path_tricks() {
    let machine = Machine::new();
    assert!(Path::new(&machine.sys())
        .join("class/mdev_bus/vmig")
        .exists());
    for source in [
        "../vmig",
        "vmig/..",
        "./vmig-serial-1",
        "vmig//vmig-serial-1",
        "vmig/vmig-serial-1/..x",
        "/vmig-serial-1",
        "vmig/",
        "vmig",
        "",
        "vmig/vmig-serial-1\0",
        "vmig/vmig-serial-1/migration/params/../..x",
    ] {
        let said = machine.run(&["create", source, "--new"]);
        assert!([2, 4].contains(&said.status), "{source:?}: {said:?}");
        assert!(machine.kernel.log().is_empty());
    }
    for device in [
        "../../etc",
        "..",
        "/etc",
        "/",
        "/proc/self",
        "\0",
        "83c3fb1a-0000-4000-8000-00000000000a/../x",
    ] {
        for words in [
            &["params", device][..],
            &["remove", device],
            &["set", device, "ports=1"],
        ] {
            let said = machine.run(words);
            // Removing what is not there is done already.
            let gone = words[0] == "remove" && said.status == 0;
            assert!(gone || [2, 4].contains(&said.status), "{words:?}: {said:?}");
        }
    }
    assert!(machine.kernel.log().is_empty());
}

/// A machine without mdev at all.
#[test]
fn nothing_here() {
    let machine = Machine::bare();
    let said = machine.run(&["types"]);
    assert_eq!((said.status, said.out.lines().count()), (0, 1));
    let said = machine.run(&["info", "-o", "json"]);
    assert_eq!(said.status, 0);
    assert_eq!(said.json()["implementations"], json!([]));
    let said = machine.run_with(&["check", "--from", "-", "-o", "json"], LIST);
    assert_eq!(
        (said.status, &said.json()["verdict"]),
        (4, &json!("unknown"))
    );
    assert_eq!(machine.run(&["unstage", "--all"]).status, 0);
}
