// SPDX-License-Identifier: GPL-2.0-only

//! Use of an open device by those who are not called through one of its files.

use core::ops::Deref;

use kernel::{
    prelude::*,
    sync::{
        static_lock_class,
        CondVar,
        Mutex, //
    }, //
};

use super::{
    Device,
    Open,
    Operations, //
};
use crate::compat::lock_name;

/// Who uses a device, and whether anybody may.
#[pin_data]
pub(super) struct Usage {
    #[pin]
    state: Mutex<State>,
    #[pin]
    ended: CondVar,
}

struct State {
    open: bool,
    users: usize,
}

impl Usage {
    /// That of a device which is not open.
    pub(super) fn new() -> impl PinInit<Self> {
        let state = State {
            open: false,
            users: 0,
        };
        pin_init!(Self {
            state <- Mutex::new(state, lock_name!("vfio::Usage::state"), static_lock_class!()),
            ended <- CondVar::new(lock_name!("vfio::Usage::ended"), static_lock_class!()),
        })
    }

    /// Lets users begin.
    pub(super) fn open(&self) {
        self.state.lock().open = true;
    }

    /// Lets no more users begin.
    pub(super) fn close(&self) {
        self.state.lock().open = false;
    }

    /// Waits until nobody uses the device.
    pub(super) fn drain(&self) {
        let mut state = self.state.lock();
        while state.users > 0 {
            self.ended.wait(&mut state);
        }
    }

    fn begin(&self) -> Result {
        let mut state = self.state.lock();
        if !state.open {
            return Err(ENODEV);
        }
        state.users = state.users.checked_add(1).ok_or(EOVERFLOW)?;
        Ok(())
    }

    fn end(&self) {
        let mut state = self.state.lock();
        // Whoever ends has begun, so this never saturates.
        state.users = state.users.saturating_sub(1);
        if state.users == 0 {
            self.ended.notify_all();
        }
    }
}

/// A device that is open, and stays so: its last close does not return while this exists.
///
/// # Invariants
///
/// The device counts us as a user.
pub struct InUse<'a, T: Operations>(&'a Device<T>);

impl<'a, T: Operations> InUse<'a, T> {
    pub(super) fn new(device: &'a Device<T>) -> Result<Self> {
        device.usage().begin()?;
        // INVARIANT: It does since this moment.
        Ok(Self(device))
    }
}

impl<T: Operations> Deref for InUse<'_, T> {
    type Target = Device<T, Open>;

    fn deref(&self) -> &Device<T, Open> {
        // SAFETY: By the type invariant we are a user, and the close of the device waits for us.
        unsafe { Device::from_raw(self.0.as_raw()) }
    }
}

impl<T: Operations> Drop for InUse<'_, T> {
    fn drop(&mut self) {
        self.0.usage().end();
    }
}

#[kunit_tests(vmig_vfio_usage)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_open_is_used() -> Result {
        let usage = KBox::pin_init(Usage::new(), GFP_KERNEL)?;
        assert_eq!(usage.begin(), Err(ENODEV));
        usage.open();
        usage.begin()?;
        usage.begin()?;
        usage.close();
        assert_eq!(usage.begin(), Err(ENODEV));
        usage.end();
        usage.end();
        usage.drain();
        usage.open();
        usage.begin()?;
        usage.end();
        Ok(())
    }
}
