// SPDX-License-Identifier: GPL-2.0-only

//! `struct vfio_log_ops` for a driver.

use core::marker::PhantomData;

use kernel::{
    error::from_result,
    ffi,
    prelude::*, //
};

use super::{
    DirtyLog,
    Operations,
    Range, //
};
use crate::{
    bindings,
    vfio::{
        Device,
        Open, //
    }, //
};

/// The logging callbacks of the driver `T`, for
/// [`vfio::Operations::LOGGING`](crate::vfio::Operations::LOGGING).
pub struct Table<T> {
    ops: &'static bindings::vfio_log_ops,
    _driver: PhantomData<fn(T)>,
}

impl<T: Operations> Table<T> {
    /// The table of a driver that implements [`Operations`].
    pub const fn new() -> Self {
        Self {
            ops: &VTable::<T>::OPS,
            _driver: PhantomData,
        }
    }
}

impl<T: Operations> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Table<T> {
    pub(in crate::vfio) fn as_raw(&self) -> *const bindings::vfio_log_ops {
        self.ops
    }
}

struct VTable<T: Operations>(PhantomData<T>);

impl<T: Operations> VTable<T> {
    const OPS: bindings::vfio_log_ops = bindings::vfio_log_ops {
        log_start: Some(Self::start_callback),
        log_stop: Some(Self::stop_callback),
        log_read_and_clear: Some(Self::read_and_clear_callback),
    };

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`, `ranges` is a tree of
    /// `struct interval_tree_node`, `page_size` is valid.
    unsafe extern "C" fn start_callback(
        vdev: *mut bindings::vfio_device,
        ranges: *mut bindings::rb_root_cached,
        _count: u32,
        page_size: *mut u64,
    ) -> ffi::c_int {
        // SAFETY: The file that the call came through keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        from_result(|| {
            // SAFETY: The tree is valid, and only this call uses it.
            let ranges = unsafe { collect(ranges) }?;
            // SAFETY: The core passes a variable to be read and filled in.
            let page_size = unsafe { &mut *page_size };
            let log = DirtyLog::new(ranges, *page_size)?;
            let chosen = log.page_size();
            device.tracker().start(log)?;
            *page_size = chosen;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`.
    unsafe extern "C" fn stop_callback(vdev: *mut bindings::vfio_device) -> ffi::c_int {
        // SAFETY: The file that the call came through keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        device.tracker().stop();
        0
    }

    /// # Safety
    ///
    /// Called by the VFIO core only: `vdev` belongs to an open `Device<T>`, `bitmap` is valid and
    /// covers the range.
    unsafe extern "C" fn read_and_clear_callback(
        vdev: *mut bindings::vfio_device,
        iova: ffi::c_ulong,
        length: ffi::c_ulong,
        bitmap: *mut bindings::iova_bitmap,
    ) -> ffi::c_int {
        // SAFETY: The file that the call came through keeps the device open.
        let device = unsafe { Device::<T, Open>::from_raw(vdev) };
        from_result(|| {
            // CAST: `unsigned long` is 64 bits wide wherever VFIO devices of this kind are built.
            let range = Range::new(iova as u64, length as u64)?;
            device.tracker().report(range, |run| {
                // NO-OVERFLOW: A run lies within the range, whose length is not zero.
                let length = (run.last - run.first + 1) as usize;
                // SAFETY: The run lies within the range that the bitmap covers.
                unsafe { bindings::iova_bitmap_set(bitmap, run.first as usize, length) };
            })?;
            Ok(0)
        })
    }
}

/// Copies the ranges out of the core's tree.
///
/// # Safety
///
/// `tree` must be a valid tree of `struct interval_tree_node` that nobody changes meanwhile.
unsafe fn collect(tree: *mut bindings::rb_root_cached) -> Result<KVec<Range>> {
    let mut ranges = KVec::new();
    // SAFETY: The caller vouches for the tree.
    let mut node = unsafe { bindings::interval_tree_iter_first(tree, 0, usize::MAX) };
    while !node.is_null() {
        // SAFETY: The tree's functions return null or a node of it.
        let (first, last) = unsafe { ((*node).start, (*node).last) };
        let range = Range {
            // CAST: See above; the tree's numbers are `unsigned long`.
            first: first as u64,
            last: last as u64,
        };
        ranges.push(range, GFP_KERNEL_ACCOUNT)?;
        // SAFETY: `node` is a node of the tree that was found with these bounds.
        node = unsafe { bindings::interval_tree_iter_next(node, 0, usize::MAX) };
    }
    Ok(ranges)
}
