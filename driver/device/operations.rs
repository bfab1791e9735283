// SPDX-License-Identifier: GPL-2.0-only

//! The card as a VFIO PCI device: open and close, regions, reset.
#![forbid(unsafe_code)]

use kernel::prelude::*;
#[cfg(CONFIG_IOMMUFD_DRIVER)]
use kernel_vfio::vfio::logging::{
    self,
    Tracker, //
};
use kernel_vfio::vfio::{
    irq as vfio_irq,
    migration,
    region::{
        self,
        InfoCap,
        Position, //
    },
    Device,
    DeviceInfo,
    Open,
    Operations, //
};
use vmig_model::device::{
    Device as _,
    Region, //
};

#[cfg(vmig_faults)]
use super::faults::region as v1;
#[cfg(not(vmig_faults))]
use super::v1;
use super::{
    irq,
    Card, //
};
use crate::errno;

/// The model's region with this VFIO index; `None` if the card has no such region.
fn region(index: u32) -> Option<Region> {
    match index {
        region::PCI_CONFIG => Some(Region::Config),
        region::PCI_BAR0..=region::PCI_BAR5 => {
            let bar = index.checked_sub(region::PCI_BAR0)?;
            Some(Region::Bar(bar.try_into().ok()?))
        }
        _ => None,
    }
}

#[vtable]
impl Operations for Card {
    const NAME: &'static CStr = c"vmig";
    const MIGRATION: Option<migration::Table<Self>> = Some(migration::Table::new());
    #[cfg(CONFIG_IOMMUFD_DRIVER)]
    const LOGGING: Option<logging::Table<Self>> = Some(logging::Table::new());

    fn open_device(device: &Device<Self, Open>) -> Result {
        let mut state = device.state.lock();
        let guard = device.parent.try_open()?;
        state.engine.open().map_err(errno::of)?;
        state.open = Some(guard);
        device.settle(&mut state);
        Ok(())
    }

    fn close_device(device: &Device<Self, Open>) {
        device.intx.clear();
        #[cfg(CONFIG_IOMMUFD_DRIVER)]
        device.tracker.stop();
        let mut state = device.state.lock();
        state.msi.clear();
        state.req.clear();
        let keep = state.keep;
        state.engine.close(keep);
        device.settle(&mut state);
        let section = core::mem::replace(&mut state.v1, v1::Region::new());
        let guard = state.open.take();
        drop(state);
        drop((section, guard));
    }

    fn device_info(_device: &Device<Self, Open>) -> DeviceInfo {
        DeviceInfo {
            flags: DeviceInfo::PCI | DeviceInfo::RESET,
            regions: region::PCI_COUNT.saturating_add(v1::count()),
            irqs: vfio_irq::PCI_COUNT,
        }
    }

    fn region_info(
        device: &Device<Self, Open>,
        index: u32,
        caps: &mut InfoCap<'_>,
    ) -> Result<region::Info> {
        if v1::is_index(index) {
            return v1::info(device, caps);
        }
        let Some(region) = region(index) else {
            return Ok(region::Info::default());
        };
        let info = device.state.lock().engine.device().region(region);
        let flags = match info.access {
            true => region::Info::READ | region::Info::WRITE,
            false => 0,
        };
        Ok(region::Info {
            flags,
            size: info.size,
        })
    }

    fn region_read(device: &Device<Self, Open>, position: Position, out: &mut [u8]) -> Result {
        if v1::is_index(position.index()) {
            return v1::read(device, position.offset(), out);
        }
        let region = region(position.index()).ok_or(EINVAL)?;
        let mut state = device.state.lock();
        let read = state.engine.region_read(region, position.offset(), out);
        device.settle(&mut state);
        read.map_err(errno::of)
    }

    fn region_write(device: &Device<Self, Open>, position: Position, data: &[u8]) -> Result {
        if v1::is_index(position.index()) {
            return v1::write(device, position.offset(), data);
        }
        let region = region(position.index()).ok_or(EINVAL)?;
        let mut state = device.state.lock();
        let written = state.engine.region_write(region, position.offset(), data);
        device.settle(&mut state);
        written.map_err(errno::of)
    }

    fn region_map(
        device: &Device<Self, Open>,
        position: Position,
        size: usize,
    ) -> Result<(region::Mapped, usize)> {
        match v1::is_index(position.index()) {
            true => v1::map(device, position, size),
            false => Err(EINVAL),
        }
    }

    fn irq_info(device: &Device<Self, Open>, index: u32) -> Result<vfio_irq::Info> {
        irq::info(device.state.lock().engine.device().irqs(), index)
    }

    fn set_irqs(device: &Device<Self, Open>, set: &vfio_irq::Set<'_>) -> Result {
        irq::set(device, set)
    }

    fn reset(device: &Device<Self, Open>) -> Result {
        let mut state = device.state.lock();
        state.engine.reset();
        device.settle(&mut state);
        Ok(())
    }

    fn request(device: &Device<Self>, count: u32) {
        let asked = device.state.lock().req.signal();
        if !asked && count == 0 {
            dev_notice!(
                device.as_ref(),
                "removal waits until the device is closed; its user did not ask to be told\n"
            );
        }
    }
}

#[cfg(CONFIG_IOMMUFD_DRIVER)]
impl logging::Operations for Card {
    fn tracker(&self) -> &Tracker {
        &self.tracker
    }
}
