// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Where a device is: from its directory in sysfs to the nodes under `/dev/vfio`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The roots that all paths are built from; another root serves tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Where sysfs is mounted, normally `/sys`.
    pub sys: PathBuf,
    /// Where device nodes are, normally `/dev`.
    pub dev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            sys: PathBuf::from("/sys"),
            dev: PathBuf::from("/dev"),
        }
    }
}

impl Roots {
    /// Directory of the mediated device with this UUID. Nothing is looked up.
    pub fn mdev(&self, uuid: &str) -> PathBuf {
        self.sys.join("bus/mdev/devices").join(uuid)
    }

    /// The IOMMUFD node.
    pub fn iommu(&self) -> PathBuf {
        self.dev.join("iommu")
    }

    /// The container node of the group interface.
    pub fn container(&self) -> PathBuf {
        self.dev.join("vfio/vfio")
    }
}

/// A device that VFIO serves, and the nodes that open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The kernel's name of the device: a UUID, or a PCI address.
    pub name: String,
    /// `/dev/vfio/devices/vfioN`, if the kernel offers the device that way.
    pub cdev: Option<PathBuf>,
    /// `/dev/vfio/N`, if the kernel offers the device that way.
    pub group: Option<PathBuf>,
}

impl Location {
    /// Looks at a device's directory in sysfs, such as `/sys/bus/mdev/devices/UUID`.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] if it cannot be read, [`Error::NotVfio`] if no VFIO driver has the device.
    pub fn find(roots: &Roots, directory: &Path) -> Result<Self> {
        let real = fs::canonicalize(directory).map_err(|e| Error::path(directory, &e))?;
        let not_vfio = || Error::NotVfio {
            path: directory.to_owned(),
        };
        let name = real.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(not_vfio)?.to_owned();
        let cdev = cdev_name(&real)?.map(|node| roots.dev.join("vfio/devices").join(node));
        let group = group_name(&real)?.map(|node| roots.dev.join("vfio").join(node));
        if cdev.is_none() && group.is_none() {
            return Err(not_vfio());
        }
        Ok(Self { name, cdev, group })
    }
}

/// `vfioN`: the one entry of `vfio-dev` that has the form.
fn cdev_name(device: &Path) -> Result<Option<String>> {
    let directory = device.join("vfio-dev");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::path(&directory, &e)),
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::path(&directory, &e))?.file_name();
        let name = name.to_str().filter(|name| numbered(name, "vfio"));
        if let Some(name) = name {
            // Kernels without CONFIG_VFIO_DEVICE_CDEV have the directory, but no device number.
            let number = directory.join(name).join("dev");
            if number.try_exists().map_err(|e| Error::path(&number, &e))? {
                return Ok(Some(name.to_owned()));
            }
        }
    }
    Ok(None)
}

/// `N`: the number of the IOMMU group that the device is in.
fn group_name(device: &Path) -> Result<Option<String>> {
    let link = device.join("iommu_group");
    match fs::read_link(&link) {
        Ok(target) => Ok(target
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| numbered(name, ""))
            .map(str::to_owned)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::path(&link, &e)),
    }
}

/// Whether `name` is `prefix` followed by digits: nothing else becomes part of a path.
fn numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A fake sysfs directory that goes away with the value.
    struct Fake(PathBuf);

    impl Fake {
        fn new(test: &str) -> Self {
            let name = format!("vmig-vfio-{test}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("device")).unwrap();
            Self(path)
        }

        fn find(&self) -> Result<Location> {
            let roots = Roots {
                dev: "/d".into(),
                ..Roots::default()
            };
            Location::find(&roots, &self.0.join("device"))
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn both_interfaces_are_found() {
        let fake = Fake::new("both");
        fs::create_dir_all(fake.0.join("device/vfio-dev/vfio7")).unwrap();
        fs::write(fake.0.join("device/vfio-dev/vfio7/dev"), "511:7\n").unwrap();
        symlink(
            "../../kernel/iommu_groups/12",
            fake.0.join("device/iommu_group"),
        )
        .unwrap();
        let found = fake.find().unwrap();
        assert_eq!(found.name, "device");
        assert_eq!(
            found.cdev.as_deref(),
            Some(Path::new("/d/vfio/devices/vfio7"))
        );
        assert_eq!(found.group.as_deref(), Some(Path::new("/d/vfio/12")));
    }

    #[test]
    fn a_device_without_a_number_has_no_cdev() {
        let fake = Fake::new("nocdev");
        fs::create_dir_all(fake.0.join("device/vfio-dev/vfio7")).unwrap();
        symlink("/x/3", fake.0.join("device/iommu_group")).unwrap();
        let found = fake.find().unwrap();
        assert_eq!((found.cdev, found.group), (None, Some("/d/vfio/3".into())));
    }

    #[test]
    fn what_vfio_does_not_serve_is_refused() {
        let fake = Fake::new("none");
        assert!(matches!(fake.find(), Err(Error::NotVfio { .. })));
        // Names that are no number never reach a path.
        symlink("../..", fake.0.join("device/iommu_group")).unwrap();
        fs::create_dir_all(fake.0.join("device/vfio-dev/vfio-1")).unwrap();
        fs::create_dir_all(fake.0.join("device/vfio-dev/power")).unwrap();
        assert!(matches!(fake.find(), Err(Error::NotVfio { .. })));
    }

    #[test]
    fn a_missing_directory_is_named() {
        let path = Path::new("/nonexistent/device");
        let error = Location::find(&Roots::default(), path).unwrap_err();
        assert_eq!(error.errno(), Some(nix::errno::Errno::ENOENT));
        assert!(error.to_string().contains("/nonexistent/device"));
    }
}
