// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! One device, two descriptors from one group, held by two processes: both work, a session is the
//! device's and not a process's, and only the last close scrubs.

use std::fs;

use guest::contents::empty_and_full;
use guest::stream::{load, save};
use guest::uart::SCR;
use guest::user::User;
use guest::wait::{self, SOON};
use guest::{Mdev, Port, Test, Type};
use vmig_vfio::{Device, Errno, Group, Location, Roots, State};

fn card(keep: bool) -> (Mdev, Group) {
    let kind = Type::default_parent("serial-var");
    let mdev = kind.new_device_with("ports=2 fifo-size=64 auto-flow=on");
    mdev.keep(keep);
    let roots = Roots::default();
    let location = Location::find(&roots, mdev.directory()).unwrap();
    let group = Group::open(&roots.container(), &location.group.unwrap()).unwrap();
    (mdev, group)
}

/// The second process, with a descriptor of its own.
fn second(mdev: &Mdev, group: &Group) -> User {
    let mut user = User::sharing(group);
    user.tell(&format!("share {}", mdev.uuid()));
    user
}

fn now(user: &mut User) -> String {
    user.tell("now")
}

#[track_caller]
fn assert_contents(device: &Device, expected: &[u8], what: &str) {
    assert!(save(device) == expected, "{what}");
}

#[test]
fn both_see_one_device() {
    let _test = Test::begin();
    let (mdev, group) = card(false);
    let first = group.device(mdev.uuid()).unwrap();
    let mut other = second(&mdev, &group);
    let port = Port::new(&first, 0);
    port.set(SCR, 0x11);
    assert_eq!(other.tell(&format!("get 0 {SCR}")), "17");
    other.tell(&format!("set 0 {SCR} 34"));
    assert_eq!(port.get(SCR), 34);
    for (by_first, state) in [
        (true, State::RunningP2p),
        (false, State::Stop),
        (true, State::StopCopy),
        (false, State::Resuming),
    ] {
        if by_first {
            first.set_state(state).unwrap();
        } else {
            other.tell(&format!("state {state}"));
        }
        assert_eq!(first.state(), Ok(state));
        assert_eq!(now(&mut other), state.to_string());
    }
    first.reset().unwrap();
    assert_eq!(now(&mut other), "RUNNING");
}

#[test]
fn a_session_outlives_the_process_that_opened_it() {
    let _test = Test::begin();
    for keep in [false, true] {
        let (mdev, group) = card(keep);
        let first = group.device(mdev.uuid()).unwrap();
        let (empty, full) = empty_and_full(&first);
        for (state, reads) in [
            (State::PreCopy, true),
            (State::StopCopy, true),
            (State::Stop, false),
        ] {
            let mut other = second(&mdev, &group);
            other.tell(&format!("state {state}"));
            if reads {
                assert_eq!(other.tell("read 30"), "30");
            }
            other.kill();
            assert_eq!(mdev.status("in_use"), "1");
            assert_eq!(first.state(), Ok(state), "keep {keep}");
            first.set_state(State::Running).unwrap();
            assert_contents(&first, &full, "not the last close");
        }
        drop(first);
        assert_eq!(mdev.status("in_use"), "0");
        let first = group.device(mdev.uuid()).unwrap();
        assert_contents(&first, if keep { &full } else { &empty }, "the last close");
    }
}

#[test]
fn a_stream_that_nobody_ends_is_refused() {
    let _test = Test::begin();
    let (mdev, group) = card(true);
    let first = group.device(mdev.uuid()).unwrap();
    let (empty, full) = empty_and_full(&first);
    let file = "/tmp/shared.state";
    fs::write(file, &full).unwrap();
    let mut other = second(&mdev, &group);
    other.tell("state RESUMING");
    other.tell(&format!("write {file} {}", full.len() / 2));
    other.kill();
    assert_eq!(first.state(), Ok(State::Resuming));
    let refused = first.set_state(State::Stop).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::EINVAL));
    assert!(mdev.refusal().contains("truncated"), "{:?}", mdev.refusal());
    first.reset().unwrap();
    assert_contents(&first, &empty, "after the reset");
    load(&first, &full).unwrap();
    // What the process had written whole can be ended by the other.
    let mut other = second(&mdev, &group);
    other.tell("state RESUMING");
    other.tell(&format!("write {file} {}", full.len()));
    other.kill();
    first.set_state(State::Running).unwrap();
    assert_contents(&first, &full, "a whole stream");
    fs::remove_file(file).unwrap();
}

#[test]
fn the_process_that_stays_goes_on() {
    let _test = Test::begin();
    for keep in [false, true] {
        let (mdev, group) = card(keep);
        let first = group.device(mdev.uuid()).unwrap();
        let (empty, full) = empty_and_full(&first);
        let mut other = second(&mdev, &group);
        assert_eq!(other.tell("state STOP_COPY"), "data");
        assert_eq!(other.tell("read 30"), "30");
        // Here the first one ends in an orderly way, and takes its share of the group with it.
        drop(first);
        drop(group);
        assert_eq!(mdev.status("in_use"), "1");
        assert_eq!(now(&mut other), "STOP_COPY");
        let rest = other.tell("read 1000000");
        assert_eq!(rest, (full.len() - 30).to_string());
        other.tell("state RUNNING");
        assert_eq!(other.tell(&format!("get 1 {SCR}")), "49");
        other.kill();
        let free = wait::until(SOON, || mdev.status("in_use") == "0");
        assert!(free);
        let device = mdev.device();
        assert_contents(&device, if keep { &full } else { &empty }, "the last close");
    }
}
