// SPDX-License-Identifier: GPL-2.0-only

//! Event file descriptors, as far as a driver signals them.
//!
//! C header: [`include/linux/eventfd.h`](srctree/include/linux/eventfd.h)

use core::ptr::NonNull;

use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

use crate::bindings;

/// A reference to the context of an eventfd that a user handed in.
///
/// It outlives the file descriptor: signalling a context whose files are all closed does nothing.
///
/// # Invariants
///
/// The pointer is valid and owns one reference of the context.
pub struct Context(NonNull<bindings::eventfd_ctx>);

// SAFETY: An eventfd context is reference counted and protected by its own lock.
unsafe impl Send for Context {}
// SAFETY: As above; `signal` may be called from any number of threads at once.
unsafe impl Sync for Context {}

impl Context {
    /// Takes a reference to the eventfd behind file descriptor `fd` of the current process.
    ///
    /// # Errors
    ///
    /// `EBADF` if there is no such file descriptor, `EINVAL` if it is no eventfd.
    pub fn from_fd(fd: i32) -> Result<Self> {
        // SAFETY: Any number may be looked up.
        let ctx = from_err_ptr(unsafe { bindings::eventfd_ctx_fdget(fd) })?;
        // INVARIANT: `eventfd_ctx_fdget` returns a counted reference or an error pointer.
        NonNull::new(ctx).map(Self).ok_or(EBADF)
    }

    /// Adds one to the counter and wakes its readers. Never sleeps.
    pub fn signal(&self) {
        // SAFETY: By the type invariant the context is alive. A mask of zero is what
        // `eventfd_signal` passes.
        unsafe { bindings::eventfd_signal_mask(self.0.as_ptr(), 0) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we own this reference, and it is not used again.
        unsafe { bindings::eventfd_ctx_put(self.0.as_ptr()) };
    }
}
