// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The state stream, against an encoder and a decoder that are written here from the layout alone.

use proptest::prelude::*;
use vmig_model::{
    crc::{
        checksum,
        Crc32c,
        Table, //
    },
    error::{
        Class,
        Error, //
    },
    stream::read,
};

use crate::support::*;

/// CRC32C bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = register & 1;
            register >>= 1;
            if carry == 1 {
                register ^= 0x82f6_3b78;
            }
        }
    }
    !register
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) at: usize,
    pub(crate) tag: u16,
    pub(crate) flags: u16,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn header(major: u16, minor: u16) -> Vec<u8> {
    let mut bytes = b"vmig\r\n\x1a\n".to_vec();
    bytes.extend(major.to_le_bytes());
    bytes.extend(minor.to_le_bytes());
    bytes.extend(crc32c(&bytes).to_le_bytes());
    bytes
}

pub(crate) fn record(tag: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = tag.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(payload);
    bytes.extend(crc32c(&bytes).to_le_bytes());
    bytes
}

/// Takes a good stream apart.
pub(crate) fn records(stream: &[u8]) -> Vec<Raw> {
    assert_eq!(stream[..16], header(1, 0));
    let mut found = Vec::new();
    let mut at = 16;
    while at < stream.len() {
        let field = |from: usize| u16::from_le_bytes([stream[at + from], stream[at + from + 1]]);
        let len = u32::from_le_bytes(stream[at + 4..at + 8].try_into().unwrap()) as usize;
        let raw = Raw {
            at,
            tag: field(0),
            flags: field(2),
            payload: stream[at + 8..at + 8 + len].to_vec(),
        };
        assert_eq!(
            stream[at..at + 12 + len],
            record(raw.tag, raw.flags, &raw.payload)
        );
        at += 12 + len;
        found.push(raw);
    }
    found
}

/// Puts records together, with a trailer that fits them.
pub(crate) fn assemble(header: Vec<u8>, records: &[Raw]) -> Vec<u8> {
    let mut stream = header;
    for raw in records {
        stream.extend(record(raw.tag, raw.flags, &raw.payload));
    }
    let mut trailer = (records.len() as u32).to_le_bytes().to_vec();
    trailer.extend((stream.len() as u64).to_le_bytes());
    stream.extend(record(0x00ff, 1, &trailer));
    stream
}

/// The records of `stream` without its trailer.
pub(crate) fn body(stream: &[u8]) -> Vec<Raw> {
    let mut records = records(stream);
    assert_eq!(records.pop().map(|raw| raw.tag), Some(0x00ff));
    records
}

pub(crate) fn good() -> Vec<u8> {
    let mut dut = dut(FULL);
    fill(&mut dut);
    saved(&mut dut)
}

/// Loads into a new full card; the class of the refusal, which must be sticky.
pub(crate) fn judge(stream: &[u8]) -> Result<(), Class> {
    let mut dut = dut(FULL);
    let found = load(&mut dut, stream, 4096);
    if let Err(error) = found {
        let session = dut.session().expect("still in RESUMING").session;
        let text = refusal(&dut);
        assert!(
            !text.is_empty() && !text.contains(char::is_control),
            "{text:?}"
        );
        assert_eq!(dut.write(session, &good()), Err(error), "sticky");
        assert_eq!(dut.write(session, &[]), Err(error), "sticky");
        for _ in 0..2 {
            assert_eq!(
                dut.set_state(vmig_model::arcs::State::Running),
                Err(error),
                "sticky"
            );
        }
        assert_eq!(refusal(&dut), text, "the first reason stays");
        dut.reset();
        assert_eq!(
            load(&mut dut, &good(), 4096),
            Ok(()),
            "a good session follows"
        );
    }
    found.map_err(|error| match error {
        Error::Refused(class) => class,
        other => panic!("{other}"),
    })
}

fn raw(tag: u16, flags: u16, payload: &[u8]) -> Raw {
    Raw {
        at: 0,
        tag,
        flags,
        payload: payload.to_vec(),
    }
}

