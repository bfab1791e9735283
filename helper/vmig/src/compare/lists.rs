// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Which of two lists is older.

use std::{
    cmp::Ordering,
    collections::BTreeSet, //
};

use super::{
    Compare,
    Relation,
    What,
    SCHEMA, //
};
use crate::{
    error::{
        Code,
        Error, //
    },
    fleet::{
        Fleet,
        Offer, //
    },
    list::{
        Given,
        List, //
    },
    profile::Profiles,
    value::{
        Params,
        Type, //
    },
};

impl Compare {
    /// Compares two lists, each with its name, by what `fleet` (named `within`) knows of their
    /// model: types and profiles.
    ///
    /// A list is older or the same if it has no other value than the second one, and perhaps lacks
    /// some. Two profiles have the order that is declared for them.
    ///
    /// # Errors
    ///
    /// [`Code::Contradiction`]: nothing there is of the lists' model, or profiles are declared
    /// twice, differently.
    ///
    /// ```
    /// use vmig::{compare::{Compare, Relation}, document::Document, fleet::Fleet, list::List};
    ///
    /// let nic = br#"{"models": {"example.org/nic": {"params": {
    ///     "checksum": {"type": "bool", "init_value": true, "off_value": false}
    /// }}}}"#;
    /// let nic = Document::parse(nic, "nic.json")?;
    /// let mut fleet = Fleet::default();
    /// fleet.add("host", "nic.json", "example.org/nic", &nic.models["example.org/nic"]);
    /// let list = |text: &str| List::parse(text.as_bytes(), "list", Some("example.org/nic"));
    ///
    /// let (a, b) = (list("")?, list("checksum=on\n")?);
    /// let answer = Compare::lists(("a", &a), ("b", &b), ("nic.json", &fleet))?;
    /// assert_eq!(answer.result, Relation::Older);
    /// assert_eq!(answer.responsible, ["checksum"]);
    /// # Ok::<(), vmig::error::Error>(())
    /// ```
    pub fn lists(
        (a_name, a): (&str, &List),
        (b_name, b): (&str, &List),
        (within, fleet): (&str, &Fleet<'_>),
    ) -> Result<Self, Error> {
        let mut answer = Self {
            schema: SCHEMA,
            what: What::Lists,
            a: a_name.to_owned(),
            b: b_name.to_owned(),
            model: None,
            result: Relation::Unordered,
            responsible: Vec::new(),
            certain: true,
        };
        if a.model != b.model {
            return Ok(answer);
        }
        answer.model = Some(a.model.clone());
        let (hosts, _) = fleet.offering(&a.model);
        let offers: Vec<Offer<'_>> = hosts.into_iter().flat_map(|(_, offers)| offers).collect();
        if offers.is_empty() {
            let message = format!("nothing here is a {}", a.model);
            return Err(Error::new(Code::Contradiction, within, message));
        }
        let profiles = Profiles::new(offers.iter().copied())?;
        let names: BTreeSet<&String> = a.params.keys().chain(b.params.keys()).collect();
        let same = |name: &str| match (a.params.get(name), b.params.get(name)) {
            (Some(a), Some(b)) => {
                let kinds = offers
                    .iter()
                    .filter_map(|offer| offer.model.params.get(name));
                let kinds: BTreeSet<Option<Type>> = kinds.map(|param| Some(param.kind)).collect();
                // Where nobody knows the parameter, the values are as the lists have them.
                let kinds = if kinds.is_empty() {
                    [None].into()
                } else {
                    kinds
                };
                kinds.into_iter().all(|kind| same(a, b, kind))
            }
            (a, b) => a.is_none() && b.is_none(),
        };
        let differ: Vec<&String> = names.iter().filter(|name| !same(name)).copied().collect();
        let profile = |list: &List| {
            let mut profiles = profiles.iter();
            profiles
                .find(|(_, params)| is_profile(list, params))
                .map(|(name, _)| name)
        };
        answer.result = match (profile(a), profile(b)) {
            _ if differ.is_empty() => Relation::Same,
            (Some(a), Some(b)) => match profiles.compare(a, b) {
                Ordering::Less => Relation::Older,
                Ordering::Equal => Relation::Same,
                Ordering::Greater => Relation::Newer,
            },
            _ if differ.iter().all(|name| !a.params.contains_key(*name)) => Relation::Older,
            _ if differ.iter().all(|name| !b.params.contains_key(*name)) => Relation::Newer,
            _ => Relation::Unordered,
        };
        answer.responsible = differ.into_iter().cloned().collect();
        Ok(answer)
    }
}

fn same(a: &Given, b: &Given, kind: Option<Type>) -> bool {
    let both = |kind| Some((a.typed(kind)?, b.typed(kind)?));
    match kind.and_then(both) {
        Some((a, b)) => a == b,
        None => match (a, b) {
            (Given::Text(text), Given::Typed(value)) | (Given::Typed(value), Given::Text(text)) => {
                *text == value.to_string()
            }
            (a, b) => a == b,
        },
    }
}

fn is_profile(list: &List, params: &Params) -> bool {
    list.params.len() == params.len()
        && params.iter().all(|(name, value)| {
            let given = list
                .params
                .get(name)
                .and_then(|given| given.typed(value.kind()));
            given.as_ref() == Some(value)
        })
}
