// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The program that libFuzzer drives: its `main` is libFuzzer's.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use vmig_fuzz::{
    target,
    Target,
    VARIABLE, //
};

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let run = TARGET.get_or_init(|| {
        let name = std::env::var(VARIABLE).expect("the runner names the target");
        target(&name).expect("the runner knows the targets")
    });
    run(data);
});
