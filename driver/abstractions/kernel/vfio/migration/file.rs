// SPDX-License-Identifier: GPL-2.0-only

//! Data files: how migration data leaves and enters a device.
//!
//! A data file belongs to one session and has a direction. It holds a reference to its device, so that
//! it can outlive the session, the last close and even the registration.
//!
//! Reads and writes pass through a buffer of the file, and whoever holds that buffer has its turn.
//! User memory is copied while the buffer is held and no other lock is: somebody else who uses the
//! same file waits, interruptibly, and nobody else does. A read that faults has consumed nothing,
//! and a signal interrupts only between pieces, so that no byte is lost or doubled.

mod fops;
mod turn;

use kernel::{
    error::from_err_ptr,
    fs::File,
    prelude::*,
    sync::{
        aref::ARef,
        poll::PollTable, //
    },
    types::ForeignOwnable,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

use self::{
    fops::Direction,
    turn::Turns, //
};
use super::{
    Operations,
    Peek,
    Readiness, //
};
use crate::{
    bindings,
    vfio::Device, //
};

/// A file through which one session of a device of type `T` is read or written.
///
/// Dropping it closes the file; returned from [`Operations::set_state`] it becomes the user's.
///
/// # Invariants
///
/// The file was made by this module: its private data is a `Pin<KBox<Data<T>>>`.
pub struct DataFile<T: Operations> {
    file: ARef<File>,
    _data: core::marker::PhantomData<T>,
}

/// What stands behind a data file.
#[pin_data]
struct Data<T: Operations> {
    device: ARef<Device<T>>,
    session: T::Session,
    /// Size of the buffer.
    piece: usize,
    #[pin]
    turns: Turns,
}

impl<T: Operations> DataFile<T> {
    /// Makes a file that the state of the device is read from.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `ENFILE`.
    pub fn for_saving(device: &Device<T>, session: T::Session) -> Result<Self> {
        Self::new(device, session, Direction::Save)
    }

    /// Makes a file that a state is written to.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `ENFILE`.
    pub fn for_resuming(device: &Device<T>, session: T::Session) -> Result<Self> {
        Self::new(device, session, Direction::Resume)
    }

    fn new(device: &Device<T>, session: T::Session, direction: Direction) -> Result<Self> {
        // Without a byte no data would ever flow.
        let piece = T::piece(device).max(1);
        let data = KBox::pin_init(
            try_pin_init!(Data {
                device: device.into(),
                session,
                turns <- Turns::new(piece),
                piece,
            }? Error),
            GFP_KERNEL_ACCOUNT,
        )?;
        let data = data.into_foreign();
        // SAFETY: The name and the operations are static, and the operations are those of files
        // whose private data is a `Data<T>`, which the file takes over if it is made.
        let made = from_err_ptr(unsafe {
            bindings::anon_inode_getfile(
                c"[vfio-migration]".as_char_ptr(),
                fops::operations::<T>(direction),
                data,
                direction.open_flags(),
            )
        });
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                // SAFETY: This is the pointer that `into_foreign` returned; nobody took it over.
                drop(unsafe { Pin::<KBox<Data<T>>>::from_foreign(data) });
                return Err(error);
            }
        };
        // A stream has no position: `pread`, `pwrite` and `lseek` are ESPIPE.
        // SAFETY: The file was just made, and nobody else knows it.
        unsafe { bindings::stream_open((*file).f_inode, file) };
        // SAFETY: `from_err_ptr` let no error pass, and the file comes with one reference. Nobody
        // uses its position.
        let file = unsafe { ARef::from_raw(core::ptr::NonNull::new_unchecked(file.cast())) };
        // INVARIANT: The private data was set above.
        Ok(Self {
            file,
            _data: core::marker::PhantomData,
        })
    }

    /// The session that the file belongs to.
    pub fn session(&self) -> &T::Session {
        // SAFETY: By the type invariant the private data is a `Data<T>`, which lives as long as the
        // file, to which we hold a reference.
        let data = unsafe {
            let private = (*self.file.as_ptr()).private_data;
            Pin::<KBox<Data<T>>>::borrow(private)
        };
        &data.get_ref().session
    }

    /// Hands the file over to C.
    pub(super) fn into_raw(self) -> *mut bindings::file {
        ARef::into_raw(self.file).cast().as_ptr()
    }
}

