// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Protocol version 1: a data section that is trapped, beside one that is mapped.

use std::time::Instant;

use guest::region::{area, Migration, Way, RUNNING, STOP, STOP_COPY};

use crate::card::Card;
use crate::figure::{Figure, Kind, Series};
use crate::meter::nanos;
use crate::report::Report;

const GROUP: &str = "Protocol version 1";

/// MiB of memory, and those of it that are full: a trapped access moves 8 bytes.
const MEMORY: usize = 16;
const FULL: usize = 4;
const RUNS: usize = 3;

/// Measures saving and loading.
///
/// # Panics
///
/// If a step is refused.
pub(crate) fn measure(report: &mut Report) {
    let (source, destination) = (Card::new(MEMORY, ""), Card::new(MEMORY, ""));
    source.fill(FULL);
    let [mut saves, mut loads] = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    let mut bytes = 0;
    for _ in 0..RUNS {
        for (i, way) in [Way::Trapped, Way::Mapped].into_iter().enumerate() {
            let from = Migration::of(&source.device, way);
            let start = Instant::now();
            let stream = save(&from);
            saves[i].push(nanos(start));
            bytes = stream.len() as u64;
            let to = Migration::of(&destination.device, way);
            let size = usize::try_from(area(to.region()).size).expect("a size in memory");
            let start = Instant::now();
            to.load(&stream, size).expect("load");
            loads[i].push(nanos(start));
            destination.check(FULL);
        }
    }
    for (what, [trapped, mapped]) in [("save", saves), ("load", loads)] {
        report.add(Figure::Measured {
            group: GROUP,
            kind: Kind::Rate { bytes },
            own: Series::new(format!("{what}, {FULL} MiB, trapped"), trapped),
            peer: Series::new("mapped", mapped),
        });
    }
}

/// The state of a device, which runs before and after.
fn save(from: &Migration<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    from.set(STOP_COPY);
    while let Some(piece) = from.round() {
        stream.extend_from_slice(&piece);
    }
    from.set(STOP);
    from.set(RUNNING);
    stream
}
