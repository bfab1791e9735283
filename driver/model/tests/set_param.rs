// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Writes to `migration/<param>`.

use vmig_model::{
    arcs::State,
    device::{
        Device,
        Region, //
    },
    engine::Peek,
    error::{
        Class,
        Error, //
    },
    params::Value,
};

use crate::{
    support::*,
    wire::records, //
};

fn set(dut: &mut Dut, name: &str, text: &str, open: bool) -> Result<(), Error> {
    dut.set_param(serial_var().index(name).unwrap(), text, open)
}

fn value(dut: &Dut, name: &str) -> Value<'static> {
    dut.device()
        .values()
        .get(serial_var().index(name).unwrap())
        .unwrap()
}

#[test]
fn texts() {
    let long = "6".repeat(1 << 20);
    for (name, text, expected) in [
        ("fifo-size", "64", Ok(())),
        ("fifo-size", "64\n", Err(Class::Malformed)),
        ("fifo-size", "64\n\n", Err(Class::Malformed)),
        ("fifo-size", "\n", Err(Class::Malformed)),
        ("fifo-size", "", Err(Class::Malformed)),
        ("fifo-size", "064", Err(Class::Malformed)),
        ("fifo-size", "+64", Err(Class::Malformed)),
        ("fifo-size", " 64", Err(Class::Malformed)),
        ("fifo-size", "64\0", Err(Class::Malformed)),
        ("fifo-size", "32", Err(Class::NotAllowed)),
        ("fifo-size", &long, Err(Class::Malformed)),
        ("auto-flow", "on", Ok(())),
        ("auto-flow", "on\n", Err(Class::Malformed)),
        ("auto-flow", "yes", Err(Class::Malformed)),
        ("auto-flow", "1", Err(Class::Malformed)),
        ("ports", "3", Err(Class::NotAllowed)),
    ] {
        for open in [false, true] {
            let mut dut = closed(PLAIN);
            let before = *dut.device().values();
            let found = set(&mut dut, name, text, open).map_err(|error| error.class());
            let expected = if open {
                expected.and(Err(Class::Busy))
            } else {
                expected
            };
            assert_eq!(found, expected, "{name}={text:.20}, open {open}");
            if found.is_err() {
                assert_eq!(*dut.device().values(), before);
            }
        }
    }
    assert_eq!(closed(PLAIN).set_param(4, "1", false), Err(Error::NoParam));
}

#[test]
fn the_value_in_effect_is_always_taken_and_changes_nothing() {
    for state in State::ALL
        .into_iter()
        .filter(|state| *state != State::Error)
    {
        let mut dut = dut(FULL);
        fill(&mut dut);
        let before = saved(&mut dut);
        dut.set_state(state).unwrap();
        for (name, text) in FULL {
            assert_eq!(
                set(&mut dut, name, text, true),
                Ok(()),
                "{name} in {state:?}"
            );
        }
        if state != State::Resuming {
            dut.set_state(State::Stop).unwrap();
            assert_eq!(saved(&mut dut), before);
        }
    }
}

#[test]
fn a_change_of_the_hardware_scrubs_the_closed_device() {
    let mut dut = dut(FULL);
    fill(&mut dut);
    dut.close(true);
    set(&mut dut, "line-stats", "off", false).unwrap();
    dut.open().unwrap();
    assert_eq!(
        inb(&mut dut, SCR),
        0x5a,
        "a runtime parameter changes the stream only"
    );
    assert_eq!(set(&mut dut, "ports", "1", true), Err(Error::Busy));
    dut.close(true);
    set(&mut dut, "ports", "1", false).unwrap();
    dut.open().unwrap();
    assert_eq!(inb(&mut dut, SCR), 0);
    assert_eq!(dut.device().region(Region::Bar(0)).size, 8);
    assert_eq!(config_read(&mut dut, 0x02), [0x02, 0x00]);
    assert_eq!(config_read(&mut dut, 0x10), [0x01, 0, 0, 0]);
}

#[test]
fn chips_follow_the_parameters() {
    let mut dut = dut(PLAIN);
    dut.close(false);
    for (size, iir) in [("64", 0xe0), ("16", 0xc0), ("64", 0xe0)] {
        set(&mut dut, "fifo-size", size, false).unwrap();
        dut.open().unwrap();
        outb(&mut dut, LCR, 0x80);
        outb(&mut dut, FCR, 0x21);
        assert_eq!(inb(&mut dut, IIR) & 0xe0, iir);
        dut.close(true);
    }
}

#[test]
fn any_order_of_writes_reaches_any_valid_state() {
    for order in [
        ["auto-flow=on", "fifo-size=64"],
        ["fifo-size=64", "auto-flow=on"],
    ] {
        let mut dut = closed(PLAIN);
        for pair in order {
            let (name, text) = pair.split_once('=').unwrap();
            set(&mut dut, name, text, false).unwrap();
        }
        assert_eq!(dut.open(), Ok(()));
    }
}

