// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Interrupts: the client's eventfds, and `DEVICE_SET_IRQS`.
//!
//! The rules are those of the kernel module, but for an index that is not enabled, which can be
//! disabled here: INTx is a level that masks itself when it is signalled,
//! MSI and MSI-X have an eventfd for each vector. Files that come with a message take the place of
//! the header's numbers; where none come, the vectors are bound to nobody, as with -1 there.
//!
//! An eventfd belongs to both ends. One that is bound is made one that does not block, so that nobody
//! waits for a client that fills or empties it between poll(2) and write(2) or read(2). A client that
//! makes it block again, which cannot be kept from it, may make this server, which is its own, wait.

use std::{
    fs,
    os::fd::{
        AsFd,
        AsRawFd,
        BorrowedFd,
        OwnedFd, //
    },
};

use nix::{
    errno::Errno,
    fcntl::{
        fcntl,
        FcntlArg,
        OFlag, //
    },
    poll::{
        poll,
        PollFd,
        PollFlags,
        PollTimeout, //
    },
    unistd,
};
use vmig_model::device::Irqs;

use crate::message::{
    uapi::{
        vfio_irq_info,
        vfio_irq_set,
        VFIO_IRQ_INFO_AUTOMASKED,
        VFIO_IRQ_INFO_EVENTFD,
        VFIO_IRQ_INFO_MASKABLE,
        VFIO_IRQ_SET_ACTION_MASK,
        VFIO_IRQ_SET_ACTION_TRIGGER,
        VFIO_IRQ_SET_ACTION_TYPE_MASK,
        VFIO_IRQ_SET_ACTION_UNMASK,
        VFIO_IRQ_SET_DATA_BOOL,
        VFIO_IRQ_SET_DATA_EVENTFD,
        VFIO_IRQ_SET_DATA_NONE,
        VFIO_IRQ_SET_DATA_TYPE_MASK,
        VFIO_PCI_INTX_IRQ_INDEX,
        VFIO_PCI_MSIX_IRQ_INDEX,
        VFIO_PCI_MSI_IRQ_INDEX,
        VFIO_PCI_NUM_IRQS, //
    },
    Wire,
};

/// An eventfd of the client's.
#[derive(Debug)]
struct Event(OwnedFd);

impl Event {
    /// Takes `file`, which must be an eventfd: to signal anything else could wait for ever. From here on
    /// it does not block, at either end.
    fn new(file: OwnedFd) -> Result<Self, Errno> {
        let name = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
        match name {
            Ok(name) if name.as_os_str() != "anon_inode:[eventfd]" => return Err(Errno::EINVAL),
            // Where there is no /proc, the client is taken at its word.
            Ok(_) | Err(_) => {}
        }
        let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
        if !flags.contains(OFlag::O_NONBLOCK) {
            fcntl(&file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        Ok(Self(file))
    }

    fn signal(&self) {
        if self.is_ready(PollFlags::POLLOUT) {
            // One that cannot be written is full, which says what is to be said.
            let _ = unistd::write(&self.0, &1_u64.to_ne_bytes());
        }
    }

    /// Takes what the client has signalled; whether it had.
    fn take(&self) -> bool {
        self.is_ready(PollFlags::POLLIN) && unistd::read(&self.0, &mut [0; 8]).is_ok()
    }

    fn is_ready(&self, events: PollFlags) -> bool {
        let mut files = [PollFd::new(self.0.as_fd(), events)];
        let found = poll(&mut files, PollTimeout::ZERO);
        let [file] = &files;
        found == Ok(1) && file.revents().is_some_and(|found| found.contains(events))
    }
}

/// What a [`Set`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Mask,
    Unmask,
    Trigger,
}

/// What comes with it.
#[derive(Debug)]
enum Data {
    None,
    Bool(Vec<u8>),
    /// One for each interrupt of the range.
    Events(Vec<Option<Event>>),
}

/// A `DEVICE_SET_IRQS` whose range and size have been checked.
#[derive(Debug)]
struct Set {
    index: u32,
    action: Action,
    start: usize,
    count: usize,
    data: Data,
}

impl Set {
    /// Checks as `vfio_set_irqs_validate_and_prepare()` of the kernel does.
    fn new(body: &[u8], files: Vec<OwnedFd>, irqs: Irqs) -> Result<Self, Errno> {
        let (header, rest) = vfio_irq_set::split(body)?;
        let small = usize::try_from(header.argsz).is_ok_and(|argsz| argsz < vfio_irq_set::LEN);
        let known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
        let available = available(header.index, irqs)?;
        let inside = header.start < available
            && available
                .checked_sub(header.start)
                .is_some_and(|rest| header.count <= rest);
        // To disable what is not enabled, or not there, is nothing, as in libvfio-user.
        let nothing = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
        let off = (header.flags, header.start, header.count) == (nothing, 0, 0);
        if small || header.flags & !known != 0 || !(inside || off) {
            return Err(Errno::EINVAL);
        }
        let start = usize::try_from(header.start).map_err(|_| Errno::EINVAL)?;
        let count = usize::try_from(header.count).map_err(|_| Errno::EINVAL)?;
        let kind = header.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
        if kind != VFIO_IRQ_SET_DATA_EVENTFD && !files.is_empty() {
            return Err(Errno::EINVAL);
        }
        let data = match kind {
            VFIO_IRQ_SET_DATA_NONE => Data::None,
            VFIO_IRQ_SET_DATA_BOOL => Data::Bool(rest.get(..count).ok_or(Errno::EINVAL)?.to_vec()),
            VFIO_IRQ_SET_DATA_EVENTFD if files.is_empty() => {
                Data::Events((0..count).map(|_| None).collect())
            }
            VFIO_IRQ_SET_DATA_EVENTFD if files.len() == count => {
                let events = files.into_iter().map(|file| Event::new(file).map(Some));
                Data::Events(events.collect::<Result<_, _>>()?)
            }
            _ => return Err(Errno::EINVAL),
        };
        let action = match header.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK {
            VFIO_IRQ_SET_ACTION_MASK => Action::Mask,
            VFIO_IRQ_SET_ACTION_UNMASK => Action::Unmask,
            VFIO_IRQ_SET_ACTION_TRIGGER => Action::Trigger,
            _ => return Err(Errno::ENOTTY),
        };
        Ok(Self {
            index: header.index,
            action,
            start,
            count,
            data,
        })
    }

