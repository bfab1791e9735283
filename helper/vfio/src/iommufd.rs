// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The few structures of IOMMUFD that a VFIO client needs.
//!
//! vfio-bindings is made from `linux/vfio.h` alone, hence these by hand.
//!
//! C header: `include/uapi/linux/iommufd.h`. Names, order and width are those of the header;
//! `__aligned_u64` is `u64`, which has the same alignment on every 64-bit target.

/// `IOMMUFD_TYPE`.
pub(crate) const IOMMUFD_TYPE: u8 = b';';

/// `IOMMU_IOAS_MAP_FIXED_IOVA`: the caller chooses the I/O virtual address.
pub(crate) const IOMMU_IOAS_MAP_FIXED_IOVA: u32 = 1 << 0;
/// `IOMMU_IOAS_MAP_WRITEABLE`: the device may write.
pub(crate) const IOMMU_IOAS_MAP_WRITEABLE: u32 = 1 << 1;
/// `IOMMU_IOAS_MAP_READABLE`: the device may read.
pub(crate) const IOMMU_IOAS_MAP_READABLE: u32 = 1 << 2;

/// `struct iommu_destroy`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IommuDestroy {
    pub(crate) size: u32,
    pub(crate) id: u32,
}

/// `struct iommu_ioas_alloc`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IommuIoasAlloc {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) out_ioas_id: u32,
}

/// `struct iommu_ioas_map`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IommuIoasMap {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) ioas_id: u32,
    pub(crate) reserved: u32,
    pub(crate) user_va: u64,
    pub(crate) length: u64,
    pub(crate) iova: u64,
}

/// `struct iommu_ioas_unmap`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IommuIoasUnmap {
    pub(crate) size: u32,
    pub(crate) ioas_id: u32,
    pub(crate) iova: u64,
    pub(crate) length: u64,
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    /// The kernel tells an old caller from a new one by the size, so it must be exact.
    #[test]
    fn layouts_are_those_of_the_header() {
        assert_eq!(size_of::<IommuDestroy>(), 8);
        assert_eq!(size_of::<IommuIoasAlloc>(), 12);
        assert_eq!(size_of::<IommuIoasMap>(), 40);
        assert_eq!(offset_of!(IommuIoasMap, user_va), 16);
        assert_eq!(offset_of!(IommuIoasMap, iova), 32);
        assert_eq!(size_of::<IommuIoasUnmap>(), 24);
        assert_eq!(offset_of!(IommuIoasUnmap, iova), 8);
    }
}
