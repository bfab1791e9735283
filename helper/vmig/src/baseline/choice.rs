// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Choosing a list for hosts that offer the same model.

use std::{
    collections::{
        BTreeSet,
        HashMap, //
    },
    sync::Arc,
};

use super::Options;
use crate::{
    csp::{
        Budget,
        TooComplex, //
    },
    document::{
        Model,
        Param, //
    },
    elements::{
        Element,
        Elements,
        Level, //
    },
    error::{
        Code,
        Error, //
    },
    fleet::{
        Host,
        Offer, //
    },
    order::{
        Order,
        Preferred, //
    },
    profile::Profiles,
    space::{
        Alternative,
        Space, //
    },
    value::{
        Params,
        Type,
        Value, //
    },
};

/// Hosts that offer the very same.
pub(super) struct Unit<'a> {
    /// Their names, ascending.
    pub(super) hosts: Vec<&'a str>,
    /// Every group must accept, by one of its members.
    groups: Vec<Vec<&'a Model>>,
}

/// A list that was chosen.
pub(super) struct Chosen<'a> {
    pub(super) list: Vec<Element>,
    pub(super) level: Level,
    pub(super) profile: Option<&'a str>,
    pub(super) honoured: Vec<usize>,
}

/// What is needed to choose lists for any part of the hosts.
pub(super) struct Chooser<'a> {
    pub(super) names: Vec<&'a str>,
    pub(super) orders: Vec<Order>,
    pub(super) units: Vec<Unit<'a>>,
    profiles: Profiles<'a>,
    required: Vec<(usize, Elements)>,
    source: &'a str,
}

impl<'a> Chooser<'a> {
    pub(super) fn new(hosts: &[Host<'a>], options: &'a Options) -> Result<Self, Error> {
        let offers = || hosts.iter().flat_map(|(_, offers)| offers.iter().copied());
        let distinct = distinct(offers());
        let mut names = names(&distinct);
        names.extend(
            options
                .prefer
                .keys()
                .chain(options.require.keys())
                .map(String::as_str),
        );
        names.sort_unstable();
        names.dedup();
        let mut orders = orders(&names, &distinct)?;
        for (name, text) in &options.prefer {
            if let Ok(i) = names.binary_search(&name.as_str()) {
                orders[i].preferred = Some(preferred(text, &distinct, name));
            }
        }
        let required = options.require.iter().filter_map(|(name, text)| {
            let i = names.binary_search(&name.as_str()).ok()?;
            let mut values = typed(text, &distinct, name);
            if values.is_empty() {
                // No type knows this value: it is one that every host refuses.
                values.insert(Value::Str(text.clone()));
            }
            Some((i, orders[i].meaning(&values)))
        });
        Ok(Self {
            required: required.collect(),
            names,
            orders,
            units: units(hosts, options.each),
            profiles: Profiles::new(distinct.iter().copied())?,
            source: distinct.first().map_or("", |offer| offer.source),
        })
    }

    pub(super) fn name(&self, param: usize) -> String {
        self.names[param].to_owned()
    }

    pub(super) fn params(&self, list: &[Element]) -> Params {
        let values = self
            .names
            .iter()
            .zip(list)
            .filter_map(|(name, element)| Some(((*name).to_owned(), element.value()?.clone())));
        values.collect()
    }

    pub(super) fn too_complex(&self, model: &str) -> Error {
        let message = format!("the constraints of {model} are beyond the work limit");
        Error::new(Code::TooComplex, self.source, message)
    }

    /// What a unit accepts: of each group, the alternatives.
    pub(super) fn alternatives(
        &self,
        unit: &Unit<'a>,
        level: Level,
    ) -> Result<Vec<Vec<Alternative>>, TooComplex> {
        let alternative = |model: &&Model| Alternative::new(model, &self.names, level);
        let group = |models: &Vec<&Model>| models.iter().map(alternative).collect();
        unit.groups.iter().map(group).collect()
    }

    /// Everything that the requirements allow.
    pub(super) fn space(&self) -> Space {
        let mut space = Space::all(self.names.len());
        for (param, set) in &self.required {
            space.restrict(*param, set);
        }
        space
    }

    /// Leaves only what `unit` accepts, too.
    fn add(&self, space: &mut Space, unit: usize, level: Level) -> Result<(), TooComplex> {
        for group in self.alternatives(&self.units[unit], level)? {
            space.add(group);
        }
        Ok(())
    }

    /// The list for these units; certain acceptance goes first.
    pub(super) fn choose(
        &self,
        units: &[usize],
        budget: &mut Budget,
    ) -> Result<Option<Chosen<'a>>, TooComplex> {
        for level in [Level::Compatible, Level::Possible] {
            let mut space = self.space();
            for unit in units {
                self.add(&mut space, *unit, level)?;
            }
            if space.has_empty_set() {
                continue;
            }
            if let Some(chosen) = self.choose_at(space, level, budget)? {
                return Ok(Some(chosen));
            }
        }
        Ok(None)
    }

