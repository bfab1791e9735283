// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Live migrations that are given up.

use guest::qemu::cards::Card;
use guest::qemu::{Attach, Qemu, Setup, QEMU_10, QEMU_11, QEMU_7};
use guest::wait::SOON;
use guest::Test;
use serde_json::json;

use crate::two::Two;
use crate::LONG;

/// What pauses a migration before the machine is stopped, on or off.
fn pause_before_switchover(source: &mut Qemu, on: bool) {
    let list = json!({"capabilities": [{"capability": "pause-before-switchover", "state": on}]});
    source.done("migrate-set-capabilities", &list);
}

/// After `migrate_cancel`: the guest runs at the source and uses its card, and a second migration succeeds.
#[track_caller]
fn goes_on_and_moves(two: &mut Two, setup: &Setup) {
    two.source.await_running(SOON);
    Card::find(&two.source.qtest).touch();
    // The destination of a migration that failed is of no use any more.
    two.destination.ended();
    let destination = setup.clone().incoming();
    let destination = destination.start_with(&two.devices[1]);
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
        let mut two = Two::new(&setup, &setup, &[kind]);
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
                two.destination.await_running(SOON);
                assert_eq!(two.source.status(), "postmigrate");
            }
            Some("cancelled") => {
                if two.destination.outlives() {
                    // It had all before the source was told: both have the guest now.
                    two.destination.kill();
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
fn migrations_can_be_cancelled_before_the_last_phase() {
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
            let mut two = Two::new(&setup, &setup, &[kind]);
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
