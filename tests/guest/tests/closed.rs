// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The device is closed in every state while its data file stays open: the file is stale from
//! then on, says so in the same words whatever happens next, and touches no later session.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use guest::contents::{empty_and_full, fill};
use guest::event::{poll_for, readable};
use guest::stream::{load, save};
use guest::wait::{self, QUIET, SOON};
use guest::{modules, sysfs, Mdev, Test, Type};
use nix::poll::PollFlags;
use vmig_vfio::{Attach, DataFile, Device, Errno, State};

const BOTH: [Attach; 2] = [Attach::Cdev, Attach::Group];

/// The states that have a data file.
const SESSIONS: [State; 4] = [
    State::PreCopy,
    State::PreCopyP2p,
    State::StopCopy,
    State::Resuming,
];

fn card() -> Mdev {
    Type::default_parent("serial-var").new_device_with("ports=2 fifo-size=64 auto-flow=on")
}

fn enter(device: &Device, state: State) -> DataFile {
    device.set_state(state).unwrap().expect("a data file")
}

/// A data file whose session is over.
struct Stale {
    data: DataFile,
    /// The state that it was opened in.
    from: State,
}

impl Stale {
    /// Every call on it has its one answer, and none waits.
    #[track_caller]
    fn check(&self, when: &str) {
        let Self { data, from } = self;
        let what = format!("a file of {from}, {when}");
        let mut buffer = [0xee; 64];
        let read = data.read(&mut buffer).map_err(|e| e.errno().unwrap());
        let write = data.write(b"late").map_err(|e| e.errno().unwrap());
        let info = data.precopy_info().map_err(|e| e.errno().unwrap());
        let events = poll_for(data.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT, QUIET);
        assert_eq!(buffer, [0xee; 64], "{what}: data");
        if *from == State::Resuming {
            assert_eq!(read, Err(Errno::EBADF), "{what}: read");
            assert_eq!(write, Err(Errno::ENODEV), "{what}: write");
            assert_eq!(info, Err(Errno::ENOTTY), "{what}: precopy info");
            assert!(events.contains(PollFlags::POLLOUT), "{what}: {events:?}");
        } else {
            assert_eq!(read, Err(Errno::ENODEV), "{what}: read");
            assert_eq!(write, Err(Errno::EBADF), "{what}: write");
            assert_eq!(info, Err(Errno::EINVAL), "{what}: precopy info");
            assert_eq!(events, PollFlags::POLLIN, "{what}: poll");
        }
    }
}

/// Opens a session in `from`, and uses a little of it.
fn begin(device: &Device, from: State, stream: &[u8]) -> DataFile {
    let data = enter(device, from);
    if from == State::Resuming {
        data.write_all(&stream[..30]).unwrap();
    } else {
        data.read(&mut [0; 30]).unwrap();
    }
    data
}

/// Whole sessions in both directions work, with a stale file poked at between the pieces.
#[track_caller]
fn others_work(device: &Device, stale: &Stale, full: &[u8]) {
    let data = enter(device, State::Resuming);
    for piece in full.chunks(100) {
        data.write_all(piece).unwrap();
        stale.check("while another session is written");
    }
    device.set_state(State::Stop).unwrap();
    let data = enter(device, State::StopCopy);
    let (mut stream, mut buffer) = (Vec::new(), [0; 100]);
    while let n @ 1.. = data.read(&mut buffer).unwrap() {
        stream.extend_from_slice(&buffer[..n]);
        stale.check("while another session is read");
    }
    assert_eq!(stream, full);
    device.set_state(State::Running).unwrap();
}

#[test]
fn in_each_state_with_a_session() {
    let _test = Test::begin();
    for (attach, from) in BOTH
        .into_iter()
        .flat_map(|attach| SESSIONS.map(|from| (attach, from)))
    {
        let mdev = card();
        mdev.keep(true);
        let device = mdev.open(attach).unwrap();
        let (empty, full) = empty_and_full(&device);
        let data = begin(&device, from, &full);
        drop(device);
        assert_eq!(mdev.status("in_use"), "0", "{from}: the file is not a user");
        let stale = Stale { data, from };
        stale.check("closed");
        for next in BOTH {
            let device = mdev.open(next).unwrap();
            assert_eq!(device.state(), Ok(State::Running), "closed in {from}");
            stale.check("open again");
            let expected = if from == State::Resuming {
                &empty
            } else {
                &full
            };
            assert!(save(&device) == *expected, "{attach:?}, closed in {from}");
            stale.check("after another session");
        }
        let device = mdev.device();
        others_work(&device, &stale, &full);
        device.reset().unwrap();
        stale.check("reset");
        drop(device);
        drop(mdev);
        stale.check("device removed");
    }
}

