// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What a check finds, while it runs; [`crate::report`] has what becomes of it.

use std::fmt::Display;

use vmig_vfio::{
    Errno,
    Error, //
};

/// What a check returns.
pub(crate) type Verdict = Result<Held, Unheld>;

/// The statement holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// What else is worth knowing: how much was tried, what nobody promises but is as it should be.
    pub(crate) notes: Vec<String>,
}

impl Held {
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// The statement holds.
pub(crate) fn held() -> Verdict {
    Ok(Held::default())
}

/// The statement holds, and there is something to say about it.
pub(crate) fn held_with(note: impl Into<String>) -> Verdict {
    Ok(Held {
        notes: vec![note.into()],
    })
}

/// The statement does not hold, or could not be checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unheld {
    Broken { expected: String, seen: String },
    Skip(String),
}

/// It does not hold: `expected` was promised, `seen` is what came.
pub(crate) fn broken(expected: impl Into<String>, seen: impl Into<String>) -> Unheld {
    Unheld::Broken {
        expected: expected.into(),
        seen: seen.into(),
    }
}

/// It cannot be checked, because of something that the device is not to blame for.
pub(crate) fn skip(reason: impl Into<String>) -> Unheld {
    Unheld::Skip(reason.into())
}

/// [`broken`] unless `condition`.
pub(crate) fn check(
    condition: bool,
    expected: impl Into<String>,
    seen: impl Into<String>,
) -> Result<(), Unheld> {
    match condition {
        true => Ok(()),
        false => Err(broken(expected, seen)),
    }
}

/// An error, for people: the name of the errno.
pub(crate) fn error_shown(error: &Error) -> String {
    match error.errno() {
        Some(errno) => errno_shown(errno),
        None => error.to_string(),
    }
}

pub(crate) fn errno_shown(errno: Errno) -> String {
    match errno {
        Errno::UnknownErrno => "an errno that has no name".to_owned(),
        errno => format!("{errno:?}"),
    }
}

/// A call of the device that must succeed, or must fail in a certain way.
pub(crate) trait Call<T>: Sized {
    /// Broken if it failed: `what` was expected to succeed.
    fn must(self, what: &str) -> Result<T, Unheld>;

    /// Broken if it succeeded, or failed with another errno.
    fn must_fail(self, with: Errno, what: &str) -> Result<(), Unheld>;

    /// Broken if it succeeded. Returns the errno, if it was one.
    fn must_fail_somehow(self, what: &str) -> Result<Option<Errno>, Unheld>;
}

impl<T> Call<T> for Result<T, Error> {
    fn must(self, what: &str) -> Result<T, Unheld> {
        self.map_err(|error| broken(format!("{what} succeeds"), error_shown(&error)))
    }

    /// The protocol of vfio-user leaves the errno of a refusal open, so that any is right there.
    fn must_fail(self, with: Errno, what: &str) -> Result<(), Unheld> {
        if let Err(Error::Remote { .. }) = self {
            return self.must_fail_somehow(what).map(drop);
        }
        let expected = || format!("{what} gives {with:?}");
        match self {
            Ok(_) => Err(broken(expected(), "success")),
            Err(error) if error.errno() == Some(with) => Ok(()),
            Err(error) => Err(broken(expected(), error_shown(&error))),
        }
    }

    /// A server that is gone, or answers nonsense, has not refused.
    fn must_fail_somehow(self, what: &str) -> Result<Option<Errno>, Unheld> {
        match self {
            Ok(_) => Err(broken(format!("{what} fails"), "success")),
            Err(error @ Error::Remote { errno: None, .. }) => {
                Err(broken(format!("{what} is refused"), error_shown(&error)))
            }
            Err(error) => Ok(error.errno()),
        }
    }
}

impl<T> Call<T> for Result<T, Errno> {
    fn must(self, what: &str) -> Result<T, Unheld> {
        self.map_err(|errno| broken(format!("{what} succeeds"), errno_shown(errno)))
    }

    fn must_fail(self, with: Errno, what: &str) -> Result<(), Unheld> {
        let expected = || format!("{what} gives {with:?}");
        match self {
            Ok(_) => Err(broken(expected(), "success")),
            Err(errno) if errno == with => Ok(()),
            Err(errno) => Err(broken(expected(), errno_shown(errno))),
        }
    }

    fn must_fail_somehow(self, what: &str) -> Result<Option<Errno>, Unheld> {
        match self {
            Ok(_) => Err(broken(format!("{what} fails"), "success")),
            Err(errno) => Ok(Some(errno)),
        }
    }
}

/// Something of this program's own, not of the device: without it nothing can be said.
pub(crate) trait Own<T> {
    fn own(self, what: &str) -> Result<T, Unheld>;
}

impl<T, E: Display> Own<T> for Result<T, E> {
    fn own(self, what: &str) -> Result<T, Unheld> {
        self.map_err(|error| skip(format!("{what}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_refuses_with_any_errno_but_not_by_dying() {
        let remote = |errno| {
            Err::<(), _>(Error::Remote {
                errno,
                message: "m".into(),
            })
        };
        let einval = Errno::EINVAL;
        assert_eq!(remote(Some(Errno::EPERM)).must_fail(einval, "x"), Ok(()));
        let gone = || broken("x is refused", "m");
        assert_eq!(remote(None).must_fail(einval, "x"), Err(gone()));
        assert_eq!(remote(None).must_fail_somehow("x"), Err(gone()));
        let kernel = Err::<(), _>(Error::Memory {
            len: 1,
            errno: Errno::EPERM,
        });
        let other = broken("x gives EINVAL", "EPERM");
        assert_eq!(kernel.must_fail(einval, "x"), Err(other));
    }
}
