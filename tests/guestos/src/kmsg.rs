// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The kernel's log, as of a moment.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc::O_NONBLOCK;

use crate::Result;

/// `/dev/kmsg`, read up to some record.
pub(crate) struct KernelLog(File);

impl KernelLog {
    /// What was logged before is not told.
    pub(crate) fn from_now() -> Result<Self> {
        let mut options = File::options();
        let mut file = options
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open("/dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// What was logged since.
    pub(crate) fn news(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(len) => lines.push(text(&String::from_utf8_lossy(&record[..len]))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(lines),
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    lines.push("(lines were lost here)".to_owned());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The message of a record, which is `PREFIX;MESSAGE` and perhaps more lines.
fn text(record: &str) -> String {
    let line = record.lines().next().unwrap_or_default();
    let message = line.split_once(';').map_or(line, |(_, message)| message);
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_record_is_a_message() {
        let record = "6,339,5140900,-;0000:00:05.0: ttyS1; a 16750\n SUBSYSTEM=pci\n";
        assert_eq!(text(record), "0000:00:05.0: ttyS1; a 16750");
        assert_eq!(text(""), "");
    }
}
