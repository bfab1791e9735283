// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Clients that stall, flood, say half of something, or take memory away under DMA: the server goes on
//! with the next client, and the device is as it was. Those that go at every byte are in `disconnect`.

use std::{
    io::{
        ErrorKind,
        Read as _,
        Write as _, //
    },
    os::unix::net::UnixStream,
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use vmig_model::arcs::State;
use vmig_vfio_user::{
    channel::Fault,
    message::{
        uapi::*,
        Command,
        Wire as _, //
    },
};

use crate::{
    accel::{
        self,
        Machine,
        RAM,
        RAM_LEN, //
    },
    disconnect::{
        check,
        mark, //
    },
    support::*,
};

fn version() -> Vec<u8> {
    bytes(Command::Version.number(), 1, 0, &greeting())
}

fn info() -> Vec<u8> {
    let request = vfio_device_info {
        argsz: 16,
        ..Default::default()
    };
    bytes(Command::GetInfo.number(), 2, 0, &request.bytes())
}

/// A server whose device has something in it.
fn marked() -> Running<vmig_model::serial::Card> {
    let running = serial(FULL);
    mark(&mut running.connect());
    running
}

/// Half of a message, with a good connection before it and without; the client holds on to it. The next
/// one waits, is served when it is gone, and finds everything.
#[test]
fn who_stalls_with_half_a_message() {
    let running = marked();
    let (version, info) = (version(), info());
    let halves = [
        (false, &version[..7]),
        (false, &version[..30]),
        (true, &info[..9]),
        (true, &info[..20]),
    ];
    for (is_greeted, half) in halves {
        let mut stalling = match is_greeted {
            true => running.greeted(),
            false => running.raw(),
        };
        stalling.send(half);
        let mut next = UnixStream::connect(&running.path).unwrap();
        next.write_all(&version).unwrap();
        next.set_nonblocking(true).unwrap();
        let early = next.read(&mut [0; 16]).map_err(|error| error.kind());
        assert_eq!(early, Err(ErrorKind::WouldBlock), "one client at a time");
        drop(stalling);
        next.set_nonblocking(false).unwrap();
        let mut header = [0; 16];
        next.read_exact(&mut header).unwrap();
        assert_eq!(header[8] & 0x2f, 1, "a reply, and no error");
        drop(next);
        check(&mut running.connect(), half.len());
    }
    let (_, faults) = running.drain();
    let cut = faults.iter().filter(|fault| **fault == Fault::Cut).count();
    assert_eq!(cut, halves.len(), "each was in the middle of a message");
}

/// Commands without end, whose replies nobody reads: until the server does not read them either.
#[test]
fn who_floods() {
    let running = marked();
    let info = info();
    let mut raw = running.greeted();
    raw.stream.set_nonblocking(true).unwrap();
    let (mut sent, mut full) = (0_usize, 0);
    // Full for good: as long as the server reads, there is room again.
    while full < 50 {
        match raw.stream.write(&info) {
            Ok(count) => (sent, full) = (sent + count, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                full += 1;
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert!(sent < 64 << 20, "64 MiB of commands, and no end");
    }
    assert!(sent > 200 * info.len(), "a flood");
    drop(raw);
    check(&mut running.connect(), 0);
    // Of commands that want no reply, and are not even good.
    for body in [&[][..], &[0xff; 4096]] {
        let mut raw = running.greeted();
        for command in [0, 9, 10, 16, 17, 18] {
            raw.send(&bytes(command, 3, 1 << 4, body).repeat(200));
        }
        drop(raw);
        check(&mut running.connect(), body.len());
    }
    running.finish();
}

/// Half of a state, and nothing more: the next client has a new device, not a mixture. That is the
/// one way to lose what was there.
#[test]
fn who_sends_half_a_state() {
    let running = marked();
    let mut client = running.connect();
    client.set_state(State::StopCopy).unwrap();
    let mut stream = vec![0; 4096];
    let len = client.data_read(&mut stream).unwrap();
    stream.truncate(len);
    drop(client);
    check(&mut running.connect(), 0);
    for end in [1, len / 2, len - 1] {
        let mut client = running.connect();
        client.set_state(State::Resuming).unwrap();
        client.data_write(&stream[..end]).unwrap();
        drop(client);
        let mut client = running.connect();
        let mut scratch = [0];
        client.region_read(0, 7, &mut scratch).unwrap();
        assert_eq!(scratch, [0], "{end}: a new device");
        client.set_state(State::Resuming).unwrap();
        client.data_write(&stream).unwrap();
        client.set_state(State::Running).unwrap();
        check(&mut client, end);
    }
    running.finish();
}

/// The memory goes while the device works in it: a bus error for the device, and nothing else.
#[test]
fn who_unmaps_under_dma() {
    let running = accel::serve(&[("memory-mb", "16")]);
    let mut client = running.connect();
    // Where the work does not come.
    let (at, text) = (0xc0_0000, b"still here");
    client.region_write(2, at, text).unwrap();
    drop(client);
    let mut in_the_middle = 0;
    for _ in 0..20 {
        let mut client = running.connect();
        let mut machine = Machine::new();
        machine.attach(&mut client);
        accel::enable(&mut client, 0);
        accel::long_work(&mut machine);
        accel::set(&mut client, 0, 0x18, machine.tail);
        client.dma_unmap(RAM, RAM_LEN).unwrap();
        let status = accel::wait(&mut client, 0, machine.tail);
        let head = accel::get(&mut client, 0, 0x14);
        if head < machine.tail {
            assert!([9, 0x10].contains(&status), "a bus error: {status}");
            in_the_middle += 1;
        }
        drop(client);
        let mut client = running.connect();
        assert_eq!(client.state().unwrap(), State::Running);
        let mut seen = [0; 10];
        client.region_read(2, at, &mut seen).unwrap();
        assert_eq!(&seen, text);
        assert_eq!(accel::get(&mut client, 0, 0x14), head);
        // And the queue can be used again.
        accel::set(&mut client, 0, 0x00, 0);
        let mut machine = Machine::new();
        machine.attach(&mut client);
        accel::enable(&mut client, 0);
        machine.push(accel::COPY_OUT, 10, at, accel::DATA);
        accel::set(&mut client, 0, 0x18, 1);
        assert_eq!(accel::wait(&mut client, 0, 1), 0);
        assert_eq!(machine.read(accel::DATA, 10), text);
        accel::set(&mut client, 0, 0x00, 0);
        if in_the_middle > 2 {
            break;
        }
    }
    assert!(in_the_middle > 0, "some of them were in the middle");
    running.finish();
}

/// The same where the memory is reached by messages: the server waits for the client's answer.
#[test]
fn who_unmaps_instead_of_an_answer() {
    use crate::dma::{
        data,
        far,
        unmap,
        Bench, //
    };
    let bench = Bench::new();
    let mut raw = far(&bench);
    bench.read(&mut raw);
    let (asked, _) = raw.receive();
    raw.send(&bytes(Command::DmaUnmap.number(), 77, 0, &unmap().bytes()));
    raw.send(&data(asked.id, b"last"));
    assert_eq!(bench.done.recv().unwrap().as_deref(), Some(&b"last"[..]));
    let (header, _) = raw.receive();
    assert_eq!((header.id, header.error), (77, 0), "it was kept for later");
    // From then on there is nothing.
    bench.read(&mut raw);
    assert_eq!(bench.done.recv().unwrap(), None);
    // And without an answer at all.
    drop(raw);
    let mut raw = far(&bench);
    bench.read(&mut raw);
    raw.receive();
    let begin = Instant::now();
    raw.send(&bytes(Command::DmaUnmap.number(), 78, 0, &unmap().bytes()));
    assert_eq!(bench.done.recv().unwrap(), None);
    let (header, _) = raw.receive();
    assert_eq!((header.id, header.error), (78, 0));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "before QEMU gives up"
    );
    drop(raw);
    let mut raw = far(&bench);
    bench.read(&mut raw);
    let (asked, _) = raw.receive();
    raw.send(&data(asked.id, b"next"));
    assert_eq!(bench.done.recv().unwrap().as_deref(), Some(&b"next"[..]));
    drop(raw);
    bench.running.finish();
}
