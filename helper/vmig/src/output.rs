// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Output documents: members in the order in which they are written.
//!
//! The JSON Schema of each stands in `helper/schemas`.

use std::collections::{
    hash_map::Entry,
    BTreeMap,
    HashMap, //
};

use serde::Serialize;

use crate::{
    check::{
        check,
        Outcome, //
    },
    document::{
        Document,
        Model, //
    },
    error::{
        Code,
        Error, //
    },
    inventory::Implementation,
    list::{
        Given,
        List, //
    },
    reason::Reason,
    source::Record,
    value::Params,
    verdict::Verdict,
};

/// A document as JSON text: two spaces of indent, one newline at the end.
///
/// # Errors
///
/// None for the documents of this module; a type of your own may have keys that are no strings.
pub fn to_json<T: Serialize>(document: &T) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(document)?;
    text.push('\n');
    Ok(text)
}

/// An [`Error`] as a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorForm {
    /// Kind.
    pub code: Code,
    /// Exit status: 3 or 4.
    pub exit: u8,
    /// What was read.
    pub path: String,
    /// The member of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// For people.
    pub message: String,
}

impl From<&Error> for ErrorForm {
    fn from(error: &Error) -> Self {
        let Error {
            code,
            path,
            member,
            message,
        } = error.clone();
        Self {
            code,
            exit: code.exit(),
            path,
            member,
            message,
        }
    }
}

/// `vmig.error/1`: there is no answer, because of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorDocument {
    schema: &'static str,
    error: ErrorForm,
}

impl From<&Error> for ErrorDocument {
    fn from(error: &Error) -> Self {
        Self {
            schema: "vmig.error/1",
            error: error.into(),
        }
    }
}

/// Which implementation of which host a result is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Where {
    /// The host.
    pub host: String,
    /// Name of the parent device; `None` for a program or a bare document.
    pub parent: Option<String>,
    /// Full name of the mdev type; `None` for a program or a bare document.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The device model; `None`: unreadable.
    pub model: Option<String>,
    /// The source that said so.
    pub source: String,
}

/// Whether one of several destinations will do, or all must.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One will do.
    Any,
    /// All must.
    All,
}

/// What was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The device model.
    pub model: String,
    /// The list.
    pub params: BTreeMap<String, Given>,
}

/// `vmig.check/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    schema: &'static str,
    /// What was checked.
    pub from: Checked,
    /// How the results become one verdict.
    pub mode: Mode,
    /// The verdict over all results.
    pub verdict: Verdict,
    /// A result per implementation and model.
    pub results: Vec<CheckResult>,
}

/// What a check says about one model of one implementation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// Which.
    #[serde(flatten)]
    pub place: Where,
    /// The verdict.
    pub verdict: Verdict,
    /// What speaks against it.
    pub reasons: Vec<Reason>,
    /// The full set to write there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply: Option<Params>,
    /// How many more devices can be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free: Option<u64>,
    /// Why the verdict is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorForm>,
}

impl CheckResult {
    pub(crate) fn new(
        place: Where,
        outcome: Outcome,
        free: Option<u64>,
        error: Option<ErrorForm>,
    ) -> Self {
        Self {
            place,
            verdict: outcome.verdict,
            reasons: outcome.reasons,
            apply: outcome.apply,
            free,
            error,
        }
    }

    /// What it says about other implementations with the same document.
    pub(crate) fn outcome(&self) -> Outcome {
        Outcome {
            verdict: self.verdict,
            reasons: self.reasons.clone(),
            apply: self.apply.clone(),
        }
    }
}

impl Check {
    /// Checks `list` against everything in `records`.
    pub fn new(list: &List, records: &[Record], mode: Mode) -> Self {
        // Identical documents are judged once: by the result with this number.
        let mut known: HashMap<*const Model, usize> = HashMap::new();
        let mut results: Vec<CheckResult> = Vec::new();
        for (place, one, found) in places(records) {
            let (outcome, error) = match found {
                Err(error) => (Outcome::unknown(), Some(error.into())),
                Ok((name, model, document)) => match known.entry(std::ptr::from_ref(model)) {
                    Entry::Occupied(first) => (results[*first.get()].outcome(), None),
                    Entry::Vacant(entry) => {
                        entry.insert(results.len());
                        (check(list, name, document), None)
                    }
                },
            };
            results.push(CheckResult::new(place, outcome, one.free, error));
        }
        let verdicts = results.iter().map(|result| result.verdict);
        Self {
            schema: "vmig.check/1",
            from: Checked {
                model: list.model.clone(),
                params: list.params.clone(),
            },
            mode,
            verdict: match mode {
                Mode::Any => Verdict::any(verdicts),
                Mode::All => Verdict::all(verdicts),
            },
            results,
        }
    }
}

/// What is known of a model of an implementation, or why nothing is.
pub(crate) type Found<'a> = Result<(&'a str, &'a Model, &'a Document), &'a Error>;

/// Everything there is a result for: each model of each implementation, or the implementation as
/// such if it could not be read.
pub(crate) fn places(
    records: &[Record],
) -> impl Iterator<Item = (Where, &Implementation, Found<'_>)> + '_ {
    let implementations = records
        .iter()
        .flat_map(|record| record.implementations.iter().map(move |one| (record, one)));
    implementations.flat_map(|(record, implementation)| {
        let found: Vec<Found<'_>> = match &implementation.info {
            Err(error) => vec![Err(error)],
            Ok(info) => {
                let document = &info.document;
                let models = document.models.iter();
                models
                    .map(|(name, model)| Ok((name.as_str(), model, document)))
                    .collect()
            }
        };
        found.into_iter().map(move |found| {
            let place = Where {
                host: record.host.name.clone(),
                parent: implementation.parent.clone(),
                kind: implementation.kind.clone(),
                model: found.as_ref().ok().map(|(name, _, _)| (*name).to_owned()),
                source: record.source.clone(),
            };
            (place, implementation, found)
        })
    })
}
