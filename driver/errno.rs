// SPDX-License-Identifier: GPL-2.0-only

//! The one table from the model's errors to errno.
#![forbid(unsafe_code)]

use kernel::prelude::*;
use vmig_model::error::{
    self,
    Class, //
};

/// The errno of a broken rule.
pub(crate) fn of(error: error::Error) -> Error {
    of_class(error.class())
}

/// The errno of a class of errors.
pub(crate) const fn of_class(class: Class) -> Error {
    match class {
        Class::Malformed => EINVAL,
        Class::TooLong => E2BIG,
        Class::Unknown => ENOENT,
        Class::NotAllowed => ERANGE,
        Class::Missing => ENODATA,
        Class::Constraint => EDOM,
        Class::Busy => EBUSY,
        Class::Unsupported => EOPNOTSUPP,
        Class::Mismatch => EXDEV,
        Class::Ended => ENODEV,
        Class::Internal => EIO,
    }
}
