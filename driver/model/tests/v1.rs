// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The migration region: statements V2 to V33 as far as they are the protocol's own.

use vmig_model::{
    arcs::State,
    error::{
        Class,
        Error, //
    },
    v1::HEADER_LEN,
};

use crate::{
    region::*,
    support::*, //
};

const STATES: [u32; 5] = [STOP, RUNNING, STOP_COPY, PRE_COPY, RESUMING];

/// A card in a state; in 100b with a whole stream, so that it can be left.
fn card_in(state: u32) -> Card {
    let mut card = Card::new(PLAIN);
    let stream = card.saved();
    card.ask(RUNNING).unwrap();
    card.ask(state).unwrap();
    if state == RESUMING {
        card.give(&stream).unwrap();
    }
    assert_eq!(card.state(), state);
    card
}

#[test]
fn v2_fields_are_accessed_as_a_whole() {
    let mut card = Card::new(PLAIN);
    let fields = [(0, 4), (4, 4), (8, 8), (16, 8), (24, 8)];
    for at in 0..DATA {
        for len in [1_usize, 2, 4, 8] {
            let whole = fields.contains(&(at, len));
            let read = card.read(at, &mut vec![0; len]);
            let expected = if whole { Ok(()) } else { Err(Error::NoField) };
            assert_eq!(read, expected, "{len} at {at}");
            if !whole {
                let written = card.write(at, &vec![0; len]);
                assert_eq!(written, Err(Error::NoField), "{len} at {at}");
            }
        }
    }
    assert_eq!(Error::NoField.class(), Class::Malformed);
    assert_eq!(card.state(), RUNNING);
}

#[test]
fn v3_the_reserved_field_is_nothing() {
    let mut card = Card::new(PLAIN);
    assert_eq!(card.u32_at(4), 0);
    card.write(4, &[0xff; 4]).unwrap();
    assert_eq!((card.u32_at(4), card.state()), (0, RUNNING));
}

#[test]
fn v4_v9_what_is_no_state_is_refused() {
    for from in STATES {
        let mut card = card_in(from);
        for number in [0b101, 0b110, 0b111, 8, 9, 1 << 31, u32::MAX] {
            assert_eq!(card.ask(number), Err(Error::NoArc), "{from} to {number}");
            assert_eq!(card.state(), from, "V7");
        }
    }
}

#[test]
fn v5_each_state_has_its_number() {
    for (state, number) in [
        (State::Stop, STOP),
        (State::Running, RUNNING),
        (State::RunningP2p, RUNNING),
        (State::StopCopy, STOP_COPY),
        (State::PreCopy, PRE_COPY),
        (State::PreCopyP2p, PRE_COPY),
        (State::Resuming, RESUMING),
    ] {
        let mut card = Card::new(PLAIN);
        assert_eq!(card.state(), RUNNING, "at open");
        card.dut.set_state(state).unwrap();
        assert_eq!(card.state(), number, "{state:?}");
    }
}

#[test]
fn v10_v11_every_way_can_be_taken() {
    for from in STATES {
        for to in STATES {
            let mut card = card_in(from);
            let back = (from, to) == (STOP_COPY, PRE_COPY);
            let expected = if back { Err(Error::NoArc) } else { Ok(()) };
            assert_eq!(card.ask(to), expected, "{from:03b} to {to:03b}");
            assert_eq!(card.state(), if back { from } else { to });
        }
    }
}

#[test]
fn v12_v13_pre_copy_can_be_left_at_any_point() {
    for rounds in 0..4 {
        let mut card = Card::new(FULL);
        fill(&mut card.dut);
        card.ask(PRE_COPY).unwrap();
        let mut stream = Vec::new();
        for _ in 0..rounds {
            stream.extend(card.round().unwrap_or_default());
        }
        // Not a byte of this buffer is the user's, and so it stays.
        if rounds == 3 {
            card.u64_at(DATA_OFFSET);
        }
        card.ask(STOP_COPY).unwrap();
        stream.extend(card.drain());
        assert_eq!(Card::new(FULL).load(&stream), Ok(()), "{rounds} rounds");
    }
}

