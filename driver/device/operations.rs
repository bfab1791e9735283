// SPDX-License-Identifier: GPL-2.0-only

//! The card as a VFIO PCI device: open and close, regions, reset.
#![forbid(unsafe_code)]

use kernel::prelude::*;
#[cfg(CONFIG_IOMMUFD_DRIVER)]
use kernel_vfio::vfio::logging::{
    self,
    Tracker, //
};
use kernel_vfio::{
    memcg::Memcg,
    vfio::{
        irq as vfio_irq,
        migration,
        region::{
            self,
            InfoCap,
            Mapped,
            Position, //
        },
        Device,
        DeviceInfo,
        Open,
        Operations, //
    },
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
    memory::DeviceMemory,
    work::Worker,
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

impl Card {
    /// The card's memory, if it has any.
    pub(super) fn memory(&self) -> Option<DeviceMemory> {
        self.state.lock().engine.device().memory().cloned()
    }

    /// Whether the region with this VFIO index is plain memory, which can be mapped.
    fn is_memory(&self, index: u32) -> bool {
        region(index).is_some_and(|region| self.state.lock().engine.device().region(region).mmap)
    }
}

#[vtable]
impl Operations for Card {
    const NAME: &'static CStr = c"vmig";
    const MIGRATION: Option<migration::Table<Self>> = Some(migration::Table::new());
    #[cfg(CONFIG_IOMMUFD_DRIVER)]
    const LOGGING: Option<logging::Table<Self>> = Some(logging::Table::new());

    fn open_device(device: &Device<Self, Open>) -> Result {
        let owner = Memcg::current();
        // The memory is the same one as long as the device is open, and while it is opened: `open` is
        // set below before anything else can be.
        let worker = match device.memory() {
            Some(_) => Some(Worker::new((&**device).into(), owner.clone())?),
            None => None,
        };
        let mut state = device.state.lock();
        let guard = device.parent.try_open()?;
        state.engine.open().map_err(errno::of)?;
        state.open = Some(guard);
        state.worker = worker;
        let memory = state.engine.device().memory().cloned();
        drop(state);
        if let Some(memory) = memory {
            memory.set_owner(Some(owner));
        }
        device.settle(&mut device.state.lock());
        Ok(())
    }

    fn close_device(device: &Device<Self, Open>) {
        device.intx.clear();
        // After this nothing is written by DMA any more.
        let mut state = device.lock_idle_surely();
        let worker = state.worker.take();
        state.vectors.clear();
        state.req.clear();
        let keep = state.keep;
        state.engine.close(keep);
        state.engine.park();
        device.settle(&mut state);
        let section = core::mem::replace(&mut state.v1, v1::Region::new());
        let guard = state.open.take();
        let memory = state.engine.device().memory().cloned();
        drop(state);
        #[cfg(CONFIG_IOMMUFD_DRIVER)]
        device.tracker.stop();
        if let Some(memory) = memory {
            memory.set_owner(None);
        }
        drop((worker, section, guard));
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
        let access = match info.access {
            true => region::Info::READ | region::Info::WRITE,
            false => 0,
        };
        let mmap = match info.mmap {
            true => region::Info::MMAP,
            false => 0,
        };
        Ok(region::Info {
            flags: access | mmap,
            size: info.size,
        })
    }

    fn region_is_bulk(device: &Device<Self, Open>, index: u32) -> bool {
        device.is_memory(index)
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
        if device.is_memory(position.index()) {
            // Nothing is to be allocated under the lock.
            if let Some(memory) = device.memory() {
                memory.reserve_at(position.offset(), data.len())?;
            }
        }
        let mut state = device.state.lock();
        let written = state.engine.region_write(region, position.offset(), data);
        device.settle(&mut state);
        let stale = state.engine.stale();
        drop(state);
        if stale {
            // The guest has forbidden what is being done: it is not, once this returns.
            device.settle(&mut *device.lock_idle()?);
        }
        written.map_err(errno::of)
    }

    fn region_map(
        device: &Device<Self, Open>,
        position: Position,
        size: usize,
    ) -> Result<(Mapped, usize)> {
        if v1::is_index(position.index()) {
            let (memory, start) = v1::map(device, position, size)?;
            return Ok((Mapped::Memory(memory), start));
        }
        if !device.is_memory(position.index()) {
            return Err(EINVAL);
        }
        // The rest is judged there.
        let memory = device.memory().ok_or(EINVAL)?;
        Ok((
            Mapped::Pages(memory.shared()),
            position.offset().try_into()?,
        ))
    }

    fn irq_info(device: &Device<Self, Open>, index: u32) -> Result<vfio_irq::Info> {
        irq::info(device.state.lock().engine.device().irqs(), index)
    }

    fn set_irqs(device: &Device<Self, Open>, set: &vfio_irq::Set<'_>) -> Result {
        irq::set(device, set)
    }

    fn reset(device: &Device<Self, Open>) -> Result {
        let mut state = device.lock_idle()?;
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
