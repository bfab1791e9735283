// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration protocol version 1, the migration region, as a view of the engine.
//!
//! The region begins with `struct vfio_device_migration_info`; the data section comes later:
//!
//! | offset | size | field | access |
//! |---|---|---|---|
//! | 0 | 4 | `device_state` | read, write |
//! | 4 | 4 | reserved | reads 0, writes are ignored |
//! | 8 | 8 | `pending_bytes` | read |
//! | 16 | 8 | `data_offset` | read; constant |
//! | 24 | 8 | `data_size` | read; written in 100b only |
//!
//! A field is accessed as a whole, in the byte order of the machine. Everything else before the data
//! section is [`Error::NoField`].
//!
//! # States
//!
//! | `device_state` | state |
//! |---|---|
//! | 000b | `STOP` |
//! | 001b | `RUNNING`; shows `RUNNING_P2P` as well |
//! | 010b | `STOP_COPY` |
//! | 011b | `PRE_COPY`; shows `PRE_COPY_P2P` as well |
//! | 100b | `RESUMING` |
//! | 110b | `ERROR`; shown, never taken |
//!
//! Others, and bits 3 to 31, are refused with [`Error::NoArc`]. Every way that the engine has can be
//! taken: all that the protocol's diagram shows, and all that QEMU 5.2 to 7.2 go.
//!
//! # Data
//!
//! While saving, reading `data_offset` or `data_size` fills the data section with the next bytes of the
//! stream, as many as there are or fit. They stay until `pending_bytes` is read after `data_size` was:
//! that says that the user has them. So the stream's bytes are those of protocol version 2, cut in
//! other places. While resuming, writing `data_size` takes that many bytes from the section, each of
//! which is read once: a user who has mapped the section can change them meanwhile. Any number from 0
//! on is taken, so that what the source sent in one transaction can come in several.
//!
//! # Both protocols on one device
//!
//! A session belongs to the protocol that opened it. With a session of version 2 all of the region but
//! `device_state` and the reserved field is [`Error::Busy`], for reading as for writing; the driver
//! refuses version 2 what it must while [`View::owns`]. Without a session both may change the state.
//!
//! C header: `include/uapi/linux/vfio.h` of Linux 5.8 to 5.17; newer ones have the numbers, but not the
//! text.

mod access;

pub use access::Access;

use crate::{
    crc::Crc32c,
    device::Device,
    engine::{
        Engine,
        Opened, //
    },
    error::Error,
};

/// Size of `struct vfio_device_migration_info`, in bytes; no data section begins before.
pub const HEADER_LEN: u64 = 32;

/// The data section: memory that a user may have mapped, so that it changes at any time.
pub trait Section {
    /// Its length in bytes.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `out.len()` bytes out, from `at` on, each of them once.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`]; then nothing was copied.
    fn read(&self, at: usize, out: &mut [u8]) -> Result<(), Error>;

    /// Copies `data` in, to `at`.
    ///
    /// # Errors
    ///
    /// As [`Section::read`].
    fn write(&self, at: usize, data: &[u8]) -> Result<(), Error>;
}

/// What has become of the stream of a saving session.
#[derive(Clone, Copy, Debug, Default)]
struct Saving {
    /// Bytes in the section that the user does not have yet.
    filled: usize,
    /// The user knows how many they are.
    told: bool,
    /// Bytes that the user has.
    sent: u64,
}

/// The migration region of one device, from one first open to the last close.
#[derive(Clone, Copy, Debug)]
pub struct View {
    data_offset: u64,
    /// The session that was opened last through the region. It may be over.
    session: Option<Opened>,
    saving: Saving,
}

impl View {
    /// A region whose data section begins at `data_offset`, which is [`HEADER_LEN`] or more.
    pub const fn new(data_offset: u64) -> Self {
        Self {
            data_offset,
            session: None,
            saving: Saving {
                filled: 0,
                told: false,
                sent: 0,
            },
        }
    }

    /// Whether the session of `engine` was opened through the region.
    pub fn owns<D, B, C>(&self, engine: &Engine<D, B, C>) -> bool
    where
        D: Device,
        B: AsRef<[u8]> + AsMut<[u8]>,
        C: Crc32c,
    {
        engine.session().is_some() && engine.session() == self.session
    }

    /// The region, with the engine and the data section that stand behind it. They are the same ones
    /// each time.
    pub fn access<'a, D, B, C, S>(
        &'a mut self,
        engine: &'a mut Engine<D, B, C>,
        section: &'a S,
    ) -> Access<'a, D, B, C, S>
    where
        D: Device,
    {
        Access {
            view: self,
            engine,
            section,
        }
    }
}
