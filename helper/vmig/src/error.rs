// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Errors: what could not be read, where, and the exit status that says so.

use std::{
    fmt,
    io, //
};

use serde::Serialize;

/// Kind of an error; the word for it in JSON is its name in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The text does not follow its format, or is beyond a limit.
    Malformed,
    /// Two inputs that are both well formed cannot both be true.
    Contradiction,
    /// The answer is beyond the work limit.
    TooComplex,
    /// There is no such thing, or the system does not let us read it.
    Unreadable,
    /// A program given with `exec:` could not be run, failed, or took too long.
    ExecFailed,
}

impl Code {
    /// Exit status: 3 for input that was read and not understood, 4 for what the environment refused.
    pub const fn exit(self) -> u8 {
        match self {
            Self::Malformed | Self::Contradiction | Self::TooComplex => 3,
            Self::Unreadable | Self::ExecFailed => 4,
        }
    }
}

/// An input that could not be read or understood.
///
/// ```
/// use vmig::{document::Document, error::Code};
///
/// let text = br#"{"models": {"a/b": {"params": {"n": {"type": "int", "init_value": 1e3}}}}}"#;
/// let error = Document::parse(text, "host-b.json").unwrap_err();
/// assert_eq!(error.code, Code::Malformed);
/// assert_eq!(error.code.exit(), 3);
/// assert_eq!(error.member.as_deref(), Some(r#"models."a/b".params.n.init_value"#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What kind of error.
    pub code: Code,
    /// The file, program or source that was read, as it was named.
    pub path: String,
    /// The member of the document: names joined by dots, indexes in brackets.
    pub member: Option<String>,
    /// What is wrong, for people: one line, no full stop.
    pub message: String,
}

impl Error {
    /// An error without a member.
    pub fn new(code: Code, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            path: path.into(),
            member: None,
            message: message.into(),
        }
    }

    /// A [`Code::Malformed`] error without a member.
    pub fn malformed(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Code::Malformed, path, message)
    }

    /// A [`Code::Unreadable`] error: `message` says what was wanted, `error` why it failed.
    pub fn unreadable(path: impl Into<String>, what: &str, error: &io::Error) -> Self {
        let message = format!("{what}: {}", Errno(error));
        Self::new(Code::Unreadable, path, message)
    }
}

/// `PATH: MEMBER: MESSAGE`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        if let Some(member) = &self.member {
            write!(f, "{member}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// Shows an I/O error in words, with the name of its errno: `Device or resource busy (EBUSY)`.
#[derive(Debug)]
pub struct Errno<'a>(pub &'a io::Error);

impl fmt::Display for Errno<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let Some(number) = self.0.raw_os_error() else {
            return f.write_str(&text);
        };
        let words = text.split(" (os error").next().unwrap_or(&text);
        match NAMES.iter().find(|(known, _)| *known == number) {
            Some((_, name)) => write!(f, "{words} ({name})"),
            None => write!(f, "{words} (errno {number})"),
        }
    }
}

/// The errnos that files, sysfs and VFIO are known to give. The numbers are those of
/// `asm-generic/errno*.h`, which every architecture that has mdev uses.
const NAMES: &[(i32, &str)] = &[
    (1, "EPERM"),
    (2, "ENOENT"),
    (4, "EINTR"),
    (5, "EIO"),
    (6, "ENXIO"),
    (7, "E2BIG"),
    (11, "EAGAIN"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (16, "EBUSY"),
    (17, "EEXIST"),
    (19, "ENODEV"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (22, "EINVAL"),
    (24, "EMFILE"),
    (25, "ENOTTY"),
    (26, "ETXTBSY"),
    (27, "EFBIG"),
    (28, "ENOSPC"),
    (30, "EROFS"),
    (32, "EPIPE"),
    (33, "EDOM"),
    (34, "ERANGE"),
    (36, "ENAMETOOLONG"),
    (40, "ELOOP"),
    (42, "ENOMSG"),
    (61, "ENODATA"),
    (87, "EUSERS"),
    (18, "EXDEV"),
    (95, "EOPNOTSUPP"),
];
