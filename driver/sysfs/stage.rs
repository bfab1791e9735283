// SPDX-License-Identifier: GPL-2.0-only

//! `migration/stage` and `migration/staged`.
#![forbid(unsafe_code)]

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use kernel_vfio::sysfs::{
    BinOperations,
    Window, //
};
use vmig_model::stage;

use crate::{
    errno,
    parents::driver::Offered, //
};

/// `migration/stage`: one write, one line, stored or refused as a whole.
pub(super) struct Stage(pub(super) Offered);

impl BinOperations for Stage {
    fn write(&self, offset: u64, data: &[u8]) -> Result {
        // A second write to the same open file: a shell's `printf` writes line by line.
        if offset != 0 {
            return Err(EINVAL);
        }
        // sysfs passes a page of what is longer. The rest must not be taken for an entry.
        if data.len() >= PAGE_SIZE {
            return Err(E2BIG);
        }
        let Offered { ty, parent } = &self.0;
        let entry = stage::parse(ty, data).map_err(errno::of)?;
        parent.share.stage(ty, entry)
    }
}

/// `migration/staged`: one line per entry, as it would be written to `stage`.
pub(super) struct Staged(pub(super) Offered);

impl BinOperations for Staged {
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let Offered { ty, parent } = &self.0;
        let mut window = Window::new(offset, out);
        parent
            .share
            .for_each(ty, |entry| stage::write(ty, entry, &mut window))?;
        Ok(window.len())
    }
}
