// SPDX-License-Identifier: GPL-2.0-only

//! Mappings of memory, and their faults.
//!
//! A mapping begins empty. A fault makes the page, if it has to, and maps it without the right to
//! write; the first write to it is another fault, which gives that right and marks the page. Whoever
//! takes the mark away takes the right away, too.
//!
//! The lock of the page makes that whole: it is held from the mark until the page table says so
//! (`VM_FAULT_LOCKED`), and by those who remove a mark or a page.
//!
//! The mapping is not `VM_IO`: of such a one KVM takes page table entries as they are, and never has one
//! made writable that is not, while of others it takes what the fault handlers give. That there is a
//! `page_mkwrite`, and no `mapping` in the pages, keeps them from being pinned for long and for writing
//! (`FOLL_LONGTERM`); `VM_DONTEXPAND` keeps them from being merged, locked and collapsed.

use kernel::{
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

use super::{
    frame::Frame,
    Pages, //
};
use crate::bindings;

/// The mappings of some memory; what their lock protects.
///
/// # Invariants
///
/// - `count` mappings have the operations of this file, and this memory as private data.
/// - While there are any, `space` is the address space that they belong to, and their pages stand in
///   it from `base` on.
pub(super) struct Maps {
    count: usize,
    space: *mut bindings::address_space,
    base: usize,
}

// SAFETY: The address space belongs to a file, not to a thread.
unsafe impl Send for Maps {}

impl Maps {
    pub(super) const fn new() -> Self {
        Self {
            count: 0,
            space: core::ptr::null_mut(),
            base: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes the right to write page `index`, which is `frame`, from all mappings.
    pub(super) fn protect(&self, index: usize, frame: &Frame) {
        if self.is_empty() {
            return;
        }
        // SAFETY: By the type invariant there is a mapping. It cannot go away while the lock of these
        // numbers is held, which `close_callback` takes, and its file keeps the address space alive.
        // NO-OVERFLOW: Page numbers of a file.
        unsafe { bindings::mapping_wrprotect_range(self.space, self.base + index, frame.pfn(), 1) };
    }

    /// Makes all mappings of `count` pages empty.
    pub(super) fn unmap(&self, count: usize) {
        if self.is_empty() {
            return;
        }
        // SAFETY: As in `protect`.
        unsafe { bindings::unmap_mapping_pages(self.space, self.base, count, false) };
    }
}

impl Pages {
    /// Makes `vma` a mapping of the memory, from the byte `start` on.
    pub(in crate::vfio::region) fn map(self: &Arc<Self>, vma: &VmaNew, start: usize) -> Result {
        let size = vma.end().checked_sub(vma.start()).ok_or(EINVAL)?;
        let end = start.checked_add(size).ok_or(EINVAL)?;
        if start % PAGE_SIZE != 0 || end > self.size() {
            return Err(EINVAL);
        }
        let raw = vma.as_ptr();
        // SAFETY: The mapping is being made, and only by this thread. It has a file: the one that the
        // call came through.
        let (offset, space) = unsafe { ((*raw).vm_pgoff, (*(*raw).vm_file).f_mapping) };
        let base = offset.checked_sub(start / PAGE_SIZE).ok_or(EINVAL)?;
        {
            let mut maps = self.maps.lock();
            if !maps.is_empty() && (maps.space, maps.base) != (space, base) {
                return Err(EINVAL);
            }
            // INVARIANT: The mapping becomes one below, where nothing can fail any more.
            maps.count += 1;
            maps.space = space;
            maps.base = base;
        }
        vma.set_dontexpand();
        vma.set_dontdump();
        let private = Arc::into_raw(self.clone());
        // SAFETY: As above. The reference becomes that of the mapping, and the operations are static.
        unsafe {
            (*raw).vm_private_data = private.cast_mut().cast();
            (*raw).vm_ops = &OPERATIONS;
        }
        Ok(())
    }

    /// Which page of the memory a fault is about.
    fn index(&self, offset: usize) -> Option<usize> {
        let index = offset.checked_sub(self.maps.lock().base)?;
        (index < self.count()).then_some(index)
    }
}

const OPERATIONS: bindings::vm_operations_struct = bindings::vm_operations_struct {
    open: Some(open_callback),
    close: Some(close_callback),
    fault: Some(fault_callback),
    page_mkwrite: Some(page_mkwrite_callback),
    ..pin_init::zeroed()
};

/// # Safety
///
/// `vma` must be a mapping with the operations of this file, which stays so during `'a`.
unsafe fn memory<'a>(vma: *mut bindings::vm_area_struct) -> ArcBorrow<'a, Pages> {
    // SAFETY: The private data of such mappings is a counted reference to `Pages`.
    unsafe { ArcBorrow::from_raw((*vma).vm_private_data.cast::<Pages>()) }
}

/// A mapping was copied, or split in two.
///
/// # Safety
///
/// Called by the memory management only: `vma` is a new mapping, a copy of one with the operations of
/// this file.
unsafe extern "C" fn open_callback(vma: *mut bindings::vm_area_struct) {
    // SAFETY: The copy has the private data of the original, which is still there.
    let pages = Arc::from(unsafe { memory(vma) });
    // INVARIANT: This one came in addition; its file is that of the original.
    pages.maps.lock().count += 1;
    // The mapping has the pointer already; here is the reference for it.
    let _ = Arc::into_raw(pages);
}

/// A mapping is gone.
///
/// # Safety
///
/// Called by the memory management only, once: `vma` is a mapping with the operations of this file
/// whose pages are unmapped, and which still has its file.
unsafe extern "C" fn close_callback(vma: *mut bindings::vm_area_struct) {
    // SAFETY: This is the last use of the reference that belongs to the mapping.
    let pages = unsafe { Arc::from_raw((*vma).vm_private_data.cast::<Pages>()) };
    let mut maps = pages.maps.lock();
    // INVARIANT: This one was counted, and is no mapping any more.
    maps.count = maps.count.saturating_sub(1);
}

/// A page is missing.
///
/// # Safety
///
/// Called by the memory management only: `vmf` is a fault in a mapping with the operations of this
/// file.
unsafe extern "C" fn fault_callback(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: The fault is valid, and its mapping stays while it is handled.
    let (pages, offset) = unsafe {
        let fault = &(*vmf).__bindgen_anon_1;
        (memory(fault.vma), fault.pgoff)
    };
    let Some(index) = pages.index(offset) else {
        return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
    };
    loop {
        // `VM_FAULT_OOM` would have the fault tried again, for ever: nobody is killed for this memory.
        let Ok(frame) = pages.make(index) else {
            return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
        };
        let locked = frame.lock();
        if frame.is_poisoned() {
            // To be said here: of a page that comes locked the caller wants to know its file.
            return bindings::vm_fault_reason_VM_FAULT_HWPOISON;
        }
        if pages.table.lock().is(index, &frame) {
            locked.leave();
            // SAFETY: The fault is valid. It takes over the reference and the lock.
            unsafe { (*vmf).page = frame.into_raw() };
            return bindings::vm_fault_reason_VM_FAULT_LOCKED;
        }
        // It was discarded in between.
    }
}

/// A page is about to become writable.
///
/// # Safety
///
/// Called by the memory management only: `vmf` is a fault in a mapping with the operations of this
/// file, whose page is one that [`fault_callback`] returned, and stays alive during the call.
unsafe extern "C" fn page_mkwrite_callback(vmf: *mut bindings::vm_fault) -> bindings::vm_fault_t {
    // SAFETY: The fault is valid, and its mapping stays while it is handled.
    let (pages, offset) = unsafe {
        let fault = &(*vmf).__bindgen_anon_1;
        (memory(fault.vma), fault.pgoff)
    };
    let Some(index) = pages.index(offset) else {
        return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
    };
    let Some(frame) = pages.frame(index) else {
        // Discarded since it was mapped: comes again as a missing page.
        return bindings::vm_fault_reason_VM_FAULT_NOPAGE;
    };
    // SAFETY: The fault is valid.
    if frame.as_ptr() != unsafe { (*vmf).page } {
        return bindings::vm_fault_reason_VM_FAULT_NOPAGE;
    }
    let locked = frame.lock();
    let mut table = pages.table.lock();
    if !table.is(index, &frame) {
        return bindings::vm_fault_reason_VM_FAULT_NOPAGE;
    }
    table.mark(index);
    drop(table);
    // The lock stays until the page table lets the write through: whoever takes the mark away after
    // this finds an entry to protect.
    locked.leave();
    bindings::vm_fault_reason_VM_FAULT_LOCKED
}
