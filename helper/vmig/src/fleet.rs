// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Fleets: what the hosts of several sources offer, model by model.
//!
//! The unit is the host: it accepts a list as well as its best implementation of the model does.

use std::{
    collections::{
        BTreeMap,
        HashSet, //
    },
    time::{
        Duration,
        SystemTime, //
    },
};

use crate::{
    document::Model,
    error::{
        Code,
        Error, //
    },
    inventory::Implementation,
    source::Record,
    time::Utc,
};

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    /// Only types whose full name matches: `*` is any text, `?` any character. What has no type, as
    /// a bare document, has an empty name.
    pub kind: Option<String>,
    /// What could not be read is left out, instead of being the answer.
    pub skip_unreadable: bool,
}

impl Narrow {
    /// Whether this implementation is looked at. One that could not be read and has no type might
    /// be of any.
    pub fn includes(&self, implementation: &Implementation) -> bool {
        let Some(glob) = &self.kind else { return true };
        match (&implementation.kind, &implementation.info) {
            (None, Err(_)) => true,
            (kind, _) => matches(glob, kind.as_deref().unwrap_or_default()),
        }
    }
}

/// Whether `text` matches `glob`, in which `*` is any text and `?` any character.
///
/// ```
/// use vmig::fleet::matches;
///
/// assert!(matches("vmig-serial-*", "vmig-serial-var"));
/// assert!(matches("*-?", "vmig-serial-2") && !matches("*-?", "vmig-serial-var"));
/// ```
pub fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    // Where the newest `*` stands, and how far what it matches reaches.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (glob.get(g), star) {
            (Some('*'), _) => {
                star = Some((g, t));
                g += 1;
            }
            (Some(c), _) if *c == '?' || *c == text[t] => {
                g += 1;
                t += 1;
            }
            (_, Some((at, reach))) => {
                star = Some((at, reach + 1));
                g = at + 1;
                t = reach + 1;
            }
            (_, None) => return false,
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

/// An implementation of a model.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The source that says so.
    pub source: &'a str,
    /// What it says.
    pub model: &'a Model,
}

/// A host and its implementations of one model.
pub(crate) type Host<'a> = (&'a str, Vec<Offer<'a>>);

/// The hosts by name, each with its implementations by model.
#[derive(Clone, Debug, Default)]
pub struct Fleet<'a> {
    hosts: BTreeMap<&'a str, BTreeMap<&'a str, Vec<Offer<'a>>>>,
    /// The sources that were left out, with the reason, in the order of the input.
    pub skipped: Vec<(&'a str, &'a Error)>,
}

impl<'a> Fleet<'a> {
    /// The fleet that `records` describe.
    ///
    /// # Errors
    ///
    /// The first implementation that could not be read, unless those are to be skipped.
    pub fn new(records: &'a [Record], narrow: &Narrow) -> Result<Self, Error> {
        let mut fleet = Self::default();
        for record in records {
            let mut readable = record.implementations.is_empty();
            let mut offers = Vec::new();
            for one in &record.implementations {
                let included = narrow.includes(one);
                readable |= !included;
                match &one.info {
                    _ if !included => {}
                    Ok(info) => {
                        readable = true;
                        offers.extend(info.document.models.iter());
                    }
                    Err(error) if !narrow.skip_unreadable => return Err(error.clone()),
                    Err(error) => fleet.skipped.push((&record.source, error)),
                }
            }
            // Of a host nothing of which can be read, nobody knows what it lacks.
            if readable {
                fleet.host(&record.host.name);
            }
            for (name, model) in offers {
                fleet.add(&record.host.name, &record.source, name, model);
            }
        }
        Ok(fleet)
    }

    /// Takes in a host, if it is not there yet.
    pub fn host(&mut self, host: &'a str) {
        self.hosts.entry(host).or_default();
    }

    /// Takes in an implementation: `source` says that `host` offers the model `name`.
    pub fn add(&mut self, host: &'a str, source: &'a str, name: &'a str, model: &'a Model) {
        let models = self.hosts.entry(host).or_default();
        models
            .entry(name)
            .or_default()
            .push(Offer { source, model });
    }

    /// Forgets every other model; hosts stay.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        for models in self.hosts.values_mut() {
            models.retain(|name, _| wanted(name));
        }
    }

    /// Whether there is no host at all.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The models that any host offers, by name.
    pub fn models(&self) -> Vec<&'a str> {
        let names: HashSet<&str> = self
            .hosts
            .values()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        names
    }

    /// The hosts that offer `model`, by name, and the names of the others.
    pub(crate) fn offering(&self, model: &str) -> (Vec<Host<'a>>, Vec<&'a str>) {
        let mut offering = Vec::new();
        let mut others = Vec::new();
        for (host, models) in &self.hosts {
            match models.get(model) {
                Some(offers) => offering.push((*host, offers.clone())),
                None => others.push(*host),
            }
        }
        (offering, others)
    }
}

/// Leaves only what `narrow` includes.
pub fn narrow(records: &mut [Record], narrow: &Narrow) {
    for record in records {
        record
            .implementations
            .retain(|one| narrow.includes(one) && (one.info.is_ok() || !narrow.skip_unreadable));
    }
}

/// Makes inventories unreadable that are older than `age` at the time `now`.
pub fn expire(records: &mut [Record], age: Duration, now: SystemTime) {
    let Some(oldest) = now.checked_sub(age) else {
        return;
    };
    // Times are fixed-width text in UTC, so their order is that of the text.
    let oldest = Utc(oldest).to_string();
    for record in records.iter_mut().filter(|record| record.inventory) {
        if record.host.time < oldest {
            let message = format!("inventory of {}, older than allowed", record.host.time);
            let error = Error::new(Code::Unreadable, record.source.clone(), message);
            record.implementations = vec![Implementation::bare(Err(error))];
        }
    }
}
