// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The shared core of vmig: what is true of the devices, wherever they run.
#![cfg_attr(all(not(test), not(MODULE)), no_std)]
#![forbid(unsafe_code)]
