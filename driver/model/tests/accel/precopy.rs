// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Device memory in the stream: rounds, zero pages, and how much there is to send.

use vmig_model::{
    arcs::State,
    engine::{
        Peek,
        SessionId, //
    },
    memory::Memory as _,
};

use super::machine::*;
use crate::{
    support::{
        drain,
        List, //
    },
    wire::records, //
};

const PAGE: u64 = 4096;

/// First page and number of pages of the memory records of a stream, with their tags.
fn memory_records(stream: &[u8]) -> Vec<(u16, u32, usize)> {
    let word =
        |payload: &[u8], at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().unwrap());
    records(stream)
        .iter()
        .filter_map(|raw| match raw.tag {
            0x0220 => Some((raw.tag, word(&raw.payload, 0), raw.payload.len() / 4096)),
            0x0221 => Some((
                raw.tag,
                word(&raw.payload, 0),
                word(&raw.payload, 4) as usize,
            )),
            _ => None,
        })
        .collect()
}

/// Noise in pages 0, 1, 3 and 40 to 60; zeros written to pages 2, 5 to 9 and 4095.
fn filled(list: &'static List) -> Rig {
    let mut rig = Rig::new(list);
    for page in [0, 1, 3].into_iter().chain(40..=60) {
        rig.poke(page * PAGE, &noise(page + 1, PAGE as usize));
    }
    for page in [2, 4095].into_iter().chain(5..=9) {
        rig.poke(page * PAGE, &[0]);
    }
    rig
}

fn pre_copy(rig: &mut Rig) -> SessionId {
    rig.dut.set_state(State::PreCopy).unwrap().unwrap().session
}

/// `initial_bytes` and `dirty_bytes`.
fn info(rig: &Rig, session: SessionId) -> (u64, u64) {
    let info = rig.dut.precopy_info(session).unwrap();
    (info.initial_bytes, info.dirty_bytes)
}

#[test]
fn a_stopped_device_sends_touched_pages_once() {
    let mut rig = filled(FULL);
    let size = rig.dut.data_size();
    let stream = rig.saved();
    let expected = [
        (0x0220, 0, 4),
        (0x0220, 5, 5),
        (0x0220, 40, 16),
        (0x0220, 56, 5),
        (0x0220, 4095, 1),
    ];
    assert_eq!(memory_records(&stream), expected);
    assert!(stream.len() as u64 <= size);
    let other = rig.resumed(&stream);
    assert!(other.ram().contents() == rig.ram().contents());
    assert!(!rig.ram().tracking());

    let mut rig = filled(ZERO);
    let size = rig.dut.data_size();
    let stream = rig.saved();
    let expected = [
        (0x0220, 0, 2),
        (0x0221, 2, 1),
        (0x0220, 3, 1),
        (0x0221, 5, 5),
        (0x0220, 40, 16),
        (0x0220, 56, 5),
        (0x0221, 4095, 1),
    ];
    assert_eq!(memory_records(&stream), expected);
    assert!(stream.len() as u64 <= size);
    let other = rig.resumed(&stream);
    assert!(other.ram().contents() == rig.ram().contents());
    assert_eq!(other.ram().touched(0), 24, "zero pages are not made");
}

#[test]
fn a_device_that_was_never_used_sends_no_memory() {
    for list in [SMALL, FULL, ZERO, ALL] {
        let mut rig = Rig::new(list);
        let session = pre_copy(&mut rig);
        let stream = drain(&mut rig.dut, session, 100_000);
        assert!(memory_records(&stream).is_empty() && stream.len() < 200);
        assert_eq!(info(&rig, session), (0, 0));
        assert!(rig.dut.data_size() < 2000);
    }
}

#[test]
fn long_runs_of_zero_pages_are_cut() {
    let mut rig = Rig::new(ZERO);
    rig.poke(0, &vec![0; 1000 * PAGE as usize]);
    rig.poke(700 * PAGE + 5, &[1]);
    let stream = rig.saved();
    let expected = [
        (0x0221, 0, 256),
        (0x0221, 256, 256),
        (0x0221, 512, 188),
        (0x0220, 700, 1),
        (0x0221, 701, 256),
        (0x0221, 957, 43),
    ];
    assert_eq!(memory_records(&stream), expected);
    assert!(stream.len() < 6000);
    let other = rig.resumed(&stream);
    assert!(other.ram().contents() == rig.ram().contents());
}

