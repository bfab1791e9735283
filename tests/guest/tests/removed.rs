// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Removal of the device, and of the module, is tried in every phase of a migration. The module is
//! refused; the removal asks for the device and waits until it is closed, and the migration does
//! not notice.

use std::fs;
use std::os::fd::AsFd;
use std::thread;

use guest::contents::empty_and_full;
use guest::pci::REQ;
use guest::stream::{load, save};
use guest::user::User;
use guest::wait::{self, QUIET, SOON};
use guest::{modules, sysfs, Event, Mdev, Test, Type};
use vmig_vfio::{Attach, DataFile, Device, Errno, IovaRange, State};

fn kind() -> Type {
    Type::default_parent("serial-var")
}

fn unload() -> Result<(), Errno> {
    modules::unload("vmig").map_err(sysfs::errno)
}

/// Tries to remove an open device and the module, in the phase into which `reach` brings it; then
/// `finish` has to be able to go on. Returns what `reach` has opened, after the removal.
#[track_caller]
fn removed_while(
    attach: Attach,
    reach: impl FnOnce(&Device, &[u8]) -> Option<DataFile>,
    finish: impl FnOnce(&Device, Option<&DataFile>, &[u8]),
) -> Option<DataFile> {
    let mdev = kind().new_device_with("ports=2 fifo-size=64 auto-flow=on");
    let device = mdev.open(attach).unwrap();
    let (_, full) = empty_and_full(&device);
    let request = Event::new();
    device
        .irq_eventfds(REQ, 0, &[Some(request.as_fd())])
        .unwrap();
    let data = reach(&device, &full);
    let state = device.state().unwrap();
    assert_eq!(unload(), Err(Errno::EAGAIN), "{state}: rmmod");
    assert_eq!(device.state(), Ok(state), "rmmod was refused");
    thread::scope(|scope| {
        let removal = scope.spawn(|| mdev.remove());
        request.expect("the device is wanted back");
        assert_eq!(device.state(), Ok(state), "removal waits");
        assert_eq!(unload(), Err(Errno::EAGAIN), "{state}: rmmod");
        // The rest of the world goes on: others come, are used, and go.
        let other = kind().new_device();
        let opened = other.device();
        load(&opened, &save(&opened)).unwrap();
        drop((opened, other));
        finish(&device, data.as_ref(), &full);
        thread::sleep(QUIET);
        assert!(!removal.is_finished(), "{state}: the device is still open");
        drop(device);
        assert_eq!(removal.join().unwrap(), Ok(()), "{state}");
    });
    assert!(!mdev.directory().exists());
    data
}

/// Reads what is left of a stream.
fn rest(data: &DataFile) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while let n @ 1.. = data.read(&mut buffer).unwrap() {
        bytes.extend_from_slice(&buffer[..n]);
    }
    bytes
}

/// The module can go as soon as the last file is closed.
#[track_caller]
fn unloads_after(data: Option<DataFile>) {
    if let Some(data) = data {
        assert_eq!(unload(), Err(Errno::EAGAIN), "a data file is open");
        let errnos = [Errno::ENODEV, Errno::EBADF];
        let read = data.read(&mut [0; 16]).unwrap_err().errno().unwrap();
        let write = data.write(&[0; 16]).unwrap_err().errno().unwrap();
        assert!(errnos.contains(&read) && errnos.contains(&write));
    }
    let gone = wait::until(SOON, || unload().is_ok());
    assert!(gone, "the module is still in use");
}

#[test]
fn in_states_without_data() {
    let _test = Test::begin();
    for (attach, state) in [
        (Attach::Cdev, State::Running),
        (Attach::Group, State::Running),
        (Attach::Cdev, State::RunningP2p),
        (Attach::Group, State::Stop),
    ] {
        let data = removed_while(
            attach,
            |device, _| device.set_state(state).unwrap(),
            |device, _, full| assert_eq!(save(device), full),
        );
        assert!(data.is_none());
    }
    unloads_after(None);
}