#[test]
fn runtime_parameters_follow_the_state() {
    for (state, expected) in [
        (State::Running, Ok(())),
        (State::RunningP2p, Ok(())),
        (State::Stop, Ok(())),
        (State::Resuming, Ok(())),
        (State::StopCopy, Err(Error::Busy)),
        (State::PreCopy, Err(Error::Busy)),
        (State::PreCopyP2p, Err(Error::Busy)),
    ] {
        let mut dut = dut(FULL_NO_STATS);
        dut.set_state(state).unwrap();
        assert_eq!(
            set(&mut dut, "line-stats", "on", true),
            expected,
            "{state:?}"
        );
        assert_eq!(value(&dut, "line-stats"), Value::Bool(expected.is_ok()));
        assert_eq!(dut.state(), state);
    }
}

#[test]
fn reinit_in_pre_copy() {
    for state in [State::PreCopy, State::PreCopyP2p] {
        for read_before in [0, 30, usize::MAX] {
            let mut dut = dut(FULL_NO_STATS);
            fill(&mut dut);
            dut.set_reinit(true);
            let session = dut.set_state(state).unwrap().unwrap().session;
            let mut stream = Vec::new();
            let mut data = [0; 10];
            while stream.len() < read_before {
                match dut.peek(session, &mut data).unwrap() {
                    Peek::Data(len) => stream.extend_from_slice(&data[..len]),
                    _ => break,
                }
                dut.consume(session, 10.min(stream.len()));
            }
            let before = dut.precopy_info(session).unwrap();
            assert!(!before.reinit);
            assert_eq!(set(&mut dut, "line-stats", "on", true), Ok(()));
            let info = dut.precopy_info(session).unwrap();
            assert!(info.reinit && info.dirty_bytes == 0);
            assert!(info.initial_bytes > before.initial_bytes);
            assert_eq!(dut.readable(session), Ok(true));
            let new = drain(&mut dut, session, 9);
            assert_eq!(new.len() as u64, info.initial_bytes);
            stream.extend(new);
            let info = dut.precopy_info(session).unwrap();
            assert!(!info.reinit && info.initial_bytes == 0 && info.dirty_bytes == 0);
            dut.set_state(State::StopCopy).unwrap();
            stream.extend(drain(&mut dut, session, 9));
            let tags: Vec<_> = records(&stream).iter().map(|raw| raw.tag).collect();
            assert_eq!(tags[..4], [1, 2, 2, 0x0101]);

            // A destination that follows the change takes it.
            let mut other = crate::support::dut(FULL_NO_STATS);
            feed(&mut other, &stream, 100).unwrap();
            set(&mut other, "line-stats", "on", true).unwrap();
            other.set_state(State::Stop).unwrap();
            dut.set_state(State::Stop).unwrap();
            assert_eq!(saved(&mut other), saved(&mut dut));
        }
    }
}

#[test]
fn reinit_needs_the_opt_in_of_this_open() {
    let mut dut = dut(FULL);
    dut.set_reinit(true);
    dut.close(false);
    dut.open().unwrap();
    dut.set_state(State::PreCopy).unwrap();
    assert_eq!(set(&mut dut, "line-stats", "off", true), Err(Error::Busy));
    dut.set_reinit(true);
    assert_eq!(set(&mut dut, "line-stats", "off", true), Ok(()));
    assert_eq!(
        set(&mut dut, "ports", "1", true),
        Err(Error::Busy),
        "runtime parameters only"
    );
}

#[test]
fn a_reader_that_never_reads_is_told_so() {
    let mut dut = dut(FULL);
    dut.set_reinit(true);
    let session = dut.set_state(State::PreCopy).unwrap().unwrap().session;
    let mut changes = 0;
    while set(&mut dut, "line-stats", ["off", "on"][changes % 2], true).is_ok() {
        changes += 1;
        assert!(changes < 1000, "the buffer is bounded");
    }
    assert!(changes > 10);
    assert_eq!(dut.state(), State::PreCopy, "busy, not broken");
    assert_eq!(value(&dut, "line-stats"), Value::Bool(changes % 2 == 0));
    let mut stream = drain(&mut dut, session, 100);
    assert_eq!(
        set(&mut dut, "line-stats", ["off", "on"][changes % 2], true),
        Ok(())
    );
    dut.set_state(State::StopCopy).unwrap();
    stream.extend(drain(&mut dut, session, 100));
    let lists = records(&stream).iter().filter(|raw| raw.tag == 2).count();
    assert_eq!(lists, changes + 2);
}

#[test]
fn line_statistics_travel_only_when_asked() {
    let mut source = dut(FULL);
    set_up(&mut source, 0, true);
    send(&mut source, 0, &[1; 70]);
    outb(&mut source, LCR, 0x4b);
    let stats = |dut: &mut Dut| {
        let stream = saved(dut);
        let found = records(&stream).into_iter().find(|raw| raw.tag == 0x0111);
        found.map(|raw| raw.payload)
    };
    let counted = stats(&mut source).unwrap();
    let expected: Vec<u8> = [7u64, 1, 1]
        .into_iter()
        .flat_map(u64::to_le_bytes)
        .collect();
    assert_eq!(
        counted,
        [&[0][..], &expected].concat(),
        "overrun, framing, parity"
    );
    let stream = saved(&mut source);
    let mut dut = dut(FULL);
    load(&mut dut, &stream, 64).unwrap();
    assert_eq!(stats(&mut dut), Some(counted.clone()));
    set(&mut source, "line-stats", "off", true).unwrap();
    assert_eq!(stats(&mut source), None);
    set(&mut source, "line-stats", "on", true).unwrap();
    assert_eq!(stats(&mut source), Some(counted), "the device still counts");
}
