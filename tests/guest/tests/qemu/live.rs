// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Live migrations between two QEMUs, which carry all of a device.

use guest::qemu::cards::Card;
use guest::qemu::{Attach, Qemu, Setup, Version, QEMU_10, QEMU_11, QEMU_7};
use guest::{Mdev, Test, Type};
use serde_json::{json, Value};

use crate::LONG;

const TYPES: [&str; 6] = [
    "accel-128",
    "accel-64",
    "accel-var",
    "serial-1",
    "serial-2",
    "serial-var",
];

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

/// Two machines with a device of a type each, the first with something in it. The device files are
/// closed before the devices go.
struct Two {
    source: Qemu,
    destination: Qemu,
    devices: [Mdev; 2],
}

impl Two {
    #[track_caller]
    fn new(from: &Setup, to: &Setup, kind: &str) -> Self {
        let kind = Type::default_parent(kind);
        let devices = [kind.new_device(), kind.new_device()];
        let source = from.start(&devices[0]).expect("source");
        let destination = to.clone().incoming().start(&devices[1]);
        let mut two = Self {
            source,
            destination: destination.expect("destination"),
            devices,
        };
        for machine in [&mut two.source, &mut two.destination] {
            machine.capabilities(&["events"]);
            machine.parameters(&json!({"downtime-limit": 2000, "max-bandwidth": 1 << 30}));
        }
        Card::find(&two.source.qtest).fill();
        two
    }

    /// Ends both; nothing was refused.
    #[track_caller]
    fn end(self) {
        self.source.quit();
        self.destination.quit();
        for device in &self.devices {
            assert_eq!(device.refusal(), "");
        }
    }
}

/// Bytes that QEMU says it has moved for the device; 7.2 does not say.
fn transferred(answer: &Value) -> Option<u64> {
    answer.pointer("/vfio/transferred").and_then(Value::as_u64)
}

#[test]
fn every_type_moves_with_every_pair_of_versions() {
    let _test = Test::begin_within(LONG);
    let mut moved = 0;
    for (from, to, attach) in PAIRS {
        for kind in TYPES {
            let mut two = Two::new(&Setup::new(from, attach), &Setup::new(to, attach), kind);
            let answer = two.source.migrate(&mut two.destination);
            Card::find(&two.destination.qtest).check();
            let bytes = transferred(&answer);
            let least = if kind.starts_with("accel") {
                3 * 16384
            } else {
                100
            };
            match attach {
                Attach::V1 => assert_eq!(bytes, None, "7.2 tells more than was known"),
                _ => assert!(bytes.is_some_and(|bytes| bytes > least), "{answer}"),
            }
            let events = two.source.migration_events();
            assert_eq!(
                events.first().map(String::as_str),
                Some("setup"),
                "{events:?}"
            );
            let order = events.iter().filter(|state| *state != "device");
            let order: Vec<&str> = order.map(String::as_str).collect();
            assert_eq!(order, ["setup", "active", "completed"], "{events:?}");
            println!(
                "{} to {}, {}, {kind}: {} bytes of the device, {} ms",
                from.name,
                to.name,
                attach.name(),
                bytes.map_or("?".to_owned(), |bytes| bytes.to_string()),
                answer["total-time"]
            );
            two.end();
            moved += 1;
        }
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
            let mut two = Two::new(&setup, &setup, "accel-64");
            for machine in [&mut two.source, &mut two.destination] {
                machine.capabilities(names);
            }
            let answer = two.source.migrate(&mut two.destination);
            assert!(transferred(&answer).is_some_and(|bytes| bytes > 3 * 16384));
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
        let mut two = Two::new(&setup, &setup, "serial-2");
        two.source.migrate(&mut two.destination);
        let events = two.source.qmp.events().iter();
        let states = events.filter(|event| event.name == "VFIO_MIGRATION");
        let states: Vec<_> = states
            .map(|event| event.data["device-state"].as_str().unwrap_or("?"))
            .collect();
        println!("{}: {states:?}", version.name);
        let mut wanted = vec!["pre-copy", "pre-copy-p2p", "stop-copy", "stop"];
        if version == QEMU_11 {
            // It tells before it goes to a P2P state, too.
            wanted.insert(1, "pre-copy-p2p-prepare");
        }
        assert_eq!(states, wanted, "{}", version.name);
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
        let mut two = Two::new(&setup, &setup, "accel-64");
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
        guest::wait::until(guest::wait::SOON, || two.destination.status() == "running");
        Card::find(&two.destination.qtest).check();
        two.end();
    }
}

