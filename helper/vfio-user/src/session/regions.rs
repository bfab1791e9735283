// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Regions: information, reads, writes.

use nix::errno::Errno;
use vmig_model::device::{
    Device,
    Region, //
};

use super::{
    errno,
    short,
    Reply,
    Session, //
};
use crate::{
    message::{
        uapi::{
            vfio_info_cap_header,
            vfio_region_info,
            vfio_region_sparse_mmap_area,
            VFIO_PCI_BAR0_REGION_INDEX,
            VFIO_PCI_BAR5_REGION_INDEX,
            VFIO_PCI_CONFIG_REGION_INDEX,
            VFIO_PCI_NUM_REGIONS,
            VFIO_REGION_INFO_CAP_SPARSE_MMAP,
            VFIO_REGION_INFO_FLAG_CAPS,
            VFIO_REGION_INFO_FLAG_MMAP,
            VFIO_REGION_INFO_FLAG_READ,
            VFIO_REGION_INFO_FLAG_WRITE, //
        },
        RegionAccess,
        RegionIoFds,
        RegionWrite,
        Wire,
        WriteCount, //
    },
    server::Shared,
    version::Capabilities,
};

/// The region with this index; `None` if no device of ours has it.
fn region(index: u32) -> Result<Option<Region>, Errno> {
    match index {
        VFIO_PCI_CONFIG_REGION_INDEX => Ok(Some(Region::Config)),
        VFIO_PCI_BAR0_REGION_INDEX..=VFIO_PCI_BAR5_REGION_INDEX => {
            let bar = u8::try_from(index).map_err(|_| Errno::EINVAL)?;
            Ok(Some(Region::Bar(bar)))
        }
        index if index < VFIO_PCI_NUM_REGIONS => Ok(None),
        _ => Err(Errno::EINVAL),
    }
}

/// `DEVICE_GET_REGION_IO_FDS`: no region has any.
pub(super) fn io_fds(body: &[u8]) -> Result<Reply, Errno> {
    let (asked, _) = RegionIoFds::split(body)?;
    region(asked.index)?;
    if short(asked.argsz, RegionIoFds::LEN) || asked.flags != 0 || asked.count != 0 {
        return Err(Errno::EINVAL);
    }
    let none = RegionIoFds {
        argsz: u32::try_from(RegionIoFds::LEN).unwrap_or(u32::MAX),
        flags: 0,
        index: asked.index,
        count: 0,
    };
    Ok(none.bytes().into())
}

impl<D: Device> Session<'_, D> {
    /// `DEVICE_GET_REGION_INFO`. A reply that has no room for the capabilities says how much it takes,
    /// and has no file either: it will be asked for again. A client that takes no file maps nothing.
    pub(super) fn region_info(
        &mut self,
        body: &[u8],
        client: &Capabilities,
    ) -> Result<Reply, Errno> {
        let (asked, _) = vfio_region_info::split(body)?;
        if short(asked.argsz, vfio_region_info::LEN) {
            return Err(Errno::EINVAL);
        }
        let mut info = vfio_region_info {
            index: asked.index,
            ..Default::default()
        };
        let mut caps = Vec::new();
        let mut file = None;
        if let Some(region) = region(asked.index)? {
            let found = self.engine.device().region(region);
            info.size = found.size;
            if found.access {
                info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
            }
            let shared = self.shared.iter().find(|shared| shared.region == region);
            if let Some(shared) = shared.filter(|_| found.mmap && client.max_msg_fds > 0) {
                info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
                info.offset = shared.offset;
                caps = sparse(shared);
                let copy = shared.file.try_clone().map_err(|_| Errno::EMFILE)?;
                file = Some(copy);
            }
        }
        let full = vfio_region_info::LEN.saturating_add(caps.len());
        info.argsz = u32::try_from(full).map_err(|_| Errno::EINVAL)?;
        if !caps.is_empty() {
            if short(asked.argsz, full) {
                caps.clear();
                file = None;
            } else {
                // Not without them: QEMU takes the flag for their being there.
                info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
                info.cap_offset = u32::try_from(vfio_region_info::LEN).unwrap_or(u32::MAX);
            }
        }
        let mut body = info.bytes();
        body.extend(caps);
        Ok(Reply { body, file })
    }

    /// `REGION_READ`.
    pub(super) fn region_read(&mut self, body: &[u8]) -> Result<Reply, Errno> {
        let (access, rest) = RegionAccess::split(body)?;
        let count = Capabilities::ours().transfer(access.count.into())?;
        if !rest.is_empty() {
            return Err(Errno::EINVAL);
        }
        let region = region(access.region)?.ok_or(Errno::EINVAL)?;
        let mut data = vec![0; count];
        let read = self.engine.region_read(region, access.offset, &mut data);
        read.map_err(errno)?;
        let mut body = access.bytes();
        body.append(&mut data);
        Ok(body.into())
    }

    /// `REGION_WRITE`.
    pub(super) fn region_write(&mut self, body: &[u8]) -> Result<Reply, Errno> {
        let (access, data) = RegionAccess::split(body)?;
        if Capabilities::ours().transfer(access.count.into())? != data.len() {
            return Err(Errno::EINVAL);
        }
        self.write(access.region, access.offset, data)?;
        Ok(access.bytes().into())
    }

    /// `REGION_WRITE_MULTI`. The writes have nothing to do with each other, so one that fails does not
    /// keep the rest from being done; the reply counts those that were, and is an error only if there
    /// are none.
    pub(super) fn region_write_multi(&mut self, body: &[u8]) -> Result<Reply, Errno> {
        let (WriteCount { count }, mut rest) = WriteCount::split(body)?;
        let len = usize::try_from(count).ok();
        let len = len.and_then(|count| count.checked_mul(RegionWrite::LEN));
        if len != Some(rest.len()) {
            return Err(Errno::EINVAL);
        }
        let mut done = WriteCount::default();
        let mut failed = None;
        while !rest.is_empty() {
            let (write, after) = RegionWrite::split(rest)?;
            let data = write.data.to_ne_bytes();
            let result = match usize::try_from(write.count)
                .ok()
                .and_then(|n| data.get(..n))
            {
                Some(data) => self.write(write.region, write.offset, data),
                None => Err(Errno::EINVAL),
            };
            match result {
                Ok(()) => done.count = done.count.saturating_add(1),
                Err(errno) => failed = failed.or(Some(errno)),
            }
            rest = after;
        }
        match failed {
            Some(errno) if done.count == 0 => Err(errno),
            _ => Ok(done.bytes().into()),
        }
    }

    fn write(&mut self, index: u32, at: u64, data: &[u8]) -> Result<(), Errno> {
        let region = region(index)?.ok_or(Errno::EINVAL)?;
        self.engine.region_write(region, at, data).map_err(errno)
    }
}

/// The capability that says which parts of a region can be mapped; nothing if all can.
fn sparse(shared: &Shared) -> Vec<u8> {
    let mut caps = Vec::new();
    if let Ok(areas @ 1..) = u32::try_from(shared.areas.len()) {
        let header = vfio_info_cap_header {
            id: u16::try_from(VFIO_REGION_INFO_CAP_SPARSE_MMAP).unwrap_or_default(),
            version: 1,
            next: 0,
        };
        header.encode(&mut caps);
        caps.extend(areas.to_ne_bytes());
        caps.extend([0; 4]);
        for (offset, size) in &shared.areas {
            let area = vfio_region_sparse_mmap_area {
                offset: *offset,
                size: *size,
            };
            area.encode(&mut caps);
        }
    }
    caps
}
