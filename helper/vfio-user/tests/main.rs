// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The protocol, from a client's side: a real server on a real socket in each test.

mod accel;
mod access;
mod disconnect;
mod dma;
mod features;
mod framing;
mod hostile;
mod interop;
mod interrupts;
mod lengths;
mod migrate;
mod negotiate;
mod program;
mod shared;
mod support;
mod toy;
