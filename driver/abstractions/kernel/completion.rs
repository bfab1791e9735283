// SPDX-License-Identifier: GPL-2.0-only

//! Waiting until somebody has finished.
//!
//! `kernel::sync::Completion` is done once and for all, and waits for it cannot be killed.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)

use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

use crate::bindings;

/// Whether somebody is busy, and a way to wait until nobody is.
///
/// Who begins is the user's affair, as is that nobody begins while others wait: a lock that protects
/// both is not needed here, but usual.
#[pin_data]
pub struct Idle {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: A completion belongs to no thread.
unsafe impl Send for Idle {}
// SAFETY: Completions have a lock of their own.
unsafe impl Sync for Idle {}

impl Idle {
    /// Nobody is busy.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: The place is valid, and not initialised.
                unsafe { bindings::init_completion(slot) };
                // SAFETY: Initialised by now, and nobody else knows it.
                unsafe { bindings::complete_all(slot) };
            }),
        })
    }

    /// Somebody is busy from now on. Those who wait already go on waiting.
    pub fn begin(&self) {
        // SAFETY: The completion is alive.
        unsafe { bindings::vmig_reinit_completion(self.inner.get()) };
    }

    /// Nobody is busy any more; all who wait go on.
    pub fn end(&self) {
        // SAFETY: The completion is alive.
        unsafe { bindings::complete_all(self.inner.get()) };
    }

    /// Waits until nobody is busy.
    pub fn wait(&self) {
        // SAFETY: The completion is alive.
        unsafe { bindings::wait_for_completion(self.inner.get()) };
    }

    /// Waits until nobody is busy, or the current process is killed.
    ///
    /// # Errors
    ///
    /// `EINTR` if it is killed.
    pub fn wait_killable(&self) -> Result {
        // SAFETY: The completion is alive.
        to_result(unsafe { bindings::wait_for_completion_killable(self.inner.get()) })
            .map_err(|_| EINTR)
    }
}

#[kunit_tests(vmig_idle)]
mod tests {
    use super::*;
    use crate::workqueue::OwnedQueue;
    use kernel::sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    };

    #[test]
    fn waits_for_the_end_each_time() -> Result {
        let idle = Arc::pin_init(Idle::new(), GFP_KERNEL)?;
        let count = Arc::new(Atomic::<u32>::new(0), GFP_KERNEL)?;
        let queue = OwnedQueue::unbound(c"vmig-test")?;
        idle.wait();
        for round in 1..4 {
            idle.begin();
            let (worker, counter) = (idle.clone(), count.clone());
            queue.try_spawn(GFP_KERNEL, move || {
                counter.fetch_add(1, Relaxed);
                worker.end();
            })?;
            idle.wait_killable()?;
            assert_eq!(count.load(Relaxed), round);
            idle.wait();
        }
        Ok(())
    }
}
