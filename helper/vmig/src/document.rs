// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration information: what a device implementation says it accepts.
//!
//! This is the JSON of the RFC "VFIO Migration": `{"models": {MODEL: {"params": {NAME: {...}}}}}` of
//! version 3, `{"models": {MODEL: {"versions": [...]}}}` of version 4, and vmig's extensions to
//! version 3 (`runtime`, `constraints`, `profiles`). Members that are not known are ignored.
//!
//! What this module does not do: find documents (see [`crate::source`]) or judge lists (see
//! [`crate::check`]).

mod reader;

use std::{
    collections::BTreeMap,
    sync::Arc, //
};

use crate::{
    error::Error,
    json::Tree,
    read::At,
    recent::Recent,
    set::Set,
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

/// Values in all profiles of a document together.
pub const PROFILE_VALUES_MAX: usize = 1 << 20;

/// Warnings about a document; one more says that there are more.
pub const WARNINGS_MAX: usize = 256;

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
    /// The parameters by name, in byte order. Documents that are read together share those that are
    /// alike.
    pub params: BTreeMap<String, Arc<Param>>,
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
        Self::read(&At::root(tree.root(), path), &mut Recent::default())
    }

    pub(crate) fn read(at: &At<'_, '_>, recent: &mut Recent) -> Result<Self, Error> {
        reader::read(at, recent)
    }
}
