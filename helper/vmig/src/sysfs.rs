// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The system: the only place that knows a path below /sys, /proc and /dev.
//!
//! Reading goes to the file system under roots that are fields; writing goes through [`Write`], so
//! that tests can play a kernel that refuses.

use std::{
    fs,
    io::{
        self,
        Read, //
    },
    path::{
        Path,
        PathBuf, //
    },
    time::SystemTime,
};

use crate::{error::Error, inventory::Host, time::Utc};

mod device;
mod mdev_type;

pub use device::Device;
pub use mdev_type::{
    Staged,
    TypeDir, //
};

/// The longest attribute that is read, but for documents.
const ATTRIBUTE_MAX: usize = 1 << 20;

/// Writes attributes.
pub trait Write {
    /// Writes `data` to the existing file `path` with one write(2), as sysfs wants it.
    ///
    /// # Errors
    ///
    /// What the kernel says; a short write is an error too.
    fn write(&self, path: &Path, data: &[u8]) -> io::Result<()>;
}

/// Writes to the files themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Write for Files {
    fn write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        match io::Write::write(&mut file, data)? {
            n if n == data.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

/// Where the system's files are, and how to write to them.
pub struct System {
    /// What stands for /sys.
    pub sys: PathBuf,
    /// What stands for /proc.
    pub proc: PathBuf,
    /// What stands for /dev.
    pub dev: PathBuf,
    /// The time for `time` in inventories.
    pub now: SystemTime,
    /// How attributes are written.
    pub writer: Box<dyn Write>,
}

impl System {
    /// The running system, with `sys` in place of /sys.
    pub fn new(sys: impl Into<PathBuf>) -> Self {
        Self {
            sys: sys.into(),
            proc: "/proc".into(),
            dev: "/dev".into(),
            now: SystemTime::now(),
            writer: Box::new(Files),
        }
    }

    /// What an inventory says about this host.
    pub fn host(&self) -> Host {
        let read = |path: &str| attribute(&self.proc.join(path)).ok();
        Host {
            name: read("sys/kernel/hostname").unwrap_or_else(|| "localhost".to_owned()),
            boot_id: read("sys/kernel/random/boot_id"),
            time: Utc(self.now).to_string(),
            vmig: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: read("sys/kernel/osrelease").unwrap_or_default(),
        }
    }

    /// A new random UUID, from the kernel.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Unreadable`] without /proc.
    pub fn random_uuid(&self) -> Result<vmig_model::uuid::Uuid, Error> {
        let path = self.proc.join("sys/kernel/random/uuid");
        let text = attribute(&path)?;
        text.parse()
            .map_err(|_| Error::malformed(path.display().to_string(), "not a UUID"))
    }

    /// Names of the mdev parents, in byte order. Without the mdev class there are none.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Unreadable`].
    pub fn parents(&self) -> Result<Vec<String>, Error> {
        names(&self.sys.join("class/mdev_bus"))
    }

    /// The mdev types of `parent`, by name in byte order.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Unreadable`].
    pub fn types(&self, parent: &str) -> Result<Vec<TypeDir>, Error> {
        let directory = self.types_path(parent);
        let dir = |kind: String| TypeDir {
            path: directory.join(&kind),
            parent: parent.to_owned(),
            kind,
        };
        Ok(names(&directory)?.into_iter().map(dir).collect())
    }

    fn types_path(&self, parent: &str) -> PathBuf {
        let parents = self.sys.join("class/mdev_bus");
        parents.join(parent).join("mdev_supported_types")
    }

    /// All mdev types of this host, by parent and name.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Unreadable`].
    pub fn all_types(&self) -> Result<Vec<TypeDir>, Error> {
        let mut types = Vec::new();
        for parent in self.parents()? {
            types.extend(self.types(&parent)?);
        }
        Ok(types)
    }

    /// The type that `text` names as `PARENT/TYPE`, if it has that form and exists.
    pub fn find_type(&self, text: &str) -> Option<TypeDir> {
        let (parent, kind) = text.split_once('/')?;
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        if !plain(parent) || !plain(kind) || kind.contains('/') || text.contains('\0') {
            return None;
        }
        let path = self.types_path(parent).join(kind);
        path.is_dir().then(|| TypeDir {
            path,
            parent: parent.to_owned(),
            kind: kind.to_owned(),
        })
    }
}

/// Names of the entries of a directory, in byte order; without the directory there are none.
fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let unreadable =
        |error| Error::unreadable(directory.display().to_string(), "cannot list", &error);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.into_string().map_err(|name| {
            let path = directory.join(name);
            Error::malformed(path.display().to_string(), "name is not UTF-8")
        })?;
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

/// Reads a file of at most `limit` bytes.
fn bytes(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut data))
        .map_err(|error| Error::unreadable(path.display().to_string(), "cannot read", &error))?;
    if data.len() > limit {
        let message = format!("more than {limit} bytes");
        return Err(Error::malformed(path.display().to_string(), message));
    }
    Ok(data)
}

/// Reads an attribute as text, without the newline at its end.
fn attribute(path: &Path) -> Result<String, Error> {
    let mut data = bytes(path, ATTRIBUTE_MAX)?;
    if data.last() == Some(&b'\n') {
        data.pop();
    }
    String::from_utf8(data).map_err(|_| Error::malformed(path.display().to_string(), "not UTF-8"))
}

/// Reads an attribute that may be absent.
fn optional(path: &Path) -> Result<Option<String>, Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => attribute(path).map(Some),
    }
}

/// The last part of the path that the link `path` points to.
fn link_name(path: &Path) -> Option<String> {
    let target = fs::read_link(path).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}
