// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the kernel complains about while a statement is checked.
//!
//! Read from `/dev/kmsg`, which takes root or CAP_SYSLOG on most systems; without that nothing is
//! seen. What another device causes at the same moment is taken for this one's: the line is shown.
//!
//! Kernel documentation: `Documentation/ABI/testing/dev-kmsg`.

use std::{
    fs::{
        File,
        OpenOptions, //
    },
    io::{
        Read,
        Seek,
        SeekFrom, //
    },
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::libc;

/// Words of lines after which nothing on the machine can be relied upon.
const FAULTS: &[&str] = &[
    "BUG: ",
    "BUG at ",
    "Oops: ",
    "Oops - ",
    "general protection fault",
    "Unable to handle kernel",
    "rust_kernel: panicked",
    "KASAN: ",
    "KFENCE: ",
    "UBSAN: ",
    "KCSAN: ",
    "refcount_t: ",
    "corruption",
    "possible circular locking",
    "possible recursive locking",
    "bad unlock balance",
    "suspicious RCU usage",
    "sleeping function called from invalid context",
    "scheduling while atomic",
    " blocked for more than ",
    "soft lockup",
    "hard LOCKUP",
    "detected stall",
];

/// Words of lines that show that a driver was wrong about something.
const WARNINGS: &[&str] = &["WARNING: ", "nobody cared", "page allocation failure"];

/// A line in which the kernel complains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) line: String,
    /// More than a warning: the host itself is hurt.
    pub(crate) is_fault: bool,
}

impl Complaint {
    fn of(line: &str) -> Option<Self> {
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        let is_fault = has(FAULTS);
        (is_fault || has(WARNINGS)).then(|| Self {
            line: line.to_owned(),
            is_fault,
        })
    }
}

/// The kernel's log from some moment on.
pub(crate) struct Watch {
    log: Option<File>,
}

impl Watch {
    /// Watches the log `/dev/kmsg` below `dev` from now on.
    pub(crate) fn new(dev: &Path) -> Self {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let log = options.open(dev.join("kmsg")).and_then(|mut log| {
            log.seek(SeekFrom::End(0))?;
            Ok(log)
        });
        Self { log: log.ok() }
    }

    /// Sees nothing.
    pub(crate) fn nothing() -> Self {
        Self { log: None }
    }

    /// Whether anything can be seen.
    pub(crate) fn sees(&self) -> bool {
        self.log.is_some()
    }

    /// The worst complaint since this was asked last, the first of several.
    pub(crate) fn worst(&mut self) -> Option<Complaint> {
        let mut worst: Option<Complaint> = None;
        let mut record = [0; 8192];
        while let Some(log) = &mut self.log {
            match log.read(&mut record) {
                Ok(0) => break,
                Ok(n) => {
                    let text = String::from_utf8_lossy(record.get(..n).unwrap_or_default());
                    if let Some(new) = message(&text).and_then(Complaint::of) {
                        let worse = worst
                            .as_ref()
                            .is_none_or(|old| new.is_fault && !old.is_fault);
                        worst = if worse { Some(new) } else { worst };
                    }
                }
                // Records were overwritten before they were read; the next one is there.
                Err(e) if e.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => break,
            }
        }
        worst
    }
}

/// The message of a record: `level,sequence,time,flags;message`, first line. Messages that did
/// not come from the kernel are left out: anybody with the right may write there.
fn message(record: &str) -> Option<&str> {
    let (prefix, rest) = record.split_once(';')?;
    let level: u32 = prefix.split(',').next()?.parse().ok()?;
    // The lower three bits are the level, the others the facility: 0 is the kernel.
    (level >> 3 == 0).then(|| rest.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_apart() {
        let text = "4,339,5140900,-;WARNING: CPU: 0 at fs/x.c\n SUBSYSTEM=pci\n";
        assert_eq!(message(text), Some("WARNING: CPU: 0 at fs/x.c"));
        assert_eq!(message("12,1,1,-;BUG: said a program"), None);
        assert_eq!(message("nonsense"), None);
    }

    #[test]
    fn a_fault_is_worse_than_a_warning() {
        let fault = |line| Complaint::of(line).map(|complaint| complaint.is_fault);
        assert_eq!(fault("WARNING: CPU: 1 PID: 2 at drivers/vfio"), Some(false));
        assert_eq!(fault("BUG: kernel NULL pointer dereference"), Some(true));
        assert_eq!(
            fault("WARNING: possible circular locking dependency"),
            Some(true)
        );
        assert_eq!(fault("mtty_reset: called"), None);
    }

    #[test]
    fn no_log_is_no_complaint() {
        let mut watch = Watch::new(Path::new("/nonexistent"));
        assert!(!watch.sees());
        assert_eq!(watch.worst(), None);
    }
}
