// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The line of `stage` and `staged`.

use proptest::prelude::*;
use vmig_model::{
    error::Class,
    params::Value,
    stage::{
        parse,
        write,
        Entry, //
    },
    types::{
        find,
        DeviceType,
        Generation, //
    },
    uuid::Uuid,
    values::Values,
};

use crate::support::serial_var;

const UUID: &str = "6b1d3c1c-0c8e-4f3a-9c52-0123456789ab";

fn line(ty: &DeviceType, entry: &Entry) -> String {
    let mut text = String::new();
    write(ty, entry, &mut text).unwrap();
    text
}

#[test]
fn accepted_lines() {
    for (rest, staged) in [
        (" ports=1", " ports=1"),
        (" ports=1\n", " ports=1"),
        (
            " ports=2 fifo-size=64 auto-flow=on",
            " auto-flow=on fifo-size=64 ports=2",
        ),
        (
            " auto-flow=on ports=2 fifo-size=64\n",
            " auto-flow=on fifo-size=64 ports=2",
        ),
        (
            " ports=1 fifo-size=16 auto-flow=off line-stats=off",
            " ports=1",
        ),
        (" ports=1 line-stats=on", " line-stats=on ports=1"),
    ] {
        let ty = serial_var();
        let entry = parse(ty, format!("{}{rest}", UUID.to_uppercase()).as_bytes()).unwrap();
        assert_eq!(line(ty, &entry), format!("{UUID}{staged}\n"));
    }
}

#[test]
fn a_name_left_out_takes_its_off_value() {
    let ty = serial_var();
    let entry = parse(ty, format!("{UUID} ports=2").as_bytes()).unwrap();
    let value = |name| entry.values.get(ty.index(name).unwrap());
    assert_eq!(
        value("fifo-size"),
        Some(Value::Int(16)),
        "not the init value 64"
    );
    assert_eq!(value("auto-flow"), Some(Value::Bool(false)));
    assert_eq!(value("ports"), Some(Value::Int(2)));
}

#[test]
fn refused_lines() {
    let long = format!("{UUID} ports=1{}", " ".repeat(1 << 20));
    let page = format!("{UUID} ports=1{}", "x".repeat(4096 - 44));
    assert_eq!(page.len(), 4096);
    let fits = &page[..4095];
    let rows: &[(&str, Class)] = &[
        (&long, Class::TooLong),
        (&page, Class::TooLong),
        (fits, Class::Malformed),
        ("", Class::Malformed),
        ("\n", Class::Malformed),
        ("U", Class::Missing),
        ("U\n", Class::Missing),
        ("U fifo-size=64", Class::Missing),
        ("U ports=1\nU ports=1\n", Class::Malformed),
        ("U\nports=1\n", Class::Malformed),
        ("U ports=1\n\n", Class::Malformed),
        (" U ports=1", Class::Malformed),
        ("U  ports=1", Class::Malformed),
        ("U ports=1 ", Class::Malformed),
        ("U\tports=1", Class::Malformed),
        ("U ports=1\t", Class::Malformed),
        ("U ports=1\r\n", Class::Malformed),
        ("U ports=1\0", Class::Malformed),
        ("U ports", Class::Malformed),
        ("U =1", Class::Malformed),
        ("U ports=", Class::Malformed),
        ("U ports==1", Class::Malformed),
        ("U ports=+1", Class::Malformed),
        ("U ports=01", Class::Malformed),
        ("U ports=\"1\"", Class::Malformed),
        ("U ports=1 auto-flow=1", Class::Malformed),
        ("U ports=1 auto-flow=ON", Class::Malformed),
        ("U ports=99999999999999999999", Class::Malformed),
        ("U ports=1 ports=1", Class::Malformed),
        ("U ports=1 ports=2", Class::Malformed),
        ("ports=1 U", Class::Malformed),
        ("U-ports=1", Class::Malformed),
        ("U ports=3", Class::NotAllowed),
        ("U ports=0", Class::NotAllowed),
        ("U ports=1 fifo-size=32", Class::NotAllowed),
        ("U ports=1 queues=1", Class::Unknown),
        ("U ports=1 Ports=1", Class::Unknown),
        ("U ports=1 ../ports=1", Class::Unknown),
        ("U ports=1 /etc/passwd=1", Class::Unknown),
        ("U ports=1 num-queues=x", Class::Unknown),
        ("U ports=1 auto-flow=on", Class::Constraint),
        ("U ports=1 auto-flow=on fifo-size=16", Class::Constraint),
    ];
    for (text, class) in rows {
        let text = text.replacen('U', UUID, 2);
        let found = parse(serial_var(), text.as_bytes()).map_err(|error| error.class());
        assert_eq!(found, Err(*class), "{:?}", &text[..text.len().min(100)]);
    }
    for bytes in [
        &b"\xff\xfe"[..],
        b"6b1d3c1c-0c8e-4f3a-9c52-0123456789ab ports=\xc3\x28",
    ] {
        let found = parse(serial_var(), bytes).map_err(|error| error.class());
        assert_eq!(found, Err(Class::Malformed));
    }
}

