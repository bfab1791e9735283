// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Sets of strs in one piece of memory.

use std::{
    cmp::Ordering,
    fmt,
    sync::Arc, //
};

/// A set of strs. Clones share their memory, which is little more than the text.
///
/// ```
/// use vmig::set::StrSet;
///
/// let set: StrSet = ["b", "a", "b"].into_iter().collect();
/// assert_eq!(set.iter().collect::<Vec<_>>(), ["a", "b"]);
/// assert!(set.contains("a") && !set.contains("ab"));
/// ```
///
/// # Invariants
///
/// The texts, each up to its end in `ends`, are ascending; none is there twice. So equal sets are
/// equal values.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct StrSet {
    text: Arc<str>,
    ends: Arc<[usize]>,
}

impl StrSet {
    /// How many they are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The strs, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(|i| self.nth(i))
    }

    /// The `i`-th; empty if there is none.
    fn nth(&self, i: usize) -> &str {
        let begin = match i.checked_sub(1) {
            Some(before) => self.ends.get(before).copied(),
            None => Some(0),
        };
        let range = begin.zip(self.ends.get(i).copied());
        range
            .and_then(|(begin, end)| self.text.get(begin..end))
            .unwrap_or_default()
    }

    /// Whether `text` is one of them.
    pub fn contains(&self, text: &str) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.nth(middle).cmp(text) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return true,
                Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// The smallest one.
    pub fn first(&self) -> Option<&str> {
        self.iter().next()
    }

    /// Those for which `keep` says so.
    #[must_use]
    pub(crate) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.iter().all(&keep) {
            return self.clone();
        }
        self.iter().filter(|text| keep(text)).collect()
    }

    /// Those of both sets.
    #[must_use]
    pub(crate) fn union(&self, other: &Self) -> Self {
        if other.is_subset(self) {
            return self.clone();
        }
        self.iter().chain(other.iter()).collect()
    }

    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ends, &other.ends) && Arc::ptr_eq(&self.text, &other.text)
            || self.iter().all(|text| other.contains(text))
    }
}

impl<T: AsRef<str>> FromIterator<T> for StrSet {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut texts: Vec<T> = texts.into_iter().collect();
        texts.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        texts.dedup_by(|a, b| a.as_ref() == b.as_ref());
        let length = texts.iter().map(|text| text.as_ref().len()).sum();
        let mut text = String::with_capacity(length);
        let ends = texts.iter().map(|one| {
            text.push_str(one.as_ref());
            text.len()
        });
        // INVARIANT: sorted and without repetition.
        Self {
            ends: ends.collect(),
            text: text.into(),
        }
    }
}

impl fmt::Debug for StrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// By the first str that differs; a set that ends there is the smaller one.
impl Ord for StrSet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for StrSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every pair of sets of these texts, against the sets of the standard library.
    #[test]
    fn as_the_standard_library_says() {
        const TEXTS: [&str; 5] = ["", "a", "ab", "b", "\u{e9}"];
        let sets = || {
            (0..1u32 << TEXTS.len()).map(|bits| {
                let chosen = (0..TEXTS.len()).filter(move |i| bits >> i & 1 == 1);
                // Backwards, so that sorting has something to do.
                chosen.rev().map(|i| TEXTS[i]).collect::<Vec<_>>()
            })
        };
        for a in sets() {
            let (ours, theirs) = (StrSet::from_iter(&a), BTreeSet::from_iter(&a));
            assert_eq!(ours.len(), theirs.len());
            assert_eq!(ours.first(), theirs.first().map(|text| **text));
            assert!(ours.iter().eq(theirs.iter().map(|text| **text)));
            for text in TEXTS {
                assert_eq!(ours.contains(text), theirs.contains(&text), "{a:?} {text}");
            }
            for b in sets() {
                let (our_b, their_b) = (StrSet::from_iter(&b), BTreeSet::from_iter(&b));
                assert_eq!(ours.cmp(&our_b), theirs.cmp(&their_b), "{a:?} {b:?}");
                assert_eq!(ours == our_b, theirs == their_b, "{a:?} {b:?}");
                assert_eq!(ours.is_subset(&our_b), theirs.is_subset(&their_b));
                let union = ours.union(&our_b);
                assert!(union.iter().eq(theirs.union(&their_b).map(|text| **text)));
                let both = ours.filtered(|text| our_b.contains(text));
                assert!(both
                    .iter()
                    .eq(theirs.intersection(&their_b).map(|text| **text)));
            }
        }
    }
}
