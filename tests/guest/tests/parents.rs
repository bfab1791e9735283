// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Parents that are made and removed through configfs.

use std::fs;
use std::path::Path;

use guest::table::{types, GENERATIONS, PORTS, PREFIX};
use guest::{sysfs, uuid, Parent, Test, Type};
use vmig_vfio::{Attach, Errno};

fn exists(parent: &Parent) -> bool {
    Path::new("/sys/class/mdev_bus")
        .join(parent.device())
        .exists()
}

#[test]
fn the_default_parent_is_there_and_has_the_newest_generation() {
    let _test = Test::begin();
    let names = sysfs::names("/sys/class/mdev_bus/vmig/mdev_supported_types");
    let newest = GENERATIONS[GENERATIONS.len() - 1];
    let expected: Vec<_> = types(newest)
        .iter()
        .map(|row| format!("{PREFIX}{}", row.name))
        .collect();
    assert_eq!(names, expected);
    let params = Type::default_parent("serial-var").path("migration/params");
    assert!(params.join("auto-flow").exists());
}

#[test]
fn a_new_item_is_not_live_and_newest() {
    let _test = Test::begin();
    let parent = Parent::make("fresh").unwrap();
    assert_eq!(parent.get("live"), "0");
    assert_eq!(
        parent.get("generation"),
        GENERATIONS[GENERATIONS.len() - 1].to_string()
    );
    assert!(!exists(&parent));
    parent.rmdir().unwrap();
    assert!(!parent.path("").exists());
}

#[test]
fn live_makes_the_parent_and_takes_it_away() {
    let _test = Test::begin();
    let parent = Parent::make("life").unwrap();
    for _ in 0..3 {
        parent.set("live", "1").unwrap();
        assert_eq!(parent.get("live"), "1");
        assert!(exists(&parent));
        assert_eq!(parent.kind("serial-1").available(), PORTS);
        parent.set("live", "1").expect("it is what it is");
        parent.set("live", "0").unwrap();
        assert_eq!(parent.get("live"), "0");
        assert!(!exists(&parent));
        parent.set("live", "0").expect("it is what it is");
    }
}

#[test]
fn the_generation_can_be_chosen_until_it_is_live() {
    let _test = Test::begin();
    let parent = Parent::make("choice").unwrap();
    for generation in ["1", "2", "1\n", "2\n", "1"] {
        parent.set("generation", generation).unwrap();
        assert_eq!(parent.get("generation"), generation.trim_end());
    }
    for bad in [
        "0",
        "3",
        "-1",
        "01",
        "+1",
        "x",
        "\n",
        " 1",
        "1 2",
        "4294967297",
        "1\0",
    ] {
        let answer = parent.set("generation", bad);
        assert!(answer == Err(Errno::EINVAL), "{bad:?}: {answer:?}");
        assert_eq!(parent.get("generation"), "1", "after {bad:?}");
    }
    parent.set("live", "1").unwrap();
    assert!(!parent
        .kind("serial-var")
        .path("migration/params/auto-flow")
        .exists());
    for generation in ["2", "1"] {
        let answer = parent.set("generation", generation);
        // Writing what it is already may succeed; anything else is refused.
        let expected = answer == Err(Errno::EBUSY) || (generation == "1" && answer == Ok(()));
        assert!(expected, "{generation}: {answer:?}");
        assert_eq!(parent.get("generation"), "1");
    }
    parent.set("live", "0").unwrap();
    parent.set("generation", "2").unwrap();
    parent.set("live", "1").unwrap();
    assert!(parent
        .kind("serial-var")
        .path("migration/params/auto-flow")
        .exists());
}

#[test]
fn live_takes_0_and_1_only() {
    let _test = Test::begin();
    let parent = Parent::make("words").unwrap();
    for bad in ["2", "on", "x", "\n", "01", " 1", "1 ", "1\0", "-0"] {
        assert_eq!(parent.set("live", bad), Err(Errno::EINVAL), "{bad:?}");
        assert_eq!(parent.get("live"), "0", "after {bad:?}");
    }
}

