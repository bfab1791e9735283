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

/// As many comparisons are made to find the classes of a parameter.
const EFFORT_MAX: usize = 20_000_000;

/// What the parameters under rules may be together.
pub(super) struct Table {
    /// The parameters, each with its classes.
    columns: BTreeMap<usize, Vec<Elements>>,
    /// The combinations that are accepted: a class per column.
    rows: BTreeSet<Vec<usize>>,
}

impl Table {
    /// The combinations of the parameters `ruled`, to which all rules belong; `None`: too many.
    pub(super) fn new(accepted: &Alternative, ruled: &BTreeSet<usize>) -> Option<Self> {
        let params: Vec<usize> = ruled.iter().copied().collect();
        let mut split = Vec::with_capacity(params.len());
        let mut combinations = 1usize;
        // For each rule, the columns and classes with which it holds.
        let mut rules: Vec<Vec<(usize, Vec<bool>)>> = vec![Vec::new(); accepted.rules.len()];
        for (column, param) in params.iter().enumerate() {
            let literals = accepted.rules.iter().enumerate().flat_map(|(i, rule)| {
                let mine = rule.0.iter().filter(|(other, _)| other == param);
                mine.map(move |(_, set)| (i, set))
            });
            let (indexes, sets): (Vec<usize>, Vec<&Elements>) = literals.unzip();
            let domain = &accepted.sets[*param];
            if effort(domain, &sets) > EFFORT_MAX {
                return None;
            }
            let classes = classes(domain, &sets, true);
            combinations = combinations.checked_mul(classes.len())?;
            if combinations > COMBINATIONS_MAX {
                return None;
            }
            for (nth, i) in indexes.into_iter().enumerate() {
                let within = classes.iter().map(|class| class.within[nth]).collect();
                rules[i].push((column, within));
            }
            split.push(
                classes
                    .into_iter()
                    .map(|class| class.elements)
                    .collect::<Vec<_>>(),
            );
        }
        let holds = |row: &Vec<usize>| {
            rules.iter().all(|rule| {
                let mut literals = rule.iter();
                literals.any(|(column, within)| within[row[*column]])
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
