// SPDX-License-Identifier: GPL-2.0-only

//! A level-triggered interrupt line that masks itself when it is signalled.

#[cfg(CONFIG_VFIO_VIRQFD)]
mod resample;

use kernel::{
    prelude::*,
    sync::{
        static_lock_class,
        Mutex,
        SpinLock, //
    }, //
};

use super::{
    Action,
    Data,
    Fds,
    Set, //
};
use crate::{
    compat::lock_name,
    eventfd, //
};

/// The interrupt pin of a device.
///
/// The driver says what the level is; the eventfd is signalled once whenever the line is up, bound
/// and not masked, and is masked by that until the user unmasks it. A line that is up when the user
/// binds or unmasks it signals at once, so that no interrupt can be lost however these are ordered.
///
/// Level and eventfd change under a spin lock, which lets a driver report levels from under its own
/// locks while the user's unmask eventfd is being served.
#[pin_data(PinnedDrop)]
pub struct Intx {
    #[pin]
    line: SpinLock<Line>,
    /// Serialises what users ask for; taken before `line`.
    #[pin]
    setup: Mutex<()>,
    #[cfg(CONFIG_VFIO_VIRQFD)]
    unmask: resample::Slot,
}

/// The state behind an [`Intx`].
#[derive(Default)]
struct Line {
    level: bool,
    masked: bool,
    enabled: bool,
    trigger: Option<eventfd::Context>,
}

impl Line {
    /// Signals if the line is up and nothing is in the way.
    fn update(&mut self) {
        if !self.enabled || !self.level || self.masked {
            return;
        }
        if let Some(trigger) = &self.trigger {
            self.masked = true;
            trigger.signal();
        }
    }
}

impl Intx {
    /// A line that is down, and disabled.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            line <- SpinLock::new(
                Line::default(),
                lock_name!("vfio::irq::Intx::line"),
                static_lock_class!(),
            ),
            setup <- Mutex::new((), lock_name!("vfio::irq::Intx::setup"), static_lock_class!()),
            #[cfg(CONFIG_VFIO_VIRQFD)]
            unmask: resample::Slot::new(),
        })
    }

    /// Has the user set up the line?
    pub fn is_enabled(&self) -> bool {
        self.line.lock().enabled
    }

    /// Sets the level of the line.
    pub fn set_level(&self, level: bool) {
        let mut line = self.line.lock();
        line.level = level;
        line.update();
    }

    /// Signals once, as if the line had been up for a moment; nothing happens if it is disabled or
    /// masked, for then the user has been signalled.
    pub fn pulse(&self) {
        let mut line = self.line.lock();
        let level = core::mem::replace(&mut line.level, true);
        line.update();
        line.level = level;
    }

    /// Disables the line and forgets all eventfds; the level stays.
    pub fn clear(&self) {
        let _setup = self.setup.lock();
        self.disable();
    }

    /// Serves `set`, which is for the one interrupt of its index.
    ///
    /// # Errors
    ///
    /// `EINVAL` for an empty range, and for anything but binding an eventfd while the line is
    /// disabled; `ENOTTY` to mask by eventfd, and to unmask by eventfd in kernels without
    /// `CONFIG_VFIO_VIRQFD`; `EBADF` or `EINVAL` for what is no eventfd.
    pub fn apply(&self, set: &Set<'_>) -> Result {
        let _setup = self.setup.lock();
        if set.disables() && self.is_enabled() {
            self.disable();
            return Ok(());
        }
        if set.start != 0 || set.count != 1 {
            return Err(EINVAL);
        }
        match (set.action, set.data) {
            (Action::Trigger, Data::Eventfd(fds)) => self.bind(fds),
            _ if !self.is_enabled() => Err(EINVAL),
            (Action::Mask, Data::Eventfd(_)) => Err(ENOTTY),
            (Action::Unmask, Data::Eventfd(fds)) => self.unmask_by(fds),
            _ if !set.concerns(0) => Ok(()),
            (Action::Mask, _) => {
                self.line.lock().masked = true;
                Ok(())
            }
            (Action::Unmask, _) => {
                self.unmask();
                Ok(())
            }
            (Action::Trigger, _) => {
                if let Some(trigger) = &self.line.lock().trigger {
                    trigger.signal();
                }
                Ok(())
            }
        }
    }

    fn bind(&self, fds: Fds<'_>) -> Result {
        let trigger = fds.contexts().next().ok_or(EINVAL)??;
        let mut line = self.line.lock();
        let old = core::mem::replace(&mut line.trigger, trigger);
        line.enabled = true;
        line.update();
        drop(line);
        drop(old);
        Ok(())
    }

    fn unmask(&self) {
        let mut line = self.line.lock();
        line.masked = false;
        line.update();
    }

    /// Lets writes to an eventfd unmask the line, which spares a system call per interrupt; a
    /// negative file descriptor ends that. The caller holds `setup`.
    #[cfg(CONFIG_VFIO_VIRQFD)]
    fn unmask_by(&self, fds: Fds<'_>) -> Result {
        match fds.iter().next().ok_or(EINVAL)? {
            // SAFETY: `setup` is held. `self` is pinned, and its drop empties the slot.
            fd @ 0.. => unsafe { self.unmask.enable(self, fd) },
            _ => {
                // SAFETY: `setup` is held.
                unsafe { self.unmask.disable() };
                Ok(())
            }
        }
    }

    #[cfg(not(CONFIG_VFIO_VIRQFD))]
    fn unmask_by(&self, _fds: Fds<'_>) -> Result {
        Err(ENOTTY)
    }

    /// Disables the line. The caller holds `setup`, but not `line`.
    fn disable(&self) {
        #[cfg(CONFIG_VFIO_VIRQFD)]
        // SAFETY: `setup` is held.
        unsafe {
            self.unmask.disable()
        };
        let mut line = self.line.lock();
        let level = line.level;
        let old = core::mem::take(&mut *line);
        line.level = level;
        drop(line);
        drop(old);
    }
}

