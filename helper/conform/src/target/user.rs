// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device of a vfio-user server.

use std::{
    fs::File,
    os::fd::{
        AsFd,
        BorrowedFd, //
    },
    path::Path,
    sync::{
        Arc,
        Mutex,
        MutexGuard,
        PoisonError, //
    },
};

use nix::sys::memfd::{
    memfd_create,
    MFdFlags, //
};
use vmig_vfio::{
    uapi::{
        VFIO_DEVICE_FEATURE_GET,
        VFIO_DEVICE_FEATURE_PROBE,
        VFIO_DEVICE_FEATURE_SET,
        VFIO_DMA_MAP_FLAG_READ,
        VFIO_DMA_MAP_FLAG_WRITE,
        VFIO_IRQ_SET_ACTION_TRIGGER,
        VFIO_IRQ_SET_DATA_EVENTFD,
        VFIO_IRQ_SET_DATA_NONE, //
    },
    Device,
    DeviceInfo,
    Direction,
    Errno,
    Error,
    IovaRange,
    IrqInfo,
    Memory,
    MigrationFlags,
    RegionInfo,
    State, //
};
use vmig_vfio_user::{
    client,
    dirty::Range,
    message::{
        DmaMap,
        Wire, //
    },
    Client, //
};

use super::{
    Mapped,
    Result,
    Session,
    Target, //
};

/// A connection that the device and its transfers share.
type Shared = Arc<Mutex<Client>>;

/// A device behind a socket.
pub(super) struct Remote {
    client: Shared,
    name: String,
}

impl Remote {
    /// Connects to the server at `socket` and resets its device.
    pub(super) fn connect(socket: &Path) -> Result<Self> {
        let mut client = Client::connect(socket)?;
        client.reset()?;
        Ok(Self {
            client: Arc::new(Mutex::new(client)),
            name: socket.display().to_string(),
        })
    }

    fn client(&self) -> MutexGuard<'_, Client> {
        lock(&self.client)
    }

    fn set_irqs(
        &self,
        index: u32,
        flags: u32,
        range: (u32, u32),
        files: &[BorrowedFd<'_>],
    ) -> Result<()> {
        let flags = flags | VFIO_IRQ_SET_ACTION_TRIGGER;
        Ok(self.client().set_irqs(index, flags, range, &[], files)?)
    }
}

/// Between two calls the connection is as good as it was, whoever panicked.
fn lock(client: &Mutex<Client>) -> MutexGuard<'_, Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner)
}

fn malformed(what: impl std::fmt::Display) -> Error {
    Error::Remote {
        errno: None,
        message: format!("vfio-user: malformed answer: {what}"),
    }
}

