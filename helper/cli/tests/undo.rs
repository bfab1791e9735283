// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! All or nothing: each write is made to fail, then each is interrupted, and the host must be as it
//! was. The kernel of [`support`] refuses with the errno that the row says.

mod support;

use std::{
    cell::Cell,
    path::Path,
    rc::Rc, //
};

use support::{
    kernel::{
        EBUSY,
        EEXIST,
        EINVAL,
        ENODEV,
        ENOENT,
        ENOSPC,
        EUSERS, //
    },
    Machine,
    Said, //
};

const A: &str = "83c3fb1a-0000-4000-8000-00000000000a";
const B: &str = "83c3fb1a-0000-4000-8000-00000000000b";
const C: &str = "83c3fb1a-0000-4000-8000-00000000000c";

const LIST: &[u8] = b"model: vmig.example/pci-serial\nline-stats=on\nports=2\n";
const OTHER: &[u8] = b"model: vmig.example/pci-serial\nauto-flow=on\nfifo-size=64\nports=2\n";

/// A command that writes, what must be there before, and how often it writes.
struct Row {
    before: &'static [&'static [&'static str]],
    words: &'static [&'static str],
    writes: usize,
}

const ROWS: &[Row] = &[
    Row {
        before: &[],
        words: &["stage", "vmig/vmig-serial-var", A, "--from", "-"],
        writes: 1,
    },
    Row {
        before: &[],
        words: &["create", "vmig/vmig-serial-var", A, "--from", "-"],
        writes: 2,
    },
    Row {
        before: &[],
        words: &["create", "vmig/vmig-serial-var", A, "--from", "-", "--keep"],
        writes: 3,
    },
    Row {
        before: &[],
        words: &["create", "vmig/vmig-serial-var", A, "--new", "--keep"],
        writes: 3,
    },
    Row {
        before: &[&["stage", "vmig/vmig-serial-var", A, "--from", "-"]],
        words: &["create", "vmig/vmig-serial-var", A, "--from", "-", "--keep"],
        writes: 3,
    },
    Row {
        before: &[],
        words: &["create", "plain/vmig-serial-var", A, "--from", "-"],
        writes: 5,
    },
    Row {
        before: &[&["create", "vmig/vmig-serial-var", A, "--new"]],
        words: &["set", A, "--from", "-", "--keep", "on"],
        writes: 5,
    },
    Row {
        before: &[&["create", "vmig/vmig-serial-var", A, "--from", "-"]],
        words: &["create", "vmig/vmig-serial-var", A, "--from", "-", "--keep"],
        writes: 1,
    },
    Row {
        before: &[
            &["stage", "vmig/vmig-serial-var", A, "--from", "-"],
            &["stage", "vmig/vmig-serial-2", B, "--new"],
            &["stage", "vmig-old/vmig-serial-1", C, "--new"],
        ],
        words: &["unstage", "--all"],
        writes: 3,
    },
    Row {
        before: &[&["create", "vmig/vmig-serial-var", A, "--new"]],
        words: &["remove", A],
        writes: 1,
    },
];

impl Row {
    fn machine(&self) -> Machine {
        let machine = Machine::new();
        for words in self.before {
            let said = machine.run_with(words, LIST);
            assert_eq!(said.status, 0, "{said:?}");
        }
        machine
    }

    fn run(&self, machine: &Machine) -> Said {
        machine.run_with(self.words, LIST)
    }
}

/// Refuses the `n`-th write, from 1, with `errno`; those after it succeed.
fn refuse(machine: &Machine, n: usize, errno: i32) {
    let mut count = 0;
    machine.kernel.hook(move |_, _| {
        count += 1;
        (count == n).then_some(errno)
    });
}

#[test]
fn each_row_works_and_can_be_repeated() {
    for row in ROWS {
        let machine = row.machine();
        let earlier = machine.kernel.log().len();
        let said = row.run(&machine);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{:?}", row.words);
        let writes = machine.kernel.log().len() - earlier;
        assert_eq!(
            writes,
            row.writes,
            "{:?}: {:?}",
            row.words,
            machine.kernel.log()
        );
        let after = machine.kernel.snapshot();
        let again = row.run(&machine);
        assert_eq!(again.status, 0, "{:?}: {}", row.words, again.err);
        assert!(machine.kernel.snapshot() == after, "{:?}", row.words);
    }
}

