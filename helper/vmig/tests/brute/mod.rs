// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Brute force: what the contract says about lists, tried on every list there is.
//!
//! Works on the JSON text alone: nothing here uses the library's value sets. Ints beyond those that
//! documents mention are alike, so the largest stands for all of them; so does "" for strs.

// Each program that shares this file uses a part of it.
#![allow(dead_code)]

pub(crate) mod generate;

use std::{
    cmp::Reverse,
    collections::{
        BTreeMap,
        BTreeSet, //
    },
};

use serde_json::Value as Json;

/// A list: values by name.
pub(crate) type List = BTreeMap<String, Json>;

/// How certain: 0 not accepted, 1 possible, 2 compatible.
pub(crate) type Level = u8;

/// Whether an item of `allowed_values` covers `value`.
fn covers(item: &Json, value: &Json, kind: &str) -> bool {
    if let (Json::String(range), Json::Number(n), "int") = (item, value, kind) {
        let (min, max) = range.split_once('-').unwrap();
        let n = n.as_u64().unwrap();
        return min.parse::<u64>().unwrap() <= n && n <= max.parse::<u64>().unwrap();
    }
    item == value
}

fn is_of(value: &Json, kind: &str) -> bool {
    match value {
        Json::Bool(_) => kind == "bool",
        Json::Number(_) => kind == "int",
        _ => kind == "str",
    }
}

/// How `param` takes `value`; `None`: absent.
fn takes(param: &Json, value: Option<&Json>) -> Level {
    let kind = param["type"].as_str().unwrap();
    let (init, off) = (&param["init_value"], param.get("off_value"));
    let Some(value) = value else {
        return off.map_or(0, |off| takes(param, Some(off)));
    };
    if !is_of(value, kind) {
        return 0;
    }
    match param.get("allowed_values") {
        Some(allowed) => {
            let mut items = allowed.as_array().unwrap().iter();
            2 * Level::from(items.any(|item| covers(item, value, kind)))
        }
        None if kind == "bool" => 2 * Level::from(off.is_some() || value == init),
        None if value == init || Some(value) == off => 2,
        None => 1,
    }
}

/// How `model` takes `list`.
pub(crate) fn accepts(model: &Json, list: &List) -> Level {
    let params = model["params"].as_object().unwrap();
    if list.keys().any(|name| !params.contains_key(name)) {
        return 0;
    }
    let levels = params
        .iter()
        .map(|(name, param)| takes(param, list.get(name)));
    let level = levels.min().unwrap_or(2);
    if level == 0 {
        return 0;
    }
    let holds = |clauses: &Json| {
        clauses.as_object().unwrap().iter().all(|(name, set)| {
            let param = &params[name];
            let value = list.get(name).unwrap_or(&param["off_value"]);
            let mut items = set.as_array().unwrap().iter();
            items.any(|item| covers(item, value, param["type"].as_str().unwrap()))
        })
    };
    let mut constraints = model["constraints"].as_array().into_iter().flatten();
    match constraints.any(|c| holds(&c["if"]) && !holds(&c["then"])) {
        true => 0,
        false => level,
    }
}

/// A host: its implementations of the model.
pub(crate) type Host = Vec<Json>;

/// How `host` takes `list`: as its best type does, or as its worst with `each`.
pub(crate) fn host_accepts(host: &Host, list: &List, each: bool) -> Level {
    let levels = host.iter().map(|model| accepts(model, list));
    match each {
        true => levels.min().unwrap(),
        false => levels.max().unwrap(),
    }
}

/// Every name that `models` know.
pub(crate) fn names<'a>(models: impl IntoIterator<Item = &'a Json>) -> BTreeSet<String> {
    let params = models
        .into_iter()
        .map(|model| model["params"].as_object().unwrap());
    params.flat_map(|params| params.keys().cloned()).collect()
}

/// Every list of parameters `names` with values of their types, as far as documents can tell them
/// apart.
pub(crate) fn lists(names: &BTreeSet<String>) -> Vec<List> {
    let mut lists = vec![List::new()];
    for name in names {
        let mut longer = lists.clone();
        for value in generate::values(name) {
            longer.extend(lists.iter().cloned().map(|mut list| {
                list.insert(name.clone(), value.clone());
                list
            }));
        }
        lists = longer;
    }
    lists
}

/// What is asked of a baseline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) each: bool,
    pub(crate) prefer: BTreeMap<String, String>,
    pub(crate) require: BTreeMap<String, String>,
}

/// The answer: how well, the list, the profile.
pub(crate) type Baseline = Option<(Level, List, Option<String>)>;

/// What orders the lists of a fleet.
pub(crate) struct Order {
    names: BTreeSet<String>,
    inits: BTreeMap<String, Vec<Json>>,
    offs: BTreeMap<String, Json>,
    kinds: BTreeMap<String, String>,
    prefer: BTreeMap<String, String>,
}

type Key = (u8, Reverse<bool>, u64, String, bool);

impl Order {
    pub(crate) fn new(models: &[&Json], prefer: &BTreeMap<String, String>) -> Self {
        let mut order = Self {
            names: names(models.iter().copied()),
            inits: BTreeMap::new(),
            offs: BTreeMap::new(),
            kinds: BTreeMap::new(),
            prefer: prefer.clone(),
        };
        for (name, param) in models
            .iter()
            .flat_map(|model| model["params"].as_object().unwrap())
        {
            let inits = order.inits.entry(name.clone()).or_default();
            inits.push(param["init_value"].clone());
            if let Some(off) = param.get("off_value") {
                order.offs.insert(name.clone(), off.clone());
            }
            let kind = param["type"].as_str().unwrap().to_owned();
            order.kinds.insert(name.clone(), kind);
        }
        order
    }

