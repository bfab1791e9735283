// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What is looked at: types, what cannot be read, what is too old.

use serde_json::json;

use crate::{
    host,
    ints,
    Fleet,
    TIME, //
};

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
