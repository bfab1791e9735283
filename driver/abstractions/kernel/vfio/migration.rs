// SPDX-License-Identifier: GPL-2.0-only

//! Migration: the state machine that a user drives a device through, and the data it carries.
//!
//! A driver implements [`Operations`] and names [`Table::new`] in
//! [`vfio::Operations::MIGRATION`](super::Operations::MIGRATION). A state change that starts a
//! transfer of data returns a [`DataFile`]; everything that reads, writes, polls or asks that file
//! ends up in [`Operations`] again, with the driver's name for the session.
//!
//! # Rules that the types cannot say
//!
//! - A state change must not wait for the user of a data file, nor for a lock that is held while user
//!   memory is copied; this module holds none while it calls the driver.
//! - The core installs the file descriptor after the state has changed. If that fails, the data file
//!   is gone and the state has moved; a later state change or reset recovers.
//! - A session ends with its state, with a reset and with the last close. Its data file can be open
//!   much longer, and must from then on yield an error or the end of the stream.
//!
//! C header: [`include/uapi/linux/vfio.h`](srctree/include/uapi/linux/vfio.h)

mod file;
mod state;
mod table;

pub use self::{
    file::DataFile,
    state::{
        Flags,
        State, //
    },
    table::Table, //
};

use kernel::{
    prelude::*,
    sync::poll::PollCondVar, //
};

use super::{
    Device,
    Open, //
};

/// What a session has for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peek {
    /// So many bytes, at least one.
    Data(usize),
    /// Nothing now, maybe later: the temporary end of a pre-copy stream.
    Later,
    /// Nothing ever again.
    End,
}

/// Will a reader get anything but [`Peek::Later`]?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// No; a reader that polls waits.
    Later,
    /// Yes: data, or the end of the stream.
    Ready,
    /// The session is over; reading fails.
    Over,
}

/// Answer to `VFIO_MIG_GET_PRECOPY_INFO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrecopyInfo {
    /// Bytes of initial data that are still to be read.
    pub initial_bytes: u64,
    /// Bytes that changed since they were read.
    pub dirty_bytes: u64,
    /// There is new initial data. Reaches users that opted in, see
    /// [`Device::precopy_info_v2`].
    pub reinit: bool,
}

/// Migration callbacks of a driver.
///
/// Except for [`state`](Operations::state), the first group runs while the device is open. The second
/// group is called through data files, at any time until the last reference to the file is gone, and
/// with calls for one file never overlapping, but for [`readiness`](Operations::readiness) and
/// [`precopy_info`](Operations::precopy_info).
pub trait Operations: super::Operations {
    /// The optional states that the device supports.
    const FLAGS: Flags;

    /// The driver's name for a session.
    type Session: Send + Sync;

    /// Changes the state. [`Some`] if that started a session.
    ///
    /// `to` is a state that the device supports, and not [`State::Error`].
    ///
    /// # Errors
    ///
    /// Any; the state may have moved along the way to `to`, or to [`State::Error`].
    fn set_state(device: &Device<Self, Open>, to: State) -> Result<Option<DataFile<Self>>>;

    /// Largest piece in which data is passed, in bytes, at least one; a buffer of that size belongs to
    /// each file, which asks when it is made.
    fn piece(device: &Device<Self>) -> usize;

    /// The present state. Also called for devices that are not open.
    fn state(device: &Device<Self>) -> State;

    /// Estimate of the bytes that a session in [`State::StopCopy`] would carry, in any state.
    ///
    /// # Errors
    ///
    /// Any.
    fn data_size(device: &Device<Self, Open>) -> Result<usize>;

    /// Copies the next bytes of the stream to `out`, which is not empty, without consuming them: the
    /// next call yields the same bytes, until [`consume`](Operations::consume).
    ///
    /// # Errors
    ///
    /// Any, such as `ENODEV` for a session that is over.
    fn peek(device: &Device<Self>, session: &Self::Session, out: &mut [u8]) -> Result<Peek>;

    /// The user has the first `count` bytes of what [`peek`](Operations::peek) yielded. Without
    /// effect on a session that ended in between.
    fn consume(device: &Device<Self>, session: &Self::Session, count: usize);

    /// Takes bytes of the stream; returns how many, at least one of the at least one in `data`.
    ///
    /// # Errors
    ///
    /// Any; nothing of `data` was taken then.
    fn write(device: &Device<Self>, session: &Self::Session, data: &[u8]) -> Result<usize>;

    /// Would [`peek`](Operations::peek) yield anything?
    fn readiness(device: &Device<Self>, session: &Self::Session) -> Readiness;

    /// Sizes of what is left of pre-copy.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the session is over or not in a pre-copy state.
    fn precopy_info(device: &Device<Self>, session: &Self::Session) -> Result<PrecopyInfo>;

    /// What the driver notifies when [`readiness`](Operations::readiness) may have changed.
    fn readers(&self) -> &PollCondVar;
}
