// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Statements C1 to C90: migration protocol version 2.
//!
//! C header: `include/uapi/linux/vfio.h`, `VFIO_DEVICE_FEATURE_MIGRATION` and what follows.

mod arcs;
mod discovery;
mod ends;
mod failures;
mod logging;
mod precopy;
mod refusal;
mod reinit;
mod resuming;
mod robust;
mod saving;
mod sessions;
mod stopped;

use crate::catalogue::Section;

/// C1 to C90, in order.
pub(crate) const SECTIONS: &[Section] = &[
    discovery::SECTION,
    arcs::SECTION,
    sessions::SECTION,
    failures::SECTION,
    saving::SECTION,
    ends::SECTION,
    precopy::SECTION,
    resuming::SECTION,
    stopped::SECTION,
    logging::SECTION,
    robust::SECTION,
];
