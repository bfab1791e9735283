// SPDX-License-Identifier: GPL-2.0-only

//! Parents that are PCI functions: those that are bound to the driver `vmig`.
//!
//! It is a place for devices that tools can find, and nothing else. The function is not enabled, and
//! neither its registers nor its resources are touched.
//!
//! Unlike `live` 0 of configfs, unbinding cannot be refused. Nothing is created or opened any more, then
//! it removes the devices one after the other, and waits for the users of each, whom it asks for the
//! device (`VFIO_PCI_REQ_IRQ_INDEX`).
#![forbid(unsafe_code)]

use kernel::{
    device::Core,
    pci::Device,
    prelude::*,
    sync::Arc, //
};
use kernel_vfio::pci::Driver;
use vmig_model::types::Generation;

use super::{
    Host,
    Live, //
};

/// The driver `vmig` on the PCI bus.
pub(crate) struct PciDriver;

impl Driver for PciDriver {
    type Context = Arc<Host>;
    type Data<'bound> = Live<'bound>;

    fn probe<'bound>(
        dev: &'bound Device<Core<'_>>,
        host: &'bound Arc<Host>,
    ) -> impl PinInit<Live<'bound>, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            Ok(Live::for_device(host, dev.as_ref(), Generation::NEWEST))
        })
    }
}
