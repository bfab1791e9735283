// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! An mdev type's directory: `/sys/class/mdev_bus/PARENT/mdev_supported_types/TYPE`.

use std::{
    collections::BTreeMap,
    path::{
        Path,
        PathBuf, //
    },
    sync::Arc,
};

use vmig_model::uuid::Uuid;

use super::{
    attribute,
    bytes,
    link_name,
    optional,
    System, //
};
use crate::{
    error::Error,
    inventory::{
        Implementation,
        Info, //
    },
    json::DOCUMENT_MAX,
    value::is_name,
};

/// The directory of an mdev type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeDir {
    /// The directory.
    pub path: PathBuf,
    /// Name of the parent device.
    pub parent: String,
    /// Full name of the type, such as `vmig-serial-var`.
    pub kind: String,
}

/// An entry of `migration/staged`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// UUID of the device that does not exist yet.
    pub uuid: Uuid,
    /// Its migration parameter list, as text.
    pub params: BTreeMap<String, String>,
}

impl TypeDir {
    /// The type whose directory is `path`, if that is one.
    pub fn at(path: &Path) -> Option<Self> {
        let is_type = path.join("available_instances").exists() || path.join("create").exists();
        if !is_type {
            return None;
        }
        let path = path.canonicalize().ok()?;
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
        let types = path.parent()?;
        Some(Self {
            parent: name(types.parent()?)?,
            kind: name(&path)?,
            path,
        })
    }

    /// `PARENT/TYPE`, as a SOURCE names it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.parent, self.kind)
    }

    /// What the mdev core names the type after: the driver of its parent, else the class or bus.
    pub fn driver(&self) -> Option<String> {
        let device = self.path.parent()?.parent()?;
        let name =
            link_name(&device.join("driver")).or_else(|| link_name(&device.join("subsystem")));
        name.filter(|name| is_name(name))
    }

    /// The file that holds the migration information.
    pub fn info_path(&self) -> PathBuf {
        self.path.join("migration_info.json")
    }

    /// Whether the type has migration information at all.
    pub fn is_migratable(&self) -> bool {
        self.info_path().exists()
    }

    /// Whether a parameter list can be staged here before the device exists.
    pub fn can_stage(&self) -> bool {
        self.stage_path().exists()
    }

    /// The attribute that takes a UUID and makes a device.
    pub fn create_path(&self) -> PathBuf {
        self.path.join("create")
    }

    /// The attribute that takes a UUID with its parameter list.
    pub fn stage_path(&self) -> PathBuf {
        self.path.join("migration/stage")
    }

    /// The attribute that takes a UUID and forgets its list.
    pub fn unstage_path(&self) -> PathBuf {
        self.path.join("migration/unstage")
    }

    /// The attribute that shows what is staged; root may read it.
    pub fn staged_path(&self) -> PathBuf {
        self.path.join("migration/staged")
    }

    /// Reads the migration information.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Unreadable`] or [`crate::error::Code::Malformed`].
    pub fn info(&self) -> Result<Info, Error> {
        let path = self.info_path();
        let text = bytes(&path, DOCUMENT_MAX)?;
        Info::parse(&text, &path.display().to_string()).map_err(|mut error| {
            if text.len() == 4096 && error.message.contains("truncated") {
                error
                    .message
                    .push_str(": the driver's attribute ends at a page");
            }
            error
        })
    }

    /// How many devices of this type can still be made.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Unreadable`] or [`crate::error::Code::Malformed`].
    pub fn free(&self) -> Result<Option<u64>, Error> {
        let path = self.path.join("available_instances");
        let Some(text) = optional(&path)? else {
            return Ok(None);
        };
        let free = text.parse();
        free.map(Some)
            .map_err(|_| Error::malformed(path.display().to_string(), "not a number"))
    }

    /// The device model attribute, where there is one.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Unreadable`] or [`crate::error::Code::Malformed`].
    pub fn model(&self) -> Result<Option<String>, Error> {
        optional(&self.path.join("migration/model"))
    }

    /// The staged entries, by UUID.
    ///
    /// # Errors
    ///
    /// [`crate::error::Code::Unreadable`], also for those who may not read them; [`crate::error::Code::Malformed`].
    pub fn staged(&self) -> Result<Vec<Staged>, Error> {
        let path = self.staged_path();
        let text = attribute(&path)?;
        let mut entries: Vec<Staged> = Vec::new();
        for (n, line) in (1..).zip(text.lines()) {
            let entry = staged_line(line).ok_or_else(|| {
                let message = format!("line {n}: not `UUID name=value ...`");
                Error::malformed(path.display().to_string(), message)
            })?;
            entries.push(entry);
        }
        entries.sort_unstable_by_key(|entry| entry.uuid);
        Ok(entries)
    }
}

fn staged_line(line: &str) -> Option<Staged> {
    let mut words = line.split(' ');
    let uuid = words.next()?.parse().ok()?;
    let param = |word: &str| {
        let (name, value) = word.split_once('=')?;
        is_name(name).then(|| (name.to_owned(), value.to_owned()))
    };
    Some(Staged {
        uuid,
        params: words.map(param).collect::<Option<_>>()?,
    })
}

impl System {
    /// What an inventory says about `dir`; an error stands in for information that is not there.
    pub fn implementation(&self, dir: &TypeDir) -> Implementation {
        let driver = dir.driver().unwrap_or_default();
        let version = self.sys.join("module").join(&driver).join("version");
        let text = |path: &Path| optional(path).ok().flatten();
        Implementation {
            parent: Some(dir.parent.clone()),
            kind: Some(dir.kind.clone()),
            program: None,
            name: text(&dir.path.join("name")),
            device_api: text(&dir.path.join("device_api")),
            driver_version: text(&version),
            driver,
            free: dir.free().ok().flatten(),
            info: dir.info().map(Arc::new),
        }
    }
}
