// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! How fast a state is saved and loaded, beside a pipe and a copy in memory.

use vmig_vfio::State;

use crate::card::{Card, MIB};
use crate::figure::{Figure, Kind, Series};
use crate::meter::{Meter, Taken};
use crate::report::Report;
use crate::{peer, state};

const RATES: &str = "Save and load";
const INSTRUCTIONS: &str = "Instructions";

/// Each thing is done as often, by turns.
const RUNS: usize = 5;

/// MiB of memory, all of it full, and more parameters.
const CARDS: [(usize, &str); 3] = [(64, " codec=zero"), (64, ""), (256, " codec=zero")];

/// Measures all cards.
pub(crate) fn measure(meter: &mut Meter, report: &mut Report) {
    let mut all = Vec::new();
    for (mib, more) in CARDS {
        let runs = run(meter, mib, more);
        rates(report, &runs);
        all.push(runs);
    }
    for runs in all {
        for (what, own) in runs.ours() {
            let name = format!("{what}, {}", runs.name);
            report.add(instructions(meter, &runs, name, own));
        }
    }
}

fn rates(report: &mut Report, runs: &Runs) {
    for (what, own) in runs.ours() {
        for (name, peer) in [("a pipe", &runs.pipe), ("a copy in memory", &runs.copy)] {
            report.add(Figure::Measured {
                group: RATES,
                kind: Kind::Rate { bytes: runs.bytes },
                own: Series::new(format!("{what}, {}", runs.name), times(own)),
                peer: Series::new(name, times(peer)),
            });
        }
    }
}

/// What all runs took.
struct Runs {
    /// What is moved.
    name: String,
    /// Length of the state.
    bytes: u64,
    save: Vec<Taken>,
    load: Vec<Taken>,
    pipe: Vec<Taken>,
    copy: Vec<Taken>,
}

impl Runs {
    /// What is not a peer.
    fn ours(&self) -> [(&'static str, &[Taken]); 2] {
        [("save", &self.save), ("load", &self.load)]
    }
}

fn run(meter: &mut Meter, mib: usize, more: &str) -> Runs {
    let (source, destination) = (Card::new(mib, more), Card::new(mib, more));
    source.fill(mib);
    state::go(&source.device, State::Stop);
    let (mut stream, mut buffer) = (Vec::with_capacity((mib + 1) * MIB), vec![0; MIB]);
    state::save(&source.device, &mut buffer, |piece| stream.extend(piece));
    let mut runs = Runs {
        name: format!("{mib} MiB{}", more.replace(' ', ", ")),
        bytes: stream.len() as u64,
        save: Vec::new(),
        load: Vec::new(),
        pipe: Vec::new(),
        copy: Vec::new(),
    };
    for _ in 0..RUNS {
        let (taken, ()) = meter.run(|| peer::through_pipe(&stream, &mut buffer));
        runs.pipe.push(taken);
        let (taken, total) = meter.run(|| state::save(&source.device, &mut buffer, |_| ()));
        assert_eq!(total, stream.len());
        runs.save.push(taken);
        let (taken, ()) = meter.run(|| peer::copied(&stream, &mut buffer));
        runs.copy.push(taken);
        // As a destination is that was just made: without memory.
        destination.device.reset().expect("reset");
        state::go(&destination.device, State::Stop);
        let (taken, ()) = meter.run(|| state::load(&destination.device, &stream));
        runs.load.push(taken);
    }
    destination.check(mib);
    runs
}

fn times(runs: &[Taken]) -> Vec<u64> {
    runs.iter().map(|taken| taken.ns).collect()
}

fn instructions(meter: &Meter, runs: &Runs, name: String, own: &[Taken]) -> Figure {
    let counts = |runs: &[Taken]| -> Option<Vec<u64>> {
        runs.iter().map(|taken| taken.instructions).collect()
    };
    match (counts(own), counts(&runs.pipe)) {
        (Some(own), Some(pipe)) => Figure::Measured {
            group: INSTRUCTIONS,
            kind: Kind::Instructions { bytes: runs.bytes },
            own: Series::new(name, own),
            peer: Series::new("a pipe", pipe),
        },
        _ => Figure::Unknown {
            group: INSTRUCTIONS,
            name,
            why: meter.trouble().unwrap_or("not all were counted").to_owned(),
        },
    }
}
