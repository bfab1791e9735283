// SPDX-License-Identifier: GPL-2.0-only

//! An eventfd of the user that unmasks the line (`vfio_virqfd_enable`).

use core::cell::UnsafeCell;

use kernel::{
    error::to_result,
    ffi,
    prelude::*, //
};

use super::Intx;
use crate::bindings;

/// Place that the C code keeps its `struct virqfd` in; it empties it when the eventfd is closed.
///
/// # Invariants
///
/// Only C code reads and writes the pointer, under its own lock.
pub(super) struct Slot(UnsafeCell<*mut bindings::virqfd>);

// SAFETY: By the type invariant the pointer is only accessed under the C code's lock.
unsafe impl Send for Slot {}
// SAFETY: As above.
unsafe impl Sync for Slot {}

impl Slot {
    pub(super) fn new() -> Self {
        // INVARIANT: Nobody knows the pointer yet.
        Self(UnsafeCell::new(core::ptr::null_mut()))
    }

    /// Unmasks `intx` whenever the eventfd `fd` is signalled, at once if it is.
    ///
    /// # Safety
    ///
    /// Calls are serialised with each other and with [`Slot::disable`]; `self` and `intx` do not
    /// move, and [`Slot::disable`] is called before either goes away.
    pub(super) unsafe fn enable(&self, intx: &Intx, fd: i32) -> Result {
        let opaque = core::ptr::from_ref(intx).cast_mut().cast::<ffi::c_void>();
        // SAFETY: The caller keeps both pointers valid until `vfio_virqfd_disable` has returned.
        // Without a handler the C code calls `unmask_callback` from a work item, where it may
        // signal other eventfds.
        to_result(unsafe {
            bindings::vfio_virqfd_enable(
                opaque,
                None,
                Some(unmask_callback),
                core::ptr::null_mut(),
                self.0.get(),
                fd,
            )
        })
    }

    /// Ends that, and waits until a call that is under way has returned.
    ///
    /// # Safety
    ///
    /// Calls are serialised with each other and with [`Slot::enable`].
    pub(super) unsafe fn disable(&self) {
        // SAFETY: The slot holds null or what `vfio_virqfd_enable` put there.
        unsafe { bindings::vfio_virqfd_disable(self.0.get()) };
    }
}

/// # Safety
///
/// `opaque` is the `Intx` that was passed to [`Slot::enable`].
unsafe extern "C" fn unmask_callback(opaque: *mut ffi::c_void, _data: *mut ffi::c_void) {
    // SAFETY: The `Intx` outlives its virqfd by the contract of `Slot::enable`.
    let intx = unsafe { &*opaque.cast::<Intx>() };
    intx.unmask();
}
