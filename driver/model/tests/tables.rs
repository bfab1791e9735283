// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The tables of both generations, as one JSON document per type, written down without the library.

use serde_json::{
    json,
    Value as Json, //
};

/// `(generation, type, ports init, ports allowed)`.
pub(crate) const TYPES: [(u32, &str, u64, &[u64]); 6] = [
    (1, "serial-1", 1, &[1]),
    (1, "serial-2", 2, &[2]),
    (1, "serial-var", 1, &[1, 2]),
    (2, "serial-1", 1, &[1]),
    (2, "serial-2", 2, &[2]),
    (2, "serial-var", 1, &[1, 2]),
];

/// What the design says of a type, without the descriptions.
pub(crate) fn expected(generation: u32, init: u64, ports: &[u64]) -> Json {
    let ports_param = json!({"type": "int", "init_value": init, "allowed_values": ports});
    let profile = |version: u32, n: &u64| match version {
        1 => json!({"name": format!("s{n}-v1"), "params": {"ports": n}}),
        _ => json!({
            "name": format!("s{n}-v2"),
            "params": {"auto-flow": true, "fifo-size": 64, "ports": n}
        }),
    };
    let profiles: Vec<_> = (1..=generation)
        .flat_map(|version| ports.iter().map(move |n| profile(version, n)))
        .collect();
    let model = match generation {
        1 => json!({
            "params": {
                "fifo-size": {
                    "type": "int", "init_value": 16, "off_value": 16, "allowed_values": [16]
                },
                "ports": ports_param,
            },
            "profiles": profiles,
        }),
        _ => json!({
            "params": {
                "auto-flow": {
                    "type": "bool", "init_value": true, "off_value": false,
                    "allowed_values": [false, true]
                },
                "fifo-size": {
                    "type": "int", "init_value": 64, "off_value": 16, "allowed_values": [16, 64]
                },
                "line-stats": {
                    "type": "bool", "init_value": false, "off_value": false,
                    "allowed_values": [false, true], "runtime": true
                },
                "ports": ports_param,
            },
            "constraints": [
                {"if": {"auto-flow": [true]}, "then": {"fifo-size": [64]}}
            ],
            "profiles": profiles,
        }),
    };
    json!({"models": {"vmig.example/pci-serial": model}})
}

/// Takes the descriptions out, and checks that they are there.
pub(crate) fn without_descriptions(mut document: Json) -> Json {
    let models = document["models"].as_object_mut().expect("models");
    let (_, model) = models.iter_mut().next().expect("a model");
    let params = model["params"].as_object_mut().expect("params");
    params.values_mut().for_each(strip);
    if let Some(constraints) = model.get_mut("constraints") {
        constraints
            .as_array_mut()
            .expect("an array")
            .iter_mut()
            .for_each(strip);
    }
    document
}

fn strip(object: &mut Json) {
    let text = object
        .as_object_mut()
        .expect("an object")
        .remove("description");
    let text = text.as_ref().and_then(Json::as_str).expect("a description");
    assert!(text.ends_with('.') && text.len() > 10, "{text:?}");
}
