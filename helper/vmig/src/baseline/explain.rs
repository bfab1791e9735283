// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Why a baseline's values are what they are.

use serde::Serialize;

use super::choice::{
    Chooser,
    Chosen, //
};
use crate::{
    csp::TooComplex,
    elements::{
        Element,
        Elements, //
    },
    space::Alternative,
    value::Value,
};

/// Why a parameter has its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explain {
    /// The parameter.
    pub param: String,
    /// Its value; `None`: it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Where the value comes from.
    pub why: Why,
    /// The hosts that refuse a value which would have been tried before.
    pub limited_by: Vec<String>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// It was preferred.
    Preferred,
    /// It is the profile's.
    Profile,
    /// It is an init value.
    Init,
    /// It is the first of the other values.
    Other,
}

pub(super) fn explain(
    chooser: &Chooser<'_>,
    chosen: &Chosen<'_>,
) -> Result<Vec<Explain>, TooComplex> {
    let mut limits: Vec<Vec<&str>> = vec![Vec::new(); chooser.names.len()];
    for unit in &chooser.units {
        let accept = chooser.alternatives(unit, chosen.level)?;
        for (param, limits) in limits.iter_mut().enumerate() {
            let order = &chooser.orders[param];
            let refuses = |alternatives: &Vec<Alternative>| {
                let sets = alternatives
                    .iter()
                    .map(|one| beside(one, &chosen.list, param));
                let set = sets.fold(Elements::none(), Elements::union);
                order.lacks_earlier(&set, &chosen.list[param])
            };
            if accept.iter().any(refuses) {
                limits.extend(&unit.hosts);
            }
        }
    }
    let params = limits.into_iter().enumerate();
    let explained = params.map(|(param, mut hosts)| {
        hosts.sort_unstable();
        Explain {
            param: chooser.name(param),
            value: chosen.list[param].value().cloned(),
            why: why(chooser, chosen, param),
            limited_by: hosts.into_iter().map(str::to_owned).collect(),
        }
    });
    Ok(explained.collect())
}

fn why(chooser: &Chooser<'_>, chosen: &Chosen<'_>, param: usize) -> Why {
    let order = &chooser.orders[param];
    let effect = order.effect(&chosen.list[param]);
    if chosen.honoured.contains(&param) {
        Why::Preferred
    } else if chosen.profile.is_some() {
        Why::Profile
    } else if effect.is_some_and(|value| order.is_init(value)) {
        Why::Init
    } else {
        Why::Other
    }
}

/// What `alternative` accepts for `param` if the other parameters are as in `list`.
fn beside(alternative: &Alternative, list: &[Element], param: usize) -> Elements {
    let mut others = alternative.sets.iter().zip(list).enumerate();
    if !others.all(|(other, (set, element))| other == param || set.contains(element)) {
        return Elements::none();
    }
    let mut set = alternative.sets[param].clone();
    for rule in &alternative.rules {
        let mut mine = None;
        let mut holds = false;
        for (other, literal) in &rule.0 {
            if *other == param {
                mine = Some(literal);
            } else {
                holds |= literal.contains(&list[*other]);
            }
        }
        match mine {
            _ if holds => {}
            Some(literal) => set = set.intersection(literal),
            None => return Elements::none(),
        }
    }
    set
}
