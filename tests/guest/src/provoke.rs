// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Doing wrong on request, so that the harness's own tests can see that it notices.

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use guest::modules;

use crate::report::Report;

/// Where the kernel's LKDTM takes the name of what is to go wrong.
const LKDTM: &str = "/sys/kernel/debug/provoke-crash/DIRECT";

/// Provokes `what`; `Break` if the run is to end without a verdict.
///
/// `mute`: no verdict. `twice`: one verdict more. `hang`: nothing any more. `leak`: the kernel's
/// module that leaks. Every other word is for the kernel's LKDTM module, e.g. `WARNING`.
pub(crate) fn provoke(what: &str, report: &mut Report) -> io::Result<ControlFlow<()>> {
    match what {
        "mute" => return Ok(ControlFlow::Break(())),
        "twice" => report.event("verdict passed")?,
        "hang" => loop {
            thread::sleep(Duration::from_secs(3600));
        },
        "leak" => modules::load("kmemleak-test")?,
        what => {
            modules::load("lkdtm")?;
            fs::write(LKDTM, what)?;
        }
    }
    Ok(ControlFlow::Continue(()))
}
