// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The first serial port: commands come in, answers go out.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use nix::fcntl::OFlag;

use crate::{tty, Result};

/// The port, which is no card.
const NAME: &str = "ttyS0";

/// Both directions.
pub(crate) struct Console {
    input: BufReader<File>,
    output: File,
}

impl Console {
    /// Opens it.
    pub(crate) fn open() -> Result<Self> {
        let output = tty::raw(NAME, OFlag::empty())?;
        Ok(Self {
            input: BufReader::new(output.try_clone()?),
            output,
        })
    }

    /// Says a line.
    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        // In one piece, so that the kernel's own lines come before or after.
        Ok(self.output.write_all(format!("{line}\n").as_bytes())?)
    }

    /// The next command.
    pub(crate) fn command(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err("the console has hung up".into());
        }
        Ok(line.trim().to_owned())
    }
}
