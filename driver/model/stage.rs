// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The one line of `stage` and `staged`: `<uuid> name=value name=value ...`.
//!
//! Words are separated by one space each; one newline may end the line. Values contain no white
//! space (vmig's own parameters have none that could), so nothing needs quoting.

use core::{
    fmt,
    str, //
};

use crate::{
    error::Error,
    params::Param,
    types::{
        DeviceType,
        MAX_PARAMS, //
    },
    uuid::Uuid,
    values::Values, //
};

/// A line must be shorter than this, newline included: sysfs cuts a write at PAGE_SIZE, and a line
/// of that length may be the first piece of a longer one.
pub const LINE_MAX: usize = 4096;

/// A staged entry: the device with this UUID is to have these values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// UUID of a device that does not exist yet.
    pub uuid: Uuid,
    /// A value per parameter; the combination satisfies the constraints.
    pub values: Values,
}

/// Reads the line written to `stage` of type `ty` and judges it as a whole. A parameter left out
/// takes its `off_value`.
///
/// # Errors
///
/// The first rule that is broken, in this order: length, newline, text, UUID; then word by word
/// from the left: form, name, repetition, value; then parameters that must be named and are not;
/// then constraints.
pub fn parse(ty: &DeviceType, line: &[u8]) -> Result<Entry, Error> {
    if line.len() >= LINE_MAX {
        return Err(Error::LineTooLong);
    }
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if line.contains(&b'\n') {
        return Err(Error::SecondLine);
    }
    let line = str::from_utf8(line).map_err(|_| Error::NotText)?;
    if line.contains('\0') {
        return Err(Error::NotText);
    }

    let mut words = line.split(' ');
    let first = words.next().unwrap_or("");
    let uuid = first.parse()?;
    let mut values = Values::off_or_init(ty);
    let mut named = [false; MAX_PARAMS];
    let mut at = first.len();
    for word in words {
        at = at.saturating_add(1);
        let (name, value) = word.split_once('=').ok_or(Error::NotPair { at })?;
        if name.is_empty() {
            return Err(Error::NotPair { at });
        }
        let i = ty.index(name).ok_or(Error::UnknownParam { at })?;
        let (param, named) = ty
            .params
            .get(i)
            .zip(named.get_mut(i))
            .ok_or(Error::NoParam)?;
        if core::mem::replace(named, true) {
            return Err(Error::Duplicate { param: param.name });
        }
        values.set(ty, i, value)?;
        at = at.saturating_add(word.len());
    }

    let missing = |(param, named): &(&Param, bool)| !named && param.off.is_none();
    match ty.params.iter().zip(named).find(missing) {
        Some((param, _)) => Err(Error::MissingParam { param: param.name }),
        None => {
            values.check(ty)?;
            Ok(Entry { uuid, values })
        }
    }
}

/// Writes `entry` as a line of `staged`, newline included: its migration parameter list, in the byte
/// order of the names. [`parse`] reads it back to the same entry.
pub fn write(ty: &DeviceType, entry: &Entry, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{}", entry.uuid)?;
    for (param, value) in entry.values.list(ty) {
        write!(out, " {}={}", param.name, value)?;
    }
    out.write_str("\n")
}