#[test]
fn rounds_send_what_was_written_since() {
    let mut rig = filled(ZERO);
    let touched = rig.ram().touched(0);
    let session = pre_copy(&mut rig);
    assert!(rig.ram().tracking());
    let (initial, dirty) = info(&rig, session);
    let memory = u64::from(touched) * PAGE;
    assert!(initial >= memory && initial < memory + 2000, "{initial}");
    assert_eq!(dirty, 0);

    let first = drain(&mut rig.dut, session, 999);
    assert_eq!(info(&rig, session), (0, 0));
    assert_eq!(rig.dut.readable(session), Ok(false));
    assert_eq!(memory_records(&first).len(), 7);

    // A queue, the memory BAR, a page that is zero now, a page that was never touched.
    rig.enable(0, 4);
    rig.submit(0, descriptor(FILL, 0, PAGE, 1, 41 * PAGE));
    rig.work();
    rig.poke(3 * PAGE, &[0; PAGE as usize]);
    rig.poke(200 * PAGE - 1, &[1, 2]);
    let (initial, dirty) = info(&rig, session);
    assert!(initial == 0 && (4 * PAGE..4 * PAGE + 100).contains(&dirty));
    assert_eq!(rig.dut.readable(session), Ok(true));
    let second = drain(&mut rig.dut, session, 999);
    let expected = [(0x0221, 3, 1), (0x0220, 41, 1), (0x0220, 199, 2)];
    let records = |bytes: &[u8]| memory_records(&[&first[..16], bytes].concat());
    assert_eq!(records(&second), expected);

    rig.poke(56 * PAGE, &[9]);
    rig.dut.set_state(State::PreCopyP2p).unwrap();
    let size = rig.dut.data_size();
    assert!(size < PAGE + 2000, "{size}");
    rig.dut.set_state(State::StopCopy).unwrap();
    let last = drain(&mut rig.dut, session, 999);
    assert_eq!(records(&last), [(0x0220, 56, 1)]);
    assert!(last.len() as u64 <= size);
    rig.dut.set_state(State::Stop).unwrap();
    assert!(!rig.ram().tracking());

    let other = rig.resumed(&[first, second, last].concat());
    assert!(other.ram().contents() == rig.ram().contents());
}

#[test]
fn an_idle_device_leaves_next_to_nothing_for_stop_copy() {
    let mut rig = Rig::new(FULL);
    for page in 0..512 {
        rig.poke(page * PAGE, &noise(page, PAGE as usize));
    }
    let session = pre_copy(&mut rig);
    let early = drain(&mut rig.dut, session, 1 << 20);
    rig.dut.set_state(State::StopCopy).unwrap();
    let late = drain(&mut rig.dut, session, 1 << 20);
    assert!(late.len() * 100 < early.len());
}

#[test]
fn writers_between_the_pieces_lose_nothing() {
    for (list, seed) in [(FULL, 1), (ZERO, 2), (ZERO, 3)] {
        let mut rig = filled(list);
        let session = pre_copy(&mut rig);
        let mut stream = Vec::new();
        let mut piece = [0; 3000];
        let mut random = noise(seed, 4 * 400);
        let mut words = std::iter::from_fn(|| {
            let rest = random.split_off(4.min(random.len()));
            let word = std::mem::replace(&mut random, rest);
            Some(u32::from_le_bytes(word.try_into().ok()?))
        });
        let mut left = 100;
        while let Peek::Data(len) = rig.dut.peek(session, &mut piece).unwrap() {
            stream.extend_from_slice(&piece[..len]);
            rig.dut.consume(session, len);
            if left > 0 {
                left -= 1;
                let page = u64::from(words.next().unwrap() % 64);
                match words.next().unwrap() % 3 {
                    0 => rig.poke(page * PAGE, &[0; PAGE as usize]),
                    1 => rig.poke(page * PAGE + 4090, &noise(page, 12)),
                    _ => rig.poke(page * PAGE + 100, &[left as u8; 200]),
                }
            }
        }
        assert_eq!(left, 0, "the device was written to all the time");
        rig.poke(0, b"last");
        rig.dut.set_state(State::StopCopy).unwrap();
        stream.extend(drain(&mut rig.dut, session, 3000));
        let other = rig.resumed(&stream);
        assert!(other.ram().contents() == rig.ram().contents());
    }
}

/// Reads what there is now; returns how many bytes that were.
fn drained(rig: &mut Rig, session: SessionId) -> u64 {
    drain(&mut rig.dut, session, 70_000).len() as u64
}

