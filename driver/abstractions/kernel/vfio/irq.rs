// SPDX-License-Identifier: GPL-2.0-only

//! Interrupts of a device, as eventfds that its user waits for.
//!
//! A driver keeps one object per kind of interrupt and passes it the [`Set`]s for its index:
//! [`Intx`] for a level-triggered, auto-masked line, [`Vectors`] for MSI and MSI-X, [`Trigger`] for
//! a single event. They signal at the driver's word; when to give it is the driver's affair.
//!
//! The loopback test of the uAPI (`DATA_NONE` or `DATA_BOOL` with `ACTION_TRIGGER`) signals
//! the eventfds in any state of the device: the user rings its own bell.
//!
//! C header: [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)

mod intx;
mod trigger;
mod vectors;

pub use self::{
    intx::Intx,
    trigger::Trigger,
    vectors::Vectors, //
};

use kernel::{
    error::to_result,
    prelude::*, //
};

use crate::{
    bindings,
    eventfd, //
};

/// Interrupt index of the pin of a PCI device.
pub const PCI_INTX: u32 = bindings::VFIO_PCI_INTX_IRQ_INDEX;
/// Interrupt index of the MSI vectors of a PCI device.
pub const PCI_MSI: u32 = bindings::VFIO_PCI_MSI_IRQ_INDEX;
/// Interrupt index of the MSI-X vectors of a PCI device.
pub const PCI_MSIX: u32 = bindings::VFIO_PCI_MSIX_IRQ_INDEX;
/// Interrupt index of errors that a PCI Express device reports.
pub const PCI_ERR: u32 = bindings::VFIO_PCI_ERR_IRQ_INDEX;
/// Interrupt index of the request to give the device back.
pub const PCI_REQ: u32 = bindings::VFIO_PCI_REQ_IRQ_INDEX;
/// Number of interrupt indexes of a PCI device.
pub const PCI_COUNT: u32 = bindings::VFIO_PCI_NUM_IRQS;

/// What an interrupt index can do, and how many interrupts it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Bits of the constants below.
    pub flags: u32,
    /// Number of interrupts; zero for an index that does not exist.
    pub count: u32,
}

impl Info {
    /// Signalled through eventfds.
    pub const EVENTFD: u32 = bindings::VFIO_IRQ_INFO_EVENTFD;
    /// Can be masked and unmasked.
    pub const MASKABLE: u32 = bindings::VFIO_IRQ_INFO_MASKABLE;
    /// Masks itself when it is signalled.
    pub const AUTOMASKED: u32 = bindings::VFIO_IRQ_INFO_AUTOMASKED;
}

/// What a [`Set`] does to the interrupts of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Holds signals back.
    Mask,
    /// Lets signals pass.
    Unmask,
    /// Chooses who is signalled, or signals.
    Trigger,
}

/// What comes with an [`Action`], one item per interrupt of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Nothing: the action is for all.
    None,
    /// The action is for those whose byte is not zero.
    Bool(&'a [u8]),
    /// The action is bound to these file descriptors; negative: to none.
    Eventfd(Fds<'a>),
}

/// File descriptors of the calling process, as they came from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fds<'a>(&'a [u8]);

impl Fds<'_> {
    /// The file descriptors, in the order of the interrupts.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.0
            .chunks_exact(size_of::<i32>())
            .filter_map(|bytes| Some(i32::from_ne_bytes(bytes.try_into().ok()?)))
    }

    /// The eventfds behind the file descriptors; `None` where one is negative.
    fn contexts(&self) -> impl Iterator<Item = Result<Option<eventfd::Context>>> + '_ {
        self.iter().map(|fd| match fd {
            0.. => eventfd::Context::from_fd(fd).map(Some),
            _ => Ok(None),
        })
    }
}

/// A `VFIO_DEVICE_SET_IRQS` call whose range and size have been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<'a> {
    /// The interrupt index.
    pub index: u32,
    /// What to do.
    pub action: Action,
    /// First interrupt of the range.
    pub start: u32,
    /// Number of interrupts in the range; zero disables the index.
    pub count: u32,
    /// What comes with it.
    pub data: Data<'a>,
}

/// Checks the header of a `VFIO_DEVICE_SET_IRQS` call against the `available` interrupts of its
/// index and the number of indexes; returns the size of its data in bytes.
pub(super) fn prepare(
    header: &mut bindings::vfio_irq_set,
    available: u32,
    indexes: u32,
) -> Result<usize> {
    let available = i32::try_from(available)?;
    let indexes = i32::try_from(indexes)?;
    let mut size = 0;
    // SAFETY: Both pointers are valid, and only the header's fixed part is read.
    to_result(unsafe {
        bindings::vfio_set_irqs_validate_and_prepare(header, available, indexes, &mut size)
    })?;
    Ok(size)
}

