// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration information: what a device implementation says it accepts.
//!
//! This is the JSON of the RFC "VFIO Migration": `{"models": {MODEL: {"params": {NAME: {...}}}}}` of
//! version 3, `{"models": {MODEL: {"versions": [...]}}}` of version 4, and vmig's extensions to
//! version 3 (`runtime`, `constraints`, `profiles`). Members that are not known are ignored.
//!
//! What this module does not do: find documents (see [`crate::source`]) or judge lists (see
//! [`crate::check`]).

use std::collections::{
    BTreeMap,
    HashSet, //
};

use crate::{
    accept::Acceptor,
    error::Error,
    json::{
        Kind,
        Tree, //
    },
    read::At,
    set::{
        Ints,
        Set, //
    },
    value::{
        Params,
        Type,
        Value, //
    },
};

/// Parameters of a document, all its models together; a model without any counts as one.
pub const PARAMS_MAX: usize = 4096;

/// Items of an `allowed_values` and of the other value sets; profiles of a document.
pub const ITEMS_MAX: usize = 65536;

/// Constraints of a model.
pub const CONSTRAINTS_MAX: usize = 64;

/// Name of the parameter that stands for RFC v4's versions.
pub const VERSION: &str = "version";

/// A migration information document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The device models by name, in byte order.
    pub models: BTreeMap<String, Model>,
    /// What is odd about it, but no reason to refuse it.
    pub warnings: Vec<Error>,
}

/// What an implementation says about a device model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// The parameters by name, in byte order.
    pub params: BTreeMap<String, Param>,
    /// Which combinations it refuses, in the order of the document.
    pub constraints: Vec<Constraint>,
    /// Named lists, oldest first; each is one that the model itself accepts.
    pub profiles: Vec<Profile>,
}

/// What an implementation says about a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Type of its values.
    pub kind: Type,
    /// Value of a new device; `None` only for [`VERSION`].
    pub init: Option<Value>,
    /// Value with which it has no effect; `None`: it cannot be disabled.
    pub off: Option<Value>,
    /// What is accepted. [`Set::Any`]: not declared, only `init` and `off` are certain.
    pub accepted: Set,
    /// Whether it may change while the device is open.
    pub runtime: bool,
    /// For people.
    pub description: Option<String>,
}

/// Where all of `when` holds, all of `then` must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The conditions (`if` in JSON).
    pub when: BTreeMap<String, Set>,
    /// What they ask for.
    pub then: BTreeMap<String, Set>,
    /// For people.
    pub description: Option<String>,
}

/// A named migration parameter list; a parameter that is absent is off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The list.
    pub params: Params,
}

impl Document {
    /// Reads a document; `path` names it in errors.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Malformed`], with the member.
    ///
    /// ```
    /// use vmig::document::Document;
    ///
    /// let text = br#"{"models": {"example.org/nic": {"params": {
    ///     "num-queues": {"type": "int", "init_value": 4, "off_value": 1, "allowed_values": ["1-8"]}
    /// }}}}"#;
    /// let document = Document::parse(text, "nic.json")?;
    /// let queues = &document.models["example.org/nic"].params["num-queues"];
    /// assert_eq!(queues.accepted.to_string(), "1-8");
    /// # Ok::<(), vmig::error::Error>(())
    /// ```
    pub fn parse(text: &[u8], path: &str) -> Result<Self, Error> {
        let tree = Tree::parse(text, path)?;
        Self::read(&At::root(tree.root(), path))
    }

    pub(crate) fn read(at: &At<'_, '_>) -> Result<Self, Error> {
        let models = at.get("models")?;
        let mut reader = Reader::default();
        let mut read = BTreeMap::new();
        for (name, at) in models.members()? {
            at.model(name)?;
            read.insert(name.to_owned(), reader.model(&at)?);
        }
        Ok(Self {
            models: read,
            warnings: reader.warnings,
        })
    }
}

/// What is counted and collected while a document is read.
#[derive(Default)]
struct Reader {
    params: usize,
    profiles: usize,
    warnings: Vec<Error>,
}

impl Reader {
    fn model(&mut self, at: &At<'_, '_>) -> Result<Model, Error> {
        let params = match (at.find("params")?, at.find("versions")?) {
            (Some(params), None) => self.params(&params)?,
            (None, Some(versions)) => {
                BTreeMap::from([(VERSION.to_owned(), self.versions(&versions)?)])
            }
            (Some(_), Some(_)) => return Err(at.malformed("both `params` and `versions`")),
            (None, None) => return Err(at.malformed("neither `params` nor `versions`")),
        };
        let mut model = Model {
            params,
            ..Model::default()
        };
        if let Some(constraints) = at.find("constraints")? {
            model.constraints = read_constraints(&constraints, &model.params)?;
        }
        if let Some(profiles) = at.find("profiles")? {
            model.profiles = self.profiles(&profiles, &model)?;
        }
        Ok(model)
    }

    fn count(&mut self, at: &At<'_, '_>, params: usize) -> Result<(), Error> {
        self.params = self.params.saturating_add(params);
        if self.params > PARAMS_MAX {
            return Err(at.malformed(format!("more than {PARAMS_MAX} parameters in a document")));
        }
        Ok(())
    }

    fn params(&mut self, at: &At<'_, '_>) -> Result<BTreeMap<String, Param>, Error> {
        let members = at.members()?;
        // So that there are not too many models either.
        self.count(at, members.len().max(1))?;
        let mut params = BTreeMap::new();
        for (name, at) in members {
            at.name(name)?;
            params.insert(name.to_owned(), self.param(&at)?);
        }
        Ok(params)
    }

