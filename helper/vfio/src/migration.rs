// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration protocol version 2: states, the data file, sizes.
//!
//! C header: `include/uapi/linux/vfio.h`, `VFIO_DEVICE_FEATURE_MIGRATION` and following, which
//! has the meaning of the states and the rules of the arcs.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use vfio_bindings::bindings::vfio as uapi;
use vfio_bindings::bindings::vfio::{
    vfio_device_feature_mig_data_size, vfio_device_feature_mig_state,
    vfio_device_feature_migration, vfio_precopy_info, VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2,
    VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_MIGRATION, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
    VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, VFIO_MIGRATION_P2P, VFIO_MIGRATION_PRE_COPY,
    VFIO_MIGRATION_STOP_COPY, VFIO_PRECOPY_INFO_REINIT,
};

use crate::call::Call;
use crate::device::Device;
use crate::error::{errno_of, Access, Error, Result};
use crate::memory::Memory;
use crate::sys;

/// State of a device, `enum vfio_device_mig_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum State {
    /// The device has failed and must be reset.
    Error = uapi::vfio_device_mig_state_VFIO_DEVICE_STATE_ERROR,
    /// The device changes neither its own state nor anything outside.
    Stop = uapi::vfio_device_mig_state_VFIO_DEVICE_STATE_STOP,
    /// Normal operation.
    Running = uapi::vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING,
    /// Stopped; its state can be read out.
    StopCopy = uapi::vfio_device_mig_state_VFIO_DEVICE_STATE_STOP_COPY,
    /// Stopped; a new state is written to it.
    Resuming = uapi::vfio_device_mig_state_VFIO_DEVICE_STATE_RESUMING,
    /// Running without peer-to-peer DMA.
    RunningP2p = uapi::vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING_P2P,
    /// Running, and its state can be read out.
    PreCopy = uapi::vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY,
    /// As [`Self::PreCopy`] without peer-to-peer DMA.
    PreCopyP2p = uapi::vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY_P2P,
}

impl State {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Error,
        Self::Stop,
        Self::Running,
        Self::StopCopy,
        Self::Resuming,
        Self::RunningP2p,
        Self::PreCopy,
        Self::PreCopyP2p,
    ];
}

impl TryFrom<u32> for State {
    /// The number that is none.
    type Error = u32;

    fn try_from(number: u32) -> Result<Self, u32> {
        let found = Self::ALL.into_iter().find(|&state| state as u32 == number);
        found.ok_or(number)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "ERROR",
            Self::Stop => "STOP",
            Self::Running => "RUNNING",
            Self::StopCopy => "STOP_COPY",
            Self::Resuming => "RESUMING",
            Self::RunningP2p => "RUNNING_P2P",
            Self::PreCopy => "PRE_COPY",
            Self::PreCopyP2p => "PRE_COPY_P2P",
        })
    }
}

/// Which states a device supports, `struct vfio_device_feature_migration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrationFlags(pub u64);

impl MigrationFlags {
    /// STOP, STOP_COPY and RESUMING.
    pub fn stop_copy(self) -> bool {
        self.0 & u64::from(VFIO_MIGRATION_STOP_COPY) != 0
    }

    /// RUNNING_P2P, and PRE_COPY_P2P if pre-copy is supported.
    pub fn p2p(self) -> bool {
        self.0 & u64::from(VFIO_MIGRATION_P2P) != 0
    }

    /// PRE_COPY.
    pub fn pre_copy(self) -> bool {
        self.0 & u64::from(VFIO_MIGRATION_PRE_COPY) != 0
    }

    /// Whether a device with these flags has the state.
    pub fn has(self, state: State) -> bool {
        match state {
            State::Error | State::Running => true,
            State::Stop | State::StopCopy | State::Resuming => self.stop_copy(),
            State::RunningP2p => self.p2p(),
            State::PreCopy => self.pre_copy(),
            State::PreCopyP2p => self.p2p() && self.pre_copy(),
        }
    }
}

/// What a device still has to send before STOP_COPY, `struct vfio_precopy_info`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrecopyInfo {
    /// `VFIO_PRECOPY_INFO_*`; means something only after
    /// [`Device::enable_precopy_info_v2`].
    pub flags: u32,
    /// Bytes of initial data that were not read yet.
    pub initial_bytes: u64,
    /// Bytes of state that changed since it was read.
    pub dirty_bytes: u64,
}

impl PrecopyInfo {
    /// New initial data is on the stream.
    pub fn reinit(self) -> bool {
        self.flags & VFIO_PRECOPY_INFO_REINIT != 0
    }
}

/// The file that carries the state of a device; readable when saving, writable when resuming.
///
/// It stays valid, but carries nothing any more, when the device leaves the state or is closed.
#[derive(Debug)]
pub struct DataFile(File);

impl DataFile {
    /// One read(2), repeated only when a signal interrupts it; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] with `ENOMSG` at the temporary end of a pre-copy stream, `EAGAIN` when the
    /// file was made non-blocking, else what the driver says.
    pub fn read(&self, out: &mut [u8]) -> Result<usize> {
        retry(Access::Read, || (&self.0).read(out))
    }

