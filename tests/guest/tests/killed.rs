// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The user of a device is killed, in every phase of a migration. The kernel cleans up: the device
//! is free at once, what it held is still there or scrubbed, as its owner has said, and neither
//! staged entries nor the next user notice.

use std::fs;
use std::thread;
use std::time::Duration;

use guest::contents::empty_and_full;
use guest::slow::Slow;
use guest::staged::{world, Entry};
use guest::stream::{load, save};
use guest::user::{syscall, User};
use guest::wait::{self, SOON};
use guest::{modules, region, Mdev, Test, Type};
use vmig_vfio::{Attach, Device, IovaRange, State};

const LIST: &str = "ports=2 fifo-size=64 auto-flow=on";

/// A card that was filled and closed, and what can be seen of it.
struct Victim {
    mdev: Mdev,
    /// Its state without contents.
    empty: Vec<u8>,
    /// Its state with them.
    full: Vec<u8>,
    /// The latter as a file, for a user to write.
    file: String,
}

impl Victim {
    fn new() -> Self {
        let mdev = Type::default_parent("serial-var").new_device_with(LIST);
        let (empty, full) = empty_and_full(&mdev.device());
        let file = format!("/tmp/state-{}", mdev.uuid());
        fs::write(&file, &full).unwrap();
        Self {
            mdev,
            empty,
            full,
            file,
        }
    }

    /// Fills the card, closes it, and has a user open it.
    fn user(&self, attach: Attach, keep: bool) -> User {
        self.mdev.keep(true);
        load(&self.mdev.device(), &self.full).unwrap();
        self.mdev.keep(keep);
        let mut user = User::start();
        let how = if attach == Attach::Group {
            "group"
        } else {
            "cdev"
        };
        user.tell(&format!("open {} {how}", self.mdev.uuid()));
        assert_eq!(self.mdev.status("in_use"), "1");
        user
    }

    /// The card as the next user finds it, after the last one was killed.
    #[track_caller]
    fn reopened(&self, attach: Attach) -> Device {
        let free = wait::until(SOON, || self.mdev.status("in_use") == "0");
        assert!(free, "still in use");
        let device = self.mdev.open(attach).expect("the next open");
        assert_eq!(device.state(), Ok(State::Running));
        device
    }

