// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! PCI functions of the VM that no driver claims, to be made parents.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::{sysfs, Type};

/// Where they are; each is QEMU's `pci-testdev` (`vm/src/qemu.rs`).
pub const ADDRESSES: [&str; 2] = ["0000:00:10.0", "0000:00:11.0"];

/// The driver under test, on the PCI bus.
pub const DRIVER: &str = "/sys/bus/pci/drivers/vmig";

/// A PCI function.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    address: &'static str,
}

impl Function {
    /// The function at this address.
    pub fn at(address: &'static str) -> Self {
        Self { address }
    }

    /// Its address, which is its name as a parent.
    pub fn address(&self) -> &'static str {
        self.address
    }

    /// Path of a file of the function.
    pub fn path(&self, attribute: &str) -> PathBuf {
        let devices = Path::new("/sys/bus/pci/devices");
        devices.join(self.address).join(attribute)
    }

    /// Name of the driver that it is bound to.
    pub fn driver(&self) -> Option<String> {
        let link = fs::read_link(self.path("driver")).ok()?;
        Some(link.file_name()?.to_string_lossy().into_owned())
    }

    /// The driver that it is reserved for.
    #[track_caller]
    pub fn overridden(&self) -> Option<String> {
        let text = sysfs::line(self.path("driver_override"));
        (text != "(null)").then_some(text)
    }

    /// Reserves it for a driver, or for none.
    ///
    /// # Errors
    ///
    /// The errno of the write; so for the next ones.
    pub fn override_driver(&self, driver: Option<&str>) -> Result<(), Errno> {
        sysfs::write(self.path("driver_override"), driver.unwrap_or("\n"))
    }

    /// Lets the bus look for a driver, as at hotplug.
    pub fn probe(&self) -> Result<(), Errno> {
        sysfs::write("/sys/bus/pci/drivers_probe", self.address)
    }

    /// Binds it to the driver, which it must be reserved for.
    pub fn bind(&self) -> Result<(), Errno> {
        sysfs::write(format!("{DRIVER}/bind"), self.address)
    }

    /// Unbinds it from the driver; returns when that has happened.
    pub fn unbind(&self) -> Result<(), Errno> {
        sysfs::write(format!("{DRIVER}/unbind"), self.address)
    }

    /// Makes it a parent.
    ///
    /// # Panics
    ///
    /// If any step is refused.
    #[track_caller]
    pub fn parent(self) -> Bound {
        self.override_driver(Some("vmig")).expect("driver_override");
        let bound = Bound(self);
        self.bind().expect("bind");
        bound
    }

    /// A type of the parent that it is.
    pub fn kind(&self, name: &str) -> Type {
        Type::of(self.address, name)
    }

    /// Whether it is a parent.
    pub fn is_parent(&self) -> bool {
        let bus = Path::new("/sys/class/mdev_bus");
        bus.join(self.address).exists()
    }
}

/// A function that is a parent. Dropping it gives the function back as it was.
#[derive(Debug)]
pub struct Bound(Function);

impl Drop for Bound {
    fn drop(&mut self) {
        // What fails here shows up as a leftover of the test.
        let _ = self.0.unbind();
        let _ = self.0.override_driver(None);
    }
}

impl std::ops::Deref for Bound {
    type Target = Function;

    fn deref(&self) -> &Function {
        &self.0
    }
}
