// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The kernel log: what it says from some moment on.
//!
//! Format of the records: `Documentation/ABI/testing/dev-kmsg`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

/// Level of `KERN_WARNING`; lower numbers are worse.
const WARNING: u32 = 4;

/// Words that mean trouble at any level, wherever they come from.
const TROUBLE: [&str; 10] = [
    "BUG:",
    "WARNING:",
    "Oops",
    "Call Trace",
    "general protection fault",
    "possible circular locking",
    "refcount_t:",
    "use-after-free",
    "kernfs: can not remove",
    "cannot create duplicate filename",
];

/// Words that make a warning ours. Others (a slow clock in an emulated machine) are not judged.
const OURS: [&str; 8] = [
    "vmig", "vfio", "mdev", "iommufd", "sysfs", "kernfs", "kobject", "configfs",
];

/// A place in the kernel log.
#[derive(Debug)]
pub struct Log(File);

/// A record of the log.
#[derive(Clone, Debug)]
pub struct Record {
    /// 0 (emergency) to 7 (debug).
    pub level: u32,
    /// The message, without prefix and without the dictionary that may follow it.
    pub text: String,
}

impl Record {
    /// Whether a quiet kernel would not have said this. The driver core's line about a probe
    /// that failed is no complaint: it prints one for every refused `create`.
    pub fn is_complaint(&self) -> bool {
        if TROUBLE.iter().any(|word| self.text.contains(word)) {
            return true;
        }
        self.level <= WARNING
            && OURS.iter().any(|word| self.text.contains(word))
            && !self
                .text
                .contains("probe with driver vmig failed with error")
    }
}

impl Log {
    /// The end of the log as it is now.
    ///
    /// # Panics
    ///
    /// If `/dev/kmsg` cannot be opened.
    pub fn now() -> Self {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let mut file = options.open("/dev/kmsg").expect("/dev/kmsg");
        file.seek(SeekFrom::End(0)).expect("seek in /dev/kmsg");
        Self(file)
    }

    /// The records since then, or since the last call.
    ///
    /// # Panics
    ///
    /// If the log cannot be read.
    pub fn records(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut buffer = vec![0; 8192];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return records,
                Ok(n) => records.extend(parse(&String::from_utf8_lossy(&buffer[..n]))),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return records,
                // Records were overwritten before they were read: go on with the oldest.
                Err(e) if e.raw_os_error() == Some(libc::EPIPE) => {}
                Err(e) => panic!("/dev/kmsg: {e}"),
            }
        }
    }
}

/// Reads `priority,sequence,time,flags;text`.
fn parse(record: &str) -> Option<Record> {
    let (prefix, rest) = record.split_once(';')?;
    let priority: u32 = prefix.split(',').next()?.parse().ok()?;
    let text = rest.lines().next().unwrap_or("");
    Some(Record {
        level: priority & 7,
        text: text.to_owned(),
    })
}
