// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Why hosts have no list in common, and how many of them have.

use std::{
    cmp::Reverse,
    collections::{
        BTreeMap,
        HashMap, //
    },
};

use serde::{
    ser::SerializeSeq,
    Serialize,
    Serializer, //
};

use super::choice::Chooser;
use crate::{
    csp::{
        Budget,
        TooComplex, //
    },
    elements::{
        Element,
        Elements,
        Level,
        Strs, //
    },
    set::Set,
    space::{
        Alternative,
        Space, //
    },
    value::Params,
};

/// Hosts that have no list in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The parameters concerned.
    pub params: Vec<String>,
    /// Take any of these away, and the others have a list.
    pub hosts: Vec<ConflictHost>,
    /// A large group that has a list.
    pub largest: Largest,
}

/// A host of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConflictHost {
    /// Its name.
    pub host: String,
    /// What it accepts for the parameters concerned.
    pub sets: BTreeMap<String, ElementSet>,
}

/// A group of hosts that have a list in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Largest {
    /// Their names.
    pub hosts: Vec<String>,
    /// The list.
    pub params: Params,
}

/// What a list may say about a parameter: values, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementSet(Elements);

/// A SET, with "absent" as its first item if that is accepted.
impl Serialize for ElementSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Elements {
            absent,
            bools,
            ints,
            strs,
        } = &self.0;
        let strs = match strs {
            Strs::Only(strs) if ints.intervals() != [(0, u64::MAX)] => strs,
            _ => return Set::Any.serialize(serializer),
        };
        let mut seq = serializer.serialize_seq(None)?;
        if *absent {
            seq.serialize_element("absent")?;
        }
        for b in [false, true] {
            if bools[usize::from(b)] {
                seq.serialize_element(&b)?;
            }
        }
        for (min, max) in ints.intervals() {
            if min == max {
                seq.serialize_element(min)?;
            } else {
                seq.serialize_element(&format!("{min}-{max}"))?;
            }
        }
        for text in strs.iter() {
            seq.serialize_element(text)?;
        }
        seq.end()
    }
}

/// For people: `absent, 1-4`.
impl std::fmt::Display for ElementSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let json = serde_json::to_value(self).unwrap_or_default();
        let text = |item: &serde_json::Value| match item {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Bool(b) => crate::value::Value::Bool(*b).to_string(),
            other => other.to_string(),
        };
        let items: Vec<String> = match &json {
            serde_json::Value::Array(items) => items.iter().map(text).collect(),
            _ => vec!["anything".to_owned()],
        };
        f.write_str(&items.join(", "))
    }
}

/// Hosts that accept the very same.
struct Group<'a> {
    /// Ascending.
    hosts: Vec<&'a str>,
    /// One of each must accept.
    accept: Vec<Vec<Alternative>>,
}

pub(super) fn find(chooser: &Chooser<'_>, budget: &mut Budget) -> Result<Conflict, TooComplex> {
    let (groups, members) = groups(chooser)?;
    let core = irreducible(chooser, &groups, budget)?;
    let core: Vec<&Group<'_>> = core.into_iter().map(|i| &groups[i]).collect();
    let params = concerned(chooser, &core, budget)?;
    let mut hosts: Vec<ConflictHost> = core
        .iter()
        .map(|group| ConflictHost {
            host: group.hosts[0].to_owned(),
            sets: params
                .iter()
                .map(|param| (chooser.name(*param), ElementSet(set(group, *param))))
                .collect(),
        })
        .collect();
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    Ok(Conflict {
        params: params
            .into_iter()
            .map(|param| chooser.name(param))
            .collect(),
        hosts,
        largest: largest(chooser, &groups, &members, budget)?,
    })
}

/// The groups by their first host, and the units of each.
fn groups<'a>(chooser: &Chooser<'a>) -> Result<(Vec<Group<'a>>, Vec<Vec<usize>>), TooComplex> {
    type Members<'a> = (Vec<&'a str>, Vec<usize>);
    let mut known: HashMap<Vec<Vec<Alternative>>, Members<'_>> = HashMap::new();
    for (i, unit) in chooser.units.iter().enumerate() {
        let mut accept = chooser.alternatives(unit, Level::Possible)?;
        for group in &mut accept {
            group.sort();
            group.dedup();
        }
        accept.sort();
        accept.dedup();
        let (hosts, units) = known.entry(accept).or_default();
        hosts.extend(&unit.hosts);
        units.push(i);
    }
    let mut groups: Vec<(Group<'_>, Vec<usize>)> = known
        .into_iter()
        .map(|(accept, (mut hosts, units))| {
            hosts.sort_unstable();
            (Group { hosts, accept }, units)
        })
        .collect();
    groups.sort_by(|(a, _), (b, _)| a.hosts.cmp(&b.hosts));
    Ok(groups.into_iter().unzip())
}

fn space<'a>(chooser: &Chooser<'_>, groups: impl IntoIterator<Item = &'a Group<'a>>) -> Space {
    let mut space = chooser.space();
    for group in groups {
        for alternatives in &group.accept {
            space.add(alternatives.clone());
        }
    }
    space
}

