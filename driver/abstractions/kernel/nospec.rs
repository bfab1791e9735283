// SPDX-License-Identifier: GPL-2.0-only

//! Bounds for numbers that a user chose, also while the CPU speculates.
//!
//! C header: [`include/linux/nospec.h`](srctree/include/linux/nospec.h)

use kernel::prelude::*;

use crate::bindings;

/// Returns `index` if it is below `size`, `None` otherwise; a mispredicted check sees zero.
///
/// To be used where an index from user space selects what is read next.
pub fn index(index: u32, size: u32) -> Option<u32> {
    if index >= size {
        return None;
    }
    // SAFETY: Arithmetic only.
    let clamped = unsafe { bindings::vmig_array_index_nospec(index, size) };
    Some(clamped)
}

#[kunit_tests(vmig_nospec)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_exact() {
        for (number, size, expected) in [
            (0, 0, None),
            (0, 1, Some(0)),
            (1, 1, None),
            (8, 9, Some(8)),
            (9, 9, None),
            (u32::MAX, 9, None),
            (u32::MAX, u32::MAX, None),
            (u32::MAX - 1, u32::MAX, Some(u32::MAX - 1)),
        ] {
            assert_eq!(index(number, size), expected);
        }
    }
}
