// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Labels: short names for groups of implementations, for schedulers.
//!
//! Two implementations have the same label if and only if [`crate::check`] gives the same verdict
//! about both for every list. Since an upgrade would split a fleet by such labels, there is also one
//! for each profile and list that an implementation accepts.
//!
//! ```
//! use vmig::{document::Document, label::label};
//!
//! let nic = |allowed| format!(r#"{{"models": {{"example.org/nic": {{"params": {{
//!     "mtu": {{"type": "int", "init_value": 1, "allowed_values": [{allowed}]}}
//! }}}}}}}}"#);
//! let of = |allowed| {
//!     let document = Document::parse(nic(allowed).as_bytes(), "nic.json").unwrap();
//!     label("example.org/nic", &document.models["example.org/nic"]).0
//! };
//! assert_eq!(of(r#""1-4""#), of(r#"4, 1, "2-3""#));
//! assert_ne!(of(r#""1-4""#), of(r#""1-5""#));
//! ```

mod table;

use std::collections::{
    BTreeMap,
    BTreeSet,
    HashMap, //
};

use serde::Serialize;
use sha2::{
    Digest,
    Sha256, //
};

use self::table::Table;
use crate::{
    check::judge,
    document::Model,
    elements::{
        Elements,
        Level,
        Strs, //
    },
    error::{
        Code,
        Error, //
    },
    fleet::{
        Narrow,
        Offer, //
    },
    list::List,
    output::{
        places,
        Where, //
    },
    profile::Profiles,
    source::Record,
    space::{
        literals,
        Alternative, //
    },
};

/// Version of what is digested; every label begins with it.
pub const VERSION: &str = "v1";

/// Digits of a label: 128 bits.
const DIGITS: usize = 32;

/// `vmig.label/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Labels {
    schema: &'static str,
    /// A result per implementation and model.
    pub results: Vec<LabelResult>,
}

/// The labels of one model of one implementation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabelResult {
    /// Which.
    #[serde(flatten)]
    pub place: Where,
    /// The label.
    pub label: String,
    /// Whether other labels mean other verdicts; equal labels mean equal verdicts in any case.
    pub exact: bool,
    /// The profiles and lists that it accepts, by name.
    pub accepts: Vec<Accepted>,
}

/// A profile or list that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Its name.
    pub name: String,
    /// Its label: the same wherever the same list is accepted.
    pub label: String,
}

impl Labels {
    /// Labels everything in `records` that `narrow` includes; `lists` are judged besides profiles.
    ///
    /// # Errors
    ///
    /// The first implementation that could not be read, unless those are to be skipped;
    /// [`Code::Contradiction`]: a name that stands for two lists.
    pub fn new(
        records: &[Record],
        narrow: &Narrow,
        lists: &BTreeMap<String, List>,
    ) -> Result<Self, Error> {
        let offers = records.iter().flat_map(|record| {
            let included = record
                .implementations
                .iter()
                .filter(|one| narrow.includes(one));
            included.map(move |one| (record, one))
        });
        let mut models: BTreeMap<&str, Vec<Offer<'_>>> = BTreeMap::new();
        for (record, one) in offers {
            match &one.info {
                Ok(info) => {
                    for (name, model) in &info.document.models {
                        let source = record.source.as_str();
                        models
                            .entry(name)
                            .or_default()
                            .push(Offer { source, model });
                    }
                }
                Err(_) if narrow.skip_unreadable => {}
                Err(error) => return Err(error.clone()),
            }
        }
        for offers in models.values() {
            Profiles::new(offers.iter().copied())?;
        }
        // Identical documents are labelled once.
        let mut known: HashMap<*const Model, (String, bool, Vec<Accepted>)> = HashMap::new();
        let mut results = Vec::new();
        for (place, implementation, found) in places(records) {
            let Ok((name, model, _)) = found else {
                continue;
            };
            if !narrow.includes(implementation) {
                continue;
            }
            let key = std::ptr::from_ref(model);
            let (label, exact, accepts) = match known.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let accepts = accepted(name, model, lists, &place.source)?;
                    let (label, exact) = label(name, model);
                    known.entry(key).or_insert((label, exact, accepts)).clone()
                }
            };
            results.push(LabelResult {
                place,
                label,
                exact,
                accepts,
            });
        }
        Ok(Self {
            schema: "vmig.label/1",
            results,
        })
    }
}

