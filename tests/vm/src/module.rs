// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig.ko` for a kernel of the VM: plain Kbuild in the build root, output outside the sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

use crate::kernel::Kernel;
use crate::paths::Paths;
use crate::{cache, step};

/// Which compiler driver goes over the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// rustc, linker and modpost: gives `vmig.ko`.
    Build,
    /// The same with clippy in place of rustc, with the kernel's configuration of it.
    Clippy,
    /// A module that breaks rules on purpose, for the suite `faults`.
    Faults,
}

/// Runs `pass` over the module and returns its output directory. A warning is an error.
///
/// A pass that succeeded on the very same inputs is not run again.
pub(crate) fn build(paths: &Paths, kernel: &Kernel, pass: Pass) -> Result<PathBuf> {
    let (name, extra) = match pass {
        Pass::Build => ("module", None),
        Pass::Clippy => ("module-clippy", Some("CLIPPY=1")),
        Pass::Faults => ("module-faults", Some("VMIG_FAULTS=1")),
    };
    let name = &*kernel.flavor.of(name, '-');
    let out = paths.work.join(name);
    let _held = cache::lock(&paths.work.join(format!("{name}.lock")))?;
    let stamp = out.join("vmtest-stamp");
    let key = key(paths, kernel)?;
    if fs::read_to_string(&stamp).is_ok_and(|old| old == key) {
        return Ok(out);
    }
    // Objects for another kernel are of no use; Kbuild would not notice.
    let made_for = out.join("vmtest-kernel");
    if fs::read_to_string(&made_for).is_ok_and(|old| old != kernel.dir.to_string_lossy()) {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    fs::remove_file(&stamp).ok();
    fs::write(&made_for, kernel.dir.as_os_str().as_encoded_bytes())?;
    let mut make = paths.in_root("make", &paths.checkout);
    make.arg("-C").arg(kernel.headers());
    make.arg(format!("M={}", paths.checkout.display()))
        .arg(format!("MO={}", out.display()));
    make.args(["KRUSTFLAGS=-Dwarnings", "-j4"])
        .args(kernel.flavor.make())
        .args(extra)
        .arg("modules");
    let log = paths.work.join(format!("{name}.log"));
    let output = step::run(name, &mut make, &log)?;
    if let Some(line) = warning(&output) {
        bail!("{name}: {line} (log: {})", log.display());
    }
    if !out.join("driver/vmig.ko").exists() {
        bail!("{name}: no driver/vmig.ko in {}", out.display());
    }
    if pass != Pass::Clippy {
        expect_faults(&out.join("driver/vmig.ko"), pass == Pass::Faults)?;
    }
    fs::write(&stamp, key)?;
    Ok(out)
}

/// `module` is one that breaks rules on purpose if and only if it is `meant` to.
fn expect_faults(module: &Path, meant: bool) -> Result<()> {
    // The name of one of them.
    const NAME: &[u8] = b"opens-stopped";
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let has = bytes.windows(NAME.len()).any(|window| window == NAME);
    match (has, meant) {
        (true, false) => bail!("{} has faults in it", module.display()),
        (false, true) => bail!("{} has no faults in it", module.display()),
        _ => Ok(()),
    }
}

/// The first line that gcc, rustc, clippy or modpost means as a warning.
fn warning(output: &str) -> Option<&str> {
    output.lines().find(|line| {
        line.starts_with("WARNING") || line.contains("warning:") || line.contains("warning[")
    })
}

/// Everything the module is made from: its sources and the kernel.
fn key(paths: &Paths, kernel: &Kernel) -> Result<String> {
    let mut files = vec![paths.checkout.join("Kbuild")];
    walk(&paths.checkout.join("driver"), &mut files)?;
    files.sort();
    let mut parts = vec![kernel.dir.as_os_str().as_encoded_bytes().to_vec()];
    for file in files {
        parts.push(file.as_os_str().as_encoded_bytes().to_vec());
        parts.push(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(cache::key(&parts))
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let module = dir.path().join("vmig.ko");
        for (bytes, has) in [("x", false), ("a\0opens-stopped\0b", true)] {
            fs::write(&module, bytes).unwrap();
            assert_eq!(expect_faults(&module, true).is_ok(), has);
            assert_eq!(expect_faults(&module, false).is_ok(), !has);
        }
    }

    #[test]
    fn warnings_are_found() {
        for (output, found) in [
            ("  RUSTC [M] driver/vmig_main.o\n", false),
            ("warning: unused variable\n", true),
            ("x.c:3:1: warning: unused\n", true),
            ("WARNING: modpost: missing MODULE_DESCRIPTION()\n", true),
            ("WARNING: Symbol version dump is missing\n", true),
        ] {
            assert_eq!(warning(output).is_some(), found, "{output}");
        }
    }
}
