// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig baseline`: preferences, requirements, explanations, conflicts.

use std::fs;

use serde_json::{
    json,
    Value, //
};

use crate::{
    ints,
    Fleet, //
};

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
