// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration, program to program: the bytes are those of the engine, whoever carries them.

use std::os::fd::AsFd;

use nix::{
    errno::Errno,
    sys::eventfd::{
        EfdFlags,
        EventFd, //
    },
};
use vmig_model::{
    arcs::State,
    engine::{
        buffer_len,
        Engine,
        Peek, //
    },
    types::Generation,
};
use vmig_vfio_user::{
    message::uapi::*,
    Client,
    Server, //
};

use crate::support::*;

const DATA: u64 = 0;
const FCR: u64 = 2;
const LCR: u64 = 3;
const LSR: u64 = 5;

/// Reads until there is no more (now), `step` bytes at a time.
fn drain(client: &mut Client, step: usize) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut piece = vec![0; step];
    loop {
        let len = client.data_read(&mut piece).unwrap();
        stream.extend_from_slice(&piece[..len]);
        if len < step {
            return stream;
        }
    }
}

fn saved(client: &mut Client, step: usize) -> Vec<u8> {
    client.set_state(State::StopCopy).unwrap();
    let stream = drain(client, step);
    client.set_state(State::Stop).unwrap();
    stream
}

fn load(client: &mut Client, stream: &[u8], step: usize) -> Result<(), Errno> {
    client.set_state(State::Resuming).unwrap();
    let written = stream
        .chunks(step)
        .try_for_each(|piece| client.data_write(piece));
    let done = written.and_then(|()| client.set_state(State::Stop));
    done.map_err(|error| error.errno().expect("refused by the server"))
}

/// A client may have moved a pin that was up, and wait for a signal to take it down again.
#[test]
fn a_loaded_state_signals_intx_once_when_it_runs() {
    let running = serial(PLAIN);
    let mut client = running.connect();
    let stream = saved(&mut client, 4096);
    let line = EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap();
    let bind = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    let unmask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
    client
        .set_irqs(0, bind, (0, 1), &[], &[line.as_fd()])
        .unwrap();
    load(&mut client, &stream, 4096).unwrap();
    assert!(line.read().is_err(), "it does not run yet");
    client.set_state(State::Running).unwrap();
    assert_eq!(line.read(), Ok(1));
    for state in [State::Stop, State::Running] {
        client.set_irqs(0, unmask, (0, 1), &[], &[]).unwrap();
        client.set_state(state).unwrap();
        assert!(line.read().is_err(), "once, in {state:?}");
    }
    // Masked: the client has been signalled, and has not unmasked it.
    let mask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK;
    client.set_irqs(0, mask, (0, 1), &[], &[]).unwrap();
    load(&mut client, &stream, 4096).unwrap();
    client.set_state(State::Running).unwrap();
    assert!(line.read().is_err(), "masked");
}

/// The stream of the same device without a server in between.
fn engine_saved(list: &List, stream: &[u8]) -> Vec<u8> {
    let card = card(list);
    let buffer = vec![0; buffer_len(&card)];
    let mut engine = Engine::new(card, buffer);
    engine.open().unwrap();
    let opened = engine.set_state(State::Resuming).unwrap().unwrap();
    let mut at = 0;
    while at < stream.len() {
        at += engine.write(opened.session, &stream[at..]).unwrap();
    }
    let opened = engine.set_state(State::StopCopy).unwrap().unwrap();
    let (mut out, mut piece) = (Vec::new(), [0; 64]);
    while let Peek::Data(len) = engine.peek(opened.session, &mut piece).unwrap() {
        out.extend_from_slice(&piece[..len]);
        engine.consume(opened.session, len);
    }
    out
}

/// The parameter list of a golden stream.
fn list_of(name: &str) -> &'static List {
    match name {
        "serial-1.0-idle-16550a.hex" => PLAIN,
        "serial-1.0-data-16550a.hex" => &[("ports", "2")],
        "serial-1.0-full-16750.hex" => FULL,
        _ => &[("auto-flow", "on"), ("fifo-size", "64"), ("ports", "2")],
    }
}

#[test]
fn golden_streams_load_and_come_back_byte_for_byte() {
    let streams = streams();
    assert!(streams.len() >= 5);
    for (name, stream) in streams
        .iter()
        .filter(|(name, _)| name.starts_with("serial-"))
    {
        let list = list_of(name);
        let expected = engine_saved(list, stream);
        for step in [1, 13, 4096, 1 << 20] {
            let running = serial(list);
            let mut client = running.connect();
            load(&mut client, stream, step).unwrap_or_else(|errno| panic!("{name}: {errno}"));
            assert!(
                saved(&mut client, step) == expected,
                "{name} in steps of {step}"
            );
            if !name.contains("reinit") {
                assert!(
                    expected == *stream,
                    "{name}: what was saved is what was loaded"
                );
            }
            drop(client);
            running.finish();
        }
    }
}

fn set_up(client: &mut Client) {
    for (at, value) in [(LCR, 0x83), (FCR, 0x21), (LCR, 0x03)] {
        client.region_write(0, at, &[value]).unwrap();
    }
}

