// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Steps: when one begins, what holds it back, and what becomes of one that is out.

use vmig_model::{
    accel::{
        Outcome,
        Step, //
    },
    arcs::State,
    crc::Table,
    device::Region,
    error::Error, //
};

use super::machine::*;

fn begin(rig: &mut Rig) -> Step {
    let step = rig.dut.begin_step().expect("a step");
    assert!(rig.dut.working() && !rig.dut.ready());
    assert!(rig.dut.begin_step().is_none(), "one at a time");
    step
}

fn run(rig: &Rig, step: Step) -> Outcome {
    step.run::<Table>(&rig.guest, rig.ram(), &mut [0; 4096])
}

#[test]
fn work_is_done_in_running_and_pre_copy_only() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 64);
    for state in State::ALL {
        if matches!(state, State::Error | State::Resuming) {
            continue;
        }
        rig.dut.set_state(State::Running).unwrap();
        rig.work();
        rig.dut.set_state(state).unwrap();
        let allowed = matches!(state, State::Running | State::PreCopy);
        if state.is_running() {
            // A doorbell in a P2P state is latched.
            rig.submit(0, descriptor(FILL, 0, 8, 1, 0));
        } else {
            let rung = rig.dut.region_write(
                vmig_model::device::Region::Bar(0),
                q(0, TAIL),
                &[1, 0, 0, 0],
            );
            assert_eq!(rung, Err(Error::Busy));
        }
        assert_eq!(rig.dut.ready(), allowed, "{state:?}");
        let before = rig.queue(0);
        assert_eq!(rig.work() > 0, allowed);
        if !allowed {
            assert_eq!(rig.queue(0), before);
            rig.dut.set_state(State::Running).unwrap();
            assert_eq!(rig.work() > 0, state.is_running(), "it was latched");
        }
    }
}

#[test]
fn a_state_without_work_waits_for_the_step() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 8);
    let at = rig.submit(0, descriptor(FILL, 0, 8, 1, 0));
    rig.submit(0, descriptor(FILL, 0, 8, 1, 0));
    for state in State::ALL {
        if matches!(state, State::Running | State::PreCopy) {
            continue;
        }
        let step = begin(&mut rig);
        let expected = if state == State::Error {
            Error::NoArc
        } else {
            Error::Busy
        };
        assert_eq!(rig.dut.set_state(state), Err(expected), "{state:?}");
        assert_eq!(rig.dut.state(), State::Running);
        // To pre-copy and back it goes on.
        rig.dut.set_state(State::PreCopy).unwrap();
        assert_eq!(rig.dut.set_state(State::StopCopy), Err(Error::Busy));
        rig.dut.set_state(State::Running).unwrap();
        rig.dut.hold(true);
        let outcome = run(&rig, step);
        rig.dut.finish_step(outcome);
        assert!(!rig.dut.working() && !rig.dut.ready());
        assert!(rig.dut.begin_step().is_none(), "held");
        rig.dut.hold(false);
        assert_eq!((rig.status(at), rig.queue(0).2), (1, 0));
        rig.submit(0, descriptor(FILL, 0, 8, 1, 0));
        if rig.get(q(0, TAIL)) == 7 {
            rig.set(q(0, ENABLE), 0);
            rig.set(q(0, ENABLE), 1);
            rig.submit(0, descriptor(FILL, 0, 8, 1, 0));
        }
    }
}

/// What a guest does while a step is out, and whether it forbids it.
type Meanwhile = fn(&mut Rig);

#[test]
fn what_the_guest_forbids_is_stale_and_dropped() {
    let rows: [(Meanwhile, bool, (u32, u32, u32)); 8] = [
        (|_| (), false, (1, 1, 0)),
        (|rig| rig.set(q(0, ENABLE), 0), true, (0, 0, 0)),
        (|rig| rig.set(CONTROL, 1), true, (0, 0, 0)),
        (
            |rig| {
                rig.set(q(0, ENABLE), 0);
                rig.set(q(0, ENABLE), 1);
            },
            true,
            (0, 0, 0),
        ),
        (|rig| rig.set(q(1, ENABLE), 0), false, (1, 1, 0)),
        (|rig| rig.set(q(0, ENABLE), 1), false, (1, 1, 0)),
        // Work that Bus Master interrupts counts.
        (|rig| rig.config(COMMAND, &[2, 0]), true, (1, 1, 0)),
        // A doorbell that is wrong stops the queue, after what was done.
        (|rig| rig.set(q(0, TAIL), 99), false, (1, 1, 0x12)),
    ];
    for (n, (meanwhile, stale, after)) in rows.into_iter().enumerate() {
        let mut rig = Rig::new(FULL);
        rig.enable(0, 8);
        rig.enable(1, 8);
        rig.submit(0, descriptor(FILL, NOTIFY, 8, 1, 0));
        let step = begin(&mut rig);
        assert!(!rig.dut.stale());
        meanwhile(&mut rig);
        assert_eq!(rig.dut.stale(), stale, "{n}");
        let outcome = run(&rig, step);
        rig.dut.finish_step(outcome);
        assert!(!rig.dut.stale() && !rig.dut.working());
        assert_eq!(rig.queue(0), after, "{n}");
        assert_eq!(rig.get(INTERRUPT) != 0, after.0 != 0, "{n}");
    }
}

