// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A kernel of plain files: a sysfs tree in a temporary directory, and what happens on writes.
//!
//! The types, lines, values and capacities are those of the model crate, so it refuses what the
//! driver refuses, with the driver's errno. A write can also be made to fail with any errno.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs, io,
    os::unix::fs::symlink,
    path::{
        Path,
        PathBuf, //
    },
    rc::Rc,
};

use vmig::sysfs::Write;
use vmig_model::{
    capacity::{
        Capacity,
        PARENT, //
    },
    error::Class,
    stage::{
        self,
        Entry, //
    },
    types::{
        self,
        DeviceType,
        Generation, //
    },
    uuid::Uuid,
    values::Values,
};

pub(crate) const EBUSY: i32 = 16;
pub(crate) const EEXIST: i32 = 17;
pub(crate) const ENODEV: i32 = 19;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ENOENT: i32 = 2;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EUSERS: i32 = 87;

/// What a test may do to the tree at a write, before it happens.
type Hook = Box<dyn FnMut(&Path, &str) -> Option<i32>>;

#[derive(Clone)]
pub(crate) struct Kernel(Rc<RefCell<State>>);

struct State {
    root: PathBuf,
    parents: BTreeMap<String, Parent>,
    devices: BTreeMap<Uuid, Device>,
    log: Vec<String>,
    hook: Option<Hook>,
}

struct Parent {
    generation: Generation,
    /// Whether the driver knows nothing but the RFC's attributes of an existing device.
    plain: bool,
    left: Capacity,
    staged: Vec<(&'static str, Entry)>,
}

struct Device {
    parent: String,
    ty: &'static DeviceType,
    values: Values,
}

impl Write for Kernel {
    fn write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        let text = String::from_utf8(data.to_vec()).expect("the helper writes text");
        let hook = self.0.borrow_mut().hook.take();
        if let Some(mut hook) = hook {
            let errno = hook(path, &text);
            self.0.borrow_mut().hook = Some(hook);
            if let Some(errno) = errno {
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
        if !path.exists() {
            return Err(io::Error::from_raw_os_error(ENOENT));
        }
        let mut state = self.0.borrow_mut();
        state
            .write(path, &text)
            .map_err(io::Error::from_raw_os_error)?;
        let name = path
            .strip_prefix(&state.root)
            .expect("only /sys is written");
        let line = format!("{} < {text}", name.display());
        state.log.push(line);
        Ok(())
    }
}

impl Kernel {
    /// An empty tree in the existing directory `root`.
    pub(crate) fn new(root: &Path) -> Self {
        let root = root.canonicalize().unwrap();
        for directory in [
            "class/mdev_bus",
            "class/vmig",
            "bus/mdev/devices",
            "devices/virtual/vmig",
        ] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        Self(Rc::new(RefCell::new(State {
            root,
            parents: BTreeMap::new(),
            devices: BTreeMap::new(),
            log: Vec::new(),
            hook: None,
        })))
    }

    /// Registers a parent; a `plain` one has the types, but nothing of vmig's own.
    pub(crate) fn parent(&self, name: &str, generation: Generation, plain: bool) {
        let mut state = self.0.borrow_mut();
        let home = state.home(name);
        fs::create_dir_all(home.join("mdev_supported_types")).unwrap();
        let class = state.root.join("class/mdev_bus").join(name);
        symlink(format!("../../devices/virtual/vmig/{name}"), class).unwrap();
        symlink("../../../../class/vmig", home.join("subsystem")).unwrap();
        for ty in types::types(generation) {
            let path = state.type_path(name, ty);
            let mut info = String::new();
            vmig_model::info::write_info(ty, &mut info).unwrap();
            fs::create_dir_all(&path).unwrap();
            put(&path.join("migration_info.json"), &info);
            put(&path.join("name"), &format!("{}\n", ty.pretty));
            put(&path.join("device_api"), "vfio-pci\n");
            put(&path.join("create"), "");
            if !plain {
                fs::create_dir_all(path.join("migration")).unwrap();
                put(&path.join("migration/model"), &format!("{}\n", ty.model));
                for attribute in ["stage", "staged", "unstage"] {
                    put(&path.join("migration").join(attribute), "");
                }
            }
        }
        let parent = Parent {
            generation,
            plain,
            left: PARENT,
            staged: Vec::new(),
        };
        state.parents.insert(name.to_owned(), parent);
        state.show(name);
    }

