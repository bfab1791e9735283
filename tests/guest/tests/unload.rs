// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Unloading the module, with every kind of user still around.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use guest::modules;
use guest::wait::{self, SOON};
use guest::{sysfs, uuid, Parent, Test, Type};
use vmig_vfio::{Attach, Cdev, Errno, Iommufd, Location, Roots, State};

/// The module under test.
const NAME: &str = "vmig";

fn load() -> Result<(), Errno> {
    modules::load(NAME).map_err(sysfs::errno)
}

fn unload() -> Result<(), Errno> {
    modules::unload(NAME).map_err(sysfs::errno)
}

fn kind() -> Type {
    Type::default_parent("serial-var")
}

/// Unloads the module, loads it again and sees that it works.
#[track_caller]
fn cycle(what: &str) {
    // The last reference may go away a moment after the call that dropped it.
    let gone = wait::until(SOON, || unload().is_ok());
    assert!(gone, "{what}: the module cannot be unloaded");
    reload(what);
}

#[track_caller]
fn reload(what: &str) {
    assert!(!modules::is_loaded(NAME), "{what}");
    assert!(
        !std::path::Path::new("/sys/class/mdev_bus/vmig").exists(),
        "{what}"
    );
    load().unwrap_or_else(|e| panic!("{what}: load: {e}"));
    let mdev = kind().new_device();
    assert_eq!(mdev.device().state(), Ok(State::Running), "{what}");
}

#[test]
fn an_idle_module_comes_and_goes() {
    let _test = Test::begin();
    for _ in 0..5 {
        cycle("idle");
    }
}

#[test]
fn an_open_device_keeps_the_module() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let mdev = kind().new_device();
        let device = mdev.open(attach).unwrap();
        assert_eq!(unload(), Err(Errno::EAGAIN), "{attach:?}");
        assert_eq!(
            device.state(),
            Ok(State::Running),
            "the attempt does no harm"
        );
        assert_eq!(mdev.status("in_use"), "1");
        drop(device);
        drop(mdev);
        cycle("device closed");
    }
}

#[test]
fn a_data_file_keeps_the_module() {
    let _test = Test::begin();
    for state in [State::StopCopy, State::PreCopy, State::Resuming] {
        let mdev = kind().new_device();
        let device = mdev.device();
        let data = device.set_state(state).unwrap().unwrap();
        drop(device);
        mdev.remove().unwrap();
        // Neither the device nor the mdev is there any more, only the file.
        assert_eq!(unload(), Err(Errno::EAGAIN), "{state}");
        let _ = data.read(&mut [0; 16]);
        let _ = data.write(&[0; 16]);
        drop(data);
        cycle("data file closed");
    }
}

#[test]
fn a_configfs_item_keeps_the_module() {
    let _test = Test::begin();
    let parent = Parent::live("holder", 1);
    assert_eq!(unload(), Err(Errno::EAGAIN));
    assert_eq!(parent.get("live"), "1");
    parent.set("live", "0").unwrap();
    assert_eq!(unload(), Err(Errno::EAGAIN), "the directory is still there");
    drop(parent);
    cycle("item removed");
}

#[test]
fn closed_devices_and_staged_entries_go_with_the_module() {
    let _test = Test::begin();
    let devices = [kind().new_device(), kind().new_device_with("ports=2")];
    devices[0].keep(true);
    kind().stage(format!("{} ports=2", uuid())).unwrap();
    cycle("devices and entries");
    assert!(devices.iter().all(|mdev| !mdev.directory().exists()));
    assert_eq!(kind().staged(), [""; 0]);
}

#[test]
fn an_open_attribute_does_not_keep_the_module() {
    let _test = Test::begin();
    let kind = kind();
    let mdev = kind.new_device();
    let paths = [
        kind.path("migration_info.json"),
        kind.path("migration/model"),
        kind.path("migration/staged"),
        kind.path("migration/params/ports/allowed_values"),
        mdev.path("migration/ports"),
        mdev.path("vmig/keep"),
        mdev.path("vmig/refusal"),
    ];
    let files = paths.map(|path| File::open(path).unwrap());
    // Half read, so that there is something left to go for.
    for file in &files {
        file.read_at(&mut [0; 1], 0).unwrap();
    }
    let directory = File::open(kind.path("migration")).unwrap();
    let gone = wait::until(SOON, || unload().is_ok());
    assert!(gone, "an open attribute keeps the module");
    for file in &files {
        let answer = file.read_at(&mut [0; 64], 0).map_err(sysfs::errno);
        assert_eq!(answer, Err(Errno::ENODEV));
    }
    drop(directory);
    reload("open attributes");
}

#[test]
fn an_unbound_device_node_makes_the_unload_wait() {
    let _test = Test::begin();
    let mdev = kind().new_device();
    let roots = Roots::default();
    let node = Location::find(&roots, mdev.directory())
        .unwrap()
        .cdev
        .unwrap();
    let cdev = Cdev::open(&node).unwrap();
    assert_eq!(mdev.status("in_use"), "0", "the driver cannot know");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            unload().unwrap();
            done.store(true, Ordering::Release);
        });
        thread::sleep(Duration::from_millis(500));
        assert!(!done.load(Ordering::Acquire), "the node is still open");
        // Nobody can begin to use it now.
        let bound =
            Iommufd::open(&roots.iommu()).and_then(|iommufd| cdev.bind(mdev.uuid(), iommufd));
        assert!(bound.is_err());
        // `bind` has taken the node, and closed it.
        assert!(
            wait::until(SOON, || done.load(Ordering::Acquire)),
            "the node is closed"
        );
    });
    reload("unbound node");
}

#[test]
fn writes_race_with_the_unload() {
    let _test = Test::begin();
    for _ in 0..3 {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Acquire) {
                        // All of these may fail now; none may crash or hang.
                        let kind = kind();
                        let id = uuid();
                        let _ = kind.stage(format!("{id} ports=1"));
                        if let Ok(mdev) = kind.create(&id) {
                            let _ = mdev.set("fifo-size", "16");
                            let _ = sysfs::read(mdev.path("migration/ports"));
                        }
                        let _ = kind.unstage(&id);
                        let _ = sysfs::read(kind.path("migration_info.json"));
                    }
                });
            }
            thread::sleep(Duration::from_millis(100));
            let gone = wait::until(SOON, || unload().is_ok());
            stop.store(true, Ordering::Release);
            assert!(gone);
        });
        reload("race");
    }
}
