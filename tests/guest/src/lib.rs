// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What init and the guest tests share.
//!
//! For the tests: guards that undo what a test does, and the view of the driver through sysfs,
//! configfs and VFIO. The tests are written from the contract (`sysfs-abi.md`, the module docs of
//! the device models), not from the driver: nothing here uses the driver's own crates, and the
//! types and parameters in [`table`] are transcribed by hand. (The suite `random` does: there the
//! model is run beside the kernel.)
//!
//! Every test starts with [`Test::begin`], which makes tests take turns, ends one that hangs, and
//! judges at the end whether the test has left something behind and whether the kernel log is
//! quiet.

#![deny(unsafe_code)]

pub mod accel;
pub mod client;
pub mod conform;
pub mod contents;
pub mod detect;
pub mod event;
pub mod failing;
pub mod function;
pub mod guestos;
pub mod kernel;
pub mod kmsg;
pub mod mdev;
pub mod modules;
pub mod parent;
pub mod pci;
pub mod qemu;
pub mod region;
pub mod said;
pub mod slow;
pub mod staged;
pub mod stream;
pub mod sysfs;
pub mod table;
pub mod test;
pub mod traced;
pub mod tracer;
pub mod uart;
pub mod user;
pub mod wait;

pub use crate::client::Client;
pub use crate::event::Event;
pub use crate::function::Function;
pub use crate::mdev::{uuid, Mdev, Type};
pub use crate::parent::Parent;
pub use crate::test::Test;
pub use crate::uart::Port;
pub use crate::user::User;
