// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the statements need of a device, whatever carries it: the kernel's VFIO, or vfio-user.
//!
//! The messages of vfio-user stand for the calls of `linux/vfio.h`, and mean the same. What they have
//! no form for is [`Target::kernel`]'s, and the statements that are about nothing else say so in the
//! catalogue ([`crate::Statement::kernel_only`]).
//!
//! | | kernel | vfio-user |
//! |---|---|---|
//! | a transfer | a file of its own | messages on the one connection |
//! | its end for now, in PRE_COPY | `ENOMSG` | a short reply |
//! | a refusal | the errno that the uAPI says | an errno, which the protocol leaves open |

mod kernel;
mod user;

use std::os::fd::BorrowedFd;

use vmig_vfio::{
    DataFile,
    Device,
    DeviceInfo,
    Direction,
    Errno,
    Error,
    IovaRange,
    IrqInfo,
    Memory,
    MigrationFlags,
    PrecopyInfo,
    RegionInfo,
    State, //
};

use crate::{
    bench::Options,
    verdict::{
        skip,
        Unheld, //
    },
};

/// Result of a call of the device.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// A device under test that is open. What the methods do, and how they fail, is said at those of
/// [`Device`].
pub(crate) trait Target: Sync {
    /// The device as the kernel has it; `None` over vfio-user.
    fn kernel(&self) -> Option<&Device>;

    /// Its name, for people.
    fn name(&self) -> &str;

    /// As [`Device::migration_flags`]; `None` if the device has no migration.
    fn migration_flags(&self) -> Result<Option<MigrationFlags>>;

    fn state(&self) -> Result<State>;

    /// As [`Device::set_state_number`]. A session is returned only where it is a file.
    fn set_state_number(&self, to: u32) -> Result<Option<Session>>;

    /// The transfer that goes on, where it has no file.
    fn transfer(&self) -> Option<Session>;

    fn data_size(&self) -> Result<u64>;

    fn reset(&self) -> Result<()>;

    fn info(&self) -> Result<DeviceInfo>;

    fn region_info(&self, index: u32) -> Result<RegionInfo>;

    /// Reads all of `out` in one access.
    fn region_read(&self, region: &RegionInfo, offset: u64, out: &mut [u8]) -> Result<()>;

    /// As [`vmig_vfio::Region::map`].
    fn region_map(&self, region: &RegionInfo, offset: u64, len: usize) -> Result<Memory>;

    fn irq_info(&self, index: u32) -> Result<IrqInfo>;

    /// As [`Device::irq_eventfds`], from the first vector on.
    fn irq_eventfds(&self, index: u32, eventfds: &[BorrowedFd<'_>]) -> Result<()>;

    fn irq_fire(&self, index: u32, start: u32, count: u32) -> Result<()>;

    /// Memory of `len` bytes that the device may reach at `iova`.
    fn dma_map(&self, iova: u64, len: usize) -> Result<Box<dyn Mapped + '_>>;

    fn has_feature(&self, feature: u32, direction: Direction) -> Result<bool>;

    /// As [`Device::feature_bytes`].
    fn feature_bytes(&self, flags: u32, argsz: u32, payload: &mut [u8]) -> Result<()>;

    fn dma_logging_start(&self, page_size: u64, ranges: &[IovaRange]) -> Result<u64>;

    fn dma_logging_stop(&self) -> Result<()>;

    fn dma_logging_report(
        &self,
        range: IovaRange,
        page_size: u64,
        bitmap: &mut [u64],
    ) -> Result<()>;

    /// As [`Device::set_state`].
    fn set_state(&self, to: State) -> Result<Option<Session>> {
        self.set_state_number(to as u32)
    }

    /// As [`Device::irq_disable`].
    fn irq_disable(&self, index: u32) -> Result<()> {
        self.irq_fire(index, 0, 0)
    }

    /// One access of 4 bytes.
    fn region_u32(&self, region: &RegionInfo, offset: u64) -> Result<u32> {
        let mut out = [0; 4];
        self.region_read(region, offset, &mut out)?;
        Ok(u32::from_le_bytes(out))
    }
}

/// Memory that a device may reach as long as this lives.
pub(crate) trait Mapped {
    /// For this program's own accesses.
    fn memory(&self) -> &Memory;
}

/// A data transfer.
pub(crate) enum Session {
    /// Of the kernel.
    File(DataFile),
    /// Of vfio-user: whichever goes on on the connection.
    Messages(user::Messages),
}

impl Session {
    /// As [`DataFile::read`].
    pub(crate) fn read(&self, out: &mut [u8]) -> Result<usize> {
        match self {
            Self::File(file) => file.read(out),
            Self::Messages(messages) => messages.read(out),
        }
    }

    /// As [`DataFile::write`].
    pub(crate) fn write(&self, data: &[u8]) -> Result<usize> {
        match self {
            Self::File(file) => file.write(data),
            Self::Messages(messages) => messages.write(data),
        }
    }

    /// As [`DataFile::write_all`].
    pub(crate) fn write_all(&self, data: &[u8]) -> Result<()> {
        match self {
            Self::File(file) => file.write_all(data),
            Self::Messages(messages) => messages.write(data).map(drop),
        }
    }

    /// As [`DataFile::precopy_info`].
    pub(crate) fn precopy_info(&self) -> Result<PrecopyInfo> {
        self.precopy_info_with(PrecopyInfo::default())
    }

    /// As [`DataFile::precopy_info_with`].
    pub(crate) fn precopy_info_with(&self, before: PrecopyInfo) -> Result<PrecopyInfo> {
        match self {
            Self::File(file) => file.precopy_info_with(before),
            Self::Messages(_) => Err(Error::Remote {
                errno: Some(Errno::ENOTTY),
                message: "vfio-user has no VFIO_MIG_GET_PRECOPY_INFO".to_owned(),
            }),
        }
    }

    /// Initial bytes that are left, where that can be asked.
    pub(crate) fn initial_bytes(&self) -> Option<Result<u64>> {
        match self {
            Self::File(file) => Some(file.precopy_info().map(|info| info.initial_bytes)),
            Self::Messages(_) => None,
        }
    }

    /// The file, for what only a file can do.
    pub(crate) fn file(&self) -> Result<&DataFile, Unheld> {
        match self {
            Self::File(file) => Ok(file),
            Self::Messages(_) => Err(skip("there is no data_fd over vfio-user")),
        }
    }
}

/// Opens the device under test. Over vfio-user it is reset: nobody knows what the last client left.
pub(crate) fn open(options: &Options) -> Result<Box<dyn Target>> {
    Ok(match &options.socket {
        Some(socket) => Box::new(user::Remote::connect(socket)?),
        None => Box::new(Device::open(
            &options.roots,
            &options.directory,
            options.attach,
        )?),
    })
}
