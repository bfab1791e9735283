// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Where things are: the only file that knows.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directories the harness works with.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// The repository's working tree.
    pub(crate) checkout: PathBuf,
    /// Products shared by all checkouts of this machine; see [`crate::cache`].
    pub(crate) cache: PathBuf,
    /// What the harness makes for this checkout alone.
    pub(crate) work: PathBuf,
    /// cargo's target directory.
    pub(crate) target: PathBuf,
}

impl Paths {
    /// Finds them from the environment that cargo and the shell give.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let checkout = manifest.join("../..").canonicalize()?;
        let cache = match env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()) {
            Some(dir) => PathBuf::from(dir),
            None => {
                PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache")
            }
        };
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| checkout.join("target"), |dir| checkout.join(dir));
        Ok(Self {
            cache: cache.join("vmig"),
            work: checkout.join("target/vm"),
            target,
            checkout,
        })
    }

    /// A file of `tests/vm`.
    pub(crate) fn script(&self, name: &str) -> PathBuf {
        self.checkout.join("tests/vm").join(name)
    }

    /// The cargo that runs us, in the checkout, without the variables of an outer make.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.checkout);
        for name in [
            "MAKEFLAGS",
            "MFLAGS",
            "MAKELEVEL",
            "CARGO_MAKEFLAGS",
            "RUSTFLAGS",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// `program` in the build root (which is made first if need be), in `dir`.
    pub(crate) fn in_root(&self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(self.script("in-root"));
        command.arg(program).current_dir(dir);
        command
    }
}
