// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every field of the card's state has its record: whatever changes one changes that record and no
//! other, and comes back from it.

use std::collections::BTreeSet;

use vmig_model::arcs::State;

use super::machine::*;
use crate::{
    state::fields,
    wire::body, //
};

/// A tag, and the queue if the record is a queue's.
type Key = (u16, Option<u8>);

struct Row {
    /// `struct.field` in the sources.
    field: &'static str,
    /// A state from which one more access changes the field.
    before: fn(&mut Rig),
    change: fn(&mut Rig),
    record: Key,
}

const fn row(field: &'static str, before: fn(&mut Rig), change: fn(&mut Rig), tag: u16) -> Row {
    Row {
        field,
        before,
        change,
        record: (tag, None),
    }
}

/// A row of queue 2.
const fn queue(field: &'static str, before: fn(&mut Rig), change: fn(&mut Rig)) -> Row {
    Row {
        field,
        before,
        change,
        record: (0x0210, Some(2)),
    }
}

const CONFIG: u16 = 0x0201;
const INTERRUPTS: u16 = 0x0202;
const TABLE_TAG: u16 = 0x0203;

/// A descriptor that is done by half.
fn half_done(rig: &mut Rig) {
    rig.enable(2, 8);
    rig.submit(2, descriptor(COPY_OUT, 0, 3 * MIB, 0, DATA));
    assert!(rig.step());
}

fn message(rig: &mut Rig) {
    rig.config(MSIX, &0x8003_u16.to_le_bytes());
    rig.set(MASK, 0);
    rig.set(q(3, ENABLE), 1);
}

const ROWS: &[Row] = &[
    row(
        "Config.command",
        |_| (),
        |rig| rig.config(COMMAND, &[4]),
        CONFIG,
    ),
    row(
        "Config.bar_registers",
        |_| (),
        |rig| rig.config(0x11, &[0xc0]),
        CONFIG,
    ),
    row(
        "Config.bar_memory",
        |_| (),
        |rig| rig.config(0x1b, &[0xe0]),
        CONFIG,
    ),
    row(
        "Config.bar_memory",
        |_| (),
        |rig| rig.config(0x1e, &[1]),
        CONFIG,
    ),
    row(
        "Config.interrupt_line",
        |_| (),
        |rig| rig.config(0x3c, &[11]),
        CONFIG,
    ),
    row(
        "Config.msix_control",
        |_| (),
        |rig| rig.config(0x43, &[0x80]),
        CONFIG,
    ),
    row(
        "Interrupts.raised",
        |rig| rig.set(q(3, ENABLE), 1),
        |rig| rig.set(INTERRUPT, 8),
        INTERRUPTS,
    ),
    row(
        "Interrupts.mask",
        |_| (),
        |rig| rig.set(MASK, 5),
        INTERRUPTS,
    ),
    row(
        "Interrupts.pending",
        message,
        |rig| rig.dut.msi_delivered(8),
        INTERRUPTS,
    ),
    row(
        "Interrupts.table",
        |_| (),
        |rig| rig.set(TABLE + 3 * 16 + 8, 0x4041),
        TABLE_TAG,
    ),
    queue("Queue.base", |_| (), |rig| rig.set(q(2, BASE + 4), 1)),
    queue("Queue.base", |_| (), |rig| rig.set(q(2, BASE), 0x20)),
    queue("Queue.size", |_| (), |rig| rig.set(q(2, SIZE), 64)),
    queue(
        "Queue.enabled",
        |rig| rig.set(q(2, SIZE), 64),
        |rig| rig.set(q(2, ENABLE), 1),
    ),
    queue(
        "Queue.tail",
        |rig| rig.enable(2, 8),
        |rig| rig.set(q(2, TAIL), 5),
    ),
    // HEAD and DONE: done modulo SIZE is HEAD, so they come together, or DONE alone.
    queue(
        "Queue.head",
        |rig| {
            rig.enable(2, 8);
            rig.submit(2, descriptor(COPY_OUT, 0, 8, 0, DATA));
        },
        |rig| assert!(rig.step()),
    ),
    queue(
        "Queue.done",
        |rig| {
            rig.enable(2, 2);
            rig.submit(2, descriptor(COPY_OUT, 0, 8, 0, DATA));
        },
        |rig| {
            rig.work();
            rig.submit(2, descriptor(COPY_OUT, 0, 8, 0, DATA));
            rig.work();
            rig.set(q(2, TAIL), 1);
        },
    ),
    queue(
        "Queue.error",
        |rig| {
            rig.enable(2, 8);
            rig.submit(2, descriptor(0, 0, 0, 0, 0));
            rig.work();
            rig.set(q(2, ENABLE), 0);
            rig.set(q(2, ENABLE), 1);
        },
        |rig| rig.set(q(2, TAIL), 8),
    ),
    queue(
        "Queue.active",
        |rig| {
            rig.enable(2, 8);
            rig.submit(2, descriptor(COPY_OUT, 0, 3 * MIB, 0, DATA));
        },
        |rig| assert!(rig.step()),
    ),
    queue("Active.moved", half_done, |rig| assert!(rig.step())),
    queue(
        "Active.crc",
        |rig| {
            rig.enable(2, 8);
            rig.submit(2, descriptor(CRC, 0, 3 * MIB, 0, 0));
            assert!(rig.step());
        },
        |rig| assert!(rig.step()),
    ),
    queue("Active.descriptor", half_done, |rig| {
        // The same, but asking for an interrupt.
        rig.set(q(2, ENABLE), 0);
        rig.set(q(2, ENABLE), 1);
        rig.submit(2, descriptor(COPY_OUT, NOTIFY, 3 * MIB, 0, DATA));
        assert!(rig.step());
    }),
];

