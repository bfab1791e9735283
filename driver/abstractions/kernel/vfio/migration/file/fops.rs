// SPDX-License-Identifier: GPL-2.0-only

//! `struct file_operations` of data files.

use core::marker::PhantomData;

use kernel::{
    error::from_result,
    ffi,
    fs::{
        file::flags,
        File, //
    },
    module::this_module,
    prelude::*,
    sync::poll::PollTable,
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

use super::{
    Data,
    Operations, //
};
use crate::bindings;

/// Which way data flows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the device to the user.
    Save,
    /// From the user to the device.
    Resume,
}

impl Direction {
    /// With these the VFS refuses the other direction: `EBADF`.
    pub(super) fn open_flags(self) -> ffi::c_int {
        match self {
            // CAST: Small constants.
            Self::Save => flags::O_RDONLY as ffi::c_int,
            Self::Resume => flags::O_WRONLY as ffi::c_int,
        }
    }
}

/// The operations of files of the driver `T`.
pub(super) fn operations<T: Operations>(
    direction: Direction,
) -> &'static bindings::file_operations {
    match direction {
        Direction::Save => &VTable::<T>::SAVE,
        Direction::Resume => &VTable::<T>::RESUME,
    }
}

struct VTable<T: Operations>(PhantomData<T>);

impl<T: Operations> VTable<T> {
    const SAVE: bindings::file_operations = bindings::file_operations {
        // Keeps the code loaded as long as a file is open, whatever became of its device.
        owner: this_module::<T::OwnerModule>().as_ptr(),
        read: Some(Self::read_callback),
        poll: Some(Self::poll_callback),
        unlocked_ioctl: Some(Self::ioctl_callback),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: bindings::compat_ptr_ioctl,
        release: Some(Self::release_callback),
        ..pin_init::zeroed()
    };

    const RESUME: bindings::file_operations = bindings::file_operations {
        owner: this_module::<T::OwnerModule>().as_ptr(),
        write: Some(Self::write_callback),
        release: Some(Self::release_callback),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `file` must be a data file of the driver `T` that stays open during `'a`.
    unsafe fn data<'a>(file: *mut bindings::file) -> Pin<&'a Data<T>> {
        // SAFETY: The private data of such files is a `Pin<KBox<Data<T>>>` until it is released.
        unsafe { Pin::<KBox<Data<T>>>::borrow((*file).private_data) }
    }

    /// # Safety
    ///
    /// `file` must be a valid file.
    unsafe fn is_nonblocking(file: *mut bindings::file) -> bool {
        // SAFETY: The flags are a word of a valid file; volatile stands for `READ_ONCE`.
        let flags = unsafe { (&raw const (*file).f_flags).read_volatile() };
        flags & flags::O_NONBLOCK != 0
    }

    /// # Safety
    ///
    /// Called by the VFS only: `file` is a data file of the driver `T`.
    unsafe extern "C" fn read_callback(
        file: *mut bindings::file,
        buffer: *mut ffi::c_char,
        count: usize,
        _position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: The caller holds the file open.
        let (data, nonblock) = unsafe { (Self::data(file), Self::is_nonblocking(file)) };
        let user = UserSlice::new(UserPtr::from_ptr(buffer.cast()), count);
        from_result(|| data.read(user.writer(), nonblock))
    }

    /// # Safety
    ///
    /// Called by the VFS only: `file` is a data file of the driver `T`.
    unsafe extern "C" fn write_callback(
        file: *mut bindings::file,
        buffer: *const ffi::c_char,
        count: usize,
        _position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: The caller holds the file open.
        let (data, nonblock) = unsafe { (Self::data(file), Self::is_nonblocking(file)) };
        let user = UserSlice::new(UserPtr::from_ptr(buffer.cast_mut().cast()), count);
        from_result(|| data.write(user.reader(), nonblock))
    }

    /// # Safety
    ///
    /// Called by the VFS only: `file` is a data file of the driver `T`, `table` is null or valid.
    unsafe extern "C" fn poll_callback(
        file: *mut bindings::file,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t {
        // SAFETY: The caller holds the file open.
        let data = unsafe { Self::data(file) };
        // SAFETY: The caller holds the file open, and it has no position that could be used.
        let file = unsafe { File::from_raw_file(file) };
        // SAFETY: The table is null or valid during this call.
        data.poll(file, unsafe { PollTable::from_raw(table) })
    }

    /// # Safety
    ///
    /// Called by the VFS only: `file` is a data file of the driver `T`.
    unsafe extern "C" fn ioctl_callback(
        file: *mut bindings::file,
        cmd: ffi::c_uint,
        arg: ffi::c_ulong,
    ) -> ffi::c_long {
        // SAFETY: The caller holds the file open.
        let data = unsafe { Self::data(file) };
        from_result(|| data.ioctl(cmd, UserPtr::from_addr(arg)))
    }

    /// # Safety
    ///
    /// Called by the VFS only, once: `file` is a data file of the driver `T`.
    unsafe extern "C" fn release_callback(
        _inode: *mut bindings::inode,
        file: *mut bindings::file,
    ) -> ffi::c_int {
        // SAFETY: This is the last use of the private data, which came from `into_foreign`.
        drop(unsafe { Pin::<KBox<Data<T>>>::from_foreign((*file).private_data) });
        0
    }
}
