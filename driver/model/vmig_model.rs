// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The shared core of vmig: what is true of the devices, wherever they run.
//!
//! The kernel module, the helper and the vfio-user programs are built on these very files. They need
//! nothing but `core`: no allocator, no kernel, no operating system, and no `unsafe`. Nothing here
//! panics: outside tests the crate denies what could (indexing, unchecked arithmetic, `unwrap`).
//!
//! - [`params`], [`types`], [`values`], [`constraint`]: migration parameters, the device types that
//!   have them, and one device's values.
//! - [`info`], [`stage`], [`capacity`], [`uuid`]: what sysfs shows and takes.
//! - [`device`], [`serial`], [`accel`], [`models`]: the device models.
//! - [`memory`], [`pci`]: what models stand on.
//! - [`arcs`], [`stream`], [`engine`]: migration; one engine per device drives every protocol.
//! - [`v1`]: the migration region of protocol version 1, a view of the engine.
//! - [`error`], [`refusal`]: every rule that can be broken, its class (the driver's errno), and the
//!   reason that is kept for `vmig/refusal`.
//!
//! What this crate does not do: take locks, copy user memory, allocate, or wait.

#![cfg_attr(all(not(test), not(MODULE)), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

pub mod accel;
pub mod arcs;
pub mod capacity;
pub mod constraint;
pub mod crc;
pub mod device;
pub mod engine;
pub mod error;
pub mod info;
pub mod memory;
pub mod models;
pub mod params;
pub mod pci;
pub mod refusal;
pub mod serial;
pub mod stage;
pub mod stream;
pub mod text;
pub mod types;
pub mod uuid;
pub mod v1;
pub mod values;
