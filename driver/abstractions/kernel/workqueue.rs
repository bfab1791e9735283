// SPDX-License-Identifier: GPL-2.0-only

//! Workqueues of a module's own.
//!
//! [`kernel::workqueue`] offers the system's queues only. Work that may still be queued when its
//! module goes away needs a queue that is drained first, and work that a guest can cause in any
//! amount should not share a queue with others.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::{
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    prelude::*,
    workqueue::Queue, //
};

use crate::bindings;

/// A workqueue that is drained and freed when this is dropped.
///
/// # Invariants
///
/// The pointer is a workqueue that this object owns.
pub struct OwnedQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: Workqueues may be used and destroyed by any thread.
unsafe impl Send for OwnedQueue {}
// SAFETY: Queueing is protected by the workqueue's own locks.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Allocates a queue whose work items run on any CPU, each in a context that may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn unbound(name: &'static CStr) -> Result<Self> {
        // SAFETY: The format has one conversion, which takes the string that follows; zero
        // active items stands for the default.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                bindings::wq_flags_WQ_UNBOUND,
                0,
                name.as_char_ptr(),
            )
        };
        // INVARIANT: A queue that was just allocated belongs to us.
        NonNull::new(queue).map(Self).ok_or(ENOMEM)
    }
}

impl Deref for OwnedQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the type invariant the queue is alive at least as long as `self`.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the queue is ours. `destroy_workqueue` runs what is
        // queued, and nobody can queue more, since that takes a reference to `self`.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

#[kunit_tests(vmig_workqueue)]
mod tests {
    use super::*;
    use kernel::sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    };

    #[test]
    fn dropping_runs_what_is_queued() -> Result {
        let ran = Arc::new(Atomic::<u32>::new(0), GFP_KERNEL)?;
        let queue = OwnedQueue::unbound(c"vmig-test")?;
        for _ in 0..64 {
            let ran = ran.clone();
            queue.try_spawn(GFP_KERNEL, move || {
                ran.fetch_add(1, Relaxed);
            })?;
        }
        drop(queue);
        assert_eq!(ran.load(Relaxed), 64);
        Ok(())
    }
}
