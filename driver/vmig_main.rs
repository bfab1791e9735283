// SPDX-License-Identifier: GPL-2.0-only

//! vmig: migratable mediated devices, described by migration parameters.
#![forbid(unsafe_code)]

mod device;
mod errno;
mod parents;
mod staging;
mod sysfs;

use kernel::{
    prelude::*,
    sync::Arc, //
};
use kernel_vfio::{
    configfs::Subsystem,
    pci, //
};
use parents::{
    items,
    pci::PciDriver,
    Host,
    Live, //
};
use vmig_model::types::Generation;

module! {
    type: Vmig,
    name: "vmig",
    authors: ["The vmig developers"],
    description: "Migratable mediated devices described by migration parameters",
    license: "GPL",
    imports_ns: ["IOMMUFD"],
    params: {
        v1_region: bool {
            default: true,
            description: "Offer migration protocol version 1, the migration region, next to version 2",
        },
    },
}

/// The loaded module. Its fields are undone in the order in which they stand: no more parents are
/// made, PCI functions are unbound, then the default parent goes, then what all parents share.
struct Vmig {
    _configfs: Subsystem<items::Root>,
    _pci: Pin<KBox<pci::Registration<PciDriver>>>,
    _parent: Live<'static>,
    _host: Arc<Host>,
}

impl kernel::Module for Vmig {
    fn init(module: &'static ThisModule) -> Result<Self> {
        kernel_vfio::layout::check()?;
        let host = Arc::pin_init(Host::new(module), GFP_KERNEL)?;
        let parent = Live::new(&host, c"vmig", Generation::NEWEST)?;
        let pci = pci::Registration::new(c"vmig", module, host.clone());
        let pci = KBox::pin_init(pci, GFP_KERNEL)?;
        Ok(Self {
            _configfs: Subsystem::new(c"vmig", module, items::Root(host.clone()))?,
            _pci: pci,
            _parent: parent,
            _host: host,
        })
    }
}
