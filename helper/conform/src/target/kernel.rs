// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device that the kernel has.

use std::os::fd::BorrowedFd;

use vmig_vfio::{
    Access,
    Device,
    DeviceInfo,
    Direction,
    DmaMapping,
    Errno,
    Error,
    IovaRange,
    IrqInfo,
    Memory,
    MigrationFlags,
    RegionInfo,
    State, //
};

use super::{
    Mapped,
    Result,
    Session,
    Target, //
};

impl Target for Device {
    fn kernel(&self) -> Option<&Device> {
        Some(self)
    }

    fn name(&self) -> &str {
        Device::name(self)
    }

    fn migration_flags(&self) -> Result<Option<MigrationFlags>> {
        match Device::migration_flags(self) {
            Ok(flags) => Ok(Some(flags)),
            Err(e) if e.errno() == Some(Errno::ENOTTY) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn state(&self) -> Result<State> {
        Device::state(self)
    }

    fn set_state_number(&self, to: u32) -> Result<Option<Session>> {
        let data = Device::set_state_number(self, to)?;
        Ok(data.map(Session::File))
    }

    fn transfer(&self) -> Option<Session> {
        None
    }

    fn data_size(&self) -> Result<u64> {
        Device::data_size(self)
    }

    fn reset(&self) -> Result<()> {
        Device::reset(self)
    }

    fn info(&self) -> Result<DeviceInfo> {
        Device::info(self)
    }

    fn region_info(&self, index: u32) -> Result<RegionInfo> {
        Device::region_info(self, index)
    }

    fn region_read(&self, region: &RegionInfo, offset: u64, out: &mut [u8]) -> Result<()> {
        let index = region.index;
        match self.region(index)?.read_at(offset, out)? {
            n if n == out.len() => Ok(()),
            _ => Err(Error::Region {
                index,
                access: Access::Read,
                offset,
                errno: Errno::EIO,
            }),
        }
    }

    fn region_map(&self, region: &RegionInfo, offset: u64, len: usize) -> Result<Memory> {
        self.region(region.index)?.map(offset, len)
    }

    fn irq_info(&self, index: u32) -> Result<IrqInfo> {
        Device::irq_info(self, index)
    }

    fn irq_eventfds(&self, index: u32, eventfds: &[BorrowedFd<'_>]) -> Result<()> {
        let eventfds: Vec<_> = eventfds.iter().copied().map(Some).collect();
        Device::irq_eventfds(self, index, 0, &eventfds)
    }

    fn irq_fire(&self, index: u32, start: u32, count: u32) -> Result<()> {
        Device::irq_fire(self, index, start, count)
    }

    fn dma_map(&self, iova: u64, len: usize) -> Result<Box<dyn Mapped + '_>> {
        let mapping = Device::dma_map(self, iova, Memory::anonymous(len)?)?;
        Ok(Box::new(mapping))
    }

    fn has_feature(&self, feature: u32, direction: Direction) -> Result<bool> {
        Device::has_feature(self, feature, direction)
    }

    fn feature_bytes(&self, flags: u32, argsz: u32, payload: &mut [u8]) -> Result<()> {
        Device::feature_bytes(self, flags, argsz, payload)
    }

    fn dma_logging_start(&self, page_size: u64, ranges: &[IovaRange]) -> Result<u64> {
        Device::dma_logging_start(self, page_size, ranges)
    }

    fn dma_logging_stop(&self) -> Result<()> {
        Device::dma_logging_stop(self)
    }

    fn dma_logging_report(
        &self,
        range: IovaRange,
        page_size: u64,
        bitmap: &mut [u64],
    ) -> Result<()> {
        Device::dma_logging_report(self, range, page_size, bitmap)
    }
}

impl Mapped for DmaMapping {
    fn memory(&self) -> &Memory {
        DmaMapping::memory(self)
    }
}
