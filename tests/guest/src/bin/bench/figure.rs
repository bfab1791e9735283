// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Figures: what a thing took, and what its peer took in the same run.
//!
//! Values are in thousandths, so that they can be told without floating point.

use std::fmt;

use serde_json::{json, Value};

/// What the raw figures are, and which of them counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nanoseconds for moving so many bytes. The fastest run: what else goes on only takes away.
    Rate {
        /// Bytes moved in a run.
        bytes: u64,
    },
    /// Nanoseconds for so many operations. The median: a single one may be lucky.
    Latency {
        /// Operations in a run.
        operations: u64,
    },
    /// Bytes. The most of all runs.
    Size,
    /// Instructions for moving so many bytes. The median.
    Instructions {
        /// Bytes moved in a run.
        bytes: u64,
    },
}

impl Kind {
    /// Of the value, and of the raw figures.
    fn units(self) -> (&'static str, &'static str) {
        match self {
            Self::Rate { .. } => ("MB/s", "ns"),
            Self::Latency { .. } => ("ns", "ns"),
            Self::Size => ("MiB", "bytes"),
            Self::Instructions { .. } => ("instructions/byte", "instructions"),
        }
    }

    /// By what a raw figure is divided, or for a rate, what is divided by it.
    fn amount(self) -> u64 {
        match self {
            Self::Rate { bytes } | Self::Instructions { bytes } => bytes,
            Self::Latency { operations } => operations,
            Self::Size => 1 << 20,
        }
    }

    /// The value of several runs, in thousandths of the unit; 0 if there is none.
    fn value(self, raw: &[u64]) -> u64 {
        let chosen = match self {
            Self::Rate { .. } => raw.iter().min().copied(),
            Self::Latency { .. } | Self::Instructions { .. } => median(raw),
            Self::Size => raw.iter().max().copied(),
        };
        let chosen = chosen.unwrap_or(0);
        match self {
            // Bytes in a microsecond are MB/s.
            Self::Rate { bytes } => scaled(bytes, 1_000_000, chosen),
            _ => scaled(chosen, 1000, self.amount()),
        }
    }
}

/// The one in the middle, the lower one of two.
fn median(raw: &[u64]) -> Option<u64> {
    let mut sorted = raw.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// `number` times `factor` by `divisor`, rounded; 0 if there is no such number.
fn scaled(number: u64, factor: u64, divisor: u64) -> u64 {
    let (divisor, product) = (u128::from(divisor), u128::from(number) * u128::from(factor));
    let quotient = (product + divisor / 2).checked_div(divisor);
    quotient
        .and_then(|number| number.try_into().ok())
        .unwrap_or(0)
}

/// What several runs of one thing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Series {
    /// The thing.
    pub(crate) name: String,
    /// One figure for each run.
    pub(crate) raw: Vec<u64>,
}

impl Series {
    /// `raw` for a thing called `name`.
    pub(crate) fn new(name: impl Into<String>, raw: Vec<u64>) -> Self {
        let name = name.into();
        Self { name, raw }
    }
}

/// A thing beside its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Measured.
    Measured {
        /// The table that it is a row of.
        group: &'static str,
        /// What the raw figures are.
        kind: Kind,
        /// The thing.
        own: Series,
        /// What it is compared with.
        peer: Series,
    },
    /// What this machine cannot tell.
    Unknown {
        /// As above.
        group: &'static str,
        /// The thing.
        name: String,
        /// Why not.
        why: String,
    },
}

impl Figure {
    /// The table that it is a row of.
    pub(crate) fn group(&self) -> &'static str {
        match self {
            Self::Measured { group, .. } | Self::Unknown { group, .. } => group,
        }
    }

    /// As it stands in the file; see [`crate::report`].
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Measured {
                group,
                kind,
                own,
                peer,
            } => {
                let (unit, raw_unit) = kind.units();
                let (value, beside) = (kind.value(&own.raw), kind.value(&peer.raw));
                json!({
                    "group": group, "name": own.name, "unit": unit, "value": decimal(value),
                    "peer": {"name": peer.name, "value": decimal(beside)},
                    "ratio": decimal(scaled(value, 1000, beside)),
                    "raw": {
                        "unit": raw_unit, "amount": kind.amount(), "own": own.raw, "peer": peer.raw,
                    },
                })
            }
            Self::Unknown { group, name, why } => {
                json!({"group": group, "name": name, "value": null, "why": why})
            }
        }
    }
}

/// A row of the table.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured {
                kind, own, peer, ..
            } => {
                let (value, beside) = (kind.value(&own.raw), kind.value(&peer.raw));
                let ratio = text(scaled(value, 1000, beside));
                let (value, beside) = (text(value), text(beside));
                let (name, unit, peer) = (&own.name, kind.units().0, &peer.name);
                write!(
                    f,
                    "{name:<44} {value:>12} {unit}, {ratio} of {peer} ({beside})"
                )
            }
            Self::Unknown { name, why, .. } => write!(f, "{name:<44}      unknown: {why}"),
        }
    }
}

/// Thousandths as a decimal fraction.
fn text(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// The same as a number for JSON.
fn decimal(thousandths: u64) -> Value {
    // A decimal fraction is a number in JSON, too.
    text(thousandths).parse().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_that_counts_depends_on_what_is_measured() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7]), Some(7));
        assert_eq!(median(&[9, 1]), Some(1));
        assert_eq!(median(&[9, 1, 5]), Some(5));
        // 2 MB in 4 ms, at best.
        let rate = Kind::Rate { bytes: 2_000_000 };
        assert_eq!(rate.value(&[5_000_000, 4_000_000, 9_000_000]), 500_000);
        let latency = Kind::Latency { operations: 4 };
        assert_eq!(latency.value(&[1000, 9000, 4000]), 1_000_000);
        assert_eq!(Kind::Size.value(&[1 << 20, 3 << 19]), 1500);
        let instructions = Kind::Instructions { bytes: 1000 };
        assert_eq!(instructions.value(&[2500, 1500, 9000]), 2500);
    }

    #[test]
    fn nothing_is_no_panic() {
        assert_eq!(Kind::Rate { bytes: u64::MAX }.value(&[]), 0);
        assert_eq!(Kind::Rate { bytes: u64::MAX }.value(&[1]), 0);
        assert_eq!(Kind::Latency { operations: 0 }.value(&[1]), 0);
        assert_eq!(scaled(u64::MAX, 1000, 1000), u64::MAX);
        assert_eq!(
            [scaled(1, 1000, 3), scaled(2, 1000, 3), scaled(1, 1, 0)],
            [333, 667, 0]
        );
    }

    #[test]
    fn thousandths_are_decimal_fractions() {
        assert_eq!(text(0), "0.000");
        assert_eq!(text(12_345), "12.345");
        assert_eq!(decimal(50).to_string(), "0.05");
        assert_eq!(decimal(812_000).to_string(), "812.0");
    }
}
