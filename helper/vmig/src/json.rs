// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Strict JSON: a document as a tree that shows what serde's own types hide.
//!
//! - duplicate keys are an error, in every object, also where the reader ignores the member;
//! - numbers are ints from 0 to 2^64-1, exact; every other spelling (`4.0`, `1e3`, `-0`) stays apart
//!   as [`Node::Number`], so that only a member that is read can complain;
//! - nesting is limited to [`NESTING_MAX`].
//!
//! Text to tree is serde_json's; this module does not parse characters.

use std::{
    borrow::Cow,
    fmt, //
};

use serde::{
    de::{
        self,
        DeserializeSeed,
        Deserializer,
        MapAccess,
        SeqAccess,
        Visitor, //
    },
    Serialize,
    Serializer, //
};

use crate::error::{
    Code,
    Error, //
};

/// Arrays and objects inside each other: the outermost counts as one.
pub(crate) const NESTING_MAX: usize = 64;

/// A document, at most this many bytes.
pub(crate) const DOCUMENT_MAX: usize = 16 << 20;

/// A JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    /// An int that was written as one.
    Int(u64),
    /// A number that is no int from 0 to 2^64-1, or was not written as one; kept for digests.
    Number(Box<serde_json::Number>),
    Str(Cow<'a, str>),
    Array(Box<[Node<'a>]>),
    /// Members in the order of the document.
    Object(Box<[(Cow<'a, str>, Node<'a>)]>),
}

impl Node<'_> {
    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Number(_) => "a number that is not an int from 0 to 2^64-1, written as such",
            Self::Str(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads one document.
///
/// # Errors
///
/// [`Code::Malformed`]: not JSON, not UTF-8, a duplicate key, or beyond a limit. `path` names it.
pub(crate) fn parse<'a>(text: &'a [u8], path: &str) -> Result<Node<'a>, Error> {
    if text.len() > DOCUMENT_MAX {
        return Err(Error::malformed(path, "document of more than 16 MiB"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let node = Nested(0)
        .deserialize(&mut deserializer)
        .and_then(|node| deserializer.end().map(|()| node))
        .map_err(|error| syntax(&error, path))?;
    match duplicate(&node) {
        None => Ok(node),
        Some(steps) => Err(located(path, &steps, "given twice")),
    }
}

fn syntax(error: &serde_json::Error, path: &str) -> Error {
    let hint = if error.is_eof() { " (truncated?)" } else { "" };
    Error::malformed(path, format!("{error}{hint}"))
}

/// Serializes a tree in canonical form: the keys of every object in byte order.
pub(crate) struct Canonical<'a, 'n>(pub(crate) &'a Node<'n>);

impl Serialize for Canonical<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Node::Null => serializer.serialize_unit(),
            Node::Bool(b) => serializer.serialize_bool(*b),
            Node::Int(n) => serializer.serialize_u64(*n),
            Node::Number(n) => n.serialize(serializer),
            Node::Str(text) => serializer.serialize_str(text),
            Node::Array(items) => serializer.collect_seq(items.iter().map(Canonical)),
            Node::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                serializer.collect_map(
                    members
                        .into_iter()
                        .map(|(key, node)| (key, Canonical(node))),
                )
            }
        }
    }
}

/// Reads a value that stands inside this many arrays and objects.
#[derive(Clone, Copy)]
struct Nested(usize);

