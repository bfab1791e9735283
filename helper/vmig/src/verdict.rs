// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Verdicts, and how those of several destinations become one.

use std::fmt;

use serde::Serialize;

/// Whether a destination can take a device with a given list.
///
/// Ascending: of several destinations, the best is what is known if any will do, the worst if all
/// must. That is three-valued logic in which [`Verdict::Unknown`] and [`Verdict::Possible`] are both
/// neither yes nor no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is declared that it cannot.
    Incompatible,
    /// The destination could not be read.
    Unknown,
    /// Declared, but not certain: a value is not covered by any `allowed_values`.
    Possible,
    /// It is declared that it can.
    Compatible,
}

impl Verdict {
    /// Whether the answer is a plain no.
    pub fn is_no(self) -> bool {
        self == Self::Incompatible
    }

    /// The verdict where any of the destinations will do; of none, [`Verdict::Unknown`].
    ///
    /// ```
    /// use vmig::verdict::Verdict::{self, *};
    ///
    /// assert_eq!(Verdict::any([Incompatible, Compatible, Unknown]), Compatible);
    /// assert_eq!(Verdict::all([Possible, Compatible, Unknown]), Unknown);
    /// ```
    pub fn any(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Unknown)
    }

    /// The verdict where all of the destinations must; of none, [`Verdict::Unknown`].
    pub fn all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().min().unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incompatible => "incompatible",
            Self::Unknown => "unknown",
            Self::Possible => "possible",
            Self::Compatible => "compatible",
        })
    }
}
