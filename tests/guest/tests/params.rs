// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Parameters of an existing device: what can be written, when, and what it does.

use guest::table::PORTS;
use guest::uart::SCR;
use guest::{sysfs, Mdev, Port, Test, Type};
use vmig_vfio::{Attach, Errno, State};

fn card(list: &str) -> Mdev {
    Type::default_parent("serial-var").new_device_with(list)
}

/// Leaves a trace in the contents; needs `keep`.
fn mark(mdev: &Mdev) {
    mdev.keep(true);
    let device = mdev.device();
    let port = Port::new(&device, 0);
    port.fifos(false);
    port.set(SCR, 0x5a);
    port.send(b"mark");
}

fn is_marked(mdev: &Mdev) -> bool {
    let device = mdev.device();
    let port = Port::new(&device, 0);
    match (port.get(SCR), port.receive().as_slice()) {
        (0x5a, b"mark") => true,
        (0, b"") => false,
        other => panic!("half a scrub: {other:?}"),
    }
}

#[test]
fn a_value_is_written_with_or_without_a_newline() {
    let _test = Test::begin();
    let mdev = card("ports=1");
    for (name, values) in [
        ("ports", ["2", "1"]),
        ("fifo-size", ["64", "16"]),
        ("auto-flow", ["on", "off"]),
        ("line-stats", ["on", "off"]),
    ] {
        for value in values {
            mdev.set(name, value).unwrap();
            assert_eq!(mdev.param(name), value);
        }
        for value in values {
            mdev.set(name, format!("{value}\n")).unwrap();
            assert_eq!(mdev.param(name), value);
        }
    }
}

#[test]
fn what_is_no_value_or_not_allowed_is_refused() {
    let _test = Test::begin();
    let mdev = card("ports=1");
    let before = mdev.params();
    let int = [
        "", "\n", "x", "-1", "+1", "01", "0x1", "1.0", "1e0", " 1", "1 ", "1\n\n", "1\0", "\0",
        "on", "1,2", "1\r\n",
    ];
    let bool = [
        "", "\n", "1", "0", "true", "false", "y", "n", "ON", "On", "onn", "o", " on", "on ",
        "on\n\n", "on\0", "off\r",
    ];
    for (name, bad) in [
        ("ports", int),
        ("fifo-size", int),
        ("auto-flow", bool),
        ("line-stats", bool),
    ] {
        for value in bad {
            // A write(2) of nothing never reaches the driver.
            let expected = if value.is_empty() {
                Ok(())
            } else {
                Err(Errno::EINVAL)
            };
            assert_eq!(mdev.set(name, value), expected, "{name}: {value:?}");
            assert_eq!(mdev.params(), before, "{name}: {value:?}");
        }
        assert_eq!(mdev.set(name, b"\xff"), Err(Errno::EINVAL), "{name}");
    }
    for (name, bad) in [
        ("ports", ["0", "3", "18446744073709551615"]),
        ("fifo-size", ["0", "32", "128"]),
    ] {
        for value in bad {
            assert_eq!(mdev.set(name, value), Err(Errno::ERANGE), "{name}: {value}");
            assert_eq!(mdev.params(), before, "{name}: {value}");
        }
    }
    for value in ["18446744073709551616", "99999999999999999999999"] {
        let answer = mdev.set("ports", value);
        assert!(
            matches!(answer, Err(Errno::EINVAL | Errno::ERANGE)),
            "{value}: {answer:?}"
        );
    }
    assert_eq!(mdev.params(), before);
}

#[test]
fn a_megabyte_is_refused() {
    let _test = Test::begin();
    let mdev = card("ports=1");
    let before = mdev.params();
    for size in [4096, 4097, 1 << 20] {
        for fill in [b'1', b'\n', b' ', 0] {
            let mut bytes = b"64".to_vec();
            bytes.resize(size, fill);
            for path in ["migration/fifo-size", "migration/auto-flow", "vmig/keep"] {
                assert!(
                    sysfs::write(mdev.path(path), &bytes).is_err(),
                    "{path}, {size} of {fill}"
                );
                assert_eq!(mdev.params(), before, "{path}, {size} of {fill}");
            }
        }
    }
    assert_eq!(mdev.status("keep"), "0");
}

