// SPDX-License-Identifier: GPL-2.0-only

//! Capabilities of a region: what its flags cannot say.

use kernel::{
    error::to_result,
    prelude::*, //
};

use crate::bindings;

/// Part of a region that may be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Bytes from the start of the region, a multiple of the page size.
    pub offset: u64,
    /// Size in bytes, a multiple of the page size.
    pub size: u64,
}

/// The capability chain that the VFIO core hands to the user behind a region's description.
pub struct InfoCap<'a> {
    raw: &'a mut bindings::vfio_info_cap,
}

impl<'a> InfoCap<'a> {
    pub(super) fn new(raw: &'a mut bindings::vfio_info_cap) -> Self {
        Self { raw }
    }

    /// Says what a region beyond the fixed ones is: `VFIO_REGION_INFO_CAP_TYPE`, version 1.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; the chain is then empty.
    pub fn add_type(&mut self, region_type: u32, subtype: u32) -> Result {
        let mut cap = bindings::vfio_region_info_cap_type {
            header: header(bindings::VFIO_REGION_INFO_CAP_TYPE),
            type_: region_type,
            subtype,
        };
        // SAFETY: The chain is valid, and the header stands at the start of a struct of that size.
        to_result(unsafe {
            bindings::vfio_info_add_capability(self.raw, &mut cap.header, size_of_val(&cap))
        })
    }

    /// Limits mapping to `areas`: `VFIO_REGION_INFO_CAP_SPARSE_MMAP`, version 1.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EOVERFLOW`; the chain is then empty or as it was.
    pub fn add_sparse_mmap(&mut self, areas: &[Area]) -> Result {
        const _: () = assert!(size_of::<bindings::vfio_region_info_cap_sparse_mmap>() == 16);
        const _: () = assert!(size_of::<bindings::vfio_region_sparse_mmap_area>() == 16);

        // The struct ends in an array without a length, so it is made of words: two for the fixed
        // part, then two per area.
        let nr_areas = u32::try_from(areas.len()).map_err(|_| EOVERFLOW)?;
        let mut words = KVec::from_elem(0_u64, 2, GFP_KERNEL)?;
        for area in areas {
            words.push(area.offset, GFP_KERNEL)?;
            words.push(area.size, GFP_KERNEL)?;
        }
        let size = size_of_val(words.as_slice());
        let start = words
            .as_mut_ptr()
            .cast::<bindings::vfio_region_info_cap_sparse_mmap>();
        // SAFETY: The first two words have room for the fixed part and are aligned for it.
        unsafe {
            start.write(bindings::vfio_region_info_cap_sparse_mmap {
                header: header(bindings::VFIO_REGION_INFO_CAP_SPARSE_MMAP),
                nr_areas,
                ..Default::default()
            })
        };
        // SAFETY: The chain is valid, and `start` points to `size` initialised bytes.
        to_result(unsafe { bindings::vfio_info_add_capability(self.raw, start.cast(), size) })
    }
}

/// Header of a capability; the core fills in `next`.
fn header(id: u32) -> bindings::vfio_info_cap_header {
    bindings::vfio_info_cap_header {
        // CAST: The numbers are small constants of the uAPI.
        id: id as u16,
        version: 1,
        next: 0,
    }
}

#[kunit_tests(vmig_vfio_region_caps)]
mod tests {
    use super::*;

    /// A chain that frees its buffer, as the core does.
    struct Chain(bindings::vfio_info_cap);

    impl Drop for Chain {
        fn drop(&mut self) {
            // SAFETY: The buffer was allocated by `krealloc`, or is null.
            unsafe { bindings::kfree(self.0.buf.cast()) };
        }
    }

    #[test]
    fn chain_holds_what_was_added() -> Result {
        let mut chain = Chain(bindings::vfio_info_cap::default());
        let mut caps = InfoCap::new(&mut chain.0);
        caps.add_type(3, 1)?;
        caps.add_sparse_mmap(&[Area {
            offset: 0x1000,
            size: 0x10_0000,
        }])?;
        assert_eq!(chain.0.size, 16 + 32);
        // SAFETY: The core keeps `size` initialised bytes, aligned to words, in the buffer.
        let words = unsafe { core::slice::from_raw_parts(chain.0.buf.cast::<u32>(), 12) };
        assert_eq!(words[0], bindings::VFIO_REGION_INFO_CAP_TYPE | 1 << 16);
        assert_eq!(words[1], 16);
        assert_eq!(words[2], 3);
        assert_eq!(words[3], 1);
        assert_eq!(
            words[4],
            bindings::VFIO_REGION_INFO_CAP_SPARSE_MMAP | 1 << 16
        );
        assert_eq!(words[5], 0);
        assert_eq!(words[6], 1);
        assert_eq!(words[7], 0);
        assert_eq!(words[8], 0x1000);
        assert_eq!(words[10], 0x10_0000);
        Ok(())
    }
}
