// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Looking for a list that is accepted: the problem that a [`Space`] is to the solver.
//!
//! What is independent is kept apart: only parameters that rules or alternatives tie together are
//! searched, in groups as small as they come.

use std::collections::{
    BTreeSet,
    HashMap, //
};

use super::{
    Alternative,
    Rule,
    Space, //
};
use crate::{
    csp::{
        Bits,
        Budget,
        Csp,
        TooComplex, //
    },
    elements::{
        Element,
        Elements, //
    },
    order::{
        classes,
        effort,
        Order, //
    },
};

impl Space {
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
