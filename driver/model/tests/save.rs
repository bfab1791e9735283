// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The saving side of the engine.

use proptest::prelude::*;
use vmig_model::{
    arcs::State,
    engine::{
        Peek,
        PrecopyInfo, //
    },
    error::Error,
    stream::{
        MODEL,
        PARAMS, //
    }, //
};

use crate::{
    support::*,
    wire::records, //
};

fn full() -> Dut {
    let mut dut = dut(FULL);
    fill(&mut dut);
    dut
}

#[test]
fn any_segmentation_gives_the_same_bytes() {
    let expected = saved(&mut full());
    for step in [1, 2, 7, 63, 64, 65, 4095, 1 << 20] {
        let mut dut = full();
        let session = dut.set_state(State::StopCopy).unwrap().unwrap().session;
        assert_eq!(
            drain(&mut dut, session, step),
            expected,
            "{step} bytes at a time"
        );
        for _ in 0..3 {
            assert_eq!(dut.peek(session, &mut [0; 8]), Ok(Peek::End), "for ever");
            assert_eq!(dut.readable(session), Ok(true));
        }
    }
}

#[test]
fn peek_consumes_nothing() {
    let mut dut = full();
    let session = dut.set_state(State::StopCopy).unwrap().unwrap().session;
    let (mut first, mut again) = ([0; 40], [0; 40]);
    assert_eq!(dut.peek(session, &mut first), Ok(Peek::Data(40)));
    assert_eq!(dut.peek(session, &mut again), Ok(Peek::Data(40)));
    assert_eq!(first, again);
    assert_eq!(dut.peek(session, &mut []), Ok(Peek::Data(0)));
    dut.consume(session, 30);
    assert_eq!(dut.peek(session, &mut again), Ok(Peek::Data(40)));
    assert_eq!(first[30..], again[..10]);
    dut.consume(session, usize::MAX);
    let rest = drain(&mut dut, session, 100);
    let whole = saved(&mut full());
    assert!(
        whole.ends_with(&rest),
        "no more than there is can be consumed"
    );
}

#[test]
fn pre_copy_sends_the_initial_data_and_waits() {
    let whole = saved(&mut full());
    for (state, step) in [(State::PreCopy, 5), (State::PreCopyP2p, 4096)] {
        let mut dut = full();
        let session = dut.set_state(state).unwrap().unwrap().session;
        let info = dut.precopy_info(session).unwrap();
        assert!(info.initial_bytes > 0 && info.dirty_bytes == 0 && !info.reinit);
        let initial = info.initial_bytes as usize;
        let mut got = Vec::new();
        let mut data = vec![0; step];
        while let Peek::Data(len) = dut.peek(session, &mut data).unwrap() {
            assert_eq!(dut.readable(session), Ok(true));
            got.extend_from_slice(&data[..len]);
            dut.consume(session, len);
            let left = dut.precopy_info(session).unwrap();
            assert_eq!(left.initial_bytes as usize, initial - got.len());
        }
        assert_eq!(
            got,
            whole[..initial],
            "a prefix of the stopped device's stream"
        );
        assert_eq!(dut.peek(session, &mut data), Ok(Peek::Temporary));
        assert_eq!(dut.readable(session), Ok(false));
        let nothing = PrecopyInfo {
            initial_bytes: 0,
            dirty_bytes: 0,
            reinit: false,
        };
        assert_eq!(dut.precopy_info(session), Ok(nothing), "both 0 iff ENOMSG");

        assert_eq!(
            dut.set_state(State::StopCopy),
            Ok(None),
            "the session goes on"
        );
        assert_eq!(dut.readable(session), Ok(true));
        assert_eq!(dut.precopy_info(session), Err(Error::NotPreCopy));
        got.extend(drain(&mut dut, session, step));
        assert_eq!(got, whole);
        assert_eq!(
            dut.peek(session, &mut data),
            Ok(Peek::End),
            "no ENOMSG in STOP_COPY"
        );
    }
}

