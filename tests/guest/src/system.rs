// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Mounts, the host's name, power-off, and the state of the kernel at the end.

use std::fs;
use std::io;

use nix::mount::{mount, MsFlags};
use nix::sys::reboot::{reboot, RebootMode};

/// Where and what; tests find the file systems where distributions have them.
const MOUNTS: &[(&str, &str)] = &[
    ("/proc", "proc"),
    ("/sys", "sysfs"),
    ("/dev", "devtmpfs"),
    ("/dev/pts", "devpts"),
    ("/dev/shm", "tmpfs"),
    ("/sys/kernel/debug", "debugfs"),
    ("/sys/kernel/config", "configfs"),
    ("/sys/fs/cgroup", "cgroup2"),
    ("/tmp", "tmpfs"),
    ("/run", "tmpfs"),
];

/// Mounts all of them.
pub(crate) fn mount_all() -> io::Result<()> {
    for &(place, kind) in MOUNTS {
        if place.starts_with("/dev/") {
            fs::create_dir_all(place)?;
        }
        mount(
            Some(kind),
            place,
            Some(kind),
            MsFlags::empty(),
            None::<&str>,
        )
        .map_err(|errno| io::Error::other(format!("cannot mount {place}: {errno}")))?;
    }
    Ok(())
}

/// Gives the VM a name, which `vmig` shows as that of this host.
pub(crate) fn name_host() -> io::Result<()> {
    nix::unistd::sethostname("vm").map_err(io::Error::from)
}

/// `/proc/sys/kernel/tainted`, or `?`.
pub(crate) fn taint() -> String {
    fs::read_to_string("/proc/sys/kernel/tainted")
        .map_or_else(|_| "?".to_owned(), |text| text.trim().to_owned())
}

/// Ends the VM. Returns only if the kernel refuses.
pub(crate) fn power_off() {
    let Err(errno) = reboot(RebootMode::RB_POWER_OFF);
    eprintln!("init: cannot power off: {errno}");
}
