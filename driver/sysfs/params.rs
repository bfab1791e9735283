// SPDX-License-Identifier: GPL-2.0-only

//! `migration/params/<param>/`: what `migration_info.json` says of a parameter, one value per file.
#![forbid(unsafe_code)]

use kernel::{
    fmt::Write as _,
    prelude::*,
    str::Formatter,
    sync::Arc, //
};
use kernel_vfio::sysfs::{
    Attribute,
    Dir,
    Group,
    GroupOperations,
    Mode, //
};
use vmig_model::params::{
    Param,
    Value, //
};

/// A file of a parameter.
#[derive(Clone, Copy)]
enum Fact {
    Type,
    InitValue,
    OffValue,
    AllowedValues,
    Runtime,
    Description,
}

impl Fact {
    const ALL: [Self; 6] = [
        Self::Type,
        Self::InitValue,
        Self::OffValue,
        Self::AllowedValues,
        Self::Runtime,
        Self::Description,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::InitValue => "init_value",
            Self::OffValue => "off_value",
            Self::AllowedValues => "allowed_values",
            Self::Runtime => "runtime",
            Self::Description => "description",
        }
    }

    /// The files that `param` has, in the order of their indexes.
    fn of(param: &Param) -> impl Iterator<Item = Self> + use<'_> {
        Self::ALL.into_iter().filter(|fact| match fact {
            Self::OffValue => param.off.is_some(),
            Self::AllowedValues => !param.allowed.is_empty(),
            Self::Type | Self::InitValue | Self::Runtime | Self::Description => true,
        })
    }
}

/// The files of a parameter.
pub(super) struct ParamFacts(&'static Param);

impl ParamFacts {
    /// Makes the directory of `param` in `dir`.
    pub(super) fn group(dir: &Arc<Dir>, param: &'static Param) -> Result<Group<Self>> {
        let mut attributes = KVec::new();
        for fact in Fact::of(param) {
            attributes.push(Attribute::new(fact.name(), Mode::Read)?, GFP_KERNEL)?;
        }
        let facts = Arc::new(Self(param), GFP_KERNEL)?;
        Group::new(dir, Some(param.name), attributes, facts)
    }
}

impl GroupOperations for ParamFacts {
    fn show(&self, attribute: usize, out: &mut Formatter<'_>) -> Result {
        let param = self.0;
        match Fact::of(param).nth(attribute).ok_or(EIO)? {
            Fact::Type => writeln!(out, "{}", param.kind)?,
            Fact::InitValue => writeln!(out, "{}", param.init)?,
            Fact::OffValue => writeln!(out, "{}", param.off.ok_or(EIO)?)?,
            Fact::AllowedValues => {
                for item in param.allowed {
                    writeln!(out, "{item}")?;
                }
            }
            Fact::Runtime => writeln!(out, "{}", Value::Bool(param.runtime))?,
            Fact::Description => writeln!(out, "{}", param.description)?,
        }
        Ok(())
    }
}
