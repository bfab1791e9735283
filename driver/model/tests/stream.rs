// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The state stream, against the encoder and decoder of `wire`.

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
};

use crate::{
    support::*,
    wire::*, //
};

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
