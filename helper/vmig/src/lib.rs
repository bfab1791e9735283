// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration parameters, documents, lists and verdicts: the library behind the `vmig` command.
//!
//! - [`document`]: what a device implementation says it accepts.
//! - [`list`]: the migration parameters of one device.
//! - [`check`]: whether the one takes the other, and every reason why not.
//! - [`source`], [`inventory`], [`exec`]: where documents come from.
//! - [`sysfs`]: this host; the only place that knows a path below /sys.
//! - [`value`], [`set`], [`verdict`], [`reason`], [`error`]: what those are made of.
//!
//! What this crate does not do: parse command lines, print tables, or talk to VFIO.

#![forbid(unsafe_code)]

pub mod check;
pub mod document;
pub mod error;
pub mod exec;
pub mod inventory;
mod json;
pub mod list;
pub mod output;
mod read;
pub mod reason;
pub mod set;
pub mod source;
mod split;
pub mod sysfs;
mod time;
pub mod value;
pub mod verdict;
