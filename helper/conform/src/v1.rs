// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Statements V1 to V33: migration protocol version 1, the migration region.
//!
//! C header: `include/uapi/linux/vfio.h` of Linux 5.8 to 5.17, `struct vfio_device_migration_info`.
//! Newer headers have the numbers and the structure, but not the text.

mod client;
mod misuse;
mod region;
mod resuming;
mod saving;
mod states;

use crate::catalogue::Section;

/// V1 to V33, in order.
pub(crate) const SECTIONS: &[Section] = &[
    region::SECTION,
    states::SECTION,
    saving::SECTION,
    resuming::SECTION,
    misuse::SECTION,
];
