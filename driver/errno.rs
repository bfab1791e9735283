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
        Class::NoMemory => ENOMEM,
        Class::Internal => EIO,
    }
}

#[kunit_tests(vmig_errno)]
mod tests {
    use super::*;
    use vmig_model::{
        stage::parse,
        types::{
            find,
            Generation, //
        },
    };

    #[test]
    fn each_rule_of_stage_has_its_errno() -> Result {
        let ty = find(Generation::NEWEST, "serial-var").ok_or(ENOENT)?;
        let uuid = "11111111-2222-3333-4444-555555555555";
        let table: [(&str, Option<Error>); 9] = [
            ("ports=1", None),
            ("ports=1\n", None),
            ("ports=1\n\n", Some(EINVAL)),
            ("ports=one", Some(EINVAL)),
            ("ports=1 ports=1", Some(EINVAL)),
            ("ports=1 colour=red", Some(ENOENT)),
            ("ports=3", Some(ERANGE)),
            ("fifo-size=64", Some(ENODATA)),
            ("ports=1 auto-flow=on", Some(EDOM)),
        ];
        for (params, errno) in table {
            let line = kernel::str::CString::try_from_fmt(fmt!("{uuid} {params}"))?;
            assert_eq!(parse(ty, line.to_bytes()).map_err(of).err(), errno);
        }
        assert_eq!(parse(ty, &[b'a'; 4096]).map_err(of).err(), Some(E2BIG));
        Ok(())
    }
}
