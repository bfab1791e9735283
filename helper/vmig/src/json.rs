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

use crate::error::{
    Code,
    Error, //
};

/// Arrays and objects inside each other: the outermost counts as one.
pub(crate) const NESTING_MAX: usize = 64;

/// A document, at most this many bytes.
pub(crate) const DOCUMENT_MAX: usize = 16 << 20;

/// A document that was read.
#[derive(Debug)]
pub(crate) struct Tree<'t> {
    text: &'t str,
    words: Vec<Word>,
    /// Strings that are not in the text as they are: they had escapes.
    unescaped: String,
    /// Ints that do not fit into a word.
    big: Vec<u64>,
    numbers: Vec<serde_json::Number>,
}

/// A value or key: what it is, and two numbers that say where the rest is.
#[derive(Clone, Copy, Debug)]
struct Word(u64);

/// What a word is. The numbers `a` and `b` have [`Word::BITS`] each; `n` has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Null,
    /// n: 0 or 1.
    Bool,
    /// n: the int.
    Int,
    /// n: index into `big`.
    Big,
    /// n: index into `numbers`.
    Number,
    /// a: offset in the text; b: length.
    Str,
    /// a: offset in `unescaped`; b: length.
    Unescaped,
    /// a: index of the word after the last item; b: number of items.
    Array,
    /// a: index of the word after the last member; b: number of members.
    Object,
}

impl Word {
    /// Enough for any offset and count in [`DOCUMENT_MAX`] bytes.
    const BITS: u32 = 28;
    const TAGS: [Tag; 9] = [
        Tag::Null,
        Tag::Bool,
        Tag::Int,
        Tag::Big,
        Tag::Number,
        Tag::Str,
        Tag::Unescaped,
        Tag::Array,
        Tag::Object,
    ];

    fn one(tag: Tag, n: u64) -> Self {
        Self((n << 4) | tag as u64)
    }

    fn two(tag: Tag, a: usize, b: usize) -> Self {
        Self::one(tag, ((a as u64) << Self::BITS) | b as u64)
    }

    fn tag(self) -> Tag {
        Self::TAGS[(self.0 & 15) as usize]
    }

    fn n(self) -> u64 {
        self.0 >> 4
    }

    fn a(self) -> usize {
        (self.n() >> Self::BITS) as usize
    }

    fn b(self) -> usize {
        (self.n() & ((1 << Self::BITS) - 1)) as usize
    }
}

/// A JSON value in a [`Tree`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'t> {
    tree: &'t Tree<'t>,
    at: usize,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Kind<'t> {
    Null,
    Bool(bool),
    /// An int that was written as one.
    Int(u64),
    /// A number that is no int from 0 to 2^64-1, or was not written as one; kept for digests.
    Number(&'t serde_json::Number),
    Str(&'t str),
    Array(Items<'t>),
    /// Members in the order of the document.
    Object(Members<'t>),
}

impl<'t> Node<'t> {
    /// What it is.
    pub(crate) fn kind(self) -> Kind<'t> {
        let word = self.tree.words[self.at];
        match word.tag() {
            Tag::Null => Kind::Null,
            Tag::Bool => Kind::Bool(word.n() != 0),
            Tag::Int => Kind::Int(word.n()),
            Tag::Big => Kind::Int(self.tree.big[word.n() as usize]),
            Tag::Number => Kind::Number(&self.tree.numbers[word.n() as usize]),
            Tag::Str => Kind::Str(&self.tree.text[word.a()..word.a() + word.b()]),
            Tag::Unescaped => Kind::Str(&self.tree.unescaped[word.a()..word.a() + word.b()]),
            Tag::Array => Kind::Array(Items {
                left: word.b(),
                next: self.inside(),
            }),
            Tag::Object => Kind::Object(Members(Items {
                left: word.b(),
                next: self.inside(),
            })),
        }
    }

    /// What it is, for messages.
    pub(crate) fn what(self) -> &'static str {
        match self.kind() {
            Kind::Null => "null",
            Kind::Bool(_) => "a bool",
            Kind::Int(_) => "an int",
            Kind::Number(_) => "a number that is not an int from 0 to 2^64-1, written as such",
            Kind::Str(_) => "a string",
            Kind::Array(_) => "an array",
            Kind::Object(_) => "an object",
        }
    }

    fn inside(self) -> Self {
        Self {
            at: self.at + 1,
            ..self
        }
    }

    fn after(self) -> Self {
        let word = self.tree.words[self.at];
        let at = match word.tag() {
            Tag::Array | Tag::Object => word.a(),
            _ => self.at + 1,
        };
        Self { at, ..self }
    }

    fn is_container(self) -> bool {
        matches!(self.tree.words[self.at].tag(), Tag::Array | Tag::Object)
    }
}

/// The items of an array.
#[derive(Clone, Debug)]
pub(crate) struct Items<'t> {
    left: usize,
    /// Any word, if nothing is left.
    next: Node<'t>,
}

