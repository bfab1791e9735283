// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Domains that move from one libvirtd to another, by the recipe of the README.

use std::fs;

use guest::contents::LIST;
use guest::{uuid, wait, Function, Mdev, Test};

use crate::domain::Domain;
use crate::host::Host;
use crate::{mdev_node, LONG, OTHER_PARENT, PARENT, XDEV};

/// Where QEMU listens for a migration, and the domain as it is to be there.
const SOCKET: &str = "unix:///tmp/libvirt-migration";
const DOMAIN: &str = "/tmp/libvirt-domain.xml";

/// A type of a parent, as vmig names it.
fn to(parent: &str) -> String {
    format!("{parent}/vmig-serial-var")
}

/// Writes down the domain as it is to be at the destination: with the device `new`.
#[track_caller]
fn prepare(domain: &Domain<'_>, from: &Host, old: &Mdev, new: &Mdev) {
    let xml = from.virsh(&["dumpxml", "--migratable", domain.name()]);
    assert!(xml.contains(old.uuid()), "{xml}");
    fs::write(DOMAIN, xml.replace(old.uuid(), new.uuid())).expect("the domain");
}

/// The words that move it to the host `to`.
fn words<'a>(domain: &'a Domain<'_>, to: &'a Host) -> [&'a str; 9] {
    let [virsh, live, name] = ["virsh", "--live", domain.name()];
    let [uri, xml] = ["--migrateuri", "--xml"];
    [
        virsh,
        "migrate",
        live,
        name,
        to.uri(),
        uri,
        SOCKET,
        xml,
        DOMAIN,
    ]
}

/// Whether the host has a domain of this name.
#[track_caller]
fn has(host: &Host, name: &str) -> bool {
    let list = host.virsh(&["list", "--all", "--name"]);
    list.lines().any(|line| line == name)
}

#[test]
fn a_domain_moves_there_and_back() {
    let _test = Test::begin_within(LONG);
    let (first, second) = (Host::first(), Host::second());
    let source = Function::at(PARENT).parent();
    let _destination = Function::at(OTHER_PARENT).parent();
    first.settle();
    let mdev = source.kind("serial-var").new_device_with(LIST);
    let list = first.done(&["vmig", "params", mdev.uuid()], "");

    // There, to a device of libvirt's.
    let (id, place) = (uuid(), to(OTHER_PARENT));
    let from = ["--from", "/dev/stdin"];
    let check = ["vmig", "check", from[0], from[1], &place];
    second.done(&check, &list);
    let commands = ["vmig", "commands", from[0], from[1], "--to", &place];
    let tool = ["--uuid", &id, "--tool", "virsh", "--define"];
    let script = second.done(&[&commands[..], &tool].concat(), &list);
    second.done(&["sh"], &script);
    let other = Mdev::existing(&id);
    assert_eq!(other.params(), mdev.params());
    let domain = Domain::start(first, "mover", mdev.uuid());
    domain.fill(2);
    prepare(&domain, first, &mdev, &other);
    first.done(&words(&domain, second), "");
    assert!(!has(first, domain.name()));
    let moved = Domain::existing(second, domain.name());
    assert_eq!(moved.state(), "running");
    assert_eq!(
        [&mdev, &other].map(|mdev| mdev.status("in_use")),
        ["0", "1"]
    );
    moved.check(2);

    // And back, to one of vmig's.
    moved.fill(2);
    let list = second.done(&["vmig", "params", other.uuid()], "");
    let place = to(PARENT);
    let create = ["vmig", "create", &place, "--from", "/dev/stdin"];
    let back = Mdev::existing(first.done(&create, &list).trim());
    assert_eq!(back.params(), other.params());
    prepare(&moved, second, &other, &back);
    second.done(&words(&moved, first), "");
    assert!(!has(second, domain.name()));
    assert_eq!(domain.state(), "running");
    domain.check(2);
    drop((domain, moved));
    assert!(wait::until(LONG / 10, || back.status("in_use") == "0"));
    let name = mdev_node(&id, OTHER_PARENT);
    second.virsh(&["nodedev-destroy", &name]);
    second.virsh(&["nodedev-undefine", &name]);
}

#[test]
fn a_domain_stays_where_it_is_if_the_other_device_does_not_fit() {
    let _test = Test::begin_within(LONG);
    let (first, second) = (Host::first(), Host::second());
    let source = Function::at(PARENT).parent();
    let destination = Function::at(OTHER_PARENT).parent();
    first.settle();
    let mdev = source.kind("serial-var").new_device_with(LIST);
    let unfit = "ports=2 fifo-size=64";
    let other = destination.kind("serial-var").new_device_with(unfit);
    let domain = Domain::start(first, "stayer", mdev.uuid());
    domain.fill(2);
    prepare(&domain, first, &mdev, &other);
    first.refused(&words(&domain, second), "", &[XDEV]);
    assert!(other.refusal().contains("auto-flow"), "{}", other.refusal());
    assert!(!has(second, domain.name()));
    assert_eq!(domain.state(), "running");
    domain.check(2);
    drop(domain);
    let free = || {
        [&mdev, &other]
            .iter()
            .all(|mdev| mdev.status("in_use") == "0")
    };
    assert!(wait::until(LONG / 10, free));
}
