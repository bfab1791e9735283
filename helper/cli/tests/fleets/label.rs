// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig label`: every form.

use serde_json::{
    json,
    Value, //
};

use crate::{
    ints,
    Fleet, //
};

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
