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
mod migration;
mod operations;
mod v1;

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
        Mutex, //
    }, //
};
#[cfg(CONFIG_IOMMUFD_DRIVER)]
use kernel_vfio::vfio::logging::Tracker;
use kernel_vfio::{
    mdev,
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
    device::Device as _,
    engine::buffer_len,
    serial,
    types::DeviceType,
    values::Values, //
};

#[cfg(vmig_faults)]
use self::faults::Engine;
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
    /// The device does no DMA, so nothing is ever marked.
    #[cfg(CONFIG_IOMMUFD_DRIVER)]
    #[pin]
    tracker: Tracker,
    // Dropped last, see there.
    parent: Arc<Parent>,
}

/// What the lock of a [`Card`] protects.
struct State {
    engine: Engine<serial::Card, Buffer>,
    v1: v1::Region,
    keep: bool,
    /// The device is open; its parent stays as long.
    open: Option<OpenGuard>,
    msi: Vectors,
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

impl Card {
    fn new(
        ty: &'static DeviceType,
        values: Values,
        parent: Arc<Parent>,
    ) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let device = serial::Card::new(ty, values);
            let buffer = KVVec::from_elem(0, buffer_len(&device), GFP_KERNEL)?;
            let state = State {
                engine: Engine::new(device, Buffer(buffer)),
                v1: v1::Region::new(),
                keep: false,
                open: None,
                msi: Vectors::new(),
                req: Trigger::new(),
            };
            Ok(try_pin_init!(Self {
                state <- new_mutex!(state, "vmig::Card"),
                intx <- Intx::new(),
                readers <- new_poll_condvar!("vmig::Card::readers"),
                #[cfg(CONFIG_IOMMUFD_DRIVER)]
                tracker <- Tracker::new(),
                parent,
            }))
        })
    }

    /// Passes on what the engine has to tell: interrupts, and news for those who poll.
    fn settle(&self, state: &mut State) {
        self.intx.set_level(state.engine.intx());
        let pending = state.engine.msi_pending();
        if pending != 0 {
            let delivered = state.msi.signal(pending);
            state.engine.msi_delivered(delivered);
        }
        self.readers.notify_all();
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
    /// `EINVAL`, `ERANGE` for the value; `EBUSY` if it cannot be changed now.
    pub(crate) fn param_store(device: &vfio::Device<Self>, i: usize, text: &str) -> Result {
        let mut state = device.state.lock();
        let open = state.open.is_some();
        state.engine.set_reinit(device.precopy_info_v2());
        let written = state.engine.set_param(i, text, open);
        device.settle(&mut state);
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
