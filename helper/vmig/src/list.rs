// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration parameter lists: the parameters of one device whose value differs from `off_value`.
//!
//! Two forms are read and written: text, and the JSON of `vmig.params/1`.
//!
//! ```text
//! model: vmig.example/pci-serial
//! fifo-size=64
//! ports=2
//! ```

use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    fmt,
};

use serde::{
    Serialize,
    Serializer, //
};

use crate::{
    document::Model,
    error::{
        Code,
        Error, //
    },
    json::Tree,
    read::At,
    value::{
        is_model,
        is_name,
        Params,
        Type,
        Value, //
    },
};

/// A text list, at most this many bytes.
pub const TEXT_MAX: usize = 1 << 20;

/// The schema of the JSON form.
pub const SCHEMA: &str = "vmig.params/1";

/// A migration parameter list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The device model.
    pub model: String,
    /// The values by parameter name, in byte order.
    pub params: BTreeMap<String, Given>,
    /// The parameters left out and the values that were "off" there, where the list says so.
    pub off: Option<Params>,
    /// Which parameters may change while the device is open, where the list says so.
    pub runtime: Option<BTreeSet<String>>,
    /// The device that it was read from, where the list says so.
    pub device: Option<Device>,
}

/// The device that a list was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Name of the host.
    pub host: String,
    /// Name of the parent device.
    pub parent: String,
    /// Full name of the mdev type.
    #[serde(rename = "type")]
    pub kind: String,
    /// UUID, in lower case.
    pub uuid: String,
}

/// A value as a list gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Given {
    /// From a text list: each destination types it.
    Text(String),
    /// From JSON: of this type, wherever it goes.
    Typed(Value),
}

impl Given {
    /// The value, where the parameter is of type `kind`; `None`: it is no value of that type.
    pub fn typed(&self, kind: Type) -> Option<Value> {
        match self {
            Self::Text(text) => Value::parse(kind, text).ok(),
            Self::Typed(value) => (value.kind() == kind).then(|| value.clone()),
        }
    }
}

impl From<Value> for Given {
    fn from(value: Value) -> Self {
        Self::Typed(value)
    }
}

/// The text form.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Typed(value) => fmt::Display::fmt(value, f),
        }
    }
}

/// The JSON form; a text that nobody has typed yet is a string.
impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Typed(value) => value.serialize(serializer),
        }
    }
}

impl List {
    /// The list of a device of `model` that has `values`: those that are not off.
    pub fn of_device(name: &str, model: &Model, values: &Params) -> Self {
        let mut params = BTreeMap::new();
        let mut off = Params::new();
        let mut runtime = BTreeSet::new();
        for (name, param) in &model.params {
            let Some(value) = values.get(name) else {
                continue;
            };
            if param.off.as_ref() == Some(value) {
                off.insert(name.clone(), value.clone());
            } else {
                params.insert(name.clone(), value.clone().into());
            }
            if param.runtime {
                runtime.insert(name.clone());
            }
        }
        Self {
            model: name.to_owned(),
            params,
            off: Some(off),
            runtime: Some(runtime),
            device: None,
        }
    }

    /// Reads a list in either form; `path` names it in errors.
    ///
    /// `model` is the device model of a text list that does not begin with one.
    ///
    /// # Errors
    ///
    /// [`Code::Malformed`]; [`Code::Contradiction`] if the list is for another model than `model`.
    ///
    /// ```
    /// use vmig::list::List;
    ///
    /// let list = List::parse(b"model: example.org/nic\nnum-queues=4\n", "nic.list", None)?;
    /// assert_eq!(list.params["num-queues"].to_string(), "4");
    /// assert_eq!(list.to_string(), "model: example.org/nic\nnum-queues=4\n");
    /// # Ok::<(), vmig::error::Error>(())
    /// ```
    pub fn parse(text: &[u8], path: &str, model: Option<&str>) -> Result<Self, Error> {
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        let list = if first == Some(&b'{') {
            let tree = Tree::parse(text, path)?;
            read(&At::root(tree.root(), path))?
        } else {
            parse_text(text, path, model)?
        };
        match model {
            Some(model) if model != list.model => Err(Error::new(
                Code::Contradiction,
                path,
                format!("the list is for {}, not for {model}", list.model),
            )),
            _ => Ok(list),
        }
    }
}

