// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The `vmig` command: see the library `vmig_cli`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    vmig_cli::guard::catch(vmig_cli::run_process).into()
}
