// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Entry point.

fn main() {}
