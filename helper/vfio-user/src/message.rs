// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Messages: numbers, structures, and their bytes.
//!
//! All integers are of the host's byte order, as the protocol has it: both ends are on one machine.
//! What `linux/vfio.h` defines is taken from there; the rest is from QEMU's
//! `docs/interop/vfio-user.rst`, which names no C header.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
/// Structures and constants of `linux/vfio.h`.
pub use vfio_bindings::bindings::vfio as uapi;

use uapi::{
    vfio_device_feature_dma_logging_control,
    vfio_device_feature_dma_logging_range,
    vfio_device_feature_dma_logging_report,
    vfio_device_feature_mig_data_size,
    vfio_device_feature_mig_state,
    vfio_device_feature_migration,
    vfio_device_info,
    vfio_info_cap_header,
    vfio_iommu_type1_dma_unmap,
    vfio_irq_info,
    vfio_irq_set,
    vfio_region_info,
    vfio_region_sparse_mmap_area, //
};

/// Largest `count` of a transfer that either side of this crate takes, in bytes: 1 MiB, the
/// protocol's own default.
pub const DATA_MAX: usize = 1 << 20;

/// Longest message without its header: the largest transfer and the structures in front of it.
pub const BODY_MAX: usize = DATA_MAX + 4096;

/// Most files that come with one message. QEMU refuses a server that says more.
pub const FILES_MAX: usize = 16;

/// A command of the protocol, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Command {
    /// `VFIO_USER_VERSION`
    Version = 1,
    /// `VFIO_USER_DMA_MAP`
    DmaMap = 2,
    /// `VFIO_USER_DMA_UNMAP`
    DmaUnmap = 3,
    /// `VFIO_USER_DEVICE_GET_INFO`
    GetInfo = 4,
    /// `VFIO_USER_DEVICE_GET_REGION_INFO`
    GetRegionInfo = 5,
    /// `VFIO_USER_DEVICE_GET_REGION_IO_FDS`
    GetRegionIoFds = 6,
    /// `VFIO_USER_DEVICE_GET_IRQ_INFO`
    GetIrqInfo = 7,
    /// `VFIO_USER_DEVICE_SET_IRQS`
    SetIrqs = 8,
    /// `VFIO_USER_REGION_READ`
    RegionRead = 9,
    /// `VFIO_USER_REGION_WRITE`
    RegionWrite = 10,
    /// `VFIO_USER_DMA_READ`, from server to client
    DmaRead = 11,
    /// `VFIO_USER_DMA_WRITE`, from server to client
    DmaWrite = 12,
    /// `VFIO_USER_DEVICE_RESET`
    Reset = 13,
    /// `VFIO_USER_REGION_WRITE_MULTI`
    RegionWriteMulti = 15,
    /// `VFIO_USER_DEVICE_FEATURE`
    Feature = 16,
    /// `VFIO_USER_MIG_DATA_READ`
    MigDataRead = 17,
    /// `VFIO_USER_MIG_DATA_WRITE`
    MigDataWrite = 18,
}

impl Command {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::Version,
        Self::DmaMap,
        Self::DmaUnmap,
        Self::GetInfo,
        Self::GetRegionInfo,
        Self::GetRegionIoFds,
        Self::GetIrqInfo,
        Self::SetIrqs,
        Self::RegionRead,
        Self::RegionWrite,
        Self::DmaRead,
        Self::DmaWrite,
        Self::Reset,
        Self::RegionWriteMulti,
        Self::Feature,
        Self::MigDataRead,
        Self::MigDataWrite,
    ];

    /// Its number.
    #[expect(clippy::as_conversions, reason = "the numbers are the enum's own")]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl TryFrom<u16> for Command {
    type Error = Errno;

    /// # Errors
    ///
    /// `ENOSYS`: there is no such command.
    fn try_from(number: u16) -> Result<Self, Errno> {
        let found = Self::ALL.into_iter().find(|one| one.number() == number);
        found.ok_or(Errno::ENOSYS)
    }
}

/// Bits of [`Header::flags`] with the type of the message.
pub const TYPE_MASK: u32 = 0xf;
/// Type of a command.
pub const TYPE_COMMAND: u32 = 0;
/// Type of a reply.
pub const TYPE_REPLY: u32 = 1;
/// Flag of a command that wants no reply.
pub const NO_REPLY: u32 = 1 << 4;
/// Flag of a reply that says that the command failed.
pub const ERROR: u32 = 1 << 5;

/// A structure with a fixed form on the wire.
pub trait Wire: Sized {
    /// Its length in bytes.
    const LEN: usize;