impl Target for Remote {
    fn kernel(&self) -> Option<&Device> {
        None
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn migration_flags(&self) -> Result<Option<MigrationFlags>> {
        match self.client().migration_flags() {
            Ok(flags) => Ok(Some(MigrationFlags(flags))),
            Err(e) if e.errno() == Some(Errno::ENOTTY) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn state(&self) -> Result<State> {
        let state = u32::from(self.client().state()?);
        State::try_from(state).map_err(|number| malformed(format!("state {number}")))
    }

    fn set_state_number(&self, to: u32) -> Result<Option<Session>> {
        self.client().set_state_number(to)?;
        Ok(None)
    }

    fn transfer(&self) -> Option<Session> {
        Some(Session::Messages(Messages(self.client.clone())))
    }

    fn data_size(&self) -> Result<u64> {
        Ok(self.client().data_size()?)
    }

    fn reset(&self) -> Result<()> {
        Ok(self.client().reset()?)
    }

    fn info(&self) -> Result<DeviceInfo> {
        let info = self.client().info()?;
        Ok(DeviceInfo {
            flags: info.flags,
            regions: info.num_regions,
            irqs: info.num_irqs,
        })
    }

    fn region_info(&self, index: u32) -> Result<RegionInfo> {
        let (info, caps, _) = self.client().region_info(index)?;
        let mut bytes = info.bytes();
        bytes.extend(caps);
        RegionInfo::parse(&bytes).map_err(malformed)
    }

    fn region_read(&self, region: &RegionInfo, offset: u64, out: &mut [u8]) -> Result<()> {
        Ok(self.client().region_read(region.index, offset, out)?)
    }

    fn region_map(&self, region: &RegionInfo, offset: u64, len: usize) -> Result<Memory> {
        let (info, _, file) = self.client().region_info(region.index)?;
        let file = file.ok_or_else(|| malformed("a region to map comes without a file"))?;
        let offset = info.offset.checked_add(offset);
        let offset = offset.ok_or_else(|| malformed("a region beyond the end of its file"))?;
        Memory::shared(file.as_fd(), offset, len)
    }

    fn irq_info(&self, index: u32) -> Result<IrqInfo> {
        let info = self.client().irq_info(index)?;
        Ok(IrqInfo {
            index: info.index,
            flags: info.flags,
            count: info.count,
        })
    }

    fn irq_eventfds(&self, index: u32, eventfds: &[BorrowedFd<'_>]) -> Result<()> {
        let count = u32::try_from(eventfds.len()).unwrap_or(u32::MAX);
        self.set_irqs(index, VFIO_IRQ_SET_DATA_EVENTFD, (0, count), eventfds)
    }

    fn irq_fire(&self, index: u32, start: u32, count: u32) -> Result<()> {
        self.set_irqs(index, VFIO_IRQ_SET_DATA_NONE, (start, count), &[])
    }

    fn dma_map(&self, iova: u64, len: usize) -> Result<Box<dyn Mapped + '_>> {
        let failed = |errno| Error::Memory { len, errno };
        let file = memfd_create(c"conform", MFdFlags::MFD_CLOEXEC).map_err(failed)?;
        let file = File::from(file);
        let size = u64::try_from(len).unwrap_or(u64::MAX);
        let sized = file.set_len(size);
        sized.map_err(|e| failed(e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))?;
        let memory = Memory::shared(file.as_fd(), 0, len)?;
        let map = DmaMap {
            argsz: u32::try_from(DmaMap::LEN).unwrap_or(u32::MAX),
            flags: VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
            offset: 0,
            address: iova,
            size,
        };
        self.client().dma_map(&map, Some(file.as_fd()))?;
        Ok(Box::new(Mapping {
            client: &self.client,
            iova,
            size,
            memory,
        }))
    }

    /// As with the kernel's devices, where two errnos say no; here any does.
    fn has_feature(&self, feature: u32, direction: Direction) -> Result<bool> {
        let direction = match direction {
            Direction::Get => VFIO_DEVICE_FEATURE_GET,
            Direction::Set => VFIO_DEVICE_FEATURE_SET,
            Direction::Both => VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
        };
        let flags = feature | direction | VFIO_DEVICE_FEATURE_PROBE;
        match self.client().feature(flags, &[]) {
            Ok(_) => Ok(true),
            Err(client::Error::Refused { .. }) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn feature_bytes(&self, flags: u32, argsz: u32, payload: &mut [u8]) -> Result<()> {
        let answer = self.client().feature_within(argsz, flags, payload)?;
        for (to, from) in payload.iter_mut().zip(answer) {
            *to = from;
        }
        Ok(())
    }

    fn dma_logging_start(&self, page_size: u64, ranges: &[IovaRange]) -> Result<u64> {
        let range = |range: &IovaRange| Range {
            first: range.iova,
            // The client makes the same length of it again, whatever that is.
            last: range.iova.wrapping_add(range.length).wrapping_sub(1),
        };
        let ranges: Vec<_> = ranges.iter().map(range).collect();
        Ok(self.client().logging_start(page_size, &ranges)?)
    }

    fn dma_logging_stop(&self) -> Result<()> {
        Ok(self.client().logging_stop()?)
    }

    fn dma_logging_report(
        &self,
        range: IovaRange,
        page_size: u64,
        bitmap: &mut [u64],
    ) -> Result<()> {
        let IovaRange { iova, length } = range;
        let bytes = self.client().logging_report(iova, length, page_size)?;
        for (word, bytes) in bitmap.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            for (to, from) in whole.iter_mut().zip(bytes) {
                *to = *from;
            }
            *word |= u64::from_le_bytes(whole);
        }
        Ok(())
    }
}

/// Memory that a server's device may reach, until this is dropped.
struct Mapping<'a> {
    client: &'a Mutex<Client>,
    iova: u64,
    size: u64,
    memory: Memory,
}

impl Mapped for Mapping<'_> {
    fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Drop for Mapping<'_> {
    fn drop(&mut self) {
        // A server that does not let go of it keeps a file that nobody uses any more.
        let _ = lock(self.client).dma_unmap(self.iova, self.size);
    }
}

/// The transfer that goes on on a connection, in either direction.
pub(crate) struct Messages(Shared);

impl Messages {
    /// Reads migration data; a short answer is the end, in pre-copy for now.
    pub(super) fn read(&self, out: &mut [u8]) -> Result<usize> {
        Ok(lock(&self.0).data_read(out)?)
    }

    /// Writes all of `data`.
    pub(super) fn write(&self, data: &[u8]) -> Result<usize> {
        lock(&self.0).data_write(data)?;
        Ok(data.len())
    }
}
