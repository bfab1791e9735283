// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the state of migration lets through to the device: regions, parameters, interrupts.

use super::Engine;
use crate::{
    arcs::State,
    crc::Crc32c,
    device::{
        Device,
        Region, //
    },
    error::Error,
    memory::Full,
    values::Values, //
};

impl<D: Device, B: AsRef<[u8]> + AsMut<[u8]>, C: Crc32c> Engine<D, B, C> {
    /// Whether the user opted in to `VFIO_PRECOPY_INFO_REINIT`. Over at close.
    pub fn set_reinit(&mut self, on: bool) {
        self.reinit = on;
    }

    /// The values of the device after a write of `text` to parameter `i`, which is not made. `open`
    /// says whether the device is open.
    ///
    /// # Errors
    ///
    /// [`Error::NoParam`], [`Error::BadValue`], [`Error::NotAllowed`]; [`Error::Busy`] for a change
    /// that cannot be made now: of a runtime parameter in `STOP_COPY`, `ERROR`, and in pre-copy
    /// without [`Engine::set_reinit`]; of any other while the device is open.
    pub fn values_after(&self, i: usize, text: &str, open: bool) -> Result<Values, Error> {
        let ty = self.device.ty();
        let mut values = *self.device.values();
        values.set(ty, i, text)?;
        let runtime = ty.params.get(i).is_some_and(|param| param.runtime);
        let now = match self.state {
            State::Running | State::RunningP2p | State::Stop | State::Resuming => runtime,
            State::PreCopy | State::PreCopyP2p => runtime && self.reinit,
            State::StopCopy | State::Error => false,
        };
        if !open || now || values == *self.device.values() {
            return Ok(values);
        }
        Err(Error::Busy)
    }

    /// [`Engine::set_param_with`], without memory for a device that needs other memory afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::set_param_with`].
    pub fn set_param(&mut self, i: usize, text: &str, open: bool) -> Result<(), Error> {
        self.set_param_with(i, text, open, |_| Err(Full))
    }

    /// Writes parameter `i` as `migration/<param>` does. A change of a value that is not a runtime
    /// parameter scrubs the device. `memory` is asked for a number of pages if the device needs other
    /// memory afterwards; nothing has changed then.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::values_after`]; also [`Error::Busy`] in pre-copy if the user has not read
    /// so many changes that the next one has no room; [`Error::NoMemory`].
    pub fn set_param_with(
        &mut self,
        i: usize,
        text: &str,
        open: bool,
        memory: impl FnOnce(u32) -> Result<D::Memory, Full>,
    ) -> Result<(), Error> {
        let values = self.values_after(i, text, open)?;
        if values == *self.device.values() {
            return Ok(());
        }
        if open && self.state.is_pre_copy() {
            return self.reinitialise(values);
        }
        let runtime = self.device.ty().params.get(i).is_some_and(|p| p.runtime);
        let needed = self.device.needs_memory(&values);
        let memory = needed.map(memory).transpose();
        let memory = memory.map_err(|Full| Error::NoMemory)?;
        self.device.set_values(values, memory);
        if !runtime {
            self.device.reset();
        }
        Ok(())
    }

    /// Reads from a region. Outside the running states a BAR is read without side effects.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`]; then nothing was read.
    pub fn region_read(&mut self, region: Region, at: u64, data: &mut [u8]) -> Result<(), Error> {
        self.expect_range(region, at, data.len())?;
        if self.state.is_running() || region == Region::Config {
            self.device.read(region, at, data);
        } else {
            self.device.peek(region, at, data);
        }
        Ok(())
    }

    /// Writes to a region.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`]; [`Error::Busy`] for a BAR outside the running states. Nothing was
    /// written then. [`Error::NoMemory`]: a part may have been written.
    pub fn region_write(&mut self, region: Region, at: u64, data: &[u8]) -> Result<(), Error> {
        self.expect_range(region, at, data.len())?;
        if !self.state.is_running() && region != Region::Config {
            return Err(Error::Busy);
        }
        let written = self.device.write(region, at, data);
        written.map_err(|Full| Error::NoMemory)
    }

    fn expect_range(&self, region: Region, at: u64, len: usize) -> Result<(), Error> {
        let end = u64::try_from(len).ok().and_then(|len| at.checked_add(len));
        match end {
            Some(end) if end <= self.device.region(region).size => Ok(()),
            _ => Err(Error::OutOfRange),
        }
    }

    /// Level of the INTx line; low outside the running states.
    pub fn intx(&self) -> bool {
        self.state.is_running() && self.device.intx()
    }

    /// Whether a state that was loaded began to run since the last call. INTx is then signalled once,
    /// whatever its level.
    ///
    /// A VMM may have moved a pin that was up at the source, and know nothing of the answer that it
    /// waits for (QEMU 7.2 to 11): only a signal lets it take the pin down again.
    pub fn take_started(&mut self) -> bool {
        core::mem::take(&mut self.started)
    }

    /// MSI or MSI-X vectors to deliver, one bit each; none outside the running states. A vector stays
    /// pending until [`Engine::msi_delivered`].
    pub fn msi_pending(&self) -> u32 {
        if self.state.is_running() {
            self.device.pending()
        } else {
            0
        }
    }

    /// The vectors in `mask` were delivered.
    pub fn msi_delivered(&mut self, mask: u32) {
        self.device.delivered(mask);
    }
}
