// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What QEMU must not do, and says so.

use guest::qemu::cards::Card;
use guest::qemu::qmp::Error;
use guest::qemu::{Attach, Setup, QEMU_10, QEMU_11, QEMU_7};
use guest::{Mdev, Parent, Test, Type};
use serde_json::json;

use crate::LONG;

/// A device with other parameters than the source's is no destination. It says so before the source
/// stops, and the source goes on.
#[track_caller]
fn assert_refused(source: &Mdev, destination: &Mdev, reason: &str) {
    for (version, attach) in [
        (QEMU_7, Attach::V1),
        (QEMU_10, Attach::Cdev),
        (QEMU_11, Attach::Group),
    ] {
        let setup = Setup::new(version, attach);
        let mut from = setup.start(source).expect("source");
        let mut to = setup
            .clone()
            .incoming()
            .start(destination)
            .expect("destination");
        Card::find(&from.qtest).fill();
        from.capabilities(&["events"]);
        to.listen();
        from.start_slow_migration(&to);
        let answer = from.linger(&["failed"]);
        assert_eq!(answer["status"], "failed", "{answer}");
        let status = to.ended();
        assert!(!status.success(), "{status}");
        let text = to.errors();
        println!("{} {}: {text}", version.name, attach.name());
        assert!(
            text.contains("Invalid cross-device link"),
            "{}: {text}",
            version.name
        );
        assert_eq!(destination.refusal(), reason, "{}", version.name);
        let stopped = from.qmp.events().iter().any(|event| event.name == "STOP");
        assert!(
            !stopped,
            "{}: the source was stopped: {answer}",
            version.name
        );
        assert_eq!(from.status(), "running");
        Card::find(&from.qtest).touch();
        from.quit();
    }
}

/// Names of objects are looked up in the devices, too, each of which has a property `iommufd`.
#[test]
fn an_iommufd_object_of_that_name_is_ambiguous() {
    let _test = Test::begin_within(LONG);
    let kind = Type::default_parent("serial-1");
    let mdevs = [kind.new_device(), kind.new_device()];
    for version in [QEMU_10, QEMU_11] {
        let setup = Setup::new(version, Attach::Group).with(",iommufd=iommufd");
        let setup = setup.words(&["-object", "iommufd,id=iommufd"]);
        let said = setup.start_with(&mdevs).unwrap_err();
        let text = "Path 'iommufd' does not uniquely identify an object";
        assert!(said.contains(text), "{}: {said}", version.name);
    }
}

#[test]
fn other_parameters_are_refused_in_pre_copy() {
    let _test = Test::begin_within(LONG);
    let kind = Type::default_parent("serial-var");
    let source = kind.new_device();
    let destination = kind.new_device_with("ports=1 fifo-size=16");
    assert_refused(&source, &destination, "auto-flow: stream on, device off");
}

#[test]
fn an_older_generation_refuses_a_newer_list() {
    let _test = Test::begin_within(LONG);
    let parent = Parent::live("older", 1);
    let source = Type::default_parent("serial-1").new_device();
    let destination = parent.kind("serial-1").new_device();
    assert_refused(
        &source,
        &destination,
        "auto-flow: stream on, device unknown",
    );
}

/// The reason why a migration does not start.
#[track_caller]
fn blocker(setup: &Setup, capabilities: &[&str]) -> String {
    let mdev = Type::default_parent("serial-1").new_device();
    let mut machine = setup.start(&mdev).expect("QEMU");
    machine.capabilities(capabilities);
    let to = machine.socket();
    let uri = json!({"uri": guest::qemu::uri(&to)});
    match machine.qmp.execute("migrate", &uri) {
        Err(Error::Refused { desc, .. }) => {
            Card::find(&machine.qtest).fill();
            machine.quit();
            desc
        }
        other => panic!("{}: {other:?}", setup.version.name),
    }
}

#[test]
fn migrations_that_cannot_work_do_not_start() {
    let _test = Test::begin_within(LONG);
    for version in [QEMU_10, QEMU_11] {
        for (properties, capabilities, reason) in [
            (
                ",enable-migration=auto,x-device-dirty-page-tracking=off",
                [].as_slice(),
                "VFIO device doesn't support device and IOMMU dirty tracking",
            ),
            (
                ",enable-migration=off",
                &[],
                "Migration is disabled for VFIO device",
            ),
            (
                "",
                &["postcopy-ram"],
                "VFIO migration is not supported with postcopy migration",
            ),
        ] {
            for attach in [Attach::Group, Attach::Cdev] {
                let setup = Setup::new(version, attach).with(properties);
                let said = blocker(&setup, capabilities);
                println!("{} {}{properties}: {said}", version.name, attach.name());
                assert!(said.contains(reason), "{}: {said}", version.name);
            }
        }
    }
    // The default of 7.2.
    let setup = Setup::new(QEMU_7, Attach::Group);
    let said = blocker(&setup, &[]);
    println!("7.2: {said}");
    assert!(
        said.contains("VFIO device doesn't support migration"),
        "{said}"
    );
}

#[test]
fn machines_that_must_be_migratable_do_not_start_without() {
    let _test = Test::begin_within(LONG);
    let mdev = Type::default_parent("serial-1").new_device();
    let only = ["-only-migratable"];
    let said = Setup::new(QEMU_7, Attach::Group).words(&only).start(&mdev);
    let said = said.expect_err("7.2 has migration off by default");
    println!("7.2: {said}");
    assert!(
        said.contains("disallowing migration blocker (--only-migratable)"),
        "{said}"
    );
    for (version, attach) in [
        (QEMU_7, Attach::V1),
        (QEMU_10, Attach::Cdev),
        (QEMU_11, Attach::Group),
    ] {
        let machine = Setup::new(version, attach).words(&only).start(&mdev);
        machine.expect("migratable").quit();
    }
}

#[test]
fn a_device_has_one_user() {
    let _test = Test::begin_within(LONG);
    let mdev = Type::default_parent("serial-1").new_device();
    for (version, attach) in [
        (QEMU_7, Attach::V1),
        (QEMU_10, Attach::Group),
        (QEMU_10, Attach::Cdev),
        (QEMU_11, Attach::Group),
        (QEMU_11, Attach::Cdev),
    ] {
        let first = Setup::new(version, attach).start(&mdev).expect("first");
        let said = Setup::new(version, attach)
            .start(&mdev)
            .expect_err("second");
        println!("{} {}: {said}", version.name, attach.name());
        // BIND_IOMMUFD of a device that is open is EINVAL, in the VFIO core.
        let reason = match attach {
            Attach::Cdev => "to iommufd",
            Attach::Group | Attach::V1 => "Device or resource busy",
        };
        assert!(said.contains(reason), "{said}");
        Card::find(&first.qtest).fill();
        Card::find(&first.qtest).check();
        first.quit();
    }
}
