// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Values of migration parameters, owned; names and models as types that hold their rules.
//!
//! The text forms are those of the model crate: [`vmig_model::params`].

use std::{
    collections::BTreeMap,
    fmt, //
};

use serde::{
    Serialize,
    Serializer, //
};
pub use vmig_model::params::{
    is_model,
    is_name,
    Type, //
};

/// Values by parameter name, in byte order.
pub type Params = BTreeMap<String, Value>;

/// Value of a migration parameter. Values are typed: the int 4 is not the str `4`.
///
/// The order is false before true, ints by size, strs byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A bool.
    Bool(bool),
    /// An int, 0 to 2^64-1.
    Int(u64),
    /// A str.
    Str(String),
}

impl Value {
    /// Its type.
    pub const fn kind(&self) -> Type {
        match self {
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Str(_) => Type::Str,
        }
    }

    /// Reads the text form of a value of type `kind`.
    ///
    /// # Errors
    ///
    /// The rule of [`vmig_model::params::Value::parse`] that is broken.
    ///
    /// ```
    /// use vmig::value::{Type, Value};
    ///
    /// assert_eq!(Value::parse(Type::Bool, "on"), Ok(Value::Bool(true)));
    /// assert_eq!(Value::parse(Type::Int, "18446744073709551615"), Ok(Value::Int(u64::MAX)));
    /// assert!(Value::parse(Type::Int, "+1").is_err());
    /// ```
    pub fn parse(kind: Type, text: &str) -> Result<Self, vmig_model::params::ParseError> {
        vmig_model::params::Value::parse(kind, text).map(Self::from)
    }
}

impl From<vmig_model::params::Value<'_>> for Value {
    fn from(value: vmig_model::params::Value<'_>) -> Self {
        match value {
            vmig_model::params::Value::Bool(b) => Self::Bool(b),
            vmig_model::params::Value::Int(n) => Self::Int(n),
            vmig_model::params::Value::Str(s) => Self::Str(s.to_owned()),
        }
    }
}

/// The text form, which [`Value::parse`] reads.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match self {
            Self::Bool(b) => vmig_model::params::Value::Bool(*b),
            Self::Int(n) => vmig_model::params::Value::Int(*n),
            Self::Str(s) => vmig_model::params::Value::Str(s),
        };
        fmt::Display::fmt(&value, f)
    }
}

/// The JSON form: `true`, `4`, `"text"`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Int(n) => serializer.serialize_u64(*n),
            Self::Str(s) => serializer.serialize_str(s),
        }
    }
}
