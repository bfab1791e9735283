// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The ioctls that this crate issues, by name and number.
//!
//! Numbers: `include/uapi/linux/vfio.h` (`_IO(VFIO_TYPE, VFIO_BASE + n)`) and
//! `include/uapi/linux/iommufd.h` (`_IO(IOMMUFD_TYPE, n)`). vfio-bindings has the structures,
//! but not the request numbers, which are macros in C.

use std::fmt;

use nix::libc;
use nix::request_code_none;
use vfio_bindings::bindings::vfio::{
    VFIO_BASE, VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_MASK, VFIO_DEVICE_FEATURE_PROBE,
    VFIO_DEVICE_FEATURE_SET, VFIO_TYPE,
};

use crate::iommufd::IOMMUFD_TYPE;

/// An ioctl of VFIO or IOMMUFD, named as in the C header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "Display gives the C name, which says it all")]
pub enum Call {
    GetApiVersion,
    CheckExtension,
    SetIommu,
    GroupGetStatus,
    GroupSetContainer,
    GroupGetDeviceFd,
    DeviceGetInfo,
    DeviceGetRegionInfo,
    DeviceGetIrqInfo,
    DeviceSetIrqs,
    DeviceReset,
    /// `VFIO_DEVICE_FEATURE` with the `flags` word that was passed.
    DeviceFeature(u32),
    DeviceBindIommufd,
    DeviceAttachIommufdPt,
    MigGetPrecopyInfo,
    IommuMapDma,
    IommuUnmapDma,
    IommuDestroy,
    IommuIoasAlloc,
    IommuIoasMap,
    IommuIoasUnmap,
}

impl Call {
    /// The request number.
    pub(crate) fn request(self) -> libc::Ioctl {
        match self {
            Self::GetApiVersion => request_code_none!(VFIO_TYPE, VFIO_BASE),
            Self::CheckExtension => request_code_none!(VFIO_TYPE, VFIO_BASE + 1),
            Self::SetIommu => request_code_none!(VFIO_TYPE, VFIO_BASE + 2),
            Self::GroupGetStatus => request_code_none!(VFIO_TYPE, VFIO_BASE + 3),
            Self::GroupSetContainer => request_code_none!(VFIO_TYPE, VFIO_BASE + 4),
            Self::GroupGetDeviceFd => request_code_none!(VFIO_TYPE, VFIO_BASE + 6),
            Self::DeviceGetInfo => request_code_none!(VFIO_TYPE, VFIO_BASE + 7),
            Self::DeviceGetRegionInfo => request_code_none!(VFIO_TYPE, VFIO_BASE + 8),
            Self::DeviceGetIrqInfo => request_code_none!(VFIO_TYPE, VFIO_BASE + 9),
            Self::DeviceSetIrqs => request_code_none!(VFIO_TYPE, VFIO_BASE + 10),
            Self::DeviceReset => request_code_none!(VFIO_TYPE, VFIO_BASE + 11),
            Self::DeviceFeature(_) => request_code_none!(VFIO_TYPE, VFIO_BASE + 17),
            Self::DeviceBindIommufd => request_code_none!(VFIO_TYPE, VFIO_BASE + 18),
            Self::DeviceAttachIommufdPt => request_code_none!(VFIO_TYPE, VFIO_BASE + 19),
            Self::MigGetPrecopyInfo => request_code_none!(VFIO_TYPE, VFIO_BASE + 21),
            // The container's ioctls share numbers with those of the device fd.
            Self::IommuMapDma => request_code_none!(VFIO_TYPE, VFIO_BASE + 13),
            Self::IommuUnmapDma => request_code_none!(VFIO_TYPE, VFIO_BASE + 14),
            Self::IommuDestroy => request_code_none!(IOMMUFD_TYPE, 0x80),
            Self::IommuIoasAlloc => request_code_none!(IOMMUFD_TYPE, 0x81),
            Self::IommuIoasMap => request_code_none!(IOMMUFD_TYPE, 0x85),
            Self::IommuIoasUnmap => request_code_none!(IOMMUFD_TYPE, 0x86),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GetApiVersion => "VFIO_GET_API_VERSION",
            Self::CheckExtension => "VFIO_CHECK_EXTENSION",
            Self::SetIommu => "VFIO_SET_IOMMU",
            Self::GroupGetStatus => "VFIO_GROUP_GET_STATUS",
            Self::GroupSetContainer => "VFIO_GROUP_SET_CONTAINER",
            Self::GroupGetDeviceFd => "VFIO_GROUP_GET_DEVICE_FD",
            Self::DeviceGetInfo => "VFIO_DEVICE_GET_INFO",
            Self::DeviceGetRegionInfo => "VFIO_DEVICE_GET_REGION_INFO",
            Self::DeviceGetIrqInfo => "VFIO_DEVICE_GET_IRQ_INFO",
            Self::DeviceSetIrqs => "VFIO_DEVICE_SET_IRQS",
            Self::DeviceReset => "VFIO_DEVICE_RESET",
            Self::DeviceFeature(flags) => return write_feature(*flags, f),
            Self::DeviceBindIommufd => "VFIO_DEVICE_BIND_IOMMUFD",
            Self::DeviceAttachIommufdPt => "VFIO_DEVICE_ATTACH_IOMMUFD_PT",
            Self::MigGetPrecopyInfo => "VFIO_MIG_GET_PRECOPY_INFO",
            Self::IommuMapDma => "VFIO_IOMMU_MAP_DMA",
            Self::IommuUnmapDma => "VFIO_IOMMU_UNMAP_DMA",
            Self::IommuDestroy => "IOMMU_DESTROY",
            Self::IommuIoasAlloc => "IOMMU_IOAS_ALLOC",
            Self::IommuIoasMap => "IOMMU_IOAS_MAP",
            Self::IommuIoasUnmap => "IOMMU_IOAS_UNMAP",
        })
    }
}

