// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Errors: one variant per rule, and the class that says what the caller may answer.
//!
//! The driver maps [`Class`] to errno in one table; the text is for logs and for `vmig/refusal`.

use core::fmt;

use crate::{
    constraint::Violation,
    params::ParseError, //
};

/// Kind of an error. The variants name the errno that the kernel driver gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Not understood: EINVAL.
    Malformed,
    /// Longer than allowed: E2BIG.
    TooLong,
    /// Names something that does not exist: ENOENT.
    Unknown,
    /// A value that is not allowed: ERANGE.
    NotAllowed,
    /// Something that must be named is not: ENODATA.
    Missing,
    /// Values that are allowed one by one, but not together: EDOM.
    Constraint,
    /// Not now: EBUSY.
    Busy,
    /// A version or mandatory record that is not known: EOPNOTSUPP.
    Unsupported,
    /// Another model, or another parameter list: EXDEV.
    Mismatch,
    /// The session is over: ENODEV.
    Ended,
    /// There is no memory: ENOMEM.
    NoMemory,
    /// Something that should not break broke: EIO.
    Internal,
}

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// `stage`: the line has [`crate::stage::LINE_MAX`] bytes or more.
    LineTooLong,
    /// `stage`: a newline that is not the last byte.
    SecondLine,
    /// `stage`: not UTF-8, or a NUL.
    NotText,
    /// The text is no UUID.
    BadUuid,
    /// `stage`: the word at this offset is not `name=value`.
    NotPair {
        /// Offset in the line, in bytes.
        at: usize,
    },
    /// `stage`: the word at this offset names a parameter that the type does not have.
    UnknownParam {
        /// Offset in the line, in bytes.
        at: usize,
    },
    /// `stage`: a parameter is named twice.
    Duplicate {
        /// The parameter.
        param: &'static str,
    },
    /// `stage`: a parameter that cannot be disabled is not named.
    MissingParam {
        /// The parameter.
        param: &'static str,
    },
    /// There is no parameter with this index.
    NoParam,
    /// There is no such generation.
    NoGeneration,
    /// The text is no value of the parameter's type.
    BadValue {
        /// The parameter.
        param: &'static str,
        /// What is wrong.
        why: ParseError,
    },
    /// The value is not in the parameter's `allowed_values`.
    NotAllowed {
        /// The parameter.
        param: &'static str,
    },
    /// The combination of values is refused.
    Constraint(Violation),
    /// Not in this state, or not while the device is open.
    Busy,
    /// There is no such state, or no way to it.
    NoArc,
    /// There is no such region, or the access leaves it.
    OutOfRange,
    /// Migration region: there is no such field, it is not accessed as a whole, or it is not written.
    NoField,
    /// Migration region: there are no data in this state, or none to be written.
    NoData,
    /// Pre-copy information was asked for outside pre-copy.
    NotPreCopy,
    /// The session is over, or was opened for the other direction.
    Ended,
    /// The stream or the open was refused; the reason is the engine's refusal.
    Refused(Class),
    /// Device memory could not be had.
    NoMemory,
    /// The state cannot be saved: the device is in the state ERROR now.
    Internal,
}

impl Error {
    /// Its class.
    pub const fn class(&self) -> Class {
        match self {
            Self::LineTooLong => Class::TooLong,
            Self::SecondLine
            | Self::NotText
            | Self::BadUuid
            | Self::NotPair { .. }
            | Self::Duplicate { .. }
            | Self::NoGeneration
            | Self::NoArc
            | Self::OutOfRange
            | Self::NoField
            | Self::NoData
            | Self::NotPreCopy
            | Self::BadValue { .. } => Class::Malformed,
            Self::UnknownParam { .. } | Self::NoParam => Class::Unknown,
            Self::NotAllowed { .. } => Class::NotAllowed,
            Self::MissingParam { .. } => Class::Missing,
            Self::Constraint(_) => Class::Constraint,
            Self::Busy => Class::Busy,
            Self::Ended => Class::Ended,
            Self::Refused(class) => *class,
            Self::NoMemory => Class::NoMemory,
            Self::Internal => Class::Internal,
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Constraint(violation)
    }
}

impl core::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong => f.write_str("line too long"),
            Self::SecondLine => f.write_str("more than one line"),
            Self::NotText => f.write_str("not text"),
            Self::BadUuid => f.write_str("not a UUID"),
            Self::NotPair { at } => write!(f, "offset {at}: not name=value"),
            Self::UnknownParam { at } => write!(f, "offset {at}: no such parameter"),
            Self::Duplicate { param } => write!(f, "{param}: named twice"),
            Self::MissingParam { param } => write!(f, "{param}: has no off value, must be named"),
            Self::NoParam => f.write_str("no such parameter"),
            Self::NoGeneration => f.write_str("no such generation"),
            Self::BadValue { param, why } => write!(f, "{param}: {why}"),
            Self::NotAllowed { param } => write!(f, "{param}: value not allowed"),
            Self::Constraint(violation) => fmt::Display::fmt(violation, f),
            Self::Busy => f.write_str("busy"),
            Self::NoArc => f.write_str("no way to that state"),
            Self::OutOfRange => f.write_str("access outside the region"),
            Self::NoField => f.write_str("no such field"),
            Self::NoData => f.write_str("no data in this state"),
            Self::NotPreCopy => f.write_str("not in pre-copy"),
            Self::Ended => f.write_str("the session is over"),
            Self::Refused(_) => f.write_str("refused"),
            Self::NoMemory => f.write_str("no memory"),
            Self::Internal => f.write_str("internal error"),
        }
    }
}
