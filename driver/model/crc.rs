// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! CRC32C (Castagnoli; RFC 3720 appendix B.4), the checksum of the state stream.
//!
//! [`Table`] needs nothing. Where there is much to sum up, give the engine another [`Crc32c`]: the
//! kernel module its `crc32c()`, a program a crate that uses the processor's instruction.

/// An implementation of CRC32C.
pub trait Crc32c {
    /// Carries the register on over `bytes`. This is the raw register: the kernel's `crc32c()`. Who
    /// starts and ends a checksum inverts it, see [`checksum`].
    fn update(register: u32, bytes: &[u8]) -> u32;
}

/// The checksum of `bytes`.
///
/// ```
/// use vmig_model::crc::{checksum, Table};
///
/// assert_eq!(checksum::<Table>(b"123456789"), 0xe306_9283);
/// ```
pub fn checksum<C: Crc32c>(bytes: &[u8]) -> u32 {
    !C::update(!0, bytes)
}

/// CRC32C by a table of 256 entries.
#[derive(Clone, Copy, Debug)]
pub struct Table;

impl Crc32c for Table {
    fn update(register: u32, bytes: &[u8]) -> u32 {
        bytes.iter().fold(register, |register, byte| {
            let [low, ..] = register.to_le_bytes();
            let entry = ENTRIES.get(usize::from(low ^ byte)).copied().unwrap_or(0);
            (register >> 8) ^ entry
        })
    }
}

/// The polynomial 0x1edc6f41, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

static ENTRIES: [u32; 256] = entries();

const fn entries() -> [u32; 256] {
    let mut table = [0; 256];
    let mut left: &mut [u32] = &mut table;
    let mut value: u32 = 0;
    while let [slot, rest @ ..] = left {
        let mut register = value;
        let mut bit = 0u32;
        while bit < 8 {
            register = (register >> 1) ^ if register & 1 == 1 { POLYNOMIAL } else { 0 };
            bit = bit.wrapping_add(1);
        }
        *slot = register;
        value = value.wrapping_add(1);
        left = rest;
    }
    table
}