    /// Unregisters a parent with all it has.
    pub(crate) fn vanish(&self, name: &str) {
        let mut state = self.0.borrow_mut();
        state.parents.remove(name);
        let root = state.root.clone();
        state.devices.retain(|uuid, device| {
            if device.parent == name {
                fs::remove_file(root.join("bus/mdev/devices").join(uuid.to_string())).unwrap();
            }
            device.parent != name
        });
        fs::remove_file(state.root.join("class/mdev_bus").join(name)).unwrap();
        fs::remove_dir_all(state.home(name)).unwrap();
    }

    /// What was written and accepted.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.borrow().log.clone()
    }

    /// Calls `hook` before each write; an errno that it returns refuses the write.
    pub(crate) fn hook(&self, hook: impl FnMut(&Path, &str) -> Option<i32> + 'static) {
        self.0.borrow_mut().hook = Some(Box::new(hook));
    }

    /// Everything in the tree: path and content, for comparison.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(path: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() {
                    let target = fs::read_link(&path).unwrap();
                    all.insert(path, target.display().to_string().into_bytes());
                } else if path.is_dir() {
                    walk(&path, all);
                } else {
                    let data = fs::read(&path).unwrap();
                    all.insert(path, data);
                }
            }
        }
        let mut all = BTreeMap::new();
        walk(&self.0.borrow().root, &mut all);
        all
    }
}

impl State {
    fn home(&self, parent: &str) -> PathBuf {
        self.root.join("devices/virtual/vmig").join(parent)
    }

    fn type_path(&self, parent: &str, ty: &DeviceType) -> PathBuf {
        let name = format!("vmig-{}", ty.name);
        self.home(parent).join("mdev_supported_types").join(name)
    }

    /// Brings `available_instances` and `staged` up to date.
    fn show(&self, name: &str) {
        let parent = &self.parents[name];
        for ty in types::types(parent.generation) {
            let path = self.type_path(name, ty);
            let free = parent.left.count(ty.smallest_need());
            put(&path.join("available_instances"), &format!("{free}\n"));
            if !parent.plain {
                let mut lines = String::new();
                for (_, entry) in parent.staged.iter().filter(|(kind, _)| *kind == ty.name) {
                    stage::write(ty, entry, &mut lines).unwrap();
                }
                put(&path.join("migration/staged"), &lines);
            }
        }
    }

    fn write(&mut self, path: &Path, text: &str) -> Result<(), i32> {
        let words: Vec<String> = path
            .components()
            .map(|part| part.as_os_str().to_str().unwrap().to_owned())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Some(at) = words
            .iter()
            .position(|word| *word == "mdev_supported_types")
        {
            let (parent, kind) = (words[at - 1], words[at + 1].strip_prefix("vmig-").unwrap());
            let generation = self.parents.get(parent).ok_or(ENODEV)?.generation;
            let ty = types::find(generation, kind).unwrap();
            return match &words[at + 2..] {
                ["create"] => self.create(parent, ty, text.parse().map_err(|_| EINVAL)?),
                ["migration", "stage"] => self.stage(parent, ty, text),
                ["migration", "unstage"] => self.unstage(parent, ty, text),
                other => panic!("write to {other:?}"),
            };
        }
        match words.as_slice() {
            [.., uuid, "remove"] if text == "1" => self.remove(uuid.parse().unwrap()),
            [.., "vmig", "keep"] if text == "0" || text == "1" => {
                put(path, &format!("{text}\n"));
                Ok(())
            }
            [.., uuid, "migration", name] => self.set(uuid.parse().unwrap(), name, text, path),
            other => panic!("write of {text:?} to {other:?}"),
        }
    }

    fn stage(&mut self, parent: &str, ty: &'static DeviceType, text: &str) -> Result<(), i32> {
        let entry = stage::parse(ty, text.as_bytes()).map_err(|error| errno(error.class()))?;
        if self.devices.contains_key(&entry.uuid) {
            return Err(EEXIST);
        }
        for (name, other) in &self.parents {
            for (kind, staged) in &other.staged {
                if staged.uuid == entry.uuid {
                    let same = name == parent && *kind == ty.name && *staged == entry;
                    return if same { Ok(()) } else { Err(EEXIST) };
                }
            }
        }
        let here = self.parents.get_mut(parent).unwrap();
        if here
            .staged
            .iter()
            .filter(|(kind, _)| *kind == ty.name)
            .count()
            == 16
        {
            return Err(ENOSPC);
        }
        here.left = here
            .left
            .checked_sub(ty.need(&entry.values))
            .ok_or(EUSERS)?;
        here.staged.push((ty.name, entry));
        self.show(parent);
        Ok(())
    }

    fn take(&mut self, parent: &str, ty: &DeviceType, uuid: Uuid) -> Option<Entry> {
        let staged = &mut self.parents.get_mut(parent).unwrap().staged;
        let i = staged
            .iter()
            .position(|(kind, entry)| *kind == ty.name && entry.uuid == uuid)?;
        Some(staged.remove(i).1)
    }

