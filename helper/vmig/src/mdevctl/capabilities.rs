// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What mdevctl and a callout tell each other before anything else: the version of their protocol.

use serde::Serialize;

use crate::{
    error::Error,
    json::Tree,
    list::TEXT_MAX,
    read::At, //
};

/// The version of the protocol that has `live modify`: mdevctl 1.3 and newer.
const VERSION: u64 = 2;

/// All that may be asked for. mdevctl does not do what a callout with a version leaves out here, so
/// those are named too that need no doing.
const ACTIONS: [&str; 7] = [
    "start",
    "stop",
    "define",
    "undefine",
    "modify",
    "attributes",
    "capabilities",
];

/// The events of which there are any.
const EVENTS: [&str; 5] = ["pre", "post", "notify", "get", "live"];

/// What a callout supports, of what mdevctl provides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    supports: Supports,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Supports {
    version: u64,
    actions: Vec<&'static str>,
    events: Vec<&'static str>,
}

impl Capabilities {
    /// The answer to what mdevctl says about itself; `path` names that in errors.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Malformed`].
    pub fn negotiate(text: &[u8], path: &str) -> Result<Self, Error> {
        if text.len() > TEXT_MAX {
            return Err(Error::malformed(path, "more than 1 MiB"));
        }
        let tree = Tree::parse(text, path)?;
        let root = At::root(tree.root(), path);
        let provides = root.get("provides")?;
        Ok(Self {
            supports: Supports {
                version: provides.get("version")?.int()?.min(VERSION),
                actions: both(&provides.get("actions")?, &ACTIONS)?,
                events: both(&provides.get("events")?, &EVENTS)?,
            },
        })
    }
}

/// The words of ours that are in the array `at` as well.
fn both(at: &At<'_, '_>, ours: &[&'static str]) -> Result<Vec<&'static str>, Error> {
    let mut theirs = Vec::new();
    for item in at.items()? {
        theirs.push(item.str()?);
    }
    let common = ours.iter().filter(|word| theirs.contains(*word));
    Ok(common.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<String, Error> {
        let answer = Capabilities::negotiate(text.as_bytes(), "offer")?;
        Ok(serde_json::to_string(&answer).unwrap())
    }

    #[test]
    fn negotiates() {
        // As mdevctl 1.4.0 says it.
        let all = r#"{"version":2,"actions":["start","stop","define","undefine","modify","attributes","capabilities"],"events":["pre","post","notify","get","live"]}"#;
        assert_eq!(
            answer(&format!("{{\"provides\":{all}}}")).unwrap(),
            format!("{{\"supports\":{all}}}")
        );
        // An older one, and a newer one.
        assert_eq!(
            answer(r#"{"provides":{"version":1,"actions":["start","attributes"],"events":["pre","get"]}}"#)
                .unwrap(),
            r#"{"supports":{"version":1,"actions":["start","attributes"],"events":["pre","get"]}}"#
        );
        assert_eq!(
            answer(r#"{"provides":{"version":9,"actions":["fly","start"],"events":["later","live"],"x":1}}"#)
                .unwrap(),
            r#"{"supports":{"version":2,"actions":["start"],"events":["live"]}}"#
        );
    }

    #[test]
    fn bad() {
        for text in [
            "",
            "{}",
            r#"{"provides":null}"#,
            r#"{"provides":{"version":"2","actions":[],"events":[]}}"#,
            r#"{"provides":{"version":2,"actions":[1],"events":[]}}"#,
            r#"{"provides":{"version":2,"actions":[]}}"#,
            r#"{"provides":{"version":2,"version":2,"actions":[],"events":[]}}"#,
        ] {
            answer(text).unwrap_err();
        }
    }
}
