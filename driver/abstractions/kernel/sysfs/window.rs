// SPDX-License-Identifier: GPL-2.0-only

//! The piece of a text that one `read(2)` asks for.

use kernel::{
    fmt,
    prelude::*, //
};

/// Takes a text from its beginning and keeps the piece from an offset on, as long as the buffer is.
///
/// # Examples
///
/// ```ignore
/// let mut piece = [0; 4];
/// let mut window = Window::new(2, &mut piece);
/// window.write_str("abc")?;
/// window.write_str("defgh")?;
/// assert_eq!(window.len(), 4);
/// assert_eq!(&piece, b"cdef");
/// ```
pub struct Window<'a> {
    /// How much of the text is still to be skipped.
    skip: u64,
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Window<'a> {
    /// A window on a text, from byte `offset` on.
    pub fn new(offset: u64, buffer: &'a mut [u8]) -> Self {
        Self {
            skip: offset,
            buffer,
            len: 0,
        }
    }

    /// How many bytes of the buffer were filled; 0 at the end of the text.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written to the buffer.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Write for Window<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let bytes = text.as_bytes();
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let skipped = skipped.min(bytes.len());
        // NO-OVERFLOW: `skipped` is at most `self.skip`. CAST: A `usize` has at most 64 bits.
        self.skip -= skipped as u64;
        let wanted = bytes.get(skipped..).unwrap_or_default();
        let free = self.buffer.get_mut(self.len..).unwrap_or_default();
        let n = wanted.len().min(free.len());
        if let (Some(to), Some(from)) = (free.get_mut(..n), wanted.get(..n)) {
            to.copy_from_slice(from);
            // NO-OVERFLOW: The sum is at most the buffer's length.
            self.len += n;
        }
        Ok(())
    }
}

#[kunit_tests(vmig_sysfs_window)]
mod tests {
    use super::*;
    use fmt::Write as _;

    #[test]
    fn every_piece_of_a_text_is_found() -> Result {
        let text = "abcdefgh";
        for offset in 0..=9 {
            for size in 0..=9 {
                let mut buffer = [b'-'; 9];
                let mut window = Window::new(u64::try_from(offset)?, &mut buffer[..size]);
                window.write_str("abc")?;
                window.write_str("")?;
                window.write_str("defgh")?;
                let n = window.len();
                let end = text.len().min(offset + size);
                let piece = text.get(offset..end).unwrap_or_default();
                assert_eq!(buffer[..n], *piece.as_bytes());
                assert!(buffer[n..].iter().all(|c| *c == b'-'));
            }
        }
        Ok(())
    }

    #[test]
    fn an_offset_beyond_everything_finds_nothing() -> Result {
        let mut buffer = [0; 4];
        let mut window = Window::new(u64::MAX, &mut buffer);
        window.write_str("abc")?;
        assert!(window.is_empty());
        Ok(())
    }
}