impl<'a> Set<'a> {
    /// Makes sense of a header that passed [`prepare`], with as much `data` as it said.
    pub(super) fn new(
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        data: &'a [u8],
    ) -> Result<Self> {
        let action = match flags & bindings::VFIO_IRQ_SET_ACTION_TYPE_MASK {
            bindings::VFIO_IRQ_SET_ACTION_MASK => Action::Mask,
            bindings::VFIO_IRQ_SET_ACTION_UNMASK => Action::Unmask,
            bindings::VFIO_IRQ_SET_ACTION_TRIGGER => Action::Trigger,
            // None or several; vfio-pci says the same.
            _ => return Err(ENOTTY),
        };
        let data = match flags & bindings::VFIO_IRQ_SET_DATA_TYPE_MASK {
            bindings::VFIO_IRQ_SET_DATA_NONE => Data::None,
            bindings::VFIO_IRQ_SET_DATA_BOOL => Data::Bool(data),
            bindings::VFIO_IRQ_SET_DATA_EVENTFD => Data::Eventfd(Fds(data)),
            _ => return Err(EINVAL),
        };
        Ok(Self {
            index,
            action,
            start,
            count,
            data,
        })
    }

    /// Does this disable the whole index?
    pub fn disables(&self) -> bool {
        self.action == Action::Trigger && self.count == 0 && self.data == Data::None
    }

    /// The range as one of slice elements.
    fn range(&self) -> Result<core::ops::Range<usize>> {
        let start = usize::try_from(self.start)?;
        let count = usize::try_from(self.count)?;
        Ok(start..start.checked_add(count).ok_or(EINVAL)?)
    }

    /// Is the action for interrupt `start + i` of the range?
    fn concerns(&self, i: usize) -> bool {
        match self.data {
            Data::None => true,
            Data::Bool(bools) => bools.get(i).is_some_and(|&byte| byte != 0),
            Data::Eventfd(_) => false,
        }
    }
}

#[kunit_tests(vmig_vfio_irq)]
mod tests {
    use super::*;

    const NONE: u32 = bindings::VFIO_IRQ_SET_DATA_NONE;
    const BOOL: u32 = bindings::VFIO_IRQ_SET_DATA_BOOL;
    const EVENTFD: u32 = bindings::VFIO_IRQ_SET_DATA_EVENTFD;
    const MASK: u32 = bindings::VFIO_IRQ_SET_ACTION_MASK;
    const UNMASK: u32 = bindings::VFIO_IRQ_SET_ACTION_UNMASK;
    const TRIGGER: u32 = bindings::VFIO_IRQ_SET_ACTION_TRIGGER;

    #[test]
    fn flags_become_action_and_data() {
        let fds = [0xff; 4];
        for (flags, expected) in [
            (NONE | TRIGGER, Ok((Action::Trigger, Data::None))),
            (NONE | MASK, Ok((Action::Mask, Data::None))),
            (BOOL | UNMASK, Ok((Action::Unmask, Data::Bool(&fds)))),
            (
                EVENTFD | TRIGGER,
                Ok((Action::Trigger, Data::Eventfd(Fds(&fds)))),
            ),
            (NONE, Err(ENOTTY)),
            (NONE | MASK | UNMASK, Err(ENOTTY)),
            (TRIGGER, Err(EINVAL)),
            (NONE | BOOL | TRIGGER, Err(EINVAL)),
        ] {
            let set = Set::new(0, flags, 0, 1, &fds).map(|set| (set.action, set.data));
            assert_eq!(set, expected);
        }
    }

    #[test]
    fn sizes_are_checked() {
        for (argsz, flags, start, count, expected) in [
            (20, NONE | TRIGGER, 0, 1, Ok(0)),
            (20, NONE | TRIGGER, 0, 0, Ok(0)),
            (24, EVENTFD | TRIGGER, 0, 1, Ok(4)),
            (21, BOOL | TRIGGER, 1, 1, Ok(1)),
            (19, NONE | TRIGGER, 0, 1, Err(EINVAL)),
            (23, EVENTFD | TRIGGER, 0, 1, Err(EINVAL)),
            (20, NONE | TRIGGER, 2, 1, Err(EINVAL)),
            (20, NONE | TRIGGER, 1, 2, Err(EINVAL)),
            (20, NONE | TRIGGER, 1, u32::MAX, Err(EINVAL)),
            (20, NONE | TRIGGER | 1 << 6, 0, 1, Err(EINVAL)),
        ] {
            let mut header = bindings::vfio_irq_set {
                argsz,
                flags,
                start,
                count,
                ..Default::default()
            };
            assert_eq!(prepare(&mut header, 2, PCI_COUNT), expected);
        }
    }
}
