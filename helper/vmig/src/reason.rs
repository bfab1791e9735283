// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Reasons: what speaks against a destination.

use std::{
    collections::BTreeMap,
    fmt, //
};

use serde::{Serialize, Serializer};

use crate::{
    document::{
        Constraint,
        Param, //
    },
    list::Given,
    set::Set,
    value::{
        Type,
        Value, //
    },
};

/// Kind of a reason, in the order in which they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonCode {
    /// It is a device of another model; nothing else is reported then.
    ModelMismatch,
    /// The destination does not know the parameter.
    UnknownParam,
    /// The value is not of the parameter's type.
    TypeMismatch,
    /// The value is not among the allowed ones.
    ValueNotAllowed,
    /// The list leaves the parameter out, and the destination cannot do without it.
    CannotDisable,
    /// "Off" is another value at the source than at the destination.
    OffValueDiffers,
    /// The values are accepted one by one, but not together.
    ConstraintViolated,
    /// Nothing says that the value is accepted, nor that it is not.
    Unbounded,
}

impl ReasonCode {
    /// The word for it in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ModelMismatch => "model_mismatch",
            Self::UnknownParam => "unknown_param",
            Self::TypeMismatch => "type_mismatch",
            Self::ValueNotAllowed => "value_not_allowed",
            Self::CannotDisable => "cannot_disable",
            Self::OffValueDiffers => "off_value_differs",
            Self::ConstraintViolated => "constraint_violated",
            Self::Unbounded => "unbounded",
        }
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A reason. Which members there are depends on the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Kind.
    pub code: ReasonCode,
    /// The parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// The source's value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Given>,
    /// What the destination accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Set>,
    /// The destination's `off_value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<Value>,
    /// The models that the destination provides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// The constraint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Violated>,
    /// For people: one line, no full stop.
    pub message: String,
}

/// The constraint that is violated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violated {
    /// Its place in the document's `constraints`, from 0.
    pub index: usize,
    /// The conditions.
    #[serde(rename = "if")]
    pub when: BTreeMap<String, Set>,
    /// What they ask for.
    pub then: BTreeMap<String, Set>,
}

/// Code, parameter and message, in one line.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())?;
        if let Some(param) = &self.param {
            write!(f, " {param}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Reason {
    pub(crate) fn new(code: ReasonCode) -> Self {
        Self {
            code,
            param: None,
            value: None,
            allowed: None,
            off: None,
            models: None,
            constraint: None,
            message: String::new(),
        }
    }

    pub(crate) fn unknown_param(name: &str, given: &Given) -> Self {
        Self {
            param: Some(name.to_owned()),
            value: Some(given.clone()),
            message: format!("{name}={given}: there is no parameter {name}"),
            ..Self::new(ReasonCode::UnknownParam)
        }
    }

    pub(crate) fn type_mismatch(name: &str, given: &Given, kind: Type) -> Self {
        Self {
            param: Some(name.to_owned()),
            value: Some(given.clone()),
            message: format!("{name}={given} is no value of type {kind}"),
            ..Self::new(ReasonCode::TypeMismatch)
        }
    }

    pub(crate) fn value_not_allowed(name: &str, value: Value, allowed: &Set) -> Self {
        Self {
            param: Some(name.to_owned()),
            message: format!("{name}={value} is not accepted (accepts {allowed})"),
            value: Some(value.into()),
            allowed: Some(allowed.clone()),
            ..Self::new(ReasonCode::ValueNotAllowed)
        }
    }

    pub(crate) fn cannot_disable(name: &str, param: &Param) -> Self {
        let accepted = &param.accepted;
        Self {
            param: Some(name.to_owned()),
            allowed: Some(accepted.clone()),
            message: format!("{name} is off, which is not possible here (accepts {accepted})"),
            ..Self::new(ReasonCode::CannotDisable)
        }
    }

    pub(crate) fn off_value_differs(name: &str, there: &Value, here: &Value) -> Self {
        Self {
            param: Some(name.to_owned()),
            value: Some(there.clone().into()),
            off: Some(here.clone()),
            message: format!("{name} is off: that is {there} at the source, but {here} here"),
            ..Self::new(ReasonCode::OffValueDiffers)
        }
    }

    pub(crate) fn constraint_violated(index: usize, constraint: &Constraint) -> Self {
        let Constraint {
            when,
            then,
            description,
        } = constraint;
        let mut message = format!("{} needs {}", clauses(when), clauses(then));
        if let Some(description) = description {
            message.push_str(&format!(" ({description})"));
        }
        Self {
            constraint: Some(Violated {
                index,
                when: when.clone(),
                then: then.clone(),
            }),
            message,
            ..Self::new(ReasonCode::ConstraintViolated)
        }
    }

    pub(crate) fn unbounded(name: &str, value: Value) -> Self {
        Self {
            param: Some(name.to_owned()),
            message: format!("{name}={value} may be refused: it is not declared what is accepted"),
            value: Some(value.into()),
            ..Self::new(ReasonCode::Unbounded)
        }
    }
}

/// The clauses of a constraint for people: `checksum=on and num-queues=3-8`.
pub fn clauses(clauses: &BTreeMap<String, Set>) -> String {
    let clauses: Vec<String> = clauses
        .iter()
        .map(|(name, set)| format!("{name}={set}"))
        .collect();
    match clauses.as_slice() {
        [] => "anything".to_owned(),
        clauses => clauses.join(" and "),
    }
}
