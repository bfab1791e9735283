// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Where things are: the only file that knows.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};

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
    pub(crate) fn find() -> Result<Self> {
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

    /// A Rust tool (`rustfmt`, `cargo-clippy`): the host's if it has it, else the build root's.
    pub(crate) fn rust_tool(&self, tool: &str, host: Command) -> Result<Command> {
        let version = Command::new(tool)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if version.is_ok_and(|status| status.success()) {
            return Ok(host);
        }
        if !self.root()?.is_dir() {
            bail!("{tool} is missing (rustup component add, or Debian's rustfmt and rust-clippy)");
        }
        // The path of the host's program means nothing in there.
        let name = Path::new(host.get_program())
            .file_name()
            .unwrap_or(OsStr::new(tool));
        let mut command = self.in_root(name, &self.checkout);
        command.args(host.get_args());
        Ok(command)
    }

    /// Makes the build root if it is not there.
    pub(crate) fn make_root(&self) -> Result<()> {
        let status = Command::new(self.script("build-root"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        if status.context("cannot run build-root")?.success() {
            return Ok(());
        }
        bail!("no build root (the reason is above)")
    }

    /// Where the build root is, or would be.
    pub(crate) fn root(&self) -> Result<PathBuf> {
        let output = Command::new(self.script("build-root"))
            .arg("--where")
            .output()
            .context("cannot run build-root")?;
        Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
    }

    /// `program` in the build root (which is made first if need be), in `dir`.
    pub(crate) fn in_root(&self, program: impl AsRef<OsStr>, dir: &Path) -> Command {
        let mut command = Command::new(self.script("in-root"));
        command.arg(program).current_dir(dir);
        command
    }
}