/// What `group` accepts for `param`, whatever it is that goes with it.
fn set(group: &Group<'_>, param: usize) -> Elements {
    let any = |alternatives: &Vec<Alternative>| {
        let sets = alternatives.iter().map(|one| one.sets[param].clone());
        sets.fold(Elements::none(), Elements::union)
    };
    let sets = group.accept.iter().map(any);
    sets.fold(Elements::all(), |all, set| all.intersection(&set))
}

/// Groups without a list of which each is needed for that.
///
/// Whichever group, added to those known to be needed and all before it, leaves no list is needed,
/// too; and none after it is.
fn irreducible(
    chooser: &Chooser<'_>,
    groups: &[Group<'_>],
    budget: &mut Budget,
) -> Result<Vec<usize>, TooComplex> {
    let mut core: Vec<usize> = Vec::new();
    let mut bound = groups.len();
    loop {
        let needed = || core.iter().map(|i| &groups[*i]);
        let base = space(chooser, needed());
        if !core.is_empty() && !base.has_list(&chooser.orders, budget)? {
            return Ok(core);
        }
        // The first few with an empty set have no list for sure; fewer may do.
        let mut all = base.clone();
        let empty = groups[..bound].iter().position(|group| {
            for alternatives in &group.accept {
                all.add(alternatives.clone());
            }
            all.has_empty_set()
        });
        let (mut fewest, mut most) = (1, empty.map_or(bound, |last| last + 1));
        while fewest < most {
            let middle = fewest.midpoint(most);
            let some = space(chooser, needed().chain(&groups[..middle]));
            if some.has_list(&chooser.orders, budget)? {
                fewest = middle + 1;
            } else {
                most = middle;
            }
        }
        core.push(most - 1);
        bound = most - 1;
    }
}

/// The parameters without which there would be a list.
fn concerned(
    chooser: &Chooser<'_>,
    core: &[&Group<'_>],
    budget: &mut Budget,
) -> Result<Vec<usize>, TooComplex> {
    let params = 0..chooser.names.len();
    let required = chooser.space();
    let empty: Vec<usize> = params
        .clone()
        .filter(|param| {
            let sets = core.iter().map(|group| set(group, *param));
            let all = sets.fold(required.sets[*param].clone(), |all, set| {
                all.intersection(&set)
            });
            all.is_empty()
        })
        .collect();
    if !empty.is_empty() {
        return Ok(empty);
    }
    // Each is fine alone. Forget one after the other, as long as there is still no list.
    let mut forgotten: Vec<usize> = Vec::new();
    let mut needed = Vec::new();
    for param in params {
        let mut space = required.clone();
        forgotten.push(param);
        for alternatives in core.iter().flat_map(|group| &group.accept) {
            let relaxed = alternatives.iter().map(|one| relaxed(one, &forgotten));
            space.add(relaxed.collect());
        }
        if space.has_list(&chooser.orders, budget)? {
            forgotten.pop();
            needed.push(param);
        }
    }
    Ok(needed)
}

fn relaxed(alternative: &Alternative, forgotten: &[usize]) -> Alternative {
    let mut relaxed = alternative.clone();
    for param in forgotten {
        relaxed.sets[*param] = Elements::all();
    }
    relaxed.rules.retain(|rule| {
        let mut params = rule.0.iter().map(|(param, _)| param);
        !params.any(|param| forgotten.contains(param))
    });
    relaxed
}

fn largest(
    chooser: &Chooser<'_>,
    groups: &[Group<'_>],
    members: &[Vec<usize>],
    budget: &mut Budget,
) -> Result<Largest, TooComplex> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|i| Reverse(groups[*i].hosts.len()));
    let mut space = chooser.space();
    let mut witness: Option<Vec<Element>> = None;
    let mut taken: Vec<usize> = Vec::new();
    for i in order {
        let accept = &groups[i].accept;
        let accepts = |list: &Vec<Element>| {
            let mut all = accept.iter();
            all.all(|alternatives| alternatives.iter().any(|one| one.accepts(list)))
        };
        let known = witness.as_ref().is_some_and(accepts);
        if !known && apart(&space, accept) {
            continue;
        }
        let mut more = space.clone();
        for alternatives in accept {
            more.add(alternatives.clone());
        }
        if !known {
            if more.has_empty_set() {
                continue;
            }
            let Some(list) = more.first(&chooser.orders, None, budget)? else {
                continue;
            };
            witness = Some(list);
        }
        space = more;
        taken.push(i);
    }
    let mut hosts: Vec<&str> = taken
        .iter()
        .flat_map(|i| &groups[*i].hosts)
        .copied()
        .collect();
    hosts.sort_unstable();
    let units: Vec<usize> = taken.iter().flat_map(|i| &members[*i]).copied().collect();
    let chosen = match units.as_slice() {
        [] => None,
        units => chooser.choose(units, budget)?,
    };
    Ok(Largest {
        hosts: hosts.into_iter().map(str::to_owned).collect(),
        params: chosen
            .map(|chosen| chooser.params(&chosen.list))
            .unwrap_or_default(),
    })
}

/// Whether it is plain to see that `accept` leaves nothing of `space`.
fn apart(space: &Space, accept: &[Vec<Alternative>]) -> bool {
    accept.iter().any(|alternatives| {
        alternatives.iter().all(|one| {
            let mut sets = one.sets.iter().zip(&space.sets);
            sets.any(|(mine, all)| mine.is_disjoint(all))
        })
    })
}
