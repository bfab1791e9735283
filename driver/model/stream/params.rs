// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The parameter record: the source's migration parameter list.

use core::str;

use super::wire::{
    Fields,
    Payload, //
};
use crate::{
    params::{
        is_name,
        Param,
        Type,
        Value,
        VALUE_MAX, //
    },
    refusal::{
        Difference,
        Flaw,
        Refusal,
        Side, //
    },
    types::{
        DeviceType,
        MAX_PARAMS, //
    },
    values::Values, //
};

/// Writes the list of `values`: what differs from its off value.
pub(crate) fn write(ty: &DeviceType, values: &Values, out: &mut Payload<'_>) {
    let count = values.list(ty).count();
    // At most MAX_PARAMS.
    out.u16(u16::try_from(count).unwrap_or(u16::MAX));
    for (param, value) in values.list(ty) {
        out.u8(match param.kind {
            Type::Bool => 0,
            Type::Int => 1,
            Type::Str => 2,
        });
        out.u8(u8::try_from(param.name.len()).unwrap_or(u8::MAX));
        out.bytes(param.name.as_bytes());
        match value {
            Value::Bool(value) => out.u8(u8::from(value)),
            Value::Int(value) => out.u64(value),
            Value::Str(text) => {
                out.u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
                out.bytes(text.as_bytes());
            }
        }
    }
}

/// Length of what [`write()`] writes.
pub(crate) fn len(ty: &DeviceType, values: &Values) -> usize {
    values.list(ty).fold(2, |sum, (param, value)| {
        let value = match value {
            Value::Bool(_) => 1,
            Value::Int(_) => 8,
            Value::Str(text) => text.len().saturating_add(2),
        };
        sum.saturating_add(2)
            .saturating_add(param.name.len())
            .saturating_add(value)
    })
}

/// The entries of a parameter record, in order. The iterator ends after the first error.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    fields: Fields<'a>,
    left: u16,
    last: Option<&'a str>,
}

impl<'a> Entries<'a> {
    /// Reads the payload of a parameter record.
    pub fn new(payload: &'a [u8]) -> Result<Self, Flaw> {
        let mut fields = Fields::new(payload);
        let left = fields.u16().ok_or(Flaw::Field("parameter count"))?;
        Ok(Self {
            fields,
            left,
            last: None,
        })
    }

    fn entry(&mut self) -> Result<(&'a str, Value<'a>), Flaw> {
        let kind = self.fields.u8();
        let len = self.fields.u8().map(usize::from);
        let name = len.and_then(|len| self.fields.bytes(len));
        let name = name.and_then(|name| str::from_utf8(name).ok());
        let name = name
            .filter(|name| is_name(name))
            .ok_or(Flaw::Field("parameter name"))?;
        if self.last.is_some_and(|last| last >= name) {
            return Err(Flaw::Field("parameter order"));
        }
        self.last = Some(name);
        let value = match kind {
            Some(0) => match self.fields.u8() {
                Some(0) => Some(Value::Bool(false)),
                Some(1) => Some(Value::Bool(true)),
                _ => None,
            },
            Some(1) => self.fields.u64().map(Value::Int),
            Some(2) => self.text().map(Value::Str),
            _ => return Err(Flaw::Field("parameter type")),
        };
        Ok((name, value.ok_or(Flaw::Field("parameter value"))?))
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.fields.u16().map(usize::from);
        let text = self.fields.bytes(len.filter(|len| *len <= VALUE_MAX)?)?;
        str::from_utf8(text)
            .ok()
            .filter(|text| !text.contains(['\n', '\0']))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(&'a str, Value<'a>), Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                self.entry()
            }
            None if self.fields.is_empty() => return None,
            None => Err(Flaw::Field("bytes after the parameters")),
        };
        if item.is_err() {
            *self = Self {
                fields: Fields::new(&[]),
                left: 0,
                last: None,
            };
        }
        Some(item)
    }
}

/// The values that the list in `payload` stands for, on a device of type `ty` that has `device`.
///
/// # Errors
///
/// A malformed list, or one that no setting of the device's parameters could equal: it names a
/// parameter the type lacks, or has a value that is not allowed there, or lacks one that cannot be
/// off. The difference is told against the values in `device`.
pub(crate) fn read(
    ty: &DeviceType,
    device: &Values,
    payload: &[u8],
    at: u64,
) -> Result<Values, Refusal> {
    let flawed = |flaw| Refusal::Record { at, flaw };
    let mut values = Values::off_or_init(ty);
    let mut named = [false; MAX_PARAMS];
    for entry in Entries::new(payload).map_err(flawed)? {
        let (name, value) = entry.map_err(flawed)?;
        let Some(i) = ty.index(name) else {
            return Err(Refusal::Param(Difference {
                name: name.into(),
                stream: Side::value(value),
                device: Side::Unknown,
            }));
        };
        if values.put(ty, i, value).is_none() {
            return Err(Refusal::Param(Difference {
                name: name.into(),
                stream: Side::value(value),
                device: Side::of(device.get(i)),
            }));
        }
        if let Some(named) = named.get_mut(i) {
            *named = true;
        }
    }
    let missing = |(_, (param, named)): &(usize, (&Param, bool))| !named && param.off.is_none();
    match ty.params.iter().zip(named).enumerate().find(missing) {
        Some((i, (param, _))) => Err(Refusal::Param(Difference {
            name: param.name.into(),
            stream: Side::Absent,
            device: Side::of(device.get(i)),
        })),
        None => Ok(values),
    }
}

/// Compares the parameters selected by `which`; the first difference refuses the stream.
pub(crate) fn compare(
    ty: &DeviceType,
    stream: &Values,
    device: &Values,
    which: impl Fn(&Param) -> bool,
) -> Result<(), Refusal> {
    for (i, param) in ty
        .params
        .iter()
        .enumerate()
        .filter(|(_, param)| which(param))
    {
        if stream.get(i) != device.get(i) {
            return Err(Refusal::Param(Difference {
                name: param.name.into(),
                stream: Side::of(stream.get(i)),
                device: Side::of(device.get(i)),
            }));
        }
    }
    Ok(())
}
