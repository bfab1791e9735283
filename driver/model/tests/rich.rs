// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Strs, ranges, several constraints: parameters that the serial types lack.

use serde_json::{
    json,
    Value as Json, //
};
use vmig_model::{
    capacity::{
        Capacity,
        PARENT, //
    },
    error::Class,
    info::write_info,
    stage,
    values::Values,
};

use crate::paged::TYPE;

const UUID: &str = "6b1d3c1c-0c8e-4f3a-9c52-0123456789ab";

fn staged(rest: &str) -> Result<String, (Class, String)> {
    let entry = stage::parse(&TYPE, format!("{UUID} {rest}").as_bytes())
        .map_err(|error| (error.class(), error.to_string()))?;
    let mut text = String::new();
    stage::write(&TYPE, &entry, &mut text).unwrap();
    Ok(text
        .trim_end()
        .strip_prefix(&format!("{UUID} "))
        .unwrap()
        .to_owned())
}

#[test]
fn lines() {
    let constraint = |text: &str| Err((Class::Constraint, text.to_owned()));
    let first = "checksum=on needs num-queues=3-5|8";
    let second = "codec=zero num-queues=8 needs checksum=on memory-mb=64";
    for (line, expected) in [
        ("memory-mb=16", Ok("memory-mb=16".to_owned())),
        (
            "memory-mb=32 num-queues=1 codec=none",
            Ok("memory-mb=32".to_owned()),
        ),
        (
            "memory-mb=64 codec=zero",
            Ok("codec=zero memory-mb=64".to_owned()),
        ),
        ("memory-mb=16 checksum=on", constraint(first)),
        ("memory-mb=16 checksum=on num-queues=2", constraint(first)),
        ("memory-mb=16 checksum=on num-queues=6", constraint(first)),
        (
            "memory-mb=16 checksum=on num-queues=3",
            Ok("checksum=on memory-mb=16 num-queues=3".to_owned()),
        ),
        (
            "memory-mb=16 checksum=on num-queues=8",
            Ok("checksum=on memory-mb=16 num-queues=8".to_owned()),
        ),
        // One condition of the second alone asks for nothing.
        (
            "memory-mb=16 num-queues=8",
            Ok("memory-mb=16 num-queues=8".to_owned()),
        ),
        (
            "memory-mb=16 num-queues=7 codec=zero",
            Ok("codec=zero memory-mb=16 num-queues=7".to_owned()),
        ),
        ("memory-mb=64 num-queues=8 codec=zero", constraint(second)),
        (
            "memory-mb=16 num-queues=8 codec=zero checksum=on",
            constraint(second),
        ),
        (
            "memory-mb=64 num-queues=8 codec=zero checksum=on",
            Ok("checksum=on codec=zero memory-mb=64 num-queues=8".to_owned()),
        ),
        (
            "memory-mb=15",
            Err((Class::NotAllowed, "memory-mb: value not allowed".to_owned())),
        ),
        (
            "memory-mb=33",
            Err((Class::NotAllowed, "memory-mb: value not allowed".to_owned())),
        ),
        (
            "memory-mb=16 codec=lz4",
            Err((Class::NotAllowed, "codec: value not allowed".to_owned())),
        ),
        (
            "memory-mb=16 codec=",
            Err((Class::NotAllowed, "codec: value not allowed".to_owned())),
        ),
    ] {
        assert_eq!(staged(line), expected, "{line}");
    }
}

#[test]
fn document() {
    let mut text = String::new();
    write_info(&TYPE, &mut text).unwrap();
    let found: Json = serde_json::from_str(&text).unwrap();
    let description = "A \"quoted\" \\ text.";
    let expected = json!({"models": {"vmig.example/paged": {
        "params": {
            "checksum": {
                "type": "bool", "init_value": false, "off_value": false,
                "allowed_values": [false, true], "description": description
            },
            "codec": {
                "type": "str", "init_value": "zero", "off_value": "none",
                "allowed_values": ["none", "zero"], "runtime": true, "description": description
            },
            "memory-mb": {
                "type": "int", "init_value": 16, "allowed_values": ["16-32", 64],
                "description": description
            },
            "num-queues": {
                "type": "int", "init_value": 1, "off_value": 1, "allowed_values": ["1-8"],
                "description": description
            },
        },
        "constraints": [
            {
                "if": {"checksum": [true]}, "then": {"num-queues": ["3-5", 8]},
                "description": "First."
            },
            {
                "if": {"codec": ["zero"], "num-queues": [8]},
                "then": {"checksum": [true], "memory-mb": [64]},
                "description": "Second."
            },
        ],
    }}});
    assert_eq!(found, expected);
}

#[test]
fn memory_counts() {
    let megabytes = |memory_mb| Capacity {
        ports: 0,
        memory_mb,
    };
    assert_eq!(TYPE.smallest_need(), megabytes(16));
    let mut values = Values::init(&TYPE);
    values
        .set(&TYPE, TYPE.index("memory-mb").unwrap(), "64")
        .unwrap();
    assert_eq!(TYPE.need(&values), megabytes(64));
    assert_eq!(PARENT.count(TYPE.need(&values)), 16);
}
