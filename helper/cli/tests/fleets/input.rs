// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Inputs as fleets have them: both versions of the RFC, several models, copies, thousands of files.

use std::fs;

use serde_json::{
    json,
    Value, //
};

use crate::{
    host,
    ints,
    versions,
    Fleet,
    TIME, //
};

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
