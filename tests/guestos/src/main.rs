// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The only program of the Linux guest that runs in a QEMU in the test VM.
//!
//! It uses the devices that are plugged in, all the time, checks what comes back, and tells
//! whoever is on the other end of the first serial port. When it says `waiting` it is ready for
//! commands, one a line. What it answers ends with the line `done` or `failed: WHY`:
//!
//! | command | does | answers |
//! |---|---|---|
//! | `serial N` | waits for N ports of PCI serial cards, and sends numbered lines through each | a line a port, such as `ttyS1 16750` |
//! | `accel` | waits for an accelerator and keeps its queues busy | `accel`, and what it has |
//! | `report` | counts what was done and what was wrong; see [`serial`] and [`accel`] | a line a port, and one for the accelerator |
//! | `quiet` | no more lines and descriptors; what is on its way may come back | |
//! | `again` | takes the ports from their driver and gives them back, which looks at the chips anew; the counts begin at 0 | as `serial` |
//! | `log` | what the kernel has logged since the last time | its lines |

#![forbid(unsafe_code)]

mod accel;
mod cards;
mod console;
mod crc;
mod kmsg;
mod lines;
mod noise;
mod pci;
mod serial;
mod tty;
mod wait;

use std::fs;
use std::process::ExitCode;

use nix::mount::{mount, MsFlags};

use accel::Accelerator;
use console::Console;
use kmsg::KernelLog;
use serial::Port;

/// What an error is here: something to print.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("guestos: this is the first program of a guest, not for use elsewhere");
        return ExitCode::FAILURE;
    }
    // The kernel's console, if this fails early; the kernel panics, which is seen.
    if let Err(error) = serve() {
        eprintln!("guestos: {error}");
    }
    ExitCode::FAILURE
}

fn serve() -> Result<()> {
    for (kind, place) in [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys")] {
        fs::create_dir_all(place)?;
        mount(
            Some(kind),
            place,
            Some(kind),
            MsFlags::empty(),
            None::<&str>,
        )?;
    }
    let mut console = Console::open()?;
    let mut guest = Guest {
        ports: Vec::new(),
        accelerator: None,
        log: KernelLog::from_now()?,
    };
    console.say("waiting")?;
    loop {
        let command = console.command()?;
        match guest.obey(&command) {
            Ok(lines) => {
                for line in lines {
                    console.say(&line)?;
                }
                console.say("done")?;
            }
            Err(error) => console.say(&format!("failed: {error}"))?,
        }
    }
}

/// What is in use.
struct Guest {
    ports: Vec<Port>,
    accelerator: Option<Accelerator>,
    log: KernelLog,
}

impl Guest {
    fn obey(&mut self, command: &str) -> Result<Vec<String>> {
        let words: Vec<&str> = command.split_ascii_whitespace().collect();
        match words[..] {
            ["serial", count] => self.serial(count.parse()?),
            ["accel"] if self.accelerator.is_none() => {
                let accelerator = Accelerator::start()?;
                let line = accelerator.describe();
                self.accelerator = Some(accelerator);
                Ok(vec![line])
            }
            ["report"] => self.report(),
            ["quiet"] => {
                self.ports.iter().for_each(Port::quiet);
                self.accelerator.iter().for_each(Accelerator::quiet);
                Ok(Vec::new())
            }
            ["again"] => {
                let count = self.ports.len();
                // Closed first: their names may be given to others.
                self.ports.clear();
                cards::probe_again()?;
                self.serial(count)
            }
            ["log"] => self.log.news(),
            _ => Err(format!("what is {command:?}?").into()),
        }
    }

    fn serial(&mut self, count: usize) -> Result<Vec<String>> {
        self.ports = cards::wait_for(count)?
            .iter()
            .map(|name| Port::start(name))
            .collect::<Result<_>>()?;
        let lines = self.ports.iter().map(Port::describe);
        lines.collect()
    }

    fn report(&self) -> Result<Vec<String>> {
        let ports = self.ports.iter().map(Port::report);
        let accelerator = self.accelerator.iter().map(Accelerator::report);
        ports.chain(accelerator).collect()
    }
}
