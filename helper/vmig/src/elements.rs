// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Sets of what a list can say about one parameter: a value, or nothing.
//!
//! Unlike [`crate::set::Set`] these know "absent", mix types, and have complements, so that every
//! question about lists becomes a question about such sets.

use crate::{
    document::Param,
    set::{
        Ints,
        Set,
        StrSet, //
    },
    value::{
        Type,
        Value, //
    },
};

/// What a list says about a parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Element {
    /// Nothing.
    Absent,
    /// This value.
    Value(Value),
}

impl Element {
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::Absent => None,
            Self::Value(value) => Some(value),
        }
    }
}

impl From<Option<Value>> for Element {
    fn from(value: Option<Value>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

/// How certain an acceptance has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Declared and certain.
    Compatible,
    /// Declared at least as possible.
    Possible,
}

/// Strs: these, or all but these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Strs {
    Only(StrSet),
    Except(StrSet),
}

impl Strs {
    fn contains(&self, text: &str) -> bool {
        match self {
            Self::Only(set) => set.contains(text),
            Self::Except(set) => !set.contains(text),
        }
    }

    fn complement(self) -> Self {
        match self {
            Self::Only(set) => Self::Except(set),
            Self::Except(set) => Self::Only(set),
        }
    }

    fn intersection(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(set), rest) | (rest, Self::Only(set)) => {
                Self::Only(set.filtered(|s| rest.contains(s)))
            }
            (Self::Except(a), Self::Except(b)) => Self::Except(a.union(b)),
        }
    }

    fn is_subset(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => a.is_subset(b),
            (Self::Only(a), Self::Except(b)) => !a.iter().any(|s| b.contains(s)),
            (Self::Except(a), Self::Except(b)) => b.is_subset(a),
            (Self::Except(_), Self::Only(_)) => false,
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Only(set) if set.is_empty())
    }

    /// The byte-wise smallest of them.
    pub(crate) fn smallest(&self) -> Option<String> {
        match self {
            Self::Only(set) => set.first().map(str::to_owned),
            Self::Except(set) => {
                // Values have no NUL, so this is how the texts begin in their order.
                let mut text = String::new();
                while set.contains(&text) {
                    text.push('\u{1}');
                }
                Some(text)
            }
        }
    }

    pub(crate) fn named(&self) -> &StrSet {
        match self {
            Self::Only(set) | Self::Except(set) => set,
        }
    }
}

/// A set of elements. Equal sets are equal values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Elements {
    pub(crate) absent: bool,
    /// Whether false, and whether true is in the set.
    pub(crate) bools: [bool; 2],
    pub(crate) ints: Ints,
    pub(crate) strs: Strs,
}

impl Elements {
    pub(crate) fn none() -> Self {
        Self {
            absent: false,
            bools: [false; 2],
            ints: Ints::default(),
            strs: Strs::Only(StrSet::default()),
        }
    }

    pub(crate) fn all() -> Self {
        Self::none().complement()
    }

    pub(crate) fn absent() -> Self {
        Self {
            absent: true,
            ..Self::none()
        }
    }

    /// The values of `set`, which is of type `kind`; not "absent".
    pub(crate) fn values(kind: Type, set: &Set) -> Self {
        let mut elements = Self::none();
        match (set, kind) {
            (Set::Bools(bools), _) => {
                elements.bools = [bools.contains(&false), bools.contains(&true)];
            }
            (Set::Ints(ints), _) => elements.ints = ints.clone(),
            (Set::Strs(strs), _) => elements.strs = Strs::Only(strs.clone()),
            (Set::Any, Type::Bool) => elements.bools = [true; 2],
            (Set::Any, Type::Int) => elements.ints = Ints::new(vec![(0, u64::MAX)]),
            (Set::Any, Type::Str) => elements.strs = Strs::Except(StrSet::default()),
        }
        elements
    }

    pub(crate) fn of(elements: impl IntoIterator<Item = Element>) -> Self {
        let mut set = Self::none();
        let mut ints = Vec::new();
        let mut strs = Vec::new();
        for element in elements {
            match element {
                Element::Absent => set.absent = true,
                Element::Value(Value::Bool(b)) => set.bools[usize::from(b)] = true,
                Element::Value(Value::Int(n)) => ints.push((n, n)),
                Element::Value(Value::Str(s)) => strs.push(s),
            }
        }
        set.ints = Ints::new(ints);
        set.strs = Strs::Only(strs.into_iter().collect());
        set
    }

    /// What `param` accepts at `level`.
    pub(crate) fn accepted(param: &Param, level: Level) -> Self {
        let mut elements = match (&param.accepted, level) {
            (Set::Any, Level::Compatible) => {
                let certain = [&param.init, &param.off].into_iter().flatten().cloned();
                Self::of(certain.map(Element::Value))
            }
            (set, _) => Self::values(param.kind, set),
        };
        elements.absent = param
            .off
            .as_ref()
            .is_some_and(|off| param.accepted.contains(off));
        elements
    }

    pub(crate) fn contains(&self, element: &Element) -> bool {
        match element {
            Element::Absent => self.absent,
            Element::Value(Value::Bool(b)) => self.bools[usize::from(*b)],
            Element::Value(Value::Int(n)) => self.ints.contains(*n),
            Element::Value(Value::Str(s)) => self.strs.contains(s),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.absent && self.bools == [false; 2] && self.ints.is_empty() && self.strs.is_empty()
    }

    #[must_use]
    pub(crate) fn complement(self) -> Self {
        Self {
            absent: !self.absent,
            bools: self.bools.map(|b| !b),
            ints: self.ints.complement(),
            strs: self.strs.complement(),
        }
    }

    #[must_use]
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        Self {
            absent: self.absent && other.absent,
            bools: [
                self.bools[0] && other.bools[0],
                self.bools[1] && other.bools[1],
            ],
            ints: self.ints.intersection(&other.ints),
            strs: self.strs.intersection(&other.strs),
        }
    }

    #[must_use]
    pub(crate) fn union(self, other: Self) -> Self {
        self.complement()
            .intersection(&other.complement())
            .complement()
    }

    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        (!self.absent || other.absent)
            && (!self.bools[0] || other.bools[0])
            && (!self.bools[1] || other.bools[1])
            && self.ints.is_subset(&other.ints)
            && self.strs.is_subset(&other.strs)
    }

    pub(crate) fn is_disjoint(&self, other: &Self) -> bool {
        self.intersection(other).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_str_that_is_not_named() {
        let except = |names: &[&str]| Strs::Except(names.iter().collect());
        assert_eq!(except(&["a"]).smallest().as_deref(), Some(""));
        assert_eq!(
            except(&["", "\u{1}"]).smallest().as_deref(),
            Some("\u{1}\u{1}")
        );
    }

    #[test]
    fn complements_are_undone() {
        let set = Elements {
            absent: true,
            bools: [true, false],
            ints: Ints::new(vec![(0, 3), (7, u64::MAX)]),
            strs: Strs::Only(["x"].into_iter().collect()),
        };
        assert!(set.clone().union(set.clone().complement()) == Elements::all());
        assert!(set.is_disjoint(&set.clone().complement()));
        assert_eq!(set.clone().complement().complement(), set);
    }
}