#[test]
fn v14_to_v18_a_buffer_stays_until_the_user_has_it() {
    let mut card = Card::new(FULL);
    fill(&mut card.dut);
    card.ask(STOP_COPY).unwrap();
    let estimate = card.pending();
    assert_eq!(card.pending(), estimate, "V14");
    assert_eq!(card.write(PENDING, &[0; 8]), Err(Error::NoField));
    assert_eq!(card.u64_at(DATA_OFFSET), DATA);
    let pending = card.pending();
    assert!((1..=estimate).contains(&pending), "{pending}, {estimate}");
    // The user does not know how much there is, so it cannot have it.
    assert_eq!(card.pending(), pending);
    let size = card.u64_at(DATA_SIZE);
    assert!((1..=pending).contains(&size), "V33: {size} of {pending}");
    let first = card.data(size);
    for _ in 0..3 {
        assert_eq!(
            (card.u64_at(DATA_OFFSET), card.u64_at(DATA_SIZE)),
            (DATA, size)
        );
        assert_eq!(card.data(size), first);
    }
    let mut stream = first;
    stream.extend(card.drain());
    for _ in 0..3 {
        assert_eq!((card.pending(), card.u64_at(DATA_SIZE)), (0, 0), "V15");
    }
    card.ask(STOP).unwrap();
    assert_eq!(stream, card.saved());
}

#[test]
fn v14_nothing_is_taken_for_read_that_came_later() {
    let mut card = Card::new(FULL);
    card.dut.set_reinit(true);
    card.ask(PRE_COPY).unwrap();
    let mut stream = card.drain();
    assert_eq!((card.pending(), card.u64_at(DATA_SIZE)), (0, 0));
    let stats = serial_var().index("line-stats").unwrap();
    card.dut.set_param(stats, "off", true).unwrap();
    assert_eq!(card.u64_at(DATA_OFFSET), DATA);
    assert!(card.pending() > 0, "its size was never told");
    stream.extend(card.drain());
    card.ask(STOP_COPY).unwrap();
    stream.extend(card.drain());
    let mut other = Card::new(FULL);
    other.ask(RESUMING).unwrap();
    other.give(&stream).unwrap();
    other.dut.set_param(stats, "off", true).unwrap();
    assert_eq!(other.ask(RUNNING), Ok(()));
}

#[test]
fn v19_data_offset_is_constant() {
    const { assert!(DATA >= HEADER_LEN) };
    for state in STATES {
        let mut card = card_in(state);
        assert_eq!(card.u64_at(DATA_OFFSET), DATA);
        assert_eq!(card.write(DATA_OFFSET, &[0; 8]), Err(Error::NoField));
        assert_eq!(card.u64_at(DATA_OFFSET), DATA);
    }
}

#[test]
fn v23_v24_transactions_of_any_size_give_the_state_back() {
    for section in [1, 7, 300, 1 << 20] {
        let mut card = Card::with_section(FULL, section);
        fill(&mut card.dut);
        let stream = card.saved();
        for size in [1, 8, 333, section].into_iter().filter(|s| *s <= section) {
            let mut other = Card::with_section(FULL, section);
            other.ask(RESUMING).unwrap();
            for piece in stream.chunks(size) {
                other.give(piece).unwrap();
            }
            other.ask(RUNNING).unwrap();
            assert_eq!(other.saved(), stream, "{size} of {section}");
        }
    }
}

#[test]
fn the_bytes_are_those_of_version_2() {
    let mut card = Card::new(FULL);
    fill(&mut card.dut);
    let stream = card.saved();
    assert_eq!(saved(&mut card.dut), stream);
    load(&mut dut(FULL), &stream, 100).unwrap();
    assert_eq!(Card::new(FULL).load(&stream), Ok(()));
}

#[test]
fn v25_v26_a_bad_stream_is_refused_and_stays_so() {
    let stream = Card::new(PLAIN).saved();
    let refused = Error::Refused(Class::Malformed);
    for len in 0..stream.len() {
        let mut card = card_in(RUNNING);
        assert_eq!(card.load(&stream[..len]), Err(refused), "{len} bytes");
        assert_eq!(card.state(), RESUMING, "V7");
        assert_eq!(card.ask(STOP), Err(refused));
    }
    let mut card = card_in(RUNNING);
    card.ask(RESUMING).unwrap();
    let mut wrong = stream.clone();
    wrong[0] ^= 1;
    assert_eq!(card.give(&wrong), Err(refused), "in the loop");
    assert_eq!(card.give(&stream), Err(refused));
    assert_eq!(card.ask(RUNNING), Err(refused));
    assert!(!refusal(&card.dut).is_empty());
    card.dut.reset();
    assert_eq!(card.state(), RUNNING);
    assert_eq!(card.load(&stream), Ok(()), "the next session");
}

