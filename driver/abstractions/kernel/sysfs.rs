// SPDX-License-Identifier: GPL-2.0-only

//! Files and directories in sysfs.
//!
//! Each value in this module is something that stands in sysfs as long as the value lives: a
//! directory ([`Dir`]), a group of text attributes ([`Group`]), a binary file ([`BinFile`]).
//! Dropping one removes it and waits until the callbacks that run in it have returned, so its data
//! may be dropped right after. It follows that no lock may be held around the drop that a callback
//! takes.
//!
//! What stands in a directory keeps the directory, so the order in which a tree of such values is
//! dropped does not matter. Only what stands in a directory of somebody else (of a device, of an
//! mdev type) has to go before its owner removes it.
//!
//! This module does not support: symbolic links, `mmap` of binary files, attributes that are
//! changed after they were made, files owned by another user than root.
//!
//! C header: [`include/linux/sysfs.h`](srctree/include/linux/sysfs.h)

mod bin;
mod dir;
mod group;
mod kobject;
mod window;

pub use bin::{
    BinFile,
    BinOperations, //
};
pub use dir::Dir;
pub use group::{
    Attribute,
    Group,
    GroupOperations, //
};
pub use kobject::Kobject;
pub use window::Window;

/// Permissions of a file in sysfs or configfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Mode {
    /// Everybody reads.
    Read = 0o444,
    /// Everybody reads, root writes.
    ReadWrite = 0o644,
    /// Root reads.
    RootRead = 0o400,
    /// Root writes.
    RootWrite = 0o200,
}

impl Mode {
    /// The number.
    pub(crate) const fn bits(self) -> u16 {
        // CAST: A fieldless enum, represented as the number itself.
        self as u16
    }

    /// Whether anybody can read.
    const fn readable(self) -> bool {
        self.bits() & 0o444 != 0
    }

    /// Whether anybody can write.
    const fn writable(self) -> bool {
        self.bits() & 0o222 != 0
    }
}