    fn param(&mut self, at: &At<'_, '_>) -> Result<Param, Error> {
        let word = at.get("type")?;
        let kind = [Type::Bool, Type::Int, Type::Str]
            .into_iter()
            .find(|kind| word.str() == Ok(kind.as_str()))
            .ok_or_else(|| word.malformed("not `bool`, `int` or `str`"))?;
        let init = at.get("init_value")?.value_of(kind)?;
        let off = match at.find("off_value")? {
            Some(off) => Some(off.value_of(kind)?),
            None => None,
        };
        let accepted = match at.find("allowed_values")? {
            Some(allowed) => read_set(&allowed, kind)?,
            None if kind == Type::Bool => match &off {
                Some(_) => Set::Bools([false, true].into()),
                None => Set::of(kind, [init.clone()]),
            },
            None => Set::Any,
        };
        if !accepted.contains(&init) {
            let message = format!("{init} is not among the allowed values ({accepted})");
            self.warnings.push(at.get("init_value")?.malformed(message));
        }
        Ok(Param {
            kind,
            init: Some(init),
            off,
            accepted,
            runtime: match at.find("runtime")? {
                Some(runtime) => runtime.bool()?,
                None => false,
            },
            description: description(at)?,
        })
    }

    /// RFC v4's versions, as the one parameter that they amount to.
    fn versions(&mut self, at: &At<'_, '_>) -> Result<Param, Error> {
        self.count(at, 1)?;
        Ok(Param {
            kind: Type::Str,
            init: None,
            off: None,
            accepted: read_set(at, Type::Str)?,
            runtime: false,
            description: None,
        })
    }

    fn profiles(&mut self, at: &At<'_, '_>, model: &Model) -> Result<Vec<Profile>, Error> {
        let items = at.items()?;
        self.profiles = self.profiles.saturating_add(items.len());
        if self.profiles > ITEMS_MAX {
            return Err(at.malformed(format!("more than {ITEMS_MAX} profiles in a document")));
        }
        let acceptor = Acceptor::new(model);
        let mut profiles = Vec::new();
        let mut names = HashSet::new();
        for at in items {
            let name = at.get("name")?;
            let text = name.str()?;
            if !(1..=255).contains(&text.len()) || text.contains(char::is_control) {
                return Err(name.malformed("not 1 to 255 bytes without control characters"));
            }
            if !names.insert(text) {
                return Err(name.malformed("two profiles with this name"));
            }
            let params = at.get("params")?.params()?;
            if !acceptor.accepts(&params) {
                let message = format!("profile {text} is ignored: its own document refuses it");
                self.warnings.push(at.malformed(message));
                continue;
            }
            profiles.push(Profile {
                name: text.to_owned(),
                params,
            });
        }
        Ok(profiles)
    }
}

fn description(at: &At<'_, '_>) -> Result<Option<String>, Error> {
    match at.find("description")? {
        Some(text) => Ok(Some(text.str()?.to_owned())),
        None => Ok(None),
    }
}

fn read_constraints(
    at: &At<'_, '_>,
    params: &BTreeMap<String, Param>,
) -> Result<Vec<Constraint>, Error> {
    let items = at.items()?;
    if items.len() > CONSTRAINTS_MAX {
        return Err(at.malformed(format!("more than {CONSTRAINTS_MAX} constraints")));
    }
    let mut constraints = Vec::with_capacity(items.len());
    for at in items {
        constraints.push(Constraint {
            when: read_clauses(&at.get("if")?, params)?,
            then: read_clauses(&at.get("then")?, params)?,
            description: description(&at)?,
        });
    }
    Ok(constraints)
}

fn read_clauses(
    at: &At<'_, '_>,
    params: &BTreeMap<String, Param>,
) -> Result<BTreeMap<String, Set>, Error> {
    let mut clauses = BTreeMap::new();
    for (name, at) in at.members()? {
        let Some(param) = params.get(name) else {
            return Err(at.malformed("the model has no such parameter"));
        };
        clauses.insert(name.to_owned(), read_set(&at, param.kind)?);
    }
    Ok(clauses)
}

/// A value list with the syntax of `allowed_values`.
fn read_set(at: &At<'_, '_>, kind: Type) -> Result<Set, Error> {
    let items = at.items()?;
    if items.len() == 0 {
        return Err(at.malformed("empty: nothing would be accepted"));
    }
    if items.len() > ITEMS_MAX {
        return Err(at.malformed(format!("more than {ITEMS_MAX} items")));
    }
    if kind == Type::Int {
        let intervals: Result<Vec<_>, Error> = items.map(|at| read_interval(&at)).collect();
        return Ok(Set::Ints(Ints::new(intervals?)));
    }
    let values: Result<Vec<Value>, Error> = items.map(|at| at.value_of(kind)).collect();
    Ok(Set::of(kind, values?))
}

/// An int, or a range `"min-max"`.
fn read_interval(at: &At<'_, '_>) -> Result<(u64, u64), Error> {
    let Kind::Str(text) = at.node.kind() else {
        let n = at.int()?;
        return Ok((n, n));
    };
    let end = |text| match Value::parse(Type::Int, text) {
        Ok(Value::Int(n)) => Some(n),
        _ => None,
    };
    let range = text
        .split_once('-')
        .and_then(|(min, max)| Some((end(min)?, end(max)?)));
    match range {
        Some((min, max)) if min <= max => Ok((min, max)),
        Some(_) => Err(at.malformed(format!("range {text} is reversed"))),
        None => Err(at.malformed(format!("{text:?} is not an int, nor a range `min-max`"))),
    }
}
