// SPDX-License-Identifier: GPL-2.0-only

//! vmig: migratable mediated devices, described by migration parameters.
#![forbid(unsafe_code)]

mod device;
mod errno;
mod parents;
mod staging;
mod sysfs;

use kernel::{
    configfs::Subsystem,
    prelude::*,
    sync::Arc, //
};
use parents::{
    items,
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
}

/// The loaded module. Its fields are undone in the order in which they stand: no more parents are
/// made, then the default parent goes, then what all parents share.
#[pin_data]
struct Vmig {
    #[pin]
    configfs: Subsystem<items::Root>,
    parent: Live,
    host: Arc<Host>,
}

impl kernel::InPlaceModule for Vmig {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            kernel_vfio::layout::check()?;
            let host = Arc::pin_init(Host::new(module), GFP_KERNEL)?;
            let parent = Live::new(&host, c"vmig", Generation::NEWEST)?;
            Ok(try_pin_init!(Self {
                configfs <- items::subsystem(host.clone()),
                parent,
                host,
            }? Error))
        })
    }
}