    /// The text of a value of parameter `name`, as a value.
    fn typed(&self, name: &str, text: &str) -> Option<Json> {
        match (self.kinds.get(name)?.as_str(), text) {
            ("bool", "on") => Some(true.into()),
            ("bool", "off") => Some(false.into()),
            ("int", text) => text.parse::<u64>().ok().map(Json::from),
            ("str", text) => Some(text.into()),
            _ => None,
        }
    }

    fn is_int(&self, name: &str) -> bool {
        self.kinds.get(name).is_some_and(|kind| kind == "int")
    }

    fn value_key(&self, name: &str, value: &Json, written: bool) -> Key {
        let preferred = match self.prefer.get(name).map(String::as_str) {
            Some("max" | "min") if self.is_int(name) => value.is_u64(),
            Some(text) => self.typed(name, text).as_ref() == Some(value),
            None => false,
        };
        let part = match preferred {
            true => 0,
            false => {
                2 - u8::from(
                    self.inits
                        .get(name)
                        .is_some_and(|inits| inits.contains(value)),
                )
            }
        };
        let smallest = self.is_int(name) && self.prefer.get(name).is_some_and(|text| text == "min");
        let int = match value.as_u64() {
            Some(n) if smallest => n,
            Some(n) => u64::MAX - n,
            None => 0,
        };
        let text = value.as_str().unwrap_or_default().to_owned();
        (
            part,
            Reverse(value == &Json::Bool(true)),
            int,
            text,
            written,
        )
    }

    fn key(&self, name: &str, list: &List) -> Key {
        match (list.get(name), self.offs.get(name)) {
            (Some(value), _) => self.value_key(name, value, true),
            (None, Some(off)) => self.value_key(name, off, false),
            (None, None) => (3, Reverse(true), 0, String::new(), true),
        }
    }

    /// Smaller lists are tried first.
    pub(crate) fn list_key(&self, list: &List) -> Vec<Key> {
        self.names.iter().map(|name| self.key(name, list)).collect()
    }

    /// The value that the list amounts to.
    fn effect<'a>(&'a self, name: &str, list: &'a List) -> Option<&'a Json> {
        list.get(name).or_else(|| self.offs.get(name))
    }
}

/// The baseline of `hosts`, which are part of the fleet `all`: that is where the order comes from.
/// Profiles are in the order oldest first.
pub(crate) fn baseline(
    hosts: &[&Host],
    all: &[&Host],
    asked: &Asked,
    profiles: &[(String, List)],
) -> Baseline {
    let models: Vec<&Json> = all.iter().copied().flatten().collect();
    let order = Order::new(&models, &asked.prefer);
    let every = lists(&order.names);
    for level in [2, 1] {
        let required = |list: &List| {
            asked.require.iter().all(|(name, text)| {
                let wanted = order.typed(name, text);
                wanted.is_some() && order.effect(name, list) == wanted.as_ref()
            })
        };
        let accepted = |list: &List| {
            hosts
                .iter()
                .all(|h| host_accepts(h, list, asked.each) >= level)
        };
        let mut left: Vec<&List> = every
            .iter()
            .filter(|l| required(l) && accepted(l))
            .collect();
        // Preferences, one after the other: what has the value, if anything has.
        for (name, text) in &asked.prefer {
            let ints = || {
                left.iter()
                    .filter_map(|list| order.effect(name, list)?.as_u64())
            };
            let wanted = match text.as_str() {
                "max" if order.is_int(name) => ints().max().map(Json::from),
                "min" if order.is_int(name) => ints().min().map(Json::from),
                text => order.typed(name, text),
            };
            let has =
                |list: &&&List| wanted.is_some() && order.effect(name, list) == wanted.as_ref();
            let with: Vec<&List> = left.iter().filter(has).copied().collect();
            if !with.is_empty() {
                left = with;
            }
        }
        let declared = |name: &str, list: &List| {
            models.iter().any(|model| {
                let mut profiles = model["profiles"].as_array().into_iter().flatten();
                profiles.any(|p| p["name"] == name) && accepts(model, list) > 0
            })
        };
        let mut newest = profiles.iter().rev();
        if let Some((name, list)) =
            newest.find(|(n, list)| declared(n, list) && left.contains(&list))
        {
            return Some((level, list.clone(), Some(name.clone())));
        }
        if let Some(first) = left.into_iter().min_by_key(|list| order.list_key(list)) {
            return Some((level, first.clone(), None));
        }
    }
    None
}

/// The fewest changes of `list` with which `model` accepts it: the lists that need them, best first.
pub(crate) fn nearest(model: &Json, list: &List, off: &List) -> Option<List> {
    let mut all_names = names([model]);
    let order = Order::new(&[model], &BTreeMap::new());
    let fits = |to: &&List| {
        let params = model["params"].as_object().unwrap();
        let off_fits = off.iter().all(|(name, there)| {
            let here = params.get(name).and_then(|param| param.get("off_value"));
            to.contains_key(name) || here.is_none_or(|here| here == there)
        });
        accepts(model, to) > 0 && off_fits
    };
    let all = lists(&all_names);
    all_names.extend(list.keys().cloned());
    let changes = |to: &List| {
        all_names
            .iter()
            .filter(|name| to.get(*name) != list.get(*name))
            .count()
    };
    let nearest = all
        .iter()
        .filter(fits)
        .min_by_key(|to| (changes(to), order.list_key(to)));
    nearest.cloned()
}
