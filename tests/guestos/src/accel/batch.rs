// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A batch of descriptors, and what should come of it.
//!
//! All of it follows from the queue and the number of the round, so that what an earlier round left in
//! device memory can be made again.

use super::card::{Card, Descriptor};
use super::dma;
use crate::crc::crc32c;
use crate::noise::Noise;
use crate::Result;

/// Operations.
const COPY_IN: u8 = 1;
const COPY_OUT: u8 = 2;
const COPY_WITHIN: u8 = 3;
const FILL: u8 = 4;
const SUM: u8 = 5;

/// Status of a descriptor that is done.
const DONE: u32 = 1;

/// Most bytes of a copy.
const MOST: u32 = 2048;

/// Parts of a queue's share of the device memory: where data comes in, where a pattern goes, and
/// [`KEPT`] places for what stays.
const IN: u64 = 0;
const PATTERN: u64 = 0x1_0000;
const PLACES: u64 = 0x2_0000;
const PLACE_LEN: u64 = 0x4000;

/// Rounds that what a batch leaves in device memory stays there.
const KEPT: u64 = 16;

/// What a round is about.
struct Round {
    /// What is copied in, within, and out.
    data: Vec<u8>,
    /// How far from their places things are, so that little is aligned.
    shift: u64,
    /// The pattern, and how much of it.
    pattern: [u8; 8],
    filled: usize,
}

impl Round {
    fn new(queue: usize, round: u64) -> Self {
        let mut noise = Noise::new((round << 8) | u64::try_from(queue).unwrap_or(0));
        let len = 1 + noise.below(MOST);
        let shift = u64::from(noise.below(61));
        let filled = 1 + noise.below(MOST);
        let pattern = noise.next().to_le_bytes();
        Self {
            data: noise.bytes(usize::try_from(len).unwrap_or(1)),
            shift,
            pattern,
            filled: usize::try_from(filled).unwrap_or(1),
        }
    }

    /// Where it stays.
    fn place(&self, round: u64) -> u64 {
        PLACES + round % KEPT * PLACE_LEN + self.shift
    }
}

/// What a batch has shown.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Results that are not as computed.
    pub(super) wrong: u64,
    /// Descriptors with another status than done.
    pub(super) failed: u64,
    /// Checksums.
    pub(super) sums: u64,
}

/// A batch.
pub(super) struct Batch {
    /// The share of the device memory begins here.
    base: u64,
    /// The share of guest memory, for the card.
    iova: u64,
    number: u64,
    round: Round,
    /// What is in the place that this round will take.
    before: Option<Round>,
    sums: bool,
}

impl Batch {
    /// Puts data for `queue` into memory.
    pub(super) fn new(card: &Card, queue: usize, number: u64) -> Result<Self> {
        let round = Round::new(queue, number);
        let shift = usize::try_from(round.shift)?;
        let at = dma::SHARE * queue;
        card.memory.write(at + dma::SOURCE + shift, &round.data)?;
        for target in dma::TARGETS {
            // What stays if the card writes nothing.
            card.memory
                .write(at + target, &vec![0xa5; usize::try_from(MOST)? + 64])?;
        }
        let bytes = u64::from(card.memory_mib()) << 20;
        let shares = u64::try_from(card.queues())?;
        Ok(Self {
            base: bytes / shares / PLACE_LEN * PLACE_LEN * u64::try_from(queue)?,
            iova: dma::BASE + u64::try_from(at)?,
            number,
            before: number
                .checked_sub(KEPT)
                .map(|number| Round::new(queue, number)),
            sums: card.sums(queue),
            round,
        })
    }

    /// What the card is to do.
    pub(super) fn descriptors(&self) -> Vec<Descriptor> {
        let Self {
            round, base, iova, ..
        } = self;
        let [old, data, pattern] = dma::TARGETS.map(|target| iova + target as u64);
        let (source, length) = (iova + dma::SOURCE as u64 + round.shift, round.data.len());
        let place = base + round.place(self.number);
        let of = |operation, source, destination, length| Descriptor {
            operation,
            length,
            source,
            destination,
        };
        let mut list = Vec::new();
        if let Some(before) = &self.before {
            let place = base + before.place(self.number);
            list.push(of(COPY_OUT, place, old, before.data.len()));
        }
        list.extend([
            of(COPY_IN, source, base + IN + round.shift, length),
            of(COPY_WITHIN, base + IN + round.shift, place, length),
            of(
                FILL,
                u64::from_le_bytes(round.pattern),
                base + PATTERN,
                round.filled,
            ),
            of(COPY_OUT, base + PATTERN, pattern, round.filled),
            of(COPY_OUT, place, data + round.shift, length),
        ]);
        if self.sums {
            list.push(of(SUM, place, 0, length));
        }
        list
    }

    /// Looks at all that the card has written.
    pub(super) fn judge(&self, card: &Card, queue: usize) -> Result<Judged> {
        let written = card.written(queue, self.descriptors().len())?;
        let mut judged = Judged {
            failed: written
                .iter()
                .filter(|it| it.status != DONE)
                .map(|_| 1)
                .sum(),
            ..Judged::default()
        };
        let mut compare = |target: usize, expected: &[u8]| -> Result<()> {
            let mut found = vec![0; expected.len()];
            card.memory.read(dma::SHARE * queue + target, &mut found)?;
            judged.wrong += u64::from(found != expected);
            Ok(())
        };
        let [old, data, pattern] = dma::TARGETS;
        if let Some(before) = &self.before {
            compare(old, &before.data)?;
        }
        let shift = usize::try_from(self.round.shift)?;
        compare(data + shift, &self.round.data)?;
        let repeated = self.round.pattern.iter().copied().cycle();
        let repeated: Vec<u8> = repeated.take(self.round.filled).collect();
        compare(pattern, &repeated)?;
        if self.sums {
            let sum = written.last().map(|it| it.result);
            judged.wrong += u64::from(sum != Some(crc32c(&self.round.data)));
            judged.sums = 1;
        }
        Ok(judged)
    }
}
