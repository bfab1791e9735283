// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Comparing two sources, by the lists that they accept, or two lists, by age.
//!
//! A source with several hosts accepts what all of them accept.

mod lists;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    csp::{
        Budget,
        TooComplex, //
    },
    document::Model,
    elements::{
        Elements,
        Level, //
    },
    error::{
        Code,
        Error, //
    },
    fleet::Fleet,
    order::Order,
    set::Set,
    space::{
        literals,
        Alternative,
        Names,
        Space, //
    },
};

/// What two things are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// Both sources accept the same lists.
    Identical,
    /// Whatever the first source accepts, the second does, too.
    Subset,
    /// Whatever the second source accepts, the first does, too.
    Superset,
    /// Some lists are accepted by both sources.
    Overlapping,
    /// No list is accepted by both sources.
    Disjoint,
    /// The lists are the same.
    Same,
    /// The first list is older than the second.
    Older,
    /// The first list is newer than the second.
    Newer,
    /// Neither list is older.
    Unordered,
}

impl Relation {
    /// Whether the answer is a plain no.
    pub fn is_no(self) -> bool {
        matches!(self, Self::Disjoint | Self::Unordered)
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Two sources.
    Sources,
    /// Two lists.
    Lists,
}

/// `vmig.compare/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compare {
    schema: &'static str,
    /// What is compared.
    pub what: What,
    /// The first, as it was named.
    pub a: String,
    /// The second, as it was named.
    pub b: String,
    /// The model; `None`: they have none in common.
    pub model: Option<String>,
    /// What the first is to the second.
    pub result: Relation,
    /// The parameters that make the difference.
    pub responsible: Vec<String>,
    /// Whether nothing depends on values that may be refused.
    pub certain: bool,
}

impl Compare {
    /// Compares two sources, each with its name, by what they accept for `model`; `None`: they have
    /// no model in common. With `each`, every implementation of a host counts, not just the best.
    ///
    /// # Errors
    ///
    /// [`Code::TooComplex`].
    ///
    /// ```
    /// use vmig::{compare::{Compare, Relation}, document::Document, fleet::Fleet};
    ///
    /// let text = |max: u8| format!(r#"{{"models": {{"example.org/nic": {{"params": {{
    ///     "mtu": {{"type": "int", "init_value": 1, "allowed_values": ["1-{max}"]}}
    /// }}}}}}}}"#);
    /// let documents = [4, 8].map(|max| Document::parse(text(max).as_bytes(), "nic.json").unwrap());
    /// let [a, b] = documents.each_ref().map(|document| {
    ///     let mut fleet = Fleet::default();
    ///     fleet.add("host", "nic.json", "example.org/nic", &document.models["example.org/nic"]);
    ///     fleet
    /// });
    /// let answer = Compare::sources(("a", &a), ("b", &b), Some("example.org/nic"), false)?;
    /// assert_eq!(answer.result, Relation::Subset);
    /// assert_eq!(answer.responsible, ["mtu"]);
    /// # Ok::<(), vmig::error::Error>(())
    /// ```
    pub fn sources(
        (a_name, a): (&str, &Fleet<'_>),
        (b_name, b): (&str, &Fleet<'_>),
        model: Option<&str>,
        each: bool,
    ) -> Result<Self, Error> {
        let mut answer = Self {
            schema: SCHEMA,
            what: What::Sources,
            a: a_name.to_owned(),
            b: b_name.to_owned(),
            model: model.map(str::to_owned),
            result: Relation::Disjoint,
            responsible: Vec::new(),
            certain: true,
        };
        let Some(model) = model else {
            return Ok(answer);
        };
        let (a, b) = (groups(a, model, each), groups(b, model, each));
        let models = || a.iter().chain(&b).flatten();
        let names: BTreeSet<&str> = models()
            .flat_map(|model| model.params.keys().map(String::as_str))
            .collect();
        let names: Vec<&str> = names.into_iter().collect();
        let mut params = models().flat_map(|model| model.params.values());
        answer.certain = !params.any(|param| param.accepted == Set::Any);
        let too_complex = |TooComplex| {
            let message = format!("the constraints of {model} are beyond the work limit");
            Error::new(Code::TooComplex, a_name, message)
        };
        let a = Side::new(&a, &names).map_err(too_complex)?;
        let b = Side::new(&b, &names).map_err(too_complex)?;
        answer.result = relation(&a, &b, &names).map_err(too_complex)?;
        if answer.result != Relation::Identical {
            let responsible = responsible(&a, &b, &names);
            answer.responsible = responsible
                .into_iter()
                .map(|i| names[i].to_owned())
                .collect();
        }
        Ok(answer)
    }
}

const SCHEMA: &str = "vmig.compare/1";

/// The implementations of `model`; of each group one must accept.
fn groups<'a>(fleet: &Fleet<'a>, model: &str, each: bool) -> Vec<Vec<&'a Model>> {
    let (hosts, _) = fleet.offering(model);
    let hosts = hosts.into_iter().map(|(_, offers)| offers);
    let mut groups: Vec<Vec<&Model>> = hosts
        .flat_map(|offers| {
            let models = offers.into_iter().map(|offer| offer.model);
            match each {
                true => models.map(|model| vec![model]).collect(),
                false => vec![models.collect::<Vec<_>>()],
            }
        })
        .collect();
    let address = |model: &&Model| std::ptr::from_ref(*model);
    for group in &mut groups {
        group.sort_unstable_by_key(address);
        group.dedup_by_key(|model| address(model));
    }
    groups.sort_unstable_by_key(|group| group.iter().map(address).collect::<Vec<_>>());
    groups.dedup_by_key(|group| group.iter().map(address).collect::<Vec<_>>());
    groups
}

