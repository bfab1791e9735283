// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! mdevctl's callout, for each event and action that mdevctl has, on a kernel of plain files that
//! refuses what the driver refuses. What mdevctl itself does in between is played by [`mdevctl`],
//! after its source (1.4.0, `src/mdev.rs`).

mod support;

use std::process::{
    Command,
    Stdio, //
};

use serde_json::{
    json,
    Value, //
};
use support::{
    kernel::{
        EBUSY,
        EINVAL,
        ENODEV,
        EUSERS, //
    },
    Machine,
    Said, //
};

const A: &str = "83c3fb1a-0000-4000-8000-00000000000a";
const B: &str = "83c3fb1a-0000-4000-8000-00000000000b";
const VAR: &str = "vmig-serial-var";
const INFO: &str =
    "/sys/class/mdev_bus/vmig/mdev_supported_types/vmig-serial-var/migration_info.json";
const TYPE: &str = "devices/virtual/vmig/vmig/mdev_supported_types/vmig-serial-var";

/// A call for device `A` of type `VAR` at the parent `vmig`.
fn call(machine: &Machine, event: &str, action: &str, state: &str, stdin: &[u8]) -> Said {
    let words = [
        "-t", VAR, "-e", event, "-a", action, "-s", state, "-u", A, "-p", "vmig",
    ];
    machine.callout(&words, stdin)
}

/// mdevctl's configuration with these attributes.
fn config(attrs: &[(&str, &str)]) -> Vec<u8> {
    let attrs: Vec<Value> = attrs
        .iter()
        .map(|(name, value)| json!({ *name: value }))
        .collect();
    let config = json!({"mdev_type": VAR, "start": "manual", "attrs": attrs});
    config.to_string().into_bytes()
}

/// What `mdevctl start` does: the callouts, and in between creating and writing. The last call's
/// message comes back, and whether the device is there.
fn mdevctl(machine: &Machine, attrs: &[(&str, &str)]) -> (bool, Said) {
    let conf = config(attrs);
    let pre = call(machine, "pre", "start", "none", &conf);
    if pre.status != 0 {
        return (false, pre);
    }
    let started = start(machine, attrs);
    let state = if started { "success" } else { "failure" };
    let post = call(machine, "post", "start", state, &conf);
    (started, post)
}

fn start(machine: &Machine, attrs: &[(&str, &str)]) -> bool {
    let kind = machine.sys().join(TYPE);
    let device = machine.sys().join("bus/mdev/devices").join(A);
    let free = std::fs::read_to_string(kind.join("available_instances")).unwrap();
    if device.exists() || free == "0\n" {
        return false;
    }
    if machine.write(&kind.join("create"), A).is_err() {
        return false;
    }
    for (name, value) in attrs {
        let path = device.canonicalize().unwrap().join(name);
        if !path.exists() || machine.write(&path, value).is_err() {
            let remove = device.canonicalize().unwrap().join("remove");
            machine.write(&remove, "1").unwrap();
            return false;
        }
    }
    true
}

/// The values of device `A`, as `vmig params` has them.
fn params(machine: &Machine) -> String {
    machine.run(&["params", A]).out
}

fn nothing_staged(machine: &Machine) {
    let staged = machine.sys().join(TYPE).join("migration/staged");
    assert_eq!(std::fs::read_to_string(staged).unwrap(), "");
}

fn done(said: &Said) {
    assert_eq!((said.status, said.err.as_str()), (0, ""));
}

/// A machine whose parent `vmig` has so many ports left.
fn with_ports_left(ports: u32) -> Machine {
    let machine = Machine::new();
    for i in 0..24 - ports {
        let uuid = format!("83c3fb1a-0000-4000-8001-{i:012}");
        let said = machine.run(&["create", "vmig/vmig-serial-1", &uuid, "--new"]);
        assert_eq!(said.status, 0, "{said:?}");
    }
    machine
}

