// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Loading and unloading kernel modules with their dependencies, after `modules.dep` and
//! `modules.builtin`.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::kmod::{delete_module, finit_module, DeleteModuleFlags, ModuleInitFlags};

/// Loads the module `name` and all it needs. Modules that are loaded already, or built into the
/// kernel, are left alone.
///
/// # Errors
///
/// `NotFound` if neither `modules.builtin` nor `modules.dep` has it, else what the kernel says.
pub fn load(name: &str) -> io::Result<()> {
    load_with(name, "")
}

/// As [`load`], with `parameters` (`name=value ...`) for the module itself.
///
/// # Errors
///
/// See [`load`].
pub fn load_with(name: &str, parameters: &str) -> io::Result<()> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let tree = Path::new("/lib/modules").join(release.trim());
    if is_builtin(&fs::read_to_string(tree.join("modules.builtin"))?, name) {
        return Ok(());
    }
    let index = fs::read_to_string(tree.join("modules.dep"))?;
    let files = files_of(&index, name).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("modules.dep has no {name}"),
        )
    })?;
    // The index has the module first and the most basic one last.
    for file in files.iter().rev() {
        let own = if module_name(file) == canonical(name) {
            parameters
        } else {
            ""
        };
        insert(&tree.join(file), own)?;
    }
    Ok(())
}

/// Loads the module in `file`, which no index has. What it needs is loaded already.
///
/// # Errors
///
/// What the kernel says.
pub fn load_file(file: &Path) -> io::Result<()> {
    insert(file, "")
}

/// Unloads the module `name`, and nothing else.
///
/// # Errors
///
/// `EAGAIN` (`WouldBlock`) while it is in use, else what the kernel says.
pub fn unload(name: &str) -> io::Result<()> {
    let name = CString::new(canonical(name))?;
    Ok(delete_module(&name, DeleteModuleFlags::O_NONBLOCK)?)
}

/// Whether the module `name` is loaded.
#[must_use]
pub fn is_loaded(name: &str) -> bool {
    Path::new("/sys/module")
        .join(canonical(name))
        .join("initstate")
        .exists()
}

/// How often the module `name` is in use.
///
/// # Panics
///
/// If it is not loaded.
#[must_use]
pub fn users(name: &str) -> u32 {
    let file = Path::new("/sys/module")
        .join(canonical(name))
        .join("refcnt");
    let text = fs::read_to_string(file).expect("a loaded module");
    text.trim().parse().expect("a number")
}

fn insert(file: &Path, parameters: &str) -> io::Result<()> {
    let parameters = CString::new(parameters)?;
    match finit_module(File::open(file)?, &parameters, ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(io::Error::new(
            io::Error::from(errno).kind(),
            format!("{}: {errno}", file.display()),
        )),
    }
}

/// `-` and `_` are the same in module names; the kernel shows `_`.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

fn module_name(file: &Path) -> String {
    canonical(&file.file_stem().unwrap_or_default().to_string_lossy())
}

/// Whether the text of `modules.builtin`, a file a line, has `name`.
fn is_builtin(index: &str, name: &str) -> bool {
    let mut names = index.lines().map(|file| module_name(Path::new(file)));
    names.any(|builtin| builtin == canonical(name))
}

/// The files of `name` and of its dependencies, from the text of `modules.dep`.
fn files_of(index: &str, name: &str) -> Option<Vec<PathBuf>> {
    index.lines().find_map(|line| {
        let (file, needed) = line.split_once(':')?;
        let files = || {
            std::iter::once(file)
                .chain(needed.split_ascii_whitespace())
                .map(PathBuf::from)
                .collect()
        };
        (module_name(Path::new(file)) == canonical(name)).then(files)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_from_the_index() {
        let index = "kernel/vfio/mdev.ko:\nextra/vmig.ko: kernel/vfio/mdev.ko kernel/vfio/vfio.ko\nkernel/a-b.ko:\n";
        let files = |name| {
            files_of(index, name)
                .map(|files| files.iter().map(|f| module_name(f)).collect::<Vec<_>>())
        };
        assert_eq!(
            files("vmig"),
            Some(vec!["vmig".into(), "mdev".into(), "vfio".into()])
        );
        assert_eq!(files("mdev"), Some(vec!["mdev".into()]));
        assert_eq!(files("a_b"), Some(vec!["a_b".into()]));
        assert_eq!(files("vfi"), None);
    }

    #[test]
    fn built_in_modules_have_an_index_of_their_own() {
        let index = "kernel/drivers/vfio/vfio.ko\nkernel/drivers/vfio/vfio_iommu_type1.ko\n";
        assert!(is_builtin(index, "vfio") && is_builtin(index, "vfio-iommu-type1"));
        assert!(!is_builtin(index, "vfi") && !is_builtin("", "vfio"));
    }
}
