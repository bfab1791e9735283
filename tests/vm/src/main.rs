// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The test harness: builds the kernel, the module and the guest's image, boots the VM, judges the run.
//!
//! `tests/README.md` is the manual. Exit status: 0 all passed, 1 something failed, 2 usage.

#![forbid(unsafe_code)]

mod cache;
mod checks;
mod console;
mod cpio;
mod fragment;
mod image;
mod kernel;
mod libtest;
mod module;
mod mtty;
mod paths;
mod programs;
mod qemu;
mod report;
mod rundir;
mod screen;
mod selftest;
mod source;
mod step;
mod verbs;
mod verdict;
mod vm;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo vmtest VERB
  test                   everything; the last line counts what passed and failed
  check                  what needs no VM and no build root
  modules                vmig.ko for the VM's kernel
  boot [SUITE [FILTER]]  guest tests only: all, one suite, or some tests of it
  faults PART            all statements for the faults with PART in their name
  selftest               runs that the harness has to judge as failed
  demo                   the demonstration
  conform-mtty           the table in tests/CONFORMANCE.md anew
  shell                  a shell in the VM";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let passed = match words.as_slice() {
        ["check"] => verbs::check(),
        ["test"] => verbs::test(),
        ["boot"] => verbs::boot(None, None),
        ["boot", suite] => verbs::boot(Some(suite), None),
        ["boot", suite, filter] => verbs::boot(Some(suite), Some(filter)),
        ["faults", part] => verbs::faults(part),
        ["modules"] => verbs::modules(),
        ["selftest"] => verbs::selftest(),
        ["demo"] => verbs::demo(),
        ["conform-mtty"] => verbs::conform_mtty(),
        ["shell"] => verbs::shell(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vmig: {error:#}");
            ExitCode::FAILURE
        }
    }
}
