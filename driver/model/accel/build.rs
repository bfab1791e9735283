// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the parameters make of an accelerator.

use super::{
    config::Layout,
    descriptor::Limits, //
};
use crate::{
    memory::PAGE,
    types::DeviceType,
    values::Values, //
};

/// Pages in a MiB.
const PAGES_PER_MIB: u32 = 256;

/// The first queue with a CRC unit.
const FIRST_WITH_CRC: usize = 2;

/// What the parameters ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) queues: u8,
    pub(super) memory_mib: u32,
    pub(super) checksum: bool,
}

impl Build {
    pub(super) fn of(ty: &DeviceType, values: &Values) -> Self {
        let int = |name| values.int(ty, name).and_then(|n| u32::try_from(n).ok());
        let queues = int("num-queues").and_then(|n| u8::try_from(n).ok());
        Self {
            queues: queues.unwrap_or(1),
            memory_mib: int("memory-mb").unwrap_or(0),
            checksum: values.bool(ty, "checksum"),
        }
    }

    pub(super) const fn pages(self) -> u32 {
        self.memory_mib.saturating_mul(PAGES_PER_MIB)
    }

    pub(super) fn layout(self) -> Layout {
        Layout {
            queues: self.queues,
            memory: bytes(self.pages()),
        }
    }

    pub(super) fn limits(self, index: usize) -> Limits {
        Limits {
            memory: bytes(self.pages()),
            crc: self.checksum && index >= FIRST_WITH_CRC,
        }
    }
}

/// Bytes in so many pages.
pub(super) fn bytes(pages: u32) -> u64 {
    let page = u64::try_from(PAGE).unwrap_or(u64::MAX);
    u64::from(pages).saturating_mul(page)
}

/// Pages of device memory of a card of type `ty` with `values`.
pub fn pages(ty: &DeviceType, values: &Values) -> u32 {
    Build::of(ty, values).pages()
}