#[test]
fn a_reset_drops_the_step_that_is_out() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 8);
    rig.submit(0, descriptor(FILL, NOTIFY, 8, 1, 0));
    let step = begin(&mut rig);
    rig.dut.reset();
    assert!(rig.dut.working() && rig.dut.stale());
    rig.config(COMMAND, &[6, 0]);
    rig.enable(0, 8);
    rig.submit(0, descriptor(FILL, NOTIFY, 8, 1, 0));
    assert!(rig.dut.begin_step().is_none(), "it is still out");
    let outcome = run(&rig, step);
    rig.dut.finish_step(outcome);
    assert_eq!((rig.queue(0), rig.get(INTERRUPT)), ((0, 0, 0), 0));
    assert_eq!(rig.work(), 1);
    assert_eq!((rig.queue(0), rig.get(INTERRUPT)), ((1, 1, 0), 1));
}

#[test]
fn doorbells_while_a_step_is_out_are_kept() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 8);
    rig.submit(0, descriptor(FILL, 0, 8, 1, 0));
    let step = begin(&mut rig);
    rig.submit(0, descriptor(FILL, 0, 8, 2, 8));
    let outcome = run(&rig, step);
    rig.dut.finish_step(outcome);
    assert_eq!(rig.queue(0), (1, 1, 0));
    assert_eq!(rig.work(), 1);
    assert_eq!(rig.queue(0), (2, 2, 0));
}

#[test]
fn a_begun_descriptor_cannot_be_taken_back() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 4);
    let at = rig.submit(0, descriptor(FILL, 0, 2 * MIB, 1, 0));
    assert!(rig.step());
    rig.set(q(0, TAIL), 0);
    assert!(rig.step());
    assert_eq!((rig.status(at), rig.get(q(0, DONE))), (1, 1));
}

#[test]
fn without_bus_master_nothing_is_done() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 4);
    rig.guest.reads.set(0);
    rig.submit(0, descriptor(FILL, 0, 2 * MIB, 1, 0));
    rig.config(COMMAND, &[2, 0]);
    assert_eq!((rig.work(), rig.guest.reads.get()), (0, 0));
    rig.config(COMMAND, &[6, 0]);
    assert!(rig.step());
    rig.config(COMMAND, &[2, 0]);
    assert_eq!(rig.work(), 0);
    rig.config(COMMAND, &[6, 0]);
    assert_eq!(rig.work(), 1, "it goes on where it was");
    assert_eq!(rig.queue(0), (1, 1, 0));
}

#[test]
fn queues_work_by_turns() {
    let mut rig = Rig::new(ALL);
    for queue in 0..8 {
        rig.enable(queue, 8);
        rig.submit(queue, descriptor(FILL, 0, 2 * MIB, 1, queue * 2 * MIB));
    }
    for round in 1..=2 {
        for queue in 0..8 {
            assert!(rig.step());
            let done = rig.get(q(queue, DONE));
            assert_eq!(done, u32::from(round == 2), "round {round}, queue {queue}");
        }
    }
    assert_eq!(rig.work(), 0);
    // One step takes many small ones, but not any number.
    rig.set(q(5, ENABLE), 0);
    rig.enable(5, 1024);
    for n in 0..1000 {
        rig.submit(5, descriptor(FILL, 0, 1, 1, n));
    }
    let mut done = vec![];
    while rig.step() {
        done.push(rig.get(q(5, DONE)));
    }
    assert_eq!(done, [256, 512, 768, 1000]);
}

#[test]
fn without_scratch_memory_nothing_moves_and_nothing_is_lost() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 4);
    let at = rig.submit(0, descriptor(FILL, 0, 20, 0x0807_0605_0403_0201, 3));
    assert!(rig.step_with(0));
    assert_eq!((rig.status(at), rig.queue(0)), (UNTOUCHED, (0, 0, 0)));
    assert!(rig.step_with(3), "pieces of 3 bytes");
    assert_eq!(rig.status(at), 1);
    let expected: Vec<u8> = (1..=8).cycle().take(20).collect();
    assert_eq!(rig.ram().get(3, 20), expected);
}

#[test]
fn what_is_kept_does_no_work_until_the_next_user_allows_it() {
    let mut rig = Rig::new(FULL);
    rig.enable(0, 16);
    rig.poke(5, b"kept");
    for pattern in 1..=3 {
        rig.submit(0, descriptor(FILL, 0, MIB, pattern, 2 * MIB));
    }
    assert!(rig.step(), "one of them is under way");
    rig.dut.close(true);
    assert!(rig.dut.ready(), "the same user may come back to it");
    rig.dut.park();
    rig.dut.open().unwrap();
    assert!(!rig.dut.ready() && !rig.step(), "nobody has asked for it");
    let mut command = [0; 2];
    rig.dut
        .region_read(Region::Config, COMMAND, &mut command)
        .unwrap();
    assert_eq!(command, [2, 0], "Bus Master is off, and nothing else");
    assert_eq!(rig.ram().get(5, 4), b"kept");
    rig.config(COMMAND, &[6, 0]);
    rig.work();
    assert_eq!(rig.queue(0), (3, 3, 0));
    assert_eq!(rig.ram().get(3 * MIB - 8, 8), 3_u64.to_le_bytes());
}
