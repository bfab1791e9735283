// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A conformance suite for VFIO migration.
//!
//! It checks what the uAPI promises about migration on any VFIO device, through that uAPI alone: the
//! state machine of protocol version 2 and the region of version 1. The device may also be that of a
//! vfio-user server, as far as the messages of that protocol stand for the calls of the uAPI. The
//! suite does not know what the
//! device is or what its stream looks like; bad streams are made from a good one of the device
//! under test.
//!
//! - [`catalogue`]: the statements, each with its number, text, reference and [`Class`];
//! - [`Run`]: checks them one by one, each in a process of its own with a deadline;
//! - [`Report`]: what came out, and [`output`]: JSON, KTAP and Markdown.
//!
//! # Results
//!
//! | result | means |
//! |---|---|
//! | `ok` | the statement holds, as far as it could be tried; notes say how far |
//! | `not ok` | a [`Class::Must`] statement does not hold: the driver breaks a promise of the uAPI |
//! | `not held` | a [`Class::Should`] or [`Class::Wish`] statement does not hold: no promise is broken |
//! | `SKIP` | it was not checked, for the reason given |
//!
//! Two things are `not ok` whatever the class: the kernel reports damage to itself (not a mere
//! warning, which counts as the statement's class does), and a process that cannot be killed.
//!
//! A step on the way to a statement that the uAPI promises as well and that fails makes the
//! statement `not ok` too: it could not be shown to hold, and nothing but the driver is the reason.
//!
//! # What it does not do
//!
//! - Make the device work: no interrupt, no DMA and no change of state of its own. Statements that
//!   need that are skipped.
//! - Write to regions of the device other than the migration region of version 1.
//! - Feed the device bad streams, or remove it, unless [`Options::destructive`] is set.
//!
//! C header: `include/uapi/linux/vfio.h` of Linux 7.3.

mod bench;
pub mod catalogue;
pub mod child;
mod feature;
mod klog;
mod mdev;
mod mutate;
pub mod output;
mod paths;
mod raw;
mod report;
mod run;
mod select;
mod server;
mod stream;
mod system;
mod target;
mod v1;
mod v2;
mod verdict;

pub use crate::{
    bench::Options,
    catalogue::{
        Class,
        Id,
        Protocol,
        Statement, //
    },
    child::{
        AttachForm,
        Look, //
    },
    report::{
        Outcome,
        Report,
        Summary, //
    },
    run::{
        Error,
        Run,
        Starter, //
    },
    select::{
        select,
        Selection, //
    },
};
pub use vmig_vfio::{
    Attach,
    Roots, //
};
