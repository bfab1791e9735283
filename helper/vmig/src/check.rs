// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The check: does an implementation accept a list, and if not, why.
//!
//! ```
//! use vmig::{check::check, document::Document, list::List, verdict::Verdict};
//!
//! let nic = br#"{"models": {"example.org/nic": {
//!     "params": {
//!         "num-queues": {"type": "int", "init_value": 4, "off_value": 1, "allowed_values": ["1-8"]},
//!         "checksum": {"type": "bool", "init_value": true, "off_value": false}
//!     },
//!     "constraints": [{"if": {"checksum": [true]}, "then": {"num-queues": ["3-8"]}}]
//! }}}"#;
//! let nic = Document::parse(nic, "nic.json")?;
//! let list = List::parse(b"model: example.org/nic\nchecksum=on\nnum-queues=2\n", "list", None)?;
//!
//! let outcome = check(&list, "example.org/nic", &nic);
//! assert_eq!(outcome.verdict, Verdict::Incompatible);
//! assert_eq!(outcome.reasons[0].message, "checksum=on needs num-queues=3-8");
//! # Ok::<(), vmig::error::Error>(())
//! ```

use std::{
    collections::BTreeMap,
    sync::Arc, //
};

use crate::{
    document::{
        Constraint,
        Document,
        Model,
        Param, //
    },
    list::{
        Given,
        List, //
    },
    reason::{
        Reason,
        ReasonCode, //
    },
    set::Set,
    value::{
        Params,
        Value, //
    },
    verdict::Verdict,
};

/// The answer about one implementation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict; never [`Verdict::Unknown`] about what was read.
    pub verdict: Verdict,
    /// Every reason that speaks against it, ordered by code, parameter and index.
    pub reasons: Vec<Reason>,
    /// The full set to write at the destination: a value for each of its parameters. There unless
    /// the verdict is incompatible.
    pub apply: Option<Params>,
}

impl Outcome {
    /// Of what could not be read.
    pub(crate) const fn unknown() -> Self {
        Self {
            verdict: Verdict::Unknown,
            reasons: Vec::new(),
            apply: None,
        }
    }
}

/// Judges `list` against what `document` says about its model `model`.
///
/// A `model` that the document does not have is a model mismatch.
pub fn check(list: &List, model: &str, document: &Document) -> Outcome {
    match document.models.get(model) {
        Some(known) if model == list.model => judge(list, known),
        _ => mismatch(list, model),
    }
}

fn mismatch(list: &List, model: &str) -> Outcome {
    let reason = Reason {
        models: Some(vec![model.to_owned()]),
        message: format!("the list is for {}, this is {model}", list.model),
        ..Reason::new(ReasonCode::ModelMismatch)
    };
    Outcome {
        verdict: Verdict::Incompatible,
        reasons: vec![reason],
        apply: None,
    }
}

/// Judges `list` against an implementation of its own model.
pub fn judge(list: &List, model: &Model) -> Outcome {
    judge_params(&list.params, list.off.as_ref(), model)
}

/// Whether `model` accepts the list `params`.
pub fn accepts(model: &Model, params: &Params) -> Verdict {
    let given = |(name, value): (&String, &Value)| (name.clone(), Given::from(value.clone()));
    judge_params(&params.iter().map(given).collect(), None, model).verdict
}

fn judge_params(list: &BTreeMap<String, Given>, off: Option<&Params>, model: &Model) -> Outcome {
    let mut reasons = Vec::new();
    for (name, given) in list {
        reasons.extend(match model.params.get(name) {
            Some(param) => given_value(name, given, param),
            None => Some(Reason::unknown_param(name, given)),
        });
    }
    for (name, param) in &model.params {
        if !list.contains_key(name) {
            let there = off.and_then(|off| off.get(name));
            reasons.extend(cannot_disable(name, param));
            reasons.extend(off_value_differs(name, there, param));
        }
    }
    reasons.extend(violations(list, model));
    // Within a code they are in order already, and the sort is stable.
    reasons.sort_by_key(|reason| reason.code);

    let verdict = match reasons.first().map(|reason| reason.code) {
        None => Verdict::Compatible,
        Some(ReasonCode::Unbounded) => Verdict::Possible,
        Some(_) => Verdict::Incompatible,
    };
    let apply = if verdict.is_no() {
        None
    } else {
        let effect = |(name, param): (&String, &Arc<Param>)| {
            Some((name.clone(), in_effect(list.get(name), param)?))
        };
        model.params.iter().map(effect).collect()
    };
    Outcome {
        verdict,
        reasons,
        apply,
    }
}

/// The value that `param` has under a list that says `given` about it; `None` if there is none of
/// the right type.
fn in_effect(given: Option<&Given>, param: &Param) -> Option<Value> {
    match given {
        Some(given) => given.typed(param.kind),
        None => param.off.clone(),
    }
}

fn given_value(name: &str, given: &Given, param: &Param) -> Option<Reason> {
    let Some(value) = given.typed(param.kind) else {
        return Some(Reason::type_mismatch(name, given, param.kind));
    };
    if !param.accepted.contains(&value) {
        return Some(Reason::value_not_allowed(name, value, &param.accepted));
    }
    let certain = param.accepted != Set::Any
        || param.init.as_ref() == Some(&value)
        || param.off.as_ref() == Some(&value);
    (!certain).then(|| Reason::unbounded(name, value))
}

fn cannot_disable(name: &str, param: &Param) -> Option<Reason> {
    let can = param
        .off
        .as_ref()
        .is_some_and(|off| param.accepted.contains(off));
    (!can).then(|| Reason::cannot_disable(name, param))
}

fn off_value_differs(name: &str, there: Option<&Value>, param: &Param) -> Option<Reason> {
    let (there, here) = there.zip(param.off.as_ref())?;
    (there != here).then(|| Reason::off_value_differs(name, there, here))
}

fn violations<'a>(
    list: &'a BTreeMap<String, Given>,
    model: &'a Model,
) -> impl Iterator<Item = Reason> + 'a {
    let value = |name: &String| in_effect(list.get(name), model.params.get(name)?);
    let violated = move |constraint: &&Constraint| {
        // Judged only if all its parameters have a value of the right type.
        let holds = |clauses: &BTreeMap<String, Set>| {
            clauses
                .iter()
                .map(|(name, set)| value(name).map(|value| set.contains(&value)))
                .collect::<Option<Vec<bool>>>()
                .map(|clauses| clauses.into_iter().all(|holds| holds))
        };
        let judged = holds(&constraint.when).zip(holds(&constraint.then));
        judged.is_some_and(|(when, then)| when && !then)
    };
    let constraints = model.constraints.iter().enumerate();
    constraints
        .filter(move |(_, constraint)| violated(constraint))
        .map(|(index, constraint)| Reason::constraint_violated(index, constraint))
}