/// What pauses a migration before the machine is stopped, on or off.
fn pause_before_switchover(source: &mut Qemu, on: bool) {
    let list = json!({"capabilities": [{"capability": "pause-before-switchover", "state": on}]});
    source.done("migrate-set-capabilities", &list);
}

/// After `migrate_cancel`: the guest runs at the source and uses its card, and a second migration succeeds.
#[track_caller]
fn goes_on_and_moves(two: &mut Two, setup: &Setup) {
    let source = &mut two.source;
    let goes_on = guest::wait::until(guest::wait::SOON, || source.status() == "running");
    assert!(goes_on, "{}", two.source.status());
    Card::find(&two.source.qtest).touch();
    // The destination of a migration that failed is of no use any more.
    two.destination.ended();
    let destination = setup.clone().incoming().start(&two.devices[1]);
    two.destination = destination.expect("second destination");
    two.source.hurry();
    pause_before_switchover(&mut two.source, false);
    two.source.migrate(&mut two.destination);
}

/// The last phase, `device`, is over before QEMU reads the next command, or the migration is given up in
/// it. Then the source goes on as in the other phases, even if the destination has got all already.
#[test]
fn a_cancel_in_the_last_phase_loses_nothing() {
    let _test = Test::begin_within(LONG);
    for (version, attach, kind) in [
        (QEMU_7, Attach::V1, "accel-64"),
        (QEMU_10, Attach::Cdev, "accel-64"),
        (QEMU_11, Attach::Group, "serial-2"),
    ] {
        let setup = Setup::new(version, attach);
        let mut two = Two::new(&setup, &setup, kind);
        two.destination.listen();
        pause_before_switchover(&mut two.source, true);
        two.source.start_migration(&two.destination);
        let answer = two.source.wait_for_migration(&["pre-switchover"]);
        assert_eq!(answer["status"], "pre-switchover", "{answer}");
        let go = json!({"state": "pre-switchover"});
        two.source.done("migrate-continue", &go);
        two.source.done("migrate_cancel", &json!({}));
        let answer = two.source.wait_for_migration(&["completed", "cancelled"]);
        match answer["status"].as_str() {
            Some("completed") => {
                let destination = &mut two.destination;
                let arrived =
                    guest::wait::until(guest::wait::SOON, || destination.status() == "running");
                assert!(arrived, "{}", two.destination.status());
                assert_eq!(two.source.status(), "postmigrate");
            }
            Some("cancelled") => {
                let destination = &mut two.destination;
                let gone = guest::wait::until(guest::wait::SOON, || destination.has_ended());
                if !gone {
                    // It had all before the source was told: both have the guest now.
                    assert_eq!(destination.status(), "running", "{}", version.name);
                    destination.kill();
                }
                goes_on_and_moves(&mut two, &setup);
            }
            _ => panic!("{answer}"),
        }
        Card::find(&two.destination.qtest).check();
        println!(
            "{} {}, {kind}: {} after a cancel in the last phase",
            version.name,
            attach.name(),
            answer["status"]
        );
        two.end();
    }
}

/// A migration that is given up leaves everything as it was, and the next one succeeds.
#[test]
fn migrations_can_be_cancelled_in_each_phase() {
    let _test = Test::begin_within(LONG);
    for (version, attach) in [
        (QEMU_7, Attach::V1),
        (QEMU_10, Attach::Cdev),
        (QEMU_11, Attach::Group),
    ] {
        for (phase, kind) in [
            ("active", "accel-64"),
            ("active", "serial-2"),
            ("pre-switchover", "accel-64"),
        ] {
            let setup = Setup::new(version, attach);
            let mut two = Two::new(&setup, &setup, kind);
            two.destination.listen();
            let answer = if phase == "pre-switchover" {
                pause_before_switchover(&mut two.source, true);
                two.source.start_migration(&two.destination);
                two.source.wait_for_migration(&[phase])
            } else {
                two.source.start_slow_migration(&two.destination);
                two.source.linger(&[phase])
            };
            assert_eq!(answer["status"], phase, "{answer}");
            two.source.done("migrate_cancel", &json!({}));
            let answer = two.source.wait_for_migration(&["cancelled"]);
            assert_eq!(answer["status"], "cancelled", "{answer}");
            goes_on_and_moves(&mut two, &setup);
            Card::find(&two.destination.qtest).check();
            println!(
                "{} {}, {kind}: cancelled in {phase}, then moved",
                version.name,
                attach.name()
            );
            two.end();
        }
    }
}
