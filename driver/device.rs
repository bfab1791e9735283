// SPDX-License-Identifier: GPL-2.0-only

//! Devices: what stands behind an mdev, its attributes and its users.
//!
//! A [`Card`] is the data of a VFIO device. Its engine, which owns the registers and drives migration,
//! is under one lock together with what else belongs to the device. Nothing is called under it that
//! waits for a user; after each call of the engine [`Card::settle`] tells the users what came of it.
#![forbid(unsafe_code)]

#[cfg(vmig_faults)]
mod faults;
mod irq;
mod memory;
mod migration;
mod operations;
mod v1;
mod work;

use kernel::{
    device::Core,
    fmt::Write as _,
    new_mutex,
    new_poll_condvar,
    prelude::*,
    str::Formatter,
    sync::{
        aref::ARef,
        poll::PollCondVar,
        Arc,
        Mutex,
        MutexGuard, //
    }, //
};
#[cfg(CONFIG_IOMMUFD_DRIVER)]
use kernel_vfio::vfio::logging::Tracker;
use kernel_vfio::{
    completion::Idle,
    crc, mdev,
    vfio::{
        self,
        irq::{
            Intx,
            Trigger,
            Vectors, //
        }, //
    },
};
#[cfg(not(vmig_faults))]
use vmig_model::engine::Engine;
use vmig_model::{
    crc::Crc32c,
    device::Device as _,
    engine::buffer_len,
    memory::Full,
    models::Model,
    types::DeviceType,
    values::Values, //
};

#[cfg(vmig_faults)]
use self::faults::Engine;
use self::{
    memory::DeviceMemory,
    work::Worker, //
};
use crate::{
    errno,
    parents::{
        OpenGuard,
        Parent, //
    }, //
};

/// A device, as its attributes and its users share it.
#[pin_data]
pub(crate) struct Card {
    #[pin]
    state: Mutex<State>,
    /// Has a lock of its own, since unmasking comes from a work item. Told of levels with `state`
    /// locked.
    #[pin]
    intx: Intx,
    /// Those who poll a data file.
    #[pin]
    readers: PollCondVar,
    /// What the device writes by DMA.
    #[cfg(CONFIG_IOMMUFD_DRIVER)]
    #[pin]
    tracker: Tracker,
    /// Whether a step of the device's own work is out. Changes with `state` locked.
    #[pin]
    idle: Idle,
    // Dropped last, see there.
    parent: Arc<Parent>,
}

/// What the lock of a [`Card`] protects.
struct State {
    engine: Engine<Model<DeviceMemory>, Buffer, Crc>,
    v1: v1::Region,
    keep: bool,
    /// The device is open; its parent stays as long.
    open: Option<OpenGuard>,
    /// What does the device's own work while it is open, if it has any.
    worker: Option<Worker>,
    /// So many wait for the step that is out, and for no other to begin.
    holds: usize,
    /// The vectors of MSI or MSI-X, whichever the device has.
    vectors: Vectors,
    /// The request to give the device back.
    req: Trigger,
}

/// Memory that the engine encodes and decodes in.
struct Buffer(KVVec<u8>);

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// The checksum of the state stream, by the kernel.
pub(crate) struct Crc;

impl Crc32c for Crc {
    fn update(register: u32, bytes: &[u8]) -> u32 {
        crc::crc32c(register, bytes)
    }
}