/// A constraint in terms of elements: what it needs to apply, what it asks for.
type Clauses = (Vec<(usize, Elements)>, Vec<(usize, Elements)>);

/// One of the two sources.
struct Side {
    accept: Vec<Vec<Alternative>>,
    constraints: BTreeSet<Clauses>,
}

impl Side {
    fn new(groups: &[Vec<&Model>], names: &Names<'_>) -> Result<Self, TooComplex> {
        let alternative = |model: &&Model| Alternative::new(model, names, Level::Possible);
        let groups_of = groups.iter();
        let accept: Result<Vec<Vec<Alternative>>, TooComplex> = groups_of
            .map(|group| group.iter().map(alternative).collect())
            .collect();
        let mut accept = accept?;
        accept.sort();
        accept.dedup();
        let constraints = groups.iter().flatten().flat_map(|model| {
            model.constraints.iter().map(|constraint| {
                let when = literals(&constraint.when, model, names).collect();
                (when, literals(&constraint.then, model, names).collect())
            })
        });
        Ok(Self {
            accept,
            constraints: constraints.collect(),
        })
    }

    fn space(&self, names: &Names<'_>) -> Space {
        let mut space = Space::all(names.len());
        for alternatives in &self.accept {
            space.add(alternatives.clone());
        }
        space
    }

    /// What is accepted for a parameter, whatever goes with it.
    fn set(&self, param: usize) -> Elements {
        let any = |alternatives: &Vec<Alternative>| {
            let sets = alternatives.iter().map(|one| one.sets[param].clone());
            sets.fold(Elements::none(), Elements::union)
        };
        let sets = self.accept.iter().map(any);
        sets.fold(Elements::all(), |all, set| all.intersection(&set))
    }
}

fn relation(a: &Side, b: &Side, names: &Names<'_>) -> Result<Relation, TooComplex> {
    let mut budget = Budget::COMMAND;
    let orders = vec![Order::default(); names.len()];
    let within = within(a, b, names, &orders, &mut budget)?;
    let around = self::within(b, a, names, &orders, &mut budget)?;
    Ok(match (within, around) {
        (true, true) => Relation::Identical,
        (true, false) => Relation::Subset,
        (false, true) => Relation::Superset,
        (false, false) => {
            let mut both = a.space(names);
            for alternatives in &b.accept {
                both.add(alternatives.clone());
            }
            match both.has_list(&orders, &mut budget)? {
                true => Relation::Overlapping,
                false => Relation::Disjoint,
            }
        }
    })
}

/// Whether `b` accepts whatever `a` accepts: no host of `b` refuses such a list.
fn within(
    a: &Side,
    b: &Side,
    names: &Names<'_>,
    orders: &[Order],
    budget: &mut Budget,
) -> Result<bool, TooComplex> {
    for alternatives in &b.accept {
        if a.accept.contains(alternatives) {
            continue;
        }
        let all = a.space(names);
        if let [only] = alternatives.as_slice() {
            // Each way by itself: there are many, and most are seen to be none at once.
            for refusal in only.refusals() {
                budget.spend(refusal.len())?;
                if refusal
                    .iter()
                    .any(|(param, set)| all.sets[*param].is_disjoint(set))
                {
                    continue;
                }
                budget.spend(names.len())?;
                let mut refused = all.clone();
                for (param, set) in &refusal {
                    refused.restrict(*param, set);
                }
                if refused.has_list(orders, budget)? {
                    return Ok(false);
                }
            }
            continue;
        }
        let mut refused = all;
        for alternative in alternatives {
            let ways = alternative.sets.len() + alternative.rules.len();
            // The ways are compared with each other, parameter by parameter.
            budget.spend(ways.saturating_mul(ways).saturating_mul(2 * names.len()))?;
            let refusal = |refusal: Vec<(usize, Elements)>| {
                let mut sets = vec![Elements::all(); names.len()];
                for (param, set) in refusal {
                    sets[param] = set;
                }
                Alternative {
                    sets,
                    rules: Vec::new(),
                }
            };
            refused.add(alternative.refusals().map(refusal).collect());
        }
        if refused.has_list(orders, budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The parameters whose sets differ, and those in constraints that only one side has.
fn responsible(a: &Side, b: &Side, names: &Names<'_>) -> BTreeSet<usize> {
    let mut params: BTreeSet<usize> = (0..names.len())
        .filter(|i| a.set(*i) != b.set(*i))
        .collect();
    for (when, then) in a.constraints.symmetric_difference(&b.constraints) {
        params.extend(when.iter().chain(then).map(|(param, _)| param));
    }
    if params.is_empty() {
        // The sides differ in which values go together, by the types that they offer.
        let sets = |side: &Side, param: usize| -> BTreeSet<Elements> {
            let alternatives = side.accept.iter().flatten();
            alternatives.map(|one| one.sets[param].clone()).collect()
        };
        let varies = |side: &Side, param: usize| sets(side, param).len() > 1;
        params.extend((0..names.len()).filter(|i| varies(a, *i) || varies(b, *i)));
    }
    params
}