#[test]
fn layout_is_the_documented_one() {
    let stream = good();
    let found = records(&stream);
    let tags: Vec<_> = found.iter().map(|raw| raw.tag).collect();
    let state = [0x0101, 0x0102, 0x0110, 0x0111, 0x0110, 0x0111];
    assert_eq!(tags, [&[1, 2][..], &state, &[0xff]].concat());
    assert!(found.iter().all(|raw| raw.flags == 1));
    assert_eq!(found[0].payload, b"vmig.example/pci-serial");
    let mut params = vec![4, 0];
    for (kind, name, value) in [
        (0, "auto-flow", vec![1]),
        (1, "fifo-size", 64u64.to_le_bytes().to_vec()),
        (0, "line-stats", vec![1]),
        (1, "ports", 2u64.to_le_bytes().to_vec()),
    ] {
        params.extend([kind, name.len() as u8]);
        params.extend(name.bytes());
        params.extend(value);
    }
    assert_eq!(found[1].payload, params);
    assert_eq!(assemble(header(1, 0), &body(&stream)), stream);
    assert_eq!(judge(&stream), Ok(()));
}

#[test]
fn off_values_do_not_travel() {
    for (list, count) in [(PLAIN, 1), (PLAIN_2, 1), (FULL_NO_STATS, 3), (FULL, 4)] {
        let stream = saved(&mut dut(list));
        assert_eq!(records(&stream)[1].payload[0], count);
    }
}

#[test]
fn checksum_is_crc32c() {
    // RFC 3720, B.4.
    for (bytes, sum) in [
        (vec![0; 32], 0x8a91_36aa),
        (vec![0xff; 32], 0x62a8_ab43),
        ((0..32).collect(), 0x46dd_794e),
        ((0..32).rev().collect(), 0x113f_db5c),
        (vec![], 0),
    ] {
        assert_eq!(checksum::<Table>(&bytes), sum);
        assert_eq!(crc32c(&bytes), sum);
        let (a, b) = bytes.split_at(bytes.len() / 3);
        assert_eq!(!Table::update(Table::update(!0, a), b), sum, "in pieces");
    }
}

#[test]
fn every_truncation_is_refused() {
    let stream = good();
    for len in 0..stream.len() {
        assert_eq!(judge(&stream[..len]), Err(Class::Malformed), "{len} bytes");
    }
}

