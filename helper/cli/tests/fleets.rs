// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The verbs about fleets: each option, and inputs as fleets have them.

mod support;

use std::fs;

use serde_json::{
    json,
    Value, //
};
use support::{
    Machine,
    Said, //
};
use tempfile::TempDir;

/// A machine, and a directory of sources.
struct Fleet {
    machine: Machine,
    directory: TempDir,
}

impl Fleet {
    fn new<T: ToString>(files: impl IntoIterator<Item = (&'static str, T)>) -> Self {
        let fleet = Self {
            machine: Machine::bare(),
            directory: tempfile::tempdir().unwrap(),
        };
        for (name, text) in files {
            fleet.write(name, &text.to_string());
        }
        fleet
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command; `@NAME` is a file of the directory, and is shown so.
    fn run(&self, words: &str) -> Said {
        let path = self.directory.path().to_str().unwrap();
        let words: Vec<String> = words
            .split(' ')
            .map(|word| word.replace('@', &format!("{path}/")))
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = self.machine.run(&words);
        let shown = |text: &str| text.replace(&format!("{path}/"), "@");
        Said {
            status: said.status,
            out: shown(&said.out),
            err: shown(&said.err),
        }
    }

    /// Exit status and output, where nothing else is said.
    fn says(&self, words: &str) -> (u8, String) {
        let said = self.run(words);
        assert_eq!(said.err, "", "{words}");
        (said.status, said.out)
    }

    fn json(&self, words: &str) -> Value {
        self.run(&format!("{words} -o json")).json()
    }
}

/// A document of the model `a/b`: an int `n`, off at 1, which starts at 4 or else as near below as
/// it may be.
fn ints(allowed: Value) -> Value {
    let covers = |n: &u64| {
        let mut items = allowed.as_array().unwrap().iter();
        items.any(|item| match item.as_str() {
            Some(range) => {
                let (min, max) = range.split_once('-').unwrap();
                (min.parse().unwrap()..=max.parse().unwrap()).contains(n)
            }
            None => item.as_u64() == Some(*n),
        })
    };
    let init = [4, 3, 2, 1, 9].into_iter().find(covers).unwrap();
    let n = json!({"type": "int", "init_value": init, "off_value": 1, "allowed_values": allowed});
    json!({"models": {"a/b": {"params": {"n": n}}}})
}

/// A document of the model `a/b` with RFC v4's versions.
fn versions(versions: Value) -> Value {
    json!({"models": {"a/b": {"versions": versions}}})
}

/// An inventory: a host and its types.
fn host(name: &str, time: &str, types: &[(&str, u32, Value)]) -> Value {
    let offer = |(kind, free, info): &(&str, u32, Value)| {
        json!({"parent": "p", "type": kind, "driver": "d", "free": free,
               "digest": vmig::inventory::Info::parse(info.to_string().as_bytes(), "").unwrap().digest,
               "info": info})
    };
    let offers: Vec<Value> = types.iter().map(offer).collect();
    json!({"schema": "vmig.inventory/1", "host": name, "boot_id": null, "time": time,
           "vmig": "0.1.0", "kernel": "7.3", "implementations": offers})
}

/// Half an hour before the machine's clock.
const TIME: &str = "2026-11-22T17:30:00Z";

#[test]
fn a_host_is_as_good_as_its_best_type() {
    let types = [
        ("x-one", 1, ints(json!(["1-2"]))),
        ("x-two", 1, ints(json!(["1-8"]))),
    ];
    let fleet = Fleet::new([("h.json", host("h", TIME, &types))]);
    let list = |n: &str, hosts: &str| format!("# compatible with {hosts} hosts\nmodel: a/b\n{n}");
    for (words, n) in [
        ("", "n=4\n"),
        ("--type x-*", "n=4\n"),
        ("--type x-t?o", "n=4\n"),
        ("--type x-one", "n=2\n"),
        ("--each", "n=2\n"),
        ("--each --type *two", "n=4\n"),
    ] {
        let words = format!("baseline @h.json {words}");
        assert_eq!(fleet.says(words.trim_end()), (0, list(n, "1")), "{words}");
    }
    // No type is left: the host is known to offer nothing.
    let said = fleet.json("baseline @h.json --type y*");
    assert_eq!(
        (&said["verdict"], &said["models"]),
        (&json!("none"), &json!([]))
    );
    assert_eq!(fleet.run("baseline @h.json --type y*").status, 1);
    for (words, result) in [
        ("compare @h.json @h.json", "identical"),
        ("compare @h.json @h.json --each", "identical"),
        ("compare @h.json @h.json --type x-one", "identical"),
    ] {
        assert_eq!(fleet.json(words)["result"], result, "{words}");
    }
    let plan = |words: &str| fleet.json(words)["results"].as_array().unwrap().len();
    fleet.write("l", "model: a/b\nn=2\n");
    assert_eq!(plan("plan --from @l @h.json"), 2);
    assert_eq!(plan("plan --from @l @h.json --type *one"), 1);
    assert_eq!(
        fleet.json("label @h.json --type *one")["results"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // What is left out need not even be readable.
    let mut mixed = host("h", TIME, &types);
    mixed["implementations"][0]["info"] = json!({});
    fleet.write("mixed.json", &mixed.to_string());
    assert_eq!(fleet.run("baseline @mixed.json").status, 3);
    assert_eq!(fleet.run("baseline @mixed.json --type *two").status, 0);
    assert_eq!(fleet.run("label @mixed.json --type *one").status, 3);
}

#[test]
fn unreadable_sources() {
    let fleet = Fleet::new([
        ("a.json", ints(json!(["1-4"])).to_string()),
        ("b.json", "{".to_owned()),
        ("c.json", ints(json!(["1-3"])).to_string()),
        ("l", "model: a/b\nn=2\n".to_owned()),
    ]);
    let sources = "@a.json @b.json @no.json @c.json";
    for verb in [
        "baseline",
        "label",
        "compare @a.json @b.json --in",
        "compare @a.json",
    ] {
        let words = match verb {
            "compare @a.json" => "compare @a.json @b.json".to_owned(),
            "compare @a.json @b.json --in" => "compare @l @l --in @b.json".to_owned(),
            verb => format!("{verb} {sources}"),
        };
        let said = fleet.run(&words);
        assert_eq!((said.status, said.out.as_str()), (3, ""), "{words}");
        assert!(
            said.err.contains("vmig: @b.json: "),
            "{words}: {}",
            said.err
        );
        let error = fleet.json(&words);
        assert_eq!(error["schema"], "vmig.error/1");
        assert_eq!(
            (&error["error"]["code"], &error["error"]["exit"]),
            (&json!("malformed"), &json!(3))
        );
    }
    // The first one decides the status.
    assert_eq!(fleet.run("baseline @no.json @b.json").status, 4);
    let said = fleet.run(&format!("baseline {sources} --skip-unreadable"));
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "# compatible with 2 hosts\nmodel: a/b\nn=3\n")
    );
    let answer = fleet.json(&format!("baseline {sources} --skip-unreadable"));
    let skipped = answer["skipped"].as_array().unwrap();
    let skipped: Vec<_> = skipped
        .iter()
        .map(|one| (&one["source"], &one["error"]["code"]))
        .collect();
    assert_eq!(
        skipped,
        [
            (&json!("@b.json"), &json!("malformed")),
            (&json!("@no.json"), &json!("unreadable")),
        ]
    );
    let answer = fleet.json(&format!("label {sources} --skip-unreadable"));
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    // Nothing is left.
    assert_eq!(fleet.run("baseline @b.json --skip-unreadable").status, 3);
    assert_eq!(fleet.run("baseline @no.json --skip-unreadable").status, 4);
    assert_eq!(fleet.run("label @b.json --skip-unreadable").status, 4);
    // A plan is an answer in any case.
    let answer = fleet.json(&format!("plan --from @l {sources}"));
    let verdicts: Vec<_> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["verdict"])
        .collect();
    assert_eq!(verdicts, ["compatible", "unknown", "unknown", "compatible"]);
    assert_eq!(
        fleet.json(&format!("plan --from @l {sources} --skip-unreadable"))["results"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(fleet.run("plan --from @l @b.json").status, 3);
    assert_eq!(fleet.run("plan --from @l @no.json").status, 4);
}

#[test]
fn ages() {
    let fleet = Fleet::new([
        (
            "old.json",
            host(
                "old",
                "2026-11-21T18:00:00Z",
                &[("t", 1, ints(json!([1, 2])))],
            ),
        ),
        (
            "new.json",
            host("new", TIME, &[("t", 1, ints(json!(["1-4"])))]),
        ),
        ("bare.json", ints(json!(["1-4"]))),
        (
            "l",
            json!({"schema": "vmig.params/1", "model": "a/b", "params": {"n": 2}}),
        ),
    ]);
    for (words, status, list) in [
        ("", 0, "# compatible with 3 hosts\nmodel: a/b\nn=2\n"),
        (
            "--max-age 24h",
            0,
            "# compatible with 3 hosts\nmodel: a/b\nn=2\n",
        ),
        ("--max-age 86399s", 4, ""),
        (
            "--max-age 86399s --skip-unreadable",
            0,
            "# compatible with 2 hosts\nmodel: a/b\nn=4\n",
        ),
        // A bare document has no age.
        (
            "--max-age 29m --skip-unreadable",
            0,
            "# compatible with 1 hosts\nmodel: a/b\nn=4\n",
        ),
    ] {
        let said = fleet.run(format!("baseline @old.json @new.json @bare.json {words}").trim_end());
        assert_eq!((said.status, said.out.as_str()), (status, list), "{words}");
        let told = said
            .err
            .contains("@old.json: inventory of 2026-11-21T18:00:00Z, older than allowed");
        assert_eq!(
            told,
            words.contains("86399") || words.contains("29m"),
            "{words}: {}",
            said.err
        );
    }
    let answer = fleet.json("plan --from @l @old.json @new.json --max-age 1h");
    assert_eq!(answer["results"][0]["error"]["code"], "unreadable");
    assert_eq!(answer["results"][1]["rank"], 1);
    assert_eq!(fleet.run("label @old.json --max-age 1h").status, 4);
    assert_eq!(
        fleet.run("compare @old.json @new.json --max-age 1h").status,
        4
    );
    assert_eq!(
        fleet
            .run("compare @l @l --in @old.json --max-age 1h")
            .status,
        4
    );
}

#[test]
fn preferences_and_requirements() {
    let mut wide = ints(json!(["1-8"]));
    wide["models"]["a/b"]["params"]["m"] = json!({"type": "str", "init_value": "x"});
    let fleet = Fleet::new([("a.json", wide.clone()), ("b.json", wide)]);
    let list = |word: &str, note: &str, m: &str, n: &str| {
        format!("# {word} 2 hosts\n{note}model: a/b\nm={m}\n{n}")
    };
    let (sure, maybe) = ("compatible with", "possible for");
    for (words, status, expected) in [
        ("", 0, list(sure, "", "x", "n=4\n")),
        (
            "--prefer n=2",
            0,
            list(sure, "# as preferred: n\n", "x", "n=2\n"),
        ),
        (
            "--prefer n=max",
            0,
            list(sure, "# as preferred: n\n", "x", "n=8\n"),
        ),
        // The smallest is the value that means "off", so it is left out.
        (
            "--prefer n=min",
            0,
            list(sure, "# as preferred: n\n", "x", ""),
        ),
        ("--prefer n=9", 0, list(sure, "", "x", "n=4\n")),
        ("--prefer other=9", 0, list(sure, "", "x", "n=4\n")),
        // Certainty goes before preferences.
        ("--prefer m=y", 0, list(sure, "", "x", "n=4\n")),
        ("--require m=y", 0, list(maybe, "", "y", "n=4\n")),
        ("--require m=y --strict", 7, list(maybe, "", "y", "n=4\n")),
        ("--require n=8", 0, list(sure, "", "x", "n=8\n")),
        (
            "--require n=8 --prefer n=2",
            0,
            list(sure, "", "x", "n=8\n"),
        ),
        ("--require n=1", 0, list(sure, "", "x", "")),
        ("--strict", 0, list(sure, "", "x", "n=4\n")),
    ] {
        let words = format!("baseline @a.json @b.json {words}");
        assert_eq!(fleet.says(words.trim_end()), (status, expected), "{words}");
    }
    for words in ["--require n=9", "--require n=on", "--require other=1"] {
        let answer = fleet.json(&format!("baseline @a.json @b.json {words}"));
        assert_eq!(answer["verdict"], "none", "{words}");
        let conflict = &answer["models"][0]["conflict"];
        assert_eq!(
            conflict["hosts"].as_array().unwrap().len(),
            1,
            "{words}: one host is enough"
        );
        assert_eq!(
            fleet
                .run(&format!("baseline @a.json @b.json {words}"))
                .status,
            1
        );
    }
    let honoured = |words: &str| {
        fleet.json(&format!("baseline @a.json {words}"))["models"][0]
            .get("honoured")
            .cloned()
    };
    assert_eq!(honoured("--prefer n=9 --prefer m=x"), Some(json!(["m"])));
    assert_eq!(honoured("--prefer n=9"), Some(json!([])));
    assert_eq!(honoured("--require n=2"), None);
}

#[test]
fn explanations() {
    let mut one = ints(json!(["1-8"]));
    one["models"]["a/b"]["params"]["m"] =
        json!({"type": "bool", "init_value": true, "off_value": false});
    let mut two = ints(json!(["1-3"]));
    two["models"]["a/b"]["params"]["m"] = one["models"]["a/b"]["params"]["m"].clone();
    let fleet = Fleet::new([("a.json", one), ("b.json", two)]);
    let explain = |words: &str| {
        fleet.json(format!("baseline @a.json @b.json --explain {words}").trim_end())["models"][0]
            ["explain"]
            .clone()
    };
    assert_eq!(
        explain(""),
        json!([
            {"param": "m", "value": true, "why": "init", "limited_by": []},
            {"param": "n", "value": 3, "why": "init", "limited_by": ["@b.json"]},
        ])
    );
    assert_eq!(
        explain("--prefer n=2")[1],
        json!({"param": "n", "value": 2, "why": "preferred", "limited_by": []})
    );
    assert_eq!(explain("--require m=off")[0]["value"], Value::Null);
    let profile = |doc: &str| {
        let mut doc: Value = serde_json::from_str(doc).unwrap();
        doc["models"]["a/b"]["profiles"] = json!([{"name": "v1", "params": {"n": 2}}]);
        doc.to_string()
    };
    for name in ["a.json", "b.json"] {
        let text = fs::read_to_string(fleet.directory.path().join(name)).unwrap();
        fleet.write(name, &profile(&text));
    }
    assert_eq!(
        explain(""),
        json!([
            {"param": "m", "why": "profile", "limited_by": []},
            {"param": "n", "value": 2, "why": "profile", "limited_by": ["@a.json", "@b.json"]},
        ])
    );
    let (status, out) = fleet.says("baseline @a.json @b.json --explain");
    assert_eq!(
        (status, out.as_str()),
        (
            0,
            "\
# compatible with 2 hosts, profile v1
# m: absent, of the profile
# n: 2, of the profile, limited by @a.json, @b.json
model: a/b
n=2
"
        )
    );
}

#[test]
fn a_conflict_is_irreducible() {
    let fleet = Fleet::new([
        ("a.json", ints(json!([2, 3]))),
        ("b.json", ints(json!([3, 4]))),
        ("c.json", ints(json!([2, 4]))),
        ("d.json", ints(json!(["2-9"]))),
        ("e.json", ints(json!([2, 3]))),
    ]);
    let answer = fleet.json("baseline @d.json @a.json @b.json @c.json @e.json");
    assert_eq!(
        answer["models"][0]["conflict"],
        json!({
            "params": ["n"],
            "hosts": [
                {"host": "@a.json", "sets": {"n": ["2-3"]}},
                {"host": "@b.json", "sets": {"n": ["3-4"]}},
                {"host": "@c.json", "sets": {"n": [2, 4]}},
            ],
            "largest": {"hosts": ["@a.json", "@b.json", "@d.json", "@e.json"], "params": {"n": 3}},
        })
    );
    let (status, out) = fleet.says("baseline @a.json @b.json @c.json");
    assert_eq!(status, 1);
    assert!(
        out.starts_with("# no list for 3 hosts\nmodel: a/b\n# @a.json accepts n: 2-3\n"),
        "{out}"
    );
}

#[test]
fn sources_are_compared() {
    let mut open = ints(json!([1]));
    open["models"]["a/b"]["params"]["n"]
        .as_object_mut()
        .unwrap()
        .remove("allowed_values");
    let mut both = ints(json!([1, 2]));
    both["models"]["a/c"] = json!({"versions": ["1"]});
    let fleet = Fleet::new([
        ("12.json", ints(json!([1, 2]))),
        ("one.json", ints(json!(["1-2"]))),
        ("14.json", ints(json!(["1-4"]))),
        ("23.json", ints(json!([2, 3]))),
        ("9.json", ints(json!([9]))),
        ("open.json", open),
        (
            "other.json",
            json!({"models": {"a/c": {"versions": ["1"]}}}),
        ),
        ("both.json", both),
    ]);
    for (a, b, result, status) in [
        ("12", "one", "identical", 0),
        ("12", "14", "subset", 0),
        ("14", "12", "superset", 0),
        ("12", "23", "overlapping", 0),
        ("12", "9", "disjoint", 1),
        ("12", "open", "subset", 0),
        ("12", "other", "disjoint", 1),
        ("12", "both", "identical", 0),
        ("other", "both", "identical", 0),
    ] {
        let words = format!("compare @{a}.json @{b}.json");
        let answer = fleet.json(&words);
        assert_eq!(
            (&answer["what"], &answer["result"]),
            (&json!("sources"), &json!(result)),
            "{words}"
        );
        let responsible = match (result, b) {
            ("identical", _) | (_, "other") => json!([]),
            _ => json!(["n"]),
        };
        assert_eq!(answer["responsible"], responsible, "{words}");
        assert_eq!(answer["certain"], b != "open", "{words}");
        assert_eq!(answer["model"].is_null(), b == "other", "{words}");
        assert_eq!(fleet.says(&words).0, status, "{words}");
    }
    let said = fleet.run("compare @both.json @both.json");
    assert_eq!(said.status, 2);
    assert!(
        said.err
            .contains("both offer a/b, a/c: choose with --model"),
        "{}",
        said.err
    );
    assert_eq!(
        fleet.json("compare @both.json @both.json --model a/c")["result"],
        "identical"
    );
}

#[test]
fn lists_are_compared() {
    let mut document = json!({"models": {"a/b": {"params": {
        "n": {"type": "int", "init_value": 1, "off_value": 1},
        "s": {"type": "str", "init_value": "1", "off_value": "1"},
        "on": {"type": "bool", "init_value": true, "off_value": false},
    }}}});
    let fleet = Fleet::new([
        ("in.json", document.clone()),
        (
            "none",
            json!({"schema": "vmig.params/1", "model": "a/b", "params": {}}),
        ),
        (
            "n2",
            json!({"schema": "vmig.params/1", "model": "a/b", "params": {"n": 2}}),
        ),
        (
            "n3",
            json!({"schema": "vmig.params/1", "model": "a/b", "params": {"n": 3}}),
        ),
        (
            "n2on",
            json!({"schema": "vmig.params/1", "model": "a/b", "params": {"n": 2, "on": true}}),
        ),
        (
            "s2",
            json!({"schema": "vmig.params/1", "model": "a/b", "params": {"s": "2"}}),
        ),
        (
            "other",
            json!({"schema": "vmig.params/1", "model": "a/c", "params": {}}),
        ),
    ]);
    fleet.write("text", "model: a/b\nn=2\n");
    document["models"]["a/b"]["profiles"] = json!([
        {"name": "v1", "params": {"n": 2}}, {"name": "v2", "params": {"n": 3}},
        {"name": "v3", "params": {}},
    ]);
    // As it stands, n is unbounded; the profiles are possible, which is enough.
    fleet.write("profiles.json", &document.to_string());
    for (a, b, within, result, responsible, status) in [
        ("n2", "n2", "in", "same", json!([]), 0),
        ("n2", "text", "in", "same", json!([]), 0),
        ("none", "n2", "in", "older", json!(["n"]), 0),
        ("n2on", "n2", "in", "newer", json!(["on"]), 0),
        ("n2", "n3", "in", "unordered", json!(["n"]), 1),
        ("n2", "s2", "in", "unordered", json!(["n", "s"]), 1),
        ("n2", "n3", "profiles", "older", json!(["n"]), 0),
        ("n3", "n2", "profiles", "newer", json!(["n"]), 0),
        // The declared order goes before the values that are absent.
        ("none", "n3", "profiles", "newer", json!(["n"]), 0),
        ("n3", "n2on", "profiles", "unordered", json!(["n", "on"]), 1),
        ("n2", "other", "in", "unordered", json!([]), 1),
    ] {
        let words = format!("compare @{a} @{b} --in @{within}.json");
        let answer = fleet.json(&words);
        assert_eq!(
            (&answer["what"], &answer["result"]),
            (&json!("lists"), &json!(result)),
            "{words}"
        );
        assert_eq!(answer["responsible"], responsible, "{words}");
        assert_eq!(fleet.says(&words).0, status, "{words}");
    }
}

#[test]
fn plans_have_ranks() {
    let runtime = |allowed: Value, runtime: bool| {
        let mut document = ints(allowed);
        document["models"]["a/b"]["params"]["n"]["runtime"] = json!(runtime);
        document
    };
    let mut open = ints(json!([1]));
    open["models"]["a/b"]["params"]["n"]
        .as_object_mut()
        .unwrap()
        .remove("allowed_values");
    let mut two = runtime(json!([1]), false);
    two["models"]["a/b"]["params"]["m"] =
        json!({"type": "int", "init_value": 5, "allowed_values": [5]});
    let never = json!({"models": {"a/b": {
        "params": {"n": {"type": "int", "init_value": 4, "off_value": 1}},
        "constraints": [{"if": {}, "then": {"n": [1]}}, {"if": {}, "then": {"n": [2]}}],
    }}});
    let types = [
        ("t-few", 2, ints(json!([1, 2]))),
        ("t-full", 0, ints(json!([1, 2]))),
        ("t-many", 9, ints(json!([1, 2]))),
        ("t-near", 1, runtime(json!([1]), true)),
        ("t-never", 1, never),
        ("t-open", 3, open),
        ("t-two", 1, two),
    ];
    let fleet = Fleet::new([
        ("h.json", host("h", TIME, &types)),
        ("bare.json", ints(json!([1, 2]))),
        (
            "other.json",
            json!({"models": {"a/c": {"versions": ["1"]}}}),
        ),
        (
            "l",
            json!({"schema": "vmig.params/1", "model": "a/b", "params": {"n": 2}}),
        ),
        (
            "m",
            json!({"schema": "vmig.params/1", "model": "a/b", "params": {"n": 2}, "runtime": []}),
        ),
    ]);
    let answer = fleet.json("plan --from @l @h.json @bare.json @other.json @no.json");
    let mut ranked: Vec<(u64, String)> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let changes = one["changes"]
                .as_array()
                .map_or(-1, |changes| i64::try_from(changes.len()).unwrap());
            let name = one["type"].as_str().or(one["source"].as_str()).unwrap();
            (
                one["rank"].as_u64().unwrap(),
                format!("{name} {} {changes}", one["verdict"].as_str().unwrap()),
            )
        })
        .collect();
    ranked.sort();
    let ranked: Vec<&str> = ranked.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(
        ranked,
        [
            // How many are free is not known of the bare one: some, but fewer than those that say so.
            "t-many compatible 0",
            "t-few compatible 0",
            "@bare.json compatible 0",
            "t-full compatible 0",
            "t-open possible 0",
            "t-near incompatible 1",
            "t-two incompatible 2",
            "t-never incompatible -1",
            "@other.json incompatible -1",
            "@no.json unknown -1",
        ]
    );
    let changes = |list: &str, kind: &str| {
        fleet.json(&format!("plan --from @{list} @h.json --type {kind}"))["results"][0]["changes"]
            .clone()
    };
    // The destination says what may change while open, unless the list does.
    assert_eq!(
        changes("l", "t-near"),
        json!([{"param": "n", "from": 2, "when": "now"}])
    );
    assert_eq!(
        changes("m", "t-near"),
        json!([{"param": "n", "from": 2, "when": "restart"}])
    );
    assert_eq!(
        changes("l", "t-two"),
        json!([
            {"param": "m", "to": 5, "when": "restart"},
            {"param": "n", "from": 2, "when": "restart"},
        ])
    );
    for (sources, words, status) in [
        ("@h.json", "", 0),
        ("@h.json", "--type t-near", 1),
        ("@h.json", "--type t-open", 0),
        ("@h.json", "--type t-open --strict", 7),
        ("@h.json", "--type none", 4),
        ("@no.json", "", 4),
    ] {
        let words = format!("plan --from @l {sources} {words}");
        assert_eq!(fleet.run(words.trim_end()).status, status, "{words}");
    }
}

#[test]
fn documents_of_both_rfc_versions_and_of_several_models() {
    let v3 = json!({"models": {
        "a/b": {"params": {"version": {"type": "str", "init_value": "v2", "allowed_values": ["v1", "v2", "v3"]}}},
        "a/c": {"params": {"n": {"type": "int", "init_value": 1}}},
    }});
    let fleet = Fleet::new([
        ("v3.json", v3.clone()),
        ("v4.json", versions(json!(["v2", "v3", "v9"]))),
        ("mixed.json", v3),
    ]);
    fleet.write(
        "mixed.json",
        &format!("{}{}", fleet.directory.path().join("v3.json").display(), ""),
    );
    let text = |name: &str| fs::read_to_string(fleet.directory.path().join(name)).unwrap();
    fleet.write(
        "mixed.json",
        &format!("{}\n{}", text("v3.json"), text("v4.json")),
    );
    let answer = fleet.json("baseline @v3.json @v4.json");
    assert_eq!(answer["verdict"], "compatible");
    let models = answer["models"].as_array().unwrap();
    assert_eq!(
        models[0],
        json!({"model": "a/b", "verdict": "compatible", "hosts": 2, "missing": [],
                                 "params": {"version": "v2"}})
    );
    assert_eq!(
        models[1],
        json!({"model": "a/c", "verdict": "compatible", "hosts": 1,
                                 "missing": ["@v4.json"], "params": {"n": 1}})
    );
    let answer = fleet.json("baseline @mixed.json --model a/c");
    assert_eq!(answer["verdict"], "none", "one lacks it");
    assert_eq!(answer["models"][0]["missing"], json!(["@mixed.json#2"]));
    assert_eq!(fleet.run("baseline @mixed.json --model a/c").status, 1);
    // The two forms of the same are the same.
    fleet.write(
        "as-v4.json",
        &versions(json!(["v1", "v2", "v3"])).to_string(),
    );
    assert_eq!(
        fleet.json("compare @v3.json @as-v4.json")["result"],
        "identical"
    );
    let labels = fleet.json("label @v3.json @as-v4.json @mixed.json");
    let label = |source: &str, model: &str| {
        let mut results = labels["results"].as_array().unwrap().iter();
        results
            .find(|one| one["source"] == source && one["model"] == model)
            .unwrap()["label"]
            .clone()
    };
    assert_eq!(label("@v3.json", "a/b"), label("@as-v4.json", "a/b"));
    assert_eq!(label("@v3.json", "a/c"), label("@mixed.json#1", "a/c"));
    assert_ne!(label("@v3.json", "a/b"), label("@mixed.json#2", "a/b"));
    fleet.write("l", "model: a/b\nversion=v9\n");
    let answer = fleet.json("plan --from @l @mixed.json");
    let verdicts: Vec<_> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["model"], &one["verdict"]))
        .collect();
    assert_eq!(
        verdicts,
        [
            (&json!("a/b"), &json!("incompatible")),
            (&json!("a/c"), &json!("incompatible")),
            (&json!("a/b"), &json!("compatible")),
        ]
    );
}

