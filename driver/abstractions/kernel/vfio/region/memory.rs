// SPDX-License-Identifier: GPL-2.0-only

//! Memory that drivers and users share.

use core::{
    alloc::Layout,
    ptr::NonNull, //
};

use kernel::{
    alloc::{
        allocator::Vmalloc,
        Allocator,
        NumaNode, //
    },
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

use crate::bindings;

/// Pages that users can map, zeroed when they are allocated.
///
/// A user who has mapped them changes them at any time. There is therefore no reference to what they
/// hold: bytes are copied out, once, and judged where only the driver can change them.
///
/// Mapped pages outlive this object, until they are unmapped. All are there when the mapping is made, so
/// that no fault is ever handled; a page that the user drops (`MADV_DONTNEED`) does not come back to
/// that mapping.
///
/// # Invariants
///
/// `base` is an allocation of [`Vmalloc`] with `layout`, which is whole pages, and ours alone to free.
pub struct Memory {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: An allocation belongs to no thread.
unsafe impl Send for Memory {}
// SAFETY: All access is copying by a C function, which makes no promise on what concurrent writers
// leave behind.
unsafe impl Sync for Memory {}

impl Memory {
    /// Allocates `size` bytes, zeroed, and charges them to the caller.
    ///
    /// # Errors
    ///
    /// `EINVAL` if that is not a number of whole pages above 0; `ENOMEM`.
    pub fn new(size: usize) -> Result<Arc<Self>> {
        if size == 0 || size % PAGE_SIZE != 0 {
            return Err(EINVAL);
        }
        let layout = Layout::from_size_align(size, PAGE_SIZE).map_err(|_| EINVAL)?;
        // A user who is at a limit is told so, and has no way to fill the log.
        let flags = GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN;
        let base = Vmalloc::alloc(layout, flags, NumaNode::NO_NODE)?.cast();
        // INVARIANT: It was just allocated.
        let memory = Self { base, layout };
        Ok(Arc::new(memory, GFP_KERNEL_ACCOUNT)?)
    }

    /// Size in bytes.
    pub fn size(&self) -> usize {
        self.layout.size()
    }

    /// Where the `len` bytes from `at` on are, if the memory has them.
    fn place(&self, at: usize, len: usize) -> Result<*mut u8> {
        let end = at.checked_add(len).ok_or(EINVAL)?;
        if end > self.size() {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariant the allocation has `size` bytes, and `at` is not beyond.
        Ok(unsafe { self.base.as_ptr().add(at) })
    }

    /// Copies `out.len()` bytes out, from `at` on.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the memory does not have them; then nothing was copied.
    pub fn read(&self, at: usize, out: &mut [u8]) -> Result {
        let from = self.place(at, out.len())?;
        // SAFETY: `place` has checked the range; `out` is ours. A function of C, which the compiler
        // cannot look into, so that it does not matter who writes meanwhile.
        unsafe { bindings::memcpy(out.as_mut_ptr().cast(), from.cast(), out.len()) };
        Ok(())
    }

    /// Copies `data` in, to `at`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the memory is too short; then nothing was copied.
    pub fn write(&self, at: usize, data: &[u8]) -> Result {
        let to = self.place(at, data.len())?;
        // SAFETY: As in `read`.
        unsafe { bindings::memcpy(to.cast(), data.as_ptr().cast(), data.len()) };
        Ok(())
    }

    /// Fills `vma` with the pages from `start` on.
    pub(super) fn map(&self, vma: &VmaNew, start: usize) -> Result {
        let size = vma.end().checked_sub(vma.start()).ok_or(EINVAL)?;
        if start % PAGE_SIZE != 0 {
            return Err(EINVAL);
        }
        self.place(start, size)?;
        let mixed = vma.set_mixedmap();
        vma.set_dontexpand();
        vma.set_dontdump();
        for offset in (0..size).step_by(PAGE_SIZE) {
            // NO-OVERFLOW: `place` has checked the sum of `start` and `size`.
            // SAFETY: In the allocation, as `place` has checked.
            let page = unsafe { self.base.add(start + offset) };
            // SAFETY: By the type invariant this lies in an allocation of `Vmalloc`, which lives as
            // long as `self`.
            let page = unsafe { Vmalloc::to_page(page) };
            mixed.vm_insert_page(vma.start() + offset, &page)?;
        }
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this is ours to free, with this layout. Whoever has mapped a
        // page holds a reference to it.
        unsafe { Vmalloc::free(self.base, self.layout) };
    }
}

#[kunit_tests(vmig_vfio_region_memory)]
mod tests {
    use super::*;

    #[test]
    fn is_zeroed_whole_pages() -> Result {
        for size in [0, 1, PAGE_SIZE - 1, PAGE_SIZE + 1, usize::MAX] {
            assert_eq!(Memory::new(size).err(), Some(EINVAL));
        }
        let memory = Memory::new(2 * PAGE_SIZE)?;
        let mut out = [1; 64];
        for at in [0, PAGE_SIZE - 1, 2 * PAGE_SIZE - 64] {
            memory.read(at, &mut out)?;
            assert_eq!(out, [0; 64]);
        }
        Ok(())
    }

    #[test]
    fn bytes_come_back_and_bounds_hold() -> Result {
        let memory = Memory::new(PAGE_SIZE)?;
        memory.write(PAGE_SIZE - 4, &[1, 2, 3, 4])?;
        let mut out = [0; 4];
        memory.read(PAGE_SIZE - 4, &mut out)?;
        assert_eq!(out, [1, 2, 3, 4]);
        for at in [PAGE_SIZE - 3, PAGE_SIZE, usize::MAX] {
            assert_eq!(memory.read(at, &mut out), Err(EINVAL));
            assert_eq!(memory.write(at, &out), Err(EINVAL));
        }
        Ok(())
    }
}