    /// Does it disable the whole index?
    fn disables(&self) -> bool {
        self.action == Action::Trigger && self.count == 0 && matches!(self.data, Data::None)
    }

    fn binds(&self) -> bool {
        self.action == Action::Trigger && matches!(self.data, Data::Events(_))
    }

    /// Is the action for interrupt `start + i` of the range?
    fn concerns(&self, i: usize) -> bool {
        match &self.data {
            Data::None => true,
            Data::Bool(bools) => bools.get(i).is_some_and(|byte| *byte != 0),
            Data::Events(_) => false,
        }
    }
}

/// Number of interrupts of an index.
fn available(index: u32, irqs: Irqs) -> Result<u32, Errno> {
    match index {
        VFIO_PCI_INTX_IRQ_INDEX => Ok(irqs.intx),
        VFIO_PCI_MSI_IRQ_INDEX => Ok(irqs.msi),
        VFIO_PCI_MSIX_IRQ_INDEX => Ok(irqs.msix),
        index if index < VFIO_PCI_NUM_IRQS => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// Describes interrupt index `index`. Those without an interrupt are described, too, since `num_irqs`
/// counts them and clients ask for each; QEMU warns of the index for errors that has none, no more.
///
/// # Errors
///
/// `EINVAL`: there is no such index.
pub(crate) fn info(index: u32, irqs: Irqs) -> Result<vfio_irq_info, Errno> {
    let count = available(index, irqs)?;
    let line = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
    let flags = match index {
        _ if count == 0 => 0,
        VFIO_PCI_INTX_IRQ_INDEX => line,
        _ => VFIO_IRQ_INFO_EVENTFD,
    };
    Ok(vfio_irq_info {
        argsz: 0,
        flags,
        index,
        count,
    })
}

/// The interrupts of a connection.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    intx: Intx,
    msi: Vectors,
    msix: Vectors,
}

impl Interrupts {
    /// Serves a `DEVICE_SET_IRQS` for a device with `irqs`. Like hardware, it uses one kind.
    ///
    /// # Errors
    ///
    /// Those of the kernel module: `EINVAL` and `ENOTTY`.
    pub(crate) fn set(
        &mut self,
        body: &[u8],
        files: Vec<OwnedFd>,
        irqs: Irqs,
    ) -> Result<(), Errno> {
        let set = Set::new(body, files, irqs)?;
        let enabled = [
            (VFIO_PCI_INTX_IRQ_INDEX, self.intx.enabled),
            (VFIO_PCI_MSI_IRQ_INDEX, self.msi.is_enabled()),
            (VFIO_PCI_MSIX_IRQ_INDEX, self.msix.is_enabled()),
        ];
        let other = |(index, enabled)| index != set.index && enabled;
        if set.binds() && enabled.into_iter().any(other) {
            return Err(Errno::EINVAL);
        }
        match set.index {
            VFIO_PCI_INTX_IRQ_INDEX => self.intx.apply(set),
            VFIO_PCI_MSI_IRQ_INDEX => self.msi.apply(set, irqs.msi),
            VFIO_PCI_MSIX_IRQ_INDEX => self.msix.apply(set, irqs.msix),
            _ if set.disables() => Ok(()),
            _ => Err(Errno::ENOTTY),
        }
    }

    /// Sets the level of INTx.
    pub(crate) fn set_level(&mut self, level: bool) {
        self.intx.level = level;
        self.intx.update();
    }

    /// Signals INTx once, as if the line had been up for a moment; nothing happens if it is not bound or
    /// masked, for then the client has been signalled.
    pub(crate) fn pulse(&mut self) {
        let level = std::mem::replace(&mut self.intx.level, true);
        self.intx.update();
        self.intx.level = level;
    }

    /// Signals the vectors in `pending`; returns those that are bound to somebody.
    pub(crate) fn signal(&self, pending: u32) -> u32 {
        self.msi.signal(pending) | self.msix.signal(pending)
    }

    /// What the client signals to unmask INTx.
    pub(crate) fn unmask_event(&self) -> Option<BorrowedFd<'_>> {
        self.intx.unmask.as_ref().map(|event| event.0.as_fd())
    }

    /// The client may have signalled it.
    pub(crate) fn unmasked(&mut self) {
        if self.intx.unmask.as_ref().is_some_and(Event::take) {
            self.intx.masked = false;
            self.intx.update();
        }
    }
}

/// The interrupt pin.
#[derive(Debug, Default)]
struct Intx {
    level: bool,
    masked: bool,
    enabled: bool,
    trigger: Option<Event>,
    unmask: Option<Event>,
}

impl Intx {
    /// Signals if the line is up and nothing is in the way.
    fn update(&mut self) {
        if let (true, true, false, Some(trigger)) =
            (self.enabled, self.level, self.masked, &self.trigger)
        {
            self.masked = true;
            trigger.signal();
        }
    }

