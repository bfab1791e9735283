// SPDX-License-Identifier: GPL-2.0-only

//! One page, counted.

use core::ptr::NonNull;

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

use crate::bindings;

/// A reference to a page of memory that users may have mapped.
///
/// # Invariants
///
/// The pointer is a page of order zero that came from the page allocator, and this object owns a
/// reference to it.
#[repr(transparent)]
pub(super) struct Frame(NonNull<bindings::page>);

// SAFETY: The reference count of a page belongs to no thread.
unsafe impl Send for Frame {}
// SAFETY: What a page holds is only copied, by functions of C, which make no promise on what
// concurrent writers leave behind.
unsafe impl Sync for Frame {}

impl Frame {
    /// Allocates a page of zeroes, charged to the current memory cgroup.
    pub(super) fn new() -> Result<Self> {
        // A user who is at a limit is told so: nobody is killed for it, and the log is not filled.
        const FLAGS: bindings::gfp_t = bindings::GFP_KERNEL_ACCOUNT
            | bindings::__GFP_ZERO
            | bindings::__GFP_NOWARN
            | 1 << bindings::___GFP_RETRY_MAYFAIL_BIT;

        // SAFETY: Any flags will do for a context that may sleep.
        let page = unsafe { bindings::alloc_pages(FLAGS, 0) };
        // INVARIANT: It was just allocated, with one reference.
        NonNull::new(page).map(Self).ok_or(ENOMEM)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::page {
        self.0.as_ptr()
    }

    /// Hands the reference over to C.
    pub(super) fn into_raw(self) -> *mut bindings::page {
        core::mem::ManuallyDrop::new(self).as_ptr()
    }

    /// The number of the page.
    pub(super) fn pfn(&self) -> usize {
        // SAFETY: By the type invariant the page is alive.
        unsafe { bindings::vmig_page_to_pfn(self.as_ptr()) }
    }

    /// Whether the hardware has lost what the page holds.
    pub(super) fn is_poisoned(&self) -> bool {
        // SAFETY: By the type invariant the page is alive.
        unsafe { bindings::vmig_page_is_poisoned(self.as_ptr()) }
    }

    /// Where the kernel has the page.
    pub(super) fn address(&self) -> NonNull<u8> {
        // SAFETY: By the type invariant the page is alive.
        let address = unsafe { bindings::vmig_page_address(self.as_ptr()) };
        // SAFETY: It is not in high memory, for which it was not asked, so it has an address.
        unsafe { NonNull::new_unchecked(address.cast()) }
    }

    /// The place of the `len` bytes from `at` on, if they lie in the page.
    fn place(&self, at: usize, len: usize) -> Result<*mut u8> {
        if at.checked_add(len).is_none_or(|end| end > PAGE_SIZE) {
            return Err(EINVAL);
        }
        // SAFETY: The page has `PAGE_SIZE` bytes, and `at` is not beyond.
        Ok(unsafe { self.address().as_ptr().add(at) })
    }

    /// Copies bytes out, from `at` on.
    pub(super) fn read(&self, at: usize, out: &mut [u8]) -> Result {
        let from = self.place(at, out.len())?;
        // SAFETY: `place` has checked the range; `out` is ours. A function of C, which the compiler
        // cannot look into, so that it does not matter who writes meanwhile.
        unsafe { bindings::memcpy(out.as_mut_ptr().cast(), from.cast(), out.len()) };
        Ok(())
    }

    /// Copies `data` in, to `at`.
    pub(super) fn write(&self, at: usize, data: &[u8]) -> Result {
        let to = self.place(at, data.len())?;
        // SAFETY: As in `read`.
        unsafe { bindings::memcpy(to.cast(), data.as_ptr().cast(), data.len()) };
        Ok(())
    }

    /// Takes the lock of the page. While it is held nobody maps the page, nor makes a mapping of it
    /// writable. Never to be taken by one who holds that of another page.
    pub(super) fn lock(&self) -> Locked<'_> {
        // SAFETY: By the type invariant the page is alive. May sleep, like all that comes here.
        unsafe { bindings::vmig_lock_page(self.as_ptr()) };
        // INVARIANT: The lock was just taken.
        Locked(self)
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariant the page is alive.
        unsafe { bindings::vmig_get_page(self.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Self(self.0)
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we own this reference, and it is not used again.
        unsafe { bindings::vmig_put_page(self.as_ptr()) };
    }
}

/// A page whose lock is held.
///
/// # Invariants
///
/// We hold the lock of the page.
pub(super) struct Locked<'a>(&'a Frame);

impl Locked<'_> {
    /// Leaves the lock to C, which was told that it is held.
    pub(super) fn leave(self) {
        core::mem::forget(self);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant we hold the lock.
        unsafe { bindings::vmig_unlock_page(self.0.as_ptr()) };
    }
}
