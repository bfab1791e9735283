// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Whole transfers: the state of a device to a writer, and from a reader.
//!
//! Both work on any device that speaks migration protocol version 2. What they do not do:
//! pre-copy (the device is stopped for the whole transfer), and saying whether the contents
//! survive the closing of the device (that is the driver's matter).

use std::fmt;
use std::io::{self, Read, Write};

use nix::errno::Errno;

use crate::device::Device;
use crate::error::Error;
use crate::migration::{DataFile, State};

/// Bytes that are moved in one step.
const CHUNK: usize = 1 << 20;

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes moved so far.
    pub bytes: u64,
    /// What the device thinks that it will be in the end; `None` for loads and for devices that
    /// cannot say.
    pub estimate: Option<u64>,
}

/// The part of a transfer in which something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Asking the device for its state: nothing was changed.
    Query,
    /// Stopping the device and entering STOP_COPY or RESUMING.
    Enter,
    /// Moving data: reading it from the device, or the device's verdict on a piece of it.
    Data,
    /// The other end: the writer of a save, the reader of a load.
    Stream,
    /// Leaving STOP_COPY or RESUMING; for a load, the device's verdict on the whole of it.
    Finish,
    /// Running again.
    Resume,
}

/// A transfer that failed.
#[derive(Debug)]
pub struct TransferError {
    /// When.
    pub phase: Phase,
    /// Why.
    pub cause: Cause,
    /// Bytes that had been moved.
    pub bytes: u64,
    /// The state that the device was left in, after the attempt to bring it back; `None` if it
    /// does not tell any more.
    pub state: Option<State>,
}

/// Why a transfer failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The device, or the kernel on its behalf.
    Device(Error),
    /// The writer or the reader that was passed in.
    Stream(io::Error),
    /// The device is in a state that no transfer starts from: somebody else is at it, or it
    /// needs a reset.
    State(State),
    /// The kernel opened no data file where it should have.
    NoData,
}

impl TransferError {
    /// The errno with which the device refused; `None` if it was not the device.
    pub fn errno(&self) -> Option<Errno> {
        match &self.cause {
            Cause::Device(error) => error.errno(),
            Cause::Stream(_) | Cause::State(_) | Cause::NoData => None,
        }
    }
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.phase {
            Phase::Query => "the device cannot be asked for its state",
            Phase::Enter => "the device cannot be stopped for the transfer",
            Phase::Data => "the device refused the data",
            Phase::Stream => "the stream ended early",
            Phase::Finish => "the device refused the state",
            Phase::Resume => "the device does not run again",
        })?;
        match &self.cause {
            Cause::Device(_) | Cause::Stream(_) => Ok(()),
            Cause::State(state) => write!(f, ": it is in state {state}"),
            Cause::NoData => f.write_str(": the kernel opened no data file"),
        }
    }
}

impl std::error::Error for TransferError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Device(error) => Some(error),
            Cause::Stream(error) => Some(error),
            Cause::State(_) | Cause::NoData => None,
        }
    }
}

/// A device whose state can be moved, whatever carries the protocol to it. What the methods mean is
/// said at those of [`Device`].
pub trait Migrate {
    /// The state that it is in.
    ///
    /// # Errors
    ///
    /// As [`Device::state`].
    fn state(&self) -> Result<State, Error>;

    /// Takes it to another state; the data if the way ends where a transfer begins.
    ///
    /// # Errors
    ///
    /// As [`Device::set_state`].
    fn go(&self, to: State) -> Result<Option<Box<dyn Data + '_>>, Error>;

    /// Estimate of the bytes that STOP_COPY would send now.
    ///
    /// # Errors
    ///
    /// As [`Device::data_size`].
    fn data_size(&self) -> Result<u64, Error>;

    /// Resets it.
    ///
    /// # Errors
    ///
    /// As [`Device::reset`].
    fn reset(&self) -> Result<(), Error>;
}

/// The data of a transfer.
pub trait Data {
    /// Reads some; 0 is the end.
    ///
    /// # Errors
    ///
    /// As [`DataFile::read`].
    fn read(&self, out: &mut [u8]) -> Result<usize, Error>;

    /// Writes all of `data`.
    ///
    /// # Errors
    ///
    /// As [`DataFile::write_all`].
    fn write_all(&self, data: &[u8]) -> Result<(), Error>;
}

impl Migrate for Device {
    fn state(&self) -> Result<State, Error> {
        self.state()
    }

    fn go(&self, to: State) -> Result<Option<Box<dyn Data + '_>>, Error> {
        let data = self.set_state(to)?;
        Ok(data.map(|file| -> Box<dyn Data> { Box::new(file) }))
    }

    fn data_size(&self) -> Result<u64, Error> {
        self.data_size()
    }

    fn reset(&self) -> Result<(), Error> {
        self.reset()
    }
}

