// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the guest reports.

/// One line of a report: a name, words about it, and counts such as `lost=0`.
#[derive(Clone, Debug)]
pub struct Counts {
    line: String,
}

impl Counts {
    /// Out of a line of the guest.
    pub fn new(line: &str) -> Self {
        Self {
            line: line.to_owned(),
        }
    }

    /// The line itself.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The words that are no counts.
    pub fn words(&self) -> Vec<&str> {
        let words = self.line.split_ascii_whitespace();
        words.filter(|word| !word.contains('=')).collect()
    }

    /// The numbers of a count, which may be a list.
    ///
    /// # Panics
    ///
    /// If there is no such count; so for the other.
    #[track_caller]
    pub fn list(&self, name: &str) -> Vec<u64> {
        let mut words = self.line.split_ascii_whitespace();
        let found = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let text = found.unwrap_or_else(|| panic!("no {name} in {:?}", self.line));
        let numbers = text.split(',').filter(|number| !number.is_empty());
        let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{name}={text}"));
        numbers.map(number).collect()
    }

    /// A count.
    #[track_caller]
    pub fn get(&self, name: &str) -> u64 {
        match self.list(name)[..] {
            [number] => number,
            _ => panic!("{name} is a list in {:?}", self.line),
        }
    }
}
