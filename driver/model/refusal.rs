// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Why an open or a stream was refused: the line of `vmig/refusal`.
//!
//! An errno cannot carry a reason, so the reason is kept and shown here. Text that comes from the
//! stream is short and escaped; the line never contains a newline.

use core::fmt;

use crate::{
    constraint::Violation,
    error::Class,
    params::Value,
    stream::MAJOR,
    text::Text, //
};

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Shorter than its own fields.
    Short,
    /// Flag bits that are not defined, or a known tag without the mandatory flag.
    Flags {
        /// The record's tag.
        tag: u16,
        /// The record's flags.
        flags: u16,
    },
    /// The payload is longer than allowed.
    Length {
        /// The record's tag.
        tag: u16,
        /// Announced length.
        len: u32,
    },
    /// The checksum is wrong.
    Checksum {
        /// The record's tag.
        tag: u16,
    },
    /// An unknown tag with the mandatory flag.
    Unknown {
        /// The record's tag.
        tag: u16,
    },
    /// The record is not the one that is due here: out of order, repeated, or one is missing.
    OutOfPlace {
        /// The record's tag.
        tag: u16,
    },
    /// The trailer counts other records or bytes than there were.
    Count,
    /// There is no memory for the contents.
    NoMemory,
    /// This field of the payload is malformed, or has a value that the device cannot reach.
    Field(&'static str),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("too short"),
            Self::Flags { tag, flags } => write!(f, "tag {tag:#06x}: bad flags {flags:#06x}"),
            Self::Length { tag, len } => write!(f, "tag {tag:#06x}: bad length {len}"),
            Self::Checksum { tag } => write!(f, "tag {tag:#06x}: wrong checksum"),
            Self::Unknown { tag } => write!(f, "tag {tag:#06x}: unknown but mandatory"),
            Self::OutOfPlace { tag } => write!(f, "tag {tag:#06x}: out of place"),
            Self::Count => f.write_str("trailer does not match the stream"),
            Self::NoMemory => f.write_str("no memory for it"),
            Self::Field(name) => write!(f, "bad {name}"),
        }
    }
}

/// One side of a difference between the stream's parameter list and the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A bool.
    Bool(bool),
    /// An int.
    Int(u64),
    /// A str.
    Str(Text<24>),
    /// The list does not name it.
    Absent,
    /// The device has no such parameter.
    Unknown,
}

impl Side {
    /// This value.
    pub fn value(value: Value<'_>) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(value),
            Value::Int(value) => Self::Int(value),
            Value::Str(text) => Self::Str(Text::new(text)),
        }
    }

    /// This value, or none.
    pub fn of(value: Option<Value<'_>>) -> Self {
        value.map_or(Self::Absent, Self::value)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => fmt::Display::fmt(&Value::Bool(*value), f),
            Self::Int(value) => fmt::Display::fmt(value, f),
            Self::Str(text) => fmt::Display::fmt(text, f),
            Self::Absent => f.write_str("absent"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// A parameter in which the stream's list differs from the device's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The parameter.
    pub name: Text<32>,
    /// Its value in the stream.
    pub stream: Side,
    /// Its value on the device.
    pub device: Side,
}

/// Why the last open or stream was refused. [`fmt::Display`] gives the line of `vmig/refusal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Open: the combination of parameter values is not allowed.
    Constraint(Violation),
    /// The stream does not begin with the magic.
    Magic,
    /// Another major version.
    Major {
        /// The stream's.
        stream: u16,
    },
    /// The header's checksum is wrong.
    HeaderChecksum,
    /// Another device model.
    Model {
        /// The stream's model.
        stream: Text<64>,
        /// The device's model.
        device: &'static str,
    },
    /// Another parameter list.
    Param(Difference),
    /// A record is wrong.
    Record {
        /// Offset of the record in the stream, in bytes.
        at: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The stream ends before the trailer.
    Truncated {
        /// Length of the stream, in bytes.
        at: u64,
    },
    /// Something follows the trailer.
    Trailing {
        /// Offset of the first byte too many.
        at: u64,
    },
}

impl Refusal {
    /// Its class.
    pub const fn class(&self) -> Class {
        match self {
            Self::Constraint(_) => Class::Constraint,
            Self::Model { .. } | Self::Param(_) => Class::Mismatch,
            Self::Major { .. }
            | Self::Record {
                flaw: Flaw::Unknown { .. },
                ..
            } => Class::Unsupported,
            Self::Record {
                flaw: Flaw::NoMemory,
                ..
            } => Class::NoMemory,
            Self::Magic
            | Self::HeaderChecksum
            | Self::Record { .. }
            | Self::Truncated { .. }
            | Self::Trailing { .. } => Class::Malformed,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constraint(violation) => fmt::Display::fmt(violation, f),
            Self::Magic => f.write_str("stream: bad magic"),
            Self::Major { stream } => write!(f, "major version: stream {stream}, device {MAJOR}"),
            Self::HeaderChecksum => f.write_str("stream: header has a wrong checksum"),
            Self::Model { stream, device } => write!(f, "model: stream {stream}, device {device}"),
            Self::Param(Difference {
                name,
                stream,
                device,
            }) => write!(f, "{name}: stream {stream}, device {device}"),
            Self::Record { at, flaw } => write!(f, "stream: record at byte {at}: {flaw}"),
            Self::Truncated { at } => write!(f, "stream: truncated after {at} bytes"),
            Self::Trailing { at } => write!(f, "stream: data after the trailer at byte {at}"),
        }
    }
}