    /// Nothing of the last user is in the way of this one.
    #[track_caller]
    fn works(&self, device: &Device) {
        let range = IovaRange {
            iova: 0,
            length: 1 << 20,
        };
        device.dma_logging_start(4096, &[range]).expect("logging");
        device.dma_logging_stop().expect("logging");
        load(device, &self.full).expect("load");
        assert_eq!(save(device), self.full);
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// What has become of contents that were to be kept.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    Kept,
    Scrubbed,
}

/// Brings a user into a phase with `reach`, kills it, and looks at what it leaves; through both
/// interfaces, with contents that are to be kept and contents that are not. `reach` gets the number
/// of the round, 0 to 3, so that it can do it in several ways.
#[track_caller]
fn killed(left: Left, reach: impl Fn(&Victim, &mut User, usize)) {
    let users = modules::users("vmig");
    let kind = Type::default_parent("serial-var");
    let victim = Victim::new();
    let entry = Entry::new(&kind, "ports=1 fifo-size=64 auto-flow=on");
    let before = world();
    let ways = [
        (Attach::Cdev, true),
        (Attach::Group, false),
        (Attach::Group, true),
        (Attach::Cdev, false),
    ];
    for (round, (attach, keep)) in ways.into_iter().enumerate() {
        let mut user = victim.user(attach, keep);
        reach(&victim, &mut user, round);
        user.kill();
        for next in [Attach::Cdev, Attach::Group] {
            let device = victim.reopened(next);
            let expected = match keep && left == Left::Kept {
                true => &victim.full,
                false => &victim.empty,
            };
            let found = save(&device);
            assert!(found == *expected, "{attach:?}, keep {keep}: contents");
            assert_eq!(victim.mdev.refusal(), "");
            drop(device);
        }
        victim.works(&victim.reopened(attach));
        assert_eq!(world(), before, "staged entries and capacity");
    }
    let staged = kind.create(&entry.uuid).expect("staged creation");
    assert_eq!(staged.param("fifo-size"), "64");
    drop((staged, entry, victim));
    // Whoever leaks a reference to the module is found here.
    let free = wait::until(SOON, || modules::users("vmig") == users);
    assert!(free, "{} users, not {users}", modules::users("vmig"));
}

#[test]
fn in_running() {
    let _test = Test::begin();
    killed(Left::Kept, |_, _, _| ());
}

#[test]
fn in_running_p2p() {
    let _test = Test::begin();
    killed(Left::Kept, |_, user, _| {
        user.tell("state RUNNING_P2P");
    });
}

#[test]
fn in_stop() {
    let _test = Test::begin();
    killed(Left::Kept, |_, user, _| {
        user.tell("state STOP");
    });
}

#[test]
fn with_logging_on() {
    let _test = Test::begin();
    killed(Left::Kept, |_, user, _| {
        user.tell("log");
        user.tell("state PRE_COPY");
    });
}

/// A state in which data is read, and nothing, some or all of it was.
#[track_caller]
fn while_reading(state: &str) {
    killed(Left::Kept, |_, user, round| {
        assert_eq!(user.tell(&format!("state {state}")), "data");
        let count = [21, 0, 1 << 20, 100][round];
        user.tell(&format!("read {count}"));
    });
}

#[test]
fn in_pre_copy_half_read() {
    let _test = Test::begin();
    while_reading("PRE_COPY");
}

#[test]
fn in_pre_copy_p2p_half_read() {
    let _test = Test::begin();
    while_reading("PRE_COPY_P2P");
}

#[test]
fn in_stop_copy_half_read() {
    let _test = Test::begin();
    while_reading("STOP_COPY");
}

#[test]
fn in_stop_copy_after_pre_copy() {
    let _test = Test::begin();
    killed(Left::Kept, |_, user, _| {
        user.tell("state PRE_COPY");
        user.tell("read 10");
        user.tell("state STOP_COPY");
        user.tell("read 100");
    });
}

#[test]
fn in_resuming_half_written() {
    let _test = Test::begin();
    killed(Left::Scrubbed, |victim, user, round| {
        assert_eq!(user.tell("state RESUMING"), "data");
        // Half of it, a part of the header, and all but the verdict.
        let whole = victim.full.len();
        let count = [whole / 2, 10, whole, 0][round];
        user.tell(&format!("write {} {count}", victim.file));
    });
}

#[test]
fn in_stop_after_resuming() {
    let _test = Test::begin();
    killed(Left::Kept, |victim, user, _| {
        user.tell("state RESUMING");
        user.tell(&format!("write {} {}", victim.file, victim.full.len()));
        user.tell("state STOP");
    });
}

#[test]
fn in_pre_copy_of_version_1() {
    let _test = Test::begin();
    killed(Left::Kept, |_, user, round| {
        user.tell(&format!("old {}", region::PRE_COPY));
        if round % 2 == 0 {
            assert_ne!(user.tell("old-read"), "0");
        }
    });
}

#[test]
fn in_stop_copy_of_version_1() {
    let _test = Test::begin();
    killed(Left::Kept, |_, user, round| {
        user.tell(&format!("old {}", region::STOP_COPY));
        if round % 2 == 0 {
            assert_ne!(user.tell("old-read"), "0");
        }
    });
}

#[test]
fn in_resuming_of_version_1() {
    let _test = Test::begin();
    killed(Left::Scrubbed, |victim, user, round| {
        user.tell(&format!("old {}", region::RESUMING));
        let whole = victim.full.len();
        let count = [whole / 2, 0, whole, 10][round];
        if count > 0 {
            user.tell(&format!("old-write {} {count}", victim.file));
        }
    });
}

#[test]
fn while_it_polls() {
    let _test = Test::begin();
    killed(Left::Kept, |_, user, _| {
        user.tell("state PRE_COPY");
        user.tell("read 4096");
        user.tell("poll");
        user.waits_in(syscall::POLL);
    });
}

#[test]
fn while_a_read_of_state_hangs() {
    let _test = Test::begin();
    killed(Left::Kept, |_, user, _| {
        let slow = Slow::new();
        user.tell("state STOP_COPY");
        user.tell(&format!("read-into {}", slow.path().display()));
        slow.touched();
        user.waits_in(syscall::READ);
        user.kill_now();
    });
}

#[test]
fn while_a_write_of_state_hangs() {
    let _test = Test::begin();
    killed(Left::Scrubbed, |_, user, _| {
        let slow = Slow::new();
        user.tell("state RESUMING");
        user.tell(&format!("write-from {}", slow.path().display()));
        slow.touched();
        user.waits_in(syscall::WRITE);
        user.kill_now();
    });
}

/// At any moment of what it does over and over.
#[track_caller]
fn at_any_moment(job: impl Fn(&Victim) -> String, may_be_scrubbed: bool) {
    let victim = Victim::new();
    for round in 0..16 {
        let attach = [Attach::Cdev, Attach::Group][round % 2];
        let mut user = victim.user(attach, true);
        user.tell(&job(&victim));
        thread::sleep(Duration::from_micros(300 * round as u64 * round as u64));
        user.kill();
        let device = victim.reopened(attach);
        let found = save(&device);
        let scrubbed = may_be_scrubbed && found == victim.empty;
        assert!(found == victim.full || scrubbed, "round {round}: contents");
        victim.works(&device);
    }
}

#[test]
fn at_any_moment_of_saving() {
    let _test = Test::begin();
    at_any_moment(|_| "saving".to_owned(), false);
}

#[test]
fn at_any_moment_of_loading() {
    let _test = Test::begin();
    at_any_moment(|victim| format!("loading {}", victim.file), true);
}

#[test]
fn at_any_moment_of_a_state_change() {
    let _test = Test::begin();
    at_any_moment(|_| "changing".to_owned(), false);
}