#[test]
fn dry_runs_print_those_writes_and_write_nothing() {
    for row in ROWS {
        let machine = row.machine();
        let before = machine.kernel.snapshot();
        let words: Vec<&str> = row.words.iter().copied().chain(["--dry-run"]).collect();
        let dry = machine.run_with(&words, LIST);
        assert_eq!((dry.status, dry.err.as_str()), (0, ""), "{words:?}");
        assert!(machine.kernel.snapshot() == before, "{words:?}");

        // The same writes, in the same order, with the same data.
        let earlier = machine.kernel.log().len();
        row.run(&machine);
        let log = machine.kernel.log();
        let lines: Vec<&str> = dry.out.lines().collect();
        assert_eq!(lines.len(), row.writes, "{words:?}");
        for (line, real) in lines.iter().zip(&log[earlier..]) {
            let words = shlex::split(line).unwrap();
            let [printf, format, data, to, path] = words.as_slice() else {
                panic!("{line}");
            };
            assert_eq!(
                (printf.as_str(), format.as_str(), to.as_str()),
                ("printf", "%s", ">")
            );
            let (real_path, real_data) = real.split_once(" < ").unwrap();
            assert_eq!(data, real_data);
            // One goes through the links of /sys/class and /sys/bus, the other need not.
            assert_eq!(
                Path::new(path).file_name(),
                Path::new(real_path).file_name()
            );
        }
    }
}

#[test]
fn a_write_that_fails_undoes_those_before_it() {
    for row in ROWS {
        for n in 1..=row.writes {
            let machine = row.machine();
            let before = machine.kernel.snapshot();
            refuse(&machine, n, EBUSY);
            let said = row.run(&machine);
            let status = if n == 1 { 4 } else { 5 };
            assert_eq!(said.status, status, "{:?} {n}: {}", row.words, said.err);
            assert!(said.err.contains("(EBUSY)"), "{}", said.err);
            assert!(machine.kernel.snapshot() == before, "{:?} {n}", row.words);
        }
    }
}

#[test]
fn an_interrupt_undoes_everything() {
    for row in ROWS {
        for n in 1..=row.writes {
            let machine = row.machine();
            let before = machine.kernel.snapshot();
            let (interrupt, mut count) = (machine.interrupt.clone(), 0);
            machine.kernel.hook(move |_, _| {
                count += 1;
                if count == n {
                    interrupt.raise();
                }
                None
            });
            let said = row.run(&machine);
            if row.words[0] == "remove" {
                // What nothing brings back is done, not undone.
                assert_eq!(said.status, 0, "{:?} {n}: {}", row.words, said.err);
                continue;
            }
            assert_eq!(said.status, 130, "{:?} {n}: {}", row.words, said.err);
            assert!(machine.kernel.snapshot() == before, "{:?} {n}", row.words);
        }
    }
}

#[test]
fn an_interrupt_before_the_first_write_writes_nothing() {
    for row in ROWS {
        let machine = row.machine();
        let before = machine.kernel.snapshot();
        machine.interrupt.raise();
        assert_eq!(row.run(&machine).status, 130, "{:?}", row.words);
        assert!(machine.kernel.snapshot() == before, "{:?}", row.words);
    }
}

#[test]
fn undoing_that_fails_too_says_what_is_left() {
    for (words, fail, left) in [
        (
            &["create", "vmig/vmig-serial-var", A, "--from", "-", "--keep"][..],
            ["create", "unstage"],
            format!("left   : staged entry {A}"),
        ),
        (
            &["create", "vmig/vmig-serial-var", A, "--from", "-", "--keep"],
            ["keep", "remove"],
            format!("left   : device {A}"),
        ),
        (
            &["create", "plain/vmig-serial-var", A, "--from", "-"],
            ["ports", "remove"],
            format!("left   : device {A}"),
        ),
    ] {
        let machine = Machine::new();
        machine.kernel.hook(move |path, _| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let errno = if name == fail[0] { EINVAL } else { EBUSY };
            fail.contains(&name).then_some(errno)
        });
        let said = machine.run_with(words, LIST);
        assert_eq!(said.status, 6, "{}", said.err);
        // The first error is the one that is reported.
        let first = said.err.lines().next().unwrap();
        assert!(first.contains("(EINVAL)"), "{first}");
        assert!(said.err.contains(&left), "{}", said.err);
        assert!(said.err.contains("try vmig "), "{}", said.err);
    }
    // A device that somebody has opened in between is not waited for.
    let machine = Machine::new();
    let sys = machine.sys();
    machine.kernel.hook(move |path, _| {
        let keep = path.ends_with("vmig/keep");
        if keep {
            let in_use = sys.join("bus/mdev/devices").join(A).join("vmig/in_use");
            std::fs::write(in_use, "1\n").unwrap();
        }
        keep.then_some(EINVAL)
    });
    let words = ["create", "vmig/vmig-serial-var", A, "--from", "-", "--keep"];
    let said = machine.run_with(&words, LIST);
    assert_eq!(said.status, 6, "{}", said.err);
    assert!(said.err.contains("(in use)"), "{}", said.err);
}

#[test]
fn the_first_write_tells_a_rule_from_the_environment() {
    for (errno, status) in [
        (7, 1),
        (EEXIST, 1),
        (EINVAL, 1),
        (33, 1),
        (34, 1),
        (61, 1),
        (ENOENT, 1),
        (1, 4),
        (13, 4),
        (EBUSY, 4),
        (ENODEV, 4),
        (ENOSPC, 4),
        (EUSERS, 4),
        (5, 4),
    ] {
        let machine = Machine::new();
        refuse(&machine, 1, errno);
        let words = ["create", "vmig/vmig-serial-var", A, "--from", "-"];
        let said = machine.run_with(&words, LIST);
        assert_eq!(said.status, status, "{errno}: {}", said.err);
    }
}

