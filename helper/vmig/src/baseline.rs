// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The baseline: parameters for a new device that every host of a fleet accepts.
//!
//! The newest profile that every host accepts, else the first list in the order of lists. Certain
//! acceptance goes before possible; preferences are decided first within either. Without any list
//! the answer is an irreducible set of hosts, and the largest group that has one.
//!
//! ```
//! use vmig::{baseline::{Baseline, Options}, document::Document, fleet::Fleet};
//!
//! let host = |queues| format!(r#"{{"models": {{"example.org/nic": {{"params": {{
//!     "num-queues": {{"type": "int", "init_value": 4, "off_value": 1, "allowed_values": ["{queues}"]}}
//! }}}}}}}}"#);
//! let old = Document::parse(host("1-2").as_bytes(), "old.json")?;
//! let new = Document::parse(host("1-8").as_bytes(), "new.json")?;
//! let mut fleet = Fleet::default();
//! for (host, document) in [("host-a", &old), ("host-b", &new)] {
//!     for (name, model) in &document.models {
//!         fleet.add(host, "example", name, model);
//!     }
//! }
//!
//! let answer = Baseline::new(&fleet, &Options::default())?;
//! let params = answer.models[0].params.as_ref().unwrap();
//! assert_eq!(params["num-queues"].to_string(), "2");
//! # Ok::<(), vmig::error::Error>(())
//! ```

mod choice;
mod conflict;
mod explain;

use std::collections::BTreeMap;

use serde::Serialize;

use self::choice::{
    Chooser,
    Chosen, //
};
pub use self::{
    conflict::{
        Conflict,
        ConflictHost,
        ElementSet,
        Largest, //
    },
    explain::{
        Explain,
        Why, //
    },
};
use crate::{
    csp::Budget, elements::Level, error::Error, fleet::Fleet, output::ErrorForm, value::Params,
};

/// What is asked of a baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Every implementation of a host counts, not just the best.
    pub each: bool,
    /// Values to have where possible, by parameter; `max` and `min` are the largest and smallest int.
    pub prefer: BTreeMap<String, String>,
    /// Values that the list must have.
    pub require: BTreeMap<String, String>,
    /// Whether to explain each value.
    pub explain: bool,
}

/// How well all hosts accept a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// There is no such list.
    None,
    /// Declared, but not certain.
    Possible,
    /// Declared and certain.
    Compatible,
}

/// `vmig.baseline/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Baseline {
    schema: &'static str,
    /// The best verdict among the models that no host lacks.
    pub verdict: Answer,
    /// The models, by name.
    pub models: Vec<ModelBaseline>,
    /// The sources that were left out.
    pub skipped: Vec<Skipped>,
}

/// The baseline of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModelBaseline {
    /// The model.
    pub model: String,
    /// How well the hosts that offer it accept the list.
    pub verdict: Answer,
    /// How many hosts offer it.
    pub hosts: usize,
    /// The other hosts.
    pub missing: Vec<String>,
    /// The list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Params>,
    /// The profile that it is, if it was chosen as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The parameters that got the preferred value; `None`: none was preferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub honoured: Option<Vec<String>>,
    /// Why there is no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
    /// Why each value is what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Vec<Explain>>,
}

/// A source that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The source.
    pub source: String,
    /// Why.
    pub error: ErrorForm,
}

impl Baseline {
    /// The baseline of `fleet`.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Contradiction`]: sources that disagree about an off value or a profile;
    /// [`crate::error::Code::TooComplex`]: constraints beyond the work limit.
    pub fn new(fleet: &Fleet<'_>, options: &Options) -> Result<Self, Error> {
        let mut budget = Budget::COMMAND;
        let mut models = Vec::new();
        for model in fleet.models() {
            models.push(one(fleet, model, options, &mut budget)?);
        }
        let everywhere = models.iter().filter(|model| model.missing.is_empty());
        Ok(Self {
            schema: "vmig.baseline/1",
            verdict: everywhere
                .map(|model| model.verdict)
                .max()
                .unwrap_or(Answer::None),
            models,
            skipped: fleet
                .skipped
                .iter()
                .map(|(source, error)| Skipped {
                    source: (*source).to_owned(),
                    error: (*error).into(),
                })
                .collect(),
        })
    }
}

fn one(
    fleet: &Fleet<'_>,
    model: &str,
    options: &Options,
    budget: &mut Budget,
) -> Result<ModelBaseline, Error> {
    let (hosts, missing) = fleet.offering(model);
    let chooser = Chooser::new(&hosts, options)?;
    let too_complex = |_| chooser.too_complex(model);
    let all: Vec<usize> = (0..chooser.units.len()).collect();
    let chosen = chooser.choose(&all, budget).map_err(too_complex)?;
    let mut answer = ModelBaseline {
        model: model.to_owned(),
        verdict: Answer::None,
        hosts: hosts.len(),
        missing: missing.into_iter().map(str::to_owned).collect(),
        params: None,
        profile: None,
        honoured: None,
        conflict: None,
        explain: None,
    };
    let Some(chosen) = chosen else {
        let conflict = conflict::find(&chooser, budget).map_err(too_complex)?;
        answer.conflict = Some(conflict);
        return Ok(answer);
    };
    answer.verdict = match chosen.level {
        Level::Compatible => Answer::Compatible,
        Level::Possible => Answer::Possible,
    };
    if !options.prefer.is_empty() {
        answer.honoured = Some(chosen.honoured.iter().map(|i| chooser.name(*i)).collect());
    }
    if options.explain {
        answer.explain = Some(explain::explain(&chooser, &chosen).map_err(too_complex)?);
    }
    let Chosen { list, profile, .. } = chosen;
    answer.params = Some(chooser.params(&list));
    answer.profile = profile.map(str::to_owned);
    Ok(answer)
}
