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
    impl_has_work,
    prelude::*,
    sync::{
        static_lock_class,
        Arc, //
    },
    workqueue::{
        Queue,
        Work,
        WorkItem, //
    }, //
};

use crate::{
    bindings,
    compat::lock_name, //
};

/// A workqueue that is drained and freed when this is dropped: not by work of its own, so that no such
/// work may hold the last reference to it, and none may go on queueing itself.
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
        // SAFETY: By the type invariant the queue is ours. `destroy_workqueue` waits for what is
        // queued, and nobody can queue more afterwards, since that takes a reference to `self`.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// What an [`Item`] does.
pub trait Job: Send + Sync + Sized + 'static {
    /// Does it. Never runs twice at once for an item that is always queued on the same queue; one that is
    /// queued meanwhile, which this call may do, runs again.
    fn run(this: &Arc<Item<Self>>);
}

/// Work that can be queued again and again without an allocation.
///
/// Dereferences to the job. The queue holds a reference from queueing to the end of the job.
#[pin_data]
pub struct Item<T: Job> {
    #[pin]
    work: Work<Self>,
    job: T,
}

impl_has_work! {
    impl{T: Job} HasWork<Self> for Item<T> { self.work }
}

impl<T: Job> Item<T> {
    /// An item that is not queued.
    pub fn new(job: T) -> impl PinInit<Self> {
        pin_init!(Self {
            work <- Work::new(lock_name!("workqueue::Item::work"), static_lock_class!()),
            job,
        })
    }

    /// Queues `this`, unless it is queued already.
    pub fn queue(this: &Arc<Self>, queue: &Queue) {
        // What comes back is queued, and will run after this call.
        drop(queue.enqueue(this.clone()));
    }
}

impl<T: Job> WorkItem for Item<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        T::run(&this);
    }
}

impl<T: Job> Deref for Item<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.job
    }
}

#[kunit_tests(vmig_workqueue)]
mod tests {
    use super::*;
    use crate::completion::Idle;
    use kernel::sync::atomic::{
        Atomic,
        Relaxed, //
    };

    struct Counter {
        runs: Atomic<u32>,
        idle: Arc<Idle>,
    }

    impl Job for Counter {
        fn run(this: &Arc<Item<Self>>) {
            this.runs.fetch_add(1, Relaxed);
            this.idle.end();
        }
    }

    #[test]
    fn an_item_is_queued_again_and_again() -> Result {
        let queue = OwnedQueue::unbound(c"vmig-test")?;
        let idle = Arc::pin_init(Idle::new(), GFP_KERNEL)?;
        let job = Counter {
            runs: Atomic::new(0),
            idle: idle.clone(),
        };
        let item = Arc::pin_init(Item::new(job), GFP_KERNEL)?;
        for round in 1..100 {
            idle.begin();
            Item::queue(&item, &queue);
            idle.wait();
            assert_eq!(item.runs.load(Relaxed), round);
        }
        Ok(())
    }

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