    /// Reads it from the beginning of `bytes`; `None` if there are fewer than [`Wire::LEN`].
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// Appends its bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// Its bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        self.encode(&mut out);
        out
    }

    /// Reads it from the beginning of `bytes`, and returns what follows it.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is not that much.
    fn split(bytes: &[u8]) -> Result<(Self, &[u8]), Errno> {
        let value = Self::decode(bytes).ok_or(Errno::EINVAL)?;
        Ok((value, bytes.get(Self::LEN..).unwrap_or_default()))
    }
}

/// Takes the first `N` bytes off `bytes`.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}

/// Implements [`Wire`] for a structure whose fields follow each other without gaps. Fields that the
/// structure has, but not the wire, are left at their defaults.
macro_rules! wire {
    ($($type:ident { $($field:ident: $int:ident),* $(,)? })*) => { $(
        impl Wire for $type {
            const LEN: usize = 0 $(+ size_of::<$int>())*;

            fn decode(mut bytes: &[u8]) -> Option<Self> {
                let mut value = Self::default();
                $( value.$field = $int::from_ne_bytes(take(&mut bytes)?); )*
                Some(value)
            }

            fn encode(&self, out: &mut Vec<u8>) {
                $( out.extend_from_slice(&self.$field.to_ne_bytes()); )*
            }
        }
    )* };
}

/// The header of every message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Number that the sender gave it; its reply has the same.
    pub id: u16,
    /// Number of the command.
    pub command: u16,
    /// Length of the message in bytes, header included.
    pub size: u32,
    /// Type and flags.
    pub flags: u32,
    /// Errno of a failed command, in its reply.
    pub error: u32,
}

impl Header {
    /// The header of a command without flags; its size is filled in when it is sent.
    pub fn command(command: Command, id: u16) -> Self {
        Self {
            id,
            command: command.number(),
            ..Self::default()
        }
    }

    /// The header of the reply to `self`.
    pub fn reply(&self) -> Self {
        Self {
            flags: TYPE_REPLY,
            size: 0,
            error: 0,
            ..*self
        }
    }

    /// The header of the reply that says that `self` failed with `errno`.
    pub fn refusal(&self, errno: Errno) -> Self {
        Self {
            flags: TYPE_REPLY | ERROR,
            size: 0,
            error: errno_number(errno),
            ..*self
        }
    }

    /// Its type.
    pub const fn kind(&self) -> u32 {
        self.flags & TYPE_MASK
    }
}

#[expect(
    clippy::as_conversions,
    reason = "nix's errnos are the system's numbers"
)]
fn errno_number(errno: Errno) -> u32 {
    (errno as i32).unsigned_abs()
}

/// A message that was received.
#[derive(Debug)]
pub struct Message {
    /// Its header.
    pub header: Header,
    /// What follows the header; empty if the message was too long to be kept.
    pub body: Vec<u8>,
    /// The files that came with it.
    pub files: Vec<OwnedFd>,
    /// What is wrong with its form: too long, or with too many files.
    pub flaw: Option<Errno>,
}

/// The first part of `VERSION`; JSON text and a NUL may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
}

/// `DMA_MAP`. The file, if there is one, comes with the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaMap {
    /// Length of this structure.
    pub argsz: u32,
    /// `VFIO_DMA_MAP_FLAG_READ` and `_WRITE`.
    pub flags: u32,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// First address.
    pub address: u64,
    /// Length in bytes.
    pub size: u64,
}

/// `REGION_READ` and `REGION_WRITE`; data follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionAccess {
    /// Offset in the region, in bytes.
    pub offset: u64,
    /// Index of the region.
    pub region: u32,
    /// Number of bytes.
    pub count: u32,
}

/// One write of `REGION_WRITE_MULTI`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionWrite {
    /// Offset in the region, in bytes.
    pub offset: u64,
    /// Index of the region.
    pub region: u32,
    /// Number of bytes, up to 8.
    pub count: u32,
    /// The bytes, as they lie in memory.
    pub data: u64,
}

/// `DMA_READ` and `DMA_WRITE`; data follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaAccess {
    /// First address.
    pub address: u64,
    /// Number of bytes.
    pub count: u64,
}

/// The reply to `DMA_WRITE`, whose count is shorter than that of the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DmaWritten {
    /// First address.
    pub address: u64,
    /// Number of bytes.
    pub count: u32,
}

impl From<DmaWritten> for DmaAccess {
    fn from(written: DmaWritten) -> Self {
        Self {
            address: written.address,
            count: written.count.into(),
        }
    }
}

/// `DEVICE_GET_REGION_IO_FDS`; descriptions of the files follow in the reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionIoFds {
    /// Longest reply that is wanted, or length of the reply.
    pub argsz: u32,
    /// Zero.
    pub flags: u32,
    /// Index of the region.
    pub index: u32,
    /// Number of descriptions.
    pub count: u32,
}