/// Payloads of the state records by tag and queue.
fn state(rig: &mut Rig) -> Vec<(Key, Vec<u8>)> {
    let stream = rig.saved();
    rig.dut.set_state(State::Running).unwrap();
    let state = body(&stream).into_iter().skip(2);
    let key = |tag: u16, payload: &[u8]| (tag, (tag == 0x0210).then(|| payload[0]));
    state
        .map(|raw| (key(raw.tag, &raw.payload), raw.payload))
        .collect()
}

#[test]
fn each_field_changes_its_record_and_no_other() {
    for row in ROWS {
        let mut rig = Rig::new(FULL);
        (row.before)(&mut rig);
        let before = state(&mut rig);
        (row.change)(&mut rig);
        let after = state(&mut rig);
        let changed: Vec<_> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after)
            .map(|(before, _)| before.0)
            .collect();
        assert_eq!(changed, [row.record], "{}", row.field);
        let stream = rig.saved();
        let mut other = rig.resumed(&stream);
        assert_eq!(state(&mut other), after, "{} comes back", row.field);
    }
}

#[test]
fn no_field_is_forgotten() {
    let sources = [
        ("Card", include_str!("../../accel.rs")),
        ("Config", include_str!("../../accel/config.rs")),
        ("Interrupts", include_str!("../../accel/interrupts.rs")),
        ("Queue", include_str!("../../accel/queue.rs")),
        ("Active", include_str!("../../accel/queue.rs")),
    ];
    let found: BTreeSet<_> = sources
        .iter()
        .flat_map(|(name, source)| fields(source, name))
        .collect();
    // Parameters, parts that are structs of their own, device memory (which has its own tests), and what no
    // stopped device has: a turn, and a step that is out.
    let other = [
        "Card.ty",
        "Card.values",
        "Card.build",
        "Card.config",
        "Card.interrupts",
        "Card.queues",
        "Card.memory",
        "Card.turn",
        "Card.out",
        "Config.layout",
        "Interrupts.count",
    ];
    let expected = ROWS.iter().map(|row| row.field).chain(other);
    assert_eq!(found, expected.map(str::to_owned).collect());
}

#[test]
fn each_part_of_an_entry_of_the_table_comes_back() {
    let mut rig = Rig::new(ALL);
    for at in (0..8 * 16).step_by(4) {
        rig.set(TABLE + at, 0x1111_1110 + at as u32);
    }
    let before: Vec<_> = (0..128).step_by(4).map(|at| rig.get(TABLE + at)).collect();
    rig.migrate();
    let after: Vec<_> = (0..128).step_by(4).map(|at| rig.get(TABLE + at)).collect();
    assert_eq!(before, after);
}
