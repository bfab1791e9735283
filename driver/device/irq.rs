// SPDX-License-Identifier: GPL-2.0-only

//! Interrupts of the card: INTx, MSI or MSI-X, and the request to give the device back.
//!
//! What is pending is state of the device and belongs to the engine. Eventfds and masks are the user's
//! and stay through resets and migration.
#![forbid(unsafe_code)]

use kernel::prelude::*;
use kernel_vfio::vfio::{
    irq::{
        Action,
        Data,
        Info,
        Set,
        PCI_ERR,
        PCI_INTX,
        PCI_MSI,
        PCI_MSIX,
        PCI_REQ, //
    },
    Device,
    Open, //
};
use vmig_model::device::{
    Device as _,
    Irqs, //
};

use super::Card;

/// Describes interrupt `index` of a card that has `irqs`.
///
/// # Errors
///
/// `EINVAL` for the errors of PCI Express, as of any conventional PCI device: QEMU warns of a device
/// that has this index, but no interrupt in it.
pub(super) fn info(irqs: Irqs, index: u32) -> Result<Info> {
    let (flags, count) = match index {
        PCI_INTX => (Info::EVENTFD | Info::MASKABLE | Info::AUTOMASKED, irqs.intx),
        PCI_MSI => (Info::EVENTFD, irqs.msi),
        PCI_MSIX => (Info::EVENTFD, irqs.msix),
        PCI_REQ => (Info::EVENTFD, 1),
        PCI_ERR => return Err(EINVAL),
        _ => (0, 0),
    };
    let flags = if count > 0 { flags } else { 0 };
    Ok(Info { flags, count })
}

/// Serves `VFIO_DEVICE_SET_IRQS`. Like hardware, the card uses either INTx or MSI.
pub(super) fn set(device: &Device<Card, Open>, set: &Set<'_>) -> Result {
    let mut state = device.state.lock();
    let irqs = state.engine.device().irqs();
    let binds = set.action == Action::Trigger && matches!(set.data, Data::Eventfd(_));
    match set.index {
        PCI_INTX if irqs.intx > 0 => {
            if binds && state.vectors.is_enabled() {
                return Err(EINVAL);
            }
            device.intx.apply(set)?;
        }
        // A card has one of them.
        PCI_MSI if irqs.msi > 0 => {
            if binds && device.intx.is_enabled() {
                return Err(EINVAL);
            }
            state.vectors.apply(set, irqs.msi)?;
        }
        PCI_MSIX if irqs.msix > 0 => state.vectors.apply(set, irqs.msix)?,
        PCI_REQ => state.req.apply(set)?,
        _ => return Err(ENOTTY),
    }
    // What was pending has somebody to wait for it now.
    device.settle(&mut state);
    Ok(())
}
