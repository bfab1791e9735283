// SPDX-License-Identifier: GPL-2.0-only

//! The files that vmig adds to the directory of an mdev type. Their contract is `sysfs-abi.md`.
#![forbid(unsafe_code)]

pub(crate) mod device;
mod params;
mod stage;

use kernel::{
    fmt::Write as _,
    prelude::*,
    str::Formatter,
    sync::Arc, //
};
use kernel_vfio::sysfs::{
    Attribute,
    BinFile,
    BinOperations,
    Dir,
    Group,
    GroupOperations,
    Mode,
    Window, //
};
use vmig_model::{
    info,
    types::DeviceType, //
};

use crate::{
    errno,
    parents::driver::Offered, //
};
use params::ParamFacts;
use stage::{
    Stage,
    Staged, //
};

/// The files of a type.
pub(crate) struct TypeNodes {
    _info: BinFile<Info>,
    _stage: BinFile<Stage>,
    _staged: BinFile<Staged>,
    _migration: Group<Migration>,
    _params: KVec<Group<ParamFacts>>,
}

impl TypeNodes {
    /// Makes the files of the type `offered`, in its directory.
    pub(crate) fn new(dir: &Arc<Dir>, offered: &Offered) -> Result<Self> {
        let info = BinFile::new(dir, c"migration_info.json", Mode::Read, Info(offered.ty))?;

        let dir = Dir::new(dir, c"migration")?;
        let stage = BinFile::new(&dir, c"stage", Mode::RootWrite, Stage(offered.clone()))?;
        let staged = BinFile::new(&dir, c"staged", Mode::RootRead, Staged(offered.clone()))?;
        let migration = Arc::new(Migration(offered.clone()), GFP_KERNEL)?;
        let migration = Group::new(&dir, None, Migration::attributes()?, migration)?;

        let dir = Dir::new(&dir, c"params")?;
        let mut params = KVec::new();
        for param in offered.ty.params {
            params.push(ParamFacts::group(&dir, param)?, GFP_KERNEL)?;
        }
        Ok(Self {
            _info: info,
            _stage: stage,
            _staged: staged,
            _migration: migration,
            _params: params,
        })
    }
}

/// `migration_info.json`
struct Info(&'static DeviceType);

impl BinOperations for Info {
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let mut window = Window::new(offset, out);
        info::write_info(self.0, &mut window)?;
        Ok(window.len())
    }
}

/// The text attributes in `migration`.
struct Migration(Offered);

impl Migration {
    const MODEL: usize = 0;
    const UNSTAGE: usize = 1;

    fn attributes() -> Result<KVec<Attribute>> {
        let mut attributes = KVec::new();
        attributes.push(Attribute::new("model", Mode::Read)?, GFP_KERNEL)?;
        attributes.push(Attribute::new("unstage", Mode::RootWrite)?, GFP_KERNEL)?;
        Ok(attributes)
    }
}

impl GroupOperations for Migration {
    fn show(&self, attribute: usize, out: &mut Formatter<'_>) -> Result {
        match attribute {
            Self::MODEL => Ok(writeln!(out, "{}", self.0.ty.model)?),
            _ => Err(EIO),
        }
    }

    fn store(&self, attribute: usize, data: &[u8]) -> Result {
        match attribute {
            Self::UNSTAGE => {
                let uuid = text(data)?.parse().map_err(errno::of)?;
                self.0.parent.share.unstage(self.0.ty, uuid)
            }
            _ => Err(EIO),
        }
    }
}

/// What was written to an attribute: text, with or without one newline at the end.
pub(crate) fn text(data: &[u8]) -> Result<&str> {
    let data = data.strip_suffix(b"\n").unwrap_or(data);
    core::str::from_utf8(data).map_err(|_| EINVAL)
}
