// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What init and the guest tests share.

#![forbid(unsafe_code)]

pub mod modules;
