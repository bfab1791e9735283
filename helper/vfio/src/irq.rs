// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Interrupts of a device.
//!
//! C header: `include/uapi/linux/vfio.h`, `VFIO_DEVICE_GET_IRQ_INFO` and `VFIO_DEVICE_SET_IRQS`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use vfio_bindings::bindings::vfio::{
    vfio_irq_info, VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_TRIGGER,
    VFIO_IRQ_SET_ACTION_UNMASK, VFIO_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_EVENTFD,
    VFIO_IRQ_SET_DATA_NONE,
};

use crate::call::Call;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::sys;

/// What an interrupt index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IrqInfo {
    /// Index, as given to the query.
    pub index: u32,
    /// `VFIO_IRQ_INFO_*`.
    pub flags: u32,
    /// Number of vectors; 0 for an interrupt that the device does not have.
    pub count: u32,
}

impl Device {
    /// What interrupt index `index` is.
    ///
    /// # Errors
    ///
    /// `EINVAL` from the kernel: no such index.
    pub fn irq_info(&self, index: u32) -> Result<IrqInfo> {
        let mut info = vfio_irq_info {
            index,
            ..Default::default()
        };
        sys::ioctl(self.as_fd(), Call::DeviceGetIrqInfo, &mut info)?;
        Ok(IrqInfo {
            index: info.index,
            flags: info.flags,
            count: info.count,
        })
    }

    /// Signals `eventfds[i]` when vector `start + i` fires; `None` takes the eventfd away.
    ///
    /// # Errors
    ///
    /// What the kernel says; so for all below.
    pub fn irq_eventfds(
        &self,
        index: u32,
        start: u32,
        eventfds: &[Option<BorrowedFd<'_>>],
    ) -> Result<()> {
        self.irq_fds(VFIO_IRQ_SET_ACTION_TRIGGER, index, start, eventfds)
    }

    /// Unmasks vector `start + i` whenever `eventfds[i]` is signalled.
    ///
    /// # Errors
    ///
    /// `ENOTTY` or `EINVAL`: the device cannot do it.
    pub fn irq_unmask_eventfds(
        &self,
        index: u32,
        start: u32,
        eventfds: &[Option<BorrowedFd<'_>>],
    ) -> Result<()> {
        self.irq_fds(VFIO_IRQ_SET_ACTION_UNMASK, index, start, eventfds)
    }

    /// Fires the vectors by hand (loopback test).
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn irq_fire(&self, index: u32, start: u32, count: u32) -> Result<()> {
        let flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
        self.set_irqs(flags, index, start, count, &[])
    }

    /// Fires those vectors by hand whose entry is true.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn irq_fire_some(&self, index: u32, start: u32, which: &[bool]) -> Result<()> {
        let flags = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
        let data: Vec<u8> = which.iter().map(|&fire| u8::from(fire)).collect();
        self.set_irqs(flags, index, start, count_of(which)?, &data)
    }

    /// Masks the vectors.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn irq_mask(&self, index: u32, start: u32, count: u32) -> Result<()> {
        let flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK;
        self.set_irqs(flags, index, start, count, &[])
    }

    /// Unmasks the vectors.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn irq_unmask(&self, index: u32, start: u32, count: u32) -> Result<()> {
        let flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
        self.set_irqs(flags, index, start, count, &[])
    }

    /// Takes all vectors of the index out of use.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn irq_disable(&self, index: u32) -> Result<()> {
        self.irq_fire(index, 0, 0)
    }

    /// `VFIO_DEVICE_SET_IRQS` word by word: `flags` is `VFIO_IRQ_SET_DATA_*` with
    /// `VFIO_IRQ_SET_ACTION_*`, and nothing is checked against `data` here.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn set_irqs(
        &self,
        flags: u32,
        index: u32,
        start: u32,
        count: u32,
        data: &[u8],
    ) -> Result<()> {
        let mut bytes = request(flags, index, start, count, data);
        // SAFETY: struct vfio_irq_set holds no address; its data are flags or file descriptors.
        unsafe { sys::ioctl_bytes(self.as_fd(), Call::DeviceSetIrqs, &mut bytes) }?;
        Ok(())
    }

    fn irq_fds(
        &self,
        action: u32,
        index: u32,
        start: u32,
        eventfds: &[Option<BorrowedFd<'_>>],
    ) -> Result<()> {
        let data: Vec<u8> = eventfds
            .iter()
            .flat_map(|fd| fd.map_or(-1, |fd| fd.as_raw_fd()).to_ne_bytes())
            .collect();
        let flags = VFIO_IRQ_SET_DATA_EVENTFD | action;
        self.set_irqs(flags, index, start, count_of(eventfds)?, &data)
    }
}

/// The bytes of `struct vfio_irq_set` and its data; the size is filled in by the caller.
fn request(flags: u32, index: u32, start: u32, count: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for word in [flags, index, start, count] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(data);
    bytes
}

fn count_of<T>(vectors: &[T]) -> Result<u32> {
    u32::try_from(vectors.len()).map_err(|_| Error::Call {
        call: Call::DeviceSetIrqs,
        errno: nix::errno::Errno::E2BIG,
    })
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use vfio_bindings::bindings::vfio::vfio_irq_set;

    use super::*;

    #[test]
    fn a_request_has_the_layout_of_the_header() {
        let bytes = request(1, 2, 3, 4, &[5, 6]);
        assert_eq!(bytes.len(), size_of::<vfio_irq_set>() + 2);
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(word(offset_of!(vfio_irq_set, flags)), 1);
        assert_eq!(word(offset_of!(vfio_irq_set, index)), 2);
        assert_eq!(word(offset_of!(vfio_irq_set, start)), 3);
        assert_eq!(word(offset_of!(vfio_irq_set, count)), 4);
        assert_eq!(bytes[offset_of!(vfio_irq_set, data)..], [5, 6]);
    }
}
