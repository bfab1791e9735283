// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Strict JSON: a document as a tree that shows what serde's own types hide.
//!
//! - duplicate keys are an error, in every object, also where the reader ignores the member;
//! - numbers are ints from 0 to 2^64-1, exact; every other spelling (`4.0`, `1e3`, `-0`) stays apart
//!   as [`Kind::Number`], so that only a member that is read can complain;
//! - nesting is limited to [`NESTING_MAX`];
//! - the tree is a row of words, one for each value and key, which refer to the text. So a document
//!   costs at most four times its length, and nothing in it makes that worse.
//!
//! Text to tree is serde_json's; this module does not parse characters.

mod place;
mod tree;

use std::fmt;

use serde::{
    de::{
        self,
        DeserializeSeed,
        Deserializer,
        MapAccess,
        SeqAccess,
        Visitor, //
    },
    ser::{
        SerializeMap,
        SerializeSeq, //
    },
    Serialize,
    Serializer, //
};

pub(crate) use self::{
    place::Place,
    tree::{
        Kind,
        Node,
        Tree, //
    },
};
use self::{
    place::{
        located,
        Step, //
    },
    tree::{
        Members,
        Parts,
        Tag,
        Word, //
    },
};
use crate::error::Error;

/// Arrays and objects inside each other: the outermost counts as one.
pub(crate) const NESTING_MAX: usize = 64;

/// A document, at most this many bytes.
pub(crate) const DOCUMENT_MAX: usize = 16 << 20;

/// The memory of a tree that is not needed any more, for the next one.
#[derive(Debug, Default)]
pub(crate) struct Spare(Parts);

impl<'t> Tree<'t> {
    /// Reads one document.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Malformed`]: not JSON, not UTF-8, a duplicate key, or beyond a limit.
    /// `path` names it.
    pub(crate) fn parse(text: &'t [u8], path: &str) -> Result<Self, Error> {
        Self::parse_in(&mut Spare::default(), text, path)
    }

    /// As [`Tree::parse`], in memory that an earlier tree left with [`Tree::leave`].
    pub(crate) fn parse_in(spare: &mut Spare, text: &'t [u8], path: &str) -> Result<Self, Error> {
        if text.len() > DOCUMENT_MAX {
            return Err(Error::malformed(path, "document of more than 16 MiB"));
        }
        let text = std::str::from_utf8(text).map_err(|error| {
            Error::malformed(path, format!("not UTF-8 from byte {}", error.valid_up_to()))
        })?;
        let mut tree = Self::new(text, std::mem::take(&mut spare.0));
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Nested(&mut tree, 0)
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| syntax(&error, path))?;
        tree.finish();
        match duplicate(tree.root()) {
            None => Ok(tree),
            Some(steps) => Err(located(path, &steps, "given twice")),
        }
    }

    /// Leaves its memory to the next one.
    pub(crate) fn leave(self, spare: &mut Spare) {
        spare.0 = self.into_parts();
    }
}

fn syntax(error: &serde_json::Error, path: &str) -> Error {
    let hint = if error.is_eof() { " (truncated?)" } else { "" };
    Error::malformed(path, format!("{error}{hint}"))
}

/// Serializes a value in canonical form: the keys of every object in byte order.
pub(crate) struct Canonical<'t>(pub(crate) Node<'t>);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.kind() {
            Kind::Null => serializer.serialize_unit(),
            Kind::Bool(b) => serializer.serialize_bool(b),
            Kind::Int(n) => serializer.serialize_u64(n),
            Kind::Number(n) => n.serialize(serializer),
            Kind::Str(text) => serializer.serialize_str(text),
            Kind::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    seq.serialize_element(&Canonical(item))?;
                }
                seq.end()
            }
            Kind::Object(members) => {
                let mut members: Vec<_> = members.collect();
                members.sort_unstable_by_key(|(key, _)| *key);
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, node) in members {
                    map.serialize_entry(key, &Canonical(node))?;
                }
                map.end()
            }
        }
    }
}

/// Appends a value that stands inside this many arrays and objects.
struct Nested<'b, 't>(&'b mut Tree<'t>, usize);

