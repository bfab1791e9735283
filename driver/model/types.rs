// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Device types: what a parent offers, in each generation.
//!
//! The tables are data. What must hold of them (order, names, init values and profiles that satisfy
//! the constraints) is checked while they are compiled.

mod accel;
mod checks;
mod serial;

use crate::{
    constraint::Constraint,
    params::{
        Param,
        Value, //
    },
};

/// Most parameters of one type.
pub const MAX_PARAMS: usize = 8;

/// Most types of one parent.
pub const MAX_TYPES: usize = 8;

/// Set of features that a parent offers; an older driver is imitated by an older generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Generation {
    /// 16550A, no checksums, no constraints, no runtime parameters.
    One = 1,
    /// 16750, auto flow control, line statistics; checksums, a codec, more memory and queues.
    Two = 2,
}

impl Generation {
    /// The newest.
    pub const NEWEST: Self = Self::Two;
}

impl From<Generation> for u32 {
    fn from(generation: Generation) -> Self {
        match generation {
            Generation::One => 1,
            Generation::Two => 2,
        }
    }
}

impl TryFrom<u32> for Generation {
    type Error = crate::error::Error;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err(crate::error::Error::NoGeneration),
        }
    }
}

/// A named list of parameter values, like a versioned machine type. What it does not name is off.
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    /// Name, the same wherever the same values are meant.
    pub name: &'static str,
    /// Names and values, in the byte order of the names.
    pub params: &'static [(&'static str, Value<'static>)],
}

/// A type of device that a parent offers.
///
/// # Invariants
///
/// Checked at compile time: at most [`MAX_PARAMS`] parameters, in the byte order of their names, each
/// as [`Param`] says; constraints name these parameters only; the initial values and every profile
/// are allowed and satisfy the constraints.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceType {
    /// Name of the type without the parent driver's prefix, for instance `serial-var`.
    pub name: &'static str,
    /// Name for people, the mdev type's `name` attribute.
    pub pretty: &'static str,
    /// Device model string.
    pub model: &'static str,
    /// Parameters in the byte order of their names.
    pub params: &'static [Param],
    /// Combinations that are refused.
    pub constraints: &'static [Constraint],
    /// Profiles, oldest first.
    pub profiles: &'static [Profile],
    /// The generation this table belongs to.
    pub generation: Generation,
}

impl DeviceType {
    /// Index of the parameter `name` in [`DeviceType::params`].
    pub fn index(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|param| param.name == name)
    }
}

static GENERATION_1: [DeviceType; 6] =
    checks::checked(joined(serial::GENERATION_1, accel::GENERATION_1));

static GENERATION_2: [DeviceType; 6] =
    checks::checked(joined(serial::GENERATION_2, accel::GENERATION_2));

const fn joined(first: [DeviceType; 3], second: [DeviceType; 3]) -> [DeviceType; 6] {
    let ([a, b, c], [d, e, f]) = (first, second);
    [a, b, c, d, e, f]
}

/// The types of a parent of generation `g`; at most [`MAX_TYPES`].
pub fn types(g: Generation) -> &'static [DeviceType] {
    match g {
        Generation::One => &GENERATION_1,
        Generation::Two => &GENERATION_2,
    }
}

/// The type called `name` of generation `g`.
pub fn find(g: Generation, name: &str) -> Option<&'static DeviceType> {
    types(g).iter().find(|ty| ty.name == name)
}
