// SPDX-License-Identifier: GPL-2.0-only

//! Kernel objects, as far as sysfs needs them.
//!
//! C header: [`include/linux/kobject.h`](srctree/include/linux/kobject.h)

use core::ptr::NonNull;

use kernel::{
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

use crate::bindings;

/// A kernel object: what is a directory in sysfs.
///
/// # Invariants
///
/// The `struct kobject` is initialised and reference-counted.
#[repr(transparent)]
pub struct Kobject(Opaque<bindings::kobject>);

impl Kobject {
    /// # Safety
    ///
    /// `ptr` must point to an initialised `struct kobject` whose reference count does not drop to
    /// zero during `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut bindings::kobject) -> &'a Self {
        // SAFETY: `Kobject` is a transparent wrapper; validity is the caller's promise.
        unsafe { &*ptr.cast() }
    }

    /// The C object.
    pub(crate) fn as_raw(&self) -> *mut bindings::kobject {
        self.0.get()
    }
}

// SAFETY: By the type invariant every instance is reference-counted.
unsafe impl AlwaysRefCounted for Kobject {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the count is not zero.
        unsafe { bindings::kobject_get(self.as_raw()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference that it owns.
        unsafe { bindings::kobject_put(obj.cast().as_ptr()) }
    }
}

// SAFETY: The count is atomic, and the release callback may run on any thread.
unsafe impl Send for Kobject {}

// SAFETY: Shared access is limited to calls that the kobject core synchronises.
unsafe impl Sync for Kobject {}
