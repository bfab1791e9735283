// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The file that carries migration data: directions, ends, polling, and what is left of it when
//! its session is over.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use guest::event::{poll_for, readable};
use guest::stream::save;
use guest::uart::SCR;
use guest::wait::{QUIET, SOON};
use guest::{Mdev, Port, Test, Type};
use nix::fcntl::{fcntl, FcntlArg, FdFlag, OFlag};
use nix::poll::PollFlags;
use nix::unistd::{lseek, Whence};
use vmig_vfio::{DataFile, Device, Errno, PrecopyInfo, State};

fn card() -> (Mdev, Device) {
    let list = "ports=2 fifo-size=64 auto-flow=on";
    let mdev = Type::default_parent("serial-var").new_device_with(list);
    let device = mdev.device();
    (mdev, device)
}

fn enter(device: &Device, state: State) -> DataFile {
    device.set_state(state).unwrap().expect("a data file")
}

/// Reads until there is nothing; returns the bytes and the errno of a temporary end.
fn drain(data: &DataFile) -> (Vec<u8>, Option<Errno>) {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match data.read(&mut buffer) {
            Ok(0) => return (bytes, None),
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
            Err(e) => return (bytes, e.errno()),
        }
    }
}

/// No data and no effect, and no harm.
#[track_caller]
fn assert_over(data: &DataFile, what: &str) {
    let mut buffer = [0xee; 64];
    assert!(
        matches!(data.read(&mut buffer), Ok(0) | Err(_)),
        "read after {what}"
    );
    assert_eq!(buffer, [0xee; 64], "read after {what}");
    assert!(data.write(b"too late").is_err(), "write after {what}");
    assert!(data.precopy_info().is_err(), "precopy info after {what}");
    assert!(
        readable(data.as_fd(), SOON),
        "a poll after {what} must not wait for ever"
    );
}

#[test]
fn each_file_has_one_direction() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    for state in [State::StopCopy, State::PreCopy] {
        let data = enter(&device, state);
        assert_eq!(
            data.write(b"x").unwrap_err().errno(),
            Some(Errno::EBADF),
            "{state}"
        );
        device.set_state(State::Running).unwrap();
    }
    let data = enter(&device, State::Resuming);
    assert_eq!(
        data.read(&mut [0; 1]).unwrap_err().errno(),
        Some(Errno::EBADF)
    );
    assert_eq!(data.read(&mut []).unwrap_err().errno(), Some(Errno::EBADF));
}

#[test]
fn a_file_is_a_stream_and_is_not_inherited() {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    let _test = Test::begin();
    let (_mdev, device) = card();
    for state in [State::StopCopy, State::PreCopy, State::Resuming] {
        let data = enter(&device, state);
        let flags = fcntl(&data, FcntlArg::F_GETFD).unwrap();
        assert_eq!(
            FdFlag::from_bits_retain(flags),
            FdFlag::FD_CLOEXEC,
            "{state}"
        );
        assert_eq!(
            lseek(&data, 0, Whence::SeekCur),
            Err(Errno::ESPIPE),
            "{state}"
        );
        let file = File::from(data.as_fd().try_clone_to_owned().unwrap());
        let errno = |result: std::io::Result<usize>| result.unwrap_err().raw_os_error();
        match state {
            State::Resuming => assert_eq!(errno(file.write_at(b"x", 0)), Some(29), "ESPIPE"),
            _ => assert_eq!(errno(file.read_at(&mut [0; 1], 0)), Some(29), "ESPIPE"),
        }
        drop((file, data));
        device.reset().unwrap();
    }
}

#[test]
fn any_segmentation_gives_the_same_bytes() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    Port::new(&device, 1).set(SCR, 0x5a);
    let whole = save(&device);
    for size in [1, 7, 4095, 1 << 20] {
        let data = enter(&device, State::StopCopy);
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; size]);
        loop {
            assert_eq!(data.read(&mut []), Ok(0), "a read of nothing takes nothing");
            match data.read(&mut buffer).unwrap() {
                0 => break,
                n => bytes.extend_from_slice(&buffer[..n]),
            }
        }
        assert_eq!(bytes, whole, "in pieces of {size}");
        device.set_state(State::Running).unwrap();
    }
}

#[test]
fn two_descriptors_are_one_stream() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let whole = save(&device);
    let data = enter(&device, State::StopCopy);
    let twin = DataFile::from(data.as_fd().try_clone_to_owned().unwrap());
    let mut bytes = vec![0; 21];
    assert_eq!(data.read(&mut bytes), Ok(21));
    drop(data);
    bytes.extend(drain(&twin).0);
    assert_eq!(bytes, whole);
}

#[test]
fn stop_copy_ends_for_good() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let data = enter(&device, State::StopCopy);
    assert!(readable(data.as_fd(), QUIET), "there is data");
    assert_eq!(drain(&data).1, None, "no temporary end");
    for _ in 0..3 {
        assert_eq!(data.read(&mut [0; 16]), Ok(0));
        assert!(readable(data.as_fd(), QUIET), "the end is readable");
    }
    assert_eq!(
        data.precopy_info().unwrap_err().errno(),
        Some(Errno::EINVAL)
    );
}