#[test]
fn what_is_written_ahead_of_the_first_round_goes_once() {
    const TOUCHED: u64 = 512;
    let mut rig = Rig::new(FULL);
    let fill = |rig: &mut Rig, byte: u8| {
        for page in 0..TOUCHED {
            rig.poke(page * PAGE, &[byte; PAGE as usize]);
        }
    };
    fill(&mut rig, 1);
    let session = pre_copy(&mut rig);
    let (all, _) = info(&rig, session);
    // All of it before anything was sent: there is no more to send than before.
    fill(&mut rig, 2);
    assert_eq!(info(&rig, session), (all, 0));
    let sent = drained(&mut rig, session);
    assert!((TOUCHED * PAGE..=all + 100).contains(&sent), "{sent}");
    assert_eq!(info(&rig, session), (0, 0));

    // In the middle: what was sent before goes again, and nothing else.
    let mut rig = Rig::new(FULL);
    fill(&mut rig, 1);
    let session = pre_copy(&mut rig);
    let mut early = vec![0; 1 << 20];
    let mut len = 0;
    while let Peek::Data(n) = rig.dut.peek(session, &mut early[len..]).unwrap() {
        if n == 0 {
            break;
        }
        rig.dut.consume(session, n);
        len += n;
    }
    early.truncate(len);
    fill(&mut rig, 3);
    let (initial, dirty) = info(&rig, session);
    assert!(initial > 0 && dirty > 0);
    assert!(
        initial + dirty <= all + 70_000,
        "{initial} + {dirty} of {all}"
    );
    let rest = drain(&mut rig.dut, session, 70_000);
    // A record may have been encoded, and not read, when it was written to.
    assert!(rest.len() as u64 <= initial + dirty + 140_000);
    assert!((early.len() + rest.len()) as u64 <= 2 * all);
    rig.dut.set_state(State::StopCopy).unwrap();
    let last = drain(&mut rig.dut, session, 70_000);
    assert!((last.len() as u64) < 2000, "nothing is left");
    let other = rig.resumed(&[early, rest, last].concat());
    assert!(other.ram().contents() == rig.ram().contents());
}

#[test]
fn stopping_in_the_middle_of_the_first_round_sends_the_rest() {
    for early in [1, 100, 70_000, 100_000] {
        let mut rig = filled(ZERO);
        let session = pre_copy(&mut rig);
        let mut piece = vec![0; early];
        let Peek::Data(len) = rig.dut.peek(session, &mut piece).unwrap() else {
            panic!("nothing to send");
        };
        rig.dut.consume(session, len);
        let mut stream = piece[..len].to_vec();
        rig.poke(0, b"changed");
        rig.poke(50 * PAGE, b"changed");
        let (initial, _) = info(&rig, session);
        assert!(initial > 0);
        let unread = rig.dut.data_size();
        rig.dut.set_state(State::StopCopy).unwrap();
        let rest = drain(&mut rig.dut, session, 64_000);
        assert!(rest.len() as u64 <= unread + 70_000);
        stream.extend(rest);
        let other = rig.resumed(&stream);
        assert!(other.ram().contents() == rig.ram().contents());
    }
}

#[test]
fn the_codec_may_change_in_pre_copy() {
    let mut rig = filled(ZERO);
    let codec = accel_var(vmig_model::types::Generation::Two)
        .index("codec")
        .unwrap();
    rig.dut.set_reinit(true);
    let session = pre_copy(&mut rig);
    let mut stream = drain(&mut rig.dut, session, 70_000);
    rig.dut.set_param(codec, "none", true).unwrap();
    assert!(rig.dut.precopy_info(session).unwrap().reinit);
    rig.poke(6 * PAGE, &[0]);
    stream.extend(drain(&mut rig.dut, session, 70_000));
    rig.dut.set_state(State::StopCopy).unwrap();
    stream.extend(drain(&mut rig.dut, session, 70_000));
    assert_eq!(memory_records(&stream)[7..], [(0x0220, 6, 1)]);
    let mut other = Rig::new(ZERO);
    let session = other.dut.set_state(State::Resuming).unwrap().unwrap();
    other.dut.write(session.session, &stream).unwrap();
    other.dut.set_param(codec, "none", true).unwrap();
    other.dut.set_state(State::Stop).unwrap();
    assert!(other.ram().contents() == rig.ram().contents());
}

#[test]
fn the_bound_for_stop_copy_is_one_in_every_state() {
    for list in [SMALL, FULL, ZERO] {
        for touched in [0, 1, 2, 17, 40] {
            let mut rig = Rig::new(list);
            for n in 0..touched {
                // Every other page: a record each.
                rig.poke(2 * n * PAGE, &[1]);
            }
            let session = pre_copy(&mut rig);
            let mut piece = [0; 20_000];
            for _ in 0..4 {
                let bound = rig.dut.data_size();
                rig.dut.set_state(State::PreCopyP2p).unwrap();
                assert_eq!(rig.dut.data_size(), bound);
                rig.dut.set_state(State::PreCopy).unwrap();
                if let Peek::Data(len) = rig.dut.peek(session, &mut piece).unwrap() {
                    rig.dut.consume(session, len);
                }
                rig.poke(PAGE * (touched + 3), &[1]);
            }
            let bound = rig.dut.data_size();
            rig.dut.set_state(State::StopCopy).unwrap();
            // What was encoded before it stopped is not counted; empty the buffer of one record.
            let rest = drain(&mut rig.dut, session, 70_000);
            assert!(rest.len() as u64 <= bound + 70_000);
            rig.dut.set_state(State::Stop).unwrap();
            let bound = rig.dut.data_size();
            assert!(rig.saved().len() as u64 <= bound);
        }
    }
}
