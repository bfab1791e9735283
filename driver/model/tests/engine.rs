// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! States, sessions, open, close and reset.

use vmig_model::{
    arcs::{
        next,
        State, //
    },
    engine::{
        Direction,
        Engine,
        Opened,
        Peek, //
    },
    error::{
        Class,
        Error, //
    },
    serial::Card,
};

use crate::support::*;

/// Arcs that return a file descriptor (uAPI, C17).
fn opens(from: State, to: State) -> Option<Direction> {
    match (from, to) {
        (
            State::PreCopy | State::PreCopyP2p,
            State::StopCopy | State::PreCopy | State::PreCopyP2p,
        ) => None,
        (_, State::StopCopy | State::PreCopy | State::PreCopyP2p) => Some(Direction::Save),
        (_, State::Resuming) => Some(Direction::Resume),
        _ => None,
    }
}

/// A card in `state`; in `RESUMING` with a whole stream, so that it can be left.
fn dut_in(state: State) -> Dut {
    let mut dut = dut(PLAIN);
    let stream = saved(&mut dut);
    if let Some(Opened {
        session,
        direction: Direction::Resume,
    }) = dut.set_state(state).unwrap()
    {
        dut.write(session, &stream).unwrap();
    }
    assert_eq!(dut.state(), state);
    dut
}

fn usable() -> impl Iterator<Item = State> {
    State::ALL
        .into_iter()
        .filter(|state| *state != State::Error)
}

#[test]
fn a_loaded_state_that_begins_to_run_is_told_once() {
    for to in [State::RunningP2p, State::Running, State::PreCopy] {
        let mut dut = dut_in(State::Resuming);
        assert!(!dut.take_started());
        for way in [State::Stop, State::StopCopy, State::Stop] {
            dut.set_state(way).unwrap();
            assert!(!dut.take_started(), "{way:?}");
        }
        dut.set_state(to).unwrap();
        assert!(dut.take_started() && !dut.take_started(), "{to:?}");
        for way in [State::Running, State::Stop, State::Running] {
            dut.set_state(way).unwrap();
            assert!(!dut.take_started(), "{way:?} after {to:?}");
        }
    }
}

#[test]
fn nothing_is_told_of_a_loaded_state_that_is_gone() {
    let gone: [fn(&mut Dut); 3] = [
        |dut| dut.reset(),
        |dut| dut.close(true),
        |dut| dut.close(false),
    ];
    for end in gone {
        for state in [State::Stop, State::Running] {
            let mut dut = dut_in(State::Resuming);
            dut.set_state(state).unwrap();
            end(&mut dut);
            for way in [State::Stop, State::Running] {
                dut.set_state(way).unwrap();
                assert!(!dut.take_started());
            }
        }
    }
}

#[test]
fn all_pairs() {
    for from in usable() {
        for to in State::ALL {
            let mut dut = dut_in(from);
            let before = dut.session();
            let found = dut.set_state(to);
            match next(from, to) {
                None => {
                    assert_eq!(found, Err(Error::NoArc), "{from:?} to {to:?}");
                    assert_eq!(
                        (dut.state(), dut.session()),
                        (from, before),
                        "nothing moved"
                    );
                }
                Some(_) if from == to => {
                    assert_eq!(found, Ok(None));
                    assert_eq!(
                        (dut.state(), dut.session()),
                        (from, before),
                        "nothing moved"
                    );
                }
                Some(_) => {
                    let opened = found.unwrap();
                    let direction = opened.map(|opened| opened.direction);
                    assert_eq!(direction, opens(from, to), "{from:?} to {to:?}");
                    assert_eq!(dut.state(), to);
                    let has_session = matches!(
                        to,
                        State::StopCopy | State::Resuming | State::PreCopy | State::PreCopyP2p
                    );
                    assert_eq!(dut.session().is_some(), has_session);
                    if let Some(opened) = opened {
                        assert_eq!(dut.session(), Some(opened));
                        assert_ne!(before, Some(opened), "a new number");
                    } else if has_session {
                        assert_eq!(dut.session(), before, "the session goes on");
                    }
                }
            }
        }
    }
}

#[test]
fn a_blocked_way_costs_nothing() {
    let mut dut = dut_in(State::StopCopy);
    let session = dut.session().unwrap().session;
    let mut data = [0; 20];
    assert_eq!(dut.peek(session, &mut data), Ok(Peek::Data(20)));
    dut.consume(session, 20);
    for to in [State::PreCopy, State::PreCopyP2p, State::Error] {
        assert_eq!(dut.set_state(to), Err(Error::NoArc));
    }
    let rest = drain(&mut dut, session, 100);
    let mut other = dut_in(State::Stop);
    assert_eq!(
        [&data[..], &rest].concat(),
        saved(&mut other),
        "nothing was lost"
    );
}