fn parse_text(text: &[u8], path: &str, model: Option<&str>) -> Result<List, Error> {
    if text.len() > TEXT_MAX {
        return Err(Error::malformed(path, "list of more than 1 MiB"));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = text
            .iter()
            .take(error.valid_up_to())
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        Error::malformed(path, format!("line {line}: not UTF-8"))
    })?;
    let mut model = model.map(str::to_owned);
    let mut params = BTreeMap::new();
    let mut first = true;
    for (n, line) in (1..).zip(text.split('\n')) {
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let bad = |message: &str| Error::malformed(path, format!("line {n}: {message}"));
        if let (true, Some(text)) = (std::mem::take(&mut first), line.strip_prefix("model: ")) {
            if !is_model(text) {
                return Err(bad(
                    "not a device model (1 to 255 bytes, at least one `/`, no control character)",
                ));
            }
            model = Some(text.to_owned());
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| bad("not NAME=VALUE"))?;
        if !is_name(name) {
            return Err(bad("not a parameter name before `=`"));
        }
        if let Err(why) = Value::parse(Type::Str, value) {
            return Err(bad(&format!("{name}: {why}")));
        }
        let given = Given::Text(value.to_owned());
        if params.insert(name.to_owned(), given).is_some() {
            return Err(bad(&format!("{name} is given twice")));
        }
    }
    let model = model.ok_or_else(|| {
        Error::malformed(
            path,
            "no first line `model: STRING`; name the model with --model",
        )
    })?;
    Ok(List {
        model,
        params,
        off: None,
        runtime: None,
        device: None,
    })
}

fn read(at: &At<'_, '_>) -> Result<List, Error> {
    let schema = at.get("schema")?;
    if schema.str()? != SCHEMA {
        return Err(schema.malformed(format!("not {SCHEMA}")));
    }
    let model = at.get("model")?;
    model.model(model.str()?)?;
    let params = at.get("params")?.params()?;
    let off = match at.find("off")? {
        Some(off) => Some(off.params()?),
        None => None,
    };
    for name in off.iter().flat_map(Params::keys) {
        if params.contains_key(name) {
            return Err(at.get("off")?.get(name)?.malformed("also in `params`"));
        }
    }
    Ok(List {
        model: model.str()?.to_owned(),
        params: params
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect(),
        off,
        runtime: match at.find("runtime")? {
            Some(runtime) => Some(names(&runtime)?),
            None => None,
        },
        device: match at.find("device")? {
            Some(device) => Some(read_device(&device)?),
            None => None,
        },
    })
}

fn names(at: &At<'_, '_>) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    for at in at.items()? {
        let name = at.str()?;
        at.name(name)?;
        names.insert(name.to_owned());
    }
    Ok(names)
}

fn read_device(at: &At<'_, '_>) -> Result<Device, Error> {
    let text = |key| at.get(key)?.str().map(str::to_owned);
    let uuid: Result<vmig_model::uuid::Uuid, _> = text("uuid")?.parse();
    Ok(Device {
        host: text("host")?,
        parent: text("parent")?,
        kind: text("type")?,
        uuid: uuid
            .map_err(|why| match at.get("uuid") {
                Ok(at) => at.malformed(why.to_string()),
                Err(error) => error,
            })?
            .to_string(),
    })
}

/// The text list.
impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "model: {}", self.model)?;
        for (name, value) in &self.params {
            writeln!(f, "{name}={value}")?;
        }
        Ok(())
    }
}

/// The JSON of `vmig.params/1`.
impl Serialize for List {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form<'a> {
            schema: &'static str,
            model: &'a str,
            params: &'a BTreeMap<String, Given>,
            #[serde(skip_serializing_if = "Option::is_none")]
            off: &'a Option<Params>,
            #[serde(skip_serializing_if = "Option::is_none")]
            runtime: &'a Option<BTreeSet<String>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            device: &'a Option<Device>,
        }
        let Self {
            model,
            params,
            off,
            runtime,
            device,
        } = self;
        Form {
            schema: SCHEMA,
            model,
            params,
            off,
            runtime,
            device,
        }
        .serialize(serializer)
    }
}