#[test]
fn forms_of_labels() {
    let mut document = ints(json!(["1-4"]));
    document["models"]["a/b"]["profiles"] =
        json!([{"name": "v1", "params": {}}, {"name": "v2", "params": {"n": 3}}]);
    let fleet = Fleet::new([("a.json", document), ("b.json", ints(json!([1, 2, 3, 4])))]);
    fleet.write("n3", "n=3\n");
    fleet.write("n9", "model: a/b\nn=9\n");
    let answer = fleet.json("label @a.json @b.json --list mine=@n3 --list far=@n9 --model a/b");
    let results = answer["results"].as_array().unwrap();
    assert_eq!(
        results[0]["label"], results[1]["label"],
        "profiles do not change what is accepted"
    );
    let names = |one: &Value| -> Vec<String> {
        let accepts = one["accepts"].as_array().unwrap().iter();
        accepts
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&results[0]), ["mine", "v1", "v2"]);
    assert_eq!(names(&results[1]), ["mine"]);
    let accepts = &results[0]["accepts"];
    assert_eq!(accepts[0]["label"], accepts[2]["label"], "v2 is that list");
    assert_eq!(accepts[0]["label"], results[1]["accepts"][0]["label"]);
    let label = |one: &Value| one.as_str().unwrap().to_owned();
    let mut all = vec![
        label(&results[0]["label"]),
        label(&accepts[1]["label"]),
        label(&accepts[2]["label"]),
    ];
    all.sort();
    for one in &all {
        assert!(one.len() <= 63 && one.starts_with("v1-"), "{one}");
        assert!(
            one.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
            "{one}"
        );
    }
    let words = "label @a.json @b.json --list mine=@n3 --model a/b --format";
    let nfd: String = all.iter().map(|one| format!("vmig-{one}=true\n")).collect();
    assert_eq!(fleet.says(&format!("{words} nfd")), (0, nfd));
    let traits: String = all
        .iter()
        .map(|one| format!("CUSTOM_VMIG_{}\n", one.to_uppercase().replace('-', "_")))
        .collect();
    assert_eq!(fleet.says(&format!("{words} trait")), (0, traits));
    let json: Value = serde_json::from_str(&fleet.says(&format!("{words} json")).1).unwrap();
    assert_eq!(json["schema"], "vmig.label/1");
    assert!(fleet.says(&format!("{words} text")).1.starts_with("LABEL "));
}

