// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The kernels that the tests run on, and what is special about each.

use crate::mtty;

/// One of the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// As distributions build theirs: gcc, VFIO as modules, checks that cost little.
    Plain,
    /// With all checkers: clang, KASAN, kmemleak, kCFI, failing allocations, VFIO built in.
    Debug,
}

/// What threads do to each other. On the plain kernel these suites have a VM whose processors run at the same
/// time; on the debug kernel, where that would take twice as long, lockdep sees what could happen.
const RACES: &[&str] = &["region", "removed", "stage", "unload"];

/// Why suites with clients are not for the debug kernel.
const NO_CLIENTS: &str = "needs clients, whose disks this kernel cannot mount";

/// A suite, and why it is not for a kernel.
type LeftOut = (&'static str, &'static str);

impl Flavor {
    /// All of them, the quicker one first.
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Debug];

    /// The one that `--kernel NAME` means.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flavor| flavor.name() == name)
    }

    /// What a person calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Debug => "debug",
        }
    }

    /// `what` of this kernel: as it is for the plain one, with `separator` and the name otherwise.
    pub(crate) fn of(self, what: &str, separator: char) -> String {
        match self {
            Self::Plain => what.to_owned(),
            Self::Debug => format!("{what}{separator}{}", self.name()),
        }
    }

    /// The files of `tests` that make its configuration; a later one goes before an earlier one.
    pub(crate) fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["kernel.config"],
            Self::Debug => &["kernel.config", "kernel-debug.config"],
        }
    }

    /// What `make` has to know, for the kernel and for modules alike, as `NAME=value`.
    pub(crate) fn make(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Debug => &["LLVM=1"],
        }
    }

    /// For a person who waits.
    pub(crate) fn minutes(self) -> u32 {
        match self {
            Self::Plain => 10,
            Self::Debug => 15,
        }
    }

    /// Whether kmemleak has to have looked for leaks when the suites have ended.
    pub(crate) fn finds_leaks(self) -> bool {
        self == Self::Debug
    }

    /// The suites that are not in the VM of all others on it: those of one row share a VM.
    pub(crate) fn apart(self) -> &'static [&'static [&'static str]] {
        match self {
            // `mtty` loads another driver, races need processors of their own, the others clients.
            Self::Plain => &[
                &["qemu_guest", "qemu_user"],
                &["mdevctl", "qemu"],
                &["libvirt"],
                RACES,
                &[mtty::SUITE],
            ],
            // Long ones: the VM of all others is what a run waits for at its end.
            Self::Debug => &[&["conform", "failslab"]],
        }
    }

    /// Whether the processors of a VM with these suites have to run at the same time.
    pub(crate) fn races(self, suites: &[String]) -> bool {
        self == Self::Plain && suites.iter().any(|suite| RACES.contains(&suite.as_str()))
    }

    /// The suites that are no part of a run on it, with the reason.
    pub(crate) fn left_out(self) -> &'static [LeftOut] {
        match self {
            Self::Plain => &[("failslab", "needs CONFIG_FAILSLAB")],
            Self::Debug => &[
                (
                    "faults",
                    "breaks the module on purpose, to try the suite and not the module",
                ),
                (mtty::SUITE, "uses memory that it has freed"),
                ("libvirt", NO_CLIENTS),
                ("mdevctl", NO_CLIENTS),
                ("qemu", NO_CLIENTS),
                ("qemu_guest", NO_CLIENTS),
                ("qemu_user", NO_CLIENTS),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_them_apart() {
        for flavor in Flavor::ALL {
            assert_eq!(Flavor::named(flavor.name()), Some(flavor));
        }
        assert_eq!(Flavor::named("plan"), None);
        assert_eq!(Flavor::Plain.of("kernel", '-'), "kernel");
        assert_eq!(Flavor::Debug.of("kernel", '-'), "kernel-debug");
        assert_eq!(Flavor::Debug.of("VM", ' '), "VM debug");
    }
}
