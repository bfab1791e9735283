// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Constraints: which combinations of values a device type refuses.
//!
//! A constraint is declarative and finite: where every `if` entry holds, every `then` entry must.

use core::fmt;

use crate::{
    params::Item,
    types::DeviceType,
    values::Values, //
};

/// A parameter and a set of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Name of a parameter of the same type.
    pub param: &'static str,
    /// The values that satisfy the clause.
    pub values: &'static [Item<'static>],
}

impl Clause {
    fn holds(&self, ty: &DeviceType, values: &Values) -> bool {
        let value = ty.index(self.param).and_then(|i| values.get(i));
        value.is_some_and(|value| self.values.iter().any(|item| item.covers(value)))
    }
}

/// `param=a|b|c-d`.
impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.param)?;
        for (n, item) in self.values.iter().enumerate() {
            let or = if n == 0 { "" } else { "|" };
            write!(f, "{or}{item}")?;
        }
        Ok(())
    }
}

/// Where all of `when` holds, all of `then` must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The conditions (`if` in JSON).
    pub when: &'static [Clause],
    /// What they ask for.
    pub then: &'static [Clause],
    /// One sentence for people.
    pub description: &'static str,
}

impl Constraint {
    /// Whether a device of type `ty` may have `values`.
    pub fn allows(&self, ty: &DeviceType, values: &Values) -> bool {
        !self.when.iter().all(|clause| clause.holds(ty, values))
            || self.then.iter().all(|clause| clause.holds(ty, values))
    }
}

/// A violated constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Index in [`DeviceType::constraints`].
    pub index: usize,
    /// The constraint.
    pub constraint: &'static Constraint,
}

/// `auto-flow=on needs fifo-size=64`.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        clauses(self.constraint.when, f)?;
        f.write_str(" needs ")?;
        clauses(self.constraint.then, f)
    }
}

fn clauses(list: &[Clause], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (n, clause) in list.iter().enumerate() {
        let and = if n == 0 { "" } else { " " };
        write!(f, "{and}{clause}")?;
    }
    Ok(())
}