#[test]
fn a_fixed_parameter_takes_its_one_value() {
    let _test = Test::begin();
    let mdev = Type::default_parent("serial-2").new_device();
    mdev.set("ports", "2").unwrap();
    assert_eq!(mdev.set("ports", "1"), Err(Errno::ERANGE));
    assert_eq!(mdev.param("ports"), "2");
}

#[test]
fn an_open_device_keeps_its_hardware() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let mdev = card("ports=2 fifo-size=64 auto-flow=on");
        let before = mdev.params();
        let device = mdev.open(attach).unwrap();
        assert_eq!(mdev.status("in_use"), "1");
        Port::new(&device, 0).set(SCR, 0x5a);
        for (name, value) in [("ports", "1"), ("fifo-size", "16"), ("auto-flow", "off")] {
            assert_eq!(mdev.set(name, value), Err(Errno::EBUSY), "{name}");
        }
        // What is no value stays what it is, open or not.
        assert_eq!(mdev.set("fifo-size", "x"), Err(Errno::EINVAL));
        // The value in effect can be written always: mdevctl does so.
        for (name, value) in &before {
            assert_eq!(mdev.set(name, value), Ok(()), "{name}");
        }
        assert_eq!(mdev.params(), before);
        assert_eq!(Port::new(&device, 0).get(SCR), 0x5a, "nothing was scrubbed");
        drop(device);
        assert_eq!(mdev.status("in_use"), "0");
        mdev.set("ports", "1").unwrap();
    }
}

#[test]
fn a_runtime_parameter_may_change_while_the_device_is_open() {
    let _test = Test::begin();
    let mdev = card("ports=1");
    let device = mdev.device();
    Port::new(&device, 0).set(SCR, 0x5a);
    let mut value = ["on", "off"].into_iter().cycle();
    for state in [
        State::Running,
        State::RunningP2p,
        State::Stop,
        State::Resuming,
    ] {
        let data = device.set_state(state).unwrap();
        let new = value.next().unwrap();
        assert_eq!(mdev.set("line-stats", new), Ok(()), "{state}");
        assert_eq!(mdev.param("line-stats"), new, "{state}");
        if state == State::Stop {
            assert_eq!(Port::new(&device, 0).get(SCR), 0x5a, "nothing was scrubbed");
        }
        drop(data);
    }
    device.reset().unwrap();
    for state in [State::StopCopy, State::PreCopy, State::PreCopyP2p] {
        let data = device.set_state(state).unwrap();
        let before = mdev.param("line-stats");
        let other = if before == "on" { "off" } else { "on" };
        assert_eq!(mdev.set("line-stats", other), Err(Errno::EBUSY), "{state}");
        assert_eq!(
            mdev.set("line-stats", &before),
            Ok(()),
            "{state}: the value in effect"
        );
        assert_eq!(mdev.param("line-stats"), before, "{state}");
        drop(data);
        device.reset().unwrap();
    }
}

#[test]
fn a_bad_combination_is_refused_when_the_device_is_opened() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let mdev = card("ports=1 fifo-size=64 auto-flow=on");
        // Any order of single writes can reach any valid state, so this one must pass.
        mdev.set("fifo-size", "16").unwrap();
        for _ in 0..2 {
            let error = mdev.open(attach).unwrap_err();
            assert_eq!(error.errno(), Some(Errno::EDOM), "{attach:?}: {error}");
            assert_eq!(mdev.status("in_use"), "0");
            let refusal = mdev.refusal();
            assert!(refusal.contains("auto-flow"), "{refusal:?}");
            assert!(refusal.contains("fifo-size"), "{refusal:?}");
        }
        mdev.set("auto-flow", "off").unwrap();
        assert!(!mdev.refusal().is_empty(), "it stays until the next open");
        let device = mdev.open(attach).unwrap();
        assert_eq!(mdev.refusal(), "", "the open has succeeded");
        drop(device);
        mdev.set("auto-flow", "on").unwrap();
        mdev.set("fifo-size", "64").unwrap();
        mdev.open(attach).unwrap();
    }
}

