// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! UUIDs as text: 36 characters, either case in, lower case out.

use core::{
    fmt,
    str::FromStr, //
};

use crate::error::Error;

/// Length of the text of a UUID, in bytes.
pub const TEXT_LEN: usize = 36;

/// A UUID, in the byte order of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// The UUID with these bytes, in the order in which the text shows them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, in the order in which the text shows them.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for Uuid {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::BadUuid`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 16];
        let mut slots = bytes.iter_mut();
        let mut groups = text.split('-');
        for digits in [8, 4, 4, 4, 12] {
            let group = groups.next().filter(|group| group.len() == digits);
            for pair in group.ok_or(Error::BadUuid)?.as_bytes().chunks_exact(2) {
                let slot = slots.next().ok_or(Error::BadUuid)?;
                *slot = byte(pair).ok_or(Error::BadUuid)?;
            }
        }
        match groups.next() {
            Some(_) => Err(Error::BadUuid),
            None => Ok(Self(bytes)),
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            if matches!(n, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

fn byte(pair: &[u8]) -> Option<u8> {
    let [high, low] = pair else { return None };
    let digit = |c: u8| char::from(c).to_digit(16);
    let value = digit(*high)?.checked_mul(16)?.checked_add(digit(*low)?)?;
    u8::try_from(value).ok()
}
