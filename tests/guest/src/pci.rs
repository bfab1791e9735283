// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Config space of a device, and its interrupts.
//!
//! Registers: PCI Local Bus Specification 3.0, chapter 6; names as in
//! `include/uapi/linux/pci_regs.h`.

use vmig_vfio::{uapi, Device, Region};

/// Vendor ID.
pub const VENDOR: u64 = 0x00;
/// Device ID.
pub const DEVICE: u64 = 0x02;
/// Command.
pub const COMMAND: u64 = 0x04;
/// Status.
pub const STATUS: u64 = 0x06;
/// Revision, followed by the class code.
pub const REVISION: u64 = 0x08;
/// Header type.
pub const HEADER: u64 = 0x0e;
/// First base address register.
pub const BAR0: u64 = 0x10;
/// Offset of the first capability.
pub const CAPABILITIES: u64 = 0x34;
/// Interrupt line, for software.
pub const LINE: u64 = 0x3c;
/// Interrupt pin.
pub const PIN: u64 = 0x3d;

/// The device answers to I/O addresses.
pub const COMMAND_IO: u16 = 0x0001;
/// The device may do DMA and send MSIs.
pub const COMMAND_MASTER: u16 = 0x0004;
/// No INTx.
pub const COMMAND_INTX_DISABLE: u16 = 0x0400;
/// INTx is pending.
pub const STATUS_INTERRUPT: u16 = 0x0008;
/// There is a list of capabilities.
pub const STATUS_CAP_LIST: u16 = 0x0010;

/// Capability ID of MSI.
pub const CAP_MSI: u8 = 0x05;
/// MSI enable, in the MSI control register.
pub const MSI_ENABLE: u16 = 0x0001;

/// INTx.
pub const INTX: u32 = uapi::VFIO_PCI_INTX_IRQ_INDEX;
/// MSI.
pub const MSI: u32 = uapi::VFIO_PCI_MSI_IRQ_INDEX;
/// The device is wanted back.
pub const REQ: u32 = uapi::VFIO_PCI_REQ_IRQ_INDEX;

/// Config space of an open device.
///
/// # Panics
///
/// If it has none.
#[track_caller]
pub fn config(device: &Device) -> Region<'_> {
    device
        .region(uapi::VFIO_PCI_CONFIG_REGION_INDEX)
        .expect("config space")
}

/// Does what every driver does first: lets the device answer and send MSIs.
///
/// # Panics
///
/// If config space cannot be written.
#[track_caller]
pub fn enable(device: &Device) {
    let on = COMMAND_IO | COMMAND_MASTER;
    config(device).write_u16(COMMAND, on).expect("COMMAND");
}

/// Offset of a capability, by its ID.
///
/// # Panics
///
/// If the list is broken: an offset inside the header or not aligned, or a list without end.
#[track_caller]
pub fn capability(config: &Region<'_>, id: u8) -> Option<u64> {
    if config.read_u16(STATUS).expect("STATUS") & STATUS_CAP_LIST == 0 {
        return None;
    }
    let mut at = config.read_u8(CAPABILITIES).expect("list");
    for _ in 0..48 {
        if at == 0 {
            return None;
        }
        assert!(at >= 0x40 && at % 4 == 0, "capability at {at:#x}");
        let [own, next] = config.read(u64::from(at)).expect("capability");
        if own == id {
            return Some(u64::from(at));
        }
        at = next;
    }
    panic!("the list of capabilities does not end");
}

/// Enables or disables MSI in config space, as a driver does before it sets up vectors.
///
/// # Panics
///
/// If there is no MSI capability.
#[track_caller]
pub fn enable_msi(device: &Device, on: bool) {
    let config = config(device);
    let msi = capability(&config, CAP_MSI).expect("MSI capability");
    let control = config.read_u16(msi + 2).expect("MSI control");
    let control = if on {
        control | MSI_ENABLE
    } else {
        control & !MSI_ENABLE
    };
    config.write_u16(msi + 2, control).expect("MSI control");
}
