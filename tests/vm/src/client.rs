// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Real clients: Debian trees with an unmodified QEMU, libvirt or mdevctl, for the suites that use them.
//!
//! A client is a product of the cache (see [`cache`]) of two parts:
//!
//! | path | what |
//! |---|---|
//! | `tree/` | the tree, for a program that is run on the host by chroot |
//! | `image` | the same as an ext4 file system; a VM has it as a read-only disk, whose serial number is the client's name |
//!
//! `guest::client` mounts the disk in the VM. Only the plain kernel can: the debug kernel has no ext4.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::paths::Paths;
use crate::{cache, step};

/// GB that making a client takes, for a while.
const ROOM: u64 = 2;

/// Makes `tree`. Arguments: the script `build-root`, the Debian release, packages with commas between
/// them. A package may say which suite it is from, as `NAME/SUITE`.
///
/// The build root's mirror and settings hold.
const TREE: &str = r#"
set -eu
mirror=$("$1" --mirror /etc/apt/sources.list /etc/apt/sources.list.d/*)
[ -n "$mirror" ] || { echo "E: the build root names no Debian mirror"; exit 1; }
apt-config dump | grep -E '^Acquire::https?::(Proxy|Verify)' > apt.conf || :
release=$2 packages=$3
set -- --variant=minbase --include="$packages" --aptopt="$PWD/apt.conf"
for useless in doc info locale man; do
    set -- "$@" --dpkgopt="path-exclude=/usr/share/$useless/*"
done
set -- "$@" "$release" tree
for suite in $release $(echo "$packages" | tr , '\n' | sed -n 's|.*/||p' | sort -u); do
    case $suite in "$release" | "$release"-*) set -- "$@" "deb $mirror $suite main" ;; esac
done
mmdebstrap "$@"
rm apt.conf
"#;

/// Makes `image` of `tree`.
const IMAGE: &str = r#"
set -eu
size=$(du -sm tree | cut -f 1)
mke2fs -q -t ext4 -O ^has_journal -m 0 -d tree image "$((size * 5 / 4 + 32))m"
"#;

/// A tree to make.
#[derive(Debug)]
pub(crate) struct Client {
    /// What tests call it, and the serial number of its disk: at most 20 characters.
    pub(crate) name: &'static str,
    /// The Debian release.
    release: &'static str,
    /// What is in it besides a minimal system.
    packages: &'static [&'static str],
}

/// All of them.
const CLIENTS: &[Client] = &[
    // QEMU 7.2, which speaks the migration protocol v1 only.
    Client {
        name: "bookworm",
        release: "bookworm",
        packages: &["qemu-system-x86"],
    },
    // QEMU 10.0, libvirt 11.3, mdevctl 1.4.
    Client {
        name: "trixie",
        release: "trixie",
        packages: &[
            "qemu-system-x86",
            "libvirt-daemon",
            "libvirt-daemon-driver-qemu",
            "libvirt-daemon-driver-nodedev",
            "libvirt-clients",
            "mdevctl",
            "udev",
        ],
    },
    // QEMU 11.
    Client {
        name: "backports",
        release: "trixie",
        packages: &[
            "qemu-system-x86/trixie-backports",
            "qemu-system-common/trixie-backports",
            "qemu-system-data/trixie-backports",
            "seabios/trixie-backports",
        ],
    },
];

/// The suites that need clients, and which. Each has to be one of those that [`Flavor::apart`] gives a
/// VM of their own.
///
/// [`Flavor::apart`]: crate::flavor::Flavor::apart
const SUITES: &[(&str, &[&str])] = &[
    ("libvirt", &["trixie"]),
    ("mdevctl", &["trixie"]),
    ("qemu", &["bookworm", "trixie", "backports"]),
    ("qemu_guest", &["bookworm", "trixie", "backports"]),
    ("qemu_user", &["backports"]),
];

/// The clients that `suites` need.
pub(crate) fn needed_by<S: AsRef<str>>(suites: &[S]) -> Vec<&'static Client> {
    let rows = SUITES
        .iter()
        .filter(|(suite, _)| suites.iter().any(|wanted| wanted.as_ref() == *suite));
    let names: Vec<&str> = rows.flat_map(|(_, names)| *names).copied().collect();
    CLIENTS
        .iter()
        .filter(|client| names.contains(&client.name))
        .collect()
}

/// The client `name`, made if need be.
pub(crate) fn named(paths: &Paths, name: &str) -> Result<Tree> {
    let mut clients = CLIENTS.iter();
    let client = clients.find(|client| client.name == name);
    client
        .with_context(|| format!("there is no client {name}"))?
        .ensure(paths)
}

/// The suites that need clients.
pub(crate) fn suites() -> Vec<&'static str> {
    SUITES.iter().map(|(suite, _)| *suite).collect()
}

/// A client that is there.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// The client's name.
    pub(crate) name: &'static str,
    /// The tree, for programs that are run on the host.
    pub(crate) dir: PathBuf,
    /// The same as a file system.
    pub(crate) image: PathBuf,
}

impl Client {
    /// The client of the cache, made if the cache does not have it.
    pub(crate) fn ensure(&self, paths: &Paths) -> Result<Tree> {
        // Its name has the hash of what it is made from in it.
        let root = paths.root()?;
        let root = root
            .file_name()
            .context("build-root --where names no directory")?
            .to_string_lossy();
        let packages = self.packages.join(",");
        let key = cache::key(&[&*root, self.release, &packages, TREE, IMAGE]);
        let name = format!("client-{}", self.name);
        let dir = cache::product(&paths.cache, &name, &key, |dir| {
            let what = format!("client {}", self.name);
            cache::room(dir, &format!("making {what}"), ROOM)?;
            eprintln!("vmig: making {what} ({packages}), about a minute");
            let run = |script: &str, part: &str, arguments: &[&str]| {
                let mut command = paths.in_root("sh", dir);
                command.args(["-c", script, "sh"]);
                command.arg(paths.script("build-root")).args(arguments);
                let log = paths.cache.join(format!("{name}-{key}.{part}.log"));
                step::run(&what, &mut command, &log).map(drop)
            };
            run(TREE, "tree", &[self.release, &packages])
                .context("a package is missing, or the network (the reason is above)")?;
            run(IMAGE, "image", &[])
        })?;
        let tree = Tree {
            name: self.name,
            dir: dir.join("tree"),
            image: dir.join("image"),
        };
        fs::metadata(&tree.image)
            .with_context(|| format!("{} has no image: remove it and try again", dir.display()))?;
        Ok(tree)
    }
}

/// All clients that `suites` need, made if need be.
pub(crate) fn ensure<S: AsRef<str>>(paths: &Paths, suites: &[S]) -> Result<Vec<Tree>> {
    let clients = needed_by(suites).into_iter();
    clients.map(|client| client.ensure(paths)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flavor::Flavor;

    #[test]
    fn suites_name_clients_that_exist() {
        for (suite, names) in SUITES {
            assert_eq!(needed_by(&[suite]).len(), names.len(), "{suite}");
        }
        assert!(needed_by(&["sysfs"]).is_empty());
        // virtio-blk cuts a longer serial number.
        assert!(CLIENTS.iter().all(|client| client.name.len() <= 20));
    }

    #[test]
    fn only_vms_of_the_plain_kernel_have_clients() {
        for suite in suites() {
            let apart = Flavor::Plain.apart();
            assert!(apart.iter().any(|vm| vm.contains(&suite)), "{suite}");
            let left_out = Flavor::Debug.left_out();
            assert!(left_out.iter().any(|(name, _)| *name == suite), "{suite}");
        }
    }
}
