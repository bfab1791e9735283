// SPDX-License-Identifier: GPL-2.0-only

//! DMA of a device whose work is done by a driver: copies between the driver's memory and what its
//! user has mapped at I/O virtual addresses (`vfio_dma_rw`).
//!
//! A copy waits for user memory, so nothing may be locked meanwhile that a state change, a reset or a
//! fault handler needs. It is to be called from work items, as kthreads are the only callers that all
//! kinds of user memory can be reached from.
//!
//! C header: [`include/linux/vfio.h`](srctree/include/linux/vfio.h)

use kernel::{
    error::to_result,
    ffi,
    prelude::*, //
};

#[cfg(CONFIG_IOMMUFD_DRIVER)]
use super::logging;
use super::{
    Device,
    InUse,
    Open,
    Operations, //
};
use crate::bindings;

/// A driver whose writes by DMA are logged, wherever there is logging.
pub trait Logged: Operations {
    /// The device has written, or tried to write, `length` bytes at `iova`.
    #[doc(hidden)]
    fn written(&self, iova: u64, length: u64);
}

#[cfg(CONFIG_IOMMUFD_DRIVER)]
impl<T: logging::Operations> Logged for T {
    fn written(&self, iova: u64, length: u64) {
        self.tracker().mark(iova, length);
    }
}

#[cfg(not(CONFIG_IOMMUFD_DRIVER))]
impl<T: Operations> Logged for T {
    fn written(&self, _iova: u64, _length: u64) {}
}

impl<T: Operations> Device<T> {
    /// Keeps the device open, for one who was not called through one of its files.
    ///
    /// # Errors
    ///
    /// `ENODEV` if it is not open, or about to be closed.
    pub fn try_use(&self) -> Result<InUse<'_, T>> {
        InUse::new(self)
    }
}

impl<T: Operations> Device<T, Open> {
    /// Copies `out.len()` bytes from `iova` on.
    ///
    /// # Errors
    ///
    /// `EINVAL` or `ENOENT` if there is nothing at one of the addresses, or if they wrap; `EPERM` if
    /// the device may not read; `EFAULT` if the user's memory is not there. Some bytes may have been
    /// copied.
    pub fn dma_read(&self, iova: u64, out: &mut [u8]) -> Result {
        self.copy(iova, out.as_mut_ptr().cast(), out.len(), false)
    }

    /// Copies `data` to `iova`, and logs that it was written.
    ///
    /// # Errors
    ///
    /// As [`Device::dma_read`], for writing.
    pub fn dma_write(&self, iova: u64, data: &[u8]) -> Result
    where
        T: Logged,
    {
        // The copy does not write to what it copies from.
        let from = data.as_ptr().cast_mut().cast();
        let copied = self.copy(iova, from, data.len(), true);
        // Also what failed half way, and after the write: who sees the mark sees what was written.
        // CAST: A size fits.
        self.written(iova, data.len() as u64);
        copied
    }

    /// Copies, to user memory if `write`. Nothing to copy is fine.
    fn copy(&self, iova: u64, data: *mut ffi::c_void, len: usize, write: bool) -> Result {
        let Some(rest) = len.checked_sub(1) else {
            return Ok(());
        };
        // CAST: A size fits.
        iova.checked_add(rest as u64).ok_or(EINVAL)?;
        // SAFETY: The device is open, and stays so during this call. Our callers pass as many bytes as
        // they say, which are theirs to read or write.
        to_result(unsafe { bindings::vfio_dma_rw(self.as_raw(), iova, data, len, write) })
    }
}
