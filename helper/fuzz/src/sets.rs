// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Value sets, against a table of all ints that the input can tell apart.

use vmig::{
    document::Document,
    set::{
        Ints,
        Set, //
    },
};

use crate::brute::generate::Bytes;

/// Ints at both ends of their range; all of those between are alike.
const SMALL: u64 = 24;

/// An int for each row of the table, ascending.
fn points() -> Vec<u64> {
    let large = u64::MAX - SMALL..=u64::MAX;
    (0..=SMALL).chain([1 << 40]).chain(large).collect()
}

fn end(bytes: &mut Bytes<'_>) -> u64 {
    let n = bytes.below(2 * SMALL as usize + 2) as u64;
    if n <= SMALL {
        n
    } else {
        u64::MAX - (n - SMALL - 1)
    }
}

fn intervals(bytes: &mut Bytes<'_>) -> Vec<(u64, u64)> {
    let intervals = (0..bytes.below(6)).map(|_| (end(bytes), end(bytes)));
    intervals.collect()
}

fn table(intervals: &[(u64, u64)]) -> Vec<bool> {
    let within = |point: &u64| {
        intervals
            .iter()
            .any(|(min, max)| min <= point && point <= max)
    };
    points().iter().map(within).collect()
}

fn table_of(set: &Ints) -> Vec<bool> {
    let pairs = set.intervals().windows(2);
    for pair in pairs {
        assert!(pair[0].1 < pair[1].0 - 1, "ascending and apart: {set:?}");
    }
    assert!(set.intervals().iter().all(|(min, max)| min <= max));
    points().iter().map(|point| set.contains(*point)).collect()
}

pub(crate) fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (left, right) = (intervals(&mut bytes), intervals(&mut bytes));
    let (a, b) = (Ints::new(left.clone()), Ints::new(right.clone()));
    let (x, y) = (table(&left), table(&right));
    assert_eq!((table_of(&a), table_of(&b)), (x.clone(), y.clone()));
    let rows = || x.iter().copied().zip(y.iter().copied());
    assert_eq!(a == b, x == y);
    assert_eq!(a.is_empty(), !x.contains(&true));
    assert_eq!(a.is_subset(&b), rows().all(|(x, y)| !x || y));
    let both: Vec<bool> = rows().map(|(x, y)| x && y).collect();
    assert_eq!(table_of(&a.intersection(&b)), both);
    let not: Vec<bool> = x.iter().map(|x| !x).collect();
    assert_eq!(table_of(&a.complement()), not);
    assert_eq!(a.complement().complement(), a);
    read(&left, &a);
}

/// A set is the same when it is declared by these items, and when it is declared as it is shown.
fn read(items: &[(u64, u64)], set: &Ints) {
    let items: Vec<serde_json::Value> = items
        .iter()
        .filter(|(min, max)| min <= max)
        .map(|(min, max)| match min == max {
            true => (*min).into(),
            false => format!("{min}-{max}").into(),
        })
        .collect();
    if items.is_empty() {
        return;
    }
    let shown = serde_json::to_value(Set::Ints(set.clone())).expect("a set has a JSON form");
    for items in [serde_json::Value::from(items), shown] {
        let init = &items[0].as_u64().unwrap_or_default();
        let text = serde_json::json!({"models": {"a/b": {"params": {
            "n": {"type": "int", "init_value": init, "allowed_values": items}
        }}}});
        let document = Document::parse(text.to_string().as_bytes(), "d").expect("a document");
        assert_eq!(
            document.models["a/b"].params["n"].accepted,
            Set::Ints(set.clone())
        );
    }
}
