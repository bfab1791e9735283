// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Unmodified libvirt, mdevctl and udev as clients of vmig's types, with vmig's callout installed.

#![forbid(unsafe_code)]

mod boot;
mod domain;
mod host;
mod migrate;
mod nodedev;
mod running;

use std::time::Duration;

use guest::function::ADDRESSES;

/// What a test may take: each runs many programs, which are emulated.
const LONG: Duration = Duration::from_secs(300);

/// The parent of the devices, and of those at a migration's destination.
const PARENT: &str = ADDRESSES[0];
const OTHER_PARENT: &str = ADDRESSES[1];

/// What libvirt says when a device refuses a state.
const XDEV: &str = "load of migration failed: Invalid cross-device link";

/// libvirt's name for a PCI function.
fn node(address: &str) -> String {
    format!("pci_{}", address.replace([':', '.'], "_"))
}

/// libvirt's name for a device.
fn mdev_node(uuid: &str, parent: &str) -> String {
    let parent = parent.replace([':', '.'], "_");
    format!("mdev_{}_{parent}", uuid.replace('-', "_"))
}