fn send(client: &mut Client, text: &[u8]) {
    for byte in text {
        client.region_write(0, DATA, &[*byte]).unwrap();
    }
}

fn receive(client: &mut Client) -> Vec<u8> {
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        client.region_read(0, LSR, &mut byte).unwrap();
        if byte[0] & 1 == 0 {
            return text;
        }
        client.region_read(0, DATA, &mut byte).unwrap();
        text.push(byte[0]);
    }
}

#[test]
fn data_in_flight_arrive() {
    let cards: [(_, &List); 2] = [
        (Generation::One, &[("ports", "2")]),
        (Generation::Two, FULL),
    ];
    for (generation, list) in cards {
        let serve = || run(Server::new(card_of(generation, list)));
        let (from, to) = (serve(), serve());
        let (mut source, mut destination) = (from.connect(), to.connect());
        set_up(&mut source);
        send(&mut source, b"before, ");
        source.set_state(State::PreCopy).unwrap();
        destination.set_state(State::Resuming).unwrap();
        let early = drain(&mut source, 1000);
        assert!(!early.is_empty(), "model and parameters come early");
        destination.data_write(&early).unwrap();
        // The guest goes on meanwhile.
        send(&mut source, b"meantime");
        assert!(drain(&mut source, 1000).is_empty());
        source.set_state(State::StopCopy).unwrap();
        let late = drain(&mut source, 7);
        destination.data_write(&late).unwrap();
        destination.set_state(State::Running).unwrap();
        assert_eq!(receive(&mut destination), b"before, meantime");
        // The whole is what would have been saved without pre-copy.
        source.set_state(State::Stop).unwrap();
        assert!(saved(&mut source, 512) == [early, late].concat());
        drop((source, destination));
        from.finish();
        to.finish();
    }
}

/// A device of the other generation takes what it knows, and nothing else.
#[test]
fn between_the_generations() {
    let serve = |generation, list: &List| run(Server::new(card_of(generation, list)));
    let plain: &List = &[("ports", "2")];
    let (old, new, rich) = (
        serve(Generation::One, plain),
        serve(Generation::Two, plain),
        serve(Generation::Two, FULL),
    );
    let (mut old_client, mut new_client) = (old.connect(), new.connect());
    let mut rich_client = rich.connect();
    set_up(&mut old_client);
    send(&mut old_client, b"there and back");
    let there = saved(&mut old_client, 4096);
    load(&mut new_client, &there, 100).unwrap();
    let back = saved(&mut new_client, 4096);
    assert!(there == back, "byte for byte");
    load(&mut old_client, &back, 100).unwrap();
    old_client.set_state(State::Running).unwrap();
    assert_eq!(receive(&mut old_client), b"there and back");
    let stream = saved(&mut rich_client, 4096);
    for client in [&mut old_client, &mut new_client] {
        client.reset().unwrap();
        assert_eq!(load(client, &stream, 4096), Err(Errno::EXDEV));
    }
    drop((old_client, new_client, rich_client));
    for running in [old, new, rich] {
        running.finish();
    }
}

#[test]
fn a_stream_for_another_device_is_refused() {
    let from = serial(FULL);
    let stream = saved(&mut from.connect(), 4096);
    from.finish();
    let to = serial(&[("fifo-size", "64"), ("ports", "2")]);
    let mut client = to.connect();
    client.set_state(State::Resuming).unwrap();
    let refused = client.data_write(&stream).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::EXDEV));
    // It stays refused, and reset is the way out.
    let again = client.data_write(&stream[..1]).unwrap_err();
    assert_eq!(again.errno(), Some(Errno::EXDEV));
    let over = client.set_state(State::Running).unwrap_err();
    assert_eq!(over.errno(), Some(Errno::EXDEV));
    client.reset().unwrap();
    assert_eq!(client.state().unwrap(), State::Running);
    drop(client);
    let (server, _) = to.finish();
    let said = server.engine().refusal().map(ToString::to_string);
    assert_eq!(said.as_deref(), Some("auto-flow: stream on, device off"));
}

#[test]
fn broken_streams_are_refused() {
    let from = serial(FULL);
    let stream = saved(&mut from.connect(), 4096);
    from.finish();
    let to = serial(FULL);
    let mut client = to.connect();
    for end in (0..stream.len()).step_by(11) {
        assert_eq!(load(&mut client, &stream[..end], 64), Err(Errno::EINVAL));
        client.reset().unwrap();
    }
    for at in (0..stream.len()).step_by(11) {
        let mut flipped = stream.clone();
        flipped[at] ^= 0x40;
        assert!(load(&mut client, &flipped, 64).is_err(), "{at}");
        client.reset().unwrap();
    }
    load(&mut client, &stream, 64).unwrap();
    assert!(saved(&mut client, 64) == stream);
    drop(client);
    to.finish();
}
