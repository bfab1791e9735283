// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The lists that implementations accept, as sets per parameter and rules between parameters.
//!
//! A [`Space`] is what all of several units accept, a unit being the alternatives of which one must
//! accept. Looking for a list in it is [`search`]'s business.

mod search;

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

use crate::{
    csp::{
        Budget,
        TooComplex, //
    },
    document::{
        Constraint,
        Model, //
    },
    elements::{
        Element,
        Elements,
        Level, //
    },
    set::Set,
};

/// Of the literals, parameters and what they may be, one must hold. Ascending, each parameter once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rule(pub(crate) Vec<(usize, Elements)>);

impl Rule {
    fn new(literals: impl IntoIterator<Item = (usize, Elements)>) -> Self {
        let mut literals: Vec<(usize, Elements)> = literals.into_iter().collect();
        literals.sort_by_key(|(param, _)| *param);
        let mut merged: Vec<(usize, Elements)> = Vec::with_capacity(literals.len());
        for (param, set) in literals {
            match merged.last_mut() {
                Some((known, all)) if *known == param => {
                    *all = std::mem::replace(all, Elements::none()).union(set);
                }
                _ => merged.push((param, set)),
            }
        }
        Self(merged)
    }

    fn holds(&self, list: &[Element]) -> bool {
        self.0
            .iter()
            .any(|(param, set)| set.contains(&list[*param]))
    }
}

/// The names of the parameters; everything else here is numbered by them.
pub(crate) type Names<'a> = [&'a str];

/// What one implementation accepts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Alternative {
    pub(crate) sets: Vec<Elements>,
    pub(crate) rules: Vec<Rule>,
}

/// Literals in the rules of an implementation.
const LITERALS_MAX: usize = 1 << 16;

impl Alternative {
    /// What `model` accepts at `level`; `names` has all names of its parameters, ascending.
    pub(crate) fn new(model: &Model, names: &Names<'_>, level: Level) -> Result<Self, TooComplex> {
        let literals = model.constraints.iter().map(|constraint| {
            let rule = constraint.when.len().saturating_add(1);
            rule.saturating_mul(constraint.then.len())
        });
        if literals.fold(0, usize::saturating_add) > LITERALS_MAX {
            return Err(TooComplex);
        }
        let mut params = model.params.iter().peekable();
        let set = |name: &&str| match params.next_if(|(known, _)| known == name) {
            Some((_, param)) => Elements::accepted(param, level),
            None => Elements::absent(),
        };
        let sets = names.iter().map(set).collect();
        let mut rules: Vec<Rule> = model
            .constraints
            .iter()
            .flat_map(|constraint| rules(constraint, model, names))
            .collect();
        rules.sort();
        rules.dedup();
        Ok(Self { sets, rules })
    }

    pub(crate) fn accepts(&self, list: &[Element]) -> bool {
        let mut sets = self.sets.iter().zip(list);
        sets.all(|(set, element)| set.contains(element))
            && self.rules.iter().all(|rule| rule.holds(list))
    }

    /// The ways to be refused by this: each a few parameters, and what they are then.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = Vec<(usize, Elements)>> + '_ {
        let sets = self.sets.iter().enumerate();
        let sets = sets.map(|(param, set)| vec![(param, set.clone().complement())]);
        let rules = self.rules.iter().map(|rule| {
            let literals = rule.0.iter();
            literals
                .map(|(param, set)| (*param, set.clone().complement()))
                .collect()
        });
        sets.chain(rules)
    }

    /// Whether this accepts whatever `other` accepts, as far as can be seen without a search.
    fn covers(&self, other: &Self) -> bool {
        let mut sets = self.sets.iter().zip(&other.sets);
        sets.all(|(mine, theirs)| theirs.is_subset(mine))
            && self.rules.iter().all(|rule| other.rules.contains(rule))
    }

    /// The two as one, if they differ in one parameter only.
    fn merged(&self, other: &Self) -> Option<Self> {
        if self.rules != other.rules {
            return None;
        }
        let mut differ = (0..self.sets.len()).filter(|i| self.sets[*i] != other.sets[*i]);
        let (first, second) = (differ.next()?, differ.next());
        let mut merged = self.clone();
        merged.sets[first] = merged.sets[first].clone().union(other.sets[first].clone());
        second.is_none().then_some(merged)
    }
}

/// The clauses of a constraint in terms of elements.
pub(crate) fn literals<'a>(
    clauses: &'a BTreeMap<String, Set>,
    model: &'a Model,
    names: &'a Names<'_>,
) -> impl Iterator<Item = (usize, Elements)> + 'a {
    clauses.iter().filter_map(|(name, set)| {
        let param = model.params.get(name)?;
        let mut elements = Elements::values(param.kind, set);
        // Where it is absent, the off value is what counts.
        elements.absent = param.off.as_ref().is_some_and(|off| set.contains(off));
        Some((names.binary_search(&name.as_str()).ok()?, elements))
    })
}

