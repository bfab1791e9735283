// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Small fleets out of bytes: what a fuzzer finds, and what a property test shrinks.

use std::collections::BTreeMap;

use serde_json::{
    json,
    Value as Json, //
};

use super::{
    Asked,
    Host,
    List, //
};

/// Ints that documents mention.
pub(crate) const INTS: [u64; 5] = [0, 1, 2, 3, 4];
/// Strs that documents mention.
pub(crate) const STRS: [&str; 3] = ["a", "b", "off"];

/// Choices, made by bytes; zero for ever where they end.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn of<'b, T: ?Sized>(&mut self, items: &'b [&'b T]) -> &'b T {
        items[self.below(items.len())]
    }
}

/// The parameters there may be, with their types and off values.
const NAMES: [(&str, &str); 3] = [("a", "int"), ("b", "bool"), ("c", "str")];

fn value(bytes: &mut Bytes<'_>, kind: &str) -> Json {
    match kind {
        "bool" => json!(bytes.once_in(2)),
        "int" => json!(INTS[bytes.below(INTS.len())]),
        _ => json!(bytes.of(&STRS)),
    }
}

/// The values of the parameter `name`, of those that are alike only one.
pub(crate) fn values(name: &str) -> Vec<Json> {
    match NAMES.iter().find(|(known, _)| *known == name) {
        Some((_, "bool")) => vec![json!(true), json!(false)],
        Some((_, "int")) => INTS.iter().chain(&[u64::MAX]).map(|n| json!(n)).collect(),
        // Also those that `--prefer` may name.
        _ => STRS
            .iter()
            .chain(&["", "max", "min"])
            .map(|s| json!(s))
            .collect(),
    }
}

fn off(kind: &str) -> Json {
    match kind {
        "bool" => json!(false),
        "int" => json!(1),
        _ => json!("off"),
    }
}

fn set(bytes: &mut Bytes<'_>, kind: &str) -> Json {
    let items = (0..1 + bytes.below(3)).map(|_| {
        if kind == "int" && bytes.once_in(3) {
            let (a, b) = (bytes.below(5), bytes.below(5));
            return json!(format!("{}-{}", a.min(b), a.max(b)));
        }
        value(bytes, kind)
    });
    items.collect()
}

/// What an implementation says about the model.
pub(crate) fn model(bytes: &mut Bytes<'_>, profiles: &[(String, List)]) -> Json {
    let mut params = serde_json::Map::new();
    for (name, kind) in NAMES {
        if bytes.once_in(4) {
            continue;
        }
        let mut param = serde_json::Map::new();
        param.insert("type".into(), json!(kind));
        param.insert("init_value".into(), value(bytes, kind));
        if !bytes.once_in(3) {
            param.insert("off_value".into(), off(kind));
        }
        if !bytes.once_in(3) {
            param.insert("allowed_values".into(), set(bytes, kind));
        }
        if bytes.once_in(4) {
            param.insert("runtime".into(), json!(true));
        }
        params.insert(name.into(), param.into());
    }
    let known: Vec<(&str, &str)> = NAMES
        .into_iter()
        .filter(|(name, _)| params.contains_key(*name))
        .collect();
    let mut constraints = Vec::new();
    while !known.is_empty() && constraints.len() < 3 && bytes.once_in(2) {
        let mut clauses = |most: usize| {
            let clauses = (0..bytes.below(most + 1)).map(|_| {
                let (name, kind) = known[bytes.below(known.len())];
                (name.to_owned(), set(bytes, kind))
            });
            clauses.collect::<serde_json::Map<String, Json>>()
        };
        constraints.push(json!({"if": clauses(2), "then": clauses(2)}));
    }
    let profiles: Vec<Json> = profiles
        .iter()
        .filter(|_| bytes.once_in(2))
        .map(|(name, params)| json!({"name": name, "params": params}))
        .collect();
    json!({"params": params, "constraints": constraints, "profiles": profiles})
}

/// A list, of values that documents mention.
pub(crate) fn list(bytes: &mut Bytes<'_>) -> List {
    let mut list = List::new();
    for (name, kind) in NAMES {
        if !bytes.once_in(3) {
            list.insert(name.into(), value(bytes, kind));
        }
    }
    list
}

/// A fleet and what is asked of it. The profiles stand oldest first.
pub(crate) struct Fleet {
    pub(crate) hosts: Vec<Host>,
    pub(crate) profiles: Vec<(String, List)>,
    pub(crate) asked: Asked,
}

pub(crate) fn fleet(bytes: &mut Bytes<'_>) -> Fleet {
    let profiles: Vec<(String, List)> = (0..bytes.below(3))
        .map(|n| (format!("v{}", 9 + n), list(bytes)))
        .collect();
    let hosts = (0..1 + bytes.below(4))
        .map(|_| {
            let types = 1 + usize::from(bytes.once_in(3)) + usize::from(bytes.once_in(5));
            (0..types).map(|_| model(bytes, &profiles)).collect()
        })
        .collect();
    let mut asked = Asked {
        each: bytes.once_in(4),
        ..Asked::default()
    };
    let text = |value: Json| match value {
        Json::Bool(true) => "on".to_owned(),
        Json::Bool(false) => "off".to_owned(),
        Json::String(text) => text,
        other => other.to_string(),
    };
    let some = |bytes: &mut Bytes<'_>, preferred: bool| {
        let mut values = BTreeMap::new();
        for (name, kind) in NAMES {
            if bytes.once_in(5) {
                let value = match bytes.below(6) {
                    0 if preferred => "max".to_owned(),
                    1 if preferred => "min".to_owned(),
                    _ => text(value(bytes, kind)),
                };
                values.insert(name.to_owned(), value);
            }
        }
        values
    };
    asked.prefer = some(bytes, true);
    asked.require = some(bytes, false);
    Fleet {
        hosts,
        profiles,
        asked,
    }
}
