// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Sets of values, as `allowed_values` and constraints declare them.

mod strs;

use std::{
    collections::BTreeSet,
    fmt, //
};

use serde::{
    ser::SerializeSeq,
    Serialize,
    Serializer, //
};

pub use self::strs::StrSet;
use crate::value::{
    Type,
    Value, //
};

/// A set of ints as closed intervals.
///
/// # Invariants
///
/// The intervals are ascending, each has its smaller end first, and between two neighbours at least
/// one int is missing. So equal sets are equal values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ints(Vec<(u64, u64)>);

impl Ints {
    /// The set of everything in `intervals`, which may overlap and stand in any order.
    ///
    /// ```
    /// use vmig::set::Ints;
    ///
    /// let set = Ints::new(vec![(9, 9), (1, 4), (5, 6), (2, 3)]);
    /// assert_eq!(set.intervals(), [(1, 6), (9, 9)]);
    /// ```
    pub fn new(mut intervals: Vec<(u64, u64)>) -> Self {
        intervals.retain(|(min, max)| min <= max);
        intervals.sort_unstable();
        intervals.dedup_by(|(min, max), (_, end)| {
            let merge = *min <= end.saturating_add(1);
            if merge {
                *end = *max.max(end);
            }
            merge
        });
        intervals.shrink_to_fit();
        // INVARIANT: sorted by `min`; an interval that overlaps or touches the one before it is
        // merged into it.
        Self(intervals)
    }

    /// The intervals, both ends included.
    pub fn intervals(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Whether `n` is in the set.
    pub fn contains(&self, n: u64) -> bool {
        let after = self.0.partition_point(|(min, _)| *min <= n);
        after > 0 && self.0.get(after - 1).is_some_and(|(_, max)| n <= *max)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in both sets.
    ///
    /// ```
    /// use vmig::set::Ints;
    ///
    /// let (a, b) = (Ints::new(vec![(0, 4), (8, 9)]), Ints::new(vec![(3, 8)]));
    /// assert_eq!(a.intersection(&b).intervals(), [(3, 4), (8, 8)]);
    /// assert_eq!(a.complement().intervals(), [(5, 7), (10, u64::MAX)]);
    /// ```
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some((a_min, a_max)), Some((b_min, b_max))) = (a.peek(), b.peek()) {
            let (min, max) = (*a_min.max(b_min), *a_max.min(b_max));
            if min <= max {
                both.push((min, max));
            }
            if a_max <= b_max {
                a.next();
            } else {
                b.next();
            }
        }
        // INVARIANT: parts of ascending intervals that do not touch do not touch either.
        Self(both)
    }

    /// Every int that is not in the set.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut rest = Vec::with_capacity(self.0.len() + 1);
        let mut from = Some(0);
        for (min, max) in &self.0 {
            if let Some(start) = from.filter(|start| start < min) {
                rest.push((start, min - 1));
            }
            from = max.checked_add(1);
        }
        rest.extend(from.map(|start| (start, u64::MAX)));
        // INVARIANT: between two of these there is an interval of the set.
        Self(rest)
    }

    /// Whether everything in this set is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|(min, max)| {
            let after = other.0.partition_point(|(start, _)| start <= min);
            after > 0 && other.0.get(after - 1).is_some_and(|(_, end)| max <= end)
        })
    }
}

/// A set of values of one type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Set {
    /// Every value of the type; no `allowed_values` were declared.
    Any,
    /// Bools.
    Bools(BTreeSet<bool>),
    /// Ints.
    Ints(Ints),
    /// Strs.
    Strs(StrSet),
}

impl Set {
    /// Whether `value` is in the set; a value of another type is not. [`Set::Any`] has them all.
    pub fn contains(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _) => true,
            (Self::Bools(set), Value::Bool(b)) => set.contains(b),
            (Self::Ints(set), Value::Int(n)) => set.contains(*n),
            (Self::Strs(set), Value::Str(s)) => set.contains(s),
            (Self::Bools(_) | Self::Ints(_) | Self::Strs(_), _) => false,
        }
    }

    /// The set of these values of type `kind`; values of another type are left out.
    pub fn of(kind: Type, values: impl IntoIterator<Item = Value>) -> Self {
        let values = values.into_iter();
        match kind {
            Type::Bool => Self::Bools(values.filter_map(as_bool).collect()),
            Type::Int => Self::Ints(Ints::new(values.filter_map(as_int).collect())),
            Type::Str => Self::Strs(values.filter_map(as_str).collect()),
        }
    }
}

fn as_bool(value: Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(b),
        Value::Int(_) | Value::Str(_) => None,
    }
}

fn as_int(value: Value) -> Option<(u64, u64)> {
    match value {
        Value::Int(n) => Some((n, n)),
        Value::Bool(_) | Value::Str(_) => None,
    }
}

fn as_str(value: Value) -> Option<String> {
    match value {
        Value::Str(s) => Some(s),
        Value::Bool(_) | Value::Int(_) => None,
    }
}

/// The SET of the output: an ascending array, or `"any"`.
impl Serialize for Set {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Bools(set) => serializer.collect_seq(set),
            Self::Strs(set) => serializer.collect_seq(set.iter()),
            Self::Ints(set) => {
                let mut seq = serializer.serialize_seq(Some(set.0.len()))?;
                for (min, max) in &set.0 {
                    if min == max {
                        seq.serialize_element(min)?;
                    } else {
                        seq.serialize_element(&format!("{min}-{max}"))?;
                    }
                }
                seq.end()
            }
        }
    }
}

/// For people: `off, on`, `1-4, 8`, `anything`; of very many items the first ones.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 32;
        let (items, all): (Vec<String>, usize) = match self {
            Self::Any => return f.write_str("anything"),
            Self::Bools(set) => {
                let items = set.iter().map(|b| Value::Bool(*b).to_string());
                (items.collect(), set.len())
            }
            Self::Strs(set) => {
                let items = set.iter().take(SHOWN).map(str::to_owned);
                (items.collect(), set.len())
            }
            Self::Ints(set) => {
                let items = set.0.iter().take(SHOWN).map(interval);
                (items.collect(), set.0.len())
            }
        };
        match items.len() {
            0 => f.write_str("nothing"),
            shown if shown < all => write!(f, "{}, and {} more", items.join(", "), all - shown),
            _ => f.write_str(&items.join(", ")),
        }
    }
}

fn interval((min, max): &(u64, u64)) -> String {
    if min == max {
        min.to_string()
    } else {
        format!("{min}-{max}")
    }
}
