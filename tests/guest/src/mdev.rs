// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! mdev types and devices, through sysfs.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use vmig_vfio::{Attach, Device, Roots};

use crate::wait::{self, SOON};
use crate::{sysfs, table};

/// A fresh random UUID, in lower case.
///
/// # Panics
///
/// If the kernel has none.
pub fn uuid() -> String {
    sysfs::line("/proc/sys/kernel/random/uuid")
}

/// A type of a parent.
#[derive(Clone, Debug)]
pub struct Type {
    directory: PathBuf,
}

impl Type {
    /// Type `name` (without the prefix, such as `serial-var`) of the default parent.
    pub fn default_parent(name: &str) -> Self {
        Self::of("vmig", name)
    }

    /// Type `name` (likewise) of the parent device `parent`.
    pub fn of(parent: &str, name: &str) -> Self {
        let name = format!("{}{name}", table::PREFIX);
        let bus = Path::new("/sys/class/mdev_bus");
        Self {
            directory: bus.join(parent).join("mdev_supported_types").join(name),
        }
    }

    /// Its directory in sysfs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Path of an attribute.
    pub fn path(&self, attribute: &str) -> PathBuf {
        self.directory.join(attribute)
    }

    /// `available_instances`.
    #[track_caller]
    pub fn available(&self) -> u32 {
        let text = sysfs::line(self.path("available_instances"));
        text.parse()
            .unwrap_or_else(|_| panic!("not a number: {text:?}"))
    }

    /// Writes a line to `migration/stage`.
    ///
    /// # Errors
    ///
    /// The errno of the write; so for the next ones.
    pub fn stage(&self, line: impl AsRef<[u8]>) -> Result<(), Errno> {
        sysfs::write(self.path("migration/stage"), line)
    }

    /// Writes a UUID to `migration/unstage`.
    pub fn unstage(&self, uuid: impl AsRef<[u8]>) -> Result<(), Errno> {
        sysfs::write(self.path("migration/unstage"), uuid)
    }

    /// The lines of `migration/staged`.
    #[track_caller]
    pub fn staged(&self) -> Vec<String> {
        let text = sysfs::read(self.path("migration/staged")).expect("staged");
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }

    /// Creates a device with this UUID.
    pub fn create(&self, uuid: &str) -> Result<Mdev, Errno> {
        sysfs::write(self.path("create"), uuid)?;
        Ok(Mdev::existing(uuid))
    }

    /// Creates a device with a fresh UUID.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[track_caller]
    pub fn new_device(&self) -> Mdev {
        self.create(&uuid()).expect("create")
    }

    /// Stages `list` (such as `ports=2 fifo-size=64`) for a fresh UUID and creates the device.
    ///
    /// # Panics
    ///
    /// If either is refused.
    #[track_caller]
    pub fn new_device_with(&self, list: &str) -> Mdev {
        let uuid = uuid();
        self.stage(format!("{uuid} {list}\n")).expect("stage");
        self.create(&uuid).expect("create")
    }
}

/// A device. Dropping it removes it; it must not be open then.
#[derive(Debug)]
pub struct Mdev {
    directory: PathBuf,
}

impl Mdev {
    /// The device with this UUID, which somebody else has made.
    pub fn existing(uuid: &str) -> Self {
        let directory = Roots::default().mdev(&uuid.to_lowercase());
        Self { directory }
    }

    /// Its directory in sysfs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Path of an attribute.
    pub fn path(&self, attribute: &str) -> PathBuf {
        self.directory.join(attribute)
    }

    /// Its UUID.
    pub fn uuid(&self) -> &str {
        let name = self.directory.file_name().and_then(|name| name.to_str());
        name.expect("a UUID is a file name")
    }

    /// Value of a migration parameter.
    #[track_caller]
    pub fn param(&self, name: &str) -> String {
        sysfs::line(self.path("migration").join(name))
    }

    /// Writes a migration parameter.
    ///
    /// # Errors
    ///
    /// The errno of the write.
    pub fn set(&self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Errno> {
        sysfs::write(self.path("migration").join(name), value)
    }

    /// All migration parameters and values, sorted by name.
    #[track_caller]
    pub fn params(&self) -> Vec<(String, String)> {
        let names = sysfs::names(self.path("migration"));
        names
            .into_iter()
            .map(|name| (name.clone(), self.param(&name)))
            .collect()
    }

    /// Content of a file in `vmig/`.
    #[track_caller]
    pub fn status(&self, name: &str) -> String {
        sysfs::line(self.path("vmig").join(name))
    }

    /// `vmig/refusal`, empty if nothing was refused.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let text = sysfs::read(self.path("vmig/refusal")).expect("refusal");
        let line = text.strip_suffix('\n').unwrap_or(&text);
        assert!(!line.contains('\n'), "not one line: {text:?}");
        line.to_owned()
    }

    /// Lets the contents survive the last close, or not.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[track_caller]
    pub fn keep(&self, keep: bool) {
        sysfs::write(self.path("vmig/keep"), if keep { "1" } else { "0" }).expect("keep");
    }

    /// Opens it with VFIO.
    ///
    /// # Errors
    ///
    /// What the client library says.
    pub fn open(&self, attach: Attach) -> vmig_vfio::Result<Device> {
        Device::open(&Roots::default(), &self.directory, attach)
    }

    /// Opens it through its own node.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[track_caller]
    pub fn device(&self) -> Device {
        self.open(Attach::Cdev).expect("open")
    }

    /// Writes to `remove`, and waits until the device is gone.
    ///
    /// # Errors
    ///
    /// The errno of the write.
    pub fn remove(&self) -> Result<(), Errno> {
        sysfs::write(self.path("remove"), "1")?;
        match wait::until(SOON, || !self.directory.exists()) {
            true => Ok(()),
            false => Err(Errno::ETIMEDOUT),
        }
    }
}

impl Drop for Mdev {
    fn drop(&mut self) {
        // Gone already is as good; anything else shows up as a leftover of the test.
        if self.directory.exists() {
            let _ = self.remove();
        }
    }
}
