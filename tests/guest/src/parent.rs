// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Parents made through configfs.

use std::fs;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::{sysfs, Type};

/// Where vmig's items are.
pub const CONFIGFS: &str = "/sys/kernel/config/vmig";

/// A configfs item. Dropping it takes the parent down and removes the item.
#[derive(Debug)]
pub struct Parent {
    name: String,
}

impl Parent {
    /// Makes an item that is not live.
    ///
    /// # Errors
    ///
    /// The errno of mkdir(2).
    pub fn make(name: &str) -> Result<Self, Errno> {
        fs::create_dir(format!("{CONFIGFS}/{name}")).map_err(sysfs::errno)?;
        Ok(Self {
            name: name.to_owned(),
        })
    }

    /// Makes a live parent of a generation.
    ///
    /// # Panics
    ///
    /// If any step is refused.
    #[track_caller]
    pub fn live(name: &str, generation: u32) -> Self {
        let parent = Self::make(name).expect("mkdir");
        parent
            .set("generation", &generation.to_string())
            .expect("generation");
        parent.set("live", "1").expect("live");
        parent
    }

    /// Path of an attribute of the item.
    pub fn path(&self, attribute: &str) -> PathBuf {
        PathBuf::from(CONFIGFS).join(&self.name).join(attribute)
    }

    /// Writes an attribute.
    ///
    /// # Errors
    ///
    /// The errno of the write.
    pub fn set(&self, attribute: &str, value: &str) -> Result<(), Errno> {
        sysfs::write(self.path(attribute), value)
    }

    /// Value of an attribute.
    #[track_caller]
    pub fn get(&self, attribute: &str) -> String {
        sysfs::line(self.path(attribute))
    }

    /// Removes the item's directory.
    ///
    /// # Errors
    ///
    /// The errno of rmdir(2).
    pub fn rmdir(&self) -> Result<(), Errno> {
        fs::remove_dir(self.path("")).map_err(sysfs::errno)
    }

    /// Name of the parent device.
    pub fn device(&self) -> String {
        format!("vmig-{}", self.name)
    }

    /// A type of the parent device.
    pub fn kind(&self, name: &str) -> Type {
        Type::of(&self.device(), name)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // What fails here shows up as a leftover of the test.
        let _ = self.set("live", "0");
        let _ = self.rmdir();
    }
}
