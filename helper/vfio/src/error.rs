// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What can go wrong: the operation that failed and the kernel's errno.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::call::Call;

/// Result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An operation on a device that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be opened or read.
    Path {
        /// The file in question.
        path: PathBuf,
        /// Why the kernel refused.
        errno: Errno,
    },
    /// The directory exists, but no VFIO driver is bound to the device: it has neither a
    /// `vfio-dev` directory nor an `iommu_group` that VFIO knows.
    NotVfio {
        /// The device's directory in sysfs.
        path: PathBuf,
    },
    /// An ioctl failed.
    Call {
        /// Which one.
        call: Call,
        /// Why the kernel refused.
        errno: Errno,
    },
    /// The kernel's answer does not have the form that the uAPI header promises.
    Answer {
        /// The ioctl that answered.
        call: Call,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// A region could not be read, written or mapped.
    Region {
        /// Index of the region.
        index: u32,
        /// What was tried.
        access: Access,
        /// Offset inside the region, in bytes.
        offset: u64,
        /// Why the kernel refused; `EIO` stands for a short transfer.
        errno: Errno,
    },
    /// The migration data file descriptor could not be read or written.
    Data {
        /// What was tried.
        access: Access,
        /// Why the kernel refused; `EIO` stands for a write that took no bytes.
        errno: Errno,
    },
    /// Something that is not the kernel, and stands for a device, refused or cannot be reached.
    Remote {
        /// Why it refused; `None` if it did not.
        errno: Option<Errno>,
        /// What happened.
        message: String,
    },
    /// Memory could not be mapped.
    Memory {
        /// Size that was asked for, in bytes.
        len: usize,
        /// Why the kernel refused.
        errno: Errno,
    },
}

/// A kind of access to a region or to migration data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `read(2)` or `pread(2)`.
    Read,
    /// `write(2)` or `pwrite(2)`.
    Write,
    /// `mmap(2)`.
    Map,
}

impl Error {
    /// The errno of the failed system call; `None` when no system call failed.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Path { errno, .. }
            | Self::Call { errno, .. }
            | Self::Region { errno, .. }
            | Self::Data { errno, .. }
            | Self::Memory { errno, .. } => Some(*errno),
            Self::Remote { errno, .. } => *errno,
            Self::NotVfio { .. } | Self::Answer { .. } => None,
        }
    }

    /// The same as a plain number, for callers that do not use `nix`.
    pub fn raw_os_error(&self) -> Option<i32> {
        // Errno is `repr(i32)` and its discriminants are the system's numbers.
        self.errno().map(|errno| errno as i32)
    }

    pub(crate) fn path(path: &Path, error: &io::Error) -> Self {
        Self::Path {
            path: path.to_owned(),
            errno: errno_of(error),
        }
    }
}

/// The errno inside an I/O error; `EIO` for errors that std made up itself (short transfers).
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Map => "map",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, errno } => write!(f, "{}: {}", path.display(), errno.desc()),
            Self::NotVfio { path } => {
                write!(f, "{}: no VFIO driver is bound to it", path.display())
            }
            Self::Call { call, errno } => write!(f, "{call}: {} ({errno:?})", errno.desc()),
            Self::Answer { call, what } => write!(f, "{call}: malformed answer: {what}"),
            Self::Region {
                index,
                access,
                offset,
                errno,
            } => write!(
                f,
                "{access} of region {index} at {offset:#x}: {} ({errno:?})",
                errno.desc()
            ),
            Self::Data { access, errno } => {
                write!(
                    f,
                    "{access} of migration data: {} ({errno:?})",
                    errno.desc()
                )
            }
            Self::Remote { message, .. } => f.write_str(message),
            Self::Memory { len, errno } => {
                write!(f, "{len} bytes of memory: {} ({errno:?})", errno.desc())
            }
        }
    }
}

impl std::error::Error for Error {}