    fn apply(&mut self, set: Set) -> Result<(), Errno> {
        if set.disables() {
            *self = Self {
                level: self.level,
                ..Self::default()
            };
            return Ok(());
        }
        if (set.start, set.count) != (0, 1) {
            return Err(Errno::EINVAL);
        }
        let concerned = set.concerns(0);
        match (set.action, set.data) {
            (Action::Trigger, Data::Events(events)) => {
                self.trigger = events.into_iter().next().flatten();
                self.enabled = true;
            }
            _ if !self.enabled => return Err(Errno::EINVAL),
            (Action::Mask, Data::Events(_)) => return Err(Errno::ENOTTY),
            (Action::Unmask, Data::Events(events)) => {
                self.unmask = events.into_iter().next().flatten();
            }
            _ if !concerned => {}
            (Action::Mask, _) => self.masked = true,
            (Action::Unmask, _) => self.masked = false,
            (Action::Trigger, _) => {
                if let Some(trigger) = &self.trigger {
                    trigger.signal();
                }
            }
        }
        self.update();
        Ok(())
    }
}

/// The vectors of MSI or MSI-X; empty while disabled.
#[derive(Debug, Default)]
struct Vectors(Vec<Option<Event>>);

impl Vectors {
    fn is_enabled(&self) -> bool {
        !self.0.is_empty()
    }

    fn apply(&mut self, set: Set, available: u32) -> Result<(), Errno> {
        if set.action != Action::Trigger {
            return Err(Errno::ENOTTY);
        }
        if set.disables() {
            self.0.clear();
            return Ok(());
        }
        let end = set.start.saturating_add(set.count);
        let concerned: Vec<bool> = (0..set.count).map(|i| set.concerns(i)).collect();
        match set.data {
            Data::Events(events) if events.is_empty() => return Err(Errno::EINVAL),
            Data::Events(events) => {
                if !self.is_enabled() {
                    self.0 = (0..available).map(|_| None).collect();
                }
                let slots = self.0.get_mut(set.start..end).ok_or(Errno::EINVAL)?;
                for (slot, event) in slots.iter_mut().zip(events) {
                    *slot = event;
                }
            }
            Data::None | Data::Bool(_) => {
                if !self.is_enabled() {
                    return Err(Errno::EINVAL);
                }
                let slots = self.0.get(set.start..end).ok_or(Errno::EINVAL)?;
                for (slot, concerned) in slots.iter().zip(concerned) {
                    if let (true, Some(event)) = (concerned, slot) {
                        event.signal();
                    }
                }
            }
        }
        Ok(())
    }

    fn signal(&self, pending: u32) -> u32 {
        let mut delivered: u32 = 0;
        for (bit, slot) in (0..u32::BITS).zip(&self.0) {
            let mask = 1_u32.wrapping_shl(bit);
            if let (true, Some(event)) = (pending & mask != 0, slot) {
                event.signal();
                delivered |= mask;
            }
        }
        delivered
    }
}
