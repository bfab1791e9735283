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

/// Why statements mean nothing over vfio-user.
const NO_DATA_FD: &str = "data travel in messages on the one connection, without a data_fd";
const NO_ENOMSG: &str = "a short reply is the end of the data, in PRE_COPY for now, without ENOMSG";
const NO_POINTERS: &str = "messages hold no pointers";
const NO_POLL: &str = "data are asked for, and the reply does not wait for more";
const NO_PRECOPY_INFO: &str = "the protocol has no message for VFIO_MIG_GET_PRECOPY_INFO";

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