/// `DEVICE_FEATURE`, like `struct vfio_device_feature`; data follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feature {
    /// Longest reply that is wanted, or length of the reply.
    pub argsz: u32,
    /// Index of the feature, and `VFIO_DEVICE_FEATURE_*`.
    pub flags: u32,
}

/// `MIG_DATA_READ` and `MIG_DATA_WRITE`; data follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MigData {
    /// Longest reply that is wanted, or length of the reply.
    pub argsz: u32,
    /// Number of bytes.
    pub size: u32,
}

/// Number of writes in `REGION_WRITE_MULTI`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteCount {
    /// The number.
    pub count: u64,
}

wire! {
    Header { id: u16, command: u16, size: u32, flags: u32, error: u32 }
    Version { major: u16, minor: u16 }
    DmaMap { argsz: u32, flags: u32, offset: u64, address: u64, size: u64 }
    RegionAccess { offset: u64, region: u32, count: u32 }
    RegionWrite { offset: u64, region: u32, count: u32, data: u64 }
    DmaAccess { address: u64, count: u64 }
    DmaWritten { address: u64, count: u32 }
    RegionIoFds { argsz: u32, flags: u32, index: u32, count: u32 }
    Feature { argsz: u32, flags: u32 }
    MigData { argsz: u32, size: u32 }
    WriteCount { count: u64 }
    // The protocol's structure ends here; the header's has a chain of capabilities, too.
    vfio_device_info { argsz: u32, flags: u32, num_regions: u32, num_irqs: u32 }
    vfio_iommu_type1_dma_unmap { argsz: u32, flags: u32, iova: u64, size: u64 }
    vfio_region_info { argsz: u32, flags: u32, index: u32, cap_offset: u32, size: u64, offset: u64 }
    vfio_info_cap_header { id: u16, version: u16, next: u32 }
    vfio_region_sparse_mmap_area { offset: u64, size: u64 }
    vfio_irq_info { argsz: u32, flags: u32, index: u32, count: u32 }
    vfio_irq_set { argsz: u32, flags: u32, index: u32, start: u32, count: u32 }
    vfio_device_feature_migration { flags: u64 }
    vfio_device_feature_mig_state { device_state: u32, data_fd: i32 }
    vfio_device_feature_mig_data_size { stop_copy_length: u64 }
    // Ranges and bitmap follow here; in the header's structures there are their addresses.
    vfio_device_feature_dma_logging_control { page_size: u64, num_ranges: u32, __reserved: u32 }
    vfio_device_feature_dma_logging_range { iova: u64, length: u64 }
    vfio_device_feature_dma_logging_report { iova: u64, length: u64, page_size: u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_protocol() {
        let lengths = [
            (Header::LEN, 16),
            (Version::LEN, 4),
            (DmaMap::LEN, 32),
            (vfio_iommu_type1_dma_unmap::LEN, 24),
            (vfio_device_info::LEN, 16),
            (vfio_region_info::LEN, 32),
            (vfio_irq_info::LEN, 16),
            (vfio_irq_set::LEN, 20),
            (RegionAccess::LEN, 16),
            (RegionWrite::LEN, 24),
            (DmaAccess::LEN, 16),
            (Feature::LEN, 8),
            (vfio_device_feature_mig_state::LEN, 8),
            (vfio_device_feature_dma_logging_control::LEN, 16),
            (vfio_device_feature_dma_logging_report::LEN, 24),
            (MigData::LEN, 8),
        ];
        for (n, (found, expected)) in lengths.into_iter().enumerate() {
            assert_eq!(found, expected, "row {n}");
        }
    }

    #[test]
    fn fields_follow_each_other() {
        let header = Header {
            id: 0x0102,
            command: 9,
            size: 32,
            flags: NO_REPLY,
            error: 0,
        };
        let bytes = header.bytes();
        assert_eq!(bytes[..2], 0x0102_u16.to_ne_bytes());
        assert_eq!(bytes[4..8], 32_u32.to_ne_bytes());
        assert_eq!(Header::decode(&bytes), Some(header));
        for short in 0..bytes.len() {
            assert_eq!(Header::decode(&bytes[..short]), None);
        }
    }

    #[test]
    fn numbers_are_commands() {
        for number in 0..=40 {
            let found = Command::try_from(number);
            let known = matches!(number, 1..=13 | 15..=18);
            assert_eq!(found.is_ok(), known, "{number}");
            assert!(found.is_err() || found.map(Command::number) == Ok(number));
        }
    }
}
