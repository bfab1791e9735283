// SPDX-License-Identifier: GPL-2.0-only

//! Devices: what stands behind an mdev and its attributes.
#![forbid(unsafe_code)]

use kernel::{
    device::Core,
    fmt::Write as _,
    new_mutex,
    prelude::*,
    str::Formatter,
    sync::{
        Arc,
        Mutex, //
    },
};
use kernel_vfio::mdev;
use vmig_model::{
    types::DeviceType,
    values::Values, //
};

use crate::{
    errno,
    parents::Parent, //
};

/// A device, as its attributes and its users share it.
#[pin_data]
pub(crate) struct Card {
    ty: &'static DeviceType,
    #[pin]
    state: Mutex<State>,
}

struct State {
    values: Values,
    keep: bool,
}

impl Card {
    /// The values in effect.
    pub(crate) fn values(&self) -> Values {
        self.state.lock().values
    }

    /// Writes the value of parameter `i` and a newline.
    pub(crate) fn param_show(&self, i: usize, out: &mut Formatter<'_>) -> Result {
        let value = self.values().get(i).ok_or(ENOENT)?;
        Ok(writeln!(out, "{value}")?)
    }

    /// Sets parameter `i` from its text, which has no newline.
    pub(crate) fn param_store(&self, i: usize, text: &str) -> Result {
        let mut state = self.state.lock();
        state.values.set(self.ty, i, text).map_err(errno::of)
    }

    /// Whether the device is between `open_device` and `close_device`.
    pub(crate) fn in_use(&self) -> bool {
        false
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
    pub(crate) fn refusal(&self, _out: &mut Formatter<'_>) -> Result {
        Ok(())
    }
}

/// A device that users can open; dropping it waits until nobody does.
pub(crate) struct Registered {
    card: Arc<Card>,
}

impl Registered {
    /// The device.
    pub(crate) fn card(&self) -> Arc<Card> {
        self.card.clone()
    }
}

/// Makes the device behind `mdev`.
pub(crate) fn create(
    _mdev: &mdev::Device<Core<'_>>,
    ty: &'static DeviceType,
    values: Values,
    _parent: Arc<Parent>,
) -> Result<Registered> {
    let state = State {
        values,
        keep: false,
    };
    let card = Arc::pin_init(
        try_pin_init!(Card {
            ty,
            state <- new_mutex!(state, "vmig::Card"),
        }),
        GFP_KERNEL,
    )?;
    Ok(Registered { card })
}
