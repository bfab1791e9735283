// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Which statements to check.

use std::str::FromStr;

use crate::catalogue::{
    statements,
    Id,
    NoId,
    Protocol,
    Statement, //
};

/// A choice of statements: `C36`, `C36,V5`, `C1-C10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(Vec<(Id, Id)>);

impl FromStr for Selection {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let ranges = text.split(',').map(|item| {
            let (first, last) = item.split_once('-').unwrap_or((item, item));
            let range = (first.trim().parse::<Id>()?, last.trim().parse::<Id>()?);
            match range.0.protocol == range.1.protocol && range.0 <= range.1 {
                true => Ok(range),
                false => Err(NoId(item.to_owned())),
            }
        });
        ranges.collect::<Result<_, _>>().map(Self)
    }
}

impl Selection {
    fn has(&self, id: Id) -> bool {
        self.0.iter().any(|&(first, last)| {
            first.protocol == id.protocol && (first.number..=last.number).contains(&id.number)
        })
    }
}

/// The statements of `protocol` (`None`: of both) that `selection` has (`None`: all), in the order
/// of the catalogue, each once.
pub fn select(
    protocol: Option<Protocol>,
    selection: Option<&Selection>,
) -> Vec<&'static Statement> {
    statements()
        .filter(|statement| protocol.is_none_or(|protocol| statement.id.protocol == protocol))
        .filter(|statement| selection.is_none_or(|selection| selection.has(statement.id)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(protocol: Option<Protocol>, text: &str) -> Vec<String> {
        let selection: Selection = text.parse().unwrap();
        select(protocol, Some(&selection))
            .iter()
            .map(|statement| statement.id.to_string())
            .collect()
    }

    #[test]
    fn numbers_and_ranges() {
        assert_eq!(chosen(None, "C36"), ["C36"]);
        assert_eq!(chosen(None, "v2, c9-C11,C10"), ["C9", "C10", "C11", "V2"]);
        assert_eq!(chosen(Some(Protocol::V1), "C1,V1"), ["V1"]);
        assert_eq!(chosen(Some(Protocol::V1), "C1"), [""; 0]);
    }

    #[test]
    fn nothing_chosen_is_everything() {
        assert_eq!(select(None, None).len(), 123);
        assert_eq!(select(Some(Protocol::V2), None).len(), 90);
        assert_eq!(select(Some(Protocol::V1), None).len(), 33);
    }

    #[test]
    fn what_is_no_choice_is_refused() {
        for bad in [
            "", ",", "C1,", "C10-C9", "C1-V1", "C1-", "C1-C2-C3", "C1..C3",
        ] {
            assert!(bad.parse::<Selection>().is_err(), "{bad}");
        }
    }
}
