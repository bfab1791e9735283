// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The tree: a row of words, one for each value and key, which refer to the text.

/// Words of a tree whose memory is kept for the next one, at most.
const SPARE_MAX: usize = 1 << 16;

/// A document that was read.
#[derive(Debug)]
pub(crate) struct Tree<'t> {
    text: &'t str,
    parts: Parts,
}

/// All but the text.
#[derive(Debug, Default)]
pub(super) struct Parts {
    words: Vec<Word>,
    /// Strings that are not in the text as they are: they had escapes.
    unescaped: String,
    /// Ints that do not fit into a word.
    big: Vec<u64>,
    numbers: Vec<serde_json::Number>,
}

/// A value or key: what it is, and two numbers that say where the rest is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word(u64);

/// What a word is. The numbers `a` and `b` have [`Word::BITS`] each; `n` has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
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

    pub(super) const NULL: Self = Self(Tag::Null as u64);

    pub(super) fn one(tag: Tag, n: u64) -> Self {
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
        let word = self.tree.parts.words[self.at];
        match word.tag() {
            Tag::Null => Kind::Null,
            Tag::Bool => Kind::Bool(word.n() != 0),
            Tag::Int => Kind::Int(word.n()),
            Tag::Big => Kind::Int(self.tree.parts.big[word.n() as usize]),
            Tag::Number => Kind::Number(&self.tree.parts.numbers[word.n() as usize]),
            Tag::Str => Kind::Str(&self.tree.text[word.a()..word.a() + word.b()]),
            Tag::Unescaped => Kind::Str(&self.tree.parts.unescaped[word.a()..word.a() + word.b()]),
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

    /// The members with these names, as far as this is an object that has them.
    pub(crate) fn pick<const N: usize>(self, keys: [&str; N]) -> [Option<Self>; N] {
        let mut found = [None; N];
        let members = match self.kind() {
            Kind::Object(members) => members,
            _ => return found,
        };
        for (name, value) in members {
            // Most differ in length already.
            if let Some(i) = keys.iter().position(|key| *key == name) {
                found[i] = Some(value);
            }
        }
        found
    }

    fn inside(self) -> Self {
        Self {
            at: self.at + 1,
            ..self
        }
    }

    fn after(self) -> Self {
        let word = self.tree.parts.words[self.at];
        let at = match word.tag() {
            Tag::Array | Tag::Object => word.a(),
            _ => self.at + 1,
        };
        Self { at, ..self }
    }

    pub(super) fn is_container(self) -> bool {
        matches!(
            self.tree.parts.words[self.at].tag(),
            Tag::Array | Tag::Object
        )
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

impl<'t> Members<'t> {
    /// The text from the next name to the one after it: with the same text comes the same member.
    /// `None`: it is the last, or has escapes.
    pub(crate) fn next_text(&self) -> Option<&'t str> {
        if self.0.left < 2 {
            return None;
        }
        let (name, tree) = (self.0.next, self.0.next.tree);
        let words = [name, name.after().after()].map(|node| tree.parts.words[node.at]);
        match words.map(Word::tag) {
            [Tag::Str, Tag::Str] => tree.text.get(words[0].a()..words[1].a()),
            _ => None,
        }
    }
}

impl<'t> Tree<'t> {
    /// An empty tree over `text`, in the memory of `parts`.
    pub(super) fn new(text: &'t str, mut parts: Parts) -> Self {
        parts.words.clear();
        parts.unescaped.clear();
        parts.big.clear();
        parts.numbers.clear();
        // Every value has a byte, and another one parts it from the next.
        parts.words.reserve_exact(text.len() / 2 + 1);
        Self { text, parts }
    }

    /// Ends the writing: nothing is appended any more.
    pub(super) fn finish(&mut self) {
        if self.parts.words.capacity() > SPARE_MAX {
            self.parts.words.shrink_to_fit();
        }
    }

    /// Its memory, unless that is large.
    pub(super) fn into_parts(self) -> Parts {
        match self.parts.words.capacity() > SPARE_MAX {
            true => Parts::default(),
            false => self.parts,
        }
    }

    /// The document itself.
    pub(crate) fn root(&self) -> Node<'_> {
        Node { tree: self, at: 0 }
    }

    /// How many words it has.
    #[cfg(test)]
    pub(super) fn words(&self) -> usize {
        self.parts.words.len()
    }

    pub(super) fn push(&mut self, word: Word) {
        self.parts.words.push(word);
    }

    pub(super) fn int(&mut self, n: u64) {
        if n >> (2 * Word::BITS) == 0 {
            return self.push(Word::one(Tag::Int, n));
        }
        self.push(Word::one(Tag::Big, self.parts.big.len() as u64));
        self.parts.big.push(n);
    }

    pub(super) fn number(&mut self, number: serde_json::Number) {
        self.push(Word::one(Tag::Number, self.parts.numbers.len() as u64));
        self.parts.numbers.push(number);
    }

    /// A string that serde_json lends from the text.
    pub(super) fn borrowed(&mut self, text: &'t str) {
        let at = text.as_ptr().addr() - self.text.as_ptr().addr();
        self.push(Word::two(Tag::Str, at, text.len()));
    }

    pub(super) fn unescaped(&mut self, text: &str) {
        let at = self.parts.unescaped.len();
        self.parts.unescaped.push_str(text);
        self.push(Word::two(Tag::Unescaped, at, text.len()));
    }

    /// Begins an array or object, whose word is yet to be told.
    pub(super) fn open(&mut self) -> usize {
        self.push(Word::NULL);
        self.parts.words.len() - 1
    }

    /// Ends the array or object that began at `at`.
    pub(super) fn close(&mut self, at: usize, tag: Tag, count: usize) {
        self.parts.words[at] = Word::two(tag, self.parts.words.len(), count);
    }
}
