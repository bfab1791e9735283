// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! States, sessions, open, close and reset.

use vmig_model::{
    arcs::{
        next,
        State, //
    },
    device::{
        Device,
        Fault,
        Irqs,
        Phase,
        Region,
        RegionInfo,
        Taken, //
    },
    engine::{
        buffer_len,
        Direction,
        Engine,
        Opened,
        Peek, //
    },
    error::{
        Class,
        Error, //
    },
    refusal::Flaw,
    serial::Card,
    stream::wire::Payload,
    types::DeviceType,
    values::Values,
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

/// A device whose second record cannot be saved.
struct Broken(Card);

impl Device for Broken {
    const RECORD_MAX: usize = Card::RECORD_MAX;
    type Held = <Card as Device>::Held;

    fn ty(&self) -> &'static DeviceType {
        self.0.ty()
    }
    fn values(&self) -> &Values {
        self.0.values()
    }
    fn set_values(&mut self, values: Values) {
        self.0.set_values(values);
    }
    fn reset(&mut self) {
        self.0.reset();
    }
    fn region(&self, region: Region) -> RegionInfo {
        self.0.region(region)
    }
    fn irqs(&self) -> Irqs {
        self.0.irqs()
    }
    fn read(&mut self, region: Region, at: u64, data: &mut [u8]) {
        self.0.read(region, at, data);
    }
    fn peek(&self, region: Region, at: u64, data: &mut [u8]) {
        self.0.peek(region, at, data);
    }
    fn write(&mut self, region: Region, at: u64, data: &[u8]) {
        self.0.write(region, at, data);
    }
    fn intx(&self) -> bool {
        self.0.intx()
    }
    fn pending(&self) -> u32 {
        self.0.pending()
    }
    fn delivered(&mut self, mask: u32) {
        self.0.delivered(mask);
    }
    fn dirty_bytes(&self) -> u64 {
        self.0.dirty_bytes()
    }
    fn stop_bytes(&self) -> u64 {
        self.0.stop_bytes()
    }
    fn save(
        &mut self,
        phase: Phase,
        step: u32,
        out: &mut Payload<'_>,
    ) -> Result<Option<u16>, Fault> {
        match step {
            1 => Err(Fault),
            _ => self.0.save(phase, step, out),
        }
    }
    fn load(
        &mut self,
        held: &mut Self::Held,
        values: &Values,
        step: u32,
        tag: u16,
        payload: &[u8],
    ) -> Result<Taken, Flaw> {
        self.0.load(held, values, step, tag, payload)
    }
    fn complete(&self, held: &Self::Held, values: &Values, steps: u32) -> bool {
        self.0.complete(held, values, steps)
    }
    fn restore(&mut self, held: Self::Held) {
        self.0.restore(held);
    }
}

#[test]
fn what_breaks_inside_ends_in_error() {
    let ty = serial_var();
    let card = Card::new(ty, values(ty, FULL));
    let mut dut = Engine::new(Broken(card), vec![0; buffer_len::<Broken>()]);
    dut.open().unwrap();
    dut.region_write(Region::Bar(0), SCR, &[7]).unwrap();
    let session = dut.set_state(State::StopCopy).unwrap().unwrap().session;
    let mut data = [0; 4096];
    let Ok(Peek::Data(len)) = dut.peek(session, &mut data) else {
        panic!("the initial data");
    };
    dut.consume(session, len);
    assert_eq!(dut.peek(session, &mut data), Err(Error::Internal));
    assert_eq!(Error::Internal.class(), Class::Internal);
    assert_eq!((dut.state(), dut.session()), (State::Error, None));
    assert_eq!(dut.peek(session, &mut data), Err(Error::Ended));
    for state in State::ALL {
        assert_eq!(
            dut.set_state(state),
            Err(Error::NoArc),
            "only reset leads on"
        );
        assert_eq!(dut.state(), State::Error);
    }
    assert!(dut.data_size() > 0);
    assert_eq!(
        dut.region_write(Region::Bar(0), SCR, &[9]),
        Err(Error::Busy)
    );
    dut.close(true);
    dut.open().unwrap();
    let mut scr = [0xff];
    dut.region_read(Region::Bar(0), SCR, &mut scr).unwrap();
    assert_eq!(scr, [0], "what was in ERROR is scrubbed, kept or not");
    dut.set_state(State::StopCopy).unwrap();
    dut.reset();
    assert_eq!(dut.state(), State::Running);
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
