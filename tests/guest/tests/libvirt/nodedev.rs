// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Devices as node devices of libvirt.

use guest::{sysfs, uuid, wait, Function, Mdev, Test};

use crate::host::Host;
use crate::{mdev_node, node, LONG, PARENT};

/// A node device with these attributes.
pub(crate) fn definition(id: &str, attrs: &[(&str, &str)]) -> String {
    let attrs = attrs
        .iter()
        .map(|(name, value)| format!("<attr name='{name}' value='{value}'/>"));
    format!(
        "<device><name>new</name><parent>{}</parent><capability type='mdev'><type id='vmig-serial-var'/>\
         <uuid>{id}</uuid>{}</capability></device>",
        node(PARENT),
        attrs.collect::<String>()
    )
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
    let active = host.virsh(&["nodedev-dumpxml", &name]);
    for (name, value) in attrs {
        let attr = format!("<attr name='{name}' value='{value}'/>");
        assert!(defined.contains(&attr), "{attr}: {defined}");
        assert!(active.contains(&attr), "{attr}: {active}");
    }
    // In effect, and in no definition.
    let attr = "<attr name='migration/auto-flow' value='off'/>";
    assert!(!defined.contains(attr), "{defined}");
    assert!(active.contains(attr), "{active}");
    host.virsh(&["nodedev-autostart", &name]);
    let info = host.virsh(&["nodedev-info", &name]);
    let autostart = |line: &str| line.split_whitespace().eq(["Autostart:", "yes"]);
    assert!(info.lines().any(autostart), "{info}");
    host.virsh(&["nodedev-destroy", &name]);
    assert!(!mdev.directory().exists());
    host.virsh(&["nodedev-undefine", &name]);
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