/// Writes for example `VFIO_DEVICE_FEATURE (set MIG_DEVICE_STATE)`.
fn write_feature(flags: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("VFIO_DEVICE_FEATURE (")?;
    for (flag, word) in [
        (VFIO_DEVICE_FEATURE_PROBE, "probe "),
        (VFIO_DEVICE_FEATURE_GET, "get "),
        (VFIO_DEVICE_FEATURE_SET, "set "),
    ] {
        if flags & flag != 0 {
            f.write_str(word)?;
        }
    }
    // Numbers of vfio.h, VFIO_DEVICE_FEATURE_*.
    match flags & VFIO_DEVICE_FEATURE_MASK {
        0 => f.write_str("PCI_VF_TOKEN"),
        1 => f.write_str("MIGRATION"),
        2 => f.write_str("MIG_DEVICE_STATE"),
        6 => f.write_str("DMA_LOGGING_START"),
        7 => f.write_str("DMA_LOGGING_STOP"),
        8 => f.write_str("DMA_LOGGING_REPORT"),
        9 => f.write_str("MIG_DATA_SIZE"),
        12 => f.write_str("MIG_PRECOPY_INFOv2"),
        other => write!(f, "{other}"),
    }?;
    f.write_str(")")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_headers() {
        // As printed by a C program that includes both headers.
        assert_eq!(Call::GetApiVersion.request(), 0x3b64);
        assert_eq!(Call::DeviceFeature(0).request(), 0x3b75);
        assert_eq!(Call::MigGetPrecopyInfo.request(), 0x3b79);
        assert_eq!(Call::IommuIoasAlloc.request(), 0x3b81);
    }

    #[test]
    fn a_feature_is_named_with_its_operation() {
        let call = Call::DeviceFeature(VFIO_DEVICE_FEATURE_SET | 2);
        assert_eq!(
            call.to_string(),
            "VFIO_DEVICE_FEATURE (set MIG_DEVICE_STATE)"
        );
        let call = Call::DeviceFeature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | 77);
        assert_eq!(call.to_string(), "VFIO_DEVICE_FEATURE (probe get 77)");
    }
}
