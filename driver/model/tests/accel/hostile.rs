// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Streams that end early, are damaged, or were never written by a card.

use std::sync::OnceLock;

use proptest::prelude::*;
use vmig_model::{
    arcs::State,
    error::{
        Class,
        Error, //
    },
};

use super::machine::*;
use crate::wire::{
    assemble,
    body,
    header,
    raw,
    records, //
};

/// A stream with a bit of everything.
fn good() -> Vec<u8> {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(make).clone()
}

fn make() -> Vec<u8> {
    let mut rig = Rig::new(ZERO);
    rig.poke(4096, &noise(5, 4096));
    rig.poke(5 * 4096, &[0]);
    rig.config(MSIX, &0x8003_u16.to_le_bytes());
    rig.set(MASK, 1);
    for queue in 0..3 {
        rig.enable(queue, 8);
    }
    rig.submit(0, descriptor(COPY_OUT, NOTIFY, 64, 0, DATA));
    rig.submit(1, descriptor(0, 0, 0, 0, 0));
    rig.submit(2, descriptor(CRC, NOTIFY, 3 * MIB, 0, 0));
    for _ in 0..3 {
        assert!(rig.step());
    }
    rig.saved()
}

/// Loads into a new card. A refusal is sticky, and after a reset nothing is left of it.
fn judge(stream: &[u8]) -> Result<(), Error> {
    let mut rig = Rig::new(ZERO);
    let found = rig.load(stream, 1000);
    if let Err(error) = found {
        assert_eq!(rig.dut.set_state(State::Running), Err(error));
        assert_eq!(rig.dut.state(), State::Resuming);
        rig.dut.reset();
        assert!(rig.ram().contents().is_empty());
        assert_eq!(rig.work(), 0);
    }
    found
}

#[test]
fn every_truncation_is_noticed() {
    let stream = good();
    assert_eq!(judge(&stream), Ok(()));
    let ends = records(&stream);
    for len in 0..stream.len() {
        // All lengths around the ends of records, and some in the middle of a page.
        let near = ends.iter().any(|raw| raw.at.abs_diff(len) < 24);
        if near || len % 211 == 0 || stream.len() - len < 24 {
            let refused = judge(&stream[..len]);
            assert_eq!(refused, Err(Error::Refused(Class::Malformed)), "{len}");
        }
    }
    let longer = [&stream[..], &[0]].concat();
    assert_eq!(judge(&longer), Err(Error::Refused(Class::Malformed)));
}

#[test]
fn every_flipped_byte_is_noticed() {
    let stream = good();
    let state = records(&stream);
    for at in 0..stream.len() {
        let in_page = state
            .iter()
            .any(|raw| raw.tag == 0x0220 && raw.at + 40 < at && at < raw.at + 4000);
        if in_page && at % 97 != 0 {
            continue;
        }
        let mut bad = stream.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(judge(&bad).is_err(), "byte {at}");
    }
}

#[test]
fn every_record_is_needed_and_comes_once() {
    let records = body(&good());
    let memory = |at: usize| matches!(records[at].tag, 0x0220 | 0x0221);
    for at in 2..records.len() {
        let mut missing = records.clone();
        missing.remove(at);
        // Without a memory record the memory is another one, which nobody can know.
        let judged = judge(&assemble(header(1, 0), &missing));
        assert_eq!(judged.is_ok(), memory(at), "{at} missing");
        let mut doubled = records.clone();
        doubled.insert(at, records[at].clone());
        let judged = judge(&assemble(header(1, 0), &doubled));
        assert_eq!(judged.is_ok(), memory(at), "{at} doubled");
    }
    for tag in [0x0101, 0x0110, 0x0200, 0x0204, 0x0211, 0x0222, 0x0300] {
        for (flags, expected) in [(0, Ok(())), (1, Err(Error::Refused(Class::Unsupported)))] {
            let mut with = records.clone();
            with.insert(4, raw(tag, flags, &[1, 2, 3]));
            assert_eq!(judge(&assemble(header(1, 0), &with)), expected, "{tag:x}");
        }
    }
}

#[test]
fn a_stream_of_another_model_is_refused() {
    let mut rig = Rig::new(ZERO);
    let stream = crate::wire::good();
    let refused = rig.load(&stream, 64);
    assert_eq!(refused, Err(Error::Refused(Class::Mismatch)));
    assert_eq!(
        rig.dut.refusal().unwrap().to_string(),
        "model: stream vmig.example/pci-serial, device vmig.example/accel"
    );
    let mut serial = crate::support::dut(crate::support::FULL);
    assert!(crate::support::load(&mut serial, &good(), 64).is_err());
    assert_eq!(
        crate::support::refusal(&serial),
        "model: stream vmig.example/accel, device vmig.example/pci-serial"
    );
    let mut rig = Rig::new(ALL);
    assert!(rig.load(&good(), 64).is_err());
    assert_eq!(
        rig.dut.refusal().unwrap().to_string(),
        "num-queues: stream 4, device 8"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Payloads that have the right checksums, but were changed: refused, or a card that works.
    #[test]
    fn changed_payloads_do_no_harm(
        changes in prop::collection::vec((2..9_usize, any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in prop::option::of((2..9_usize, 0..80_usize)),
    ) {
        let mut records = body(&good());
        // Memory holds anything, and zero pages need not come back.
        records.retain(|raw| !matches!(raw.tag, 0x0220 | 0x0221));
        for (record, at, value) in changes {
            let payload = &mut records[record].payload;
            let at = at.index(payload.len());
            payload[at] = value;
        }
        if let Some((record, length)) = length {
            records[record].payload.resize(length, 0x41);
        }
        let stream = assemble(header(1, 0), &records);
        if judge(&stream).is_ok() {
            let mut rig = Rig::new(ZERO);
            rig.load(&stream, 77).unwrap();
            prop_assert!(rig.saved() == stream, "what is taken comes back");
            rig.dut.set_state(State::Running).unwrap();
            rig.work();
            for queue in 0..4 {
                rig.set(q(queue, TAIL), 1);
            }
            rig.work();
        }
    }

    /// Bytes that begin like a stream.
    #[test]
    fn any_records_do_no_harm(
        tags in prop::collection::vec((prop_oneof![Just(0x0201_u16), Just(0x0202), Just(0x0203),
            Just(0x0210), Just(0x0220), Just(0x0221), any::<u16>()],
            prop::collection::vec(any::<u8>(), 0..70)), 0..8),
    ) {
        let mut records = body(&good());
        records.truncate(2);
        records.extend(tags.iter().map(|(tag, payload)| raw(*tag, 1, payload)));
        prop_assert!(judge(&assemble(header(1, 0), &records)).is_err());
    }
}