#[test]
fn duplicates_and_stale_copies() {
    let old = |allowed: Value| host("h", "2026-11-22T10:00:00Z", &[("t", 1, ints(allowed))]);
    let new = |name: &str| host(name, TIME, &[("t", 1, ints(json!(["1-4"])))]);
    let fleet = Fleet::new([
        ("fleet/a.json", format!("{}\n{}", new("h"), new("g"))),
        ("fleet/b.json", old(json!([1, 2])).to_string()),
        ("fleet/c.json", format!("{}{}", new("h"), old(json!([1])))),
        ("fleet/not.txt", "{".to_owned()),
        ("fleet/.hidden.json", "{".to_owned()),
        ("fleet/sub/d.json", "{".to_owned()),
        ("l", "model: a/b\nn=4\n".to_owned()),
    ]);
    let said = fleet.run("baseline @fleet @fleet/c.json");
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "# compatible with 2 hosts\nmodel: a/b\nn=4\n")
    );
    let stale: Vec<&str> = said.err.lines().collect();
    assert_eq!(
        stale,
        [
            "vmig: warning: @fleet/b.json: stale: host h is described later in @fleet/a.json#1",
            "vmig: warning: @fleet/c.json#2: stale: host h is described later in @fleet/a.json#1",
            "vmig: warning: @fleet/c.json#2: stale: host h is described later in @fleet/a.json#1",
        ]
    );
    for (words, results) in [("label", 2), ("plan --from @l", 2)] {
        let answer = fleet.json(&format!("{words} @fleet @fleet/c.json -q"));
        assert_eq!(
            answer["results"].as_array().unwrap().len(),
            results,
            "{words}"
        );
    }
    // Bare documents are hosts of their own, by the source as typed.
    let answer = fleet.json("baseline @fleet @fleet -q");
    assert_eq!(answer["models"][0]["hosts"], 2);
}

