// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The test harness: builds the kernel, the module and the guest's image, boots the VM, judges the run.
//!
//! `tests/README.md` is the manual. Exit status: 0 all passed, 1 something failed, 2 usage.

#![forbid(unsafe_code)]

mod bench;
mod cache;
mod checks;
mod client;
mod console;
mod cpio;
mod flavor;
mod fragment;
mod guestos;
mod image;
mod jobs;
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

use flavor::Flavor;

const USAGE: &str = "\
usage: cargo vmtest VERB
  test                   everything; the last line counts what passed and failed
  check                  what needs no VM and no build root
  modules                vmig.ko for the VM's kernel
  clients                Debian trees with real clients; where they are
  boot [SUITE [FILTER]]  guest tests only: all, one suite, or some tests of it
  faults PART,...        all statements for the faults with a PART in their name
  selftest               runs that the harness has to judge as failed
  demo                   the demonstration
  bench                  what the devices take, beside peers; figures in target/bench
  conform-mtty           the table in tests/CONFORMANCE.md anew
  shell                  a shell in the VM
modules, boot, selftest, demo and shell take `--kernel debug` after their name
for the kernel with all checkers, instead of the plain one.";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let flavor = match words.get(1..3) {
        Some(["--kernel", name]) => {
            let flavor = Flavor::named(name);
            words.drain(1..3);
            flavor
        }
        _ => Some(Flavor::Plain),
    };
    let passed = match (words.as_slice(), flavor) {
        (["check"], Some(Flavor::Plain)) => verbs::check(),
        (["test"], Some(Flavor::Plain)) => verbs::test(),
        (["clients"], Some(Flavor::Plain)) => verbs::clients(),
        (["boot"], Some(flavor)) => verbs::boot(flavor, None, None),
        (["boot", suite], Some(flavor)) => verbs::boot(flavor, Some(suite), None),
        (["boot", suite, filter], Some(flavor)) => verbs::boot(flavor, Some(suite), Some(filter)),
        (["faults", part], Some(Flavor::Plain)) => verbs::faults(part),
        (["modules"], Some(flavor)) => verbs::modules(flavor),
        (["selftest"], Some(flavor)) => verbs::selftest(flavor),
        (["demo"], Some(flavor)) => verbs::demo(flavor),
        (["bench"], Some(Flavor::Plain)) => verbs::bench(),
        (["conform-mtty"], Some(Flavor::Plain)) => verbs::conform_mtty(),
        (["shell"], Some(flavor)) => verbs::shell(flavor),
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
