// SPDX-License-Identifier: GPL-2.0-only

//! Safe Rust over the C APIs of VFIO and mediated devices.
//!
//! Shaped to be sent upstream: each module stands for one file of
//! `rust/kernel/`. All `unsafe` of the module lives in this crate.
//!
//! Two modules are not meant to travel: [`compat`], because upstream needs no
//! such work-arounds, and [`mdev::type_dir`], because upstream would want
//! attribute groups in the mdev core instead.

mod bindings;
pub mod class;
pub(crate) mod compat;
pub mod completion;
pub mod configfs;
pub mod crc;
pub mod eventfd;
pub mod layout;
pub mod mdev;
pub mod memcg;
pub mod nospec;
pub mod pci;
pub mod sysfs;
pub mod vfio;
pub mod workqueue;

/// Prefix of what this crate prints. A crate without `module!` has to define it.
pub(crate) const __LOG_PREFIX: &[u8] = b"vmig\0";
