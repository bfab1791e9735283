// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Frames: what arrives in pieces, too long, too short, too often.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    thread,
    time::Duration, //
};

use nix::libc::{
    EINVAL,
    ENOSYS, //
};
use vmig_vfio_user::{
    channel::Fault,
    message::{
        uapi::vfio_device_info,
        Command,
        Header,
        Wire,
        BODY_MAX,
        DATA_MAX, //
    },
};

use crate::support::*;

fn info() -> Vec<u8> {
    let request = vfio_device_info {
        argsz: 16,
        ..Default::default()
    };
    request.bytes()
}

/// The connection is in step: the next command gets its own answer.
fn in_step(raw: &mut Raw) {
    let (header, body) = raw.call(Command::GetInfo.number(), &info());
    assert_eq!((header.error, body.len()), (0, 16));
}

#[test]
fn byte_by_byte() {
    let running = serial(PLAIN);
    let mut raw = running.raw();
    let mut all = bytes(Command::Version.number(), 1, 0, &greeting());
    all.extend(bytes(Command::GetInfo.number(), 2, 0, &info()));
    for byte in all {
        raw.send(&[byte]);
        thread::sleep(Duration::from_micros(50));
    }
    assert_eq!(raw.receive().0.id, 1);
    assert_eq!(raw.receive().0.id, 2);
    drop(raw);
    running.finish();
}

#[test]
fn all_at_once() {
    let running = serial(PLAIN);
    let mut raw = running.raw();
    let mut all = bytes(Command::Version.number(), 0, 0, &greeting());
    for id in 1..=300 {
        all.extend(bytes(Command::GetInfo.number(), id, 0, &info()));
    }
    raw.send(&all);
    for id in 0..=300 {
        assert_eq!(raw.receive().0.id, id);
    }
    drop(raw);
    running.finish();
}

#[test]
fn commands_that_do_not_exist() {
    let running = serial(PLAIN);
    let mut raw = running.greeted();
    for command in [0, 14, 19, 20, 255, u16::MAX] {
        for len in [0, 1, 64, 5000] {
            let (header, _) = raw.call(command, &vec![0xff; len]);
            assert_eq!(header.error as i32, ENOSYS, "{command}");
        }
        in_step(&mut raw);
    }
    // Of the other direction.
    for command in [Command::DmaRead, Command::DmaWrite] {
        assert_eq!(raw.errno(command, &[0; 16]), EINVAL);
    }
    drop(raw);
    running.finish();
}

#[test]
fn what_is_too_long_is_read_and_refused() {
    let running = serial(PLAIN);
    let mut raw = running.greeted();
    for len in [BODY_MAX + 1, 2 * BODY_MAX, 8 << 20] {
        let (header, _) = raw.call(Command::RegionWrite.number(), &vec![0; len]);
        assert_eq!(header.error as i32, EINVAL, "{len}");
        in_step(&mut raw);
    }
    // The longest that is taken, though there is no region that large.
    let mut body = vec![0; 16 + DATA_MAX];
    body[12..16].copy_from_slice(&(DATA_MAX as u32).to_ne_bytes());
    assert_eq!(raw.errno(Command::RegionWrite, &body), EINVAL);
    in_step(&mut raw);
    drop(raw);
    running.finish();
}

#[test]
fn what_is_shorter_than_its_header_ends_the_connection() {
    let running = serial(PLAIN);
    for size in 0..Header::LEN as u32 {
        let mut raw = running.greeted();
        let header = Header {
            size,
            ..Header::command(Command::GetInfo, 3)
        };
        raw.send(&header.bytes());
        assert!(raw.is_closed(), "{size}");
    }
    let mut raw = running.greeted();
    in_step(&mut raw);
    drop(raw);
    let (_, faults) = running.drain();
    let frames = faults.iter().filter(|fault| **fault == Fault::Frame);
    assert_eq!(frames.count(), Header::LEN);
}

#[test]
fn a_reply_to_nothing_ends_the_connection() {
    let running = serial(PLAIN);
    let mut raw = running.greeted();
    raw.send(&bytes(Command::GetInfo.number(), 3, 1, &[]));
    assert!(raw.is_closed());
    let mut raw = running.greeted();
    // Other types are refused.
    for kind in 2..16 {
        raw.send(&bytes(Command::GetInfo.number(), 3, kind, &info()));
        let (header, _) = raw.receive();
        assert_eq!(header.error as i32, EINVAL);
    }
    in_step(&mut raw);
    drop(raw);
    let (_, faults) = running.drain();
    assert_eq!(faults, [Fault::Protocol, Fault::Gone]);
}

#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    let running = serial(PLAIN);
    let mut raw = running.greeted();
    raw.stream.set_nonblocking(true).unwrap();
    let command = bytes(Command::GetInfo.number(), 1, 0, &info());
    // Sooner or later the server waits, and the socket is full.
    let mut sent = 0_usize;
    let full = loop {
        match raw.stream.write(&command) {
            Ok(count) => sent += count,
            Err(error) => break error.kind(),
        }
        if sent > 64 << 20 {
            panic!("64 MiB of commands, and no end");
        }
        if sent % (1 << 20) < 32 {
            thread::sleep(Duration::from_millis(1));
        }
    };
    assert_eq!(full, std::io::ErrorKind::WouldBlock);
    // The next client is served as soon as it is gone.
    let waiting = UnixStream::connect(&running.path).unwrap();
    drop(raw);
    drop(waiting);
    in_step(&mut running.greeted());
    running.finish();
}

#[test]
fn a_client_that_stalls_is_waited_for_until_the_server_is_stopped() {
    let running = serial(PLAIN);
    let mut raw = running.greeted();
    raw.send(&bytes(Command::GetInfo.number(), 1, 0, &info())[..20]);
    thread::sleep(Duration::from_millis(20));
    let (_, faults) = running.finish();
    assert!(faults.is_empty(), "nothing of the client's doing");
    assert!(raw.is_closed());
}
