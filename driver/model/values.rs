// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The parameter values of one device.

use crate::{
    constraint::Violation,
    error::Error,
    params::{
        Param,
        Value, //
    },
    types::{
        DeviceType,
        MAX_PARAMS, //
    },
};

/// One value per parameter of a device type, in the order of [`DeviceType::params`].
///
/// # Invariants
///
/// Of the type it was made for, every parameter has a value, and each value is allowed. The
/// combination need not satisfy the constraints: single writes may pass through any combination, and
/// [`Values::check`] judges it when the device is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Values([Option<Value<'static>>; MAX_PARAMS]);

impl Values {
    /// The values of a new device.
    pub fn init(ty: &DeviceType) -> Self {
        Self::from_fn(ty, |param| param.init)
    }

    /// Every parameter off, or at its initial value if it cannot be disabled.
    pub fn off_or_init(ty: &DeviceType) -> Self {
        Self::from_fn(ty, |param| param.off.unwrap_or(param.init))
    }

    fn from_fn(ty: &DeviceType, f: impl Fn(&Param) -> Value<'static>) -> Self {
        let mut values = [None; MAX_PARAMS];
        for (slot, param) in values.iter_mut().zip(ty.params) {
            *slot = Some(f(param));
        }
        // INVARIANT: the tables' `init` and `off` are allowed (`types::checks`), and so is their
        // length.
        Self(values)
    }

    /// Value of parameter `i`, `None` if the type has no such parameter.
    pub fn get(&self, i: usize) -> Option<Value<'static>> {
        self.0.get(i).copied().flatten()
    }

    /// Value of the bool parameter `name`; false where the type lacks it, as an absent parameter is
    /// one that is off.
    pub fn bool(&self, ty: &DeviceType, name: &str) -> bool {
        let value = ty.index(name).and_then(|i| self.get(i));
        value == Some(Value::Bool(true))
    }

    /// Value of the int parameter `name`, `None` where the type lacks it.
    pub fn int(&self, ty: &DeviceType, name: &str) -> Option<u64> {
        match self.get(ty.index(name)?)? {
            Value::Int(n) => Some(n),
            Value::Bool(_) | Value::Str(_) => None,
        }
    }

    /// Sets parameter `i` from its text (without newline). On error nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::NoParam`], [`Error::BadValue`], [`Error::NotAllowed`].
    pub fn set(&mut self, ty: &DeviceType, i: usize, text: &str) -> Result<(), Error> {
        let (Some(param), Some(slot)) = (ty.params.get(i), self.0.get_mut(i)) else {
            return Err(Error::NoParam);
        };
        let value = Value::parse(param.kind, text).map_err(|why| Error::BadValue {
            param: param.name,
            why,
        })?;
        // INVARIANT: `accept` returns allowed values only.
        *slot = Some(
            param
                .accept(value)
                .ok_or(Error::NotAllowed { param: param.name })?,
        );
        Ok(())
    }

    /// Sets parameter `i` to `value` if it is of its type and allowed.
    pub(crate) fn put(&mut self, ty: &DeviceType, i: usize, value: Value<'_>) -> Option<()> {
        let accepted = ty.params.get(i)?.accept(value)?;
        // INVARIANT: `accept` returns allowed values only.
        *self.0.get_mut(i)? = Some(accepted);
        Some(())
    }

    /// Judges the combination by the constraints of `ty`; the first violated one is reported.
    pub fn check(&self, ty: &DeviceType) -> Result<(), Violation> {
        let violated = |(index, constraint)| Violation { index, constraint };
        ty.constraints
            .iter()
            .enumerate()
            .find(|(_, constraint)| !constraint.allows(ty, self))
            .map_or(Ok(()), |found| Err(violated(found)))
    }

    /// The migration parameter list: parameters whose value differs from `off_value`, in the byte
    /// order of their names.
    pub fn list<'t>(
        &self,
        ty: &'t DeviceType,
    ) -> impl Iterator<Item = (&'t Param, Value<'static>)> + use<'t> {
        let values = self.0;
        ty.params
            .iter()
            .zip(values)
            .filter_map(|(param, value)| Some((param, value?)))
            .filter(|(param, value)| param.off != Some(*value))
    }
}