#[pinned_drop]
impl PinnedDrop for Intx {
    fn drop(self: Pin<&mut Self>) {
        self.clear();
    }
}

#[kunit_tests(vmig_vfio_irq_intx)]
mod tests {
    use super::*;

    fn set(action: Action, data: Data<'static>, count: u32) -> Set<'static> {
        Set {
            index: super::super::PCI_INTX,
            action,
            start: 0,
            count,
            data,
        }
    }

    #[test]
    fn only_binding_enables() -> Result {
        let intx = KBox::pin_init(Intx::new(), GFP_KERNEL)?;
        intx.set_level(true);
        for action in [Action::Mask, Action::Unmask, Action::Trigger] {
            assert_eq!(intx.apply(&set(action, Data::None, 1)), Err(EINVAL));
        }
        assert_eq!(
            intx.apply(&set(Action::Trigger, Data::None, 0)),
            Err(EINVAL)
        );

        // -1 enables the index without an eventfd.
        let nobody = Data::Eventfd(Fds(&[0xff; 4]));
        intx.apply(&set(Action::Trigger, nobody, 1))?;
        assert!(intx.is_enabled());
        // There was nobody to signal, so nothing masked the line.
        assert!(!intx.line.lock().masked);
        intx.apply(&set(Action::Mask, Data::Bool(&[0]), 1))?;
        assert!(!intx.line.lock().masked);
        intx.apply(&set(Action::Mask, Data::Bool(&[1]), 1))?;
        assert!(intx.line.lock().masked);
        intx.apply(&set(Action::Unmask, Data::None, 1))?;
        assert!(!intx.line.lock().masked);
        assert_eq!(intx.apply(&set(Action::Mask, nobody, 1)), Err(ENOTTY));

        intx.apply(&set(Action::Trigger, Data::None, 0))?;
        assert!(!intx.is_enabled());
        assert!(intx.line.lock().level);
        Ok(())
    }
}
