// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every operation, against what the data sheet says of it.

use super::machine::*;
use crate::wire::crc32c;

/// Lengths and offsets around the sizes of words, pages and pieces of scratch memory.
const LENGTHS: [u64; 9] = [1, 7, 8, 4095, 4096, 4097, 65_535, 65_537, 200_001];
const OFFSETS: [u64; 4] = [0, 1, 4095, 4100];

#[test]
fn copies_and_fills_move_what_they_should_and_nothing_else() {
    let mut rig = Rig::new(FULL);
    rig.enable(0, 8);
    for (length, offset) in LENGTHS
        .into_iter()
        .flat_map(|length| OFFSETS.map(|offset| (length, offset)))
    {
        let len = length as usize;
        let data = noise(length ^ offset, len);
        let (near, far) = (3 * MIB + offset, 9 * MIB + 13);
        rig.guest.put(DATA + offset, &data);
        let descriptors = [
            descriptor(COPY_IN, 0, length, DATA + offset, near),
            descriptor(COPY_WITHIN, 0, length, near, far),
            descriptor(COPY_OUT, 0, length, far, DATA + 4 * MIB + 1),
            descriptor(FILL, 0, length, 0x8877_6655_4433_2211, near),
        ];
        let at = descriptors.map(|bytes| rig.submit(0, bytes));
        rig.work();
        for at in at {
            assert_eq!((rig.status(at), rig.result(at)), (1, UNTOUCHED));
        }
        // Around it nothing has changed.
        let framed = |bytes: &[u8]| [&[0], bytes, &[0]].concat();
        assert_eq!(rig.ram().get(far - 1, len + 2), framed(&data));
        assert_eq!(rig.guest.get(DATA + 4 * MIB, len + 2), framed(&data));
        let pattern: Vec<u8> = (0x11..=0x88).step_by(0x11).cycle().take(len).collect();
        assert_eq!(rig.ram().get(near - 1, len + 2), framed(&pattern));
        // Clean for the next row.
        for (operation, to) in [(FILL, near), (FILL, far)] {
            rig.submit(0, descriptor(operation, 0, length, 0, to));
        }
        rig.work();
        rig.guest.put(DATA + 4 * MIB, &vec![0; len + 2]);
    }
}

#[test]
fn checksums_are_those_of_the_rfc() {
    let mut rig = Rig::new(FULL);
    rig.enable(2, 16);
    rig.poke(100, b"123456789");
    let at = rig.submit(2, descriptor(CRC, 0, 9, 100, 0));
    rig.work();
    assert_eq!((rig.status(at), rig.result(at)), (1, 0xe306_9283));
    for (length, offset) in LENGTHS.into_iter().zip(OFFSETS.into_iter().cycle()) {
        let data = noise(length, length as usize);
        rig.poke(5 * MIB + offset, &data);
        let at = rig.submit(2, descriptor(CRC, 0, length, 5 * MIB + offset, 0));
        rig.work();
        assert_eq!((rig.status(at), rig.result(at)), (1, crc32c(&data)));
    }
    // Memory that was never written has a checksum, too, and stays what it is.
    let at = rig.submit(2, descriptor(CRC, 0, 32, 15 * MIB, 0));
    let before = rig.ram().contents().len();
    rig.work();
    assert_eq!(rig.result(at), 0x8a91_36aa, "RFC 3720, appendix B.4");
    assert_eq!(rig.ram().contents().len(), before);
}