impl Data for DataFile {
    fn read(&self, out: &mut [u8]) -> Result<usize, Error> {
        self.read(out)
    }

    fn write_all(&self, data: &[u8]) -> Result<(), Error> {
        self.write_all(data)
    }
}

/// A failure before the device was brought back.
type Step<T> = Result<T, (Phase, Cause)>;

/// Makes a failed call of the device a failure in `phase`.
fn in_phase(phase: Phase) -> impl Fn(Error) -> (Phase, Cause) {
    move |error| (phase, Cause::Device(error))
}

/// Copies the state of the device to `out` and brings the device back to the state it was in.
/// Returns the number of bytes. `progress` is called before the first and after every step.
///
/// # Errors
///
/// [`TransferError`]; the device is then back in its old state, if it lets itself be brought there.
/// What was written so far is of no use.
pub fn save(
    device: &dyn Migrate,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, TransferError> {
    let mut bytes = 0;
    let back = start(device).map_err(|e| failed(device, e, 0))?;
    drain(device, out, progress, &mut bytes)
        .and_then(|()| finish(device, back))
        .map_err(|error| {
            // From every state of a save there is a way back; if it fails too, the first error
            // is the one that says why, and the state tells where the device is.
            let _ = device.go(back);
            failed(device, error, bytes)
        })?;
    Ok(bytes)
}

/// Stops the device and reads its state until the end.
fn drain(
    device: &dyn Migrate,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
    bytes: &mut u64,
) -> Step<()> {
    device.go(State::Stop).map_err(in_phase(Phase::Enter))?;
    let data = enter(device, State::StopCopy)?;
    let estimate = device.data_size().ok();
    let mut buffer = vec![0; CHUNK];
    loop {
        progress(Progress {
            bytes: *bytes,
            estimate,
        });
        let n = data.read(&mut buffer).map_err(in_phase(Phase::Data))?;
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else {
            break;
        };
        out.write_all(read)
            .map_err(|e| (Phase::Stream, Cause::Stream(e)))?;
        *bytes += n as u64;
    }
    out.flush().map_err(|e| (Phase::Stream, Cause::Stream(e)))
}

/// Gives the device the state that `input` carries, up to its end, and brings the device back to
/// the state it was in. Returns the number of bytes.
///
/// # Errors
///
/// [`TransferError`]; the device is then reset, which is the only way out of RESUMING, and so has
/// neither its old contents nor the new ones. In the phases [`Phase::Data`] and
/// [`Phase::Finish`] the errno is the driver's verdict on the stream.
pub fn load(
    device: &dyn Migrate,
    input: &mut dyn Read,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, TransferError> {
    let mut bytes = 0;
    let back = start(device).map_err(|e| failed(device, e, 0))?;
    fill(device, input, progress, &mut bytes)
        .and_then(|()| finish(device, back))
        .map_err(|error| {
            let _ = device.reset();
            failed(device, error, bytes)
        })?;
    Ok(bytes)
}

/// Enters RESUMING and writes all of `input`.
fn fill(
    device: &dyn Migrate,
    input: &mut dyn Read,
    progress: &mut dyn FnMut(Progress),
    bytes: &mut u64,
) -> Step<()> {
    let data = enter(device, State::Resuming)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        progress(Progress {
            bytes: *bytes,
            estimate: None,
        });
        let n = match input.read(&mut buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err((Phase::Stream, Cause::Stream(e))),
        };
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else {
            return Ok(());
        };
        data.write_all(read).map_err(in_phase(Phase::Data))?;
        *bytes += n as u64;
    }
}

/// The state to come back to: one in which no transfer is going on.
fn start(device: &dyn Migrate) -> Step<State> {
    match device.state().map_err(in_phase(Phase::Query))? {
        state @ (State::Running | State::RunningP2p | State::Stop) => Ok(state),
        other => Err((Phase::Query, Cause::State(other))),
    }
}

fn enter(device: &dyn Migrate, state: State) -> Step<Box<dyn Data + '_>> {
    let data = device.go(state).map_err(in_phase(Phase::Enter))?;
    data.ok_or((Phase::Enter, Cause::NoData))
}

/// Ends the transfer, and returns to `back`.
fn finish(device: &dyn Migrate, back: State) -> Step<()> {
    device.go(State::Stop).map_err(in_phase(Phase::Finish))?;
    if back != State::Stop {
        device.go(back).map_err(in_phase(Phase::Resume))?;
    }
    Ok(())
}

fn failed(device: &dyn Migrate, (phase, cause): (Phase, Cause), bytes: u64) -> TransferError {
    TransferError {
        phase,
        cause,
        bytes,
        state: device.state().ok(),
    }
}