#[test]
fn no_free_instance() {
    let machine = Machine::new();
    for n in 0..12 {
        let uuid = format!("83c3fb1a-0000-4000-8000-{n:012}");
        let said = machine.run(&["create", "vmig/vmig-serial-2", &uuid, "--new"]);
        assert_eq!(said.status, 0, "{}", said.err);
    }
    let writes = machine.kernel.log().len();
    let said = machine.run(&["create", "vmig/vmig-serial-2", A, "--new"]);
    assert_eq!(said.status, 4);
    assert!(said.err.contains("no free instance"), "{}", said.err);
    assert_eq!(machine.kernel.log().len(), writes, "nothing was written");
    // Staging finds out by the kernel's word.
    let said = machine.run(&["stage", "vmig/vmig-serial-2", A, "--new"]);
    assert_eq!(said.status, 4);
    assert!(said.err.contains("(EUSERS)"), "{}", said.err);
}

#[test]
fn a_full_table_of_staged_entries() {
    let machine = Machine::new();
    for n in 0..16 {
        let uuid = format!("83c3fb1a-0000-4000-8000-{n:012}");
        assert_eq!(
            machine
                .run(&["stage", "vmig/vmig-serial-1", &uuid, "--new"])
                .status,
            0
        );
    }
    let said = machine.run(&["stage", "vmig/vmig-serial-1", A, "--new"]);
    assert_eq!(said.status, 4);
    assert!(
        said.err.contains("no more entries can be staged"),
        "{}",
        said.err
    );
    assert_eq!(machine.run(&["unstage", "--all"]).status, 0);
    assert_eq!(
        machine
            .run(&["stage", "vmig/vmig-serial-1", A, "--new"])
            .status,
        0
    );
}

#[test]
fn a_parent_that_vanishes_while_a_device_is_made() {
    for attribute in ["stage", "create", "keep"] {
        let machine = Machine::new();
        let kernel = machine.kernel.clone();
        machine.kernel.hook(move |path, _| {
            if path.ends_with(attribute) {
                kernel.vanish("vmig");
            }
            None
        });
        let words = ["create", "vmig/vmig-serial-var", A, "--from", "-", "--keep"];
        let said = machine.run_with(&words, LIST);
        let status = if attribute == "stage" { 4 } else { 5 };
        assert_eq!(said.status, status, "{attribute}: {}", said.err);
        assert!(said.err.contains("(ENOENT)"), "{}", said.err);
    }
}

#[test]
fn a_driver_that_does_something_else_is_not_believed() {
    let machine = Machine::new();
    let sys = machine.sys();
    machine.kernel.hook(move |path, _| {
        if path.ends_with("migration/ports") {
            let device = sys.join("bus/mdev/devices").join(A);
            std::fs::write(device.join("migration/fifo-size"), "64\n").unwrap();
        }
        None
    });
    let before = machine.kernel.snapshot();
    let words = ["create", "plain/vmig-serial-var", A, "--from", "-"];
    let said = machine.run_with(&words, LIST);
    assert_eq!(said.status, 5, "{}", said.err);
    assert!(said.err.contains("fifo-size=64, not 16"), "{}", said.err);
    assert!(machine.kernel.snapshot() == before);
}

#[test]
fn an_entry_that_was_there_before_is_there_after() {
    // Staged by somebody else, with the same list: not ours to drop.
    let machine = Machine::new();
    machine.run_with(&["stage", "vmig/vmig-serial-var", A, "--from", "-"], LIST);
    let before = machine.kernel.snapshot();
    refuse(&machine, 2, ENOSPC);
    let words = ["create", "vmig/vmig-serial-var", A, "--from", "-"];
    assert_eq!(machine.run_with(&words, LIST).status, 5);
    assert!(machine.kernel.snapshot() == before);
    // With another list: refused, and left alone.
    let said = machine.run_with(&words, OTHER);
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(machine.kernel.snapshot() == before);
}

#[test]
fn removing_a_device_that_goes_by_itself() {
    let machine = Machine::new();
    machine.run(&["create", "vmig/vmig-serial-var", A, "--new"]);
    let gone = Rc::new(Cell::new(false));
    let (sys, seen) = (machine.sys(), Rc::clone(&gone));
    machine.kernel.hook(move |_, _| {
        seen.set(true);
        let device = sys.join("bus/mdev/devices").join(A);
        std::fs::remove_dir_all(device.canonicalize().unwrap()).unwrap();
        std::fs::remove_file(device).unwrap();
        Some(ENODEV)
    });
    let said = machine.run(&["remove", A]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(gone.get());
}