#[test]
fn every_flipped_byte_is_refused() {
    let stream = good();
    for at in 0..stream.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bad = stream.clone();
            bad[at] ^= flip;
            let expected = if (8..10).contains(&at) {
                Class::Unsupported // the major version
            } else {
                Class::Malformed
            };
            assert_eq!(judge(&bad), Err(expected), "byte {at} ^ {flip:#x}");
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_in_small_pieces_too() {
    let stream = saved(&mut dut(PLAIN));
    for at in 0..stream.len() {
        for bit in 0..8 {
            let mut bad = stream.clone();
            bad[at] ^= 1 << bit;
            let mut dut = dut(PLAIN);
            assert!(load(&mut dut, &bad, 3).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn any_segmentation_loads_the_same() {
    let stream = good();
    for step in [1, 2, 3, 7, 8, 12, 16, 17, 4096] {
        let mut dut = dut(FULL);
        assert_eq!(load(&mut dut, &stream, step), Ok(()));
        assert_eq!(saved(&mut dut), stream, "{step} bytes at a time");
    }
}

#[test]
fn data_after_the_trailer_is_refused() {
    for extra in [&[0][..], &[0xff; 20], b"vmig"] {
        assert_eq!(judge(&[&good(), extra].concat()), Err(Class::Malformed));
    }
    assert_eq!(judge(&good().repeat(2)), Err(Class::Malformed));
}

#[test]
fn versions() {
    let records = body(&good());
    for (major, minor, expected) in [
        (1, 0, Ok(())),
        (1, 1, Ok(())),
        (1, u16::MAX, Ok(())),
        (0, 0, Err(Class::Unsupported)),
        (2, 0, Err(Class::Unsupported)),
        (u16::MAX, 0, Err(Class::Unsupported)),
    ] {
        let found = judge(&assemble(header(major, minor), &records));
        assert_eq!(found, expected, "{major}.{minor}");
    }
}

#[test]
fn the_next_major_may_change_everything_behind_its_number() {
    let mut stream = b"vmig\r\n\x1a\n\x02\x00\x00\x00".to_vec();
    stream.extend([0xa5; 100]);
    assert_eq!(judge(&stream), Err(Class::Unsupported));
}

#[test]
fn unknown_tags_follow_their_flag() {
    let records = body(&good());
    let big = vec![0x5a; 4096];
    for tag in [0x0003, 0x00fe, 0x0100, 0x0112, 0x0200, 0xffff] {
        for at in 2..=records.len() {
            for (flags, expected) in [(0, Ok(())), (1, Err(Class::Unsupported))] {
                let mut with = records.clone();
                with.insert(at, raw(tag, flags, &big));
                let found = judge(&assemble(header(1, 3), &with));
                assert_eq!(found, expected, "tag {tag:#x} at {at}, flags {flags}");
            }
        }
        for at in 0..2 {
            let mut with = records.clone();
            with.insert(at, raw(tag, 0, b""));
            assert_eq!(judge(&assemble(header(1, 3), &with)), Err(Class::Malformed));
        }
    }
    let mut damaged = records.clone();
    damaged.insert(3, raw(0x0999, 0, b"future"));
    let mut stream = assemble(header(1, 1), &damaged);
    let at = stream
        .windows(6)
        .position(|window| window == b"future")
        .unwrap();
    stream[at] ^= 1;
    assert_eq!(
        judge(&stream),
        Err(Class::Malformed),
        "skipped, but not unchecked"
    );
}

#[test]
fn records_have_their_place() {
    let records = body(&good());
    for at in 0..records.len() {
        let mut missing = records.clone();
        missing.remove(at);
        assert_eq!(
            judge(&assemble(header(1, 0), &missing)),
            Err(Class::Malformed),
            "{at} missing"
        );
        let mut doubled = records.clone();
        doubled.insert(at, records[at].clone());
        // The parameter record may come again before the first state record.
        let expected = if at == 1 {
            Ok(())
        } else {
            Err(Class::Malformed)
        };
        assert_eq!(
            judge(&assemble(header(1, 0), &doubled)),
            expected,
            "{at} twice"
        );
        for other in at + 1..records.len() {
            let mut swapped = records.clone();
            swapped.swap(at, other);
            assert_eq!(
                judge(&assemble(header(1, 0), &swapped)),
                Err(Class::Malformed),
                "{at} and {other} swapped"
            );
        }
    }
    let mut late = records.clone();
    late.insert(3, records[1].clone());
    assert_eq!(judge(&assemble(header(1, 0), &late)), Err(Class::Malformed));
}

#[test]
fn flags_are_what_they_are() {
    let records = body(&good());
    for at in 0..records.len() {
        for flags in [0, 2, 3, 0x8001] {
            let mut bad = records.clone();
            bad[at].flags = flags;
            assert_eq!(
                judge(&assemble(header(1, 0), &bad)),
                Err(Class::Malformed),
                "{at} {flags}"
            );
        }
    }
}

#[test]
fn the_trailer_counts() {
    let stream = good();
    let at = records(&stream).last().unwrap().at;
    let (count, bytes) = (records(&stream).len() as u32 - 1, at as u64);
    let trailer = |count: u32, bytes: u64, more: &[u8]| {
        let payload = [&count.to_le_bytes()[..], &bytes.to_le_bytes(), more].concat();
        [&stream[..at], &record(0x00ff, 1, &payload)].concat()
    };
    assert_eq!(trailer(count, bytes, &[]), stream);
    for bad in [
        trailer(count + 1, bytes, &[]),
        trailer(count - 1, bytes, &[]),
        trailer(0, bytes, &[]),
        trailer(count, bytes + 1, &[]),
        trailer(count, 0, &[]),
        trailer(count, u64::MAX, &[]),
        trailer(count, bytes, &[0]),
        [&stream[..at], &record(0x00ff, 1, &[])].concat(),
    ] {
        assert_eq!(judge(&bad), Err(Class::Malformed));
    }
}

#[test]
fn hostile_lengths_are_refused_at_once() {
    let start = &good()[..16];
    for tag in [1u16, 2, 0xff, 0x0101, 0x0110, 0x7777] {
        for len in [
            4097u32,
            65536,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_fff4,
            u32::MAX,
        ] {
            let mut stream = start.to_vec();
            stream.extend(tag.to_le_bytes());
            stream.extend([1, 0]);
            stream.extend(len.to_le_bytes());
            let mut dut = dut(FULL);
            assert_eq!(
                feed(&mut dut, &stream, 4096),
                Err(Error::Refused(Class::Malformed)),
                "tag {tag:#x}, length {len:#x}"
            );
        }
    }
}

#[test]
fn refusals_say_which_and_where() {
    let stream = good();
    let found = records(&stream);
    let text = |stream: &[u8]| {
        let mut dut = dut(FULL);
        load(&mut dut, stream, 4096).unwrap_err();
        refusal(&dut)
    };
    let flipped = |at: usize| {
        let mut bad = stream.clone();
        bad[at] ^= 0x40;
        text(&bad)
    };
    assert_eq!(text(b""), "stream: truncated after 0 bytes");
    assert_eq!(text(&stream[..100]), "stream: truncated after 100 bytes");
    assert_eq!(flipped(0), "stream: bad magic");
    assert_eq!(flipped(8), "major version: stream 65, device 1");
    assert_eq!(flipped(10), "stream: header has a wrong checksum");
    let at = found[4].at;
    assert_eq!(
        flipped(at + 20),
        format!("stream: record at byte {at}: tag 0x0110: wrong checksum")
    );
    assert_eq!(
        text(&[&stream[..], b"x"].concat()),
        format!("stream: data after the trailer at byte {}", stream.len())
    );
    let mut other = body(&stream);
    other[0].payload = b"vmig.example/accel".to_vec();
    assert_eq!(
        text(&assemble(header(1, 0), &other)),
        "model: stream vmig.example/accel, device vmig.example/pci-serial"
    );
    let long = format!("a/{}", "\u{1b}".repeat(200));
    other[0].payload = long.into_bytes();
    assert_eq!(
        text(&assemble(header(1, 0), &other)),
        format!("stream: record at byte 16: bad model")
    );
}

#[test]
fn the_reader_reads_what_is_written() {
    let stream = good();
    let (found_header, found) = read::records::<Table>(&stream).unwrap();
    assert_eq!((found_header.major, found_header.minor), (1, 0));
    let found: Vec<_> = found.collect::<Result<_, _>>().unwrap();
    let expected = records(&stream);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!((found.at, found.tag), (expected.at, expected.tag));
        assert_eq!(
            (found.mandatory, found.payload),
            (true, &expected.payload[..])
        );
    }
    for len in 0..stream.len() {
        let whole = read::records::<Table>(&stream[..len]).and_then(|(_, all)| {
            let last = all.last().transpose()?;
            Ok(last.is_some_and(|record| record.tag == 0x00ff))
        });
        assert_ne!(whole, Ok(true), "{len} bytes are not a whole stream");
    }
    let more = [&stream[..], &[0]].concat();
    let (_, mut all) = read::records::<Table>(&more).unwrap();
    assert!(all.any(|record| record.is_err()));
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(judge(&bytes).is_err());
    }

    #[test]
    fn any_payload_is_judged(
        at in 2usize..8,
        payload in proptest::collection::vec(any::<u8>(), 0..260),
    ) {
        let mut records = body(&good());
        records[at].payload = payload;
        let _ = judge(&assemble(header(1, 0), &records));
    }

    #[test]
    fn damaged_payloads_are_judged(
        at in 0usize..8,
        byte in any::<prop::sample::Index>(),
        value: u8,
    ) {
        let mut records = body(&good());
        let byte = byte.index(records[at].payload.len());
        records[at].payload[byte] = value;
        let stream = assemble(header(1, 0), &records);
        let mut dut = dut(FULL);
        if load(&mut dut, &stream, 100).is_ok() {
            prop_assert_eq!(saved(&mut dut), stream, "what is taken is the state");
        }
    }

    #[test]
    fn random_segmentation(cuts in proptest::collection::vec(1usize..40, 1..80)) {
        let stream = good();
        let mut dut = dut(FULL);
        let session = feed(&mut dut, &[], 1).unwrap();
        let mut left = &stream[..];
        for cut in cuts.iter().cycle() {
            let (piece, rest) = left.split_at((*cut).min(left.len()));
            prop_assert_eq!(dut.write(session, piece), Ok(piece.len()));
            left = rest;
            if left.is_empty() {
                break;
            }
        }
        dut.set_state(vmig_model::arcs::State::Stop).unwrap();
        prop_assert_eq!(saved(&mut dut), stream);
    }
}
