// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's checksums, which use the instructions that the processor has for them.
//!
//! C header: [`include/linux/crc32.h`](srctree/include/linux/crc32.h)

use kernel::prelude::*;

use crate::bindings;

/// Carries the register of a CRC32C (Castagnoli) on over `bytes`; whoever starts and ends a checksum
/// inverts it.
pub fn crc32c(register: u32, bytes: &[u8]) -> u32 {
    // SAFETY: Reads so many bytes of a slice.
    unsafe { bindings::crc32c(register, bytes.as_ptr().cast(), bytes.len()) }
}

#[kunit_tests(vmig_crc)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_right() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
        assert_eq!(!crc32c(crc32c(!0, b"1234"), b"56789"), 0xe306_9283);
        assert_eq!(crc32c(7, b""), 7);
    }
}