/// "If ... then ..." as rules: one for each thing that is asked for.
fn rules<'a>(
    constraint: &'a Constraint,
    model: &'a Model,
    names: &'a Names<'_>,
) -> impl Iterator<Item = Rule> + 'a {
    let when: Vec<(usize, Elements)> = literals(&constraint.when, model, names)
        .map(|(param, set)| (param, set.complement()))
        .collect();
    let then = literals(&constraint.then, model, names);
    then.map(move |then| Rule::new(when.iter().cloned().chain([then])))
}

/// What all of several units accept.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) sets: Vec<Elements>,
    pub(crate) rules: BTreeSet<Rule>,
    /// Units with more than one alternative.
    pub(crate) units: Vec<Vec<Alternative>>,
}

impl Space {
    /// Everything there is for so many parameters.
    pub(crate) fn all(params: usize) -> Self {
        Self {
            sets: vec![Elements::all(); params],
            rules: BTreeSet::new(),
            units: Vec::new(),
        }
    }

    /// Leaves only what one of `alternatives` accepts, too.
    pub(crate) fn add(&mut self, alternatives: Vec<Alternative>) {
        let mut alternatives = simplified(alternatives);
        match alternatives.pop() {
            Some(only) if alternatives.is_empty() => self.fold(only),
            last => {
                alternatives.extend(last);
                self.units.push(alternatives);
            }
        }
    }

    fn fold(&mut self, alternative: Alternative) {
        for (param, set) in alternative.sets.iter().enumerate() {
            self.restrict(param, set);
        }
        self.rules.extend(alternative.rules);
    }

    /// Leaves only what has `param` in `set`.
    pub(crate) fn restrict(&mut self, param: usize, set: &Elements) {
        if !self.sets[param].is_subset(set) {
            self.sets[param] = self.sets[param].intersection(set);
        }
    }

    pub(crate) fn accepts(&self, list: &[Element]) -> bool {
        let mut sets = self.sets.iter().zip(list);
        sets.all(|(set, element)| set.contains(element))
            && self.rules.iter().all(|rule| rule.holds(list))
            && self
                .units
                .iter()
                .all(|unit| unit.iter().any(|alternative| alternative.accepts(list)))
    }

    /// Whether a parameter has nothing left.
    pub(crate) fn has_empty_set(&self) -> bool {
        self.sets.iter().any(Elements::is_empty)
    }

    /// Draws the conclusions that need no search; false: nothing is accepted.
    fn tighten(&mut self, budget: &mut Budget) -> Result<bool, TooComplex> {
        loop {
            if self.has_empty_set() {
                return Ok(false);
            }
            let mut changed = false;
            for unit in std::mem::take(&mut self.units) {
                budget.spend(
                    unit.iter()
                        .map(|one| one.sets.len() + one.rules.len())
                        .sum(),
                )?;
                let within = unit.into_iter().filter_map(|mut alternative| {
                    for (mine, set) in alternative.sets.iter_mut().zip(&self.sets) {
                        if !mine.is_subset(set) {
                            *mine = mine.intersection(set);
                        }
                    }
                    let dead = alternative.sets.iter().any(Elements::is_empty);
                    (!dead).then_some(alternative)
                });
                let mut unit = simplified(within.collect());
                match unit.pop() {
                    None => return Ok(false),
                    Some(only) if unit.is_empty() => {
                        self.fold(only);
                        changed = true;
                    }
                    Some(last) => {
                        unit.push(last);
                        self.units.push(unit);
                    }
                }
            }
            for Rule(literals) in std::mem::take(&mut self.rules) {
                budget.spend(literals.len())?;
                if literals
                    .iter()
                    .any(|(param, set)| self.sets[*param].is_subset(set))
                {
                    continue;
                }
                let mut open: Vec<(usize, Elements)> = literals
                    .into_iter()
                    .map(|(param, set)| (param, set.intersection(&self.sets[param])))
                    .filter(|(_, set)| !set.is_empty())
                    .collect();
                match open.pop() {
                    None => return Ok(false),
                    Some((param, set)) if open.is_empty() => {
                        self.sets[param] = set;
                        changed = true;
                    }
                    Some(last) => {
                        open.push(last);
                        self.rules.insert(Rule(open));
                    }
                }
            }
            if !changed {
                return Ok(!self.has_empty_set());
            }
        }
    }
}

/// The same alternatives, without those that another one covers, and merged where that is exact.
fn simplified(mut alternatives: Vec<Alternative>) -> Vec<Alternative> {
    alternatives.sort();
    alternatives.dedup();
    let mut i = 0;
    while i < alternatives.len() {
        let mut others = (0..alternatives.len()).filter(|j| *j != i);
        if others.any(|j| alternatives[j].covers(&alternatives[i])) {
            alternatives.remove(i);
            continue;
        }
        let merged = (0..i).find_map(|j| Some((j, alternatives[j].merged(&alternatives[i])?)));
        if let Some((j, merged)) = merged {
            alternatives.remove(i);
            alternatives[j] = merged;
            i = 0;
            continue;
        }
        i += 1;
    }
    alternatives
}