    fn unstage(&mut self, parent: &str, ty: &DeviceType, text: &str) -> Result<(), i32> {
        let uuid = text.parse().map_err(|_| EINVAL)?;
        let entry = self.take(parent, ty, uuid).ok_or(ENOENT)?;
        let here = self.parents.get_mut(parent).unwrap();
        here.left = here.left.checked_add(ty.need(&entry.values)).unwrap();
        self.show(parent);
        Ok(())
    }

    fn create(&mut self, parent: &str, ty: &'static DeviceType, uuid: Uuid) -> Result<(), i32> {
        if self.devices.contains_key(&uuid) {
            return Err(EEXIST);
        }
        let values = match self.take(parent, ty, uuid) {
            Some(entry) => entry.values,
            None => {
                let mut staged = self.parents.values().flat_map(|parent| &parent.staged);
                if staged.any(|(_, entry)| entry.uuid == uuid) {
                    return Err(EEXIST);
                }
                let values = Values::init(ty);
                let here = self.parents.get_mut(parent).unwrap();
                here.left = here.left.checked_sub(ty.need(&values)).ok_or(EUSERS)?;
                values
            }
        };
        let device = self.home(parent).join(uuid.to_string());
        fs::create_dir_all(device.join("migration")).unwrap();
        for (i, param) in ty.params.iter().enumerate() {
            let value = values.get(i).unwrap();
            put(
                &device.join("migration").join(param.name),
                &format!("{value}\n"),
            );
        }
        put(&device.join("remove"), "");
        if !self.parents[parent].plain {
            fs::create_dir_all(device.join("vmig")).unwrap();
            put(&device.join("vmig/keep"), "0\n");
            put(&device.join("vmig/in_use"), "0\n");
            put(&device.join("vmig/refusal"), "");
        }
        symlink(
            format!("../mdev_supported_types/vmig-{}", ty.name),
            device.join("mdev_type"),
        )
        .unwrap();
        let link = self.root.join("bus/mdev/devices").join(uuid.to_string());
        symlink(
            format!("../../../devices/virtual/vmig/{parent}/{uuid}"),
            link,
        )
        .unwrap();
        self.devices.insert(
            uuid,
            Device {
                parent: parent.to_owned(),
                ty,
                values,
            },
        );
        self.show(parent);
        Ok(())
    }

    fn remove(&mut self, uuid: Uuid) -> Result<(), i32> {
        let device = self.devices.remove(&uuid).ok_or(ENODEV)?;
        let path = self.home(&device.parent).join(uuid.to_string());
        fs::remove_dir_all(path).unwrap();
        fs::remove_file(self.root.join("bus/mdev/devices").join(uuid.to_string())).unwrap();
        let parent = self.parents.get_mut(&device.parent).unwrap();
        parent.left = parent
            .left
            .checked_add(device.ty.need(&device.values))
            .unwrap();
        self.show(&device.parent);
        Ok(())
    }

    fn set(&mut self, uuid: Uuid, name: &str, text: &str, path: &Path) -> Result<(), i32> {
        let device = self.devices.get_mut(&uuid).ok_or(ENODEV)?;
        let i = device.ty.index(name).unwrap();
        let mut values = device.values;
        values
            .set(device.ty, i, text)
            .map_err(|error| errno(error.class()))?;
        let in_use = path.parent().unwrap().with_file_name("vmig").join("in_use");
        let open = fs::read_to_string(in_use).is_ok_and(|text| text == "1\n");
        if values != device.values && open && !device.ty.params[i].runtime {
            return Err(EBUSY);
        }
        let parent = self.parents.get_mut(&device.parent).unwrap();
        let left = parent
            .left
            .checked_add(device.ty.need(&device.values))
            .unwrap();
        parent.left = left.checked_sub(device.ty.need(&values)).ok_or(EUSERS)?;
        device.values = values;
        put(path, &format!("{text}\n"));
        let parent = device.parent.clone();
        self.show(&parent);
        Ok(())
    }
}

/// The driver's table.
fn errno(class: Class) -> i32 {
    match class {
        Class::Malformed => EINVAL,
        Class::TooLong => 7,
        Class::Unknown => ENOENT,
        Class::NotAllowed => 34,
        Class::Missing => 61,
        Class::Constraint => 33,
        Class::Busy => EBUSY,
        Class::Unsupported => 95,
        Class::Mismatch => 18,
        Class::Ended => ENODEV,
        Class::NoMemory => 12,
        Class::Internal => 5,
    }
}

fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
