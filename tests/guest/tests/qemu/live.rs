// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Live migrations between two QEMUs, which carry all of a device.

use guest::qemu::cards::Card;
use guest::qemu::{Attach, Setup, Version, QEMU_10, QEMU_11, QEMU_7};
use guest::wait::{self, SOON};
use guest::Test;
use serde_json::Value;

use crate::two::Two;
use crate::LONG;

/// In the order in which a machine has them.
const TYPES: [&str; 6] = [
    "accel-128",
    "accel-64",
    "accel-var",
    "serial-1",
    "serial-2",
    "serial-var",
];

/// Bytes that an accelerator's memory has in it.
const LEAST: u64 = 3 * 16384;

/// Source, destination, and how the device is attached to both.
const PAIRS: [(Version, Version, Attach); 9] = [
    (QEMU_7, QEMU_7, Attach::V1),
    (QEMU_10, QEMU_10, Attach::Group),
    (QEMU_10, QEMU_10, Attach::Cdev),
    (QEMU_11, QEMU_11, Attach::Group),
    (QEMU_11, QEMU_11, Attach::Cdev),
    (QEMU_10, QEMU_11, Attach::Group),
    (QEMU_10, QEMU_11, Attach::Cdev),
    (QEMU_11, QEMU_10, Attach::Group),
    (QEMU_11, QEMU_10, Attach::Cdev),
];

/// Bytes that QEMU says it has moved for the device; 7.2 does not say.
fn transferred(answer: &Value) -> Option<u64> {
    answer.pointer("/vfio/transferred").and_then(Value::as_u64)
}

#[test]
fn every_type_moves_with_every_pair_of_versions() {
    let _test = Test::begin_within(LONG);
    let mut moved = 0;
    for (from, to, attach) in PAIRS {
        // All in one machine: starting it is what takes the time.
        let mut two = Two::new(&Setup::new(from, attach), &Setup::new(to, attach), &TYPES);
        let answer = two.source.migrate(&mut two.destination);
        for card in two.cards(&two.destination) {
            card.check();
            moved += 1;
        }
        let bytes = transferred(&answer);
        let accels = TYPES.iter().filter(|kind| kind.starts_with("accel"));
        let least = accels.count() as u64 * LEAST;
        match attach {
            Attach::V1 => assert_eq!(bytes, None, "7.2 tells more than was known"),
            _ => assert!(bytes.is_some_and(|bytes| bytes > least), "{answer}"),
        }
        let events = two.source.migration_events();
        let order = events.iter().filter(|state| *state != "device");
        let order: Vec<&str> = order.map(String::as_str).collect();
        assert_eq!(order, ["setup", "active", "completed"], "{events:?}");
        println!(
            "{} to {}, {}: {} bytes of the devices, {} ms",
            from.name,
            to.name,
            attach.name(),
            bytes.map_or("?".to_owned(), |bytes| bytes.to_string()),
            answer["total-time"]
        );
        two.end();
    }
    println!("{moved} combinations of versions, type and attachment");
    assert_eq!(moved, PAIRS.len() * TYPES.len());
}

#[test]
fn devices_move_with_each_capability() {
    let _test = Test::begin_within(LONG);
    for version in [QEMU_10, QEMU_11] {
        for names in [["return-path", "switchover-ack"].as_slice(), &["multifd"]] {
            let setup = Setup::new(version, Attach::Cdev);
            let mut two = Two::new(&setup, &setup, &["accel-64"]);
            for machine in [&mut two.source, &mut two.destination] {
                machine.capabilities(names);
            }
            let answer = two.source.migrate(&mut two.destination);
            assert!(transferred(&answer).is_some_and(|bytes| bytes > LEAST));
            Card::find(&two.destination.qtest).check();
            println!("{} with {}", version.name, names.join(" and "));
            two.end();
        }
    }
}

/// With `migration-events=on` QEMU tells the states of the device.
#[test]
fn the_device_goes_through_its_states_in_order() {
    let _test = Test::begin_within(LONG);
    for version in [QEMU_10, QEMU_11] {
        let setup = Setup::new(version, Attach::Group).with(",migration-events=on");
        let mut two = Two::new(&setup, &setup, &["serial-2"]);
        two.source.migrate(&mut two.destination);
        let mut wanted = vec!["pre-copy", "pre-copy-p2p", "stop-copy", "stop"];
        if version == QEMU_11 {
            // It tells before it goes to a P2P state, too.
            wanted.insert(1, "pre-copy-p2p-prepare");
        }
        // The last one may come after the migration has completed: QEMU stops the device when it cleans up.
        let mut told = Vec::new();
        wait::until(SOON, || {
            told = two.source.told("VFIO_MIGRATION", "device-state");
            told.len() >= wanted.len()
        });
        println!("{}: {told:?}", version.name);
        assert_eq!(told, wanted, "{}", version.name);
        Card::find(&two.destination.qtest).check();
        two.end();
    }
}

/// What the device writes to guest memory during the migration arrives, too.
#[test]
fn dma_during_a_migration_is_not_lost() {
    let _test = Test::begin_within(LONG);
    for (version, attach) in [
        (QEMU_7, Attach::V1),
        (QEMU_10, Attach::Cdev),
        (QEMU_11, Attach::Group),
    ] {
        let setup = Setup::new(version, attach);
        let mut two = Two::new(&setup, &setup, &["accel-64"]);
        two.destination.listen();
        two.source.start_slow_migration(&two.destination);
        let answer = two.source.linger(&["active"]);
        assert_eq!(answer["status"], "active", "{answer}");
        Card::find(&two.source.qtest).touch();
        let answer = two.source.migration();
        assert_eq!(
            answer["status"], "active",
            "it has to take longer: {answer}"
        );
        two.source.hurry();
        let answer = two.source.wait_for_migration(&["completed"]);
        assert_eq!(answer["status"], "completed", "{answer}");
        two.destination.await_running(SOON);
        Card::find(&two.destination.qtest).check();
        two.end();
    }
}