    fn choose_at(
        &self,
        mut space: Space,
        level: Level,
        budget: &mut Budget,
    ) -> Result<Option<Chosen<'a>>, TooComplex> {
        let mut honoured = Vec::new();
        for (param, order) in self.orders.iter().enumerate() {
            let wanted = match &order.preferred {
                None => continue,
                Some(Preferred::Values(values)) => order.meaning(values),
                Some(Preferred::Max | Preferred::Min) => {
                    let Some(best) = space.first(&self.orders, Some(param), budget)? else {
                        return Ok(None);
                    };
                    let value = order.effect(&best[param]);
                    let int = value.filter(|value| value.kind() == Type::Int).cloned();
                    order.meaning(&int.into_iter().collect())
                }
            };
            let mut narrowed = space.clone();
            narrowed.restrict(param, &wanted);
            if narrowed.first(&self.orders, None, budget)?.is_some() {
                space = narrowed;
                honoured.push(param);
            }
        }
        if let Some((profile, list)) = self.newest_profile(&space) {
            return Ok(Some(Chosen {
                list,
                level,
                profile: Some(profile),
                honoured,
            }));
        }
        let list = space.first(&self.orders, None, budget)?;
        Ok(list.map(|list| Chosen {
            list,
            level,
            profile: None,
            honoured,
        }))
    }

    fn newest_profile(&self, space: &Space) -> Option<(&'a str, Vec<Element>)> {
        let mut accepted: HashMap<&str, Vec<Element>> = HashMap::new();
        for (name, params) in self.profiles.iter() {
            let known = |name: &String| self.names.binary_search(&name.as_str()).is_ok();
            let element = |name: &&str| Element::from(params.get(*name).cloned());
            let list: Vec<Element> = self.names.iter().map(element).collect();
            if params.keys().all(known) && space.accepts(&list) {
                accepted.insert(name, list);
            }
        }
        let names: BTreeSet<&str> = accepted.keys().copied().collect();
        let newest = self.profiles.newest(&names)?;
        Some((newest, accepted.remove(newest)?))
    }
}

/// The names of all parameters. Nearly every document has the same.
fn names<'a>(offers: &[Offer<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for offer in offers {
        let mut known = names.iter().peekable();
        let is_new = |name: &&String| {
            while known.next_if(|other| **other < name.as_str()).is_some() {}
            known.next_if(|other| **other == name.as_str()).is_none()
        };
        let new: Vec<&String> = offer.model.params.keys().filter(is_new).collect();
        if !new.is_empty() {
            names.extend(new.into_iter().map(String::as_str));
            names.sort_unstable();
        }
    }
    names
}

/// The offers without those that repeat a document which was there before.
fn distinct<'a>(offers: impl Iterator<Item = Offer<'a>>) -> Vec<Offer<'a>> {
    let mut seen = std::collections::HashSet::new();
    offers
        .filter(|offer| seen.insert(std::ptr::from_ref(offer.model)))
        .collect()
}

/// Groups hosts that offer the same documents.
fn units<'a>(hosts: &[Host<'a>], each: bool) -> Vec<Unit<'a>> {
    let mut units: Vec<Unit<'a>> = Vec::new();
    let mut known: HashMap<Vec<*const Model>, usize> = HashMap::new();
    for (host, offers) in hosts {
        let mut models: Vec<&Model> = offers.iter().map(|offer| offer.model).collect();
        models.sort_unstable_by_key(|model| std::ptr::from_ref(*model));
        models.dedup_by_key(|model| std::ptr::from_ref(*model));
        let key = models
            .iter()
            .map(|model| std::ptr::from_ref(*model))
            .collect();
        let unit = *known.entry(key).or_insert_with(|| {
            units.push(Unit {
                hosts: Vec::new(),
                groups: match each {
                    true => models.into_iter().map(|model| vec![model]).collect(),
                    false => vec![models],
                },
            });
            units.len() - 1
        });
        units[unit].hosts.push(host);
    }
    units
}

/// The order of each parameter's values.
fn orders(names: &[&str], offers: &[Offer<'_>]) -> Result<Vec<Order>, Error> {
    let mut orders = vec![Order::default(); names.len()];
    // Which source said first what "off" is.
    let mut said: HashMap<(usize, Type), (&Value, &str)> = HashMap::new();
    // Most sources share their parameters with the source before.
    let mut last: Vec<*const Param> = vec![std::ptr::null(); names.len()];
    for Offer { source, model } in offers {
        let mut at = 0;
        for (name, param) in &model.params {
            at += names[at..].partition_point(|other| *other < name.as_str());
            if std::mem::replace(&mut last[at], Arc::as_ptr(param)) == Arc::as_ptr(param) {
                continue;
            }
            orders[at].learn(param.init.as_ref(), param.off.as_ref());
            let Some(off) = &param.off else { continue };
            let (first, whose) = said.entry((at, param.kind)).or_insert((off, source));
            if *first != off {
                let message = format!("off_value of {name} is {off}, but {first} in {whose}");
                return Err(Error::new(Code::Contradiction, *source, message));
            }
        }
    }
    Ok(orders)
}

/// The values that `text` is, in the types that the parameter has anywhere.
fn typed(text: &str, offers: &[Offer<'_>], name: &str) -> BTreeSet<Value> {
    let kinds = offers
        .iter()
        .filter_map(|offer| Some(offer.model.params.get(name)?.kind));
    let kinds: HashMap<&str, Type> = kinds.map(|kind| (kind.as_str(), kind)).collect();
    let values = kinds
        .values()
        .filter_map(|kind| Value::parse(*kind, text).ok());
    values.collect()
}

fn preferred(text: &str, offers: &[Offer<'_>], name: &str) -> Preferred {
    let is_int = |offer: &Offer<'_>| {
        let param = offer.model.params.get(name);
        param.is_some_and(|param| param.kind == Type::Int)
    };
    match text {
        // In a str parameter these are values like any other.
        "max" if offers.iter().any(is_int) => Preferred::Max,
        "min" if offers.iter().any(is_int) => Preferred::Min,
        text => Preferred::Values(typed(text, offers, name)),
    }
}
