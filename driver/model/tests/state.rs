// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every field of the card's state has its record: whatever changes one changes that record and no
//! other, and comes back from it.

use std::collections::BTreeSet;

use crate::{
    support::*,
    wire::body, //
};

/// A tag, and the port if the record is a port's.
type Key = (u16, Option<u8>);

const CONFIG: Key = (0x0101, None);
const INTERRUPTS: Key = (0x0102, None);

struct Row {
    /// `struct.field` in the sources.
    field: &'static str,
    /// A state from which one more access changes the field.
    before: fn(&mut Dut),
    change: fn(&mut Dut),
    record: Key,
}

const fn config(field: &'static str, change: fn(&mut Dut)) -> Row {
    Row {
        field,
        before: |_| (),
        change,
        record: CONFIG,
    }
}

/// A row of the second port.
const fn port(field: &'static str, before: fn(&mut Dut), change: fn(&mut Dut)) -> Row {
    Row {
        field,
        before,
        change,
        record: (0x0110, Some(1)),
    }
}

const fn stats(field: &'static str, before: fn(&mut Dut), change: fn(&mut Dut)) -> Row {
    Row {
        field,
        before,
        change,
        record: (0x0111, Some(1)),
    }
}

fn full_receiver(dut: &mut Dut) {
    set_up(dut, PORT_1, true);
    send(dut, PORT_1, &[1; 65]);
}

const ROWS: &[Row] = &[
    config("Config.command", |dut| config_write(dut, 0x04, &[1])),
    config("Config.bar", |dut| config_write(dut, 0x11, &[0xc0])),
    config("Config.interrupt_line", |dut| {
        config_write(dut, 0x3c, &[11])
    }),
    config("Config.msi_control", |dut| config_write(dut, 0x42, &[1])),
    config("Config.msi_address_low", |dut| {
        config_write(dut, 0x47, &[0xfe])
    }),
    config("Config.msi_address_high", |dut| {
        config_write(dut, 0x48, &[1])
    }),
    config("Config.msi_data", |dut| config_write(dut, 0x4d, &[0x40])),
    Row {
        field: "Card.pending",
        before: |dut| {
            config_write(dut, 0x04, &[4]);
            config_write(dut, 0x42, &[1]);
            outb(dut, PORT_1 + IER, 2);
        },
        change: |dut| dut.msi_delivered(1),
        record: INTERRUPTS,
    },
    port("Uart.ier", |_| (), |dut| outb(dut, PORT_1 + IER, 0x3d)),
    port("Uart.fcr", |_| (), |dut| outb(dut, PORT_1 + FCR, 0xc9)),
    port("Uart.lcr", |_| (), |dut| outb(dut, PORT_1 + LCR, 0xbf)),
    port("Uart.mcr", |_| (), |dut| outb(dut, PORT_1 + MCR, 0x2c)),
    port("Uart.scr", |_| (), |dut| outb(dut, PORT_1 + SCR, 0xff)),
    port(
        "Uart.dll",
        |dut| outb(dut, PORT_1 + LCR, 0x80),
        |dut| outb(dut, PORT_1 + DLL, 1),
    ),
    port(
        "Uart.dlm",
        |dut| outb(dut, PORT_1 + LCR, 0x80),
        |dut| outb(dut, PORT_1 + DLM, 1),
    ),
    port(
        "Uart.deltas",
        |dut| outb(dut, PORT_1 + MCR, 2),
        |dut| {
            inb(dut, PORT_1 + MSR);
        },
    ),
    port("Uart.overrun", full_receiver, |dut| {
        inb(dut, PORT_1 + LSR);
    }),
    port(
        "Uart.thre",
        |dut| outb(dut, PORT_1 + IER, 2),
        |dut| {
            inb(dut, PORT_1 + IIR);
        },
    ),
    port(
        "Uart.throttled",
        // One character below the trigger; the latch follows the trigger.
        |dut| {
            set_up(dut, PORT_1, true);
            outb(dut, PORT_1 + FCR, 0x41);
            outb(dut, PORT_1 + MCR, 0x22);
            send(dut, PORT_1, b"x");
        },
        |dut| outb(dut, PORT_1 + FCR, 0x01),
    ),
    port("Uart.rx", |_| (), |dut| send(dut, PORT_1, b"x")),
    port(
        "Uart.rx",
        |dut| outb(dut, PORT_1 + LCR, 0x40),
        |dut| {
            inb(dut, PORT_1 + LSR);
        },
    ),
    port(
        "Uart.tx",
        |dut| outb(dut, PORT_1 + MCR, 0x20),
        |dut| send(dut, PORT_1, b"x"),
    ),
    stats(
        "LineStats.overrun",
        full_receiver,
        |dut| send(dut, PORT_1, b"x"), //
    ),
    stats(
        "LineStats.framing",
        |dut| {
            full_receiver(dut);
            outb(dut, PORT_1 + LCR, 0x43);
            outb(dut, PORT_1 + LCR, 0x03);
        },
        |dut| {
            outb(dut, PORT_1 + LCR, 0x43);
            outb(dut, PORT_1 + LCR, 0x03);
        },
    ),
    stats("LineStats.parity", full_receiver, |dut| {
        outb(dut, PORT_1 + LCR, 0x4b);
        outb(dut, PORT_1 + LCR, 0x03);
    }),
];

