// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Places in a document, for errors.

use crate::error::{
    Code,
    Error, //
};

/// A step from an object or array to its member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Where a node stands in its document; shown as `models."a/b".params.n.allowed_values[2]`.
///
/// A chain on the stack of the reader: nothing is allocated before an error shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    last: Option<(&'a Place<'a>, Step<'a>)>,
}

impl<'a> Place<'a> {
    pub(crate) const ROOT: Place<'static> = Place { last: None };

    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self {
            last: Some((self, Step::Key(key))),
        }
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self {
            last: Some((self, Step::Index(index))),
        }
    }

    /// A [`Code::Malformed`] error at this place of the document `path`.
    pub(crate) fn malformed(&self, path: &str, message: impl Into<String>) -> Error {
        let mut steps = Vec::new();
        let mut place = self;
        while let Some((outer, step)) = place.last {
            steps.push(step);
            place = outer;
        }
        located(path, &steps, message)
    }
}

/// A [`Code::Malformed`] error after these steps into the document `path`, last step first.
pub(super) fn located(path: &str, steps: &[Step<'_>], message: impl Into<String>) -> Error {
    Error {
        code: Code::Malformed,
        path: path.to_owned(),
        member: (!steps.is_empty()).then(|| member(steps)),
        message: message.into(),
    }
}

/// The text of the steps, which stand last step first.
fn member(steps: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in steps.iter().rev() {
        match step {
            Step::Index(i) => text.push_str(&format!("[{i}]")),
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
                if !key.is_empty() && key.bytes().all(plain) {
                    text.push_str(key);
                } else {
                    // JSON's own quotes and escapes.
                    text.push_str(&serde_json::Value::from(*key).to_string());
                }
            }
        }
    }
    text
}
