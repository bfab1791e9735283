// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The table, row by row as it is measured, and the file.
//!
//! The file is a JSON object of schema `vmig.bench/1`: `kernel` (release), `processor` (model name),
//! `processors` (number of them), and `figures`, each with its `group` and `name`. One that was
//! measured has `value` in `unit`, `peer` with its `name` and `value`, `ratio` of the two values,
//! and `raw`: one number for each run of both, in its own `unit`; where the value is a quotient,
//! `amount` is the other number of it. One that cannot be measured on this machine has the `value`
//! null and the reason in `why`.

use serde_json::{json, Value};

use crate::figure::Figure;

/// Where it was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// Model name of the processor.
    pub(crate) processor: String,
    /// Number of processors.
    pub(crate) processors: usize,
}

impl Machine {
    /// From `osrelease` and `/proc/cpuinfo`.
    pub(crate) fn new(release: &str, cpuinfo: &str) -> Self {
        let mut models = cpuinfo.lines().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim_end() == "model name").then_some(value.trim())
        });
        let processor = models.next().unwrap_or("unknown").to_owned();
        Self {
            kernel: release.to_owned(),
            processor,
            processors: 1 + models.count(),
        }
    }
}

/// All figures so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Adds a figure, and prints it.
    pub(crate) fn add(&mut self, figure: Figure) {
        if self.figures.last().map(Figure::group) != Some(figure.group()) {
            println!("\n{}", figure.group());
        }
        println!("  {figure}");
        self.figures.push(figure);
    }

    /// The file.
    pub(crate) fn json(&self, machine: &Machine) -> Value {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        json!({
            "schema": "vmig.bench/1", "kernel": machine.kernel, "processor": machine.processor,
            "processors": machine.processors, "figures": figures,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Kind, Series};

    /// What `vmig-bench` draws charts of in its own test.
    const GOLDEN: &str = include_str!("../../../../golden/bench.json");

    #[test]
    fn the_file_is_as_documented() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A Processor\nflags\t\t: fpu\n\n\
                       processor\t: 1\nmodel name\t: A Processor\n";
        let machine = Machine::new("7.3.4", cpuinfo);
        let mut report = Report::default();
        report.add(Figure::Measured {
            group: "Save and load",
            kind: Kind::Rate { bytes: 64_000_000 },
            own: Series::new("save, 64 MiB", vec![100_000_000, 80_000_000]),
            peer: Series::new("a pipe", vec![64_000_000, 90_000_000]),
        });
        report.add(Figure::Measured {
            group: "Left for stop-copy",
            kind: Kind::Size,
            own: Series::new("10 % written in a round", vec![6_710_886, 6_700_000]),
            peer: Series::new("the memory", vec![67_108_864; 2]),
        });
        report.add(Figure::Unknown {
            group: "Instructions",
            name: "save, 64 MiB".to_owned(),
            why: "no counter".to_owned(),
        });
        let golden: Value = serde_json::from_str(GOLDEN).unwrap();
        assert_eq!(report.json(&machine), golden);
    }

    #[test]
    fn a_machine_without_a_name_has_one_processor() {
        let machine = Machine::new("7.3.4", "");
        assert_eq!(
            (machine.processor.as_str(), machine.processors),
            ("unknown", 1)
        );
    }
}
