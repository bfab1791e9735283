// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Several inventories of the same host: which one counts.

use std::collections::BTreeMap;

use super::Record;
use crate::{
    error::{
        Code,
        Error, //
    },
    inventory::Implementation,
};

/// Keeps one inventory of each host: that of the newest time. Returns what was dropped as stale.
///
/// Others of the same boot are duplicates, which is not worth a word. Two of the newest time that
/// say different things cannot both be true: the host becomes a [`Code::Contradiction`].
pub fn settle(records: &mut Vec<Record>) -> Vec<Error> {
    let mut hosts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, record) in records.iter().enumerate() {
        if record.inventory {
            hosts.entry(&record.host.name).or_default().push(i);
        }
    }
    let mut fates: Vec<Fate> = records.iter().map(|_| Fate::Keep).collect();
    for found in hosts.into_values() {
        // The first of those with the newest time.
        let newest = found.iter().copied().reduce(|a, b| {
            if records[a].host.time < records[b].host.time {
                b
            } else {
                a
            }
        });
        let Some(newest) = newest else { continue };
        for other in found.into_iter().filter(|other| *other != newest) {
            if let Some(error) = contradiction(&records[newest], &records[other]) {
                fates[newest] = Fate::Refuse(error);
            }
            fates[other] = Fate::Drop(stale(&records[newest], &records[other]));
        }
    }
    let mut notices = Vec::new();
    let settled = std::mem::take(records).into_iter().zip(fates);
    *records = settled
        .filter_map(|(mut record, fate)| {
            match fate {
                Fate::Keep => {}
                Fate::Drop(notice) => {
                    notices.extend(notice);
                    return None;
                }
                Fate::Refuse(error) => {
                    record.implementations = vec![Implementation::bare(Err(error))];
                }
            }
            Some(record)
        })
        .collect();
    notices
}

/// What becomes of a record.
enum Fate {
    Keep,
    Drop(Option<Error>),
    Refuse(Error),
}

fn contradiction(newest: &Record, other: &Record) -> Option<Error> {
    /// What a record says: everything that its digests cover, and what that belongs to.
    fn said(record: &Record) -> Vec<impl PartialEq + '_> {
        let one = |offer: &'_ Implementation| {
            let digest = offer.info.as_ref().map(|info| info.digest.clone());
            (
                offer.parent.clone(),
                offer.kind.clone(),
                offer.program.clone(),
                digest.ok(),
            )
        };
        record.implementations.iter().map(one).collect()
    }
    if newest.host.time != other.host.time || said(newest) == said(other) {
        return None;
    }
    let message = format!(
        "host {} is described otherwise, for the same time, in {}",
        newest.host.name, other.source
    );
    Some(Error::new(
        Code::Contradiction,
        newest.source.clone(),
        message,
    ))
}

fn stale(newest: &Record, other: &Record) -> Option<Error> {
    let (new, old) = (&newest.host, &other.host);
    let same_boot = old.boot_id.is_some() && old.boot_id == new.boot_id;
    if same_boot || old.time == new.time {
        return None;
    }
    let message = format!(
        "stale: host {} is described later in {}",
        new.name, newest.source
    );
    Some(Error::new(
        Code::Contradiction,
        other.source.clone(),
        message,
    ))
}
