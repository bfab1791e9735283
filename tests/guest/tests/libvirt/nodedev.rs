// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Devices as node devices of libvirt.

use guest::{sysfs, uuid, wait, Function, Mdev, Test};

use crate::host::Host;
use crate::{mdev_node, node, LONG, PARENT};

/// A node device with these attributes.
pub(crate) fn definition(id: &str, attrs: &[(&str, &str)]) -> String {
    let attrs = attrs.iter().map(|(name, value)| attr(name, value));
    format!(
        "<device><name>new</name><parent>{}</parent><capability type='mdev'><type id='vmig-serial-var'/>\
         <uuid>{id}</uuid>{}</capability></device>",
        node(PARENT),
        attrs.collect::<String>()
    )
}

/// An attribute in libvirt's words.
fn attr(name: &str, value: &str) -> String {
    format!("<attr name='{name}' value='{value}'/>")
}

/// Waits until libvirt shows `part` of the device: it looks at attributes only after the device is there.
#[track_caller]
fn expect(host: &Host, name: &str, part: &str) {
    let shown = || host.virsh(&["nodedev-dumpxml", name]).contains(part);
    assert!(wait::until(LONG / 10, shown), "{part}");
}

/// `virsh` defines what comes.
pub(crate) const DEFINE: [&str; 4] = ["virsh", "nodedev-define", "/dev/stdin", "--validate"];

/// Whether libvirt lists the function as a parent.
fn listed(host: &Host) -> bool {
    let list = host.virsh(&["nodedev-list", "--cap", "mdev_types"]);
    list.lines().any(|line| line == node(PARENT))
}

#[test]
fn parents_are_listed_with_their_types() {
    let _test = Test::begin_within(LONG);
    let host = Host::first();
    host.settle();
    assert!(!listed(host));
    let parent = Function::at(PARENT).parent();
    assert!(wait::until(LONG / 10, || listed(host)));
    let xml = host.virsh(&["nodedev-dumpxml", &node(PARENT)]);
    let types = sysfs::names(parent.path("mdev_supported_types"));
    assert_eq!(types.len(), 6, "{types:?}");
    for kind in types {
        assert!(
            xml.contains(&format!("<type id='{kind}'>")),
            "{kind}: {xml}"
        );
    }
    assert!(xml.contains("<deviceAPI>vfio-pci</deviceAPI>"), "{xml}");
    drop(parent);
    assert!(wait::until(LONG / 10, || !listed(host)));
}

#[test]
fn a_definition_starts_with_its_parameters() {
    let _test = Test::begin_within(LONG);
    let (host, _parent) = (Host::first(), Function::at(PARENT).parent());
    host.settle();
    let id = uuid();
    let attrs = [("migration/ports", "2"), ("migration/fifo-size", "64")];
    host.done(&DEFINE, &definition(&id, &attrs));
    let name = mdev_node(&id, PARENT);
    let defined = host.virsh(&["nodedev-dumpxml", &name]);
    host.virsh(&["nodedev-start", &name]);
    let mdev = Mdev::existing(&id);
    let values = ["ports", "fifo-size", "auto-flow"].map(|name| mdev.param(name));
    assert_eq!(values, ["2", "64", "off"]);
    // In effect, and in no definition.
    let off = attr("migration/auto-flow", "off");
    assert!(!defined.contains(&off), "{defined}");
    expect(host, &name, &off);
    for (param, value) in attrs {
        assert!(defined.contains(&attr(param, value)), "{defined}");
        expect(host, &name, &attr(param, value));
    }
    host.virsh(&["nodedev-autostart", &name]);
    let info = host.virsh(&["nodedev-info", &name]);
    let autostart = |line: &str| line.split_whitespace().eq(["Autostart:", "yes"]);
    assert!(info.lines().any(autostart), "{info}");
    host.virsh(&["nodedev-destroy", &name]);
    assert!(!mdev.directory().exists());
    host.virsh(&["nodedev-undefine", &name]);
    host.settle();
    host.refused(&["virsh", "nodedev-dumpxml", &name], "", &["not found"]);
}

#[test]
fn bad_values_are_refused_with_their_reason() {
    let _test = Test::begin_within(LONG);
    let (host, parent) = (Host::first(), Function::at(PARENT).parent());
    host.settle();
    let id = uuid();
    let attrs = [("migration/ports", "9"), ("migration/nonsense", "1")];
    let xml = definition(&id, &attrs);
    let create = ["virsh", "nodedev-create", "/dev/stdin"];
    for (words, verb) in [(&DEFINE[..], "define"), (&create[..], "start")] {
        let begin = format!("cannot {verb} {id} at {PARENT}/vmig-serial-var");
        host.refused(words, &xml, &[&begin, "ports", "nonsense"]);
    }
    assert!(!Mdev::existing(&id).directory().exists());
    assert_eq!(parent.kind("serial-var").staged(), [""; 0]);
    let list = host.virsh(&["nodedev-list", "--all", "--cap", "mdev"]);
    assert!(!list.contains(&mdev_node(&id, PARENT)), "{list}");
}

#[test]
fn runtime_parameters_change_while_the_device_exists() {
    let _test = Test::begin_within(LONG);
    let (host, _parent) = (Host::first(), Function::at(PARENT).parent());
    host.settle();
    let id = uuid();
    let ports = ("migration/ports", "2");
    host.done(&DEFINE, &definition(&id, &[ports]));
    let name = mdev_node(&id, PARENT);
    host.virsh(&["nodedev-start", &name]);
    let mdev = Mdev::existing(&id);
    assert_eq!(mdev.param("line-stats"), "off");
    // Only what libvirt knows to be there is updated.
    expect(host, &name, &attr("migration/auto-flow", "off"));
    let update = ["virsh", "nodedev-update", &name, "/dev/stdin", "--live"];
    let on = ("migration/line-stats", "on");
    host.done(&update, &definition(&id, &[ports, on]));
    assert_eq!(mdev.param("line-stats"), "on");
    expect(host, &name, &attr("migration/line-stats", "on"));
    let changed = [("migration/line-stats", "off"), ("migration/ports", "1")];
    let reason = "ports is 2 and cannot become 1 while the device exists";
    host.refused(&update, &definition(&id, &changed), &[reason]);
    assert_eq!(
        ["ports", "line-stats"].map(|name| mdev.param(name)),
        ["2", "on"]
    );
    host.virsh(&["nodedev-destroy", &name]);
    host.virsh(&["nodedev-undefine", &name]);
}