impl<T: Operations> Data<T> {
    /// Serves `read(2)`.
    fn read(&self, mut user: UserSliceWriter, nonblock: bool) -> Result<isize> {
        if user.is_empty() {
            return Ok(0);
        }
        let mut turn = self.turns.take(nonblock)?;
        let mut done: isize = 0;
        while !user.is_empty() {
            let size = user.len().min(self.piece);
            let piece = turn.buffer().get_mut(..size).ok_or(EINVAL)?;
            match self.read_piece(piece, &mut user) {
                Ok(0) => break,
                // CAST: at most a piece. NO-OVERFLOW: the sum is at most the size of the user's
                // buffer, and the VFS lets no more than `MAX_RW_COUNT` pass.
                Ok(count) => done += count as isize,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            if kernel::current!().signal_pending() {
                break;
            }
        }
        Ok(done)
    }

    /// Passes on at most one piece; zero at the end of the stream.
    fn read_piece(&self, piece: &mut [u8], user: &mut UserSliceWriter) -> Result<usize> {
        match T::peek(&self.device, &self.session, piece)? {
            Peek::Data(count) => {
                user.write_slice(piece.get(..count).ok_or(EINVAL)?)?;
                T::consume(&self.device, &self.session, count);
                Ok(count)
            }
            Peek::Later => Err(ENOMSG),
            Peek::End => Ok(0),
        }
    }

    /// Serves `write(2)`.
    fn write(&self, mut user: UserSliceReader, nonblock: bool) -> Result<isize> {
        if user.is_empty() {
            return Ok(0);
        }
        let mut turn = self.turns.take(nonblock)?;
        let mut done: isize = 0;
        while !user.is_empty() {
            let size = user.len().min(self.piece);
            let piece = turn.buffer().get_mut(..size).ok_or(EINVAL)?;
            let taken = user
                .read_slice(piece)
                .and_then(|()| T::write(&self.device, &self.session, piece));
            match taken {
                // CAST, NO-OVERFLOW: As in `read`.
                Ok(count) => done += count.min(size) as isize,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            // What was not taken has been read from the user; it has to come again.
            if taken != Ok(size) || kernel::current!().signal_pending() {
                break;
            }
        }
        Ok(done)
    }

    /// Serves `poll(2)` of a file that is read.
    fn poll(&self, file: &File, table: PollTable<'_>) -> u32 {
        table.register_wait(file, self.device.readers());
        match T::readiness(&self.device, &self.session) {
            Readiness::Later => 0,
            Readiness::Ready => bindings::POLLIN | bindings::POLLRDNORM,
            Readiness::Over => bindings::POLLIN | bindings::POLLRDNORM | bindings::POLLRDHUP,
        }
    }

    /// Serves `ioctl(2)` of a file that is read.
    fn ioctl(&self, cmd: u32, user: UserPtr) -> Result<isize> {
        const SIZE: usize = size_of::<bindings::vfio_precopy_info>();
        const _: () = assert!(SIZE == 3 * size_of::<u64>());

        if cmd != bindings::VFIO_MIG_GET_PRECOPY_INFO {
            return Err(ENOTTY);
        }
        let (mut reader, mut writer) = UserSlice::new(user, SIZE).reader_writer();
        let [argsz, flags]: [u32; 2] = reader.read()?;
        let _: [u64; 2] = reader.read()?;
        if (argsz as usize) < SIZE {
            return Err(EINVAL);
        }
        let info = T::precopy_info(&self.device, &self.session)?;
        let flags = match (self.device.precopy_info_v2(), info.reinit) {
            // Users without the opt-in get back what they passed, as ever.
            (false, _) => flags,
            (true, false) => 0,
            (true, true) => bindings::VFIO_PRECOPY_INFO_REINIT,
        };
        writer.write(&[argsz, flags])?;
        writer.write(&[info.initial_bytes, info.dirty_bytes])?;
        Ok(0)
    }
}
