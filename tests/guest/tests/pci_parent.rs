// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Parents that are PCI functions.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::thread;

use guest::contents::{assert_contents, fill, LIST};
use guest::function::{ADDRESSES, DRIVER};
use guest::pci::REQ;
use guest::stream::{load, save};
use guest::table::{types, GENERATIONS, PORTS, PREFIX};
use guest::wait::{self, QUIET, SOON};
use guest::{modules, sysfs, uuid, Event, Function, Test, Type};
use vmig_vfio::{Attach, Errno, State};

fn first() -> Function {
    Function::at(ADDRESSES[0])
}

fn unload() -> Result<(), Errno> {
    modules::unload("vmig").map_err(sysfs::errno)
}

/// All files below a directory, with mode and content; those that cannot be read have none.
fn tree(directory: &Path) -> Vec<(String, u32, Option<String>)> {
    let mut found = Vec::new();
    let mut todo = vec![directory.to_path_buf()];
    while let Some(here) = todo.pop() {
        for name in sysfs::names(&here) {
            let path = here.join(name);
            let meta = fs::symlink_metadata(&path).expect("metadata");
            let relative = path.strip_prefix(directory).expect("below");
            let content = if meta.is_dir() {
                todo.push(path.clone());
                None
            } else {
                sysfs::read(&path).ok()
            };
            found.push((
                relative.display().to_string(),
                meta.permissions().mode(),
                content,
            ));
        }
    }
    found.sort();
    found
}

#[test]
fn nothing_is_bound_that_was_not_told_to() {
    let _test = Test::begin();
    assert!(Path::new(DRIVER).exists());
    for address in ADDRESSES {
        let function = Function::at(address);
        assert_eq!(function.driver(), None, "{address}");
        assert_eq!(sysfs::line(function.path("vendor")), "0x1b36");
        assert_eq!(sysfs::line(function.path("device")), "0x0005");
        function.probe().unwrap();
        assert_eq!(function.driver(), None, "{address}: no ID matches");
        assert_eq!(function.bind(), Err(Errno::ENODEV), "{address}");
        assert!(!function.is_parent());
    }
    let id = sysfs::write(format!("{DRIVER}/new_id"), "1b36 0005");
    assert_eq!(id, Err(Errno::EINVAL), "and none can be added");
    assert_eq!(sysfs::names("/sys/class/mdev_bus"), ["vmig"]);
}

#[test]
fn driver_override_makes_a_function_a_parent() {
    let _test = Test::begin();
    let function = first();
    let before = sysfs::line(function.path("enable"));
    for probed in [false, true] {
        function.override_driver(Some("vmig")).unwrap();
        assert!(!function.is_parent(), "it was only reserved");
        match probed {
            false => function.bind().unwrap(),
            true => function.probe().unwrap(),
        }
        assert_eq!(function.driver().as_deref(), Some("vmig"));
        assert!(function.is_parent());
        assert_eq!(sysfs::line(function.path("enable")), before, "not enabled");
        let types = fs::canonicalize(function.kind("serial-1").directory()).unwrap();
        let own = fs::canonicalize(function.path("mdev_supported_types")).unwrap();
        assert_eq!(types.parent(), Some(own.as_path()));
        function.unbind().unwrap();
        assert_eq!(function.driver(), None);
        assert!(!function.is_parent());
        assert!(!function.path("mdev_supported_types").exists());
        assert_eq!(function.unbind(), Err(Errno::ENODEV), "it is not bound");
        function.override_driver(None).unwrap();
    }
}

#[test]
fn types_are_those_of_the_default_parent() {
    let _test = Test::begin();
    let parent = first().parent();
    let newest = types(GENERATIONS[GENERATIONS.len() - 1]);
    let expected: Vec<_> = newest
        .iter()
        .map(|row| format!("{PREFIX}{}", row.name))
        .collect();
    let names = sysfs::names(parent.path("mdev_supported_types"));
    assert_eq!(names, expected);
    for row in newest {
        let (ours, default) = (parent.kind(row.name), Type::default_parent(row.name));
        assert_eq!(ours.available(), row.room);
        let files = tree(ours.directory());
        assert!(files.iter().any(|(name, ..)| name == "migration/stage"));
        assert_eq!(files, tree(default.directory()), "{}", row.name);
    }
}

