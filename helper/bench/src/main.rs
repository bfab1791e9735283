// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `make bench`: what `vmig` takes for 100 to 100,000 sources, as whole processes; what the vfio-user
//! programs take; and charts of that and of what the devices take, which is measured in the VM
//! (`tests/guest/src/bin/bench`).
//!
//! ```text
//! vmig-bench run VMIG [SOURCES]     the table, up to that many sources
//! vmig-bench generate SHAPE N       N documents on standard output
//! vmig-bench peer FILE              the peer: the file as serde_json::Value, one thread
//! vmig-bench pairwise FILE          init values of each document against each other document
//! vmig-bench programs PROGRAMS DIRECTORY
//!                                   vmig-serial and vmig-accel in PROGRAMS beside a server of the crate
//!                                   vfio_user; DIRECTORY/programs.json
//! vmig-bench vfio-user-peer SOCKET  that server
//! vmig-bench charts DIRECTORY       charts of DIRECTORY/devices.json and programs.json, beside them
//! vmig-bench time PROGRAM ARGS      runs it; what it took on standard error
//! ```

#![forbid(unsafe_code)]

mod chart;
mod generate;
mod measure;
mod peer;
mod programs;

use anyhow::{bail, Context, Result};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["run", vmig] => measure::run(vmig, 100_000),
        ["run", vmig, most] => measure::run(vmig, most.parse().context("not a number")?),
        ["generate", shape, n] => {
            let n = n.parse().context("not a number")?;
            generate::write(shape.parse()?, n, &mut std::io::stdout().lock())
        }
        ["programs", programs, directory] => programs::run(programs, directory),
        ["vfio-user-peer", socket] => programs::serve_peer(socket),
        ["charts", directory] => chart::draw_all(directory.as_ref()),
        ["peer", file] => peer::parse(file),
        ["pairwise", file] => peer::pairwise(file),
        ["time", program, args @ ..] => measure::time(program, args),
        _ => bail!("see the head of helper/bench/src/main.rs"),
    }
}
