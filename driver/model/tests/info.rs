// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `migration_info.json` and the tables behind it, against the design.

use serde_json::Value as Json;
use vmig_model::{
    info::write_info,
    params::{
        Item,
        Value, //
    },
    types::{
        find,
        types,
        Generation, //
    },
    values::Values,
};

use crate::tables::{
    expected,
    without_descriptions,
    TYPES, //
};

fn document(generation: u32, name: &str) -> (String, Json) {
    let generation = Generation::try_from(generation).unwrap();
    let mut text = String::new();
    write_info(find(generation, name).unwrap(), &mut text).unwrap();
    let json = serde_json::from_str(&text).expect("JSON");
    (text, json)
}

#[test]
fn documents_are_those_of_the_design() {
    for (generation, name, init, ports) in TYPES {
        let (_, found) = document(generation, name);
        let expected = expected(generation, init, ports);
        assert_eq!(
            without_descriptions(found),
            expected,
            "{name} of generation {generation}"
        );
    }
    for generation in [Generation::One, Generation::Two] {
        let names: Vec<_> = types(generation).iter().map(|ty| ty.name).collect();
        let expected = [
            "serial-1",
            "serial-2",
            "serial-var",
            "accel-64",
            "accel-128",
            "accel-var",
        ];
        assert_eq!(names, expected);
        assert!(types(generation)
            .iter()
            .all(|ty| ty.generation == generation));
    }
    assert_eq!(Generation::NEWEST, Generation::Two);
    assert!(Generation::try_from(0).is_err() && Generation::try_from(3).is_err());
}

#[test]
fn text_is_stable_and_tidy() {
    let (text, _) = document(2, "serial-var");
    assert!(text.ends_with("}\n") && !text.ends_with("\n\n"));
    assert!(text
        .lines()
        .all(|line| line == line.trim_end() && !line.contains('\t')));
    let position = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle}"));
    let order = [
        "\"auto-flow\": {",
        "\"fifo-size\": {",
        "\"line-stats\": {",
        "\"ports\": {",
        "\"constraints\"",
        "\"profiles\"",
    ];
    assert!(order
        .windows(2)
        .all(|pair| position(pair[0]) < position(pair[1])));
}

/// Members of the JSON and facts of the tables are the same facts.
#[test]
fn sysfs_facts_agree_with_the_document() {
    let json = |value: Value<'_>| match value {
        Value::Bool(value) => Json::from(value),
        Value::Int(value) => Json::from(value),
        Value::Str(value) => Json::from(value),
    };
    for (generation, name, ..) in TYPES {
        let (_, document) = document(generation, name);
        let ty = find(Generation::try_from(generation).unwrap(), name).unwrap();
        let params = &document["models"][ty.model]["params"];
        assert_eq!(params.as_object().unwrap().len(), ty.params.len());
        for param in ty.params {
            let found = &params[param.name];
            assert_eq!(found["type"], param.kind.as_str());
            assert_eq!(found["init_value"], json(param.init));
            assert_eq!(found.get("off_value"), param.off.map(json).as_ref());
            assert_eq!(
                found.get("runtime"),
                param.runtime.then(|| Json::from(true)).as_ref()
            );
            assert_eq!(found["description"], param.description);
            let allowed: Vec<_> = param
                .allowed
                .iter()
                .map(|item| match item {
                    Item::One(value) => json(*value),
                    Item::Range(..) => Json::from(item.to_string()),
                })
                .collect();
            assert_eq!(found["allowed_values"], Json::from(allowed));
        }
    }
}

#[test]
fn initial_values_and_profiles_are_accepted() {
    for (generation, name, ..) in TYPES {
        let ty = find(Generation::try_from(generation).unwrap(), name).unwrap();
        assert_eq!(Values::init(ty).check(ty), Ok(()));
        for profile in ty.profiles {
            let mut values = Values::off_or_init(ty);
            for (name, value) in profile.params {
                let i = ty.index(name).unwrap();
                values.set(ty, i, &value.to_string()).unwrap();
            }
            assert_eq!(values.check(ty), Ok(()), "{}", profile.name);
            let listed: Vec<_> = values
                .list(ty)
                .map(|(param, value)| (param.name, value))
                .collect();
            assert_eq!(listed, profile.params, "{} is a list", profile.name);
        }
    }
}
