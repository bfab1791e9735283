// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Regions of a device: BARs, config space, device-specific ones.
//!
//! C header: `include/uapi/linux/vfio.h`, `VFIO_DEVICE_GET_REGION_INFO`.

use std::io;
use std::mem::size_of;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::mman::ProtFlags;
use vfio_bindings::bindings::vfio::{
    vfio_region_info, VFIO_REGION_INFO_FLAG_CAPS, VFIO_REGION_INFO_FLAG_MMAP,
    VFIO_REGION_INFO_FLAG_READ, VFIO_REGION_INFO_FLAG_WRITE,
};

use crate::call::Call;
use crate::caps::{self, Area, Capability};
use crate::device::Device;
use crate::error::{errno_of, Access, Error, Result};
use crate::memory::Memory;
use crate::sys;

/// Longest answer that is asked for, header and capabilities, in bytes.
const MAX_INFO: usize = 64 * 1024;

/// What a region is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    /// Index, as given to the query.
    pub index: u32,
    /// `VFIO_REGION_INFO_FLAG_*`.
    pub flags: u32,
    /// Size in bytes; 0 for a region that the device does not have.
    pub size: u64,
    /// Offset of the region in the device's file.
    pub offset: u64,
    /// Its capabilities, in the order of the chain.
    pub capabilities: Vec<Capability>,
}

impl RegionInfo {
    /// May be read with read(2).
    pub fn readable(&self) -> bool {
        self.flags & VFIO_REGION_INFO_FLAG_READ != 0
    }

    /// May be written with write(2).
    pub fn writable(&self) -> bool {
        self.flags & VFIO_REGION_INFO_FLAG_WRITE != 0
    }

    /// What can be mapped: nothing, the areas of the sparse capability, or all of it.
    pub fn mappable(&self) -> Vec<Area> {
        if self.flags & VFIO_REGION_INFO_FLAG_MMAP == 0 {
            return Vec::new();
        }
        let sparse = self.capabilities.iter().find_map(|cap| match cap {
            Capability::SparseMmap(areas) => Some(areas.clone()),
            _ => None,
        });
        sparse.unwrap_or_else(|| {
            vec![Area {
                offset: 0,
                size: self.size,
            }]
        })
    }

    /// Type and subtype of a device-specific region.
    pub fn kind(&self) -> Option<(u32, u32)> {
        self.capabilities.iter().find_map(|cap| match cap {
            Capability::Type { kind, subtype } => Some((*kind, *subtype)),
            _ => None,
        })
    }

    /// Reads `struct vfio_region_info` and the capabilities behind it, as a driver has filled them in.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let short = "shorter than struct vfio_region_info";
        let u32_at = |at| caps::u32_at(bytes, at).ok_or(short);
        let u64_at = |at| caps::u64_at(bytes, at).ok_or(short);
        let flags = u32_at(4)?;
        let capabilities = match flags & VFIO_REGION_INFO_FLAG_CAPS {
            0 => Vec::new(),
            _ => caps::parse(bytes, u32_at(12)?)?,
        };
        Ok(Self {
            index: u32_at(8)?,
            flags,
            size: u64_at(16)?,
            offset: u64_at(24)?,
            capabilities,
        })
    }
}

/// Asks for region `index`: first for the size of the answer, then for the answer.
pub(crate) fn info(device: &Device, index: u32) -> Result<RegionInfo> {
    let call = Call::DeviceGetRegionInfo;
    let answer = |what| Error::Answer { call, what };
    let mut bytes = vec![0_u8; size_of::<vfio_region_info>()];
    // The chain may grow between two calls, if another user reconfigures the device.
    for _ in 0..4 {
        bytes[8..12].copy_from_slice(&index.to_ne_bytes());
        // SAFETY: struct vfio_region_info holds no address.
        unsafe { sys::ioctl_bytes(device.as_fd(), call, &mut bytes) }?;
        let needed = caps::u32_at(&bytes, 0).unwrap_or(0);
        let needed = usize::try_from(needed).unwrap_or(usize::MAX);
        if needed > MAX_INFO {
            return Err(answer("longer than any capability chain"));
        }
        if needed <= bytes.len() {
            return RegionInfo::parse(&bytes).map_err(answer);
        }
        bytes = vec![0; needed];
    }
    Err(answer("its size changes with every call"))
}