/// Payloads of the state records by tag and port.
fn state(dut: &mut Dut) -> Vec<(Key, Vec<u8>)> {
    let stream = saved(dut);
    dut.set_state(vmig_model::arcs::State::Running).unwrap();
    let state = body(&stream).into_iter().skip(2);
    let key = |tag: u16, payload: &[u8]| (tag, (tag >= 0x0110).then(|| payload[0]));
    state
        .map(|raw| (key(raw.tag, &raw.payload), raw.payload))
        .collect()
}

#[test]
fn each_field_changes_its_record_and_no_other() {
    for row in ROWS {
        let mut dut = dut(FULL);
        (row.before)(&mut dut);
        let before = state(&mut dut);
        (row.change)(&mut dut);
        let after = state(&mut dut);
        let changed: Vec<_> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .map(|(before, _)| before.0)
            .collect();
        assert_eq!(changed, [row.record], "{}", row.field);
        let stream = saved(&mut dut);
        let mut other = crate::support::dut(FULL);
        load(&mut other, &stream, 64).unwrap();
        assert_eq!(state(&mut other), after, "{} comes back", row.field);
    }
}

/// Fields of `struct name` in a source file.
pub(crate) fn fields(source: &str, name: &str) -> BTreeSet<String> {
    let (_, from) = source
        .split_once(&format!("pub struct {name} {{\n"))
        .or_else(|| source.split_once(&format!("pub struct {name}<M> {{\n")))
        .expect(name);
    let (inside, _) = from.split_once("\n}\n").expect("the end of the struct");
    let lines = inside
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"));
    let field = |line: &str| {
        let (field, _) = line
            .trim_start_matches("pub(super) ")
            .trim_start_matches("pub ")
            .split_once(':')
            .expect("a field");
        format!("{name}.{field}")
    };
    lines.map(field).collect()
}

#[test]
fn no_field_is_forgotten() {
    let sources = [
        ("Card", include_str!("../serial.rs")),
        ("Config", include_str!("../serial/config.rs")),
        ("Uart", include_str!("../serial/uart.rs")),
        ("LineStats", include_str!("../serial/uart/line.rs")),
    ];
    let found: BTreeSet<_> = sources
        .iter()
        .flat_map(|(name, source)| fields(source, name))
        .collect();
    // Parameters, and parts that are structs of their own.
    let other = [
        "Card.ty",
        "Card.values",
        "Card.config",
        "Card.ports",
        "Config.ports",
        "Uart.chip",
        "Uart.stats",
    ];
    let expected = ROWS.iter().map(|row| row.field).chain(other);
    assert_eq!(found, expected.map(str::to_owned).collect());
}
