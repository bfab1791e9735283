// SPDX-License-Identifier: GPL-2.0-only

//! Memory cgroups: whom an allocation is charged to.
//!
//! C header: [`include/linux/memcontrol.h`](srctree/include/linux/memcontrol.h)

use core::ptr::NonNull;

use kernel::{
    ffi,
    prelude::*, //
};

use crate::bindings;

/// Somebody whom memory can be charged to, whoever allocates it.
///
/// What a work item allocates is charged to nobody, and what a second user of a device allocates is
/// charged to that user. A driver that wants neither remembers who opened the device.
///
/// In a kernel without `CONFIG_MEMCG`, or with memory cgroups switched off, this is nobody, and
/// [`Memcg::charge`] is a plain call.
///
/// # Invariants
///
/// A pointer is a memory cgroup to which this object owns a reference.
pub struct Memcg(Option<NonNull<ffi::c_void>>);

// SAFETY: The reference count of a memory cgroup belongs to no thread.
unsafe impl Send for Memcg {}
// SAFETY: All that is done through a shared reference is to take another one, which is atomic.
unsafe impl Sync for Memcg {}

impl Memcg {
    /// The memory cgroup of the current process.
    pub fn current() -> Self {
        // SAFETY: Looks at the current task only, and returns null or a counted reference.
        let memcg = unsafe { bindings::vmig_get_mem_cgroup() };
        // INVARIANT: See above.
        Self(NonNull::new(memcg))
    }

    /// Runs `f`. What it allocates with `GFP_KERNEL_ACCOUNT` is charged to this cgroup.
    pub fn charge<R>(&self, f: impl FnOnce() -> R) -> R {
        let Some(memcg) = self.0 else {
            return f();
        };
        // SAFETY: By the type invariant the cgroup is alive as long as `self`, which is longer than
        // this call; what was active before is put back at the end of it. Rust in the kernel does not
        // unwind.
        let before = unsafe { bindings::vmig_set_active_memcg(memcg.as_ptr()) };
        let result = f();
        // SAFETY: What was active when we came is kept alive by whoever made it so.
        unsafe { bindings::vmig_set_active_memcg(before) };
        result
    }
}

impl Clone for Memcg {
    fn clone(&self) -> Self {
        if let Some(memcg) = self.0 {
            // SAFETY: By the type invariant the cgroup is alive.
            unsafe { bindings::vmig_ref_mem_cgroup(memcg.as_ptr()) };
        }
        // INVARIANT: The reference was just taken.
        Self(self.0)
    }
}

impl Drop for Memcg {
    fn drop(&mut self) {
        if let Some(memcg) = self.0 {
            // SAFETY: By the type invariant we own this reference, and it is not used again.
            unsafe { bindings::vmig_put_mem_cgroup(memcg.as_ptr()) };
        }
    }
}

#[kunit_tests(vmig_memcg)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_end() -> Result {
        let memcg = Memcg::current();
        let other = memcg.clone();
        let value = memcg.charge(|| {
            let inner = other.charge(|| KBox::new(1, GFP_KERNEL_ACCOUNT));
            let outer = KBox::new(2, GFP_KERNEL_ACCOUNT);
            Ok::<_, Error>(*inner? + *outer?)
        })?;
        assert_eq!(value, 3);
        // SAFETY: What is active stays so, and is not looked at.
        let active = unsafe {
            let active = bindings::vmig_set_active_memcg(core::ptr::null_mut());
            bindings::vmig_set_active_memcg(active);
            active
        };
        assert!(active.is_null());
        Ok(())
    }
}
