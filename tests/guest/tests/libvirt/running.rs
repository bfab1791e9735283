// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Domains that use a device on one host.

use std::thread;

use guest::contents::LIST;
use guest::{wait, Function, Test};

use crate::domain::Domain;
use crate::host::Host;
use crate::{mdev_node, LONG, PARENT, XDEV};

#[test]
fn a_running_domain_gives_its_device_back() {
    let _test = Test::begin_within(LONG);
    let (host, parent) = (Host::first(), Function::at(PARENT).parent());
    let mdev = parent.kind("serial-var").new_device_with(LIST);
    thread::scope(|scope| {
        // In here, so that a failure ends it and the removal with it.
        let domain = Domain::start(host, "giver", mdev.uuid());
        assert_eq!(mdev.status("in_use"), "1");
        assert!(domain.has_device());
        // libvirt does not even ask.
        let name = mdev_node(mdev.uuid(), PARENT);
        let destroy = ["virsh", "nodedev-destroy", &name];
        host.refused(&destroy, "", &["device in use"]);
        assert!(!domain.is_asked());
        let removal = scope.spawn(|| mdev.remove());
        assert!(wait::until(LONG / 10, || domain.is_asked()));
        assert!(!removal.is_finished(), "the guest has not answered");
        domain.eject();
        assert_eq!(removal.join().expect("the thread"), Ok(()));
        assert!(wait::until(LONG / 10, || !domain.has_device()));
        assert_eq!(domain.state(), "running");
    });
}

#[test]
fn a_saved_domain_comes_back_with_its_device() {
    let _test = Test::begin_within(LONG);
    let (host, parent) = (Host::first(), Function::at(PARENT).parent());
    let kind = parent.kind("serial-var");
    let mdev = kind.new_device_with(LIST);
    let domain = Domain::start(host, "saved", mdev.uuid());
    domain.fill(2);
    let file = "/tmp/saved";
    host.virsh(&["save", domain.name(), file]);
    assert_eq!(mdev.status("in_use"), "0");
    // What the device is to hold comes from the file, and from nowhere else.
    let again = |list: &str| {
        mdev.remove().expect("remove");
        let line = format!("{} {list}", mdev.uuid());
        kind.stage(line).expect("stage");
        kind.create(mdev.uuid())
            .map(std::mem::forget)
            .expect("create");
    };
    again("ports=2 fifo-size=64");
    // QEMU's reason is all that libvirt knows; vmig's is in sysfs.
    host.refused(&["virsh", "restore", file], "", &[XDEV]);
    assert!(mdev.refusal().contains("auto-flow"), "{}", mdev.refusal());
    assert_eq!(mdev.status("in_use"), "0");
    again(LIST);
    host.virsh(&["restore", file]);
    assert_eq!(domain.state(), "running");
    assert_eq!(mdev.status("in_use"), "1");
    domain.check(2);
    drop(domain);
    assert!(wait::until(LONG / 10, || mdev.status("in_use") == "0"));
}