#[test]
fn devices_are_staged_made_used_and_removed() {
    let _test = Test::begin();
    let parent = first().parent();
    let kind = parent.kind("serial-var");
    let id = uuid();
    kind.stage(format!("{id} ports=2 fifo-size=64")).unwrap();
    assert_eq!(kind.staged(), [format!("{id} fifo-size=64 ports=2")]);
    assert_eq!(kind.available(), PORTS - 2);
    let mdev = kind.create(&id).unwrap();
    assert_eq!(kind.staged(), [""; 0]);
    let place = fs::canonicalize(mdev.directory()).unwrap();
    assert_eq!(
        place.parent(),
        Some(&*fs::canonicalize(parent.path("")).unwrap())
    );
    assert_eq!(
        (mdev.param("ports"), mdev.param("auto-flow")),
        ("2".into(), "off".into())
    );
    mdev.set("auto-flow", "on").unwrap();
    mdev.set("ports", "1").unwrap();
    assert_eq!(kind.available(), PORTS - 1);
    assert_eq!(mdev.set("ports", "3"), Err(Errno::ERANGE));
    for attach in [Attach::Cdev, Attach::Group] {
        let device = mdev.open(attach).unwrap();
        assert_eq!(device.state(), Ok(State::Running));
        assert_eq!(mdev.status("in_use"), "1");
        assert_eq!(mdev.set("ports", "2"), Err(Errno::EBUSY));
    }
    mdev.remove().unwrap();
    assert_eq!(kind.available(), PORTS);
    let other = uuid();
    kind.stage(format!("{other} ports=2")).unwrap();
    assert_eq!(
        Type::default_parent("serial-var").stage(format!("{other} ports=2")),
        Err(Errno::EEXIST),
        "a UUID is staged once in the module"
    );
    kind.unstage(&other).unwrap();
}

#[test]
fn two_functions_and_the_default_parent_have_a_capacity_each() {
    let _test = Test::begin();
    let (a, b) = (first().parent(), Function::at(ADDRESSES[1]).parent());
    let devices: Vec<_> = (0..PORTS)
        .map(|_| a.kind("serial-1").new_device())
        .collect();
    assert_eq!(a.kind("serial-1").available(), 0);
    assert_eq!(
        a.kind("serial-1").create(&uuid()).unwrap_err(),
        Errno::EUSERS
    );
    assert_eq!(b.kind("serial-1").available(), PORTS);
    assert_eq!(Type::default_parent("serial-1").available(), PORTS);
    assert_eq!(
        b.kind("serial-1").create(devices[0].uuid()).unwrap_err(),
        Errno::EEXIST
    );
    // One goes with all it has; the other does not notice.
    let left = b.kind("serial-var").new_device();
    let device = left.device();
    a.unbind().unwrap();
    assert!(devices.iter().all(|mdev| !mdev.directory().exists()));
    assert_eq!(device.state(), Ok(State::Running));
    drop(device);
    a.bind().unwrap();
    assert_eq!(a.kind("serial-1").available(), PORTS);
    assert_eq!(b.kind("serial-1").available(), PORTS - 1);
}

#[test]
fn devices_move_to_and_from_the_default_parent() {
    let _test = Test::begin();
    let parent = first().parent();
    let here = parent.kind("serial-var").new_device_with(LIST);
    let there = Type::default_parent("serial-var").new_device_with(LIST);
    let (here, there) = ((here.device(), &here), (there.device(), &there));
    for (source, destination) in [(&here.0, &there.0), (&there.0, &here.0)] {
        source.reset().unwrap();
        fill(source);
        let stream = save(source);
        destination.reset().unwrap();
        load(destination, &stream).unwrap();
        assert_contents(destination);
    }
    // Another set of parameters is refused, as anywhere.
    let other = Type::default_parent("serial-var").new_device_with("ports=1");
    let device = other.device();
    let refused = load(&device, &save(&here.0)).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::EXDEV));
    assert_ne!(other.refusal(), "");
}

