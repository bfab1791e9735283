// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Reading typed members out of a JSON tree: a cursor that knows where it stands.

use crate::{
    error::Error,
    json::{
        Kind,
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
pub(crate) struct At<'p, 'a> {
    pub(crate) node: Node<'a>,
    place: Place<'p>,
    path: &'a str,
}

impl<'a> At<'_, 'a> {
    /// The whole of the document `path`.
    pub(crate) fn root(node: Node<'a>, path: &'a str) -> Self {
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

    /// The members of an object: each with its name.
    pub(crate) fn members(
        &self,
    ) -> Result<impl ExactSizeIterator<Item = (&'a str, At<'_, 'a>)>, Error> {
        match self.node.kind() {
            Kind::Object(members) => Ok(members.map(|(key, node)| (key, self.child(key, node)))),
            _ => Err(self.wanted("an object")),
        }
    }

    /// The members of an object: each with its name, and text that stands for it as far as that is
    /// known: with the same text comes the same member.
    pub(crate) fn members_with_text(
        &self,
    ) -> Result<impl ExactSizeIterator<Item = (&'a str, At<'_, 'a>, Option<&'a str>)>, Error> {
        let Kind::Object(mut members) = self.node.kind() else {
            return Err(self.wanted("an object"));
        };
        Ok((0..members.len()).map(move |_| {
            let text = members.next_text();
            // INVARIANT: there are as many as the range is long.
            let (key, node) = members.next().unwrap_or(("", self.node));
            (key, self.child(key, node), text)
        }))
    }

    /// The members of an object with these names, each that is there.
    pub(crate) fn pick<'b, const N: usize>(
        &'b self,
        keys: [&'b str; N],
    ) -> Result<[Option<At<'b, 'a>>; N], Error> {
        let Kind::Object(_) = self.node.kind() else {
            return Err(self.wanted("an object"));
        };
        let mut found = self.node.pick(keys).into_iter().zip(keys);
        Ok(std::array::from_fn(|_| {
            let (node, key) = found.next()?;
            node.map(|node| self.child(key, node))
        }))
    }

    /// The member `key` of an object, if it is there.
    pub(crate) fn find<'b>(&'b self, key: &'b str) -> Result<Option<At<'b, 'a>>, Error> {
        match self.node.kind() {
            Kind::Object(_) => {
                let [found] = self.node.pick([key]);
                Ok(found.map(|node| self.child(key, node)))
            }
            _ => Err(self.wanted("an object")),
        }
    }

    /// The member `key` of an object, which must be there.
    pub(crate) fn get<'b>(&'b self, key: &'b str) -> Result<At<'b, 'a>, Error> {
        self.found(key, self.find(key)?)
    }

    /// The member `key` of an object, which must be there, as [`At::pick`] has found it.
    pub(crate) fn found<'b>(
        &'b self,
        key: &str,
        at: Option<At<'b, 'a>>,
    ) -> Result<At<'b, 'a>, Error> {
        at.ok_or_else(|| self.place.key(key).malformed(self.path, "missing"))
    }

    fn child<'b>(&'b self, key: &'b str, node: Node<'a>) -> At<'b, 'a> {
        At {
            node,
            place: self.place.key(key),
            path: self.path,
        }
    }

    /// The items of an array.
    pub(crate) fn items(&self) -> Result<impl ExactSizeIterator<Item = At<'_, 'a>>, Error> {
        let Kind::Array(items) = self.node.kind() else {
            return Err(self.wanted("an array"));
        };
        Ok(items.enumerate().map(|(i, node)| At {
            node,
            place: self.place.index(i),
            path: self.path,
        }))
    }

    /// A string.
    pub(crate) fn str(&self) -> Result<&'a str, Error> {
        match self.node.kind() {
            Kind::Str(text) => Ok(text),
            _ => Err(self.wanted("a string")),
        }
    }

    /// A string, or null.
    pub(crate) fn str_or_null(&self) -> Result<Option<&'a str>, Error> {
        match self.node.kind() {
            Kind::Null => Ok(None),
            _ => self.str().map(Some),
        }
    }

    /// A bool.
    pub(crate) fn bool(&self) -> Result<bool, Error> {
        match self.node.kind() {
            Kind::Bool(b) => Ok(b),
            _ => Err(self.wanted("a bool")),
        }
    }

    /// An int.
    pub(crate) fn int(&self) -> Result<u64, Error> {
        match self.node.kind() {
            Kind::Int(n) => Ok(n),
            _ => Err(self.wanted("an int")),
        }
    }

    /// A value of any type.
    pub(crate) fn value(&self) -> Result<Value, Error> {
        match self.node.kind() {
            Kind::Bool(b) => Ok(Value::Bool(b)),
            Kind::Int(n) => Ok(Value::Int(n)),
            Kind::Str(text) => {
                Value::parse(Type::Str, text).map_err(|why| self.malformed(why.to_string()))
            }
            _ => Err(self.wanted("a bool, an int or a string")),
        }
    }

    /// The text of a str value.
    pub(crate) fn str_value(&self) -> Result<&'a str, Error> {
        let Kind::Str(text) = self.node.kind() else {
            return Err(self.other_type(Type::Str));
        };
        match vmig_model::params::Value::parse(Type::Str, text) {
            Ok(_) => Ok(text),
            Err(why) => Err(self.malformed(why.to_string())),
        }
    }

    /// A value of this type.
    pub(crate) fn value_of(&self, kind: Type) -> Result<Value, Error> {
        let value = self.value()?;
        if value.kind() == kind {
            return Ok(value);
        }
        Err(self.other_type(kind))
    }

    fn other_type(&self, kind: Type) -> Error {
        self.malformed(format!("{} where {kind} is the type", self.node.what()))
    }

    /// An object of values by parameter name.
    pub(crate) fn params(&self) -> Result<Params, Error> {
        let mut params = Params::new();
        for (name, at) in self.members()? {
            at.name(name)?;
            params.insert(name.to_owned(), at.value()?);
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