#[test]
fn versions_are_negotiated() {
    let machine = Machine::new();
    let all = r#"{"version":2,"actions":["start","stop","define","undefine","modify","attributes","capabilities"],"events":["pre","post","notify","get","live"]}"#;
    let offer = format!("{{\"provides\":{all}}}");
    let said = call(&machine, "get", "capabilities", "none", offer.as_bytes());
    done(&said);
    assert_eq!(said.out, format!("{{\"supports\":{all}}}\n"));
    for bad in [&b""[..], b"{}", b"[", &vec![b' '; 2 << 20]] {
        let said = call(&machine, "get", "capabilities", "none", bad);
        assert_eq!((said.status, said.out.as_str()), (3, ""), "{said:?}");
        assert!(said.err.starts_with("mdevctl's offer: "), "{}", said.err);
    }
}

/// What is not ours is left to the next callout, unread and unsaid.
#[test]
fn others_are_left_alone() {
    let machine = Machine::new();
    // A type that has our name and can be staged at, of another driver.
    let stranger = machine.sys().join("class/mdev_bus/vmig-old/subsystem");
    std::fs::remove_file(&stranger).unwrap();
    std::os::unix::fs::symlink("../../../../class/i915", &stranger).unwrap();
    let before = machine.kernel.snapshot();
    for (kind, parent) in [
        ("vmig-serial-9", "vmig"),
        (VAR, "vmig-none"),
        // Its driver knows the RFC only.
        (VAR, "plain"),
        (VAR, "vmig-old"),
        ("i915-GVTg_V5_4", "0000:00:02.0"),
        ("../vmig/mdev_supported_types/vmig-serial-var", "vmig"),
        (".", "vmig"),
        (VAR, ".."),
        (VAR, "../mdev_bus/vmig"),
        ("", ""),
        (VAR, "vmig\0"),
    ] {
        for (event, action) in [
            ("get", "capabilities"),
            ("pre", "start"),
            ("get", "attributes"),
        ] {
            let words = [
                "-t", kind, "-e", event, "-a", action, "-s", "none", "-u", A, "-p", parent,
            ];
            let said = machine.callout(&words, &config(&[("migration/ports", "9")]));
            assert_eq!(
                (said.status, said.out.as_str(), said.err.as_str()),
                (2, "", ""),
                "{words:?}"
            );
        }
    }
    // Words that mdevctl does not use: nor can they be ours.
    for words in [
        &[][..],
        &["-t", VAR],
        &[
            "-t", VAR, "-e", "pre", "-a", "start", "-s", "none", "-u", "x", "-p", "vmig",
        ],
        &[
            "-t", VAR, "-e", "pre", "-a", "start", "-s", "none", "-u", A, "-p", "vmig", "-x",
        ],
    ] {
        assert_eq!(machine.callout(words, b"").status, 2, "{words:?}");
    }
    assert!(machine.kernel.snapshot() == before);
    assert_eq!(machine.callout(&["--version"], b"").status, 0);
}

#[test]
fn a_start_stages_what_is_listed() {
    let machine = Machine::new();
    let attrs = [
        ("migration/ports", "2"),
        ("vmig/keep", "1"),
        ("migration/fifo-size", "64"),
    ];
    let conf = config(&attrs);
    done(&call(&machine, "pre", "start", "none", &conf));
    let staged = machine.run(&["types", "-o", "json"]).json().to_string();
    assert!(staged.contains(A), "{staged}");
    // Again: it is staged already.
    done(&call(&machine, "pre", "start", "none", &conf));
    assert!(start(&machine, &attrs));
    done(&call(&machine, "post", "start", "success", &conf));
    // What is left out is off.
    assert_eq!(
        params(&machine),
        "model: vmig.example/pci-serial\nfifo-size=64\nports=2\n"
    );
    let log = machine.kernel.log();
    let stage =
        format!("class/mdev_bus/vmig/mdev_supported_types/{VAR}/migration/stage < {A} auto-flow=off fifo-size=64 line-stats=off ports=2");
    assert_eq!(log[0], stage);
    assert_eq!(log.len(), 6, "{log:#?}");
    nothing_staged(&machine);
}

