// SPDX-License-Identifier: GPL-2.0-only

//! Turns: one user of a file at a time, and a buffer for who has it.

use kernel::{
    prelude::*,
    sync::{
        static_lock_class,
        CondVar,
        Mutex, //
    }, //
};

use crate::compat::lock_name;

/// Hands out a buffer to one holder at a time.
///
/// Unlike with a mutex, those who wait can be interrupted by signals, and the holder may keep it as
/// long as a copy from or to user memory takes.
#[pin_data]
pub(super) struct Turns {
    /// The buffer; `None` while somebody has it.
    #[pin]
    buffer: Mutex<Option<KVVec<u8>>>,
    #[pin]
    returned: CondVar,
}

/// Somebody's turn; ends when it is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    buffer: KVVec<u8>,
}

impl Turns {
    /// Makes a buffer of `size` bytes.
    pub(super) fn new(size: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            buffer <- Mutex::new(
                Some(KVVec::from_elem(0, size, GFP_KERNEL_ACCOUNT)?),
                lock_name!("vfio::migration::Turns::buffer"),
                static_lock_class!(),
            ),
            returned <- CondVar::new(
                lock_name!("vfio::migration::Turns::returned"),
                static_lock_class!(),
            ),
        })
    }

    /// Waits until nobody else has the buffer, and takes it.
    ///
    /// # Errors
    ///
    /// `EAGAIN` instead of waiting if `nonblock`; `ERESTARTSYS` if a signal arrived.
    pub(super) fn take(&self, nonblock: bool) -> Result<Turn<'_>> {
        let mut slot = self.buffer.lock();
        loop {
            if let Some(buffer) = slot.take() {
                return Ok(Turn {
                    turns: self,
                    buffer,
                });
            }
            if nonblock {
                return Err(EAGAIN);
            }
            if self.returned.wait_interruptible(&mut slot) {
                // The notification may have been for us; whoever waits next must not miss it.
                self.returned.notify_one();
                return Err(ERESTARTSYS);
            }
        }
    }
}

impl Turn<'_> {
    /// The buffer.
    pub(super) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.turns.buffer.lock() = Some(core::mem::take(&mut self.buffer));
        self.turns.returned.notify_one();
    }
}

#[kunit_tests(vmig_vfio_turn)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() -> Result {
        let turns = KBox::pin_init(Turns::new(16), GFP_KERNEL)?;
        let mut first = turns.take(true)?;
        first.buffer().fill(7);
        assert_eq!(turns.take(true).err(), Some(EAGAIN));
        drop(first);
        let mut second = turns.take(true)?;
        assert_eq!(second.buffer(), [7; 16]);
        Ok(())
    }
}
