// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The command line of the verbs about fleets.

use std::time::Duration;

use clap::{
    Args,
    ValueEnum, //
};

use super::{
    FromList,
    SOURCES, //
};

/// What is looked at.
#[derive(Args, Debug)]
pub struct Narrow {
    /// Only types whose full name matches: `*` is any text, `?` any character
    #[arg(long = "type", value_name = "GLOB")]
    pub kind: Option<String>,
    /// Leave out what cannot be read, instead of giving no answer
    #[arg(long)]
    pub skip_unreadable: bool,
    /// Inventories older than this cannot be read: 90s, 15m, 12h, 7d
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub max_age: Option<Duration>,
}

/// Options of `baseline`.
#[derive(Args, Debug)]
pub struct Baseline {
    /// Have this value if possible; `max`, `min`: the largest, smallest int (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub prefer: Vec<(String, String)>,
    /// Have this value, or there is no list (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub require: Vec<(String, String)>,
    /// Only this device model
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Every type of a host must accept the list, not just any
    #[arg(long)]
    pub each: bool,
    /// Say why each value is what it is, and which hosts limit it
    #[arg(long)]
    pub explain: bool,
    /// Exit with 7 if the answer is only "possible"
    #[arg(long)]
    pub strict: bool,
    /// What is looked at.
    #[command(flatten)]
    pub narrow: Narrow,
    #[doc = "Sources."]
    #[arg(value_name = "SOURCE", help = SOURCES)]
    pub sources: Vec<String>,
}

/// Options of `compare`.
#[derive(Args, Debug)]
pub struct Compare {
    /// Source; with --in, migration parameter list
    #[arg(value_name = "A")]
    pub a: String,
    /// Source; with --in, migration parameter list
    #[arg(value_name = "B")]
    pub b: String,
    /// Compare two lists, by what this source knows of their model
    #[arg(long = "in", value_name = "SOURCE")]
    pub within: Option<String>,
    /// Device model to compare; of a text list that does not begin with one
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Every type of a host must accept a list, not just any
    #[arg(long)]
    pub each: bool,
    /// What is looked at.
    #[command(flatten)]
    pub narrow: Narrow,
}

/// Options of `plan`.
#[derive(Args, Debug)]
pub struct Plan {
    /// The list.
    #[command(flatten)]
    pub from: FromList,
    /// Exit with 7 if the answer is only "possible"
    #[arg(long)]
    pub strict: bool,
    /// What is looked at.
    #[command(flatten)]
    pub narrow: Narrow,
    #[doc = "Sources."]
    #[arg(value_name = "SOURCE", help = SOURCES)]
    pub sources: Vec<String>,
}

/// Options of `label`.
#[derive(Args, Debug)]
pub struct Label {
    /// Also say where this list is accepted, under this name (repeatable)
    #[arg(long = "list", value_name = "NAME=LIST", value_parser = named)]
    pub lists: Vec<(String, String)>,
    /// Device model of text lists that do not begin with one
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Form of the output, instead of --output
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<LabelFormat>,
    /// What is looked at.
    #[command(flatten)]
    pub narrow: Narrow,
    #[doc = "Sources."]
    #[arg(value_name = "SOURCE", help = SOURCES)]
    pub sources: Vec<String>,
}

/// Form of labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabelFormat {
    /// For people.
    Text,
    /// vmig.label/1.
    Json,
    /// Features of a node, for Kubernetes' node-feature-discovery.
    Nfd,
    /// Traits of a provider, for OpenStack's placement.
    Trait,
}

/// `NAME=VALUE`.
fn named(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("not NAME=VALUE".to_owned()),
    }
}

/// A length of time: a number and a unit.
fn age(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86400)];
    let seconds = units.into_iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        number
            .parse::<u64>()
            .ok()
            .filter(|_| digits)?
            .checked_mul(seconds)
    });
    seconds
        .map(Duration::from_secs)
        .ok_or_else(|| "not a number with `s`, `m`, `h` or `d`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("2m", 120),
            ("1h", 3600),
            ("7d", 604_800),
        ] {
            assert_eq!(age(text), Ok(Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "5",
            "s",
            "+5s",
            "-5s",
            "5 s",
            "5w",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
