// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Values, value sets, names, UUIDs.

use proptest::prelude::*;
use vmig_model::{
    error::Error,
    params::{
        is_model,
        is_name,
        Item,
        Param,
        ParseError,
        Type,
        Value, //
    },
    uuid::Uuid,
};

#[test]
fn texts_of_values() {
    let long = "x".repeat(1025);
    let rows: &[(Type, &str, Result<Value<'_>, ParseError>)] = &[
        (Type::Bool, "on", Ok(Value::Bool(true))),
        (Type::Bool, "off", Ok(Value::Bool(false))),
        (Type::Bool, "On", Err(ParseError::NotBool)),
        (Type::Bool, "1", Err(ParseError::NotBool)),
        (Type::Bool, "true", Err(ParseError::NotBool)),
        (Type::Bool, "", Err(ParseError::NotBool)),
        (Type::Bool, "on ", Err(ParseError::NotBool)),
        (Type::Bool, "on\n", Err(ParseError::NotBool)),
        (Type::Int, "0", Ok(Value::Int(0))),
        (Type::Int, "64", Ok(Value::Int(64))),
        (Type::Int, "18446744073709551615", Ok(Value::Int(u64::MAX))),
        (
            Type::Int,
            "18446744073709551616",
            Err(ParseError::IntTooLarge),
        ),
        (Type::Int, "00", Err(ParseError::NotInt)),
        (Type::Int, "010", Err(ParseError::NotInt)),
        (Type::Int, "+1", Err(ParseError::NotInt)),
        (Type::Int, "-1", Err(ParseError::NotInt)),
        (Type::Int, "-0", Err(ParseError::NotInt)),
        (Type::Int, "0x10", Err(ParseError::NotInt)),
        (Type::Int, "4.0", Err(ParseError::NotInt)),
        (Type::Int, "1e3", Err(ParseError::NotInt)),
        (Type::Int, "1 ", Err(ParseError::NotInt)),
        (Type::Int, " 1", Err(ParseError::NotInt)),
        (Type::Int, "1_0", Err(ParseError::NotInt)),
        (Type::Int, "٣", Err(ParseError::NotInt)),
        (Type::Int, "", Err(ParseError::NotInt)),
        (Type::Str, "", Ok(Value::Str(""))),
        (Type::Str, "1-5", Ok(Value::Str("1-5"))),
        (Type::Str, "a\rb", Ok(Value::Str("a\rb"))),
        (Type::Str, "a\nb", Err(ParseError::NotStr)),
        (Type::Str, "a\0", Err(ParseError::NotStr)),
        (Type::Str, &long[..1024], Ok(Value::Str(&long[..1024]))),
        (Type::Str, &long, Err(ParseError::NotStr)),
    ];
    for (kind, text, expected) in rows {
        assert_eq!(Value::parse(*kind, text), *expected, "{kind} {text:?}");
    }
}

#[test]
fn names() {
    let long = "n".repeat(256);
    for (name, good) in [
        ("fifo-size", true),
        ("é", true),
        (&long[..255], true),
        (&long[..], false),
        ("", false),
        (".", false),
        ("..", false),
        ("...", true),
        ("a=b", false),
        ("a/b", false),
        ("a b", false),
        ("a\u{a0}b", false),
        ("a\tb", false),
        ("a\u{7f}", false),
    ] {
        assert_eq!(is_name(name), good, "{name:?}");
    }
    let long = format!("a/{long}");
    for (model, good) in [
        ("vmig.example/pci-serial", true),
        ("/", true),
        ("a b/c", true),
        ("pci-serial", false),
        ("", false),
        ("a/\n", false),
        (&long[..255], true),
        (&long[..256], false),
    ] {
        assert_eq!(is_model(model), good, "{model:?}");
    }
}

fn param(kind: Type, allowed: &'static [Item<'static>]) -> Param {
    Param {
        name: "p",
        kind,
        init: Value::Int(1),
        off: None,
        allowed,
        runtime: false,
        description: "",
    }
}

