// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Records of a stream: unknown, missing, doubled, out of place, miscounted.

use vmig_model::error::Class;

use crate::wire::*;

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