/// Without any migration parameter nothing is staged, and the initial values apply.
#[test]
fn nothing_listed_is_nothing_staged() {
    for attrs in [&[][..], &[("vmig/keep", "1")]] {
        let machine = Machine::new();
        let (started, said) = mdevctl(&machine, attrs);
        done(&said);
        assert!(started);
        assert!(!machine
            .kernel
            .log()
            .iter()
            .any(|line| line.contains("stage")));
        let new = machine.run(&["create", "vmig/vmig-serial-var", B, "--new"]);
        assert_eq!(new.status, 0);
        assert_eq!(params(&machine), machine.run(&["params", B]).out);
    }
    // What somebody has staged for it is neither touched nor forgotten.
    let machine = Machine::new();
    let list = b"model: vmig.example/pci-serial\nports=1\n";
    let words = ["stage", "vmig/vmig-serial-var", A, "--from", "-"];
    assert_eq!(machine.run_with(&words, list).status, 0);
    let before = machine.kernel.snapshot();
    done(&call(&machine, "pre", "start", "none", &config(&[])));
    done(&call(&machine, "post", "start", "failure", &config(&[])));
    assert!(machine.kernel.snapshot() == before);
}

/// Every reason is told, the first in a line that stands alone, and nothing is staged.
#[test]
fn a_bad_list_is_refused_with_every_reason() {
    let machine = Machine::new();
    let before = machine.kernel.snapshot();
    let attrs = [
        ("migration/ports", "9"),
        ("migration/fifo-size", "17"),
        ("migration/speed", "1"),
        ("migration/auto-flow", "yes"),
    ];
    let (started, said) = mdevctl(&machine, &attrs);
    assert!(!started);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    let reasons = [
        "speed is not known there",
        "auto-flow=yes is no bool",
        "fifo-size=17 is not accepted (accepts 16, 64)",
        "ports=9 is not accepted (accepts 1-2)",
    ];
    let mut lines = said.err.lines();
    let first = lines.next().unwrap();
    assert!(
        first.starts_with(&format!("cannot start {A} at vmig/{VAR}: "))
            && first.ends_with(" (and 3 more)"),
        "{}",
        said.err
    );
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 5, "{}", said.err);
    for reason in reasons {
        let word = reason.split([' ', '=']).next().unwrap();
        assert!(
            lines.iter().any(|line| line.contains(word)),
            "{reason}: {}",
            said.err
        );
    }
    assert_eq!(lines[4], format!("  read   : {INFO}"));

    for (attrs, status, part) in [
        // Left out, and there is no "off".
        (&[("migration/fifo-size", "64")][..], 1, "ports"),
        (
            &[("migration/ports", "2"), ("migration/auto-flow", "on")],
            1,
            "auto-flow=on needs",
        ),
        (&[("migration/ports", "2 ")], 1, "ports"),
        (&[("migration/ports", " 2")], 1, "ports"),
        (&[("migration/ports", "2\n")], 3, "attrs[0]"),
        (&[("migration/ports", "2 fifo-size=64")], 1, "ports"),
        (&[("migration/ports", "")], 1, "ports"),
        (&[("migration/ports", "02")], 1, "ports"),
        (
            &[("migration/ports", "1"), ("migration/ports", "1")],
            3,
            "given twice",
        ),
        (&[("migration/../vmig/keep", "1")], 3, "not a file below"),
        (&[("vmig/../migration/ports", "2")], 3, "not a file below"),
        (&[("/etc/passwd", "2")], 3, "not a file below"),
        (&[("migration/a/b", "2")], 3, "not a parameter name"),
        (&[("migration/ports", "\u{1b}[2J")], 1, "\\u{1b}[2J"),
    ] {
        let (started, said) = mdevctl(&machine, attrs);
        assert!(!started);
        assert_eq!(
            (said.status, said.out.as_str()),
            (status, ""),
            "{attrs:?}: {}",
            said.err
        );
        assert!(said.err.contains(part), "{attrs:?}: {}", said.err);
        assert!(
            said.err
                .starts_with(&format!("cannot start {A} at vmig/{VAR}: ")),
            "{}",
            said.err
        );
    }
    assert!(machine.kernel.snapshot() == before);
}

