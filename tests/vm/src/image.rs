// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The guest's image: an initramfs with everything the VM runs.
//!
//! | path | what |
//! |---|---|
//! | `/init` | package `guest`, the program that runs all else |
//! | `/tests/NAME` | the guest tests that are wanted, one libtest binary per file |
//! | `/bin/vmig`, `/bin/vmig-serial`, `/bin/demo`, ... | the command, the programs, the demo and its tools |
//! | `/bin/busybox` | a shell, for people; init links its applets into `/bin` |
//! | `/lib/guestos/state.gz` | a guest that waits, if a suite wants it |
//! | `/lib/faults/vmig.ko` | the module that breaks rules on purpose, if a suite wants it |
//! | `/lib/modules/RELEASE/` | the kernel's modules and `extra/vmig.ko`, with `modules.dep` |

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{bail, Context, Result};

use crate::cpio::Archive;
use crate::kernel::Kernel;
use crate::paths::Paths;
use crate::programs::Program;
use crate::step;

/// A file that only some suites want: where it is in the image, and where it comes from.
pub(crate) type Extra = (&'static str, PathBuf);

/// Writes the image to `dir/initrd` and returns its path. `module` is `vmig.ko`.
pub(crate) fn write<'p>(
    paths: &Paths,
    dir: &Path,
    kernel: &Kernel,
    module: &Path,
    extras: &[Extra],
    programs: impl Iterator<Item = &'p Program>,
) -> Result<PathBuf> {
    let place = dir.join("initrd");
    let mut archive = Archive::new(BufWriter::new(File::create(&place)?));
    for name in [
        "bin", "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp",
    ] {
        archive.directory(name)?;
    }
    for program in programs {
        let path = match (program.test, program.name.as_str()) {
            (true, name) => format!("tests/{name}"),
            (false, "init") => "init".to_owned(),
            (false, name) => format!("bin/{name}"),
        };
        archive.file(&path, &read(&program.file)?)?;
    }
    for (path, file) in extras {
        archive.file(path, &read(file)?)?;
    }
    archive.file("bin/busybox", &read(&paths.root()?.join("bin/busybox"))?)?;
    // The kernel calls it for `request_module`.
    archive.symlink("sbin/modprobe", "/bin/busybox")?;
    let tree = modules(paths, dir, kernel, module)?;
    add_tree(
        &mut archive,
        &tree,
        &format!("lib/modules/{}", kernel.release),
    )?;
    archive.finish()?;
    Ok(place)
}

/// The kernel's modules and ours in one tree, indexed by depmod.
fn modules(paths: &Paths, dir: &Path, kernel: &Kernel, module: &Path) -> Result<PathBuf> {
    let base = dir.join("modules");
    let tree = base.join("lib/modules").join(&kernel.release);
    copy_tree(&kernel.modules(), &tree)?;
    fs::create_dir_all(tree.join("extra"))?;
    fs::copy(module, tree.join("extra/vmig.ko"))
        .with_context(|| format!("cannot read {}", module.display()))?;
    let mut depmod = paths.in_root("depmod", &paths.checkout);
    depmod.arg("-b").arg(&base).arg(&kernel.release);
    step::run("depmod", &mut depmod, &dir.join("depmod.log"))?;
    Ok(tree)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn add_tree<W: std::io::Write>(archive: &mut Archive<W>, from: &Path, to: &str) -> Result<()> {
    let mut entries = fs::read_dir(from)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            bail!("{} is not UTF-8", entry.path().display())
        };
        let path = format!("{to}/{name}");
        if entry.file_type()?.is_dir() {
            add_tree(archive, &entry.path(), &path)?;
        } else {
            archive.file(&path, &read(&entry.path())?)?;
        }
    }
    Ok(())
}
