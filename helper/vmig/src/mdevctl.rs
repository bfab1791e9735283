// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! mdevctl's configuration of a device: what mdevctl keeps of it, and gives to callouts.
//!
//! ```json
//! {"mdev_type": "vmig-serial-var", "start": "manual", "attrs": [{"migration/ports": "2"}]}
//! ```
//!
//! Attributes are files below the device's directory, written in this order after the device was
//! created; values are strings. libvirt makes the same of `<attr name='migration/ports' value='2'/>`.

mod capabilities;

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

use serde::{
    ser::SerializeStruct,
    Serialize,
    Serializer, //
};

pub use self::capabilities::Capabilities;
use crate::{
    error::Error,
    json::Tree,
    list::{
        Given,
        List,
        TEXT_MAX, //
    },
    read::At,
    value::{
        Params,
        Type,
        Value, //
    },
};

/// Where the migration parameters are, below the directory of a device.
const PARAMS: &str = "migration/";

/// Whether the contents of a device survive close, below its directory.
pub const KEEP: &str = "vmig/keep";

/// The configuration of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Full name of the mdev type.
    pub kind: String,
    /// Attributes and their values, in the order of writing.
    pub attrs: Vec<(String, String)>,
}

impl Config {
    /// The configuration of a device with these values, and contents that survive close if `keep`.
    pub fn new(kind: &str, params: &Params, keep: bool) -> Self {
        let mut attrs: Vec<_> = params
            .iter()
            .map(|(name, value)| (format!("{PARAMS}{name}"), value.to_string()))
            .collect();
        if keep {
            attrs.push((KEEP.to_owned(), "1".to_owned()));
        }
        Self {
            kind: kind.to_owned(),
            attrs,
        }
    }