#[test]
fn with_logging_on() {
    let _test = Test::begin();
    let range = IovaRange {
        iova: 0,
        length: 1 << 20,
    };
    removed_while(
        Attach::Cdev,
        |device, _| {
            device.dma_logging_start(4096, &[range]).unwrap();
            None
        },
        |device, _, _| {
            device.dma_logging_report(range, 4096, &mut [0; 4]).unwrap();
        },
    );
    unloads_after(None);
}

#[test]
fn in_pre_copy() {
    let _test = Test::begin();
    for state in [State::PreCopy, State::PreCopyP2p] {
        let mut stream = vec![0; 30];
        let data = removed_while(
            Attach::Cdev,
            |device, _| {
                let data = device.set_state(state).unwrap().unwrap();
                assert_eq!(data.read(&mut stream), Ok(30));
                Some(data)
            },
            |device, data, full| {
                device.set_state(State::StopCopy).unwrap();
                let rest = rest(data.unwrap());
                assert_eq!(rest, full[30..], "the migration ends as it should");
                device.set_state(State::Running).unwrap();
            },
        );
        unloads_after(data);
        modules::load("vmig").unwrap();
    }
}

#[test]
fn in_stop_copy() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let data = removed_while(
            attach,
            |device, _| {
                let data = device.set_state(State::StopCopy).unwrap().unwrap();
                assert_eq!(data.read(&mut [0; 30]), Ok(30));
                Some(data)
            },
            |_, data, full| assert_eq!(rest(data.unwrap()), full[30..]),
        );
        unloads_after(data);
        modules::load("vmig").unwrap();
    }
}

#[test]
fn in_resuming() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let data = removed_while(
            attach,
            |device, full| {
                let data = device.set_state(State::Resuming).unwrap().unwrap();
                data.write_all(&full[..full.len() / 2]).unwrap();
                Some(data)
            },
            |device, data, full| {
                data.unwrap().write_all(&full[full.len() / 2..]).unwrap();
                device.set_state(State::Running).unwrap();
                assert_eq!(save(device), full);
            },
        );
        unloads_after(data);
        modules::load("vmig").unwrap();
    }
}

/// The user is closed by a kill while the removal waits for it.
#[test]
fn of_a_user_that_is_killed() {
    let _test = Test::begin();
    let stream = {
        let mdev = kind().new_device();
        let device = mdev.device();
        save(&device)
    };
    let file = "/tmp/removed.state";
    fs::write(file, &stream).unwrap();
    let load = format!("write {file} 40");
    for phase in [
        &["now"][..],
        &["state RUNNING_P2P"],
        &["state PRE_COPY", "read 10"],
        &["state STOP_COPY", "read 10"],
        &["state RESUMING", &load],
        &["log"],
    ] {
        let mdev = kind().new_device();
        mdev.keep(true);
        let mut user = User::start();
        user.tell(&format!("open {} cdev", mdev.uuid()));
        for command in phase {
            user.tell(command);
        }
        thread::scope(|scope| {
            let removal = scope.spawn(|| mdev.remove());
            thread::sleep(QUIET);
            assert!(!removal.is_finished(), "{phase:?}");
            assert_eq!(unload(), Err(Errno::EAGAIN), "{phase:?}");
            user.kill();
            assert_eq!(removal.join().unwrap(), Ok(()), "{phase:?}");
        });
        let again = wait::until(SOON, || {
            let created = kind().create(mdev.uuid());
            created.is_ok()
        });
        assert!(again, "{phase:?}: the UUID cannot be used again");
    }
    fs::remove_file(file).unwrap();
    unloads_after(None);
}

/// A device that nobody uses goes at once, whatever it holds.
#[test]
fn of_a_closed_device_with_contents() {
    let _test = Test::begin();
    let mdev = kind().new_device_with("ports=2");
    mdev.keep(true);
    empty_and_full(&mdev.device());
    mdev.remove().unwrap();
    let next = Mdev::existing(mdev.uuid());
    assert!(!next.directory().exists());
    unloads_after(None);
}