/// Every way to end a session, and what the old number is worth then.
#[test]
fn old_sessions_are_harmless() {
    type End = fn(&mut Dut);
    let ends: [(&str, End); 4] = [
        ("reset", |dut| dut.reset()),
        ("close", |dut| dut.close(true)),
        ("close, open", |dut| {
            dut.close(false);
            dut.open().unwrap();
        }),
        ("state", |dut| {
            dut.set_state(State::Running).unwrap();
        }),
    ];
    for state in [
        State::PreCopy,
        State::PreCopyP2p,
        State::StopCopy,
        State::Resuming,
    ] {
        for (name, end) in ends {
            let mut dut = dut_in(state);
            let old = dut.session().unwrap().session;
            end(&mut dut);
            assert_eq!(
                (dut.state(), dut.session()),
                (State::Running, None),
                "{name}"
            );
            for again in [
                None,
                Some(State::StopCopy),
                Some(State::Resuming),
                Some(State::PreCopy),
            ] {
                if let Some(state) = again {
                    dut.reset();
                    let new = dut.set_state(state).unwrap().unwrap();
                    assert_ne!(new.session, old);
                }
                let size = dut.session().map(|_| dut.data_size());
                assert_eq!(
                    dut.peek(old, &mut [0]),
                    Err(Error::Ended),
                    "{state:?}, {name}"
                );
                assert_eq!(dut.readable(old), Err(Error::Ended));
                assert_eq!(dut.write(old, b"vmig"), Err(Error::Ended));
                assert_eq!(dut.precopy_info(old), Err(Error::NotPreCopy));
                dut.consume(old, 1000);
                assert_eq!(dut.session().map(|_| dut.data_size()), size);
            }
            dut.reset();
            let whole = saved(&mut dut);
            assert_eq!(load(&mut dut, &whole, 64), Ok(()), "a good session follows");
        }
    }
}

#[test]
fn a_session_has_one_direction() {
    let mut dut = dut_in(State::StopCopy);
    let session = dut.session().unwrap().session;
    assert_eq!(dut.write(session, b"x"), Err(Error::Ended));
    let mut dut = dut_in(State::Resuming);
    let session = dut.session().unwrap().session;
    assert_eq!(dut.peek(session, &mut [0]), Err(Error::Ended));
    assert_eq!(dut.precopy_info(session), Err(Error::NotPreCopy));
    dut.consume(session, 1);
    assert_eq!(dut.set_state(State::Stop), Ok(None));
}

#[test]
fn open_judges_the_combination() {
    let mut dut = closed(&[("auto-flow", "on"), ("ports", "1")]);
    assert_eq!(dut.open(), Err(Error::Refused(Class::Constraint)));
    assert_eq!(refusal(&dut), "auto-flow=on needs fifo-size=64");
    let i = serial_var().index("fifo-size").unwrap();
    dut.set_param(i, "64", false).unwrap();
    assert_eq!(
        refusal(&dut),
        "auto-flow=on needs fifo-size=64",
        "until the next open"
    );
    assert_eq!(dut.open(), Ok(()));
    assert_eq!(dut.refusal(), None);
}

#[test]
fn close_scrubs_unless_kept() {
    for state in usable() {
        for keep in [false, true] {
            let mut dut = dut(FULL);
            let clean = saved(&mut dut);
            dut.set_state(State::Running).unwrap();
            fill(&mut dut);
            let full = saved(&mut dut);
            assert_ne!(full, clean);
            dut.set_state(state).unwrap();
            dut.close(keep);
            dut.open().unwrap();
            assert_eq!(dut.state(), State::Running);
            let kept = keep && state != State::Resuming;
            let expected = if kept { &full } else { &clean };
            assert_eq!(&saved(&mut dut), expected, "{state:?}, keep {keep}");
        }
    }
}

#[test]
fn reset_leads_to_a_new_running_device() {
    for state in usable() {
        let mut dut = dut(FULL);
        let clean = saved(&mut dut);
        dut.set_state(State::Running).unwrap();
        fill(&mut dut);
        dut.set_state(state).unwrap();
        dut.reset();
        assert_eq!((dut.state(), dut.session()), (State::Running, None));
        assert!(!dut.intx() && dut.msi_pending() == 0);
        assert_eq!(saved(&mut dut), clean);
    }
}

#[test]
fn a_refusal_is_kept_until_the_next_stream_or_open() {
    let mut dut = dut(PLAIN);
    assert_eq!(
        feed(&mut dut, b"nonsense nonsense nonsense", 5),
        Err(Error::Refused(Class::Malformed))
    );
    let text = refusal(&dut);
    dut.reset();
    assert_eq!(refusal(&dut), text, "survives reset");
    dut.set_state(State::StopCopy).unwrap();
    assert_eq!(refusal(&dut), text, "and saving");
    dut.close(false);
    assert_eq!(refusal(&dut), text, "and close");
    dut.open().unwrap();
    assert_eq!(dut.refusal(), None);
    let _ = feed(&mut dut, b"nonsense nonsense nonsense", 5);
    dut.reset();
    dut.set_state(State::Resuming).unwrap();
    assert_eq!(dut.refusal(), None, "a new stream");
}

#[test]
fn a_buffer_that_is_too_short_is_an_error_not_a_panic() {
    let ty = serial_var();
    let mut ends = Vec::new();
    for len in 0..600 {
        let mut dut = Engine::new(Card::new(ty, values(ty, FULL)), vec![0; len]);
        dut.open().unwrap();
        let saved = dut.set_state(State::StopCopy).and_then(|opened| {
            let session = opened.unwrap().session;
            let mut data = [0; 64];
            while let Peek::Data(len) = dut.peek(session, &mut data)? {
                dut.consume(session, len);
            }
            Ok(())
        });
        assert_eq!(saved.is_err(), dut.state() == State::Error, "{len}");
        ends.push(saved);
        dut.reset();
        let session = dut.set_state(State::Resuming).unwrap().unwrap().session;
        let _ = dut.write(session, &[0x76; 700]);
        assert!(dut.set_state(State::Stop).is_err());
    }
    assert_eq!(ends[0], Err(Error::Internal));
    assert_eq!(ends[599], Ok(()));
}

/// The engine is passed by value on a kernel stack of 16 KiB.
#[test]
fn the_engine_is_small() {
    assert!(size_of::<Engine<Card, Vec<u8>>>() <= 2048);
    assert!(size_of::<Error>() <= 64);
}
