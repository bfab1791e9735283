// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Reading typed members out of a JSON tree: a cursor that knows where it stands.

use std::borrow::Cow;

use crate::{
    error::Error,
    json::{
        Node,
        Place, //
    },
    value::{
        is_model,
        is_name,
        Params,
        Type,
        Value, //
    },
};

/// A node, where it stands, and the name of its document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'p, 'a, 'n> {
    pub(crate) node: &'a Node<'n>,
    place: Place<'p>,
    path: &'a str,
}

impl<'p, 'a, 'n> At<'p, 'a, 'n> {
    /// The whole of the document `path`.
    pub(crate) fn root(node: &'a Node<'n>, path: &'a str) -> Self {
        Self {
            node,
            place: Place::ROOT,
            path,
        }
    }

    /// An error about this node.
    pub(crate) fn malformed(&self, message: impl Into<String>) -> Error {
        self.place.malformed(self.path, message)
    }

    fn wanted(&self, what: &str) -> Error {
        self.malformed(format!("{} where {what} is wanted", self.node.what()))
    }

    /// The members of an object.
    pub(crate) fn members(&self) -> Result<&'a [(Cow<'n, str>, Node<'n>)], Error> {
        match self.node {
            Node::Object(members) => Ok(members),
            _ => Err(self.wanted("an object")),
        }
    }

    /// The member `key` of an object, if it is there.
    pub(crate) fn find<'b>(&'b self, key: &'b str) -> Result<Option<At<'b, 'a, 'n>>, Error> {
        let found = self.members()?.iter().find(|(name, _)| name == key);
        Ok(found.map(|(_, node)| self.child(key, node)))
    }

    /// The member `key` of an object, which must be there.
    pub(crate) fn get<'b>(&'b self, key: &'b str) -> Result<At<'b, 'a, 'n>, Error> {
        self.find(key)?
            .ok_or_else(|| self.place.key(key).malformed(self.path, "missing"))
    }

    /// The node `node`, which is the member `key` of this one.
    pub(crate) fn child<'b>(&'b self, key: &'b str, node: &'a Node<'n>) -> At<'b, 'a, 'n> {
        At {
            node,
            place: self.place.key(key),
            path: self.path,
        }
    }

    /// The item `node` of this array.
    pub(crate) fn item(&self, index: usize, node: &'a Node<'n>) -> At<'_, 'a, 'n> {
        At {
            node,
            place: self.place.index(index),
            path: self.path,
        }
    }

    /// The items of an array.
    pub(crate) fn items(&self) -> Result<&'a [Node<'n>], Error> {
        match self.node {
            Node::Array(items) => Ok(items),
            _ => Err(self.wanted("an array")),
        }
    }

    /// A string.
    pub(crate) fn str(&self) -> Result<&'a str, Error> {
        match self.node {
            Node::Str(text) => Ok(text),
            _ => Err(self.wanted("a string")),
        }
    }

    /// A string, or null.
    pub(crate) fn str_or_null(&self) -> Result<Option<&'a str>, Error> {
        match self.node {
            Node::Null => Ok(None),
            _ => self.str().map(Some),
        }
    }

    /// A bool.
    pub(crate) fn bool(&self) -> Result<bool, Error> {
        match self.node {
            Node::Bool(b) => Ok(*b),
            _ => Err(self.wanted("a bool")),
        }
    }

    /// An int.
    pub(crate) fn int(&self) -> Result<u64, Error> {
        match self.node {
            Node::Int(n) => Ok(*n),
            _ => Err(self.wanted("an int")),
        }
    }

    /// A value of any type.
    pub(crate) fn value(&self) -> Result<Value, Error> {
        match self.node {
            Node::Bool(b) => Ok(Value::Bool(*b)),
            Node::Int(n) => Ok(Value::Int(*n)),
            Node::Str(text) => {
                Value::parse(Type::Str, text).map_err(|why| self.malformed(why.to_string()))
            }
            _ => Err(self.wanted("a bool, an int or a string")),
        }
    }

    /// A value of this type.
    pub(crate) fn value_of(&self, kind: Type) -> Result<Value, Error> {
        let value = self.value()?;
        if value.kind() == kind {
            return Ok(value);
        }
        Err(self.malformed(format!("{} where {kind} is the type", self.node.what())))
    }

    /// An object of values by parameter name.
    pub(crate) fn params(&self) -> Result<Params, Error> {
        let mut params = Params::new();
        for (name, node) in self.members()? {
            let at = self.child(name, node);
            at.name(name)?;
            params.insert(name.clone().into_owned(), at.value()?);
        }
        Ok(params)
    }

    /// Checks the key of this node as the name of a parameter.
    pub(crate) fn name(&self, name: &str) -> Result<(), Error> {
        if is_name(name) {
            return Ok(());
        }
        Err(self.malformed(
            "not a parameter name (1 to 255 bytes, no `=`, `/`, white space or control character, not `.` or `..`)",
        ))
    }

    /// Checks `text`, this node or its key, as a model.
    pub(crate) fn model(&self, text: &str) -> Result<(), Error> {
        if is_model(text) {
            return Ok(());
        }
        Err(self.malformed(
            "not a device model (1 to 255 bytes, at least one `/`, no control character)",
        ))
    }
}
