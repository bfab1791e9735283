// SPDX-License-Identifier: GPL-2.0-only

//! Bindings to the C headers that `kernel::bindings` lacks.
//!
//! This module may not be used outside this crate. Everything that
//! `kernel::bindings` has is re-exported from there, so that `struct device`
//! and its like are one type and not two.

#![allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::cast_lossless,
    clippy::missing_safety_doc,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    improper_ctypes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::ffi;
use pin_init::MaybeZeroable;

pub(crate) use kernel::bindings::*;

include!(concat!(
    env!("VMIG_OBJ"),
    "/abstractions/bindings/bindings_generated.rs"
));
