// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Tests of the model through its public interface.

mod paged;
mod region;
mod support;
mod wire;

mod accel;
mod arcs;
mod broken;
mod capacity;
mod config;
mod detect;
mod engine;
mod gates;
mod golden;
mod info;
mod interrupts;
mod load;
mod params;
mod precopy;
mod reachable;
mod records;
mod rich;
mod save;
mod set_param;
mod stage;
mod state;
mod stream;
mod tables;
mod uart;
mod unreachable;
mod v1;
mod v1_any;
