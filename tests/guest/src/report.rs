// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The report channel: a virtio port that the harness reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// Starts a line of init; taken out of everything else, so that no test can forge one.
const MARK: u8 = 0x1e;

/// The open channel.
#[derive(Debug)]
pub(crate) struct Report<W = File> {
    out: W,
    /// Whether the last byte ended a line.
    fresh: bool,
}

impl Report {
    /// Opens the port that QEMU calls `report`.
    pub(crate) fn open() -> io::Result<Self> {
        for entry in fs::read_dir("/sys/class/virtio-ports")? {
            let entry = entry?;
            if fs::read_to_string(entry.path().join("name"))?.trim() == "report" {
                let node = PathBuf::from("/dev").join(entry.file_name());
                return Ok(Self::new(OpenOptions::new().write(true).open(node)?));
            }
        }
        Err(io::Error::new(
            io::ErrorKind::NotFound,
            "no virtio port named report",
        ))
    }
}

impl<W: Write> Report<W> {
    fn new(out: W) -> Self {
        Self { out, fresh: true }
    }

    /// Sends a line of init, on a line of its own.
    pub(crate) fn event(&mut self, text: &str) -> io::Result<()> {
        let mut line = Vec::new();
        if !self.fresh {
            line.push(b'\n');
        }
        line.push(MARK);
        line.extend(
            text.bytes()
                .map(|byte| if byte == b'\n' { b' ' } else { byte }),
        );
        line.push(b'\n');
        self.fresh = true;
        self.out.write_all(&line)
    }

    /// Sends output of a program as it is, but for the mark.
    pub(crate) fn output(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(last) = bytes.last() else {
            return Ok(());
        };
        self.fresh = *last == b'\n';
        let clean: Vec<u8> = bytes
            .iter()
            .map(|&byte| if byte == MARK { b'?' } else { byte })
            .collect();
        self.out.write_all(&clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stand_on_lines_of_their_own() {
        let mut report = Report::new(Vec::new());
        report.event("run a").unwrap();
        report.output(b"x\x1everdict passed").unwrap();
        report.event("exit a code 0").unwrap();
        report.output(b"").unwrap();
        report.event("error a\nb").unwrap();
        assert_eq!(
            report.out,
            b"\x1erun a\nx?verdict passed\n\x1eexit a code 0\n\x1eerror a b\n"
        );
    }
}
