// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A short copy of a text from elsewhere, to be shown to people.

use core::{
    fmt,
    str, //
};

/// At most `N` bytes (up to 255) of a text; what was longer is cut and shown with `...` at its end. Control
/// characters are shown as Rust escapes, so that the result stays one line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: u8,
    cut: bool,
}

impl<const N: usize> Text<N> {
    /// Copies `text`.
    pub fn new(text: &str) -> Self {
        // The longest prefix that fits. Copied byte by byte: what `encode_utf8()` and
        // `copy_from_slice()` call when lengths do not match never returns, and objtool does not
        // know it.
        let room = u8::try_from(N).unwrap_or(u8::MAX);
        let mut len = u8::try_from(text.len()).unwrap_or(u8::MAX).min(room);
        while !text.is_char_boundary(usize::from(len)) {
            len = len.saturating_sub(1);
        }
        let mut bytes = [0; N];
        for (slot, byte) in bytes.iter_mut().zip(text.bytes().take(usize::from(len))) {
            *slot = byte;
        }
        Self {
            bytes,
            len,
            cut: usize::from(len) < text.len(),
        }
    }

    /// What was kept of the text.
    pub fn as_str(&self) -> &str {
        let kept = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        str::from_utf8(kept).unwrap_or_default()
    }
}

impl<const N: usize> From<&str> for Text<N> {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.as_str().chars() {
            if c.is_control() {
                fmt::Display::fmt(&c.escape_default(), f)?;
            } else {
                fmt::Write::write_char(f, c)?;
            }
        }
        f.write_str(if self.cut { "..." } else { "" })
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
