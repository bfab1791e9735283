// SPDX-License-Identifier: GPL-2.0-only

//! Binary files: they may exceed a page, and their callbacks see the offset.

use kernel::{
    container_of,
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

use super::{
    Dir,
    Mode, //
};
use crate::bindings;

/// What a binary file does. sysfs passes at most a page at a time.
pub trait BinOperations: Send + Sync + 'static {
    /// Fills `out` with the content from `offset` on and returns how many bytes there were; 0 is
    /// the end. Not called unless the mode lets somebody read.
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let _ = (offset, out);
        Err(EIO)
    }

    /// Takes `data` as written at `offset`, as a whole or not at all. `data` is never empty. Not
    /// called unless the mode lets somebody write.
    fn write(&self, offset: u64, data: &[u8]) -> Result {
        let _ = (offset, data);
        Err(EIO)
    }
}

/// The part that the C side points to.
#[repr(C)]
struct Inner<T> {
    attr: Opaque<bindings::bin_attribute>,
    data: T,
}

/// A binary file in sysfs.
///
/// # Invariants
///
/// `inner.attr` is registered in the directory `dir`.
pub struct BinFile<T: BinOperations> {
    dir: Arc<Dir>,
    inner: KBox<Inner<T>>,
}

impl<T: BinOperations> BinFile<T> {
    /// Makes the file `name` in `dir`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EEXIST` if there is such a name.
    pub fn new(dir: &Arc<Dir>, name: &'static CStr, mode: Mode, data: T) -> Result<Self> {
        let attr = bindings::bin_attribute {
            attr: super::group::attribute(name.as_char_ptr(), mode),
            read: if mode.readable() {
                Some(Self::read_callback)
            } else {
                None
            },
            write: if mode.writable() {
                Some(Self::write_callback)
            } else {
                None
            },
            ..Default::default()
        };
        let inner = Inner {
            attr: Opaque::new(attr),
            data,
        };
        let inner = KBox::new(inner, GFP_KERNEL)?;
        // SAFETY: The kobject is valid. The attribute lives on the heap, its name is static, and
        // both stay until the destructor has removed the file.
        to_result(unsafe {
            bindings::sysfs_create_bin_file(dir.kobject().as_raw(), inner.attr.get())
        })?;
        // INVARIANT: Registered just now.
        Ok(Self {
            dir: dir.clone(),
            inner,
        })
    }

    /// # Safety
    ///
    /// `attr` must be the `attr` of an [`Inner<T>`] that lives during `'a`.
    unsafe fn data<'a>(attr: *const bindings::bin_attribute) -> &'a T {
        let attr = attr.cast::<Opaque<bindings::bin_attribute>>();
        // SAFETY: By the function's requirement.
        unsafe { &(*container_of!(attr, Inner<T>, attr)).data }
    }

    /// # Safety
    ///
    /// Only called by sysfs, for a file of this type.
    unsafe extern "C" fn read_callback(
        _file: *mut bindings::file,
        _kobj: *mut bindings::kobject,
        attr: *const bindings::bin_attribute,
        buf: *mut c_char,
        offset: bindings::loff_t,
        count: usize,
    ) -> isize {
        // SAFETY: sysfs passes the registered attribute; removal waits for this call.
        let data = unsafe { Self::data(attr) };
        // SAFETY: sysfs passes a buffer of `count` bytes, which is not initialised.
        unsafe { buf.write_bytes(0, count) };
        // SAFETY: As above; nobody else has the buffer during this call.
        let out = unsafe { core::slice::from_raw_parts_mut(buf.cast::<u8>(), count) };
        from_result(|| {
            let n = data.read(u64::try_from(offset)?, out)?;
            Ok(isize::try_from(n.min(count))?)
        })
    }

    /// # Safety
    ///
    /// Only called by sysfs, for a file of this type.
    unsafe extern "C" fn write_callback(
        _file: *mut bindings::file,
        _kobj: *mut bindings::kobject,
        attr: *const bindings::bin_attribute,
        buf: *mut c_char,
        offset: bindings::loff_t,
        count: usize,
    ) -> isize {
        // SAFETY: sysfs passes the registered attribute; removal waits for this call.
        let data = unsafe { Self::data(attr) };
        // SAFETY: sysfs passes its own copy of `count` bytes of what the user wrote.
        let bytes = unsafe { core::slice::from_raw_parts(buf.cast::<u8>(), count) };
        from_result(|| {
            data.write(u64::try_from(offset)?, bytes)?;
            Ok(isize::try_from(count)?)
        })
    }
}

impl<T: BinOperations> Drop for BinFile<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the file is registered there. After this no callback runs.
        unsafe {
            bindings::sysfs_remove_bin_file(self.dir.kobject().as_raw(), self.inner.attr.get())
        };
    }
}

// SAFETY: The C attribute is only read after the file was made; the rest is `Send` by its bound.
unsafe impl<T: BinOperations> Send for BinFile<T> {}

// SAFETY: As above; shared access gives nothing but what callbacks have, which is `Sync`.
unsafe impl<T: BinOperations> Sync for BinFile<T> {}
