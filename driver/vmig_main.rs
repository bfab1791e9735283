// SPDX-License-Identifier: GPL-2.0-only

//! vmig: migratable mediated devices, described by migration parameters.
#![forbid(unsafe_code)]

use kernel::prelude::*;

module! {
    type: Vmig,
    name: "vmig",
    authors: ["The vmig developers"],
    description: "Migratable mediated devices described by migration parameters",
    license: "GPL",
    imports_ns: ["IOMMUFD"],
}

/// The loaded module. Its fields are undone in the order in which they stand.
struct Vmig;

impl kernel::Module for Vmig {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        kernel_vfio::layout::check()?;
        Ok(Self)
    }
}
