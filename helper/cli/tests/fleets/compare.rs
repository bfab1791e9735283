// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig compare`, of sources and of lists.

use serde_json::json;

use crate::{
    ints,
    Fleet, //
};

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
