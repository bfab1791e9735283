// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the README says about boot: udev loads vmig and binds the function, and mdevctl's rule starts
//! what is defined with autostart.

use std::fs;
use std::path::PathBuf;

use guest::{modules, sysfs, uuid, wait, Client, Function, Mdev, Test, Type};

use crate::host::{udevadm, udevd_log, Host};
use crate::nodedev::{definition, DEFINE};
use crate::{mdev_node, LONG, PARENT};

const RULES: &str = include_str!("../../../../helper/boot/55-vmig.rules");

const LOADED: &str = include_str!("../../../../helper/boot/vmig.conf");

/// Our rules, where the README puts them. Dropping it takes them away.
struct Rules<'a>(&'a Host, PathBuf);

impl<'a> Rules<'a> {
    fn install(host: &'a Host) -> Self {
        let path = host.client().path("/etc/udev/rules.d/55-vmig.rules");
        fs::create_dir_all(path.parent().expect("a directory")).expect("rules.d");
        fs::write(&path, RULES).expect("rules");
        udevadm(host.client(), &["control", "--reload"]);
        Self(host, path)
    }
}

impl Drop for Rules<'_> {
    fn drop(&mut self) {
        fs::remove_file(&self.1).expect("rules");
        udevadm(self.0.client(), &["control", "--reload"]);
        let function = Function::at(PARENT);
        // What is still bound is found at the end of the test.
        let _ = function.unbind();
        let _ = function.override_driver(None);
    }
}

/// Defines a device with autostart, at a parent that goes again with the module.
#[track_caller]
fn define(host: &Host, id: &str) {
    let _parent = Function::at(PARENT).parent();
    host.settle();
    let attrs = [("migration/ports", "2"), ("migration/fifo-size", "64")];
    host.done(&DEFINE, &definition(id, &attrs));
    host.virsh(&["nodedev-autostart", &mdev_node(id, PARENT)]);
}

/// Waits until the device is there, with its parameters, and libvirt has heard of it.
#[track_caller]
fn expect(host: &Host, mdev: &Mdev) {
    host.settle();
    let there = wait::until(LONG / 3, || mdev.path("migration/ports").exists());
    assert!(there, "{}: {}", mdev.uuid(), udevd_log());
    host.settle();
    let values = ["ports", "fifo-size", "auto-flow"].map(|name| mdev.param(name));
    assert_eq!(values, ["2", "64", "off"]);
    assert_eq!(Function::at(PARENT).driver().as_deref(), Some("vmig"));
    let name = mdev_node(mdev.uuid(), PARENT);
    let active = || {
        host.virsh(&["nodedev-list", "--cap", "mdev"])
            .contains(&name)
    };
    assert!(wait::until(LONG / 10, active), "{name}");
}

#[test]
fn devices_with_autostart_come_with_their_parent() {
    let _test = Test::begin_within(LONG);
    let host = Host::first();
    let function = Function::at(PARENT);
    let id = uuid();
    define(host, &id);
    host.settle();
    modules::unload("vmig").expect("unload");
    assert_eq!(function.driver(), None);
    let rules = Rules::install(host);

    // At boot: udev is told of all that is there.
    let coldplug = ["trigger", "--type=devices", "--action=add"];
    udevadm(host.client(), &coldplug);
    let mdev = Mdev::existing(&id);
    expect(host, &mdev);

    // Told once more, as when udev is upgraded: what is used stays as it is.
    let device = mdev.device();
    let again = ["trigger", "--action=add", "--subsystem-match=pci"];
    udevadm(host.client(), &again);
    expect(host, &mdev);
    assert_eq!(mdev.status("in_use"), "1");
    drop(device);

    // The function comes anew, with vmig loaded.
    sysfs::write(function.path("remove"), "1").expect("remove");
    assert!(!mdev.directory().exists());
    host.settle();
    sysfs::write("/sys/bus/pci/rescan", "1").expect("rescan");
    expect(host, &mdev);

    host.virsh(&["nodedev-destroy", &mdev_node(&id, PARENT)]);
    host.virsh(&["nodedev-undefine", &mdev_node(&id, PARENT)]);
    drop(rules);
}

#[test]
fn the_software_parent_is_loaded_at_boot() {
    let _test = Test::begin_within(LONG);
    let client = Client::enter("trixie");
    client.share("/lib/modules");
    let directory = client.path("/etc/modules-load.d");
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("vmig.conf"), LOADED).expect("the module's name");
    modules::unload("vmig").expect("unload");
    client.done(&["/usr/lib/systemd/systemd-modules-load"], "");
    assert!(modules::is_loaded("vmig"));
    assert!(Type::default_parent("serial-var").directory().exists());
}
