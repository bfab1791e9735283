// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Statements: what is checked, where it is promised, and how much it weighs.
//!
//! The functions stand next to their entries, in `v2` and `v1`, one file per section.

use std::{
    fmt,
    str::FromStr, //
};

use crate::{
    bench::Bench,
    verdict::Verdict, //
};

/// A protocol of VFIO migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// The state machine of Linux 5.18 and newer: statements `C`.
    V2,
    /// The migration region of Linux 5.8 to 5.17: statements `V`.
    V1,
}

impl Protocol {
    /// The letter that its statements begin with.
    pub const fn letter(self) -> char {
        match self {
            Self::V2 => 'C',
            Self::V1 => 'V',
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "v2",
            Self::V1 => "v1",
        })
    }
}

/// The number of a statement: `C36`. Numbers are never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number, from 1 on.
    pub number: u16,
}

impl Id {
    /// The statement of the v2 protocol with this number.
    pub(crate) const fn c(number: u16) -> Self {
        Self {
            protocol: Protocol::V2,
            number,
        }
    }

    /// The statement of the v1 protocol with this number.
    pub(crate) const fn v(number: u16) -> Self {
        Self {
            protocol: Protocol::V1,
            number,
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.protocol.letter(), self.number)
    }
}

/// Text that is no number of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoId(pub String);

impl fmt::Display for NoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no statement: C1 to C90, V1 to V33", self.0)
    }
}

impl std::error::Error for NoId {}

impl FromStr for Id {
    type Err = NoId;

    /// Either case. Only numbers that the catalogue has.
    fn from_str(text: &str) -> Result<Self, NoId> {
        let found = statements().find(|statement| {
            let id = statement.id.to_string();
            id.eq_ignore_ascii_case(text)
        });
        found
            .map(|statement| statement.id)
            .ok_or_else(|| NoId(text.to_owned()))
    }
}

/// What it means when a statement does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The uAPI promises it, or the VFIO core does it for every driver: the driver is broken.
    Must,
    /// The uAPI, or the contract between the core and drivers, recommends it, or users rely on it
    /// without a promise.
    Should,
    /// No text asks for it; a good driver has it.
    Wish,
}

impl Class {
    /// `must`, `should` or `wish`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Wish => "wish",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One testable statement about a driver.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// Its number.
    pub id: Id,
    /// Its weight.
    pub class: Class,
    /// What holds, in one line.
    pub text: &'static str,
    /// Where that is promised: header or function, and the topic in it.
    pub reference: &'static str,
    /// It feeds the device bad streams or removes it, and so is checked only on demand.
    pub destructive: bool,
    /// Why it means nothing for a vfio-user server, if so.
    kernel_only: Option<&'static str>,
    pub(crate) check: fn(&Bench) -> Verdict,
}

impl Statement {
    pub(crate) const fn new(
        class: Class,
        id: Id,
        text: &'static str,
        reference: &'static str,
        check: fn(&Bench) -> Verdict,
    ) -> Self {
        Self {
            id,
            class,
            text,
            reference,
            destructive: false,
            kernel_only: None,
            check,
        }
    }

    pub(crate) const fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }

    pub(crate) const fn only_kernel(mut self, why: &'static str) -> Self {
        self.kernel_only = Some(why);
        self
    }

    /// Why the statement means nothing for a vfio-user server; `None` if it does mean something.
    pub const fn kernel_only(&self) -> Option<&'static str> {
        match self.id.protocol {
            Protocol::V1 => Some("the protocol has no migration region"),
            Protocol::V2 => self.kernel_only,
        }
    }
}

/// A group of statements.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its statements, by number.
    pub statements: &'static [Statement],
}

/// All sections, in the order of their statements' numbers.
pub fn sections() -> impl Iterator<Item = &'static Section> {
    crate::v2::SECTIONS.iter().chain(crate::v1::SECTIONS)
}

/// All statements, v2 first, by number.
pub fn statements() -> impl Iterator<Item = &'static Statement> {
    sections().flat_map(|section| section.statements)
}

/// The statement with this number.
pub fn statement(id: Id) -> Option<&'static Statement> {
    statements().find(|statement| statement.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_missing_or_given_twice() {
        let ids: Vec<_> = statements().map(|statement| statement.id).collect();
        let expected: Vec<_> = (1..=90).map(Id::c).chain((1..=33).map(Id::v)).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn texts_are_one_line_that_ktap_can_carry() {
        for statement in statements() {
            let id = statement.id;
            for text in [statement.text, statement.reference] {
                assert!(!text.is_empty(), "{id}");
                assert!(text.is_ascii(), "{id}: {text}");
                // KTAP ends the description at a `#`.
                assert!(!text.contains(['\n', '#', '|']), "{id}: {text}");
                assert!(!text.ends_with('.') && text.trim() == text, "{id}: {text}");
            }
            assert!(statement.text.len() <= 110, "{id}: {}", statement.text);
        }
    }

    #[test]
    fn references_name_topics_and_not_lines() {
        for statement in statements() {
            let digits_after_colon = statement
                .reference
                .split(':')
                .skip(1)
                .any(|rest| rest.trim_start().starts_with(|c: char| c.is_ascii_digit()));
            assert!(!digits_after_colon, "{}", statement.id);
        }
    }

    #[test]
    fn numbers_are_read_in_either_case() {
        assert_eq!("C36".parse(), Ok(Id::c(36)));
        assert_eq!("v33".parse(), Ok(Id::v(33)));
        for bad in ["", "C", "C0", "C91", "V34", "C036", "36", "X1", "C-1"] {
            assert_eq!(bad.parse::<Id>(), Err(NoId(bad.into())), "{bad}");
        }
    }
}