/// What mdevctl would never write, and what is too long.
#[test]
fn hostile_configurations() {
    let machine = Machine::new();
    let before = machine.kernel.snapshot();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{{\"mdev_type\":\"{}\"}}", "x".repeat(2 << 20));
    let many: Vec<String> = (0..50_000)
        .map(|i| format!("{{\"migration/p{i}\":\"1\"}}"))
        .collect();
    let many = format!("{{\"mdev_type\":\"{VAR}\",\"attrs\":[{}]}}", many.join(","));
    for (text, part) in [
        ("", "truncated"),
        ("null", "null where an object is wanted"),
        ("{", "truncated"),
        ("\u{0}", "expected value"),
        (
            r#"{"mdev_type":"vmig-serial-1","attrs":[]}"#,
            "is of type vmig-serial-1",
        ),
        (
            r#"{"mdev_type":"vmig-serial-var","attrs":[{"migration/ports":2}]}"#,
            "an int where a string",
        ),
        (
            r#"{"mdev_type":"vmig-serial-var","attrs":{"migration/ports":"2"}}"#,
            "an object where an array",
        ),
        (
            r#"{"mdev_type":"vmig-serial-var","attrs":[],"attrs":[]}"#,
            "given twice",
        ),
        (&deep, "nest"),
        (&long, "more than 1 MiB"),
        (&many, "1 MiB"),
    ] {
        for (event, action) in [
            ("pre", "start"),
            ("pre", "define"),
            ("pre", "modify"),
            ("live", "modify"),
        ] {
            let said = call(&machine, event, action, "none", text.as_bytes());
            let what = &text[..text.len().min(60)];
            assert!(matches!(said.status, 1 | 3), "{what}: {said:?}");
            assert!(said.err.contains(part), "{what}: {}", said.err);
            assert!(
                said.err.len() < 10_000 && said.err.starts_with("cannot "),
                "{}",
                said.err
            );
        }
    }
    let latin = call(
        &machine,
        "pre",
        "start",
        "none",
        b"{\"mdev_type\":\"\xe9\"}",
    );
    assert_eq!(latin.status, 3);
    assert!(machine.kernel.snapshot() == before);
}

/// After a failed start the entry is gone; any other entry stays.
#[test]
fn a_failed_start_is_forgotten() {
    let attrs = [("migration/ports", "2")];
    let machine = Machine::new();
    let before = machine.kernel.snapshot();
    // The driver refuses the device.
    machine
        .kernel
        .hook(|path, _| path.ends_with("create").then_some(EBUSY));
    let (started, said) = mdevctl(&machine, &attrs);
    done(&said);
    assert!(!started);
    assert!(machine.kernel.snapshot() == before);
    // An attribute after it does: mdevctl has removed the device, and with it the entry is gone.
    machine
        .kernel
        .hook(|path, _| path.ends_with("keep").then_some(EINVAL));
    let (started, said) = mdevctl(&machine, &[attrs[0], ("vmig/keep", "1")]);
    done(&said);
    assert!(!started);
    assert!(machine.kernel.snapshot() == before);
    // Somebody else's entry: another list, or another device.
    let machine = Machine::new();
    for uuid in [A, B] {
        let words = ["stage", "vmig/vmig-serial-var", uuid, "--from", "-"];
        let list = b"model: vmig.example/pci-serial\nports=1\n";
        assert_eq!(machine.run_with(&words, list).status, 0);
    }
    let before = machine.kernel.snapshot();
    let said = call(&machine, "pre", "start", "none", &config(&attrs));
    assert_eq!(said.status, 1);
    assert_eq!(
        said.err,
        format!(
            "cannot start {A} at vmig/{VAR}: it is staged with another list: ports=1\n  \
               read   : /sys/class/mdev_bus/vmig/mdev_supported_types/{VAR}/migration/staged\n  \
               try    : vmig unstage {A}\n"
        )
    );
    // As mdevctl --force does.
    done(&call(&machine, "post", "start", "failure", &config(&attrs)));
    let bad = config(&[("migration/ports", "9")]);
    done(&call(&machine, "post", "start", "failure", &bad));
    assert!(machine.kernel.snapshot() == before);
}

/// What the kernel says is told, and nothing is left.
#[test]
fn the_kernel_refuses() {
    let attrs = config(&[("migration/ports", "2")]);
    for (attribute, errno, part) in [
        ("stage", EUSERS, "nothing is free there"),
        ("stage", ENODEV, "it is gone"),
        ("stage", EBUSY, "the device is being created"),
    ] {
        let machine = Machine::new();
        let before = machine.kernel.snapshot();
        machine
            .kernel
            .hook(move |path, _| path.ends_with(attribute).then_some(errno));
        let said = call(&machine, "pre", "start", "none", &attrs);
        assert_eq!(said.status, 4, "{said:?}");
        assert!(said.err.contains(part), "{}", said.err);
        assert!(machine.kernel.snapshot() == before);
    }
    let machine = Machine::new();
    done(&call(&machine, "pre", "start", "none", &attrs));
    machine
        .kernel
        .hook(|path, _| path.ends_with("unstage").then_some(EBUSY));
    let said = call(&machine, "post", "start", "failure", &attrs);
    assert_eq!(said.status, 4);
    assert!(
        said.err
            .starts_with(&format!("cannot unstage {A} at vmig/{VAR}: ")),
        "{}",
        said.err
    );
    // A device that is there already is left to mdevctl, and what it has is not touched.
    let machine = Machine::new();
    assert_eq!(
        machine
            .run(&["create", "vmig/vmig-serial-var", A, "--new"])
            .status,
        0
    );
    let before = machine.kernel.snapshot();
    let (started, said) = mdevctl(&machine, &[("migration/ports", "2")]);
    done(&said);
    assert!(!started);
    assert!(machine.kernel.snapshot() == before);
}

/// mdevctl creates nothing where `available_instances` is 0, and it is 0 once the last is staged.
#[test]
fn the_last_free_instance() {
    let whole = [
        ("migration/auto-flow", "off"),
        ("migration/fifo-size", "64"),
        ("migration/line-stats", "on"),
        ("migration/ports", "2"),
    ];
    let machine = with_ports_left(2);
    let (started, said) = mdevctl(&machine, &whole);
    done(&said);
    assert!(started);
    assert_eq!(
        params(&machine),
        "model: vmig.example/pci-serial\nfifo-size=64\nline-stats=on\nports=2\n"
    );
    nothing_staged(&machine);
    // One more than that, and it is an entry as ever.
    let machine = with_ports_left(3);
    let (started, said) = mdevctl(&machine, &whole[3..]);
    done(&said);
    assert!(started);
    // What is left out could not be off.
    let machine = with_ports_left(2);
    let before = machine.kernel.snapshot();
    let (started, said) = mdevctl(&machine, &whole[1..]);
    assert!(!started);
    assert_eq!(said.status, 5);
    assert!(
        said.err
            .contains("every parameter must be given: auto-flow is not"),
        "{}",
        said.err
    );
    assert!(machine.kernel.snapshot() == before);
    // One less.
    let machine = with_ports_left(1);
    let before = machine.kernel.snapshot();
    let (started, said) = mdevctl(&machine, &whole);
    assert!(!started);
    assert_eq!(said.status, 4);
    assert!(said.err.contains("nothing is free there"), "{}", said.err);
    assert!(machine.kernel.snapshot() == before);
}

/// The values in effect, in a form that a device can be started with again.
#[test]
fn attributes_are_told() {
    let machine = Machine::new();
    let said = call(&machine, "get", "attributes", "none", b"");
    assert_eq!((said.status, said.out.as_str()), (4, ""));
    assert_eq!(
        said.err,
        format!("cannot read {A} at vmig/{VAR}: there is no such device\n")
    );
    let attrs = [
        ("migration/ports", "2"),
        ("migration/line-stats", "on"),
        ("vmig/keep", "1"),
    ];
    assert!(mdevctl(&machine, &attrs).0);
    let said = call(&machine, "get", "attributes", "none", b"");
    done(&said);
    assert_eq!(
        said.out,
        "[{\"migration/auto-flow\":\"off\"},{\"migration/fifo-size\":\"16\"},\
          {\"migration/line-stats\":\"on\"},{\"migration/ports\":\"2\"},{\"vmig/keep\":\"1\"}]\n"
    );
    let before = params(&machine);
    assert_eq!(machine.run(&["remove", A]).status, 0);
    let config = format!("{{\"mdev_type\":\"{VAR}\",\"attrs\":{}}}", said.out.trim());
    done(&call(&machine, "pre", "start", "none", config.as_bytes()));
    assert!(start(&machine, &[]));
    assert_eq!(params(&machine), before);
    // Of another type than mdevctl says.
    let words = [
        "-t",
        "vmig-serial-1",
        "-e",
        "get",
        "-a",
        "attributes",
        "-s",
        "none",
        "-u",
        A,
        "-p",
        "vmig",
    ];
    assert_eq!(machine.callout(&words, b"").status, 4);
}

#[test]
fn definitions_are_judged() {
    let machine = Machine::new();
    let before = machine.kernel.snapshot();
    let say = |action: &str, attrs: &[(&str, &str)]| {
        call(&machine, "pre", action, "none", &config(attrs))
    };
    for action in ["define", "modify"] {
        for attrs in [&[][..], &[("vmig/keep", "1")], &[("migration/ports", "2")]] {
            done(&say(action, attrs));
        }
        for attrs in [
            &[("migration/ports", "9")][..],
            &[("migration/speed", "1"), ("migration/ports", "1")],
            &[("migration/ports", "two")],
        ] {
            let said = say(action, attrs);
            assert_eq!(said.status, 1, "{attrs:?}");
            assert!(
                said.err
                    .starts_with(&format!("cannot define {A} at vmig/{VAR}: ")),
                "{}",
                said.err
            );
        }
    }
    // Attributes come one by one, so what others can put right is refused when it is whole only.
    for attrs in [
        &[("migration/fifo-size", "64")][..],
        &[("migration/ports", "1"), ("migration/auto-flow", "on")],
    ] {
        assert_eq!(say("define", attrs).status, 1);
        let said = say("modify", attrs);
        assert_eq!((said.status, said.out.as_str()), (0, ""));
        let begin = format!("warning: as it is now, cannot start {A} at vmig/{VAR}: ");
        assert!(said.err.starts_with(&begin), "{}", said.err);
    }
    assert!(machine.kernel.snapshot() == before);
}

/// Runtime parameters of a device that is open change, all or none; others are refused.
#[test]
fn live() {
    let machine = Machine::new();
    assert!(mdevctl(&machine, &[("migration/ports", "2")]).0);
    let in_use = machine
        .sys()
        .join("bus/mdev/devices")
        .join(A)
        .join("vmig/in_use");
    std::fs::write(in_use, "1\n").unwrap();
    let live = |attrs: &[(&str, &str)]| call(&machine, "live", "modify", "none", &config(attrs));
    done(&live(&[]));
    // The others as they are.
    done(&live(&[
        ("migration/ports", "2"),
        ("migration/line-stats", "on"),
        ("vmig/keep", "1"),
    ]));
    assert_eq!(
        params(&machine),
        "model: vmig.example/pci-serial\nline-stats=on\nports=2\n"
    );
    let before = machine.kernel.snapshot();
    let writes = machine.kernel.log().len();
    done(&live(&[("migration/line-stats", "on"), ("vmig/keep", "1")]));
    assert_eq!(machine.kernel.log().len(), writes, "nothing to change");
    for (attrs, part) in [
        (
            &[("migration/line-stats", "off"), ("migration/ports", "1")][..],
            "ports is 2 and cannot become 1 while the device exists",
        ),
        (&[("migration/line-stats", "maybe")], "line-stats"),
        (
            &[("migration/speed", "1"), ("migration/line-stats", "off")],
            "speed",
        ),
        (
            &[("migration/line-stats", "off"), ("vmig/in_use", "0")],
            "vmig/in_use cannot become \"0\"",
        ),
        (
            &[("migration/line-stats", "off"), ("vmig/keep", "2")],
            "vmig/keep cannot become \"2\"",
        ),
        (&[("remove", "1")], "remove cannot become \"1\""),
    ] {
        let said = live(attrs);
        assert_eq!((said.status, said.out.as_str()), (1, ""), "{attrs:?}");
        assert!(
            said.err
                .starts_with(&format!("cannot change {A} at vmig/{VAR}: ")),
            "{}",
            said.err
        );
        assert!(said.err.contains(part), "{}", said.err);
    }
    // Every reason.
    let said = live(&[("migration/ports", "1"), ("migration/fifo-size", "64")]);
    assert!(
        said.err.contains("(and 1 more)") && said.err.matches("cannot become").count() == 3,
        "{}",
        said.err
    );
    // The kernel refuses the last write; the first is undone.
    machine
        .kernel
        .hook(|path, _| path.ends_with("keep").then_some(EBUSY));
    let said = live(&[("migration/line-stats", "off"), ("vmig/keep", "0")]);
    assert_eq!(said.status, 5);
    assert!(
        said.err.contains("EBUSY") && said.err.contains("all undone"),
        "{}",
        said.err
    );
    machine
        .kernel
        .hook(|path, _| path.ends_with("line-stats").then_some(EBUSY));
    let said = live(&[("migration/line-stats", "off")]);
    assert_eq!(said.status, 4);
    assert!(machine.kernel.snapshot() == before);
    machine.kernel.hook(|_, _| None);
    done(&live(&[
        ("migration/line-stats", "off"),
        ("vmig/keep", "0"),
    ]));
    assert_eq!(
        params(&machine),
        "model: vmig.example/pci-serial\nports=2\n"
    );
}

/// Events that need no doing are answered all the same, since mdevctl takes anything else for "no".
#[test]
fn the_rest() {
    let machine = Machine::new();
    let before = machine.kernel.snapshot();
    for action in [
        "start",
        "stop",
        "define",
        "undefine",
        "modify",
        "attributes",
        "fly",
    ] {
        for event in ["post", "notify"] {
            for state in ["none", "success", "failure"] {
                done(&call(
                    &machine,
                    event,
                    action,
                    state,
                    &config(&[("migration/ports", "9")]),
                ));
            }
        }
    }
    for action in ["stop", "undefine", "fly"] {
        done(&call(
            &machine,
            "pre",
            action,
            "none",
            &config(&[("migration/ports", "9")]),
        ));
    }
    for (event, action) in [("get", "fly"), ("live", "start")] {
        let said = call(&machine, event, action, "none", b"");
        assert_eq!((said.status, said.out.as_str()), (1, ""));
        assert_eq!(said.err, format!("{event} {action} is not known\n"));
    }
    assert!(machine.kernel.snapshot() == before);
}

/// The program itself, with mdevctl's own variable for another root.
#[test]
fn the_program() {
    let machine = Machine::new();
    assert!(mdevctl(&machine, &[("migration/ports", "2")]).0);
    let run = |kind: &str, event: &str, action: &str, stdin: Stdio| {
        let words = [
            "-t", kind, "-e", event, "-a", action, "-s", "none", "-u", A, "-p", "vmig",
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_vmig-mdevctl"))
            .args(words)
            .env("MDEVCTL_ENV_ROOT", machine.sys().parent().unwrap())
            .stdin(stdin)
            .output()
            .unwrap();
        let text = |data| String::from_utf8(data).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (status, out, err) = run(VAR, "get", "attributes", Stdio::null());
    assert_eq!((status, err.as_str()), (Some(0), ""));
    assert!(out.contains("{\"migration/ports\":\"2\"}"), "{out}");
    // Nothing to read is no configuration.
    let (status, out, err) = run(VAR, "pre", "start", Stdio::null());
    assert_eq!((status, out.as_str()), (Some(3), ""));
    assert!(
        err.starts_with(&format!("cannot start {A} at vmig/{VAR}: ")),
        "{err}"
    );
    let nothing = (Some(2), String::new(), String::new());
    assert_eq!(run("x-y", "pre", "start", Stdio::null()), nothing);
}
