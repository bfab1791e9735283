// SPDX-License-Identifier: GPL-2.0-only

//! States of the migration state machine, and which of them a device supports.

use kernel::prelude::*;

use crate::bindings;

/// A migration state, with the number that the uAPI gives it.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The device has failed; a reset brings it back to [`State::Running`].
    Error = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_ERROR,
    /// Nothing inside or outside of the device changes.
    Stop = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_STOP,
    /// Normal operation.
    Running = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING,
    /// Stopped, and the state can be read.
    StopCopy = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_STOP_COPY,
    /// Stopped, and a new state can be written.
    Resuming = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RESUMING,
    /// Running, without DMA to other devices.
    RunningP2p = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_RUNNING_P2P,
    /// Running, and the state can be read as it changes.
    PreCopy = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY,
    /// As [`State::PreCopy`], without DMA to other devices.
    PreCopyP2p = bindings::vfio_device_mig_state_VFIO_DEVICE_STATE_PRE_COPY_P2P,
}

impl State {
    const ALL: [Self; 8] = [
        Self::Error,
        Self::Stop,
        Self::Running,
        Self::StopCopy,
        Self::Resuming,
        Self::RunningP2p,
        Self::PreCopy,
        Self::PreCopyP2p,
    ];

    /// The number of the state in the uAPI.
    pub const fn as_raw(self) -> u32 {
        // CAST: The representation is `u32`.
        self as u32
    }

    /// The state that a user asked for by number, of a device that supports `flags`.
    ///
    /// # Errors
    ///
    /// `EINVAL` for numbers that mean nothing, for [`State::Error`], and for states that the device
    /// does not support.
    pub(super) fn requested(number: u32, flags: Flags) -> Result<Self> {
        let state = Self::try_from(number)?;
        let needed = match state {
            Self::Error => return Err(EINVAL),
            Self::Stop | Self::Running | Self::StopCopy | Self::Resuming => Flags::STOP_COPY,
            Self::RunningP2p => Flags::P2P,
            Self::PreCopy => Flags::PRE_COPY,
            Self::PreCopyP2p => Flags::P2P.with(Flags::PRE_COPY),
        };
        if flags.contains(needed) {
            Ok(state)
        } else {
            Err(EINVAL)
        }
    }
}

impl TryFrom<u32> for State {
    type Error = Error;

    fn try_from(number: u32) -> Result<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|state| state.as_raw() == number).ok_or(EINVAL)
    }
}

/// Which optional parts of the state machine a device supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u64);

impl Flags {
    /// [`State::Stop`], [`State::StopCopy`] and [`State::Resuming`]; every device that can migrate
    /// has these.
    pub const STOP_COPY: Self = Self(bindings::VFIO_MIGRATION_STOP_COPY as u64);
    /// [`State::RunningP2p`], and [`State::PreCopyP2p`] together with [`Flags::PRE_COPY`].
    pub const P2P: Self = Self(bindings::VFIO_MIGRATION_P2P as u64);
    /// [`State::PreCopy`].
    pub const PRE_COPY: Self = Self(bindings::VFIO_MIGRATION_PRE_COPY as u64);

    /// Both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Does `self` have all of `other`?
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of the uAPI, as `struct vfio_device` has them.
    pub(in crate::vfio) const fn as_raw(self) -> u32 {
        // CAST: The bits that exist are the lowest three.
        self.0 as u32
    }
}

#[kunit_tests(vmig_vfio_migration_state)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_uapis() {
        for number in 0..8 {
            assert_eq!(State::try_from(number).map(State::as_raw), Ok(number));
        }
        for number in [8, 255, u32::MAX] {
            assert_eq!(State::try_from(number), Err(EINVAL));
        }
    }

    #[test]
    fn only_supported_states_can_be_requested() {
        let base = Flags::STOP_COPY;
        let p2p = base.with(Flags::P2P);
        let precopy = base.with(Flags::PRE_COPY);
        let all = p2p.with(Flags::PRE_COPY);
        for (state, expected) in [
            (State::Error, [false; 4]),
            (State::Stop, [true; 4]),
            (State::Running, [true; 4]),
            (State::StopCopy, [true; 4]),
            (State::Resuming, [true; 4]),
            (State::RunningP2p, [false, true, false, true]),
            (State::PreCopy, [false, false, true, true]),
            (State::PreCopyP2p, [false, false, false, true]),
        ] {
            for (flags, expected) in [base, p2p, precopy, all].into_iter().zip(expected) {
                let requested = State::requested(state.as_raw(), flags);
                assert_eq!(requested.is_ok(), expected);
            }
        }
    }
}