    /// Reads a configuration; `path` names it in errors.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Malformed`]: not of mdevctl's form, an attribute twice, or one that is
    /// not below the device's directory, which mdevctl itself lets through.
    pub fn parse(text: &[u8], path: &str) -> Result<Self, Error> {
        if text.len() > TEXT_MAX {
            return Err(Error::malformed(path, "more than 1 MiB"));
        }
        let tree = Tree::parse(text, path)?;
        let root = At::root(tree.root(), path);
        let mut attrs = Vec::new();
        let mut seen = BTreeSet::new();
        if let Some(list) = root.find("attrs")? {
            for item in list.items()? {
                let members = item.members()?;
                if members.len() != 1 {
                    return Err(item.malformed("not one attribute"));
                }
                for (name, at) in members {
                    if !is_below(name) {
                        return Err(at.malformed("not a file below the device's directory"));
                    }
                    if name.starts_with(PARAMS) {
                        at.name(name.strip_prefix(PARAMS).unwrap_or_default())?;
                    }
                    let value = at.str()?;
                    if let Err(why) = Value::parse(Type::Str, value) {
                        return Err(at.malformed(why.to_string()));
                    }
                    if !seen.insert(name) {
                        return Err(at.malformed("given twice"));
                    }
                    attrs.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        let kind = root.get("mdev_type")?.str()?.to_owned();
        Ok(Self { kind, attrs })
    }

    /// The migration parameters among the attributes, as a list for `model`. Those of other names are
    /// [`Config::others`].
    pub fn list(&self, model: &str) -> List {
        let param = |(name, value): &(String, String)| {
            let name = name.strip_prefix(PARAMS)?;
            Some((name.to_owned(), Given::Text(value.clone())))
        };
        List {
            model: model.to_owned(),
            params: self.attrs.iter().filter_map(param).collect(),
            off: None,
            runtime: None,
            device: None,
        }
    }

    /// The attributes that are no migration parameters.
    pub fn others(&self) -> impl Iterator<Item = (&str, &str)> {
        let others = self.attrs.iter();
        others
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !name.starts_with(PARAMS))
    }

    /// The attributes as mdevctl writes them down: a row of objects with one member each.
    pub fn attributes(&self) -> Vec<BTreeMap<&str, &str>> {
        let attrs = self.attrs.iter();
        attrs
            .map(|(name, value)| BTreeMap::from([(name.as_str(), value.as_str())]))
            .collect()
    }
}

/// Whether the path `name` leads to something below where it starts.
fn is_below(name: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    name.split('/').all(plain)
}

/// mdevctl's form; the device is started by hand.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("Config", 3)?;
        form.serialize_field("mdev_type", &self.kind)?;
        form.serialize_field("start", "manual")?;
        form.serialize_field("attrs", &self.attributes())?;
        form.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let params = Params::from([
            ("a".to_owned(), Value::Bool(true)),
            ("b".to_owned(), Value::Str("x \"y\"\u{1b}".to_owned())),
            ("c".to_owned(), Value::Int(u64::MAX)),
        ]);
        let config = Config::new("vmig-t", &params, true);
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"mdev_type":"vmig-t","start":"manual","attrs":[{"migration/a":"on"},"#,
                r#"{"migration/b":"x \"y\"\u001b"},{"migration/c":"18446744073709551615"},"#,
                r#"{"vmig/keep":"1"}]}"#
            )
        );
        let read = Config::parse(text.as_bytes(), "").unwrap();
        assert_eq!(read, config);
        let list = read.list("a/b");
        assert_eq!(
            list.to_string(),
            "model: a/b\na=on\nb=x \"y\"\u{1b}\nc=18446744073709551615\n"
        );
        assert_eq!(read.others().collect::<Vec<_>>(), [("vmig/keep", "1")]);
    }

    /// The order is the one of the document, and attributes may be missing.
    #[test]
    fn order() {
        let text =
            br#"{"attrs":[{"z":"1"},{"migration/b":"2"},{"a/b":"3"}],"more":{},"mdev_type":"t"}"#;
        let names: Vec<String> = Config::parse(text, "")
            .unwrap()
            .attrs
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["z", "migration/b", "a/b"]);
        assert!(Config::parse(br#"{"mdev_type":"t"}"#, "")
            .unwrap()
            .attrs
            .is_empty());
    }

    #[test]
    fn bad() {
        for (attrs, part) in [
            (r#"{}"#, "attrs: an object where an array is wanted"),
            (r#"["a"]"#, "attrs[0]: a string where an object is wanted"),
            (r#"[{}]"#, "attrs[0]: not one attribute"),
            (r#"[{"a":"1","b":"2"}]"#, "attrs[0]: not one attribute"),
            (r#"[{"a":"1","a":"1"}]"#, "given twice"),
            (r#"[{"a":"1"},{"a":"1"}]"#, "given twice"),
            (r#"[{"migration/a":2}]"#, "an int where a string is wanted"),
            (r#"[{"migration/a":true}]"#, "a bool where a string"),
            (r#"[{"migration/a":null}]"#, "null where a string"),
            (r#"[{"migration/a":"1\n"}]"#, "attrs[0]"),
            (r#"[{"migration/a":"1\u0000"}]"#, "attrs[0]"),
            (r#"[{"/etc/passwd":"1"}]"#, "not a file below"),
            (r#"[{"migration/../vmig/keep":"1"}]"#, "not a file below"),
            (r#"[{"vmig/../migration/a":"1"}]"#, "not a file below"),
            (r#"[{"./migration/a":"1"}]"#, "not a file below"),
            (r#"[{"migration//a":"1"}]"#, "not a file below"),
            (r#"[{"migration/":"1"}]"#, "not a file below"),
            (r#"[{"":"1"}]"#, "not a file below"),
            (r#"[{"migration/a/b":"1"}]"#, "not a parameter name"),
            (r#"[{"migration/a b":"1"}]"#, "not a parameter name"),
        ] {
            let text = format!(r#"{{"mdev_type":"t","start":"manual","attrs":{attrs}}}"#);
            let error = Config::parse(text.as_bytes(), "config").unwrap_err();
            assert!(error.to_string().contains(part), "{attrs}: {error}");
        }
        for text in [
            r#""#,
            r#"[]"#,
            r#"{}"#,
            r#"{"mdev_type":5}"#,
            r#"{"attrs":[]}"#,
        ] {
            Config::parse(text.as_bytes(), "config").unwrap_err();
        }
        let long = format!("{{\"mdev_type\":\"{}\"}}", "x".repeat(TEXT_MAX));
        let error = Config::parse(long.as_bytes(), "config").unwrap_err();
        assert!(error.to_string().contains("more than 1 MiB"), "{error}");
    }
}
