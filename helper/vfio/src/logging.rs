// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! DMA logging: which pages the device has written.
//!
//! C header: `include/uapi/linux/vfio.h`, `VFIO_DEVICE_FEATURE_DMA_LOGGING_*`.

use std::os::fd::AsFd;

use nix::errno::Errno;
use vfio_bindings::bindings::vfio::{
    vfio_device_feature_dma_logging_control, vfio_device_feature_dma_logging_range,
    vfio_device_feature_dma_logging_report, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
    VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
    VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET,
};

use crate::call::Call;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::sys::{self, Feature};

/// Smallest page size that the kernel reports in.
const MIN_PAGE: u64 = 4096;

/// A range of I/O virtual addresses, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IovaRange {
    /// First address.
    pub iova: u64,
    /// Length.
    pub length: u64,
}

impl Device {
    /// Starts logging the device's writes to `ranges`, by pages of about `page_size` bytes.
    /// Returns the page size that the device chose.
    ///
    /// # Errors
    ///
    /// `ENOTTY`: the device has no logging. `EINVAL`: no range, or ranges that overlap or are
    /// not aligned, or logging is on already. `E2BIG`, `EOVERFLOW`: see the C header.
    pub fn dma_logging_start(&self, page_size: u64, ranges: &[IovaRange]) -> Result<u64> {
        let flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
        let call = Call::DeviceFeature(flags);
        let list: Vec<_> = ranges
            .iter()
            .map(|range| vfio_device_feature_dma_logging_range {
                iova: range.iova,
                length: range.length,
            })
            .collect();
        let num_ranges = u32::try_from(list.len()).map_err(|_| Error::Call {
            call,
            errno: Errno::E2BIG,
        })?;
        let mut feature = Feature {
            argsz: 0,
            flags,
            payload: vfio_device_feature_dma_logging_control {
                page_size,
                num_ranges,
                __reserved: 0,
                ranges: list.as_ptr().addr() as u64,
            },
        };
        // SAFETY: The kernel only reads the `num_ranges` entries of `list`, during the call.
        unsafe { sys::ioctl_with_address(self.as_fd(), call, &mut feature) }?;
        Ok(feature.payload.page_size)
    }

    /// Stops logging.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub fn dma_logging_stop(&self) -> Result<()> {
        self.feature_set(VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, ())
    }

    /// Sets the bits of the pages in `range` that the device has written since the last report,
    /// and forgets them. Bit `n` of the bitmap stands for the `page_size` bytes from
    /// `range.iova + n * page_size` on. Bits are never cleared.
    ///
    /// # Errors
    ///
    /// `EFAULT` without asking the kernel: `bitmap` has no room for all pages. `EINVAL`: a bad
    /// page size, or logging is off. `EOVERFLOW`: the range wraps. After any error all pages
    /// must be taken for written.
    pub fn dma_logging_report(
        &self,
        range: IovaRange,
        page_size: u64,
        bitmap: &mut [u64],
    ) -> Result<()> {
        let flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
        let call = Call::DeviceFeature(flags);
        if words_needed(range, page_size).is_some_and(|needed| needed > bitmap.len() as u64) {
            return Err(Error::Call {
                call,
                errno: Errno::EFAULT,
            });
        }
        let mut feature = Feature {
            argsz: 0,
            flags,
            payload: vfio_device_feature_dma_logging_report {
                iova: range.iova,
                length: range.length,
                page_size,
                bitmap: bitmap.as_mut_ptr().expose_provenance() as u64,
            },
        };
        // SAFETY: The kernel writes one bit per page, for which there is room; or it refuses the
        // request before it looks at the bitmap (`words_needed` is `None`). It lets go of the
        // bitmap before it returns.
        unsafe { sys::ioctl_with_address(self.as_fd(), call, &mut feature) }?;
        Ok(())
    }
}

/// Number of 64-bit words that the kernel may write for this request; `None` if it is bound to
/// refuse it (`vfio_ioctl_device_feature_logging_report` in `drivers/vfio/vfio_main.c`).
fn words_needed(range: IovaRange, page_size: u64) -> Option<u64> {
    if page_size < MIN_PAGE || !page_size.is_power_of_two() {
        return None;
    }
    range.iova.checked_add(range.length)?;
    Some(range.length.div_ceil(page_size).div_ceil(64))
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn the_room_for_a_report_is_one_bit_per_page() {
        let words = |iova, length, page| words_needed(IovaRange { iova, length }, page);
        assert_eq!(words(0, 0, 4096), Some(0));
        assert_eq!(words(0, 1, 4096), Some(1));
        assert_eq!(words(0, 64 * 4096, 4096), Some(1));
        assert_eq!(words(0, 64 * 4096 + 1, 4096), Some(2));
        assert_eq!(words(0, u64::MAX, 4096), Some(1 << 46));
        assert_eq!(words(1, u64::MAX, 4096), None);
        assert_eq!(words(0, 4096, 2048), None);
        assert_eq!(words(0, 4096, 12288), None);
    }

    #[test]
    fn the_payload_follows_the_header_at_once() {
        assert_eq!(
            offset_of!(Feature<vfio_device_feature_dma_logging_report>, payload),
            8
        );
        assert_eq!(
            size_of::<Feature<vfio_device_feature_dma_logging_control>>(),
            32
        );
    }
}