impl<'t> Iterator for Items<'t> {
    type Item = Node<'t>;

    fn next(&mut self) -> Option<Node<'t>> {
        self.left = self.left.checked_sub(1)?;
        let node = self.next;
        self.next = node.after();
        Some(node)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Items<'_> {}

/// The members of an object: name and value.
#[derive(Clone, Debug)]
pub(crate) struct Members<'t>(Items<'t>);

impl<'t> Iterator for Members<'t> {
    type Item = (&'t str, Node<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.left = self.0.left.checked_sub(1)?;
        let key = self.0.next;
        let node = key.after();
        self.0.next = node.after();
        match key.kind() {
            Kind::Str(key) => Some((key, node)),
            // INVARIANT: `visit_map` puts a string before each value.
            _ => None,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Members<'_> {}

impl<'t> Tree<'t> {
    /// Reads one document.
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`]: not JSON, not UTF-8, a duplicate key, or beyond a limit. `path` names it.
    pub(crate) fn parse(text: &'t [u8], path: &str) -> Result<Self, Error> {
        if text.len() > DOCUMENT_MAX {
            return Err(Error::malformed(path, "document of more than 16 MiB"));
        }
        let text = std::str::from_utf8(text).map_err(|error| {
            Error::malformed(path, format!("not UTF-8 from byte {}", error.valid_up_to()))
        })?;
        let mut tree = Self {
            text,
            // Every value has a byte, and another one parts it from the next.
            words: Vec::with_capacity(text.len() / 2 + 1),
            unescaped: String::new(),
            big: Vec::new(),
            numbers: Vec::new(),
        };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Nested(&mut tree, 0)
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| syntax(&error, path))?;
        tree.words.shrink_to_fit();
        match duplicate(tree.root()) {
            None => Ok(tree),
            Some(steps) => Err(located(path, &steps, "given twice")),
        }
    }

    /// The document itself.
    pub(crate) fn root(&self) -> Node<'_> {
        Node { tree: self, at: 0 }
    }

    fn push(&mut self, word: Word) {
        self.words.push(word);
    }

    fn borrowed(&mut self, text: &'t str) {
        // serde_json lends parts of the text.
        let at = text.as_ptr().addr() - self.text.as_ptr().addr();
        self.push(Word::two(Tag::Str, at, text.len()));
    }

    fn unescaped(&mut self, text: &str) {
        let at = self.unescaped.len();
        self.unescaped.push_str(text);
        self.push(Word::two(Tag::Unescaped, at, text.len()));
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
        self.0.push(Word::one(Tag::Null, 0));
        Ok(())
    }

    fn visit_bool<E>(self, b: bool) -> Result<(), E> {
        self.0.push(Word::one(Tag::Bool, b.into()));
        Ok(())
    }

    fn visit_u64<E>(self, n: u64) -> Result<(), E> {
        let word = match n.checked_shr(60) {
            Some(0) => Word::one(Tag::Int, n),
            _ => {
                self.0.big.push(n);
                Word::one(Tag::Big, self.0.big.len() as u64 - 1)
            }
        };
        self.0.push(word);
        Ok(())
    }

    fn visit_i64<E>(self, n: i64) -> Result<(), E> {
        // serde_json gives non-negative ints to `visit_u64`.
        self.0.numbers.push(n.into());
        let last = self.0.numbers.len() as u64 - 1;
        self.0.push(Word::one(Tag::Number, last));
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<(), E> {
        // A fraction, an exponent, `-0`, or more than 2^64-1.
        let number = serde_json::Number::from_f64(n);
        let number = number.ok_or_else(|| E::custom("number out of range"))?;
        self.0.numbers.push(number);
        let last = self.0.numbers.len() as u64 - 1;
        self.0.push(Word::one(Tag::Number, last));
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
        let at = tree.words.len();
        tree.push(Word::one(Tag::Null, 0));
        let mut count = 0;
        while seq.next_element_seed(Nested(tree, depth))?.is_some() {
            count += 1;
        }
        tree.words[at] = Word::two(Tag::Array, tree.words.len(), count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let tree = self.0;
        let at = tree.words.len();
        tree.push(Word::one(Tag::Null, 0));
        let mut count = 0;
        // INVARIANT: JSON's keys are strings, so that is what comes before each value.
        while map.next_key_seed(Nested(tree, depth))?.is_some() {
            map.next_value_seed(Nested(tree, depth))?;
            count += 1;
        }
        tree.words[at] = Word::two(Tag::Object, tree.words.len(), count);
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
        let mut rest = members.map(|(key, _)| key);
        while let Some(key) = rest.next() {
            if rest.clone().any(|other| other == key) {
                return Some(key);
            }
        }
        return None;
    }
    let mut keys: Vec<&str> = members.map(|(key, _)| key).collect();
    keys.sort_unstable();
    let pair = keys.windows(2).find(|pair| pair[0] == pair[1]);
    pair.map(|pair| pair[0])
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
            assert!(tree.words.len() <= text.len() / 2 + 1, "{text}");
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