#[test]
fn one_bad_file_of_thousands_hides_no_other() {
    let fleet = Fleet::new([("l", "model: a/b\nn=3\n")]);
    for n in 0..3000 {
        let document = ints(json!([1, 3, 5 + n % 7]));
        fleet.write(&format!("fleet/{n:04}.json"), &document.to_string());
    }
    fleet.write("fleet/1234x.json", "{\"models\": {\"a/b\": {\"params\": {}");
    let answer = fleet.json("check --from @l @fleet");
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 3001);
    for (i, one) in results.iter().enumerate() {
        let verdict = if i == 1235 { "unknown" } else { "compatible" };
        assert_eq!(one["verdict"], verdict, "{one}");
    }
    assert_eq!(results[1235]["source"], "@fleet/1234x.json");
    let plan = fleet.json("plan --from @l @fleet");
    assert_eq!(plan["results"][1235]["rank"], 3001);
    for words in [
        "baseline @fleet",
        "label @fleet",
        "compare @fleet @fleet/0000.json",
    ] {
        let said = fleet.run(words);
        assert_eq!((said.status, said.out.as_str()), (3, ""), "{words}");
        assert!(
            said.err.starts_with("vmig: @fleet/1234x.json: "),
            "{words}: {}",
            said.err
        );
        assert_eq!(said.err.lines().count(), 1);
    }
    let said = fleet.run("baseline @fleet --skip-unreadable");
    assert_eq!(
        (said.status, said.out.as_str()),
        (0, "# compatible with 3000 hosts\nmodel: a/b\nn=3\n")
    );
    let labels = fleet.json("label @fleet --skip-unreadable");
    let labels: std::collections::BTreeSet<&str> = labels["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["label"].as_str().unwrap())
        .collect();
    assert_eq!(labels.len(), 7);
    assert_eq!(
        fleet.json("compare @fleet @fleet/0000.json --skip-unreadable")["result"],
        "subset"
    );
}
