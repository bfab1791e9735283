// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Numbers of `VFIO_DEVICE_FEATURE`, under shorter names.
//!
//! C header: `include/uapi/linux/vfio.h`.

use vmig_vfio::uapi;

pub(crate) const GET: u32 = uapi::VFIO_DEVICE_FEATURE_GET;
pub(crate) const SET: u32 = uapi::VFIO_DEVICE_FEATURE_SET;
pub(crate) const PROBE: u32 = uapi::VFIO_DEVICE_FEATURE_PROBE;

pub(crate) const MIGRATION: u32 = uapi::VFIO_DEVICE_FEATURE_MIGRATION;
pub(crate) const DEVICE_STATE: u32 = uapi::VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
pub(crate) const DATA_SIZE: u32 = uapi::VFIO_DEVICE_FEATURE_MIG_DATA_SIZE;
pub(crate) const PRECOPY_INFO: u32 = uapi::VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;
pub(crate) const LOG_START: u32 = uapi::VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
pub(crate) const LOG_REPORT: u32 = uapi::VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;

/// Size of `struct vfio_device_feature` without data.
pub(crate) const HEADER: u32 = 8;

/// The bytes of a feature request, header included.
pub(crate) fn request(argsz: u32, flags: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = argsz.to_ne_bytes().to_vec();
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(data);
    bytes
}
