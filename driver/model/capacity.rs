// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What a parent can hold, and what a device takes of it.

use crate::{
    params::{
        Item,
        Value, //
    },
    types::DeviceType,
    values::Values, //
};

/// An amount of a parent's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Serial ports.
    pub ports: u32,
    /// Device memory, in MiB.
    pub memory_mb: u32,
}

/// What a new parent has.
pub const PARENT: Capacity = Capacity {
    ports: 24,
    memory_mb: 1024,
};

impl Capacity {
    /// Nothing.
    pub const NONE: Self = Self {
        ports: 0,
        memory_mb: 0,
    };

    /// Both together; `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            ports: self.ports.checked_add(other.ports)?,
            memory_mb: self.memory_mb.checked_add(other.memory_mb)?,
        })
    }

    /// What is left after `other` was taken; `None` if there is not enough of something.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self {
            ports: self.ports.checked_sub(other.ports)?,
            memory_mb: self.memory_mb.checked_sub(other.memory_mb)?,
        })
    }

    /// How many times `need` can be taken; 0 if `need` is nothing.
    pub fn count(&self, need: Self) -> u32 {
        let ports = self.ports.checked_div(need.ports);
        let memory = self.memory_mb.checked_div(need.memory_mb);
        ports.into_iter().chain(memory).min().unwrap_or(0)
    }
}

impl DeviceType {
    /// What a device of this type with `values` takes.
    pub fn need(&self, values: &Values) -> Capacity {
        let amount = |name| values.int(self, name).map_or(0, saturate);
        Capacity {
            ports: amount("ports"),
            memory_mb: amount("memory-mb"),
        }
    }

    /// What the smallest device of this type takes.
    pub fn smallest_need(&self) -> Capacity {
        let amount = |name| {
            self.index(name)
                .and_then(|i| self.params.get(i)?.smallest())
        };
        Capacity {
            ports: amount("ports").map_or(0, saturate),
            memory_mb: amount("memory-mb").map_or(0, saturate),
        }
    }
}

impl crate::params::Param {
    /// The smallest int that is allowed.
    fn smallest(&self) -> Option<u64> {
        let ints = self.allowed.iter().filter_map(|item| match *item {
            Item::One(Value::Int(n)) => Some(n),
            Item::Range(min, _) => Some(min),
            Item::One(Value::Bool(_) | Value::Str(_)) => None,
        });
        ints.min()
    }
}

fn saturate(amount: u64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}