#[test]
fn pre_copy_ends_for_the_time_being() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let data = enter(&device, State::PreCopy);
    assert!(readable(data.as_fd(), QUIET), "there is data");
    let (first, end) = drain(&data);
    assert!(!first.is_empty());
    assert_eq!(end, Some(Errno::ENOMSG));
    assert_eq!(drain(&data), (vec![], Some(Errno::ENOMSG)), "still");
    assert!(
        !readable(data.as_fd(), QUIET),
        "nothing to read, nothing to poll"
    );
    let info = data.precopy_info().unwrap();
    assert_eq!((info.initial_bytes, info.dirty_bytes), (0, 0));
    // Without the opt-in the flags are what they were (a bug that users may rely on).
    let before = PrecopyInfo {
        flags: 0x5a00,
        ..PrecopyInfo::default()
    };
    assert_eq!(data.precopy_info_with(before).unwrap().flags, 0x5a00);
    device.enable_precopy_info_v2().unwrap();
    assert_eq!(data.precopy_info_with(before).unwrap().flags, 0);
}

#[test]
fn a_poller_is_woken_by_the_end_of_pre_copy() {
    let _test = Test::begin();
    for to in [State::StopCopy, State::Running, State::Stop] {
        let (_mdev, device) = card();
        let data = enter(&device, State::PreCopy);
        drain(&data);
        assert!(!readable(data.as_fd(), QUIET));
        thread::scope(|scope| {
            let poller = scope.spawn(|| readable(data.as_fd(), SOON));
            thread::sleep(Duration::from_millis(100));
            assert!(!poller.is_finished());
            device.set_state(to).unwrap();
            assert!(poller.join().unwrap(), "to {to}");
        });
    }
}

#[test]
fn a_poller_is_woken_by_reset() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let data = enter(&device, State::PreCopy);
    drain(&data);
    thread::scope(|scope| {
        let poller = scope.spawn(|| readable(data.as_fd(), SOON));
        thread::sleep(Duration::from_millis(100));
        device.reset().unwrap();
        assert!(poller.join().unwrap());
    });
}

#[test]
fn the_incoming_file_is_writable() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let data = enter(&device, State::Resuming);
    let events = poll_for(data.as_fd(), PollFlags::POLLOUT, QUIET);
    assert!(events.contains(PollFlags::POLLOUT), "{events:?}");
    assert_eq!(
        data.precopy_info().unwrap_err().errno(),
        Some(Errno::ENOTTY)
    );
    assert_eq!(data.write(&[]), Ok(0));
}

#[test]
fn a_non_blocking_file_does_not_wait() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let data = enter(&device, State::PreCopy);
    fcntl(&data, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let (_, end) = drain(&data);
    assert_eq!(end, Some(Errno::ENOMSG));
    device.set_state(State::StopCopy).unwrap();
    assert_eq!(drain(&data).1, None);
}

#[test]
fn a_file_is_harmless_after_its_session() {
    let _test = Test::begin();
    for state in [State::StopCopy, State::PreCopy, State::Resuming] {
        let (mdev, device) = card();
        let data = enter(&device, state);
        if state == State::Resuming {
            device.reset().unwrap();
        } else {
            device.set_state(State::Stop).unwrap();
        }
        assert_over(&data, "the session");
        // A new session is another file, which the old one cannot touch.
        let next = enter(&device, State::StopCopy);
        assert_over(&data, "the session, with a new one going on");
        let (bytes, end) = drain(&next);
        assert!(!bytes.is_empty() && end.is_none());
        drop(next);
        drop(device);
        assert_over(&data, "close");
        let device = mdev.device();
        assert_over(&data, "close and another open");
        drop(device);
        drop(mdev);
        assert_over(&data, "removal");
    }
}

#[test]
fn closing_the_device_ends_the_session() {
    let _test = Test::begin();
    for state in [State::StopCopy, State::PreCopy, State::Resuming] {
        let (mdev, device) = card();
        let data = enter(&device, state);
        drop(device);
        assert_over(&data, "close");
        let device = mdev.device();
        assert_eq!(device.state(), Ok(State::Running), "closed in {state}");
        drop(device);
        mdev.remove().unwrap();
        assert_over(&data, "removal");
    }
}

#[test]
fn closing_the_file_changes_no_state() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let whole = save(&device);
    for state in [State::StopCopy, State::PreCopy] {
        let data = enter(&device, state);
        data.read(&mut [0; 3]).unwrap();
        drop(data);
        assert_eq!(device.state(), Ok(state));
        device.set_state(State::Stop).unwrap();
        let data = enter(&device, State::StopCopy);
        assert_eq!(drain(&data).0, whole, "after {state}");
        device.set_state(State::Running).unwrap();
    }
    drop(enter(&device, State::Resuming));
    assert_eq!(device.state(), Ok(State::Resuming));
    assert_eq!(
        device.set_state(State::Stop).unwrap_err().errno(),
        Some(Errno::EINVAL)
    );
}

#[test]
fn changes_within_pre_copy_keep_the_place_in_the_stream() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let data = enter(&device, State::PreCopy);
    let mut bytes = vec![0; 10];
    assert_eq!(data.read(&mut bytes), Ok(10));
    for state in [
        State::PreCopyP2p,
        State::PreCopy,
        State::PreCopy,
        State::PreCopyP2p,
    ] {
        assert!(device.set_state(state).unwrap().is_none());
        let mut next = [0; 5];
        assert_eq!(data.read(&mut next), Ok(5), "{state}");
        bytes.extend(next);
    }
    assert!(device.set_state(State::StopCopy).unwrap().is_none());
    bytes.extend(drain(&data).0);
    guest::stream::Stream::parse(&bytes);
}