#[test]
fn unbinding_takes_devices_and_entries() {
    let _test = Test::begin();
    let parent = first().parent();
    let kind = parent.kind("serial-var");
    let devices = [kind.new_device(), kind.new_device_with(LIST)];
    devices[1].keep(true);
    fill(&devices[1].device());
    let staged = uuid();
    kind.stage(format!("{staged} ports=2")).unwrap();
    parent.unbind().unwrap();
    assert!(devices.iter().all(|mdev| !mdev.directory().exists()));
    assert!(!kind.directory().exists());
    // Its UUIDs are free again.
    let default = Type::default_parent("serial-var");
    default.stage(format!("{staged} ports=1")).unwrap();
    default.unstage(&staged).unwrap();
    drop(default.create(devices[0].uuid()).unwrap());
    parent.bind().unwrap();
    assert_eq!(kind.staged(), [""; 0]);
    assert_eq!(kind.available(), PORTS);
}

#[test]
fn unbinding_asks_for_open_devices_and_waits() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let parent = first().parent();
        let kind = parent.kind("serial-var");
        let mdev = kind.new_device_with(LIST);
        let closed = kind.new_device();
        let device = mdev.open(attach).unwrap();
        let request = Event::new();
        device
            .irq_eventfds(REQ, 0, &[Some(request.as_fd())])
            .unwrap();
        thread::scope(|scope| {
            let unbinding = scope.spawn(|| parent.unbind());
            request.expect("the device is wanted back");
            assert!(!unbinding.is_finished());
            // Who has it goes on undisturbed; nobody else can begin.
            fill(&device);
            let stream = save(&device);
            load(&device, &stream).unwrap();
            assert_contents(&device);
            assert!(closed.open(attach).is_err(), "no new users");
            assert!(kind.create(&uuid()).is_err(), "no new devices");
            assert!(kind.stage(format!("{} ports=1", uuid())).is_err());
            assert_eq!(unload(), Err(Errno::EAGAIN), "the module is in use");
            // Other parents do not care.
            let other = Type::default_parent("serial-var").new_device();
            drop(other.device());
            thread::sleep(QUIET);
            assert!(!unbinding.is_finished(), "the device is still open");
            drop(device);
            assert_eq!(unbinding.join().unwrap(), Ok(()));
        });
        assert!(!mdev.directory().exists() && !closed.directory().exists());
        assert_eq!(parent.driver(), None);
        parent.bind().unwrap();
        drop(kind.new_device().open(attach).unwrap());
    }
}

#[test]
fn open_files_of_an_unbound_parent_have_no_device() {
    let _test = Test::begin();
    let parent = first().parent();
    let kind = parent.kind("serial-var");
    let mdev = kind.new_device();
    let paths = [
        kind.path("available_instances"),
        kind.path("migration_info.json"),
        kind.path("migration/model"),
        kind.path("migration/staged"),
        kind.path("migration/params/ports/allowed_values"),
        mdev.path("migration/ports"),
        mdev.path("vmig/refusal"),
    ];
    let files = paths.map(|path| File::open(path).unwrap());
    for file in &files {
        file.read_at(&mut [0; 1], 0).unwrap();
    }
    let directory = File::open(kind.path("migration")).unwrap();
    parent.unbind().unwrap();
    let gone = || {
        for file in &files {
            let answer = file.read_at(&mut [0; 64], 0).map_err(sysfs::errno);
            assert_eq!(answer, Err(Errno::ENODEV));
        }
    };
    gone();
    parent.bind().unwrap();
    // They do not come back with their names.
    gone();
    drop(directory);
}

