// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Clients that go, at every byte of what they have to say; the device stays.

use std::{
    io::Write as _,
    os::{
        fd::AsFd,
        unix::net::UnixStream, //
    },
};

use nix::sys::eventfd::{
    EfdFlags,
    EventFd, //
};
use vmig_model::arcs::State;
use vmig_vfio_user::{
    message::{
        uapi::*,
        Command,
        DmaMap,
        Feature,
        MigData,
        RegionAccess,
        Wire, //
    },
    Client,
};

use crate::support::*;

const SCR: u64 = 7;
const RBR: u64 = 0;
const LSR: u64 = 5;

/// Puts something into the device that a reset would take away.
pub(crate) fn mark(client: &mut Client) {
    client.region_write(0, 2, &[1]).unwrap();
    client.region_write(0, SCR, &[0xa5]).unwrap();
    client.region_write(0, 8 + SCR, &[0x5a]).unwrap();
    client.region_write(0, RBR, b"x").unwrap();
}

/// It is there still, and the device runs.
pub(crate) fn check(client: &mut Client, at: usize) {
    assert_eq!(client.state().unwrap(), State::Running, "{at}");
    let mut scratch = [0; 2];
    client.region_read(0, SCR, &mut scratch[..1]).unwrap();
    client.region_read(0, 8 + SCR, &mut scratch[1..]).unwrap();
    assert_eq!(scratch, [0xa5, 0x5a], "{at}");
    let mut status = [0];
    client.region_read(0, LSR, &mut status).unwrap();
    assert_eq!(status[0] & 1, 1, "{at}: a byte was received");
}

fn set_state(state: State) -> Vec<u8> {
    let mut body = Feature {
        argsz: 16,
        flags: VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
    }
    .bytes();
    body.extend(u32::from(state).to_ne_bytes());
    body.extend([0; 4]);
    body
}

/// The bytes of a session that uses everything and changes nothing that [`check`] looks at.
fn session() -> Vec<u8> {
    let map = DmaMap {
        argsz: 32,
        flags: 3,
        offset: 0,
        address: 0x10000,
        size: 0x1000,
    };
    let write = RegionAccess {
        offset: SCR,
        region: 0,
        count: 1,
    };
    let data = MigData {
        argsz: 4096,
        size: 100,
    };
    let irqs = vfio_irq_set {
        argsz: 20,
        flags: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        count: 1,
        ..Default::default()
    };
    let log = {
        let mut body = Feature {
            argsz: 4096,
            flags: VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
        }
        .bytes();
        body.extend([0; 16]);
        body
    };
    let commands = [
        (Command::Version, greeting()),
        (Command::DmaMap, map.bytes()),
        (Command::SetIrqs, irqs.bytes()),
        (Command::RegionWrite, [write.bytes(), vec![0xa5]].concat()),
        (Command::Feature, log),
        (Command::Feature, set_state(State::PreCopy)),
        (Command::MigDataRead, data.bytes()),
        (Command::Feature, set_state(State::StopCopy)),
        (Command::MigDataRead, data.bytes()),
        (Command::Feature, set_state(State::Stop)),
        (Command::Feature, set_state(State::Running)),
    ];
    let mut all = Vec::new();
    for (id, (command, body)) in (1..).zip(commands) {
        all.extend(bytes(command.number(), id, 0, &body));
    }
    all
}

#[test]
fn at_every_byte_of_a_session() {
    let running = serial(FULL);
    let mut client = running.connect();
    mark(&mut client);
    drop(client);
    let session = session();
    for end in 0..=session.len() {
        let mut stream = UnixStream::connect(&running.path).unwrap();
        stream.write_all(&session[..end]).unwrap();
        drop(stream);
        check(&mut running.connect(), end);
    }
    let (server, faults) = running.drain();
    assert_eq!(server.engine().state(), State::Running);
    assert_eq!(faults.len(), 2 * session.len() + 3);
}

#[test]
fn at_every_byte_of_a_stream() {
    let named = |(name, stream): (String, _)| name.contains("serial-1.0-full").then_some(stream);
    let stream: Vec<u8> = streams().into_iter().find_map(named).unwrap();
    let running = serial(FULL);
    let mut client = running.connect();
    mark(&mut client);
    drop(client);
    for end in (0..stream.len()).step_by(7) {
        let mut client = running.connect();
        client.set_state(State::Resuming).unwrap();
        client.data_write(&stream[..end]).unwrap();
        drop(client);
        // What was half there is gone, as is what was there before.
        let mut client = running.connect();
        assert_eq!(client.state().unwrap(), State::Running);
        let mut scratch = [0];
        client.region_read(0, SCR, &mut scratch).unwrap();
        assert_ne!(scratch, [0xa5]);
        mark(&mut client);
        check(&mut client, end);
    }
    running.finish();
}

#[test]
fn eventfds_and_mappings_go_with_the_client() {
    let running = serial(FULL);
    let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
    let mut client = running.connect();
    let bind = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    client
        .set_irqs(0, bind, (0, 1), &[], &[event.as_fd()])
        .unwrap();
    let map = DmaMap {
        argsz: 32,
        flags: 3,
        offset: 0,
        address: 0x10000,
        size: 0x1000,
    };
    client.dma_map(&map, None).unwrap();
    drop(client);
    let mut client = running.connect();
    client.region_write(0, 1, &[2]).unwrap();
    assert!(event.read().is_err(), "signalled by nobody");
    client.dma_map(&map, None).unwrap();
    drop(client);
    running.finish();
}

#[test]
fn a_stopped_device_runs_for_the_next_client() {
    let running = serial(FULL);
    for state in [State::Stop, State::StopCopy, State::PreCopy] {
        let mut client = running.connect();
        mark(&mut client);
        client.set_state(state).unwrap();
        drop(client);
        check(&mut running.connect(), 0);
    }
    running.finish();
}

#[test]
fn the_next_client_waits_until_it_is_served() {
    let running = serial(FULL);
    let mut first = running.connect();
    let mut waiting = UnixStream::connect(&running.path).unwrap();
    let version = bytes(Command::Version.number(), 1, 0, &greeting());
    waiting.write_all(&version).unwrap();
    mark(&mut first);
    drop(first);
    let mut header = [0; 16];
    std::io::Read::read_exact(&mut waiting, &mut header).unwrap();
    assert_eq!(header[8] & 0x2f, 1, "a reply, and no error");
    drop(waiting);
    check(&mut running.connect(), 0);
    running.finish();
}