impl Nested {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.0 >= NESTING_MAX {
            return Err(E::custom(format_args!("nesting deeper than {NESTING_MAX}")));
        }
        Ok(Self(self.0 + 1))
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(b))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Self::Value, E> {
        Ok(Node::Int(n))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Self::Value, E> {
        // serde_json gives non-negative ints to `visit_u64`.
        Ok(Node::Number(Box::new(n.into())))
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Self::Value, E> {
        // A fraction, an exponent, `-0`, or more than 2^64-1.
        let number = serde_json::Number::from_f64(n);
        match number {
            Some(number) => Ok(Node::Number(Box::new(number))),
            None => Err(E::custom("number out of range")),
        }
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Str(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::Str(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Node::Array(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            members.push((key, map.next_value_seed(inner)?));
        }
        Ok(Node::Object(members.into()))
    }
}

/// A key; borrowed where it has no escapes, which `Cow`'s own implementation never is.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The first member that its object has twice: the steps to it, last step first.
fn duplicate<'a>(node: &'a Node<'_>) -> Option<Vec<Step<'a>>> {
    let with = |step, found: Option<Vec<_>>| {
        let mut steps = found?;
        steps.push(step);
        Some(steps)
    };
    match node {
        Node::Null | Node::Bool(_) | Node::Int(_) | Node::Number(_) | Node::Str(_) => None,
        Node::Array(items) => (0..)
            .zip(items)
            .find_map(|(i, item)| with(Step::Index(i), duplicate(item))),
        Node::Object(members) => match repeated(members) {
            Some(key) => Some(vec![Step::Key(key)]),
            None => members
                .iter()
                .find_map(|(key, member)| with(Step::Key(key), duplicate(member))),
        },
    }
}

fn repeated<'a>(members: &'a [(Cow<'_, str>, Node<'_>)]) -> Option<&'a str> {
    // Nearly all objects are small: comparing pairwise costs less than hashing.
    if members.len() <= 8 {
        let mut rest = members;
        while let [(key, _), others @ ..] = rest {
            if others.iter().any(|(other, _)| other == key) {
                return Some(key);
            }
            rest = others;
        }
        return None;
    }
    let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    keys.windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}

/// A step from an object or array to its member.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Where a node stands in its document; shown as `models."a/b".params.n.allowed_values[2]`.
///
/// A chain on the stack of the reader: nothing is allocated before an error shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    last: Option<(&'a Place<'a>, Step<'a>)>,
}

impl<'a> Place<'a> {
    pub(crate) const ROOT: Place<'static> = Place { last: None };

    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self {
            last: Some((self, Step::Key(key))),
        }
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self {
            last: Some((self, Step::Index(index))),
        }
    }

    /// A [`Code::Malformed`] error at this place of the document `path`.
    pub(crate) fn malformed(&self, path: &str, message: impl Into<String>) -> Error {
        let mut steps = Vec::new();
        let mut place = self;
        while let Some((outer, step)) = place.last {
            steps.push(step);
            place = outer;
        }
        located(path, &steps, message)
    }
}

fn located(path: &str, steps: &[Step<'_>], message: impl Into<String>) -> Error {
    Error {
        code: Code::Malformed,
        path: path.to_owned(),
        member: (!steps.is_empty()).then(|| member(steps)),
        message: message.into(),
    }
}

/// The text of the steps, which stand last step first.
fn member(steps: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in steps.iter().rev() {
        match step {
            Step::Index(i) => text.push_str(&format!("[{i}]")),
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
                if !key.is_empty() && key.bytes().all(plain) {
                    text.push_str(key);
                } else {
                    // JSON's own quotes and escapes.
                    text.push_str(&serde_json::Value::from(*key).to_string());
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_small() {
        // A document of 16 MiB must fit in 256 MiB: `1,` takes two bytes.
        assert_eq!(std::mem::size_of::<Node<'_>>(), 24);
    }

    #[test]
    fn numbers_are_ints_or_stay_apart() {
        let int = |text: &str| matches!(parse(text.as_bytes(), ""), Ok(Node::Int(_)));
        for good in ["0", "7", "18446744073709551615"] {
            assert!(int(good), "{good}");
        }
        for odd in [
            "-0",
            "4.0",
            "1e3",
            "-5",
            "18446744073709551616",
            "1E0",
            "0.0",
        ] {
            assert!(
                matches!(parse(odd.as_bytes(), ""), Ok(Node::Number(_))),
                "{odd}"
            );
        }
        for bad in ["01", "+1", "1e999", ".5", "0x1", "NaN"] {
            assert!(parse(bad.as_bytes(), "").is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(parse(deep(NESTING_MAX).as_bytes(), "").is_ok());
        assert!(parse(deep(NESTING_MAX + 1).as_bytes(), "").is_err());
        assert!(parse(deep(1 << 20).as_bytes(), "").is_err());
    }

    #[test]
    fn duplicates_are_found_anywhere() {
        let many: String = (0..20).map(|n| format!("\"k{n}\":0,")).collect();
        for (text, member) in [
            (r#"{"a":1,"a":1}"#.to_owned(), "a"),
            (r#"{"a":1,"\u0061":1}"#.to_owned(), "a"),
            (
                r#"{"x":[0,{"y z":{"a":1,"b":2,"a":3}}]}"#.to_owned(),
                r#"x[1]."y z".a"#,
            ),
            (format!(r#"{{{many}"k7":0}}"#), "k7"),
        ] {
            let error = parse(text.as_bytes(), "f").unwrap_err();
            assert_eq!(error.member.as_deref(), Some(member), "{text}");
        }
    }
}
