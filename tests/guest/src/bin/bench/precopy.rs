// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What pre-copy leaves for stop-copy, while the memory is written to.

use vmig_vfio::State;

use crate::card::{Card, MIB, PAGE};
use crate::figure::{Figure, Kind, Series};
use crate::report::Report;
use crate::state;

const GROUP: &str = "Left for stop-copy";

/// MiB of memory, all of it full.
const MEMORY: usize = 64;
const PAGES: usize = MEMORY * MIB / PAGE;
/// Rounds of pre-copy after the first. The memory is written to before each, and before the stop.
const ROUNDS: usize = 3;
const RUNS: usize = 2;
/// Percent of the pages that are written to in a round.
const RATES: [usize; 4] = [0, 1, 10, 50];

/// Measures all rates.
pub(crate) fn measure(report: &mut Report) {
    let card = Card::new(MEMORY, " codec=zero");
    card.fill(MEMORY);
    for rate in RATES {
        let left = (0..RUNS).map(|run| left(&card, rate, run)).collect();
        report.add(Figure::Measured {
            group: GROUP,
            kind: Kind::Size,
            own: Series::new(format!("{rate} % of {MEMORY} MiB written in a round"), left),
            peer: Series::new("the memory", vec![(MEMORY * MIB) as u64; RUNS]),
        });
    }
}

/// Bytes that are left when the device has stopped.
fn left(card: &Card, rate: usize, run: usize) -> u64 {
    let mut buffer = vec![0; MIB];
    let data = state::enter(&card.device, State::PreCopy);
    let first = state::drain(&data, &mut buffer, |_| ());
    assert!(first >= MEMORY * MIB, "{first} bytes are not all");
    for round in 0..=ROUNDS {
        let count = PAGES * rate / 100;
        for page in scattered(run * (ROUNDS + 1) + round).take(count) {
            let byte = [round.to_le_bytes()[0]];
            card.memory.write(page * PAGE, &byte).expect("mapping");
        }
        if round < ROUNDS {
            let sent = state::drain(&data, &mut buffer, |_| ());
            assert!(
                sent >= count * PAGE,
                "{sent} bytes are not all that changed"
            );
        }
    }
    state::go(&card.device, State::StopCopy);
    let left = state::drain(&data, &mut buffer, |_| ());
    assert!(
        left >= PAGES * rate / 100 * PAGE,
        "{left} bytes are too few"
    );
    state::go(&card.device, State::Running);
    left as u64
}

/// All pages in an order that depends on `seed`, no two neighbours near each other.
fn scattered(seed: usize) -> impl Iterator<Item = usize> {
    // An odd factor: each page comes once.
    (0..PAGES).map(move |i| (i * 6_553 + seed * 101) % PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scattered_pages_are_all_pages() {
        let mut seen: Vec<usize> = scattered(3).collect();
        assert_ne!(seen, scattered(4).collect::<Vec<_>>());
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..PAGES));
    }
}
