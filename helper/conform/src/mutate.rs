// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Bad streams, made from a good one without knowing its format.
//!
//! There are too many of them to try all: `limit` is about how many of a kind are picked at most. Which
//! ones depends on the limit and the length alone, so that two runs on one device do the same.

/// How many bytes all truncated copies of one stream have together, at most.
const CUT_BYTES: usize = 256 << 20;

/// Numbers that a length or an offset had better not be.
const HOSTILE: [u64; 6] = [
    0xffff_ffff,
    0x8000_0000,
    0x7fff_ffff,
    1 << 63,
    u64::MAX,
    u64::MAX >> 1,
];

/// A generator of numbers that look random (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Lengths below `len` to cut a stream of `len` bytes to, ascending: all, or a sample that has those
/// near both ends.
pub(crate) fn cuts(len: usize, limit: usize) -> Vec<usize> {
    let mut cuts = sample(len, limit);
    // From the end: there the least is missing, and those are worth most.
    cuts.reverse();
    let mut bytes = 0_usize;
    cuts.retain(|&cut| {
        if len - cut <= 16 || cut <= 64 {
            return true;
        }
        bytes = bytes.saturating_add(cut);
        bytes <= CUT_BYTES
    });
    cuts.reverse();
    cuts
}

/// A bit of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bit {
    pub(crate) byte: usize,
    pub(crate) bit: u8,
}

/// Bits of a stream of `len` bytes to flip, one at a time: all, or a sample.
pub(crate) fn flips(len: usize, limit: usize) -> Vec<Bit> {
    let bits = sample(len.saturating_mul(8), limit);
    let bits = bits.into_iter().map(|n| Bit {
        byte: n / 8,
        bit: (n % 8) as u8,
    });
    bits.collect()
}

/// A copy with one bit flipped. A bit that the stream does not have changes nothing.
pub(crate) fn flipped(stream: &[u8], at: Bit) -> Vec<u8> {
    let mut copy = stream.to_vec();
    if let Some(byte) = copy.get_mut(at.byte) {
        *byte ^= 1 << (at.bit & 7);
    }
    copy
}

/// Copies in which one aligned word near the beginning is a hostile number: all, or a sample. The words
/// are those of 4 and 8 bytes in the first `reach` bytes.
pub(crate) fn hostile(
    stream: &[u8],
    reach: usize,
    limit: usize,
) -> impl Iterator<Item = Vec<u8>> + '_ {
    let reach = reach.min(stream.len());
    let places = [4, 8].into_iter().flat_map(move |width| {
        let offsets = (0..reach).step_by(width);
        offsets.flat_map(move |offset| HOSTILE.map(|number| (offset, width, number)))
    });
    let words = places.filter_map(move |(offset, width, number)| {
        let bytes = number.to_le_bytes().get(..width)?.to_vec();
        let place = offset..offset + width;
        // What is there already, or does not fit, is no new stream.
        let is_new = stream.get(place.clone())? != bytes;
        (is_new && (width == 8 || number <= u64::from(u32::MAX))).then_some((place, bytes))
    });
    let words: Vec<_> = words.collect();
    let picked = sample(words.len(), limit);
    picked.into_iter().filter_map(move |i| {
        let (place, bytes) = words.get(i)?;
        let mut copy = stream.to_vec();
        copy.get_mut(place.clone())?.copy_from_slice(bytes);
        Some(copy)
    })
}

/// Up to about `limit` of the numbers below `len`, ascending, each once: the first and last
/// quarters of the sample are the ends, the rest lies between.
fn sample(len: usize, limit: usize) -> Vec<usize> {
    if len <= limit {
        return (0..len).collect();
    }
    let end = limit / 4;
    let mut numbers = Numbers::new(len as u64);
    let middle = len - 2 * end;
    let mut picked: Vec<_> = (0..end).chain(len - end..len).collect();
    picked.extend((0..limit / 2).map(|_| end + numbers.below(middle)));
    picked.sort_unstable();
    picked.dedup();
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1024;

    #[test]
    fn short_streams_are_cut_everywhere() {
        assert_eq!(cuts(0, LIMIT), [0_usize; 0]);
        assert_eq!(cuts(1, LIMIT), [0]);
        assert_eq!(cuts(1000, LIMIT), (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn long_streams_are_cut_near_both_ends_and_between() {
        for len in [LIMIT + 1, 1 << 20, 1 << 30] {
            let cuts = cuts(len, LIMIT);
            assert!(cuts.len() <= LIMIT);
            assert!(cuts.is_sorted_by(|a, b| a < b));
            assert!((0..64).all(|cut| cuts.contains(&cut)));
            assert!(cuts.ends_with(&(len - 3..len).collect::<Vec<_>>()), "{len}");
            let between = cuts.iter().any(|&cut| cut > 300 && cut < len - 300);
            assert!(between || len > CUT_BYTES, "{len}");
        }
    }

    #[test]
    fn the_work_for_cuts_is_bounded() {
        let total: usize = cuts(64 << 20, LIMIT).iter().sum();
        assert!(total <= CUT_BYTES + 16 * (64 << 20) + 64 * 64, "{total}");
    }

    #[test]
    fn a_flip_changes_one_bit() {
        let stream = [0_u8; 100];
        for bit in flips(stream.len(), LIMIT) {
            let copy = flipped(&stream, bit);
            let ones: u32 = copy.iter().map(|byte| byte.count_ones()).sum();
            assert_eq!(ones, 1);
            assert_ne!(copy[bit.byte], 0);
        }
        assert_eq!(flips(100, LIMIT).len(), 800);
        assert!(flips(1 << 20, LIMIT).len() <= LIMIT);
        assert_eq!(flipped(&[1], Bit { byte: 1, bit: 0 }), [1]);
    }

    #[test]
    fn hostile_words_replace_and_never_move() {
        let stream: Vec<u8> = (0..20).collect();
        let copies: Vec<_> = hostile(&stream, 16, LIMIT).collect();
        // Four places of 4 bytes with the numbers that fit, two of 8 with all.
        assert_eq!(copies.len(), 4 * 3 + 2 * 6);
        for copy in &copies {
            assert_eq!(copy.len(), stream.len());
            assert_ne!(*copy, stream);
        }
        assert!(copies.iter().any(|copy| copy[4..8] == [255; 4]));
        assert_eq!(hostile(&[0; 3], 16, LIMIT).count(), 0);
        assert_eq!(hostile(&[255; 8], 16, LIMIT).count(), 2 * 2 + 5);
        // A sample is some of them, and those at both ends.
        let some: Vec<_> = hostile(&stream, 16, 8).collect();
        assert!(some.len() <= 8 && some.len() > 4);
        assert!(some.iter().all(|copy| copies.contains(copy)));
        assert_eq!((some.first(), some.last()), (copies.first(), copies.last()));
    }

    #[test]
    fn numbers_repeat_with_the_seed() {
        let run = |seed| {
            let mut numbers = Numbers::new(seed);
            [(); 4].map(|()| numbers.below(1000))
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
