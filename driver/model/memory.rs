// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Memory that a device has, and the memory of the machine that it reaches: given by whoever runs the
//! device.

/// Bytes in a page of device memory: the unit in which it is allocated, tracked and sent.
pub const PAGE: usize = 4096;

/// There is no memory to be had: a limit of the device's user is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Memory of a device, which users may have mapped: it changes at any time, so all access is copying.
///
/// A clone is the same memory. Accesses stay within [`Memory::pages`]; what is asked beyond is ignored.
pub trait Memory: Clone {
    /// Its size in pages. It never changes.
    fn pages(&self) -> u32;

    /// Copies `out.len()` bytes out, from the byte `at` on. A page that was never touched reads 0, and
    /// is not made by that.
    fn read(&self, at: u64, out: &mut [u8]);

    /// Copies `data` in, to the byte `at`. The pages are made if they are not there, and marked dirty
    /// while tracking is on.
    ///
    /// # Errors
    ///
    /// [`Full`]; a part may have been written then.
    fn write(&self, at: u64, data: &[u8]) -> Result<(), Full>;

    /// Switches the tracking of writes on or off, of writes by those who have mapped the memory as well.
    /// Switched on, no page is dirty; switched off, none is.
    fn track(&self, on: bool);

    /// The first dirty page from `from` on. Its mark is cleared and later writes are seen before this
    /// returns: what is read afterwards has every write that is not reported again.
    fn take_dirty(&self, from: u32) -> Option<u32>;

    /// Number of dirty pages from `from` on.
    fn dirty(&self, from: u32) -> u32;

    /// The first touched page from `from` on. If it is dirty that ends, as with [`Memory::take_dirty`].
    fn take_touched(&self, from: u32) -> Option<u32>;

    /// The first page from `from` on that was touched: written, or mapped and accessed.
    fn next_touched(&self, from: u32) -> Option<u32>;

    /// Number of pages from `from` on that were touched.
    fn touched(&self, from: u32) -> u32;

    /// All pages read 0 and are untouched, mapped ones as well.
    fn discard(&self);
}

/// An address that is not mapped, or not for this kind of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFault;

/// The machine's memory, as a device reaches it (DMA).
pub trait Bus {
    /// Reads `out.len()` bytes at `iova`.
    ///
    /// # Errors
    ///
    /// [`BusFault`]; `out` may have changed.
    fn read(&self, iova: u64, out: &mut [u8]) -> Result<(), BusFault>;

    /// Writes `data` at `iova`.
    ///
    /// # Errors
    ///
    /// [`BusFault`]; a part may have been written.
    fn write(&self, iova: u64, data: &[u8]) -> Result<(), BusFault>;
}
