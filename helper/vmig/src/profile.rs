// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Profiles of several sources: which is newer.
//!
//! Each document declares its profiles oldest first. What no document orders is ordered by name, with
//! runs of digits as numbers.

use std::{
    cmp::Ordering,
    collections::{
        BTreeMap,
        BTreeSet,
        HashSet, //
    },
};

use crate::{
    error::{
        Code,
        Error, //
    },
    fleet::Offer,
    value::Params,
};

/// The profiles of a model, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiles<'a> {
    known: BTreeMap<&'a str, Known<'a>>,
}

#[derive(Clone, Debug)]
struct Known<'a> {
    params: &'a Params,
    source: &'a str,
    /// Those declared right after it, and where.
    newer: BTreeMap<&'a str, &'a str>,
}

impl<'a> Profiles<'a> {
    /// The profiles that `offers` declare.
    ///
    /// # Errors
    ///
    /// [`Code::Contradiction`]: two sources that define a profile, or order profiles, otherwise.
    pub(crate) fn new(offers: impl IntoIterator<Item = Offer<'a>>) -> Result<Self, Error> {
        let mut profiles = Self::default();
        let mut seen = HashSet::new();
        for Offer { source, model } in offers {
            if !seen.insert(std::ptr::from_ref(model)) {
                continue;
            }
            let mut last: Option<&str> = None;
            for profile in &model.profiles {
                let name = profile.name.as_str();
                let known = profiles.known.entry(name).or_insert_with(|| Known {
                    params: &profile.params,
                    source,
                    newer: BTreeMap::new(),
                });
                if *known.params != profile.params {
                    let message =
                        format!("profile {name} has other parameters in {}", known.source);
                    return Err(Error::new(Code::Contradiction, source, message));
                }
                if let Some(older) = last.and_then(|last| profiles.known.get_mut(last)) {
                    older.newer.entry(name).or_insert(source);
                }
                last = Some(name);
            }
        }
        match profiles.cycle() {
            Some((name, source, other)) => {
                let message = format!("profile {name} is older and newer than others in {other}");
                Err(Error::new(Code::Contradiction, source, message))
            }
            None => Ok(profiles),
        }
    }

    /// The parameters of each profile, by its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Params)> + '_ {
        self.known.iter().map(|(name, known)| (*name, known.params))
    }

    /// A profile that is declared to be newer than itself, and two sources that say so.
    fn cycle(&self) -> Option<(&'a str, &'a str, &'a str)> {
        // What is left after taking away, again and again, what nothing left is older than.
        let mut older: BTreeMap<&str, usize> = self.known.keys().map(|name| (*name, 0)).collect();
        for newer in self.known.values().flat_map(|known| known.newer.keys()) {
            *older.entry(newer).or_default() += 1;
        }
        let mut ready: Vec<&str> = Vec::new();
        older.retain(|name, count| {
            if *count == 0 {
                ready.push(name);
            }
            *count > 0
        });
        while let Some(name) = ready.pop() {
            for newer in self
                .known
                .get(name)
                .into_iter()
                .flat_map(|known| known.newer.keys())
            {
                if let Some(count) = older.get_mut(newer) {
                    *count -= 1;
                    if *count == 0 {
                        older.remove(newer);
                        ready.push(newer);
                    }
                }
            }
        }
        let left = older
            .keys()
            .filter_map(|name| Some((*name, self.known.get(name)?)));
        let mut sources = left.flat_map(|(name, known)| {
            let newer = known.newer.iter();
            let newer = newer.filter(|(newer, _)| older.contains_key(*newer));
            newer.map(move |(_, source)| (name, *source))
        });
        let (name, source) = sources.next()?;
        let other = sources
            .map(|(_, source)| source)
            .find(|other| *other != source);
        Some((name, source, other.unwrap_or(source)))
    }

    /// The newest of `among`.
    pub(crate) fn newest(&self, among: &BTreeSet<&str>) -> Option<&'a str> {
        let newest = among
            .iter()
            .filter(|name| !self.reaches(name, |other| among.contains(other)));
        let newest = newest.max_by(|a, b| by_version(a, b))?;
        self.known.get_key_value(*newest).map(|(name, _)| *name)
    }

    /// The order of two profiles.
    pub(crate) fn compare(&self, a: &str, b: &str) -> Ordering {
        if self.reaches(a, |other| other == b) {
            Ordering::Less
        } else if self.reaches(b, |other| other == a) {
            Ordering::Greater
        } else {
            by_version(a, b)
        }
    }

    /// Whether one that is `wanted` is declared newer than `name`.
    fn reaches(&self, name: &str, wanted: impl Fn(&str) -> bool) -> bool {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut open: Vec<&str> = vec![name];
        while let Some(name) = open.pop() {
            let Some(known) = self.known.get(name) else {
                continue;
            };
            for newer in known.newer.keys() {
                if wanted(newer) {
                    return true;
                }
                if seen.insert(newer) {
                    open.push(newer);
                }
            }
        }
        false
    }
}

/// Names by version: runs of digits as numbers, everything else by bytes.
fn by_version(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    while let (Some(x), Some(y)) = (left.first(), right.first()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            number(&mut left).cmp(&number(&mut right))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            x.cmp(y)
        };
        if order.is_ne() {
            return order;
        }
    }
    // `v1` and `v01`: some order, but always the same.
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// Takes a run of digits: how long it is without leading zeros, and those digits.
fn number<'a>(text: &mut &'a [u8]) -> (usize, &'a [u8]) {
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (run, rest) = text.split_at(digits);
    *text = rest;
    let zeros = run.iter().take_while(|b| **b == b'0').count();
    (digits - zeros, &run[zeros..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{
        Model,
        Profile, //
    };

    fn model(names: &[&str]) -> Model {
        let profile = |name: &&str| Profile {
            name: (*name).to_owned(),
            params: Params::new(),
        };
        Model {
            profiles: names.iter().map(profile).collect(),
            ..Model::default()
        }
    }

    #[test]
    fn versions() {
        let sorted = ["", "a2", "a02b", "a10", "a10-v1", "b", "b1"];
        for pair in sorted.windows(2) {
            assert_eq!(by_version(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(by_version(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_ne!(by_version("v1", "v01"), Ordering::Equal);
        assert_eq!(by_version("v1", "v1"), Ordering::Equal);
    }

    #[test]
    fn declared_order_goes_before_names() {
        let models = [model(&["v3", "v1"]), model(&["v1", "v2"]), model(&["v9"])];
        let offers = models.iter().map(|model| Offer { source: "s", model });
        let profiles = Profiles::new(offers).unwrap();
        assert_eq!(profiles.compare("v3", "v1"), Ordering::Less);
        // Through v1, which nobody may even accept.
        assert_eq!(profiles.compare("v3", "v2"), Ordering::Less);
        assert_eq!(profiles.compare("v9", "v3"), Ordering::Greater);
        assert_eq!(profiles.newest(&["v3", "v2"].into()), Some("v2"));
        assert_eq!(profiles.newest(&["v3", "v2", "v9"].into()), Some("v9"));
        assert_eq!(profiles.newest(&BTreeSet::new()), None);
    }

    #[test]
    fn a_contradictory_order() {
        let models = [model(&["a", "b"]), model(&["b", "c"]), model(&["c", "a"])];
        let sources = ["x", "y", "z"];
        let offers = models
            .iter()
            .zip(sources)
            .map(|(model, source)| Offer { source, model });
        let error = Profiles::new(offers.clone()).unwrap_err();
        assert_eq!(error.code, Code::Contradiction);
        assert!(Profiles::new(offers.take(2)).is_ok());
    }
}
