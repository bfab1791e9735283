// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `make bench` in the VM: what the devices take. Each figure is a ratio against a peer in the same
//! run.
//!
//! `bench FILE` prints a table and leaves the figures in FILE; [`report`] says how. What cannot be
//! measured ends it with a panic: a table with a row less would not be noticed. The exception is
//! what the machine has no counter for.

#![forbid(unsafe_code)]

mod card;
mod figure;
mod latency;
mod memory;
mod meter;
mod old;
mod peer;
mod precopy;
mod report;
mod state;
mod throughput;

use std::fs;
use std::process::ExitCode;

use guest::sysfs;
use meter::Meter;
use report::{Machine, Report};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [file] = args.as_slice() else {
        eprintln!("usage: bench FILE");
        return ExitCode::from(2);
    };
    let release = sysfs::line("/proc/sys/kernel/osrelease");
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").expect("cpuinfo");
    let machine = Machine::new(&release, &cpuinfo);
    println!(
        "Linux {release}, {} processors: {}",
        machine.processors, machine.processor
    );
    let (mut meter, mut report) = (Meter::new(), Report::default());
    latency::measure(&mut report);
    precopy::measure(&mut report);
    throughput::measure(&mut meter, &mut report);
    old::measure(&mut report);
    memory::measure(&mut report);
    fs::write(file, report.json(&machine).to_string()).expect("write the figures");
    ExitCode::SUCCESS
}
