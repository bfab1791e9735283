// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Unmodified mdevctl as a client of vmig's types, with vmig's callout installed.

#![forbid(unsafe_code)]

use std::time::Duration;

use guest::function::ADDRESSES;
use guest::{uuid, Client, Function, Mdev, Test};

/// What a test may take: each runs many programs, which are emulated.
const LONG: Duration = Duration::from_secs(300);

/// The parent of the devices.
const PARENT: &str = ADDRESSES[0];

/// Parameters of a card, as mdevctl's attributes.
const ATTRS: &str = r#"{"migration/ports":"2"},{"migration/fifo-size":"64"}"#;

/// The client, with the callout and the command where `make install` puts them.
fn host() -> Client {
    let client = Client::enter("trixie");
    client.install();
    client
}

/// A definition for mdevctl.
fn definition(attrs: &str) -> String {
    format!(r#"{{"mdev_type":"vmig-serial-var","start":"manual","attrs":[{attrs}]}}"#)
}

/// `mdevctl VERB` for this device, which reads the definition from standard input.
fn mdevctl<'a>(verb: &'a str, id: &'a str) -> Vec<&'a str> {
    let mut words = vec!["mdevctl", verb, "--uuid", id, "--parent", PARENT];
    words.extend(["--jsonfile", "/dev/stdin"]);
    words
}

#[test]
fn mdevctl_starts_what_it_has_defined() {
    let _test = Test::begin_within(LONG);
    let (client, _parent) = (host(), Function::at(PARENT).parent());
    assert_eq!(
        client.done(&["mdevctl", "--version"], ""),
        "mdevctl 1.4.0\n"
    );
    let id = uuid();
    client.done(&mdevctl("define", &id), &definition(ATTRS));
    client.done(&["mdevctl", "start", "--uuid", &id], "");
    let mdev = Mdev::existing(&id);
    assert_eq!(mdev.param("ports"), "2");
    assert_eq!(mdev.param("fifo-size"), "64");
    // What was left out is off.
    assert_eq!(mdev.param("auto-flow"), "off");
    let list = client.done(&["mdevctl", "list", "-v", "--uuid", &id], "");
    for attr in [
        r#"{"migration/ports":"2"}"#,
        r#"{"migration/auto-flow":"off"}"#,
    ] {
        assert!(list.contains(attr), "{attr}: {list}");
    }
    client.done(&["mdevctl", "stop", "--uuid", &id], "");
    assert!(!mdev.directory().exists());
    client.done(&["mdevctl", "undefine", "--uuid", &id], "");
}

#[test]
fn mdevctl_refuses_bad_lists_with_their_reasons() {
    let _test = Test::begin_within(LONG);
    let (client, parent) = (host(), Function::at(PARENT).parent());
    let id = uuid();
    let bad = r#"{"migration/ports":"9"},{"migration/nonsense":"1"}"#;
    for verb in ["define", "start"] {
        let begin = format!("cannot {verb} {id} at {PARENT}/vmig-serial-var");
        let parts = [&*begin, "ports", "nonsense"];
        client.refused(&mdevctl(verb, &id), &definition(bad), &parts);
    }
    assert!(!Mdev::existing(&id).directory().exists());
    assert_eq!(parent.kind("serial-var").staged(), [""; 0]);
    assert_eq!(client.done(&["mdevctl", "list", "--defined"], ""), "");
}

#[test]
fn mdevctl_forgets_the_list_of_a_start_that_failed() {
    let _test = Test::begin_within(LONG);
    let (client, parent) = (host(), Function::at(PARENT).parent());
    let id = uuid();
    // The callout has nothing against it; mdevctl cannot write it once the device is there.
    let attrs = format!(r#"{ATTRS},{{"no_such_file":"1"}}"#);
    let parts = ["no_such_file"];
    client.refused(&mdevctl("start", &id), &definition(&attrs), &parts);
    assert!(!Mdev::existing(&id).directory().exists());
    assert_eq!(parent.kind("serial-var").staged(), [""; 0]);
}

#[test]
fn mdevctl_runs_what_vmig_commands_prints() {
    let _test = Test::begin_within(LONG);
    let (client, _parent) = (host(), Function::at(PARENT).parent());
    let list = "model: vmig.example/pci-serial\nfifo-size=64\nline-stats=on\nports=2\n";
    let (id, to) = (uuid(), format!("{PARENT}/vmig-serial-var"));
    let mut words = vec!["vmig", "commands", "--from", "/dev/stdin", "--to", &to];
    words.extend(["--uuid", &id, "--tool", "mdevctl"]);
    let script = client.done(&words, list);
    client.done(&["sh"], &script);
    let mdev = Mdev::existing(&id);
    let values = ["auto-flow", "fifo-size", "line-stats", "ports"].map(|name| mdev.param(name));
    assert_eq!(values, ["off", "64", "on", "2"]);
}

#[test]
fn mdevctl_changes_runtime_parameters_only() {
    let _test = Test::begin_within(LONG);
    let (client, parent) = (host(), Function::at(PARENT).parent());
    let mdev = parent.kind("serial-var").new_device_with("ports=2");
    let mut words = mdevctl("modify", mdev.uuid());
    words.push("--live");
    let on = definition(r#"{"migration/line-stats":"on"}"#);
    client.done(&words, &on);
    assert_eq!(mdev.param("line-stats"), "on");
    let ports = definition(r#"{"migration/line-stats":"off"},{"migration/ports":"1"}"#);
    let reason = "ports is 2 and cannot become 1 while the device exists";
    client.refused(&words, &ports, &[reason]);
    assert_eq!(mdev.param("ports"), "2");
    assert_eq!(mdev.param("line-stats"), "on", "all or nothing");
}