/// It belongs to a device of a parent that is not there any more, and neither is its type.
#[test]
fn a_data_file_survives_the_parent() {
    let _test = Test::begin();
    let parent = first().parent();
    for state in [State::StopCopy, State::PreCopy, State::Resuming] {
        let mdev = parent.kind("serial-var").new_device();
        let device = mdev.device();
        let data = device.set_state(state).unwrap().unwrap();
        drop(device);
        parent.unbind().unwrap();
        assert!(!mdev.directory().exists());
        parent.bind().unwrap();
        let next = parent.kind("serial-var").create(mdev.uuid()).unwrap();
        assert_eq!(unload(), Err(Errno::EAGAIN), "{state}: a data file is open");
        let errnos = [Errno::ENODEV, Errno::EBADF];
        let read = data.read(&mut [0; 16]).unwrap_err().errno().unwrap();
        let write = data.write(&[0; 16]).unwrap_err().errno().unwrap();
        assert!(errnos.contains(&read) && errnos.contains(&write), "{state}");
        assert_eq!(next.device().state(), Ok(State::Running));
    }
    assert!(wait::until(SOON, || unload().is_ok()));
    modules::load("vmig").unwrap();
}

#[test]
fn the_module_takes_its_parents_along() {
    let _test = Test::begin();
    let parents = ADDRESSES.map(|address| Function::at(address).parent());
    let devices = parents
        .each_ref()
        .map(|parent| parent.kind("serial-var").new_device_with(LIST));
    let staged = parents[0].kind("serial-2");
    staged.stage(format!("{} ports=2", uuid())).unwrap();
    let file = File::open(staged.path("migration/model")).unwrap();
    let device = devices[1].device();
    assert_eq!(unload(), Err(Errno::EAGAIN), "a device is open");
    assert_eq!(
        device.state(),
        Ok(State::Running),
        "the attempt does no harm"
    );
    assert!(parents.iter().all(|parent| parent.is_parent()));
    drop(device);
    assert!(
        wait::until(SOON, || unload().is_ok()),
        "it cannot be unloaded"
    );
    for (parent, mdev) in parents.iter().zip(&devices) {
        assert_eq!(parent.driver(), None);
        assert!(!parent.path("mdev_supported_types").exists());
        assert!(!mdev.directory().exists());
    }
    let answer = file.read_at(&mut [0; 64], 0).map_err(sysfs::errno);
    assert_eq!(answer, Err(Errno::ENODEV));
    // Reserved functions are bound by the load.
    modules::load("vmig").unwrap();
    for parent in &parents {
        assert_eq!(parent.driver().as_deref(), Some("vmig"));
        drop(parent.kind("serial-var").new_device().device());
    }
}

#[test]
fn many_lives_leave_nothing() {
    let _test = Test::begin();
    let parent = first().parent();
    let kind = parent.kind("serial-var");
    for _ in 0..20 {
        let id = uuid();
        kind.stage(format!("{id} ports=1")).unwrap();
        let mdev = kind.create(&id).unwrap();
        drop(mdev.device());
        kind.stage(format!("{} ports=2", uuid())).unwrap();
        parent.unbind().unwrap();
        assert!(!mdev.directory().exists());
        parent.bind().unwrap();
        assert_eq!(kind.available(), PORTS);
    }
}

#[test]
fn creation_races_with_binding() {
    let _test = Test::begin();
    let parent = first().parent();
    let kind = parent.kind("serial-var");
    let stop = std::sync::atomic::AtomicBool::new(false);
    let made = std::sync::atomic::AtomicUsize::new(0);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(relaxed) {
                    // All of these may fail now; none may crash or hang.
                    let id = uuid();
                    let _ = kind.stage(format!("{id} ports=1"));
                    if let Ok(mdev) = kind.create(&id) {
                        made.fetch_add(1, relaxed);
                        drop(mdev.open(Attach::Cdev));
                    }
                    let _ = kind.unstage(&id);
                }
            });
        }
        for _ in 0..20 {
            let before = made.load(relaxed);
            let on = wait::until(SOON, || made.load(relaxed) > before);
            let unbound = parent.unbind();
            let bound = parent.bind();
            if !on || unbound.is_err() || bound.is_err() {
                stop.store(true, relaxed);
                panic!("made: {on}, unbind: {unbound:?}, bind: {bound:?}");
            }
        }
        stop.store(true, relaxed);
    });
    assert!(made.into_inner() >= 20);
}
