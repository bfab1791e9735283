// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every output document follows its schema in `helper/schemas`, and the schemas are strict: without
//! a required member, with a null, or with one member more no document passes.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::Path, //
};

use serde_json::{
    json,
    Value, //
};
use support::Machine;

const A: &str = "83c3fb1a-0000-4000-8000-00000000000a";
const B: &str = "83c3fb1a-0000-4000-8000-00000000000b";

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// The schemas by the `schema` member that they want.
fn schemas() -> BTreeMap<String, jsonschema::Validator> {
    let mut schemas = BTreeMap::new();
    for entry in fs::read_dir(repository("helper/schemas")).unwrap() {
        let path = entry.unwrap().path();
        let schema: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        jsonschema::meta::validate(&schema).unwrap();
        let name = schema["properties"]["schema"]["const"]
            .as_str()
            .unwrap()
            .to_owned();
        let file = format!("{}.json", name.replace('/', "-"));
        assert_eq!(path.file_name().unwrap().to_str().unwrap(), file);
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .build(&schema)
            .unwrap();
        schemas.insert(name, validator);
    }
    schemas
}

fn assert_valid(schemas: &BTreeMap<String, jsonschema::Validator>, document: &Value) {
    let name = document["schema"].as_str().unwrap();
    let errors: Vec<String> = schemas[name]
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{document:#}\n{errors:#?}");
}

/// The documents of an output, which may be several, one after the other.
fn parse(out: &str) -> Vec<Value> {
    assert!(out.ends_with("}\n"), "one newline at the end: {out}");
    let stream = serde_json::Deserializer::from_str(out).into_iter();
    stream.map(Result::unwrap).collect()
}

/// The members in the order in which they stand.
fn keys(text: &str) -> Vec<String> {
    let top = |line: &str| {
        let line = line.strip_prefix("  \"")?;
        Some(line.split('"').next()?.to_owned())
    };
    text.lines().filter_map(top).collect()
}

/// Commands whose documents together have every member that the contract knows.
fn outputs() -> Vec<(Vec<String>, String)> {
    let machine = Machine::new();
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let list = write(
        "a.list",
        "model: vmig.example/pci-serial\nline-stats=on\nports=2\n",
    );
    // Everything that can be said against a destination.
    let worst = write(
        "worst.list",
        &json!({
            "schema": "vmig.params/1", "model": "a/b",
            "params": {"on": true, "typed": "x", "value": 9, "open": 7, "unknown": "\u{9b}"},
            "off": {"differs": 2},
        })
        .to_string(),
    );
    let worse = write(
        "worse.json",
        &json!({"models": {"a/b": {
            "params": {
                "on": {"type": "bool", "init_value": true, "off_value": false},
                "typed": {"type": "int", "init_value": 1},
                "value": {"type": "int", "init_value": 1, "allowed_values": [1, "3-5"]},
                "open": {"type": "int", "init_value": 1},
                "fixed": {"type": "str", "init_value": "a", "allowed_values": ["a", "b"]},
                "differs": {"type": "int", "init_value": 1, "off_value": 0},
            },
            "constraints": [{"if": {"on": [true]}, "then": {"open": [1]}}],
        }, "c/d": {"versions": ["v1"]}}})
        .to_string(),
    );
    let open = write("open.list", "model: a/b\nn=7\n");
    let any = write(
        "any.json",
        r#"{"models":{"a/b":{"params":{"n":{"type":"int","init_value":1}}}}}"#,
    );
    let stream = directory.path().join("stream");
    fs::write(&stream, &support::streams()[0].1).unwrap();
    let stream = stream.to_str().unwrap();

    let pci = machine
        .run(&["info", "vmig/vmig-serial-var", "-o", "json"])
        .out;
    let pci = pci.replace("\"parent\": \"vmig\"", "\"parent\": \"0000:00:06.0\"");
    let pci = write("pci.json", &pci);

    let var = "vmig/vmig-serial-var";
    let exec = format!("exec:cat {any} --");
    let mine = format!("mine={list}");
    let commands: Vec<Vec<&str>> = vec![
        vec!["types"],
        vec!["info"],
        vec!["info", &worse, var, &exec],
        vec!["stage", var, A, "--from", &list, "--dry-run"],
        vec!["stage", var, A, "--from", &list],
        vec!["types"],
        vec!["create", var, A, "--keep", "--dry-run"],
        vec!["create", var, A, "--keep"],
        vec!["stage", var, B, "--new"],
        vec!["unstage", "--all"],
        vec!["set", A, "line-stats=off"],
        vec!["params", A],
        vec!["check", "--from", &list],
        vec!["check", "--from", &worst, &worse],
        vec!["check", "--from", &open, &any, "/no/such", "--all"],
        vec!["check", "--from", &list, "/no/such"],
        vec!["check", "--from", "/no/such"],
        vec!["check", "--from", &any],
        vec!["plan", "--from", &list],
        vec!["plan", "--from", &worst, &worse],
        vec!["plan", "--from", &open, &any, "/no/such"],
        vec!["baseline"],
        vec!["baseline", &any, "--prefer", "n=7", "--explain"],
        vec!["baseline", &any, &worse, "--require", "n=7"],
        vec!["baseline", &any, "/no/such", "--skip-unreadable"],
        vec!["compare", var, var],
        vec!["compare", &any, &worse],
        vec!["compare", &any, var],
        vec!["compare", &list, &open, "--in", var],
        vec!["compare", &open, &open, "--in", &any],
        vec!["label", "--list", &mine],
        vec!["label", &worse],
        vec!["commands", "--from", &list, "--to", var],
        vec![
            "commands", "--from", &list, "--to", var, "--tool", "mdevctl",
        ],
        vec![
            "commands", "--from", &list, "--to", &pci, "--tool", "virsh", "--uuid", A, "--define",
        ],
        vec![
            "commands", "--from", &list, "--to", var, "--tool", "qemu", "--uuid", A,
        ],
        vec![
            "commands", "--from", &open, "--to", &exec, "--tool", "program",
        ],
        vec!["remove", A],
        vec!["state", "show", stream],
        vec!["conform", "--list"],
    ];
    let mut outputs = Vec::new();
    for command in commands {
        let mut words = command.clone();
        words.extend(["-o", "json"]);
        let said = machine.run(&words);
        assert!(!said.out.is_empty(), "{command:?}: {}", said.err);
        outputs.push((
            command.iter().map(|word| (*word).to_owned()).collect(),
            said.out,
        ));
    }
    outputs
}

#[test]
fn documents_follow_their_schemas() {
    let schemas = schemas();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (_, out) in outputs() {
        for document in parse(&out) {
            assert_valid(&schemas, &document);
            let name = document["schema"].as_str().unwrap();
            *seen.entry(name.to_owned()).or_default() += 1;
        }
    }
    // These need a VFIO device; the tests in the VM have one.
    let unseen: Vec<&String> = schemas
        .keys()
        .filter(|name| !seen.contains_key(*name))
        .collect();
    assert_eq!(unseen, ["vmig.conform/1", "vmig.state/1"]);
    assert_valid(
        &schemas,
        &json!({"schema": "vmig.state/1", "verb": "save", "device": A, "file": "f", "bytes": 1}),
    );
}

#[test]
fn members_stand_in_the_order_of_the_contract() {
    for (schema, members) in [
        (
            "vmig.params/1",
            &["schema", "model", "params", "off", "runtime", "device"][..],
        ),
        (
            "vmig.check/1",
            &["schema", "from", "mode", "verdict", "results"],
        ),
        (
            "vmig.inventory/1",
            &[
                "schema",
                "host",
                "boot_id",
                "time",
                "vmig",
                "kernel",
                "implementations",
            ],
        ),
        ("vmig.error/1", &["schema", "error"]),
        (
            "vmig.baseline/1",
            &["schema", "verdict", "models", "skipped"],
        ),
        (
            "vmig.compare/1",
            &[
                "schema",
                "what",
                "a",
                "b",
                "model",
                "result",
                "responsible",
                "certain",
            ],
        ),
        ("vmig.plan/1", &["schema", "from", "verdict", "results"]),
        ("vmig.label/1", &["schema", "results"]),
    ] {
        let outputs = outputs();
        let mut documents = outputs
            .iter()
            .filter(|(_, out)| parse(out).len() == 1 && parse(out)[0]["schema"] == schema);
        let (_, out) = documents.next().unwrap();
        assert_eq!(keys(out), members, "{schema}");
    }
    // Inside: WHERE, then the verdict and what belongs to it; a reason's members; an error's.
    let outputs = outputs();
    let find = |word: &str| {
        let (_, out) = outputs
            .iter()
            .find(|(words, _)| words.iter().any(|w| w.contains(word)))
            .unwrap();
        out.clone()
    };
    let inside = |text: &str, from: &str, indent: usize| -> Vec<String> {
        let from = text.find(from).unwrap();
        let pad = " ".repeat(indent) + "\"";
        let mut keys = Vec::new();
        for line in text[from..].lines().skip(1) {
            if let Some(rest) = line.strip_prefix(&pad) {
                keys.push(rest.split('"').next().unwrap().to_owned());
            } else if line.len() < indent || !line.starts_with(&" ".repeat(indent)) {
                break;
            }
        }
        keys
    };
    let check = find("worst.list");
    let result = [
        "host", "parent", "type", "model", "source", "verdict", "reasons",
    ];
    assert_eq!(
        inside(&check, "\"results\": [\n    {", 6),
        Vec::<String>::new()
    );
    let first = check.find("    {\n").unwrap();
    assert_eq!(inside(&check[first..], "{", 6), result);
    let reason = check.find("\"code\": \"value_not_allowed\"").unwrap();
    let reason = check[..reason].rfind('{').unwrap();
    assert_eq!(
        inside(&check[reason..], "{", 10),
        ["code", "param", "value", "allowed", "message"]
    );
    let reason = check.find("\"code\": \"off_value_differs\"").unwrap();
    let reason = check[..reason].rfind('{').unwrap();
    assert_eq!(
        inside(&check[reason..], "{", 10),
        ["code", "param", "value", "off", "message"]
    );
}

#[test]
fn schemas_are_strict() {
    let schemas = schemas();
    for (_, out) in outputs() {
        for document in parse(&out) {
            let validator = &schemas[document["schema"].as_str().unwrap()];
            for key in document.as_object().unwrap().keys() {
                let mut null = document.clone();
                null[key] = Value::Null;
                if key != "boot_id" && key != "parent" && key != "type" && key != "model" {
                    assert!(!validator.is_valid(&null), "{key} may be null");
                }
            }
            for key in [
                "schema", "model", "host", "verdict", "error", "results", "types", "writes",
            ] {
                let mut without = document.clone();
                if without.as_object_mut().unwrap().remove(key).is_some() {
                    assert!(!validator.is_valid(&without), "{key} may be missing");
                }
            }
            let mut more = document.clone();
            more["surplus"] = json!(1);
            assert!(!validator.is_valid(&more));
            let mut other = document.clone();
            other["schema"] = json!("vmig.other/1");
            assert!(!validator.is_valid(&other));
        }
    }
}

/// Lists and inventories that were written are read back to the same.
#[test]
fn documents_are_read_back() {
    let machine = Machine::new();
    machine.run(&["create", "vmig/vmig-serial-var", A, "--new"]);
    let params = machine.run(&["params", A, "-o", "json"]).out;
    let list = vmig::list::List::parse(params.as_bytes(), "params", None).unwrap();
    assert_eq!(vmig::output::to_json(&list).unwrap(), params);

    let inventory = machine.run(&["info", "-o", "json"]).out;
    let said = machine.run_with(&["info", "-", "-o", "json"], inventory.as_bytes());
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    assert_eq!(said.out, inventory);
    // Both say the same about this host and in the inventory.
    let live = machine
        .run_with(&["check", "--from", "-", "-o", "json"], params.as_bytes())
        .json();
    let path = machine.sys().join("inventory.json");
    fs::write(&path, &inventory).unwrap();
    let words = ["check", "--from", "-", path.to_str().unwrap(), "-o", "json"];
    let kept = machine.run_with(&words, params.as_bytes()).json();
    let strip = |mut answer: Value| {
        for result in answer["results"].as_array_mut().unwrap() {
            result.as_object_mut().unwrap().remove("source");
        }
        answer
    };
    assert_eq!(strip(live), strip(kept));
}

/// On a terminal JSON has more escapes, and is the same document.
#[test]
fn terminals() {
    let mut machine = Machine::bare();
    let text = "{\"models\":{\"a/b\u{202e}\":{\"versions\":[\"\u{ad}x\"]}}}";
    let plain = machine.run_with(&["info", "-", "-o", "json"], text.as_bytes());
    machine.terminal = true;
    let shown = machine.run_with(&["info", "-", "-o", "json"], text.as_bytes());
    assert_eq!(plain.json(), shown.json());
    assert!(plain.out.contains('\u{202e}'));
    assert!(!shown.out.contains(['\u{202e}', '\u{ad}']));
    let table = machine.run_with(&["info", "-"], text.as_bytes());
    assert!(table.out.contains("a/b\\u{202e}"), "{}", table.out);
}
