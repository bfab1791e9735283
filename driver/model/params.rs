// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration parameters: types, values, value sets and definitions.
//!
//! The text of a value is the same everywhere (sysfs, `stage`, lists): a bool is exactly `on` or
//! `off`; an int is decimal, without sign or leading zero, up to 2^64-1; a str stands for itself.

use core::fmt;

/// Longest name of a parameter or model, in bytes.
pub const NAME_MAX: usize = 255;

/// Longest text of a value, in bytes.
pub const VALUE_MAX: usize = 1024;

/// Type of a migration parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// `on` or `off`.
    Bool,
    /// 0 to 2^64-1.
    Int,
    /// Text without newline and NUL, at most [`VALUE_MAX`] bytes.
    Str,
}

impl Type {
    /// The word for it in `type` attributes and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Str => "str",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Neither `on` nor `off`.
    NotBool,
    /// Not `0|[1-9][0-9]*`.
    NotInt,
    /// More than 2^64-1.
    IntTooLarge,
    /// A str with a newline or NUL, or one longer than [`VALUE_MAX`].
    NotStr,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBool => "not `on` or `off`",
            Self::NotInt => "not a decimal number",
            Self::IntTooLarge => "number above 2^64-1",
            Self::NotStr => "text with newline or NUL, or too long",
        })
    }
}

/// Value of a migration parameter. Values are typed: the int 4 is not the str `4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value<'a> {
    /// A bool.
    Bool(bool),
    /// An int.
    Int(u64),
    /// A str.
    Str(&'a str),
}

impl<'a> Value<'a> {
    /// Its type.
    pub const fn kind(&self) -> Type {
        match self {
            Self::Bool(_) => Type::Bool,
            Self::Int(_) => Type::Int,
            Self::Str(_) => Type::Str,
        }
    }

    /// Reads the text of a value of type `kind`; the whole text must be the value.
    ///
    /// ```
    /// use vmig_model::params::{Type, Value};
    ///
    /// assert_eq!(Value::parse(Type::Int, "64"), Ok(Value::Int(64)));
    /// assert!(Value::parse(Type::Int, "064").is_err());
    /// assert!(Value::parse(Type::Bool, "1").is_err());
    /// ```
    pub fn parse(kind: Type, text: &'a str) -> Result<Self, ParseError> {
        match kind {
            Type::Bool => match text {
                "on" => Ok(Self::Bool(true)),
                "off" => Ok(Self::Bool(false)),
                _ => Err(ParseError::NotBool),
            },
            Type::Int => parse_int(text).map(Self::Int),
            Type::Str if text.len() > VALUE_MAX || text.contains(['\n', '\0']) => {
                Err(ParseError::NotStr)
            }
            Type::Str => Ok(Self::Str(text)),
        }
    }
}

/// The text that [`Value::parse`] reads.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(true) => f.write_str("on"),
            Self::Bool(false) => f.write_str("off"),
            Self::Int(n) => fmt::Display::fmt(n, f),
            Self::Str(s) => f.write_str(s),
        }
    }
}

fn parse_int(text: &str) -> Result<u64, ParseError> {
    // `str::parse` takes `+1` and `007`.
    let canonical = match text.as_bytes() {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical {
        return Err(ParseError::NotInt);
    }
    text.parse().map_err(|_| ParseError::IntTooLarge)
}

/// One item of a value set (`allowed_values`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// This value.
    One(Value<'a>),
    /// These ints, both ends included; the first is not above the second.
    Range(u64, u64),
}

impl Item<'_> {
    /// Whether the item covers `value`; an item of another type covers nothing.
    pub fn covers(&self, value: Value<'_>) -> bool {
        match (*self, value) {
            (Self::One(own), value) => own == value,
            (Self::Range(min, max), Value::Int(n)) => min <= n && n <= max,
            (Self::Range(..), Value::Bool(_) | Value::Str(_)) => false,
        }
    }
}

/// A line of the `allowed_values` attribute: the value, or `min-max`.
impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(value) => fmt::Display::fmt(value, f),
            Self::Range(min, max) => write!(f, "{min}-{max}"),
        }
    }
}

/// Definition of a migration parameter of a device type.
///
/// # Invariants
///
/// Held by the tables, checked at compile time by `types::checks`: the name follows [`is_name`] and
/// vmig's own pattern; `allowed` is not empty and of type `kind`; `init` is in `allowed`, and so is
/// `off` if there is one.
#[derive(Debug, PartialEq, Eq)]
pub struct Param {
    /// Name, `[a-z0-9][a-z0-9-]*`.
    pub name: &'static str,
    /// Type of its values.
    pub kind: Type,
    /// Value of a device created without a staged list.
    pub init: Value<'static>,
    /// Value with which the parameter has no effect; `None`: it cannot be disabled.
    pub off: Option<Value<'static>>,
    /// Every value the type accepts.
    pub allowed: &'static [Item<'static>],
    /// Whether it may change while the device is open. Such a parameter changes the state format,
    /// never the hardware interface.
    pub runtime: bool,
    /// One sentence for people.
    pub description: &'static str,
}

impl Param {
    /// The table's own copy of `value` if it is allowed here.
    pub fn accept(&self, value: Value<'_>) -> Option<Value<'static>> {
        let item = self.allowed.iter().find(|item| item.covers(value))?;
        match (item, value) {
            (Item::One(own), _) => Some(*own),
            (Item::Range(..), Value::Int(n)) => Some(Value::Int(n)),
            (Item::Range(..), Value::Bool(_) | Value::Str(_)) => None,
        }
    }
}

/// Whether `name` may name a parameter: 1 to 255 bytes, no `=`, `/`, white space or control
/// character, neither `.` nor `..`.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| matches!(c, '=' | '/') || c.is_whitespace() || c.is_control())
}

/// Whether `model` may name a device model: 1 to 255 bytes, no control character, at least one `/`.
pub fn is_model(model: &str) -> bool {
    (1..=NAME_MAX).contains(&model.len())
        && model.contains('/')
        && !model.contains(char::is_control)
}