#[test]
fn long_descriptors_take_several_steps() {
    for scratch in [4096, 65_536, 3 << 20] {
        let mut rig = Rig::new(FULL);
        rig.enable(3, 8);
        let data = noise(1, (3 * MIB + 5) as usize);
        rig.guest.put(DATA, &data);
        let length = data.len() as u64;
        let at = [
            descriptor(COPY_IN, 0, length, DATA, 7),
            descriptor(COPY_WITHIN, 0, length, 7, 8 * MIB),
            descriptor(CRC, 0, length, 8 * MIB, 0),
            descriptor(COPY_OUT, 0, length, 8 * MIB, DATA + 4 * MIB),
            descriptor(FILL, 0, length, 0x0123_4567_89ab_cdef, 8 * MIB),
        ]
        .map(|bytes| rig.submit(3, bytes));
        let mut steps = 0;
        while rig.step_with(scratch) {
            steps += 1;
            let written: usize = rig.guest.writes.take().iter().map(|write| write.1).sum();
            assert!(
                written <= (MIB + 40) as usize,
                "at most 1 MiB, and some words"
            );
        }
        assert_eq!(steps, 16, "15 MiB and 25 bytes");
        assert!(at.iter().all(|at| rig.status(*at) == 1));
        assert_eq!(rig.result(at[2]), crc32c(&data));
        assert!(rig.guest.get(DATA + 4 * MIB, data.len()) == data);
        assert!(rig.ram().get(7, data.len()) == data);
        let filled = rig.ram().get(8 * MIB, data.len());
        let pattern = 0x0123_4567_89ab_cdef_u64.to_le_bytes();
        assert!(filled
            .iter()
            .zip(pattern.iter().cycle())
            .all(|(a, b)| a == b));
        assert_eq!(rig.queue(3), (5, 5, 0));
    }
}

#[test]
fn the_ring_goes_round_and_counts() {
    let mut rig = Rig::new(SMALL);
    for size in [2, 4, 4096] {
        rig.enable(0, size);
        for n in 0..2 * size + 3 {
            let at = rig.submit(
                0,
                descriptor(FILL, 0, 4, u64::from(n) + 1, u64::from(n) * 4),
            );
            assert_eq!(at, ring(0) + u64::from(n % size) * 32);
            // As many as fit are asked for at once.
            if n % 7 != 0 && n % size + 1 != size && n + 1 != 2 * size + 3 {
                let (head, ..) = rig.queue(0);
                let tail = rig.get(q(0, TAIL));
                if (tail + 1) % size != head {
                    continue;
                }
            }
            rig.work();
            assert_eq!(rig.queue(0), ((n + 1) % size, n + 1, 0));
        }
        for n in 0..2 * size + 3 {
            let word = rig.ram().get(u64::from(n) * 4, 4);
            assert_eq!(word, (n + 1).to_le_bytes());
        }
        rig.set(q(0, ENABLE), 0);
    }
}

#[test]
fn only_result_and_status_are_written_and_the_status_comes_last() {
    let mut rig = Rig::new(FULL);
    rig.enable(2, 8);
    let descriptors = [
        descriptor(COPY_IN, 0, 64, DATA, 0),
        descriptor(COPY_OUT, 0, 64, 0, DATA + 4096),
        descriptor(CRC, NOTIFY, 64, 0, 0),
        descriptor(9, 0, 64, 0, 0),
    ];
    let at = descriptors.map(|bytes| rig.submit(2, bytes));
    rig.work();
    let expected = [
        (at[0] + 28, 4),
        (DATA + 4096, 64),
        (at[1] + 28, 4),
        (at[2] + 24, 4),
        (at[2] + 28, 4),
        (at[3] + 28, 4),
    ];
    assert_eq!(rig.guest.writes.take(), expected);
    for (at, bytes) in at.into_iter().zip(descriptors) {
        assert_eq!(rig.guest.get(at, 24), bytes[..24]);
    }
}

#[test]
fn a_descriptor_is_read_once() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 4);
    rig.guest.put(DATA, &noise(3, 2 << 20));
    let at = rig.submit(0, descriptor(COPY_IN, 0, 2 * MIB, DATA, 0));
    assert!(rig.step());
    // The guest changes what is under way.
    rig.guest.put(at, &descriptor(9, 9, 9, u64::MAX, u64::MAX));
    rig.work();
    assert_eq!((rig.status(at), rig.queue(0)), (1, (1, 1, 0)));
    assert!(rig.ram().get(0, 2 << 20) == noise(3, 2 << 20));
}
