// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Reading and writing attributes, one system call per value.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;

/// Writes `data` with one write(2), as `echo` and mdevctl do.
///
/// # Errors
///
/// The errno of open(2) or write(2); `EIO` if the kernel took only a part.
pub fn write(path: impl AsRef<Path>, data: impl AsRef<[u8]>) -> Result<(), Errno> {
    let data = data.as_ref();
    let mut file = OpenOptions::new().write(true).open(path).map_err(errno)?;
    match file.write(data).map_err(errno)? {
        n if n == data.len() => Ok(()),
        _ => Err(Errno::EIO),
    }
}

/// Reads all of an attribute. What fits a page comes from one read(2), and so from one moment:
/// with smaller pieces, what changes in between would be torn.
///
/// # Errors
///
/// The errno of open(2) or read(2); `EILSEQ` if it is not UTF-8.
pub fn read(path: impl AsRef<Path>) -> Result<String, Errno> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(errno)?;
    let mut page = vec![0; 4096];
    loop {
        match file.read(&mut page).map_err(errno)? {
            0 => break,
            n => bytes.extend_from_slice(&page[..n]),
        }
    }
    String::from_utf8(bytes).map_err(|_| Errno::EILSEQ)
}

/// Reads a one-line attribute, which must end with a newline; returns it without.
///
/// # Panics
///
/// If it cannot be read or is not one line.
#[track_caller]
pub fn line(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    let text = read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    match text.strip_suffix('\n') {
        Some(line) if !line.contains('\n') => line.to_owned(),
        _ => panic!("{}: not one line: {text:?}", path.display()),
    }
}

/// Permission bits of a file.
///
/// # Panics
///
/// If there is no such file.
#[track_caller]
pub fn mode(path: impl AsRef<Path>) -> u32 {
    let path = path.as_ref();
    match fs::metadata(path) {
        Ok(meta) => meta.permissions().mode() & 0o7777,
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

/// Names in a directory, sorted.
///
/// # Panics
///
/// If it cannot be read.
#[track_caller]
pub fn names(directory: impl AsRef<Path>) -> Vec<String> {
    let directory = directory.as_ref();
    let entries = fs::read_dir(directory);
    let entries = entries.unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The errno of an I/O error.
pub fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