impl Nested<'_, '_> {
    fn deeper<E: de::Error>(&self) -> Result<usize, E> {
        if self.1 >= NESTING_MAX {
            return Err(E::custom(format_args!("nesting deeper than {NESTING_MAX}")));
        }
        Ok(self.1 + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(Word::NULL);
        Ok(())
    }

    fn visit_bool<E>(self, b: bool) -> Result<(), E> {
        self.0.push(Word::one(Tag::Bool, b.into()));
        Ok(())
    }

    fn visit_u64<E>(self, n: u64) -> Result<(), E> {
        self.0.int(n);
        Ok(())
    }

    fn visit_i64<E>(self, n: i64) -> Result<(), E> {
        // serde_json gives non-negative ints to `visit_u64`.
        self.0.number(n.into());
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<(), E> {
        // A fraction, an exponent, `-0`, or more than 2^64-1.
        let number = serde_json::Number::from_f64(n);
        let number = number.ok_or_else(|| E::custom("number out of range"))?;
        self.0.number(number);
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.0.borrowed(text);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.unescaped(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let tree = self.0;
        let at = tree.open();
        let mut count = 0;
        while seq.next_element_seed(Nested(tree, depth))?.is_some() {
            count += 1;
        }
        tree.close(at, Tag::Array, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let tree = self.0;
        let at = tree.open();
        let mut count = 0;
        // INVARIANT: JSON's keys are strings, so that is what comes before each value.
        while map.next_key_seed(Nested(tree, depth))?.is_some() {
            map.next_value_seed(Nested(tree, depth))?;
            count += 1;
        }
        tree.close(at, Tag::Object, count);
        Ok(())
    }
}

/// The first member that its object has twice: the steps to it, last step first.
fn duplicate(node: Node<'_>) -> Option<Vec<Step<'_>>> {
    fn then<'t>(step: Step<'t>, found: Option<Vec<Step<'t>>>) -> Option<Vec<Step<'t>>> {
        let mut steps = found?;
        steps.push(step);
        Some(steps)
    }
    match node.kind() {
        Kind::Array(items) => (0..)
            .zip(items)
            .filter(|(_, item)| item.is_container())
            .find_map(|(i, item)| then(Step::Index(i), duplicate(item))),
        Kind::Object(members) => match repeated(members.clone()) {
            Some(key) => Some(vec![Step::Key(key)]),
            None => members
                .filter(|(_, member)| member.is_container())
                .find_map(|(key, member)| then(Step::Key(key), duplicate(member))),
        },
        _ => None,
    }
}

fn repeated(members: Members<'_>) -> Option<&str> {
    // Nearly all objects are small: comparing pairwise costs less than sorting.
    if members.len() <= 8 {
        let mut keys = [""; 8];
        for (seen, (key, _)) in members.enumerate() {
            if keys[..seen].contains(&key) {
                return Some(key);
            }
            keys[seen] = key;
        }
        return None;
    }
    let mut keys: Vec<&str> = members.map(|(key, _)| key).collect();
    keys.sort_unstable();
    let pair = keys.windows(2).find(|pair| pair[0] == pair[1]);
    pair.map(|pair| pair[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_per_two_bytes_is_enough() {
        for text in [
            "1",
            "[1,1,1]",
            "[[],[]]",
            "{\"\":1}",
            "[{},1]",
            "{\"\":{\"\":[[1,2,3]]}}",
        ] {
            let tree = Tree::parse(text.as_bytes(), "").unwrap();
            assert!(tree.words() <= text.len() / 2 + 1, "{text}");
        }
    }

    #[test]
    fn trees_hold_what_was_read() {
        let text = r#"{"b":[null,true,false,0,18446744073709551615,1152921504606846976,-1,1.5,"x","\n\u00e9",[],{}],"a":{"k":"v"}}"#;
        let tree = Tree::parse(text.as_bytes(), "").unwrap();
        let canonical = serde_json::to_string(&Canonical(tree.root())).unwrap();
        let expected = r#"{"a":{"k":"v"},"b":[null,true,false,0,18446744073709551615,1152921504606846976,-1,1.5,"x","\né",[],{}]}"#;
        assert_eq!(canonical, expected);
        // serde_json's own tree, which has no duplicates to lose here, is the same.
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(canonical, value.to_string());
    }

    #[test]
    fn numbers_are_ints_or_stay_apart() {
        let parse = |text: &'static str| Tree::parse(text.as_bytes(), "");
        let int = |text| parse(text).is_ok_and(|tree| matches!(tree.root().kind(), Kind::Int(_)));
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
            let tree = parse(odd).unwrap();
            assert!(matches!(tree.root().kind(), Kind::Number(_)), "{odd}");
        }
        for bad in ["01", "+1", "1e999", ".5", "0x1", "NaN"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(Tree::parse(deep(NESTING_MAX).as_bytes(), "").is_ok());
        assert!(Tree::parse(deep(NESTING_MAX + 1).as_bytes(), "").is_err());
        assert!(Tree::parse(deep(1 << 20).as_bytes(), "").is_err());
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
            let error = Tree::parse(text.as_bytes(), "f").unwrap_err();
            assert_eq!(error.member.as_deref(), Some(member), "{text}");
        }
    }
}
