// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Removing a mediated device, and making it again.
//!
//! Made again it has the attributes that its driver gives to a new device.

use std::{
    fs,
    io::ErrorKind,
    path::{
        Path,
        PathBuf, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use crate::verdict::{
    broken,
    skip,
    Own,
    Unheld, //
};

/// How long udev may take to make device nodes anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// A mediated device.
pub(crate) struct Mdev {
    directory: PathBuf,
    /// The file `create` of its type.
    create: PathBuf,
    uuid: String,
}

impl Mdev {
    /// The mediated device with this directory in sysfs.
    pub(crate) fn find(directory: &Path) -> Result<Self, Unheld> {
        let real = fs::canonicalize(directory).own("the device's directory")?;
        let kind = match fs::canonicalize(real.join("mdev_type")) {
            Ok(kind) => kind,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(skip("only mediated devices can be removed and made again"));
            }
            Err(e) => return Err(skip(format!("mdev_type: {e}"))),
        };
        let uuid = real.file_name().and_then(|name| name.to_str());
        let uuid = uuid
            .ok_or_else(|| skip("the device has no name"))?
            .to_owned();
        Ok(Self {
            directory: directory.to_owned(),
            create: kind.join("create"),
            uuid,
        })
    }

    pub(crate) fn remove(&self) -> Result<(), Unheld> {
        match fs::write(self.directory.join("remove"), "1") {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::PermissionDenied => {
                return Err(skip("only root removes devices"));
            }
            Err(e) => return Err(broken("writing to `remove` succeeds", e.to_string())),
        }
        match fs::exists(&self.directory).own("sysfs")? {
            false => Ok(()),
            true => Err(broken(
                "the device is gone after `remove`",
                "it is still there",
            )),
        }
    }

    pub(crate) fn create(&self) -> Result<(), Unheld> {
        fs::write(&self.create, &self.uuid).own("making the device again")?;
        // The nodes in /dev are made by devtmpfs at once, their permissions by udev later.
        let end = Instant::now() + PATIENCE;
        while !fs::exists(&self.directory).own("sysfs")? && Instant::now() < end {
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}
