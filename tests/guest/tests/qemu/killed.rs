// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A QEMU that is killed at any point of a migration: the device can be used at once, and so can the
//! other machine, unless it was moved already.

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use guest::qemu::cards::Card;
use guest::qemu::{Attach, Setup, QEMU_10, QEMU_11, QEMU_7};
use guest::wait::SOON;
use guest::{Test, Type};

/// How often each side is killed.
const TIMES: u64 = 10;

/// For all of them.
const LONG: Duration = Duration::from_secs(600);

/// A number that looks like chance.
fn mixed(seed: u64, round: u64) -> u64 {
    let mut x = seed.wrapping_add(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[test]
fn either_side_can_be_killed_at_any_point() {
    let _test = Test::begin_within(LONG);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = now.expect("clock").as_micros() as u64;
    println!("seed {seed}");
    for round in 0..2 * TIMES {
        let chance = mixed(seed, round);
        let (version, attach) = match chance % 3 {
            0 => (QEMU_7, Attach::V1),
            1 => (QEMU_10, Attach::Cdev),
            _ => (QEMU_11, Attach::Group),
        };
        let kind = Type::default_parent(if chance & 8 == 0 {
            "accel-64"
        } else {
            "serial-2"
        });
        let devices = [kind.new_device(), kind.new_device()];
        let setup = Setup::new(version, attach);
        let mut source = setup.start(&devices[0]).expect("source");
        let mut destination = setup
            .clone()
            .incoming()
            .start(&devices[1])
            .expect("destination");
        Card::find(&source.qtest).fill();
        source.hurry();
        destination.listen();
        source.start_migration(&destination);
        // The point: a migration takes about as long as the longest of these.
        let pause = Duration::from_micros(chance >> 8 & 0xf_ffff) / 4;
        sleep(pause);
        let before = source.migration()["status"].clone();
        let (victim, outcome);
        if round % 2 == 0 {
            victim = "source";
            source.kill();
            // Without a source the destination runs if it has got all, and ends if not.
            outcome = match destination.outlives() {
                true => "running",
                false => "ended",
            };
            if outcome == "running" {
                Card::find(&destination.qtest).check();
            }
        } else {
            victim = "destination";
            destination.kill();
            let answer = source.wait_for_migration(&["completed"]);
            outcome = if answer["status"] == "completed" {
                "moved"
            } else {
                "failed"
            };
            if outcome == "failed" {
                source.await_running(SOON);
                Card::find(&source.qtest).check();
            }
        }
        println!(
            "{round}: {} {}: {victim} killed after {pause:?}, in {before}: the other has {outcome}",
            version.name,
            attach.name()
        );
        // The device of a machine that was killed can be opened and used at once.
        let free = &devices[usize::from(victim != "source")];
        let machine = setup.start(free).expect("after the kill");
        Card::find(&machine.qtest).fill();
        Card::find(&machine.qtest).check();
        drop((machine, source, destination));
        for device in devices {
            device.remove().expect("remove");
        }
    }
}