    /// One write(2), likewise.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] with what the driver says of the bytes.
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        retry(Access::Write, || (&self.0).write(data))
    }

    /// One read(2) of `len` bytes, straight into mapped memory from `at` on.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; `EFAULT` for a range that the memory does not have.
    pub fn read_into(&self, memory: &Memory, at: usize, len: usize) -> Result<usize> {
        let access = Access::Read;
        let filled = memory.fill(at, len, self.0.as_fd(), None);
        filled.map_err(|errno| Error::Data { access, errno })
    }

    /// One write(2) of `len` bytes, straight from mapped memory from `at` on.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; `EFAULT` for a range that the memory does not have.
    pub fn write_from(&self, memory: &Memory, at: usize, len: usize) -> Result<usize> {
        let access = Access::Write;
        let drained = memory.drain(at, len, self.0.as_fd(), None);
        drained.map_err(|errno| Error::Data { access, errno })
    }

    /// Writes all of `data`.
    ///
    /// # Errors
    ///
    /// As [`Self::write`]; `EIO` if the driver takes no bytes.
    pub fn write_all(&self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let taken = self.write(data)?;
            data = data.get(taken..).filter(|_| taken > 0).ok_or(Error::Data {
                access: Access::Write,
                errno: nix::errno::Errno::EIO,
            })?;
        }
        Ok(())
    }

    /// `VFIO_MIG_GET_PRECOPY_INFO`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the device is not in PRE_COPY or PRE_COPY_P2P.
    pub fn precopy_info(&self) -> Result<PrecopyInfo> {
        self.precopy_info_with(PrecopyInfo::default())
    }

    /// The same with values for the members that are output, which the caller should leave 0; for
    /// tests.
    ///
    /// # Errors
    ///
    /// As [`Self::precopy_info`].
    pub fn precopy_info_with(&self, before: PrecopyInfo) -> Result<PrecopyInfo> {
        let mut info = vfio_precopy_info {
            flags: before.flags,
            initial_bytes: before.initial_bytes,
            dirty_bytes: before.dirty_bytes,
            ..Default::default()
        };
        sys::ioctl(self.as_fd(), Call::MigGetPrecopyInfo, &mut info)?;
        Ok(PrecopyInfo {
            flags: info.flags,
            initial_bytes: info.initial_bytes,
            dirty_bytes: info.dirty_bytes,
        })
    }
}

impl From<OwnedFd> for DataFile {
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

impl From<DataFile> for OwnedFd {
    fn from(file: DataFile) -> Self {
        file.0.into()
    }
}

impl AsFd for DataFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Device {
    /// Which migration states the device supports.
    ///
    /// # Errors
    ///
    /// `ENOTTY`: the device cannot be migrated.
    pub fn migration_flags(&self) -> Result<MigrationFlags> {
        let get: vfio_device_feature_migration = self.feature_get(VFIO_DEVICE_FEATURE_MIGRATION)?;
        Ok(MigrationFlags(get.flags))
    }

    /// The state the device is in.
    ///
    /// # Errors
    ///
    /// `ENOTTY`: the device cannot be migrated; [`Error::Answer`]: a state of a newer kernel.
    pub fn state(&self) -> Result<State> {
        let get: vfio_device_feature_mig_state =
            self.feature_get(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE)?;
        State::try_from(get.device_state).map_err(|_| Error::Answer {
            call: Call::DeviceFeature(
                VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
            ),
            what: "an unknown device state",
        })
    }

    /// Takes the device to another state, by way of others where the uAPI says so. Returns the
    /// data file if the way ends in a state that starts a data transfer.
    ///
    /// # Errors
    ///
    /// What the driver says. The device may then be in its old state, in one on the way, or in
    /// [`State::Error`]: ask [`Self::state`].
    pub fn set_state(&self, to: State) -> Result<Option<DataFile>> {
        self.set_state_number(to as u32)
    }

    /// The same with any number, for tests of the kernel's checks.
    ///
    /// # Errors
    ///
    /// As [`Self::set_state`].
    pub fn set_state_number(&self, to: u32) -> Result<Option<DataFile>> {
        let request = vfio_device_feature_mig_state {
            device_state: to,
            data_fd: -1,
        };
        let done = self.feature_set(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, request)?;
        Ok((done.data_fd >= 0).then(|| {
            // SAFETY: The kernel has just installed this file descriptor for us.
            DataFile::from(unsafe { sys::own(done.data_fd) })
        }))
    }

    /// Estimate of the bytes that STOP_COPY would send now; can be asked in every state.
    ///
    /// # Errors
    ///
    /// `ENOTTY`: the device cannot be migrated.
    pub fn data_size(&self) -> Result<u64> {
        let get: vfio_device_feature_mig_data_size =
            self.feature_get(VFIO_DEVICE_FEATURE_MIG_DATA_SIZE)?;
        Ok(get.stop_copy_length)
    }

    /// Asks for [`PrecopyInfo::flags`] to be filled in, until the device is closed.
    ///
    /// # Errors
    ///
    /// `EINVAL` or `ENOTTY`: the device has no pre-copy, or the kernel is older than 7.1.
    pub fn enable_precopy_info_v2(&self) -> Result<()> {
        self.feature_set(VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, ())
    }
}

/// Repeats a transfer that a signal interrupted before it moved anything.
fn retry(access: Access, mut transfer: impl FnMut() -> io::Result<usize>) -> Result<usize> {
    loop {
        match transfer() {
            Ok(n) => return Ok(n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                let errno = errno_of(&e);
                return Err(Error::Data { access, errno });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_numbers_of_the_header() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(State::try_from(number as u32), Ok(state));
        }
        assert_eq!(State::try_from(8), Err(8));
        assert_eq!(State::try_from(u32::MAX), Err(u32::MAX));
    }

    #[test]
    fn flags_say_which_states_there_are() {
        let count = |flags| {
            let flags = MigrationFlags(flags);
            State::ALL
                .into_iter()
                .filter(|&state| flags.has(state))
                .count()
        };
        assert_eq!([0, 1, 3, 5, 7].map(count), [2, 5, 6, 6, 8]);
    }
}