/// A region of an open device.
#[derive(Clone, Debug)]
pub struct Region<'a> {
    device: &'a Device,
    info: RegionInfo,
}

impl<'a> Region<'a> {
    pub(crate) fn new(device: &'a Device, info: RegionInfo) -> Self {
        Self { device, info }
    }

    /// What the kernel said about it.
    pub fn info(&self) -> &RegionInfo {
        &self.info
    }

    /// One pread(2) at `offset` inside the region; returns the number of bytes read.
    ///
    /// The range is not checked against the size of the region: that is the kernel's duty.
    ///
    /// # Errors
    ///
    /// What the kernel says; `EOVERFLOW` if there is no such file offset.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        self.retry(Access::Read, offset, |at| {
            self.device.file().read_at(out, at)
        })
    }

    /// One pwrite(2) at `offset` inside the region; returns the number of bytes taken.
    ///
    /// # Errors
    ///
    /// As [`Self::read_at`].
    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<usize> {
        self.retry(Access::Write, offset, |at| {
            self.device.file().write_at(data, at)
        })
    }

    /// One pread(2) of `len` bytes at `offset`, straight into mapped memory from `at` on.
    ///
    /// # Errors
    ///
    /// As [`Self::read_at`]; `EFAULT` for a range that the memory does not have.
    pub fn read_into(&self, offset: u64, memory: &Memory, at: usize, len: usize) -> Result<usize> {
        let position = self.position(Access::Read, offset)?;
        memory
            .fill(at, len, self.device.as_fd(), Some(position))
            .map_err(|errno| self.error(Access::Read, offset, errno))
    }

    /// One pwrite(2) of `len` bytes to `offset`, straight from mapped memory from `at` on.
    ///
    /// # Errors
    ///
    /// As [`Self::write_at`]; `EFAULT` for a range that the memory does not have.
    pub fn write_from(&self, offset: u64, memory: &Memory, at: usize, len: usize) -> Result<usize> {
        let position = self.position(Access::Write, offset)?;
        memory
            .drain(at, len, self.device.as_fd(), Some(position))
            .map_err(|errno| self.error(Access::Write, offset, errno))
    }

    /// Reads `N` bytes in one access.
    ///
    /// # Errors
    ///
    /// As [`Self::read_at`]; `EIO` for a short read.
    pub fn read<const N: usize>(&self, offset: u64) -> Result<[u8; N]> {
        let mut out = [0; N];
        match self.read_at(offset, &mut out)? {
            n if n == N => Ok(out),
            _ => Err(self.error(Access::Read, offset, Errno::EIO)),
        }
    }

    /// Writes all of `data` in one access.
    ///
    /// # Errors
    ///
    /// As [`Self::write_at`]; `EIO` for a short write.
    pub fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        match self.write_at(offset, data)? {
            n if n == data.len() => Ok(()),
            _ => Err(self.error(Access::Write, offset, Errno::EIO)),
        }
    }

    /// Reads one byte. This and those below fail as [`Self::read`] and [`Self::write`] do.
    pub fn read_u8(&self, offset: u64) -> Result<u8> {
        Ok(u8::from_le_bytes(self.read(offset)?))
    }

    /// Reads a little-endian 16-bit word.
    pub fn read_u16(&self, offset: u64) -> Result<u16> {
        Ok(u16::from_le_bytes(self.read(offset)?))
    }

    /// Reads a little-endian 32-bit word.
    pub fn read_u32(&self, offset: u64) -> Result<u32> {
        Ok(u32::from_le_bytes(self.read(offset)?))
    }

    /// Reads a little-endian 64-bit word.
    pub fn read_u64(&self, offset: u64) -> Result<u64> {
        Ok(u64::from_le_bytes(self.read(offset)?))
    }

    /// Writes one byte.
    pub fn write_u8(&self, offset: u64, value: u8) -> Result<()> {
        self.write(offset, &value.to_le_bytes())
    }

    /// Writes a little-endian 16-bit word.
    pub fn write_u16(&self, offset: u64, value: u16) -> Result<()> {
        self.write(offset, &value.to_le_bytes())
    }

    /// Writes a little-endian 32-bit word.
    pub fn write_u32(&self, offset: u64, value: u32) -> Result<()> {
        self.write(offset, &value.to_le_bytes())
    }

    /// Writes a little-endian 64-bit word.
    pub fn write_u64(&self, offset: u64, value: u64) -> Result<()> {
        self.write(offset, &value.to_le_bytes())
    }

    /// Maps `len` bytes from `offset` on, readable and writable as the region is.
    ///
    /// # Errors
    ///
    /// What mmap(2) says; `EOVERFLOW` if there is no such file offset.
    pub fn map(&self, offset: u64, len: usize) -> Result<Memory> {
        let mut prot = ProtFlags::PROT_NONE;
        prot.set(ProtFlags::PROT_READ, self.info.readable());
        prot.set(ProtFlags::PROT_WRITE, self.info.writable());
        let at = self.position(Access::Map, offset)?;
        Memory::of_file(self.device.as_fd(), at, len, prot)
            .map_err(|errno| self.error(Access::Map, offset, errno))
    }

    fn retry(
        &self,
        access: Access,
        offset: u64,
        mut transfer: impl FnMut(u64) -> io::Result<usize>,
    ) -> Result<usize> {
        let at = self.position(access, offset)?;
        loop {
            match transfer(at) {
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.error(access, offset, errno_of(&e))),
            }
        }
    }

    fn position(&self, access: Access, offset: u64) -> Result<u64> {
        self.info
            .offset
            .checked_add(offset)
            .ok_or_else(|| self.error(access, offset, Errno::EOVERFLOW))
    }

    fn error(&self, access: Access, offset: u64, errno: Errno) -> Error {
        Error::Region {
            index: self.info.index,
            access,
            offset,
            errno,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// struct vfio_region_info of region 9, with a type and a sparse capability.
    fn answer() -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [80_u32, 0xf, 9, 32] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        for word in [0x2000_u64, 9 << 40] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        for word in [2_u32 | (1 << 16), 48, 3, 1, 1 | (1 << 16), 0, 1, 0] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        for word in [0x1000_u64, 0x1000] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn an_answer_is_read_whole() {
        let info = RegionInfo::parse(&answer()).unwrap();
        assert_eq!((info.index, info.size, info.offset), (9, 0x2000, 9 << 40));
        assert_eq!(info.kind(), Some((3, 1)));
        assert_eq!(
            info.mappable(),
            [Area {
                offset: 0x1000,
                size: 0x1000
            }]
        );
    }

    #[test]
    fn without_the_flag_the_chain_is_not_followed() {
        let mut bytes = answer();
        bytes[4] = 0x7;
        let info = RegionInfo::parse(&bytes).unwrap();
        assert_eq!(info.capabilities, []);
        assert_eq!(
            info.mappable(),
            [Area {
                offset: 0,
                size: 0x2000
            }]
        );
        bytes[4] = 0x3;
        assert_eq!(RegionInfo::parse(&bytes).unwrap().mappable(), []);
    }

    #[test]
    fn a_short_answer_is_refused() {
        for len in 0..answer().len() {
            assert!(RegionInfo::parse(&answer()[..len]).is_err(), "{len} bytes");
        }
    }
}