impl Card {
    fn new(
        ty: &'static DeviceType,
        values: Values,
        parent: Arc<Parent>,
    ) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let device = Model::new(ty, values, DeviceMemory::new)?;
            let buffer = KVVec::from_elem(0, buffer_len(&device), GFP_KERNEL)?;
            let state = State {
                engine: Engine::with_crc(device, Buffer(buffer)),
                v1: v1::Region::new(),
                keep: false,
                open: None,
                worker: None,
                holds: 0,
                vectors: Vectors::new(),
                req: Trigger::new(),
            };
            Ok(try_pin_init!(Self {
                state <- new_mutex!(state, "vmig::Card"),
                intx <- Intx::new(),
                readers <- new_poll_condvar!("vmig::Card::readers"),
                #[cfg(CONFIG_IOMMUFD_DRIVER)]
                tracker <- Tracker::new(),
                idle <- Idle::new(),
                parent,
            }))
        })
    }

    /// Passes on what the engine has to tell: interrupts, news for those who poll, and work.
    fn settle(&self, state: &mut State) {
        self.intx.set_level(state.engine.intx());
        if state.engine.take_started() {
            self.intx.pulse();
        }
        let pending = state.engine.msi_pending();
        if pending != 0 {
            let delivered = state.vectors.signal(pending);
            state.engine.msi_delivered(delivered);
        }
        self.readers.notify_all();
        self.start_work(state);
    }

    /// Locks the state while no step is out; none begins as long as it is locked.
    ///
    /// # Errors
    ///
    /// `EINTR` if the caller is killed while it waits. Nothing has changed then.
    fn lock_idle(&self) -> Result<MutexGuard<'_, State>> {
        self.lock_when_idle(Idle::wait_killable)
    }

    /// [`Card::lock_idle`], for those who cannot give up.
    fn lock_idle_surely(&self) -> MutexGuard<'_, State> {
        loop {
            let wait = |idle: &Idle| {
                idle.wait();
                Ok(())
            };
            // It cannot fail, as the wait does not.
            if let Ok(state) = self.lock_when_idle(wait) {
                return state;
            }
        }
    }

    fn lock_when_idle(&self, wait: impl Fn(&Idle) -> Result) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock();
        while state.engine.working() {
            // NO-OVERFLOW: Fewer than there are tasks.
            state.holds += 1;
            state.engine.hold(true);
            drop(state);
            let waited = wait(&self.idle);
            state = self.state.lock();
            state.holds -= 1;
            let held = state.holds > 0;
            state.engine.hold(held);
            if let Err(error) = waited {
                self.start_work(&mut state);
                return Err(error);
            }
        }
        Ok(state)
    }

    /// The values in effect.
    pub(crate) fn values(&self) -> Values {
        *self.state.lock().engine.device().values()
    }

    /// Writes the value of parameter `i` and a newline.
    pub(crate) fn param_show(&self, i: usize, out: &mut Formatter<'_>) -> Result {
        let value = self.values().get(i).ok_or(ENOENT)?;
        Ok(writeln!(out, "{value}")?)
    }

    /// The values in effect after parameter `i` is set from its text, which is not done.
    ///
    /// # Errors
    ///
    /// Those of [`Card::param_store`].
    pub(crate) fn values_after(
        device: &vfio::Device<Self>,
        i: usize,
        text: &str,
    ) -> Result<Values> {
        let mut state = device.state.lock();
        let open = state.open.is_some();
        state.engine.set_reinit(device.precopy_info_v2());
        let values = state.engine.values_after(i, text, open);
        values.map_err(errno::of)
    }

    /// Sets parameter `i` from its text, which has no newline.
    ///
    /// # Errors
    ///
    /// `EINVAL`, `ERANGE` for the value; `EBUSY` if it cannot be changed now; `ENOMEM`.
    pub(crate) fn param_store(device: &vfio::Device<Self>, i: usize, text: &str) -> Result {
        // Other memory is made before the change, and the old is freed after, neither under the lock.
        let after = Self::values_after(device, i, text)?;
        let pages = device.state.lock().engine.device().needs_memory(&after);
        let mut new = pages.map(DeviceMemory::new).transpose()?;
        let mut state = device.state.lock();
        let open = state.open.is_some();
        state.engine.set_reinit(device.precopy_info_v2());
        let old = state.engine.device().memory().cloned();
        let written = state.engine.set_param_with(i, text, open, |pages| {
            let fitting = new.take().filter(|memory| memory.has(pages));
            fitting.ok_or(Full)
        });
        device.settle(&mut state);
        drop(state);
        drop(old);
        written.map_err(errno::of)
    }

    /// Whether the device is between `open_device` and `close_device`.
    pub(crate) fn in_use(&self) -> bool {
        self.state.lock().open.is_some()
    }

    /// Whether contents survive the last close.
    pub(crate) fn keep(&self) -> bool {
        self.state.lock().keep
    }

    /// Sets whether contents survive the last close.
    pub(crate) fn set_keep(&self, keep: bool) {
        self.state.lock().keep = keep;
    }

    /// Writes why the last open or stream was refused and a newline; nothing if none was.
    pub(crate) fn refusal(&self, out: &mut Formatter<'_>) -> Result {
        match self.state.lock().engine.refusal() {
            Some(refusal) => Ok(writeln!(out, "{refusal}")?),
            None => Ok(()),
        }
    }
}

/// A device that users can open; dropping it waits until nobody does.
pub(crate) struct Registered(vfio::Registration<Card>);

impl Registered {
    /// The device.
    pub(crate) fn card(&self) -> ARef<vfio::Device<Card>> {
        self.0.device().clone()
    }
}

/// Makes the device behind `mdev`.
pub(crate) fn create(
    mdev: &mdev::Device<Core<'_>>,
    ty: &'static DeviceType,
    values: Values,
    parent: Arc<Parent>,
) -> Result<Registered> {
    let card = Card::new(ty, values, parent);
    Ok(Registered(vfio::Registration::new(mdev.as_ref(), card)?))
}
