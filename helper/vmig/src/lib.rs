// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration parameters, documents, lists and verdicts: the library behind the `vmig` command.
//!
//! - [`document`]: what a device implementation says it accepts.
//! - [`list`]: the migration parameters of one device.
//! - [`check`]: whether the one takes the other, and every reason why not.
//! - [`fleet`], [`baseline`]: parameters that every host of a fleet accepts.
//! - [`compare`], [`plan`], [`label`]: two of a kind; destinations by rank; names for groups.
//! - [`source`], [`inventory`], [`exec`]: where documents come from.
//! - [`sysfs`]: this host; the only place that knows a path below /sys.
//! - [`value`], [`set`], [`verdict`], [`reason`], [`error`]: what those are made of.
//!
//! What this crate does not do: parse command lines, print tables, or talk to VFIO.

#![forbid(unsafe_code)]

mod accept;
pub mod baseline;
pub mod check;
pub mod compare;
mod csp;
pub mod document;
mod elements;
pub mod error;
pub mod exec;
pub mod fleet;
pub mod inventory;
mod json;
pub mod label;
pub mod list;
mod order;
pub mod output;
pub mod plan;
mod profile;
mod read;
pub mod reason;
pub mod set;
pub mod source;
mod space;
mod split;
pub mod sysfs;
mod time;
pub mod value;
pub mod verdict;
