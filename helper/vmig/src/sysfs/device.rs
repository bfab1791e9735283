// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A mediated device's directory: `/sys/bus/mdev/devices/UUID`.

use std::{
    io,
    path::{
        Path,
        PathBuf, //
    },
};

use vmig_model::uuid::Uuid;

use super::{
    attribute,
    names,
    optional,
    System,
    TypeDir, //
};
use crate::error::{
    Code,
    Error, //
};

/// A mediated device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its directory.
    pub path: PathBuf,
    /// Its type.
    pub kind: TypeDir,
}

impl Device {
    /// The attribute that removes the device. Writing to it waits for whoever has it open.
    pub fn remove_path(&self) -> PathBuf {
        self.path.join("remove")
    }

    /// The attribute of the migration parameter `name`.
    pub fn param_path(&self, name: &str) -> PathBuf {
        self.path.join("migration").join(name)
    }

    /// The attribute that says whether the contents survive close.
    pub fn keep_path(&self) -> PathBuf {
        self.path.join("vmig/keep")
    }

    /// The value in effect of the migration parameter `name`, as text.
    ///
    /// # Errors
    ///
    /// [`Code::Unreadable`] or [`Code::Malformed`].
    pub fn param(&self, name: &str) -> Result<String, Error> {
        attribute(&self.param_path(name))
    }

    /// Names of the migration parameters that the device has, in byte order.
    ///
    /// # Errors
    ///
    /// [`Code::Unreadable`].
    pub fn param_names(&self) -> Result<Vec<String>, Error> {
        names(&self.path.join("migration"))
    }

    /// Whether someone has the device open; `None` where the driver does not say.
    ///
    /// # Errors
    ///
    /// [`Code::Unreadable`] or [`Code::Malformed`].
    pub fn in_use(&self) -> Result<Option<bool>, Error> {
        flag(&self.path.join("vmig/in_use"))
    }

    /// Whether the contents survive close; `None` where the driver does not say.
    ///
    /// # Errors
    ///
    /// [`Code::Unreadable`] or [`Code::Malformed`].
    pub fn keep(&self) -> Result<Option<bool>, Error> {
        flag(&self.keep_path())
    }

    /// Why the last open or stream was refused, where the driver says so.
    ///
    /// # Errors
    ///
    /// [`Code::Unreadable`] or [`Code::Malformed`].
    pub fn refusal(&self) -> Result<Option<String>, Error> {
        let text = optional(&self.path.join("vmig/refusal"))?;
        Ok(text.filter(|text| !text.is_empty()))
    }
}

fn flag(path: &Path) -> Result<Option<bool>, Error> {
    match optional(path)?.as_deref() {
        None => Ok(None),
        Some("0") => Ok(Some(false)),
        Some("1") => Ok(Some(true)),
        Some(_) => Err(Error::malformed(path.display().to_string(), "not 0 or 1")),
    }
}

impl System {
    /// Where the device with this UUID is, or would be.
    pub fn device_path(&self, uuid: Uuid) -> PathBuf {
        self.sys.join("bus/mdev/devices").join(uuid.to_string())
    }

    /// The device with this UUID; `None`: there is none.
    ///
    /// # Errors
    ///
    /// As [`System::device_at`].
    pub fn device(&self, uuid: Uuid) -> Result<Option<Device>, Error> {
        let path = self.device_path(uuid);
        match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => self.device_at(&path).map(Some),
        }
    }

    /// The device whose directory is `path`.
    ///
    /// # Errors
    ///
    /// [`Code::Unreadable`] if there is none, or it is no mediated device.
    pub fn device_at(&self, path: &Path) -> Result<Device, Error> {
        let shown = || path.display().to_string();
        let real = path
            .canonicalize()
            .map_err(|error| Error::unreadable(shown(), "no such device", &error))?;
        let uuid = real
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        let kind = real.join("mdev_type").canonicalize().ok();
        let found = uuid.zip(kind.as_deref().and_then(TypeDir::at));
        let (uuid, kind) =
            found.ok_or_else(|| Error::new(Code::Unreadable, shown(), "no mediated device"))?;
        Ok(Device {
            uuid,
            path: real,
            kind,
        })
    }
}