fn accepted(
    name: &str,
    model: &Model,
    lists: &BTreeMap<String, List>,
    source: &str,
) -> Result<Vec<Accepted>, Error> {
    let mut accepts: BTreeMap<&str, String> = BTreeMap::new();
    for profile in &model.profiles {
        let params = profile.params.iter();
        let list = List {
            model: name.to_owned(),
            params: params
                .map(|(name, value)| (name.clone(), value.clone().into()))
                .collect(),
            off: None,
            runtime: None,
            device: None,
        };
        accepts.insert(&profile.name, list_label(&list));
    }
    for (given, list) in lists {
        if list.model != name || judge(list, model).verdict.is_no() {
            continue;
        }
        let label = list_label(list);
        if accepts
            .insert(given, label.clone())
            .is_some_and(|known| known != label)
        {
            let message =
                format!("the list {given} has the name of a profile, but other parameters");
            return Err(Error::new(Code::Contradiction, source, message));
        }
    }
    let accepts = accepts.into_iter();
    Ok(accepts
        .map(|(name, label)| Accepted {
            name: name.to_owned(),
            label,
        })
        .collect())
}

/// The label of a list: the same for each list of the same model and text.
fn list_label(list: &List) -> String {
    finished(Sha256::new_with_prefix("list\n").chain_update(list.to_string()))
}

/// The label of what `model`, named `name`, accepts; and whether it is exact.
pub fn label(name: &str, model: &Model) -> (String, bool) {
    let names: Vec<&str> = model.params.keys().map(String::as_str).collect();
    let mut text = Text(Vec::with_capacity(1024));
    let mut exact = true;
    for level in [Level::Compatible, Level::Possible] {
        let alternative = Alternative::new(model, &names, level);
        let written = alternative.is_ok_and(|alternative| {
            let table = Table::of(&alternative);
            table.is_some_and(|table| {
                accepted_set(name, &names, &alternative, &table, &mut text);
                true
            })
        });
        if !written {
            as_declared(name, &names, model, level, &mut text);
            exact = false;
        }
    }
    (finished(Sha256::new_with_prefix(text.0)), exact)
}

fn finished(digest: Sha256) -> String {
    let digest = format!("{:x}", digest.finalize());
    format!("{VERSION}-{}", digest.get(..DIGITS).unwrap_or(&digest))
}

/// Writes what is declared: the same declarations are the same set, but not the other way round.
fn as_declared(name: &str, names: &[&str], model: &Model, level: Level, text: &mut Text) {
    text.word("inexact");
    text.word(name);
    text.number(names.len());
    for (name, param) in &model.params {
        text.word(name);
        text.elements(&Elements::accepted(param, level));
    }
    let clauses = |clauses| literals(clauses, model, names).collect::<Vec<_>>();
    let constraints = model.constraints.iter();
    let constraints = constraints.map(|one| [clauses(&one.when), clauses(&one.then)]);
    let constraints: BTreeSet<[Vec<(usize, Elements)>; 2]> = constraints.collect();
    text.number(constraints.len());
    for clauses in constraints.iter().flatten() {
        text.number(clauses.len());
        for (param, set) in clauses {
            text.word(names[*param]);
            text.elements(set);
        }
    }
}

/// Writes the set of lists that are accepted in its one form.
fn accepted_set(
    name: &str,
    names: &[&str],
    accepted: &Alternative,
    table: &Table,
    text: &mut Text,
) {
    if table.is_empty() || accepted.sets.iter().any(Elements::is_empty) {
        return text.word("empty");
    }
    text.word("set");
    text.word(name);
    // Independent parameters, with what is left of them.
    for (param, set) in accepted.sets.iter().enumerate() {
        let set = table.independent(param).unwrap_or(set);
        if *set != Elements::absent() && !table.is_tied(param) {
            text.word(names[param]);
            text.elements(set);
        }
    }
    text.word("");
    // Tied ones: their classes, and the combinations of these.
    for (param, classes) in table.tied() {
        text.word(names[param]);
        text.number(classes.len());
        for class in classes {
            text.elements(class);
        }
    }
    text.word("");
    for row in table.rows() {
        for class in row {
            text.number(class);
        }
    }
}

/// What is digested: every part with its length or its end, so that nothing has two readings.
struct Text(Vec<u8>);

impl Text {
    fn word(&mut self, word: &str) {
        self.number(word.len());
        self.0.extend_from_slice(word.as_bytes());
    }

    fn number(&mut self, n: usize) {
        self.0.extend_from_slice(&(n as u64).to_le_bytes());
    }

    fn elements(&mut self, set: &Elements) {
        let Elements {
            absent,
            bools: [off, on],
            ints,
            strs,
        } = set;
        let (except, named) = match strs {
            Strs::Only(named) => (false, named),
            Strs::Except(named) => (true, named),
        };
        self.0.extend([*absent, *off, *on, except].map(u8::from));
        self.number(ints.intervals().len());
        for (min, max) in ints.intervals() {
            self.0.extend_from_slice(&min.to_le_bytes());
            self.0.extend_from_slice(&max.to_le_bytes());
        }
        self.number(named.len());
        for text in named.iter() {
            self.word(text);
        }
    }
}