#[test]
fn a_live_item_cannot_be_removed() {
    let _test = Test::begin();
    let parent = Parent::live("pinned", 2);
    assert_eq!(parent.rmdir(), Err(Errno::EBUSY));
    assert!(exists(&parent));
    parent.set("live", "0").unwrap();
    parent.rmdir().unwrap();
}

#[test]
fn a_parent_with_an_open_device_stays() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let parent = Parent::live("used", 2);
        let mdev = parent.kind("serial-var").new_device();
        let other = parent.kind("serial-1").new_device();
        let device = mdev.open(attach).unwrap();
        assert_eq!(parent.set("live", "0"), Err(Errno::EBUSY));
        assert_eq!(parent.get("live"), "1");
        // A refusal changes nothing: all devices are there, and work.
        assert_eq!(mdev.status("in_use"), "1");
        assert!(device.state().is_ok());
        drop(other.device());
        parent.kind("serial-1").new_device();
        drop(device);
        // Closed devices do not keep it; they go with it.
        parent.set("live", "0").unwrap();
        assert!(!mdev.directory().exists());
        assert!(!other.directory().exists());
    }
}

#[test]
fn parents_share_neither_capacity_nor_devices() {
    let _test = Test::begin();
    let (a, b) = (Parent::live("a", 2), Parent::live("b", 1));
    let devices: Vec<_> = (0..PORTS)
        .map(|_| a.kind("serial-1").new_device())
        .collect();
    assert_eq!(a.kind("serial-1").available(), 0);
    assert_eq!(b.kind("serial-1").available(), PORTS);
    assert_eq!(Type::default_parent("serial-1").available(), PORTS);
    // A UUID is one device, wherever it is.
    assert_eq!(
        b.kind("serial-1").create(devices[0].uuid()).unwrap_err(),
        Errno::EEXIST
    );
    assert_eq!(sysfs::names(b.kind("serial-1").path("devices")), [""; 0]);
    assert_eq!(
        sysfs::names(a.kind("serial-1").path("devices")).len(),
        devices.len()
    );
}

#[test]
fn names_are_checked() {
    let _test = Test::begin();
    let parent = Parent::make("twice").unwrap();
    assert_eq!(Parent::make("twice").unwrap_err(), Errno::EEXIST);
    drop(parent);
    let long = "x".repeat(64);
    for good in ["a", "0", "A.b_c-9", &long] {
        let parent = Parent::live(good, 1);
        drop(parent.kind("serial-1").new_device());
    }
    let too_long = "x".repeat(65);
    let far_too_long = "x".repeat(255);
    let bad = [
        "-a", ".a", "_a", "a b", "a:b", "a!b", "%s%n", "a\nb", "a\\b", "\u{e4}", "\u{7f}",
    ];
    for bad in bad.into_iter().chain([too_long.as_str(), &far_too_long]) {
        assert_eq!(Parent::make(bad).err(), Some(Errno::EINVAL), "{bad:?}");
    }
    assert!(fs::create_dir(format!("{}/a/b", guest::parent::CONFIGFS)).is_err());
    assert_eq!(sysfs::names("/sys/class/mdev_bus"), ["vmig"]);
}

#[test]
fn many_lives_leave_nothing() {
    let _test = Test::begin();
    for round in 0..20 {
        let parent = Parent::live("cycle", 1 + round % 2);
        let kind = parent.kind("serial-var");
        let id = uuid();
        kind.stage(format!("{id} ports=1")).unwrap();
        let mdev = kind.create(&id).unwrap();
        assert_eq!(mdev.param("ports"), "1");
        kind.stage(format!("{} ports=2", uuid())).unwrap();
        // Both are still there when the parent goes.
        parent.set("live", "0").unwrap();
        assert!(!mdev.directory().exists());
    }
}
