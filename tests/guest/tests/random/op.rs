// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Operations, and what they answer.

use std::fmt;

use vmig_vfio::Errno;

/// What a user can do to a device; files are meant by their place in the list of those that are
/// open, oldest first.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// Opens the device, through its own node or its group. Only if it is closed; for all the
    /// others that are not about files, parameters or `keep` it has to be open.
    Open { group: bool },
    /// Closes the device; files stay open.
    Close,
    /// Asks for a state, by number.
    SetState(u32),
    /// Reads from a file.
    Read { file: usize, len: usize },
    /// Writes to a file.
    Write { file: usize, data: Vec<u8> },
    /// Asks a file what pre-copy has left.
    PrecopyInfo { file: usize },
    /// Polls a file, without waiting.
    Poll { file: usize },
    /// Closes a file.
    CloseFile { file: usize },
    /// Resets the device.
    Reset,
    /// Opts in to REINIT.
    PrecopyInfoV2,
    /// Reads a region.
    RegionRead { index: u32, at: u64, len: usize },
    /// Writes a region.
    RegionWrite { index: u32, at: u64, data: Vec<u8> },
    /// Writes a parameter.
    SetParam {
        name: &'static str,
        text: &'static str,
    },
    /// Writes `vmig/keep`.
    Keep(bool),
    /// Binds an eventfd to INTx, or unbinds it.
    Intx { bind: bool },
    /// Unmasks INTx.
    Unmask,
    /// Binds an eventfd to MSI, or unbinds it.
    Msi { bind: bool },
    /// Starts or stops DMA logging.
    Logging { start: bool },
}

/// Short, for the history that is printed when the two differ.
impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { group } => write!(f, "open (group: {group})"),
            Self::Close => f.write_str("close"),
            Self::SetState(number) => write!(f, "set state {number}"),
            Self::Read { file, len } => write!(f, "read {len} from file {file}"),
            Self::Write { file, data } => write!(f, "write {} to file {file}", data.len()),
            Self::PrecopyInfo { file } => write!(f, "precopy info of file {file}"),
            Self::Poll { file } => write!(f, "poll file {file}"),
            Self::CloseFile { file } => write!(f, "close file {file}"),
            Self::Reset => f.write_str("reset"),
            Self::PrecopyInfoV2 => f.write_str("precopy info v2"),
            Self::RegionRead { index, at, len } => {
                write!(f, "read {len} at {at:#x} of region {index}")
            }
            Self::RegionWrite { index, at, data } => {
                write!(f, "write {data:02x?} at {at:#x} of region {index}")
            }
            Self::SetParam { name, text } => write!(f, "set {name} to {text:?}"),
            Self::Keep(keep) => write!(f, "keep {keep}"),
            Self::Intx { bind } => write!(f, "INTx (bind: {bind})"),
            Self::Unmask => f.write_str("unmask INTx"),
            Self::Msi { bind } => write!(f, "MSI (bind: {bind})"),
            Self::Logging { start } => write!(f, "logging (start: {start})"),
        }
    }
}

/// What a successful operation returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing.
    Nothing,
    /// Whether there is a new file, which then is the last one of the list.
    File(bool),
    /// Bytes that were read.
    Bytes(Vec<u8>),
    /// Number of bytes that were written.
    Count(usize),
    /// Flags, initial bytes, dirty bytes.
    Info(u32, u64, u64),
    /// Whether it is readable.
    Ready(bool),
}

/// What an operation answers.
pub(crate) type Answer = Result<Value, Errno>;

/// What can be seen of a device at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// State and data size; nothing while it is closed.
    pub(crate) open: Option<(u32, u64)>,
    /// Interrupts since the last look: INTx, MSI.
    pub(crate) interrupts: (u64, u64),
}

/// The same of its files in sysfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) params: Vec<(String, String)>,
    pub(crate) refusal: String,
    pub(crate) in_use: bool,
}

/// Files that stay open; a new one pushes out the oldest.
pub(crate) const FILES_MAX: usize = 4;

/// What the flags member of the pre-copy information is before the call.
pub(crate) const FLAGS: u32 = 0x5a00;
