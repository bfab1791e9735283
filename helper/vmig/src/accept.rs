// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Whether a model accepts a list, for many lists: the answer of [`crate::check`] without reasons.
//!
//! A document may have thousands of parameters, constraints over all of them, and thousands of
//! profiles. So what holds with everything off is found out once, and a list costs as much as it has
//! parameters.

use std::collections::HashMap;

use crate::{
    document::{
        Constraint,
        Model,
        Param, //
    },
    set::Set,
    value::{
        Params,
        Value, //
    },
};

/// Judges lists against one model.
pub(crate) struct Acceptor<'m> {
    model: &'m Model,
    /// How many parameters a list cannot leave out.
    needed: usize,
    /// The clauses about a parameter.
    clauses: HashMap<&'m str, Vec<Clause<'m>>>,
    /// Of each constraint, with everything off.
    off: Vec<Tally>,
}

struct Clause<'m> {
    constraint: usize,
    side: Side,
    set: &'m Set,
}

#[derive(Clone, Copy)]
enum Side {
    When,
    Then,
}

/// How many clauses of a constraint do not hold, or cannot be judged for want of a value.
#[derive(Clone, Copy, Default)]
struct Tally {
    when: usize,
    then: usize,
    unjudged: usize,
}

impl Tally {
    /// The count that a clause adds to while `value` is in effect, if any.
    fn of(&mut self, clause: &Clause<'_>, value: Option<&Value>) -> Option<&mut usize> {
        match (value, clause.side) {
            (None, _) => Some(&mut self.unjudged),
            (Some(value), _) if clause.set.contains(value) => None,
            (Some(_), Side::When) => Some(&mut self.when),
            (Some(_), Side::Then) => Some(&mut self.then),
        }
    }

    fn is_violated(&self) -> bool {
        self.unjudged == 0 && self.when == 0 && self.then > 0
    }
}

fn can_be_off(param: &Param) -> bool {
    let off = param.off.as_ref();
    off.is_some_and(|off| param.accepted.contains(off))
}

impl<'m> Acceptor<'m> {
    pub(crate) fn new(model: &'m Model) -> Self {
        let needed = model.params.values().filter(|param| !can_be_off(param));
        let mut acceptor = Self {
            model,
            needed: needed.count(),
            clauses: HashMap::new(),
            off: vec![Tally::default(); model.constraints.len()],
        };
        for (constraint, rule) in model.constraints.iter().enumerate() {
            let Constraint { when, then, .. } = rule;
            let sides = [(Side::When, when), (Side::Then, then)];
            for (side, clauses) in sides {
                for (name, set) in clauses {
                    let clause = Clause {
                        constraint,
                        side,
                        set,
                    };
                    acceptor.add(name, clause);
                }
            }
        }
        acceptor
    }

    fn add(&mut self, name: &'m str, clause: Clause<'m>) {
        let off = self
            .model
            .params
            .get(name)
            .and_then(|param| param.off.as_ref());
        if let Some(tally) = self.off.get_mut(clause.constraint) {
            if let Some(count) = tally.of(&clause, off) {
                *count += 1;
            }
        }
        self.clauses.entry(name).or_default().push(clause);
    }

    /// Whether the list `params` is accepted, at least as possible.
    pub(crate) fn accepts(&self, params: &Params) -> bool {
        let mut needed = 0;
        let mut tallies = self.off.clone();
        for (name, value) in params {
            let Some(param) = self.model.params.get(name) else {
                return false;
            };
            if value.kind() != param.kind || !param.accepted.contains(value) {
                return false;
            }
            needed += usize::from(!can_be_off(param));
            for clause in self.clauses.get(name.as_str()).into_iter().flatten() {
                let Some(tally) = tallies.get_mut(clause.constraint) else {
                    continue;
                };
                if let Some(count) = tally.of(clause, param.off.as_ref()) {
                    *count -= 1;
                }
                if let Some(count) = tally.of(clause, Some(value)) {
                    *count += 1;
                }
            }
        }
        needed == self.needed && !tallies.iter().any(Tally::is_violated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::accepts,
        document::Document,
        verdict::Verdict, //
    };

    /// Every combination of absent, allowed, odd and wrong values, against the check itself.
    #[test]
    fn as_the_check_says() {
        let text = br#"{"models": {"a/b": {
            "params": {
                "b": {"type": "bool", "init_value": true, "off_value": false},
                "n": {"type": "int", "init_value": 1, "off_value": 0, "allowed_values": ["0-3"]},
                "must": {"type": "str", "init_value": "x", "allowed_values": ["x", "y"]},
                "odd": {"type": "int", "init_value": 1, "off_value": 9, "allowed_values": [1, 2]},
                "open": {"type": "int", "init_value": 1}
            },
            "constraints": [
                {"if": {"b": [true]}, "then": {"n": ["2-3"]}},
                {"if": {"n": [3]}, "then": {"must": ["y"], "b": [false]}},
                {"if": {}, "then": {"odd": [1]}},
                {"if": {"b": [true], "open": [7]}, "then": {"b": [false]}}
            ]
        }}}"#;
        let document = Document::parse(text, "").unwrap();
        let model = &document.models["a/b"];
        let acceptor = Acceptor::new(model);
        let int = |n| Some(Value::Int(n));
        let (bools, strs) = (
            [
                None,
                Some(Value::Bool(true)),
                Some(Value::Bool(false)),
                int(1),
            ],
            [
                None,
                Some(Value::Str("x".into())),
                Some(Value::Str("y".into())),
            ],
        );
        let mut seen = [0, 0];
        for b in &bools {
            for n in [None, int(0), int(2), int(3), int(4)] {
                for must in &strs {
                    for odd in [None, int(1), int(2), int(9)] {
                        for open in [None, int(1), int(7)] {
                            let values = [
                                ("b", b.clone()),
                                ("n", n.clone()),
                                ("must", must.clone()),
                                ("odd", odd.clone()),
                                ("open", open),
                            ];
                            let given = |(name, value): (&str, Option<Value>)| {
                                Some((name.to_owned(), value?))
                            };
                            let params: Params = values.into_iter().filter_map(given).collect();
                            let expected = accepts(model, &params) != Verdict::Incompatible;
                            assert_eq!(acceptor.accepts(&params), expected, "{params:?}");
                            seen[usize::from(expected)] += 1;
                        }
                    }
                }
            }
        }
        assert!(seen[0] > 100 && seen[1] >= 10, "{seen:?}");
    }
}
