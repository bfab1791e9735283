// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The order of lists: which of two values of a parameter a baseline tries first.
//!
//! Per parameter: a preferred value, then the init values of all sources, then all other values; in
//! each part true before false, larger ints and byte-wise smaller strs first. Off values are tried
//! absent first, then written out; where there are none, absent is last.

use std::{
    cmp::Reverse,
    collections::BTreeSet, //
};

use crate::{
    elements::{
        Element,
        Elements,
        Strs, //
    },
    set::{
        Ints,
        StrSet, //
    },
    value::{
        Type,
        Value, //
    },
};

/// What `--prefer` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Preferred {
    /// One of these: the same text in the types that sources give the parameter.
    Values(BTreeSet<Value>),
    /// The largest int.
    Max,
    /// The smallest int.
    Min,
}

/// The order of a parameter's elements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) preferred: Option<Preferred>,
    pub(crate) inits: BTreeSet<Value>,
    /// The off values: one, unless sources disagree about the type.
    pub(crate) offs: BTreeSet<Value>,
}

/// Smaller keys are tried first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key<'a> {
    part: u8,
    kind: u8,
    bool: Reverse<bool>,
    int: u64,
    str: &'a str,
    written: bool,
}

const PREFERRED: u8 = 0;
const INIT: u8 = 1;
const OTHER: u8 = 2;
const LAST: u8 = 3;

impl Order {
    /// Takes in what a source declares.
    pub(crate) fn learn(&mut self, init: Option<&Value>, off: Option<&Value>) {
        for (set, value) in [(&mut self.inits, init), (&mut self.offs, off)] {
            if let Some(value) = value.filter(|value| !set.contains(value)) {
                set.insert(value.clone());
            }
        }
    }

    /// The place of `element`.
    pub(crate) fn key<'a>(&'a self, element: &'a Element) -> Key<'a> {
        match element {
            Element::Value(value) => self.value_key(value),
            Element::Absent => {
                let offs = self.offs.iter().map(|off| self.value_key(off));
                match offs.min() {
                    Some(key) => Key {
                        written: false,
                        ..key
                    },
                    None => Key {
                        part: LAST,
                        ..self.value_key(&Value::Bool(true))
                    },
                }
            }
        }
    }

    fn value_key<'a>(&'a self, value: &'a Value) -> Key<'a> {
        let mut key = Key {
            part: self.part(value),
            kind: 0,
            bool: Reverse(false),
            int: 0,
            str: "",
            written: true,
        };
        match value {
            Value::Bool(b) => key.bool = Reverse(*b),
            Value::Int(n) => {
                key.kind = 1;
                key.int = match self.preferred {
                    Some(Preferred::Min) => *n,
                    _ => u64::MAX - n,
                };
            }
            Value::Str(s) => {
                key.kind = 2;
                key.str = s;
            }
        }
        key
    }

    fn part(&self, value: &Value) -> u8 {
        let preferred = match &self.preferred {
            Some(Preferred::Values(values)) => values.contains(value),
            Some(Preferred::Max | Preferred::Min) => value.kind() == Type::Int,
            None => false,
        };
        match (preferred, self.inits.contains(value)) {
            (true, _) => PREFERRED,
            (false, true) => INIT,
            (false, false) => OTHER,
        }
    }

    /// The first element of a set.
    pub(crate) fn first(&self, set: &Elements) -> Option<Element> {
        let named = match &self.preferred {
            Some(Preferred::Values(values)) => Some(values),
            Some(Preferred::Max | Preferred::Min) | None => None,
        };
        let named = named.into_iter().flatten().chain(&self.inits);
        let smallest = set.ints.intervals().first().map(|(min, _)| *min);
        let largest = set.ints.intervals().last().map(|(_, max)| *max);
        let others = [
            set.bools[1].then_some(Value::Bool(true)),
            set.bools[0].then_some(Value::Bool(false)),
            largest.map(Value::Int),
            smallest.map(Value::Int),
            set.strs.smallest().map(Value::Str),
        ];
        named
            .cloned()
            .chain(others.into_iter().flatten())
            .map(Element::Value)
            .chain([Element::Absent])
            .filter(|element| set.contains(element))
            .min_by(|a, b| self.key(a).cmp(&self.key(b)))
    }

    /// The elements that mean this value: it, written out, and "absent" if it is the off value.
    pub(crate) fn meaning(&self, values: &BTreeSet<Value>) -> Elements {
        let written = values.iter().cloned().map(Element::Value);
        let absent = values.iter().any(|value| self.offs.contains(value));
        Elements::of(written.chain(absent.then_some(Element::Absent)))
    }

    /// The value that `element` amounts to; `None`: absent, without an off value.
    pub(crate) fn effect<'a>(&'a self, element: &'a Element) -> Option<&'a Value> {
        match element {
            Element::Value(value) => Some(value),
            Element::Absent => self
                .offs
                .iter()
                .min_by(|a, b| self.value_key(a).cmp(&self.value_key(b))),
        }
    }