#[test]
fn a_change_of_the_hardware_scrubs() {
    let _test = Test::begin();
    for (name, other, back) in [
        ("fifo-size", "16", "64"),
        ("ports", "1", "2"),
        ("auto-flow", "on", "off"),
    ] {
        let mdev = card("ports=2 fifo-size=64 auto-flow=off");
        mark(&mdev);
        mdev.set(name, back).unwrap();
        assert!(
            is_marked(&mdev),
            "{name}: the value in effect changes nothing"
        );
        mark(&mdev);
        assert!(mdev.set(name, "nonsense").is_err());
        assert!(is_marked(&mdev), "{name}: a refused write changes nothing");
        mark(&mdev);
        mdev.set(name, other).unwrap();
        assert!(!is_marked(&mdev), "{name}: a change scrubs");
    }
}

#[test]
fn a_runtime_change_of_a_closed_device_keeps_its_contents() {
    let _test = Test::begin();
    let mdev = card("ports=1");
    mark(&mdev);
    mdev.set("line-stats", "on").unwrap();
    assert!(is_marked(&mdev));
}

#[test]
fn ports_are_taken_from_the_parent_and_given_back() {
    let _test = Test::begin();
    let kind = Type::default_parent("serial-var");
    let one = Type::default_parent("serial-1");
    let mdev = card("ports=1");
    assert_eq!(one.available(), PORTS - 1);
    mdev.set("ports", "2").unwrap();
    assert_eq!(one.available(), PORTS - 2);
    mdev.set("ports", "1").unwrap();
    assert_eq!(one.available(), PORTS - 1);
    let others: Vec<_> = (0..PORTS - 1).map(|_| one.new_device()).collect();
    assert_eq!(kind.available(), 0);
    let before = mdev.params();
    assert_eq!(mdev.set("ports", "2"), Err(Errno::EUSERS));
    assert_eq!(mdev.params(), before);
    let device = mdev.device();
    assert_eq!(
        mdev.set("ports", "2"),
        Err(Errno::EBUSY),
        "it could not be changed even if there were room"
    );
    drop(device);
    drop(others);
    mdev.set("ports", "2").unwrap();
    drop(mdev);
    assert_eq!(one.available(), PORTS, "all of it comes back");
}

#[test]
fn in_use_counts_from_bind_to_the_last_close() {
    use vmig_vfio::{Cdev, Group, Iommufd, Location, Roots};

    let _test = Test::begin();
    let mdev = card("ports=1");
    let roots = Roots::default();
    let place = Location::find(&roots, mdev.directory()).unwrap();
    let cdev = Cdev::open(&place.cdev.unwrap()).unwrap();
    assert_eq!(mdev.status("in_use"), "0", "a node that is not bound");
    mdev.set("fifo-size", "64").unwrap();
    let device = cdev
        .bind(mdev.uuid(), Iommufd::open(&roots.iommu()).unwrap())
        .unwrap();
    assert_eq!(mdev.status("in_use"), "1");
    drop(device);
    assert_eq!(mdev.status("in_use"), "0");
    let group = Group::open(&roots.container(), &place.group.unwrap()).unwrap();
    assert_eq!(mdev.status("in_use"), "0", "a group without a device");
    let (a, b) = (
        group.device(mdev.uuid()).unwrap(),
        group.device(mdev.uuid()).unwrap(),
    );
    assert_eq!(mdev.status("in_use"), "1");
    drop(a);
    assert_eq!(mdev.status("in_use"), "1");
    drop(b);
    assert_eq!(mdev.status("in_use"), "0");
}
