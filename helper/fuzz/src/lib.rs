// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Fuzz targets: functions that take any bytes and panic where `vmig`, or the vfio-user server, is wrong.
//!
//! `make fuzz` lets libFuzzer look for such bytes (see the program `vmig-fuzz`). What is worth
//! keeping stands in `corpus`, a file per target with a line of hexadecimal digits per input, and is
//! replayed by an ordinary test.
//!
//! libFuzzer needs nothing but a C++ compiler and flags that stable Rust has: coverage is LLVM's own
//! pass. Rejected: cargo-fuzz, which adds a nightly compiler and AddressSanitizer, of no use to a
//! crate that forbids `unsafe`; cargo-afl, cargo-hfuzz and cargo-bolero, programs to be installed
//! first; random bytes without coverage, which never get past the opening brace of a document.

#![forbid(unsafe_code)]

mod baseline;
#[path = "../../vmig/tests/brute/mod.rs"]
mod brute;
mod document;
mod list;
mod sets;
mod vfio_user;

use std::path::PathBuf;

/// What a target does with an input.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 5] = [
    ("document", document::run),
    ("list", list::run),
    ("sets", sets::run),
    ("baseline", baseline::run),
    ("vfio-user", vfio_user::run),
];

/// The variable that names the target to the program which libFuzzer drives.
pub const VARIABLE: &str = "VMIG_FUZZ_TARGET";

/// The target called `name`.
pub fn target(name: &str) -> Option<Target> {
    TARGETS
        .into_iter()
        .find_map(|(known, target)| (known == name).then_some(target))
}

/// The file with the inputs of a target.
pub fn corpus(name: &str) -> PathBuf {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    PathBuf::from(directory).join(format!("{name}.hex"))
}

/// The inputs in the text of a corpus: a line each, `#` begins a comment. `None`: some line has
/// something else than pairs of digits.
pub fn inputs(text: &str) -> Option<Vec<Vec<u8>>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let digits = line.as_bytes().chunks(2);
            let byte = |pair: &[u8]| match pair {
                [_, _] => u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok(),
                _ => None,
            };
            digits.map(byte).collect()
        })
        .collect()
}

/// An input as a line of a corpus.
pub fn line(input: &[u8]) -> String {
    input.iter().map(|byte| format!("{byte:02x}")).collect()
}
