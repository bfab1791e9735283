// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! How much memory a migration takes, beyond that of the devices.
//!
//! Two views of the same migration: `memory.peak` of a cgroup that has opened both devices, and so
//! pays for all that they allocate, but is charged in batches of up to 64 pages for each processor;
//! and `MemFree` of the machine, asked after each MiB, which has what nobody pays for, and also what
//! other things take or give back meanwhile.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use vmig_vfio::State;

use crate::card::{Card, MIB};
use crate::figure::{Figure, Kind, Series};
use crate::report::Report;
use crate::state;

const GROUP: &str = "Memory for a migration";

/// MiB of memory, all of it full.
const MEMORY: usize = 256;
const RUNS: usize = 2;

const CGROUPS: &str = "/sys/fs/cgroup";

/// Measures it.
///
/// # Panics
///
/// If there are no cgroups with a memory controller, or a step is refused.
pub(crate) fn measure(report: &mut Report) {
    let (charged, free) = (0..RUNS).map(|_| migrate()).unzip();
    for (how, own) in [("memory.peak", charged), ("MemFree", free)] {
        report.add(Figure::Measured {
            group: GROUP,
            kind: Kind::Size,
            own: Series::new(format!("{MEMORY} MiB, with pre-copy, by {how}"), own),
            peer: Series::new("the device", vec![(MEMORY * MIB) as u64; RUNS]),
        });
    }
}

/// Bytes beyond those of the destination that a migration took at most, in both views.
fn migrate() -> (u64, u64) {
    let group = Group::enter();
    let (source, destination) = (Card::new(MEMORY, ""), Card::new(MEMORY, ""));
    source.fill(MEMORY);
    state::go(&destination.device, State::Stop);
    // All its pages are touched before the count begins.
    let mut buffer = vec![0xff; MIB];
    let before = group.current();
    let peak = Peak::from_now(&group);
    let (free, mut least) = (free(), u64::MAX);

    let to = state::enter(&destination.device, State::Resuming);
    let from = state::enter(&source.device, State::PreCopy);
    let mut pass_on = |piece: &[u8]| {
        to.write_all(piece).expect("write to the data file");
        least = least.min(self::free());
    };
    let first = state::drain(&from, &mut buffer, &mut pass_on);
    assert!(first >= MEMORY * MIB, "{first} bytes are not all");
    state::go(&source.device, State::StopCopy);
    state::drain(&from, &mut buffer, &mut pass_on);
    state::go(&destination.device, State::Stop);
    state::go(&source.device, State::Stop);
    let peak = peak.read();
    destination.check(MEMORY);

    let device = (MEMORY * MIB) as u64;
    let charged = peak.saturating_sub(before);
    assert!(
        charged >= device,
        "{charged} bytes: the cgroup does not pay"
    );
    (
        charged - device,
        free.saturating_sub(least).saturating_sub(device),
    )
}

/// A cgroup with this process in it, until it is dropped.
struct Group(PathBuf);

impl Group {
    fn enter() -> Self {
        let root = Path::new(CGROUPS);
        fs::write(root.join("cgroup.subtree_control"), "+memory").expect("memory controller");
        let group = root.join("bench");
        fs::create_dir(&group).expect("cgroup");
        fs::write(group.join("cgroup.procs"), "0").expect("enter the cgroup");
        Self(group)
    }

    fn current(&self) -> u64 {
        let text = fs::read_to_string(self.0.join("memory.current"));
        number(&text.expect("memory.current"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What is left behind is charged to no other group, and the VM ends soon.
        let _ = fs::write(Path::new(CGROUPS).join("cgroup.procs"), "0");
        let _ = fs::remove_dir(&self.0);
    }
}

/// `memory.peak` since it was written to, which holds for this open file only.
struct Peak(File);

impl Peak {
    fn from_now(group: &Group) -> Self {
        let mut options = File::options();
        let file = options.read(true).write(true);
        let mut file = file.open(group.0.join("memory.peak")).expect("memory.peak");
        file.write_all(b"from now\n").expect("reset memory.peak");
        Self(file)
    }

    fn read(&self) -> u64 {
        let mut text = [0; 32];
        let length = self.0.read_at(&mut text, 0).expect("memory.peak");
        number(&String::from_utf8_lossy(&text[..length]))
    }
}

fn number(text: &str) -> u64 {
    let number = text.trim().parse();
    number.unwrap_or_else(|_| panic!("not a number: {text:?}"))
}

/// `MemFree` of the machine, in bytes.
fn free() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("meminfo");
    field(&text, "MemFree").expect("MemFree") * 1024
}

/// A field of `/proc/meminfo`, in KiB.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(field, _)| *field == name)?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_names() {
        let text =
            "MemTotal:        2014920 kB\nMemFree:          123456 kB\nHugePages_Free:    0\n";
        assert_eq!(field(text, "MemFree"), Some(123_456));
        assert_eq!(field(text, "Mem"), None);
        assert_eq!(field(text, "HugePages_Free"), None);
    }
}