#[test]
fn in_each_state_after_a_session() {
    let _test = Test::begin();
    // The session is over already when the device is closed in the second state.
    for (from, to) in [
        (State::PreCopy, State::Running),
        (State::PreCopy, State::RunningP2p),
        (State::PreCopyP2p, State::Stop),
        (State::StopCopy, State::Stop),
        (State::StopCopy, State::RunningP2p),
        (State::StopCopy, State::Running),
        (State::StopCopy, State::Resuming),
        (State::PreCopy, State::Resuming),
    ] {
        let mdev = card();
        mdev.keep(true);
        let device = mdev.device();
        let (empty, full) = empty_and_full(&device);
        let data = begin(&device, from, &full);
        let next = device.set_state(to).unwrap();
        let stale = Stale { data, from };
        stale.check(&format!("in {to}"));
        drop(device);
        stale.check(&format!("closed in {to}"));
        let device = mdev.device();
        let expected = if to == State::Resuming { &empty } else { &full };
        assert!(save(&device) == *expected, "closed in {to} after {from}");
        stale.check("open again");
        if let Some(data) = next {
            Stale { data, from: to }.check("open again");
        }
    }
}

#[test]
fn a_whole_stream_written_but_not_applied_is_scrubbed() {
    let _test = Test::begin();
    for keep in [false, true] {
        let mdev = card();
        mdev.keep(keep);
        let device = mdev.device();
        let (empty, full) = empty_and_full(&device);
        let data = enter(&device, State::Resuming);
        data.write_all(&full).unwrap();
        drop(device);
        let stale = Stale {
            data,
            from: State::Resuming,
        };
        stale.check("closed before the verdict");
        assert!(save(&mdev.device()) == empty, "keep {keep}");
    }
}

#[test]
fn reset_makes_a_file_stale() {
    let _test = Test::begin();
    for from in SESSIONS {
        let mdev = card();
        let device = mdev.device();
        let (empty, full) = empty_and_full(&device);
        let data = begin(&device, from, &full);
        device.reset().unwrap();
        let stale = Stale { data, from };
        stale.check("reset");
        assert!(save(&device) == empty, "{from}");
        others_work(&device, &stale, &full);
        stale.check("after others");
    }
}

#[test]
fn a_stale_file_outlives_everything_but_the_module() {
    let _test = Test::begin();
    let unload = || modules::unload("vmig").map_err(sysfs::errno);
    for from in SESSIONS {
        let mdev = card();
        let device = mdev.device();
        let (_, full) = empty_and_full(&device);
        let data = begin(&device, from, &full);
        assert_eq!(unload(), Err(Errno::EAGAIN), "{from}: open");
        // The attempt has changed nothing: the session goes on.
        assert_eq!(device.state(), Ok(from));
        if from == State::Resuming {
            data.write_all(&full[30..]).unwrap();
            device.set_state(State::Stop).unwrap();
        } else {
            data.read(&mut [0; 30]).unwrap();
        }
        drop(device);
        let stale = Stale { data, from };
        stale.check("closed");
        assert_eq!(unload(), Err(Errno::EAGAIN), "{from}: closed");
        stale.check("after rmmod was refused");
        mdev.remove().unwrap();
        stale.check("device removed");
        assert_eq!(unload(), Err(Errno::EAGAIN), "{from}: removed");
        stale.check("after rmmod was refused again");
        drop(stale);
        let gone = wait::until(SOON, || unload().is_ok());
        assert!(gone, "{from}: the module is still in use");
        modules::load("vmig").unwrap();
    }
}

#[test]
fn the_same_uuid_again_is_another_device() {
    let _test = Test::begin();
    let kind = Type::default_parent("serial-1");
    for from in SESSIONS {
        let mdev = kind.new_device();
        let id = mdev.uuid().to_owned();
        let device = mdev.device();
        let (_, full) = empty_and_full(&device);
        let data = begin(&device, from, &full);
        drop(device);
        mdev.remove().unwrap();
        let stale = Stale { data, from };
        // The stale file refers to the old device, which the mdev core may still know.
        let again = wait::until(SOON, || {
            matches!(kind.create(&id).map(std::mem::forget), Ok(()))
        });
        assert!(again, "{from}: the UUID cannot be used again");
        let mdev = Mdev::existing(&id);
        let device = mdev.device();
        fill(&device);
        others_work(&device, &stale, &full);
        stale.check("another device with its UUID");
    }
}

#[test]
fn a_poller_is_woken_by_close() {
    let _test = Test::begin();
    for keep in [false, true] {
        let mdev = card();
        mdev.keep(keep);
        let device = mdev.device();
        let data = enter(&device, State::PreCopy);
        while data.read(&mut [0; 4096]).is_ok() {}
        assert!(!readable(data.as_fd(), QUIET));
        thread::scope(|scope| {
            let poller = scope.spawn(|| readable(data.as_fd(), SOON));
            thread::sleep(Duration::from_millis(100));
            assert!(!poller.is_finished());
            drop(device);
            assert!(poller.join().unwrap(), "keep {keep}");
        });
    }
}

#[test]
fn many_stale_files_of_one_device_are_harmless() {
    let _test = Test::begin();
    let mdev = card();
    let mut files = Vec::new();
    for round in 0..32 {
        let device = mdev.open(BOTH[round % 2]).unwrap();
        for from in [State::PreCopy, State::StopCopy, State::Resuming] {
            let data = enter(&device, from);
            files.push(Stale { data, from });
            device.reset().unwrap();
        }
    }
    let device = mdev.device();
    let (_, full) = empty_and_full(&device);
    load(&device, &full).unwrap();
    for stale in &files {
        stale.check("one of many");
    }
    assert_eq!(save(&device), full);
}