#[test]
fn the_initial_data_are_header_model_and_parameters() {
    let mut dut = full();
    let session = dut.set_state(State::PreCopy).unwrap().unwrap().session;
    let initial = dut.precopy_info(session).unwrap().initial_bytes as usize;
    let whole = saved(&mut full());
    let tags: Vec<_> = records(&whole)
        .iter()
        .map(|record| (record.at, record.tag))
        .collect();
    assert_eq!((tags[0].1, tags[1].1), (MODEL, PARAMS));
    assert_eq!(tags[2].0, initial);
}

#[test]
fn leaving_pre_copy_early_loses_nothing() {
    let whole = saved(&mut full());
    for unread in [0, 1, 20] {
        let mut dut = full();
        let session = dut.set_state(State::PreCopy).unwrap().unwrap().session;
        let mut start = vec![0; unread];
        dut.peek(session, &mut start).unwrap();
        dut.consume(session, unread);
        dut.set_state(State::PreCopyP2p).unwrap();
        dut.set_state(State::PreCopy).unwrap();
        dut.set_state(State::StopCopy).unwrap();
        let rest = drain(&mut dut, session, 999);
        assert_eq!([start, rest].concat(), whole);
    }
}

#[test]
fn what_happens_in_pre_copy_is_saved() {
    let mut dut = dut(PLAIN);
    let session = dut.set_state(State::PreCopy).unwrap().unwrap().session;
    let mut stream = drain(&mut dut, session, 100);
    outb(&mut dut, SCR, 0x77);
    dut.set_state(State::StopCopy).unwrap();
    stream.extend(drain(&mut dut, session, 100));
    let mut other = crate::support::dut(PLAIN);
    load(&mut other, &stream, 100).unwrap();
    assert_eq!(inb(&mut other, SCR), 0x77);
}

#[test]
fn data_size_is_an_upper_bound_in_every_state() {
    for list in [PLAIN, PLAIN_2, FULL, FULL_NO_STATS] {
        for busy in [false, true] {
            let mut dut = dut(list);
            if busy && list == FULL {
                fill(&mut dut);
            }
            let stream = saved(&mut dut);
            for state in [
                State::Stop,
                State::Running,
                State::RunningP2p,
                State::PreCopy,
                State::PreCopyP2p,
                State::StopCopy,
                State::Resuming,
            ] {
                dut.set_state(state).unwrap();
                let size = dut.data_size();
                assert!(size >= stream.len() as u64, "{list:?} {state:?}");
                assert!(size < 1000);
            }
        }
    }
}

#[test]
fn data_size_is_exact_for_full_fifos() {
    let mut dut = dut(FULL);
    for port in [0, PORT_1] {
        set_up(&mut dut, port, true);
        send(&mut dut, port, &[1; 64]);
        outb(&mut dut, port + MCR, 0x20);
        send(&mut dut, port, &[2; 64]);
    }
    let size = dut.data_size();
    assert_eq!(size, saved(&mut dut).len() as u64);
}

#[test]
fn saving_again_gives_the_same() {
    let mut dut = full();
    let first = saved(&mut dut);
    assert_eq!(saved(&mut dut), first);
    dut.set_state(State::Running).unwrap();
    assert_eq!(saved(&mut dut), first);
}

proptest! {
    /// A reader that peeks and consumes as it likes, some of it in pre-copy.
    #[test]
    fn no_byte_is_lost_or_doubled(steps in proptest::collection::vec((0usize..90, 0usize..90), 1..60), pre in 0usize..8) {
        let expected = saved(&mut full());
        let mut dut = full();
        let session = dut.set_state(State::PreCopy).unwrap().unwrap().session;
        let mut got = Vec::new();
        for (n, (peeked, consumed)) in steps.into_iter().cycle().enumerate() {
            if n == pre {
                dut.set_state(State::StopCopy).unwrap();
            }
            let mut data = vec![0; peeked];
            match dut.peek(session, &mut data).unwrap() {
                Peek::Data(len) => {
                    let used = consumed.min(len);
                    got.extend_from_slice(&data[..used]);
                    dut.consume(session, used);
                }
                Peek::Temporary => prop_assert!(n < pre),
                Peek::End => break,
            }
            if n > 400 {
                got.extend(drain(&mut dut, session, 50));
                break;
            }
        }
        prop_assert_eq!(got, expected);
    }
}