#[test]
fn values_are_typed() {
    let ints = param(Type::Int, &[Item::One(Value::Int(4)), Item::Range(8, 16)]);
    for (value, allowed) in [
        (Value::Int(4), true),
        (Value::Int(7), false),
        (Value::Int(8), true),
        (Value::Int(16), true),
        (Value::Int(17), false),
        (Value::Str("4"), false),
        (Value::Bool(true), false),
    ] {
        let accepted = ints.accept(value);
        assert_eq!(accepted.is_some(), allowed, "{value:?}");
        assert!(accepted.is_none_or(|accepted| accepted == value));
    }
    let strs = param(
        Type::Str,
        &[Item::One(Value::Str("none")), Item::One(Value::Str("1-5"))],
    );
    let text = String::from("none");
    assert_eq!(strs.accept(Value::Str(&text)), Some(Value::Str("none")));
    assert_eq!(strs.accept(Value::Str("3")), None);
    assert_eq!(strs.accept(Value::Int(3)), None);
}

#[test]
fn uuids() {
    let text = "6B1d3c1c-0C8e-4f3a-9c52-0123456789AB";
    let uuid: Uuid = text.parse().unwrap();
    assert_eq!(uuid.to_string(), text.to_lowercase());
    assert_eq!(uuid.as_bytes()[..4], [0x6b, 0x1d, 0x3c, 0x1c]);
    for bad in [
        "",
        "6b1d3c1c0c8e4f3a9c520123456789ab",
        "6b1d3c1c-0c8e-4f3a-9c52-0123456789a",
        "6b1d3c1c-0c8e-4f3a-9c52-0123456789abc",
        "6b1d3c1c-0c8e-4f3a-9c52-0123456789ag",
        "6b1d3c1c-0c8e-4f3a-9c52-0123456789ab-",
        "{6b1d3c1c-0c8e-4f3a-9c52-0123456789ab}",
        "6b1d3c1c-0c8e4-f3a-9c52-0123456789ab",
        "6b1d3c1c+0c8e+4f3a+9c52+0123456789ab",
        "+b1d3c1c-0c8e-4f3a-9c52-0123456789ab",
        "6b1d3c1c-0c8e-4f3a-9c52-0123456789é",
    ] {
        assert_eq!(bad.parse::<Uuid>(), Err(Error::BadUuid), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn ints_round_trip(n: u64) {
        let text = Value::Int(n).to_string();
        prop_assert_eq!(Value::parse(Type::Int, &text), Ok(Value::Int(n)));
        prop_assert_eq!(text, n.to_string());
    }

    #[test]
    fn what_is_taken_for_an_int_is_canonical(text in "[0-9+ _-]{0,21}") {
        if let Ok(value) = Value::parse(Type::Int, &text) {
            prop_assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn strs_round_trip(text in "[^\n\0]{0,64}") {
        prop_assert_eq!(Value::parse(Type::Str, &text), Ok(Value::Str(&text)));
        prop_assert_eq!(Value::Str(&text).to_string(), text);
    }

    #[test]
    fn uuids_round_trip(bytes: [u8; 16]) {
        let uuid = Uuid::from_bytes(bytes);
        let text = uuid.to_string();
        prop_assert_eq!(text.len(), 36);
        prop_assert_eq!(text.parse(), Ok(uuid));
        prop_assert_eq!(text.to_uppercase().parse(), Ok(uuid));
    }

    #[test]
    fn ranges_cover_what_lies_in_them(a: u64, b: u64, n: u64) {
        let (min, max) = (a.min(b), a.max(b));
        let item = Item::Range(min, max);
        prop_assert_eq!(item.covers(Value::Int(n)), (min..=max).contains(&n));
        prop_assert!(item.covers(Value::Int(min)) && item.covers(Value::Int(max)));
        prop_assert_eq!(item.to_string(), format!("{min}-{max}"));
    }
}
