// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The accelerator's types of both generations, against the design.

use serde_json::{
    json,
    Value as Json, //
};
use vmig_model::{
    capacity::PARENT,
    info::write_info,
    types::{
        types,
        Generation, //
    },
    values::Values, //
};

/// `(type, memory-mb init, allowed in generation 1, in generation 2)`.
type Row = (&'static str, u64, &'static [u64], &'static [u64]);

const TYPES: [Row; 3] = [
    ("accel-64", 64, &[64], &[64]),
    ("accel-128", 128, &[128], &[128]),
    ("accel-var", 64, &[16, 32, 64, 128], &[16, 32, 64, 128, 256]),
];

fn profiles(generation: u32, memory: &[u64]) -> Vec<Json> {
    let of = |mb: u64| {
        let mut found = vec![
            json!({"name": format!("m{mb}-q1-v1"), "params": {"memory-mb": mb}}),
            json!({
                "name": format!("m{mb}-q4-v1"),
                "params": {"memory-mb": mb, "num-queues": 4}
            }),
        ];
        if generation == 2 {
            found.push(json!({
                "name": format!("m{mb}-q4-v2"),
                "params": {"checksum": true, "memory-mb": mb, "num-queues": 4}
            }));
        }
        found
    };
    let sizes = [64, 128].into_iter().filter(|mb| memory.contains(mb));
    sizes.flat_map(of).collect()
}

fn expected(generation: u32, init: u64, memory: &[u64]) -> Json {
    let memory_mb = json!({"type": "int", "init_value": init, "allowed_values": memory});
    let num_queues = |init: u64, range: &str| json!({"type": "int", "init_value": init, "off_value": 1, "allowed_values": [range]});
    let model = match generation {
        1 => json!({
            "params": {"memory-mb": memory_mb, "num-queues": num_queues(1, "1-4")},
            "profiles": profiles(1, memory),
        }),
        _ => json!({
            "params": {
                "checksum": {
                    "type": "bool", "init_value": true, "off_value": false,
                    "allowed_values": [false, true]
                },
                "codec": {
                    "type": "str", "init_value": "zero", "off_value": "none",
                    "allowed_values": ["none", "zero"], "runtime": true
                },
                "memory-mb": memory_mb,
                "num-queues": num_queues(4, "1-8"),
            },
            "constraints": [{"if": {"checksum": [true]}, "then": {"num-queues": ["3-8"]}}],
            "profiles": profiles(2, memory),
        }),
    };
    json!({"models": {"vmig.example/accel": model}})
}

#[test]
fn documents_are_those_of_the_design() {
    for number in [1, 2] {
        let generation = Generation::try_from(number).unwrap();
        for (name, init, one, two) in TYPES {
            let ty = types(generation).iter().find(|ty| ty.name == name).unwrap();
            assert_eq!(ty.generation, generation);
            let mut text = String::new();
            write_info(ty, &mut text).unwrap();
            let found: Json = serde_json::from_str(&text).unwrap();
            let found = crate::tables::without_descriptions(found);
            let memory = if number == 1 { one } else { two };
            assert_eq!(found, expected(number, init, memory), "{name} {number}");
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
}

#[test]
fn checksums_need_three_queues() {
    let ty = super::machine::accel_var(Generation::Two);
    for queues in 1..=8 {
        for checksum in ["off", "on"] {
            let mut values = Values::init(ty);
            let mut set = |name, text: &str| values.set(ty, ty.index(name).unwrap(), text);
            set("num-queues", &queues.to_string()).unwrap();
            set("checksum", checksum).unwrap();
            let judged = values.check(ty).map_err(|violation| violation.to_string());
            let expected = match (queues, checksum) {
                (1 | 2, "on") => Err("checksum=on needs num-queues=3-8".to_owned()),
                _ => Ok(()),
            };
            assert_eq!(judged, expected);
        }
    }
    let mut values = Values::init(ty);
    let mut set = |name, text| values.set(ty, ty.index(name).unwrap(), text);
    for (name, text) in [
        ("num-queues", "0"),
        ("num-queues", "9"),
        ("memory-mb", "48"),
        ("memory-mb", "0"),
        ("memory-mb", "512"),
        ("codec", "lz4"),
        ("codec", ""),
    ] {
        assert!(set(name, text).is_err(), "{name}={text}");
    }
}

#[test]
fn memory_is_what_a_parent_has_1024_mib_of() {
    for (name, smallest, count) in [
        ("accel-64", 64, 16),
        ("accel-128", 128, 8),
        ("accel-var", 16, 64),
    ] {
        for generation in [Generation::One, Generation::Two] {
            let ty = types(generation).iter().find(|ty| ty.name == name).unwrap();
            let need = ty.need(&Values::init(ty));
            let init = if name == "accel-128" { 128 } else { 64 };
            assert_eq!((need.ports, need.memory_mb), (0, init));
            assert_eq!(ty.smallest_need().memory_mb, smallest);
            assert_eq!(PARENT.count(ty.smallest_need()), count, "{name}");
        }
    }
}

#[test]
fn generations_exchange_plain_streams() {
    use super::machine::*;
    let mut rig = Rig::new(SMALL);
    rig.poke(9, b"memory");
    let stream = rig.saved();
    let mut old = closed(Generation::One, SMALL);
    old.open().unwrap();
    let session = old
        .set_state(vmig_model::arcs::State::Resuming)
        .unwrap()
        .unwrap();
    old.write(session.session, &stream).unwrap();
    old.set_state(vmig_model::arcs::State::StopCopy).unwrap();
    assert_eq!(old.device().memory().get(9, 6), b"memory");
    let session = old.session().unwrap().session;
    let again = crate::support::drain(&mut old, session, 9999);
    assert!(again == stream, "the same bytes from generation 1");
}
