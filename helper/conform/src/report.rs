// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Results, as they are reported.

use serde::{
    Deserialize,
    Serialize, //
};

use crate::{
    catalogue::{
        Class,
        Statement, //
    },
    verdict::{
        Unheld,
        Verdict, //
    },
};

/// The result of one statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Ok {
        /// What else is worth knowing.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// It does not hold, and the uAPI promises it.
    NotOk {
        /// What was promised.
        expected: String,
        /// What came.
        seen: String,
    },
    /// It does not hold, but nobody has promised it: the class is `should` or `wish`.
    NotHeld {
        /// What would be good.
        expected: String,
        /// What came.
        seen: String,
    },
    /// It was not checked.
    Skip {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// What a check's verdict means for a statement of this class.
    pub(crate) fn new(class: Class, verdict: Verdict) -> Self {
        match verdict {
            Ok(held) => Self::Ok { notes: held.notes },
            Err(Unheld::Skip(reason)) => Self::Skip { reason },
            Err(Unheld::Broken { expected, seen }) => Self::broken(class, expected, seen),
        }
    }

    /// A statement of this class that does not hold.
    pub(crate) fn broken(
        class: Class,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Self {
        let (expected, seen) = (expected.into(), seen.into());
        match class {
            Class::Must => Self::NotOk { expected, seen },
            Class::Should | Class::Wish => Self::NotHeld { expected, seen },
        }
    }

    /// `ok`, `not ok`, `not held` or `SKIP`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ok { .. } => "ok",
            Self::NotOk { .. } => "not ok",
            Self::NotHeld { .. } => "not held",
            Self::Skip { .. } => "SKIP",
        }
    }

    /// What there is to say beyond the word, one line each.
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::Ok { notes } => notes.clone(),
            Self::NotOk { expected, seen } | Self::NotHeld { expected, seen } => {
                vec![format!("expected: {expected}"), format!("seen: {seen}")]
            }
            Self::Skip { reason } => vec![reason.clone()],
        }
    }
}

/// A statement and its result.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was checked.
    pub statement: &'static Statement,
    /// What was found.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

/// How many statements had which result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Hold.
    pub ok: usize,
    /// Do not hold, though promised.
    pub not_ok: usize,
    /// Do not hold, and were not promised.
    pub not_held: usize,
    /// Were not checked.
    pub skip: usize,
}

impl Summary {
    /// Counts.
    pub fn of(reports: &[Report]) -> Self {
        let mut summary = Self::default();
        for report in reports {
            *match report.outcome {
                Outcome::Ok { .. } => &mut summary.ok,
                Outcome::NotOk { .. } => &mut summary.not_ok,
                Outcome::NotHeld { .. } => &mut summary.not_held,
                Outcome::Skip { .. } => &mut summary.skip,
            } += 1;
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{
        broken,
        held_with,
        skip, //
    };

    #[test]
    fn only_a_promise_can_be_broken() {
        let outcome = |class| Outcome::new(class, Err(broken("a", "b")));
        assert_eq!(outcome(Class::Must).word(), "not ok");
        assert_eq!(outcome(Class::Should).word(), "not held");
        assert_eq!(outcome(Class::Wish).word(), "not held");
    }

    #[test]
    fn outcomes_survive_the_way_from_the_child() {
        for verdict in [held_with("n"), Err(broken("a", "b")), Err(skip("r"))] {
            let outcome = Outcome::new(Class::Must, verdict);
            let text = serde_json::to_string(&outcome).unwrap();
            assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
        }
    }
}