#[test]
fn v27_sizes_that_make_no_sense_are_refused() {
    for state in [STOP, RUNNING, STOP_COPY, PRE_COPY] {
        let mut card = card_in(state);
        for size in [0, 1, SECTION, u64::MAX] {
            assert_eq!(card.set_size(size), Err(Error::NoData), "{size}");
        }
        assert_eq!(card.state(), state);
    }
    let stream = Card::new(PLAIN).saved();
    let mut card = card_in(RUNNING);
    card.ask(RESUMING).unwrap();
    for size in [SECTION + 1, DATA + SECTION, 1 << 63, u64::MAX] {
        assert_eq!(card.set_size(size), Err(Error::OutOfRange), "{size}");
    }
    assert_eq!(card.set_size(0), Ok(()), "without effect");
    card.give(&stream).unwrap();
    assert_eq!(card.ask(RUNNING), Ok(()));
}

#[test]
fn v28_there_are_data_in_a_session_only() {
    for state in STATES {
        let mut card = card_in(state);
        let reads = matches!(state, STOP_COPY | PRE_COPY | RESUMING);
        let read = card.read(DATA, &mut [0; 8]);
        let expected = if reads { Ok(()) } else { Err(Error::NoData) };
        assert_eq!(read, expected, "{state:03b}");
        let written = card.write(DATA, &[0; 8]);
        let takes = state == RESUMING;
        let expected = if takes { Ok(()) } else { Err(Error::NoData) };
        assert_eq!(written, expected, "{state:03b}");
    }
}

#[test]
fn v29_reset_drops_what_is_pending() {
    for state in STATES {
        let mut card = card_in(state);
        card.pending();
        card.u64_at(DATA_SIZE);
        card.dut.reset();
        assert_eq!((card.state(), card.pending()), (RUNNING, 0));
        assert_eq!(card.read(DATA, &mut [0; 8]), Err(Error::NoData));
        let stream = card.saved();
        assert_eq!(card.load(&stream), Ok(()));
    }
}

#[test]
fn v30_nothing_lies_behind_the_section() {
    let mut card = card_in(RESUMING);
    for at in [DATA + SECTION - 4, DATA + SECTION, u64::MAX - 3] {
        assert_eq!(card.read(at, &mut [0; 8]), Err(Error::OutOfRange), "{at}");
        assert_eq!(card.write(at, &[0; 8]), Err(Error::OutOfRange), "{at}");
    }
    card.write(DATA + SECTION - 4, &[0; 4]).unwrap();
}

#[test]
fn a_session_belongs_to_the_protocol_that_opened_it() {
    for state in [
        State::PreCopy,
        State::PreCopyP2p,
        State::StopCopy,
        State::Resuming,
    ] {
        let mut card = Card::new(PLAIN);
        // Something to be left over from a session of the region.
        card.saved();
        card.dut.set_state(state).unwrap();
        let shown = card.state();
        assert!(!card.view.owns(&card.dut));
        for to in STATES {
            assert_eq!(card.ask(to), Err(Error::Busy), "{state:?} to {to:03b}");
        }
        for at in [PENDING, DATA_OFFSET, DATA_SIZE, DATA] {
            assert_eq!(card.read(at, &mut [0; 8]), Err(Error::Busy), "{at}");
        }
        assert_eq!(card.write(DATA, &[0; 8]), Err(Error::Busy));
        assert_eq!(card.set_size(1), Err(Error::Busy));
        assert_eq!((card.state(), card.dut.state()), (shown, state));
        card.dut.reset();
        assert_eq!(card.ask(STOP_COPY), Ok(()));
        assert!(card.view.owns(&card.dut));
    }
}

#[test]
fn a_session_number_is_not_taken_for_an_older_one() {
    let mut card = Card::new(PLAIN);
    card.ask(STOP_COPY).unwrap();
    card.dut.reset();
    assert!(!card.view.owns(&card.dut), "it is over");
    card.dut.set_state(State::StopCopy).unwrap();
    assert!(!card.view.owns(&card.dut), "it is another's");
}
