// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Facts about this process and this kernel.

use std::{
    fs,
    path::Path, //
};

use crate::verdict::{
    Own,
    Unheld, //
};

/// The newest kernel whose `linux/vfio.h` this suite knows.
const KNOWN: (u32, u32) = (7, 3);

/// Number of open file descriptors of this process, and one more.
pub(crate) fn fd_count() -> Result<usize, Unheld> {
    Ok(fs::read_dir("/proc/self/fd").own("/proc/self/fd")?.count())
}

/// The running kernel, as `uname -r` tells; empty if it does not.
pub(crate) fn kernel() -> String {
    nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Whether the kernel may know more of the uAPI than this suite does.
pub(crate) fn kernel_is_newer_than_known() -> bool {
    version(&kernel()).is_some_and(|version| version > KNOWN)
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The driver of the device in this directory of sysfs.
pub(crate) fn driver(directory: &Path) -> Option<String> {
    let target = fs::read_link(directory.join("driver")).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        assert_eq!(version("7.3.4-vmig"), Some((7, 3)));
        assert_eq!(version("10.0-rc1"), Some((10, 0)));
        assert_eq!(version("x"), None);
        assert!(version("7.10.1") > Some(KNOWN));
    }

    #[test]
    fn descriptors_are_counted() {
        let before = fd_count().unwrap();
        let _file = fs::File::open("/proc/self/status").unwrap();
        assert_eq!(fd_count().unwrap(), before + 1);
    }
}
