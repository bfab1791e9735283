// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The combinations of parameters under rules, in the one form that depends on nothing but them.
//!
//! Values that no combination tells apart are one class; a parameter with one class is independent
//! of the others. Both follow from the set of combinations alone, however the rules are written.

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

use crate::{
    elements::Elements,
    order::{
        classes,
        effort, //
    },
    space::Alternative,
};

/// As many combinations are tabulated.
pub(super) const COMBINATIONS_MAX: usize = 4096;

/// As many comparisons are made to find the classes of all parameters.
const EFFORT_MAX: usize = 20_000_000;

/// What the parameters under rules may be together.
pub(super) struct Table {
    /// The parameters, each with its classes.
    columns: BTreeMap<usize, Vec<Elements>>,
    /// The combinations that are accepted: a class per column.
    rows: BTreeSet<Vec<usize>>,
}

/// When a rule holds.
#[derive(Clone, Default)]
struct Tabulated {
    /// Whatever the combination is.
    anyway: bool,
    /// With these classes of these columns.
    literals: Vec<(usize, Vec<bool>)>,
}

impl Table {
    /// The combinations of the parameters that the rules are about; `None`: too many.
    pub(super) fn of(accepted: &Alternative) -> Option<Self> {
        // Of each parameter, the rules that it is in.
        let mut ruled: BTreeMap<usize, Vec<(usize, &Elements)>> = BTreeMap::new();
        for (i, rule) in accepted.rules.iter().enumerate() {
            for (param, set) in &rule.0 {
                ruled.entry(*param).or_default().push((i, set));
            }
        }
        let mut params = Vec::new();
        let mut split = Vec::new();
        let mut combinations = 1usize;
        let mut left = EFFORT_MAX;
        let mut rules = vec![Tabulated::default(); accepted.rules.len()];
        for (param, literals) in ruled {
            let (indexes, sets): (Vec<usize>, Vec<&Elements>) = literals.into_iter().unzip();
            let domain = &accepted.sets[param];
            left = left.checked_sub(effort(domain, &sets))?;
            let classes = classes(domain, &sets, true);
            combinations = combinations.checked_mul(classes.len())?;
            if combinations > COMBINATIONS_MAX {
                return None;
            }
            let indexes = indexes.into_iter().enumerate();
            if let [only] = classes.as_slice() {
                // Nothing depends on this one.
                for (nth, i) in indexes {
                    rules[i].anyway |= only.within[nth];
                }
                continue;
            }
            for (nth, i) in indexes {
                let within = classes.iter().map(|class| class.within[nth]).collect();
                rules[i].literals.push((params.len(), within));
            }
            params.push(param);
            let classes = classes.into_iter().map(|class| class.elements);
            split.push(classes.collect::<Vec<_>>());
        }
        let holds = |row: &Vec<usize>| {
            rules.iter().all(|rule| {
                let mut literals = rule.literals.iter();
                rule.anyway || literals.any(|(column, within)| within[row[*column]])
            })
        };
        let sizes: Vec<usize> = split.iter().map(Vec::len).collect();
        let rows = (0..combinations)
            .map(|n| row(n, &sizes))
            .filter(holds)
            .collect();
        Some(Self::merged(&params, split, rows))
    }

    /// Merges the classes that no row tells apart, and drops those in no row.
    fn merged(
        params: &[usize],
        mut split: Vec<Vec<Elements>>,
        mut rows: BTreeSet<Vec<usize>>,
    ) -> Self {
        for (column, classes) in split.iter_mut().enumerate() {
            // For each class, the rows that it is in, without it.
            let mut slices: BTreeMap<usize, BTreeSet<Vec<usize>>> = BTreeMap::new();
            for row in &rows {
                let mut rest = row.clone();
                let class = std::mem::take(&mut rest[column]);
                slices.entry(class).or_default().insert(rest);
            }
            let mut same: BTreeMap<BTreeSet<Vec<usize>>, Elements> = BTreeMap::new();
            for (class, slice) in slices {
                let known = same.entry(slice).or_insert_with(Elements::none);
                *known = std::mem::replace(known, Elements::none()).union(classes[class].clone());
            }
            let mut merged: Vec<(Elements, BTreeSet<Vec<usize>>)> = same
                .into_iter()
                .map(|(slice, elements)| (elements, slice))
                .collect();
            merged.sort();
            rows.clear();
            for (class, (_, slice)) in merged.iter().enumerate() {
                rows.extend(slice.iter().cloned().map(|mut row| {
                    row[column] = class;
                    row
                }));
            }
            *classes = merged.into_iter().map(|(elements, _)| elements).collect();
        }
        Self {
            columns: params.iter().copied().zip(split).collect(),
            rows,
        }
    }

    /// Whether no combination is accepted.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What is left of a parameter that is independent of all others, if rules say anything of it.
    pub(super) fn independent(&self, param: usize) -> Option<&Elements> {
        match self.columns.get(&param)?.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether what a parameter may be depends on others.
    pub(super) fn is_tied(&self, param: usize) -> bool {
        self.columns
            .get(&param)
            .is_some_and(|classes| classes.len() > 1)
    }

    /// The parameters that depend on each other, with their classes.
    pub(super) fn tied(&self) -> impl Iterator<Item = (usize, &[Elements])> {
        let columns = self.columns.iter();
        columns
            .filter(|(_, classes)| classes.len() > 1)
            .map(|(param, classes)| (*param, classes.as_slice()))
    }

    /// The combinations of the classes of [`Table::tied`], ascending.
    pub(super) fn rows(&self) -> BTreeSet<Vec<usize>> {
        let tied: Vec<bool> = self
            .columns
            .values()
            .map(|classes| classes.len() > 1)
            .collect();
        let cut = |row: &Vec<usize>| {
            let classes = row.iter().zip(&tied).filter(|(_, tied)| **tied);
            classes.map(|(class, _)| *class).collect()
        };
        self.rows.iter().map(cut).collect()
    }
}

/// The `n`-th combination.
fn row(mut n: usize, sizes: &[usize]) -> Vec<usize> {
    sizes
        .iter()
        .map(|size| {
            let class = n % size;
            n /= size;
            class
        })
        .collect()
}