    /// Whether `set` lacks an element that is tried before `element`.
    pub(crate) fn lacks_earlier(&self, set: &Elements, element: &Element) -> bool {
        let limit = self.key(element);
        let earlier = |other: &Element| self.key(other) < limit;
        let missing = set.clone().complement();
        // Missing ints and strs form intervals and open ends: their first is the one to look at.
        if let Some(first) = self.first(&missing) {
            return earlier(&first);
        }
        false
    }

    /// Whether `value` is an init value of any source.
    pub(crate) fn is_init(&self, value: &Value) -> bool {
        self.inits.contains(value)
    }
}

/// Splits `domain` into classes that none of `sets` tells apart; each with the sets it is in.
///
/// "Absent" is a class of its own, unless `merge_absent`.
pub(crate) fn classes(domain: &Elements, sets: &[&Elements], merge_absent: bool) -> Vec<Class> {
    let mut classes = Classes {
        sets,
        found: std::collections::HashMap::new(),
    };
    for b in [false, true] {
        if domain.bools[usize::from(b)] {
            classes.add(&Element::Value(Value::Bool(b))).bools[usize::from(b)] = true;
        }
    }
    for (min, max) in pieces(domain, sets) {
        classes
            .add(&Element::Value(Value::Int(min)))
            .ints
            .push((min, max));
    }
    let mut named: BTreeSet<&str> = domain.strs.named().iter().collect();
    if let Strs::Except(_) = domain.strs {
        named.extend(sets.iter().flat_map(|set| set.strs.named().iter()));
    }
    for name in &named {
        let element = Element::Value(Value::Str((*name).to_owned()));
        if domain.contains(&element) {
            classes.add(&element).strs.push((*name).to_owned());
        }
    }
    if let Strs::Except(_) = domain.strs {
        let rest = Strs::Except(named.into_iter().collect());
        if let Some(text) = rest.smallest() {
            classes.add(&Element::Value(Value::Str(text))).rest = Some(rest);
        }
    }
    let mut absent = None;
    if domain.absent && merge_absent {
        classes.add(&Element::Absent).absent = true;
    } else if domain.absent {
        absent = Some(Class {
            within: sets.iter().map(|set| set.absent).collect(),
            elements: Elements::absent(),
        });
    }
    let found = classes.found.into_iter();
    found
        .map(|(within, parts)| Class {
            within,
            elements: parts.into(),
        })
        .chain(absent)
        .collect()
}

/// Elements that are not told apart.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) elements: Elements,
    /// Which of the sets they are in.
    pub(crate) within: Vec<bool>,
}

/// How many elements have to be looked at to split `domain`.
pub(crate) fn effort(domain: &Elements, sets: &[&Elements]) -> usize {
    let size = |set: &Elements| set.ints.intervals().len() + set.strs.named().len();
    let sum: usize = sets.iter().map(|set| size(set)).sum();
    (size(domain) + sum + 4).saturating_mul(sets.len() + 1)
}

struct Classes<'a> {
    sets: &'a [&'a Elements],
    found: std::collections::HashMap<Vec<bool>, Parts>,
}

impl Classes<'_> {
    fn add(&mut self, element: &Element) -> &mut Parts {
        let within = self.sets.iter().map(|set| set.contains(element)).collect();
        self.found.entry(within).or_default()
    }
}

#[derive(Default)]
struct Parts {
    absent: bool,
    bools: [bool; 2],
    ints: Vec<(u64, u64)>,
    strs: Vec<String>,
    rest: Option<Strs>,
}

impl From<Parts> for Elements {
    fn from(parts: Parts) -> Self {
        let strs = match parts.rest {
            // The rest is what no set names; named strs of the same class come back to it.
            Some(Strs::Except(except)) => {
                let strs: StrSet = parts.strs.into_iter().collect();
                Strs::Except(except.filtered(|name| !strs.contains(name)))
            }
            _ => Strs::Only(parts.strs.into_iter().collect()),
        };
        Self {
            absent: parts.absent,
            bools: parts.bools,
            ints: Ints::new(parts.ints),
            strs,
        }
    }
}

/// The intervals of `domain`, cut wherever one of `sets` begins or ends.
fn pieces(domain: &Elements, sets: &[&Elements]) -> Vec<(u64, u64)> {
    let mut cuts: Vec<u64> = Vec::new();
    for (min, max) in sets.iter().flat_map(|set| set.ints.intervals()) {
        cuts.push(*min);
        cuts.extend(max.checked_add(1));
    }
    cuts.sort_unstable();
    cuts.dedup();
    let mut pieces = Vec::new();
    for (min, max) in domain.ints.intervals() {
        let mut from = *min;
        let first = cuts.partition_point(|cut| cut <= min);
        for cut in cuts.iter().skip(first).take_while(|cut| *cut <= max) {
            pieces.push((from, cut - 1));
            from = *cut;
        }
        pieces.push((from, *max));
    }
    pieces
}
