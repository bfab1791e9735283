// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What is left in the kernel's memory with nobody pointing to it, by kmemleak.

use std::fs;
use std::io::{self, Error};
use std::thread;
use std::time::Duration;

use guest::modules;

use crate::report::Report;

/// Takes `scan`, gives the objects found.
const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

/// kmemleak leaves objects alone that are younger (`MSECS_MIN_AGE` in `mm/kmemleak.c`).
const MIN_AGE: Duration = Duration::from_secs(5);

/// Scans, and reports the objects found and their number.
///
/// Only what nothing points to is found: `modules` are unloaded first, so that their own memory
/// does not point to anything any more.
pub(crate) fn find(modules: &[String], report: &mut Report) -> io::Result<()> {
    for name in modules.iter().rev().filter(|name| modules::is_loaded(name)) {
        if let Err(error) = modules::unload(name) {
            report.event(&format!("error cannot unload {name}: {error}"))?;
        }
    }
    match scan() {
        Ok(found) => {
            report.output(found.as_bytes())?;
            report.event(&format!("leaks {}", count(&found)))
        }
        Err(error) => report.event(&format!("error {KMEMLEAK}: {error}")),
    }
}

fn scan() -> Result<String, Error> {
    thread::sleep(MIN_AGE + Duration::from_secs(1));
    // An object whose contents have changed since the scan before is not reported.
    for _ in 0..2 {
        fs::write(KMEMLEAK, "scan")?;
    }
    fs::read_to_string(KMEMLEAK)
}

/// Each starts with `unreferenced object 0xADDRESS (size N):`.
fn count(found: &str) -> usize {
    let starts = |line: &&str| line.starts_with("unreferenced object ");
    found.lines().filter(starts).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted() {
        assert_eq!(count(""), 0);
        let one = "unreferenced object 0xffff888001234560 (size 32):\n  comm \"init\", pid 1, \
                   jiffies 4294900000\n  hex dump (first 32 bytes):\n  backtrace (crc 0):\n    f+0x1/0x2\n";
        assert_eq!(count(&format!("{one}{one}")), 2);
    }
}
