// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `VFIO_DEVICE_FEATURE`: asking for, reading and setting features.
//!
//! C header: `include/uapi/linux/vfio.h`, `struct vfio_device_feature`.

use std::mem::size_of;
use std::os::fd::AsFd;

use nix::errno::Errno;
use vfio_bindings::bindings::vfio::{
    VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 as VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFO_V2,
    VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
    VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
    VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, VFIO_DEVICE_FEATURE_MASK, VFIO_DEVICE_FEATURE_MIGRATION,
    VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
    VFIO_DEVICE_FEATURE_PROBE, VFIO_DEVICE_FEATURE_SET,
};

use crate::call::Call;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::sys::{self, Feature, Payload};

/// What may be done with a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It can be read.
    Get,
    /// It can be set.
    Set,
    /// Both.
    Both,
}

impl Direction {
    fn flags(self) -> u32 {
        match self {
            Self::Get => VFIO_DEVICE_FEATURE_GET,
            Self::Set => VFIO_DEVICE_FEATURE_SET,
            Self::Both => VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
        }
    }
}

impl Device {
    /// Whether the device has `feature` (`VFIO_DEVICE_FEATURE_*`) in this direction.
    ///
    /// # Errors
    ///
    /// Errnos other than `ENOTTY` and `EINVAL`, with which the kernel says no.
    pub fn has_feature(&self, feature: u32, direction: Direction) -> Result<bool> {
        match self.probe_feature(feature, direction) {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.errno(), Some(Errno::ENOTTY | Errno::EINVAL)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The same, with the errno.
    ///
    /// # Errors
    ///
    /// `ENOTTY`: no such feature; `EINVAL`: not in this direction.
    pub fn probe_feature(&self, feature: u32, direction: Direction) -> Result<()> {
        let flags = feature | direction.flags() | VFIO_DEVICE_FEATURE_PROBE;
        self.feature(flags, ())
    }

    /// `VFIO_DEVICE_FEATURE` word by word, for tests of the kernel's checks: `flags` and `argsz`
    /// go to the kernel as they are, `payload` goes there and back.
    ///
    /// No memory of this program but `payload` can be written: a feature whose payload holds
    /// an address, or whose payload is not known to this crate, is accepted with a payload of
    /// zeros only.
    ///
    /// # Errors
    ///
    /// What the kernel says. `EINVAL` without asking it for an `argsz` beyond the end of
    /// `payload`, and `EFAULT` for a payload that might hold an address.
    pub fn feature_bytes(&self, flags: u32, argsz: u32, payload: &mut [u8]) -> Result<()> {
        let call = Call::DeviceFeature(flags);
        if !address_free(flags) && payload.iter().any(|&byte| byte != 0) {
            return Err(Error::Call {
                call,
                errno: Errno::EFAULT,
            });
        }
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(payload);
        let claimed = usize::try_from(argsz).unwrap_or(usize::MAX);
        // SAFETY: The payload holds no address, or address 0, which is not mapped.
        unsafe { sys::ioctl_bytes_claiming(self.as_fd(), call, &mut bytes, claimed) }?;
        payload.copy_from_slice(&bytes[size_of::<Feature<()>>()..]);
        Ok(())
    }

    pub(crate) fn feature_get<T: Payload + Default>(&self, feature: u32) -> Result<T> {
        self.feature(feature | VFIO_DEVICE_FEATURE_GET, T::default())
    }

    pub(crate) fn feature_set<T: Payload>(&self, feature: u32, payload: T) -> Result<T> {
        self.feature(feature | VFIO_DEVICE_FEATURE_SET, payload)
    }

    fn feature<T: Payload>(&self, flags: u32, payload: T) -> Result<T> {
        let mut feature = Feature {
            argsz: 0,
            flags,
            payload,
        };
        sys::ioctl(self.as_fd(), Call::DeviceFeature(flags), &mut feature)?;
        Ok(feature.payload)
    }
}

/// Whether the payload is known to hold no address that the kernel writes through.
fn address_free(flags: u32) -> bool {
    matches!(
        flags & VFIO_DEVICE_FEATURE_MASK,
        VFIO_DEVICE_FEATURE_MIGRATION
            | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE
            | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE
            | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFO_V2
            // Its addresses are only read.
            | VFIO_DEVICE_FEATURE_DMA_LOGGING_START
            | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP
            | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY..=VFIO_DEVICE_FEATURE_LOW_POWER_EXIT
    )
}
