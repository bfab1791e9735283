// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! mdevctl's callout for the types of vmig: see [`vmig_cli::callout`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    vmig_cli::guard::catch(vmig_cli::callout::run_process).into()
}