#[test]
fn types_know_their_own_parameters_only() {
    let old = find(Generation::One, "serial-var").unwrap();
    for (rest, class) in [
        ("ports=1 line-stats=on", Class::Unknown),
        ("ports=1 auto-flow=off", Class::Unknown),
        ("ports=1 fifo-size=64", Class::NotAllowed),
    ] {
        let found = parse(old, format!("{UUID} {rest}").as_bytes()).map_err(|error| error.class());
        assert_eq!(found, Err(class), "{rest}");
    }
    let one = find(Generation::Two, "serial-1").unwrap();
    let found = parse(one, format!("{UUID} ports=2").as_bytes()).map_err(|error| error.class());
    assert_eq!(found, Err(Class::NotAllowed));
}

#[test]
fn errors_name_the_place() {
    for (rest, text) in [
        (" ports", "offset 37: not name=value"),
        (" ports=1 x=1", "offset 45: no such parameter"),
        (" ports=1 ports=1", "ports: named twice"),
        (" fifo-size=16", "ports: has no off value, must be named"),
        (" ports=a", "ports: not a decimal number"),
        (" ports=3", "ports: value not allowed"),
        (" ports=1 auto-flow=on", "auto-flow=on needs fifo-size=64"),
    ] {
        let error = parse(serial_var(), format!("{UUID}{rest}").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

fn entries() -> impl Strategy<Value = Entry> {
    let choices = (
        any::<[u8; 16]>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    choices.prop_map(|(uuid, two, wide, flow, stats)| {
        let ty = serial_var();
        let onoff = |on| if on { "on" } else { "off" };
        let mut values = Values::init(ty);
        for (name, text) in [
            ("ports", if two { "2" } else { "1" }),
            ("fifo-size", if wide { "64" } else { "16" }),
            ("auto-flow", onoff(wide && flow)),
            ("line-stats", onoff(stats)),
        ] {
            values.set(ty, ty.index(name).unwrap(), text).unwrap();
        }
        Entry {
            uuid: Uuid::from_bytes(uuid),
            values,
        }
    })
}

proptest! {
    #[test]
    fn entries_round_trip(entry in entries()) {
        let ty = serial_var();
        prop_assert_eq!(parse(ty, line(ty, &entry).as_bytes()), Ok(entry));
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let _ = parse(serial_var(), &bytes);
    }

    #[test]
    fn damaged_lines_never_give_a_bad_entry(
        entry in entries(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let ty = serial_var();
        let mut text = line(ty, &entry).into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(found) = parse(ty, &text) {
            prop_assert_eq!(found.values.check(ty), Ok(()));
            prop_assert_eq!(parse(ty, line(ty, &found).as_bytes()), Ok(found));
        }
    }
}
