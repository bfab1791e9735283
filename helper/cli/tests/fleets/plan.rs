// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig plan`: ranks and changes.

use serde_json::{
    json,
    Value, //
};

use crate::{
    host,
    ints,
    Fleet,
    TIME, //
};

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
