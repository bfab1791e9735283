// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Copies from and to user memory that hang half way, on a page that does not come. Whoever does
//! this stops itself, and those who read or write the same data file; nobody else.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use guest::contents::empty_and_full;
use guest::event::readable;
use guest::region::{Migration, Way, DATA_OFFSET, RUNNING, STOP_COPY};
use guest::slow::{Slow, LENGTH};
use guest::stream::{load, save};
use guest::uart::SCR;
use guest::user::{syscall, User};
use guest::wait::{self, QUIET, SOON};
use guest::{Mdev, Port, Test, Type};
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use vmig_vfio::{uapi, DataFile, Device, Errno, State};

fn card() -> Mdev {
    Type::default_parent("serial-var").new_device_with("ports=2 fifo-size=64 auto-flow=on")
}

/// Everything that must go on while somebody hangs. The state is `state`, and the device is not reset.
#[track_caller]
fn the_rest_goes_on(mdev: &Mdev, device: &Device, state: State) {
    assert_eq!(device.state(), Ok(state));
    device.data_size().unwrap();
    let port = Port::new(device, 0);
    port.get(SCR);
    if matches!(state, State::Running | State::PreCopy) {
        port.set(SCR, 0x77);
        assert_eq!(port.get(SCR), 0x77);
    }
    let config = device.region(uapi::VFIO_PCI_CONFIG_REGION_INDEX).unwrap();
    config.write_u8(0x3c, 0x12).unwrap();
    assert_eq!(config.read_u8(0x3c), Ok(0x12));
    mdev.params();
    assert_eq!(mdev.set("fifo-size", "16"), Err(Errno::EBUSY));
    assert_eq!(mdev.status("in_use"), "1");
    // Another device of the same parent.
    let other = card();
    let opened = other.device();
    load(&opened, &save(&opened)).unwrap();
}

fn nonblocking(data: &DataFile) -> DataFile {
    let file: OwnedFd = data.as_fd().try_clone_to_owned().unwrap();
    fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    DataFile::from(file)
}

/// Ends the session under a hanging reader of the data file in `state`, by `end`.
#[track_caller]
fn a_reader_hangs(state: State, end: impl FnOnce(&Device)) {
    let mdev = card();
    let device = mdev.device();
    let (_, full) = empty_and_full(&device);
    let data = device.set_state(state).unwrap().unwrap();
    let slow = Slow::new();
    let page = slow.page();
    thread::scope(|scope| {
        let reader = scope.spawn(|| page.read(&data));
        slow.touched();
        the_rest_goes_on(&mdev, &device, state);
        assert!(readable(data.as_fd(), SOON), "{state}: poll does not wait");
        let twin = nonblocking(&data);
        let refused = twin.read(&mut [0; 16]).map_err(|e| e.errno().unwrap());
        assert_eq!(refused, Err(Errno::EAGAIN), "{state}: its turn");
        assert!(!reader.is_finished());
        end(&device);
        // Whole sessions of others, while the old one still hangs in its copy.
        load(&device, &full).unwrap();
        assert_eq!(save(&device), full, "{state}");
        assert!(!reader.is_finished());
        slow.release();
        // What it had begun to read before the end it may still get; never of another session.
        match reader.join().unwrap() {
            Ok(n) => assert!(n <= LENGTH),
            Err(errno) => assert_eq!(errno, Errno::ENODEV),
        }
        let late = twin.read(&mut [0; 16]).map_err(|e| e.errno().unwrap());
        assert_eq!(late, Err(Errno::ENODEV), "{state}: over");
        assert_eq!(save(&device), full, "{state}: it took nothing from others");
    });
}

#[test]
fn a_reader_hangs_and_the_device_is_reset() {
    let _test = Test::begin();
    for state in [State::PreCopy, State::StopCopy] {
        a_reader_hangs(state, |device| device.reset().unwrap());
    }
}

#[test]
fn a_reader_hangs_and_the_session_ends() {
    let _test = Test::begin();
    for state in [State::PreCopy, State::StopCopy] {
        a_reader_hangs(state, |device| {
            device.set_state(State::Running).unwrap();
        });
    }
}

#[test]
fn a_reader_that_hangs_loses_no_byte() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    let (_, full) = empty_and_full(&device);
    let data = device.set_state(State::StopCopy).unwrap().unwrap();
    let slow = Slow::new();
    let page = slow.page();
    let first = thread::scope(|scope| {
        let reader = scope.spawn(|| page.read(&data));
        slow.touched();
        thread::sleep(QUIET);
        slow.release();
        reader.join().unwrap().unwrap()
    });
    let mut rest = Vec::new();
    let mut buffer = [0; 4096];
    while let n @ 1.. = data.read(&mut buffer).unwrap() {
        rest.extend_from_slice(&buffer[..n]);
    }
    assert_eq!(rest, full[first..]);
}

#[test]
fn a_writer_hangs_and_the_device_is_reset() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    let (_, full) = empty_and_full(&device);
    let data = device.set_state(State::Resuming).unwrap().unwrap();
    let slow = Slow::new();
    let page = slow.page();
    thread::scope(|scope| {
        let writer = scope.spawn(|| page.write(&data));
        slow.touched();
        the_rest_goes_on(&mdev, &device, State::Resuming);
        let twin = nonblocking(&data);
        let refused = twin.write(&full).map_err(|e| e.errno().unwrap());
        assert_eq!(refused, Err(Errno::EAGAIN), "its turn");
        device.reset().unwrap();
        load(&device, &full).unwrap();
        slow.release();
        assert_eq!(writer.join().unwrap(), Err(Errno::ENODEV));
        assert_eq!(save(&device), full);
    });
}

