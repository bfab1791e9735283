// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The lists that implementations accept, as sets per parameter and rules between parameters.
//!
//! A [`Space`] is what all of several units accept, a unit being the alternatives of which one must
//! accept. What is independent is kept apart: only parameters that rules or alternatives tie
//! together are searched, in groups as small as they come.

use std::collections::{
    BTreeMap,
    BTreeSet,
    HashMap, //
};

use crate::{
    csp::{
        Bits,
        Budget,
        Csp,
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
    order::{
        classes,
        effort,
        Order, //
    },
    set::Set,
};

/// Of the literals, parameters and what they may be, one must hold. Ascending, each parameter once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rule(pub(crate) Vec<(usize, Elements)>);

impl Rule {
    fn new(literals: impl IntoIterator<Item = (usize, Elements)>) -> Self {
        let mut merged: Vec<(usize, Elements)> = Vec::new();
        for (param, set) in literals {
            match merged.iter_mut().find(|(known, _)| *known == param) {
                Some((_, known)) => *known = std::mem::replace(known, Elements::none()).union(set),
                None => merged.push((param, set)),
            }
        }
        merged.sort();
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

impl Alternative {
    /// What `model` accepts at `level`; `names` has all names of its parameters, ascending.
    pub(crate) fn new(model: &Model, names: &Names<'_>, level: Level) -> Self {
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
        Self { sets, rules }
    }

    pub(crate) fn accepts(&self, list: &[Element]) -> bool {
        let mut sets = self.sets.iter().zip(list);
        sets.all(|(set, element)| set.contains(element))
            && self.rules.iter().all(|rule| rule.holds(list))
    }

    /// The ways to be refused by this: the lists that one of them accepts.
    pub(crate) fn refusals(&self) -> Vec<Self> {
        let anything = || Self {
            sets: vec![Elements::all(); self.sets.len()],
            rules: Vec::new(),
        };
        let sets = self.sets.iter().enumerate().map(|(param, set)| {
            let mut refusal = anything();
            refusal.sets[param] = set.clone().complement();
            refusal
        });
        let rules = self.rules.iter().map(|rule| {
            let mut refusal = anything();
            for (param, set) in &rule.0 {
                refusal.sets[*param] = set.clone().complement();
            }
            refusal
        });
        sets.chain(rules).collect()
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

    /// The first list in the order; `lead` is a parameter that is decided before all others.
    pub(crate) fn first(
        &self,
        orders: &[Order],
        lead: Option<usize>,
        budget: &mut Budget,
    ) -> Result<Option<Vec<Element>>, TooComplex> {
        let how = How {
            lead,
            ..How::default()
        };
        self.search(orders, how, budget)
    }

    /// Whether there is any list.
    pub(crate) fn has_list(
        &self,
        orders: &[Order],
        budget: &mut Budget,
    ) -> Result<bool, TooComplex> {
        let how = How {
            units_first: true,
            ..How::default()
        };
        Ok(!self.has_empty_set() && self.search(orders, how, budget)?.is_some())
    }

    /// The first of the lists that differ in the fewest parameters from `kept`.
    pub(crate) fn nearest(
        &self,
        orders: &[Order],
        kept: &[Option<Element>],
        budget: &mut Budget,
    ) -> Result<Option<Vec<Element>>, TooComplex> {
        let how = How {
            kept: Some(kept),
            ..How::default()
        };
        self.search(orders, how, budget)
    }

    fn search(
        &self,
        orders: &[Order],
        how: How<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Vec<Element>>, TooComplex> {
        let mut space = self.clone();
        if !space.tighten(budget)? {
            return Ok(None);
        }
        let mut list: Vec<Element> = Vec::with_capacity(orders.len());
        for (param, (set, order)) in space.sets.iter().zip(orders).enumerate() {
            let kept = how.kept.and_then(|kept| kept[param].clone());
            let first = match kept.filter(|kept| set.contains(kept)) {
                Some(kept) => Some(kept),
                None => order.first(set),
            };
            list.push(first.unwrap_or(Element::Absent));
        }
        for group in space.groups() {
            let found = space.group(&group, orders, how, budget)?;
            let Some(found) = found else { return Ok(None) };
            for (param, element) in group.params.iter().zip(found) {
                list[*param] = element;
            }
        }
        Ok(Some(list))
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

    /// The parameters that are tied together, group by group, with what ties them.
    fn groups(&self) -> Vec<Group<'_>> {
        let mut leaders: Vec<usize> = (0..self.sets.len()).collect();
        let ties: Vec<BTreeSet<usize>> = self
            .rules
            .iter()
            .map(|rule| rule.0.iter().map(|(param, _)| *param).collect())
            .chain(self.units.iter().map(|unit| self.tied(unit)))
            .collect();
        for tie in &ties {
            let mut tie = tie.iter();
            let Some(first) = tie.next() else { continue };
            for other in tie {
                let (a, b) = (leader(&mut leaders, *first), leader(&mut leaders, *other));
                leaders[a.max(b)] = a.min(b);
            }
        }
        let mut groups: HashMap<usize, Group<'_>> = HashMap::new();
        let (rules, units) = ties.split_at(self.rules.len());
        for (tie, rule) in rules.iter().zip(&self.rules) {
            let group = tie.first().map(|first| leader(&mut leaders, *first));
            groups
                .entry(group.unwrap_or(0))
                .or_default()
                .take(tie)
                .rules
                .push(rule);
        }
        for (tie, unit) in units.iter().zip(&self.units) {
            let group = tie.first().map(|first| leader(&mut leaders, *first));
            groups
                .entry(group.unwrap_or(0))
                .or_default()
                .take(tie)
                .units
                .push(unit);
        }
        groups.into_values().collect()
    }

    /// The parameters that matter to the choice between alternatives.
    fn tied(&self, unit: &[Alternative]) -> BTreeSet<usize> {
        let ruled = unit
            .iter()
            .flat_map(|one| &one.rules)
            .flat_map(|rule| &rule.0);
        let narrowed = unit.iter().flat_map(|one| {
            let sets = one.sets.iter().zip(&self.sets).enumerate();
            sets.filter(|(_, (mine, all))| mine != all)
                .map(|(param, _)| param)
        });
        ruled.map(|(param, _)| *param).chain(narrowed).collect()
    }

    fn group(
        &self,
        group: &Group<'_>,
        orders: &[Order],
        how: How<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Vec<Element>>, TooComplex> {
        let mut problem = Problem::default();
        let mut choices = Vec::new();
        if how.units_first {
            choices = group
                .units
                .iter()
                .map(|unit| problem.choice(unit))
                .collect();
        }
        let first = |param: &&usize| Some(**param) != how.lead;
        let mut params: Vec<usize> = group.params.iter().copied().collect();
        params.sort_by_key(|param| first(&param));
        for param in &params {
            let kept = how.kept.map(|kept| kept[*param].clone());
            problem.param(
                &self.sets[*param],
                *param,
                group,
                &orders[*param],
                kept,
                budget,
            )?;
        }
        for rule in &group.rules {
            let literals = rule
                .0
                .iter()
                .map(|(param, set)| problem.literal(*param, set));
            problem.csp.clauses.push(literals.collect());
        }
        if !how.units_first {
            choices = group
                .units
                .iter()
                .map(|unit| problem.choice(unit))
                .collect();
        }
        for (unit, choice) in group.units.iter().zip(choices) {
            problem.unit(unit, choice, &group.params, budget)?;
        }
        // Different rules may be the same in terms of classes.
        problem.csp.clauses.sort_unstable();
        problem.csp.clauses.dedup();
        let found = match how.kept {
            Some(_) => problem.csp.cheapest(budget)?,
            None => problem.csp.first(budget)?,
        };
        let Some(found) = found else { return Ok(None) };
        let element = |param: &usize| {
            let var = problem.vars[param];
            problem.elements[&var][found[var]].clone()
        };
        Ok(Some(group.params.iter().map(element).collect()))
    }
}

/// How to search.
#[derive(Clone, Copy, Default)]
struct How<'a> {
    /// A parameter that is decided before all others.
    lead: Option<usize>,
    /// Elements that cost nothing.
    kept: Option<&'a [Option<Element>]>,
    /// Any list will do: choose between alternatives before anything else.
    units_first: bool,
}

fn leader(leaders: &mut [usize], of: usize) -> usize {
    let mut at = of;
    while leaders[at] != at {
        leaders[at] = leaders[leaders[at]];
        at = leaders[at];
    }
    at
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

/// Parameters that are tied together.
#[derive(Default)]
struct Group<'a> {
    params: BTreeSet<usize>,
    rules: Vec<&'a Rule>,
    units: Vec<&'a Vec<Alternative>>,
}

impl Group<'_> {
    fn take(&mut self, params: &BTreeSet<usize>) -> &mut Self {
        self.params.extend(params);
        self
    }

    /// Every set that tells elements of `param` apart.
    fn sets(&self, param: usize) -> Vec<&Elements> {
        let alternatives = || self.units.iter().flat_map(|unit| unit.iter());
        let inner = alternatives().flat_map(|one| &one.rules);
        let literals = self
            .rules
            .iter()
            .copied()
            .chain(inner)
            .flat_map(|rule| &rule.0);
        let mut sets: Vec<&Elements> = literals
            .filter(|(known, _)| *known == param)
            .map(|(_, set)| set)
            .chain(alternatives().map(|one| &one.sets[param]))
            .collect();
        sets.sort_unstable();
        sets.dedup();
        sets
    }
}

/// A group as clauses over classes of elements.
#[derive(Default)]
struct Problem {
    csp: Csp,
    /// The variable of each parameter.
    vars: HashMap<usize, usize>,
    /// The first element of each class, by variable.
    elements: HashMap<usize, Vec<Element>>,
    /// Which classes are in a set, by variable.
    known: HashMap<usize, HashMap<Elements, Bits>>,
}

impl Problem {
    fn param(
        &mut self,
        domain: &Elements,
        param: usize,
        group: &Group<'_>,
        order: &Order,
        kept: Option<Option<Element>>,
        budget: &mut Budget,
    ) -> Result<(), TooComplex> {
        let mut sets = group.sets(param);
        let only = kept.iter().flatten().cloned();
        let only = Elements::of(only);
        sets.push(&only);
        budget.spend(effort(domain, &sets))?;
        let classes = classes(domain, &sets, false).into_iter();
        let mut classes: Vec<(Element, Vec<bool>)> = classes
            .filter_map(|class| Some((order.first(&class.elements)?, class.within)))
            .collect();
        classes.sort_by(|(a, _), (b, _)| order.key(a).cmp(&order.key(b)));
        let size = classes.len();
        let bits = |i: usize| Bits::new(size, |class| classes[class].1[i]);
        let known = sets
            .iter()
            .enumerate()
            .map(|(i, set)| ((*set).clone(), bits(i)));
        let var = self.csp.sizes.len();
        self.known.insert(var, known.collect());
        self.vars.insert(param, var);
        self.csp.sizes.push(size);
        self.csp.keep.push(kept.map(|kept| {
            let kept = kept?;
            classes.iter().position(|(element, _)| *element == kept)
        }));
        let elements = classes.into_iter().map(|(element, _)| element).collect();
        self.elements.insert(var, elements);
        Ok(())
    }

    fn literal(&self, param: usize, set: &Elements) -> (usize, Bits) {
        let var = self.vars[&param];
        (var, self.known[&var][set].clone())
    }

    /// A variable that says which alternative it is.
    fn choice(&mut self, unit: &[Alternative]) -> usize {
        self.csp.sizes.push(unit.len());
        self.csp.keep.push(None);
        self.csp.sizes.len() - 1
    }

    /// What each alternative asks for.
    fn unit(
        &mut self,
        unit: &[Alternative],
        choice: usize,
        params: &BTreeSet<usize>,
        budget: &mut Budget,
    ) -> Result<(), TooComplex> {
        for (i, alternative) in unit.iter().enumerate() {
            budget.spend(params.len() + alternative.rules.len())?;
            let other = (choice, Bits::new(unit.len(), |one| one != i));
            for param in params {
                let literal = self.literal(*param, &alternative.sets[*param]);
                self.csp.clauses.push(vec![other.clone(), literal]);
            }
            for rule in &alternative.rules {
                let literals = rule.0.iter().map(|(param, set)| self.literal(*param, set));
                let clause = [other.clone()].into_iter().chain(literals).collect();
                self.csp.clauses.push(clause);
            }
        }
        Ok(())
    }
}