#[test]
fn a_writer_hangs_and_the_verdict_is_asked_for() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    empty_and_full(&device);
    let data = device.set_state(State::Resuming).unwrap().unwrap();
    let slow = Slow::new();
    let page = slow.page();
    thread::scope(|scope| {
        let writer = scope.spawn(|| page.write(&data));
        slow.touched();
        let verdict = device.set_state(State::Stop).unwrap_err();
        assert_eq!(verdict.errno(), Some(Errno::EINVAL), "nothing has come yet");
        slow.release();
        assert_eq!(
            writer.join().unwrap(),
            Err(Errno::EINVAL),
            "it stays refused"
        );
        device.reset().unwrap();
    });
}

#[test]
fn the_device_is_closed_and_removed_under_a_hanging_reader() {
    let _test = Test::begin();
    for state in [State::PreCopy, State::StopCopy, State::Resuming] {
        let mdev = card();
        let device = mdev.device();
        let (_, full) = empty_and_full(&device);
        let data = device.set_state(state).unwrap().unwrap();
        let slow = Slow::new();
        let page = slow.page();
        thread::scope(|scope| {
            let hanging = scope.spawn(|| match state {
                State::Resuming => page.write(&data),
                _ => page.read(&data),
            });
            slow.touched();
            drop(device);
            assert_eq!(mdev.status("in_use"), "0", "{state}");
            let device = mdev.device();
            load(&device, &full).unwrap();
            drop(device);
            mdev.remove().unwrap();
            assert!(!hanging.is_finished());
            slow.release();
            match hanging.join().unwrap() {
                Ok(n) => assert!(n <= LENGTH && state != State::Resuming),
                Err(errno) => assert_eq!(errno, Errno::ENODEV, "{state}"),
            }
        });
    }
}

#[test]
fn an_access_to_registers_hangs() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    let (_, full) = empty_and_full(&device);
    for region in [
        uapi::VFIO_PCI_BAR0_REGION_INDEX,
        uapi::VFIO_PCI_CONFIG_REGION_INDEX,
    ] {
        let slow = Slow::new();
        let page = slow.page();
        let info = device.region_info(region).unwrap();
        thread::scope(|scope| {
            let reader = scope.spawn(|| page.read_at(&device, info.offset, 16));
            slow.touched();
            the_rest_goes_on(&mdev, &device, State::Running);
            device.reset().unwrap();
            load(&device, &full).unwrap();
            assert!(!reader.is_finished());
            slow.release();
            assert_eq!(reader.join().unwrap(), Ok(16), "region {region}");
        });
    }
}

/// The data section of protocol version 1, whose pieces are copied like those of registers.
#[test]
fn an_access_to_the_migration_region_hangs() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    let (_, full) = empty_and_full(&device);
    let old = Migration::of(&device, Way::Trapped);
    let offset = old.region().info().offset;
    for end in ["reset", "state"] {
        old.set(STOP_COPY);
        let at = old.region().read_u64(DATA_OFFSET).unwrap();
        let slow = Slow::new();
        let page = slow.page();
        thread::scope(|scope| {
            let reader = scope.spawn(|| page.read_at(&device, offset + at, 64));
            slow.touched();
            the_rest_goes_on(&mdev, &device, State::StopCopy);
            assert_eq!(old.state(), STOP_COPY);
            match end {
                "reset" => device.reset().unwrap(),
                _ => old.set(RUNNING),
            }
            load(&device, &full).unwrap();
            assert_eq!(save(&device), full);
            assert!(!reader.is_finished());
            slow.release();
            // What it had in hand it gets; what came after the end is refused or zero.
            assert!(matches!(reader.join().unwrap(), Ok(1..=64)), "{end}");
        });
        assert_eq!(save(&device), full);
    }
}

/// Whoever waits for its turn behind a hanging reader can be killed.
#[test]
fn those_who_wait_for_their_turn_can_be_killed() {
    let _test = Test::begin();
    let mdev = card();
    mdev.keep(true);
    let slow = Slow::new();
    let mut user = User::start();
    user.tell(&format!("open {} cdev", mdev.uuid()));
    user.tell("state STOP_COPY");
    user.tell(&format!("two-readers {}", slow.path().display()));
    slow.touched();
    user.waits_in(syscall::READ);
    user.kill();
    let free = wait::until(SOON, || mdev.status("in_use") == "0");
    assert!(free);
    assert_eq!(mdev.device().state(), Ok(State::Running));
}

/// The page itself is as it should be: it comes, and with the right content.
#[test]
fn the_page_comes_when_it_is_released() {
    let _test = Test::begin();
    let slow = Slow::new();
    let page = slow.page();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    thread::scope(|scope| {
        let copy = scope.spawn(|| page.write(&writer));
        slow.touched();
        thread::sleep(QUIET);
        assert!(!copy.is_finished());
        slow.release();
        assert_eq!(copy.join().unwrap(), Ok(LENGTH));
    });
    drop(writer);
    let mut bytes = Vec::new();
    let mut reader = File::from(reader);
    std::io::Read::read_to_end(&mut reader, &mut bytes).unwrap();
    assert_eq!(bytes, [guest::slow::CONTENT; LENGTH]);
}
