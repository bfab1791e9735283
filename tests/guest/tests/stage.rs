// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Staging: what is refused changes nothing, what is accepted is reserved.

use std::sync::Mutex;
use std::thread;

use guest::staged::{world, Entry};
use guest::table::{PORTS, STAGED_MAX};
use guest::{sysfs, uuid, Mdev, Parent, Test, Type};
use vmig_vfio::Errno;

/// A good list for `serial-var`.
const GOOD: &str = "ports=2 fifo-size=64 auto-flow=on";

fn var() -> Type {
    Type::default_parent("serial-var")
}

#[test]
fn a_staged_list_becomes_the_device() {
    let _test = Test::begin();
    let kind = var();
    let entry = Entry::new(&kind, GOOD);
    let mdev = kind.create(&entry.uuid).unwrap();
    assert_eq!(kind.staged(), [""; 0], "the entry is consumed");
    let expected = [
        ("auto-flow", "on"),
        ("fifo-size", "64"),
        ("line-stats", "off"),
        ("ports", "2"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(mdev.params(), expected);
}

#[test]
fn a_name_left_out_takes_its_off_value_not_its_init_value() {
    let _test = Test::begin();
    let kind = var();
    let mdev = kind.new_device_with("ports=1");
    assert_eq!(mdev.param("fifo-size"), "16");
    assert_eq!(mdev.param("auto-flow"), "off");
    drop(mdev);
    let mdev = kind.new_device();
    assert_eq!(mdev.param("fifo-size"), "64", "without staging: init_value");
    assert_eq!(mdev.param("auto-flow"), "on");
}

#[test]
fn staged_shows_entries_in_the_format_of_stage() {
    let _test = Test::begin();
    let kind = var();
    let first = Entry::new(&kind, GOOD);
    let second = Entry::new(&kind, "ports=1 line-stats=on");
    let lines = kind.staged();
    assert_eq!(lines.len(), 2);
    let of = |entry: &Entry<'_>| {
        lines
            .iter()
            .find(|line| line.starts_with(&entry.uuid))
            .unwrap()
    };
    for value in ["ports=2", "fifo-size=64", "auto-flow=on"] {
        assert!(
            of(&first).split(' ').any(|item| item == value),
            "{value} in {lines:?}"
        );
    }
    for value in ["ports=1", "line-stats=on"] {
        assert!(
            of(&second).split(' ').any(|item| item == value),
            "{value} in {lines:?}"
        );
    }
    // Each line can be written back as it is, and is the identical list.
    for line in &lines {
        kind.stage(line).unwrap();
        kind.stage(format!("{line}\n")).unwrap();
    }
    assert_eq!(kind.staged(), lines);
}

#[test]
fn the_identical_list_again_succeeds_and_another_one_does_not() {
    let _test = Test::begin();
    let kind = var();
    let entry = Entry::new(&kind, GOOD);
    let before = world();
    let upper = entry.uuid.to_uppercase();
    for same in [
        format!("{} {GOOD}", entry.uuid),
        format!("{upper} {GOOD}\n"),
        format!("{} auto-flow=on ports=2 fifo-size=64\n", entry.uuid),
        format!("{} {GOOD} line-stats=off\n", entry.uuid),
    ] {
        assert_eq!(kind.stage(&same), Ok(()), "{same:?}");
        assert_eq!(world(), before, "{same:?}");
    }
    for other in [
        "ports=1",
        "ports=2",
        "ports=2 fifo-size=64",
        "ports=2 fifo-size=64 auto-flow=on line-stats=on",
    ] {
        assert_eq!(
            kind.stage(format!("{} {other}\n", entry.uuid)),
            Err(Errno::EEXIST),
            "{other}"
        );
        assert_eq!(world(), before, "{other}");
    }
}

#[test]
fn a_uuid_is_staged_once_in_the_whole_module() {
    let _test = Test::begin();
    let kind = var();
    let other = Type::default_parent("serial-2");
    let parent = Parent::live("second", 2);
    let elsewhere = parent.kind("serial-var");
    let entry = Entry::new(&kind, GOOD);
    let line = format!("{} {GOOD}\n", entry.uuid);
    assert_eq!(other.stage(&line), Err(Errno::EEXIST), "another type");
    assert_eq!(elsewhere.stage(&line), Err(Errno::EEXIST), "another parent");
    // create at another type is refused, and the entry stays.
    assert_eq!(other.create(&entry.uuid).unwrap_err(), Errno::EEXIST);
    assert_eq!(elsewhere.create(&entry.uuid).unwrap_err(), Errno::EEXIST);
    assert_eq!(kind.staged().len(), 1);
    assert_eq!(
        other.unstage(&entry.uuid),
        Err(Errno::ENOENT),
        "it is not an entry of that type"
    );
    assert_eq!(kind.staged().len(), 1);
    let mdev = kind.create(&entry.uuid).unwrap();
    assert_eq!(kind.stage(&line), Err(Errno::EEXIST), "the device exists");
    assert_eq!(
        elsewhere.stage(&line),
        Err(Errno::EEXIST),
        "the device exists elsewhere"
    );
    drop(mdev);
    let _again = Entry::of(&kind, entry.uuid.clone());
    assert_eq!(kind.stage(&line), Ok(()), "the device is gone");
}

#[test]
fn unstage_drops_an_entry_and_gives_its_share_back() {
    let _test = Test::begin();
    let kind = var();
    let before = world();
    for spelling in [str::to_lowercase, str::to_uppercase] {
        for end in ["", "\n"] {
            let entry = Entry::new(&kind, GOOD);
            assert_ne!(world(), before);
            kind.unstage(format!("{}{end}", spelling(&entry.uuid)))
                .unwrap();
            assert_eq!(world(), before);
            assert_eq!(
                kind.unstage(&entry.uuid),
                Err(Errno::ENOENT),
                "no such entry"
            );
        }
    }
    let page = vec![b'0'; 4096];
    let id = uuid();
    for bad in [
        "x",
        "\n",
        &id[1..],
        &id.replace('-', ""),
        &format!("{id} x"),
        &format!("{id}\n\n"),
        &format!("{id}\0"),
    ] {
        assert_eq!(kind.unstage(bad), Err(Errno::EINVAL), "{bad:?}");
    }
    assert!(matches!(
        kind.unstage(page),
        Err(Errno::E2BIG | Errno::EINVAL)
    ));
}

#[test]
fn an_entry_holds_its_share_of_the_capacity() {
    let _test = Test::begin();
    let kind = var();
    let types = ["serial-1", "serial-2", "serial-var"].map(Type::default_parent);
    let free = || types.each_ref().map(Type::available);
    assert_eq!(free(), [PORTS, PORTS / 2, PORTS]);
    let two = Entry::new(&kind, "ports=2");
    assert_eq!(free(), [PORTS - 2, PORTS / 2 - 1, PORTS - 2]);
    let one = Entry::new(&kind, "ports=1");
    assert_eq!(free(), [PORTS - 3, (PORTS - 3) / 2, PORTS - 3]);
    let mdev = kind.create(&two.uuid).unwrap();
    assert_eq!(
        free(),
        [PORTS - 3, (PORTS - 3) / 2, PORTS - 3],
        "the share moves to the device"
    );
    drop(mdev);
    assert_eq!(free(), [PORTS - 1, (PORTS - 1) / 2, PORTS - 1]);
    drop(one);
    assert_eq!(free(), [PORTS, PORTS / 2, PORTS]);
}

#[test]
fn a_full_parent_takes_no_more() {
    let _test = Test::begin();
    let (kind, big) = (var(), Type::default_parent("serial-2"));
    let mut entries: Vec<_> = (0..11).map(|_| Entry::new(&big, "ports=2")).collect();
    entries.push(Entry::new(&kind, "ports=1"));
    let before = world();
    assert_eq!(before.1, [1, 0, 1], "one port is left");
    assert_eq!(big.stage(format!("{} ports=2", uuid())), Err(Errno::EUSERS));
    assert_eq!(
        kind.stage(format!("{} ports=2", uuid())),
        Err(Errno::EUSERS)
    );
    assert_eq!(big.create(&uuid()).unwrap_err(), Errno::EUSERS);
    assert_eq!(world(), before);
    let last = kind.create(&uuid()).unwrap();
    assert_eq!(kind.create(&uuid()).unwrap_err(), Errno::EUSERS);
    // An entry has its share already: the full parent does not keep it from being created.
    let promised = big.create(&entries[0].uuid).unwrap();
    drop((last, promised));
}

#[test]
fn a_type_has_sixteen_entries_at_most() {
    let _test = Test::begin();
    let (kind, big) = (var(), Type::default_parent("serial-2"));
    let entries: Vec<_> = (0..STAGED_MAX)
        .map(|_| Entry::new(&kind, "ports=1"))
        .collect();
    let before = world();
    assert_eq!(
        kind.stage(format!("{} ports=1", uuid())),
        Err(Errno::ENOSPC)
    );
    assert_eq!(world(), before);
    // The table is judged before the capacity ...
    let rest: Vec<_> = (0..4).map(|_| Entry::new(&big, "ports=2")).collect();
    assert_eq!(kind.available(), 0);
    assert_eq!(
        kind.stage(format!("{} ports=1", uuid())),
        Err(Errno::ENOSPC)
    );
    assert_eq!(big.stage(format!("{} ports=2", uuid())), Err(Errno::EUSERS));
    // ... and the identical list needs neither.
    assert_eq!(kind.stage(format!("{} ports=1", entries[3].uuid)), Ok(()));
    drop((entries, rest));
}

#[test]
fn entries_die_with_their_parent() {
    let _test = Test::begin();
    let parent = Parent::live("mortal", 2);
    let kind = parent.kind("serial-var");
    let id = uuid();
    let line = format!("{id} {GOOD}\n");
    kind.stage(&line).unwrap();
    assert_eq!(var().stage(&line), Err(Errno::EEXIST));
    parent.set("live", "0").unwrap();
    assert_eq!(var().stage(&line), Ok(()), "the UUID is free again");
    var().unstage(&id).unwrap();
    parent.set("live", "1").unwrap();
    assert_eq!(kind.staged(), [""; 0]);
    assert_eq!(kind.available(), PORTS);
}

#[test]
fn a_refused_create_uses_nothing_up() {
    let _test = Test::begin();
    let kind = var();
    let mdev = kind.new_device_with("ports=1");
    let before = world();
    assert_eq!(
        kind.create(mdev.uuid()).unwrap_err(),
        Errno::EEXIST,
        "the device exists"
    );
    for bad in ["", "x", "../x", &uuid()[1..]] {
        if let Ok(created) = kind.create(bad) {
            assert!(bad.is_empty(), "created {bad:?}: {created:?}");
            // A write(2) of nothing never reaches the kernel's attribute: no device came of it.
            std::mem::forget(created);
        }
    }
    assert_eq!(world(), before);
}

#[test]
fn eight_threads_leave_no_trace() {
    const THREADS: u32 = 8;
    const ROUNDS: u32 = 150;
    let _test = Test::begin();
    let before = world();
    let ids: Vec<String> = (0..5).map(|_| uuid()).collect();
    let created = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (ids, created) = (&ids, &created);
            scope.spawn(move || hammer(seed, ROUNDS, ids, created));
        }
    });
    drop(created);
    for id in &ids {
        for kind in ["serial-1", "serial-2", "serial-var"].map(Type::default_parent) {
            let _ = kind.unstage(id);
        }
    }
    assert_eq!(world(), before, "all shares came back");
}

/// Does random things with few UUIDs; every errno but those of a lost race is a failure.
///
/// Only devices whose creation is complete are removed (`created`): in Linux 7.3 a write to
/// `remove` in the middle of a `create` takes the attribute away and leaves the device
/// (`remove_store` in `drivers/vfio/mdev/mdev_sysfs.c`), which then stays until the parent goes.
fn hammer(seed: u32, rounds: u32, ids: &[String], created: &Mutex<Vec<Mdev>>) {
    // A linear congruential generator (Numerical Recipes) is random enough, and repeatable.
    let mut random = seed;
    let mut next = |bound: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) as usize % bound
    };
    for _ in 0..rounds {
        let kind = Type::default_parent(["serial-1", "serial-2", "serial-var"][next(3)]);
        let id = &ids[next(ids.len())];
        let lost = |answer: Result<(), Errno>, what: &str, races: &[Errno]| match answer {
            Err(e) if !races.contains(&e) => panic!("{what}: {e}"),
            _ => (),
        };
        match next(4) {
            0 => {
                let ports = if kind.path("").ends_with("vmig-serial-2") {
                    2
                } else {
                    1
                };
                let answer = kind.stage(format!("{id} ports={ports}\n"));
                lost(
                    answer,
                    "stage",
                    &[Errno::EEXIST, Errno::EBUSY, Errno::EUSERS],
                );
            }
            1 => lost(kind.unstage(id), "unstage", &[Errno::ENOENT, Errno::EBUSY]),
            2 => {
                let answer = kind
                    .create(id)
                    .map(|mdev| created.lock().unwrap().push(mdev));
                lost(
                    answer,
                    "create",
                    &[Errno::EEXIST, Errno::EBUSY, Errno::EUSERS],
                );
            }
            _ => {
                let Some(mdev) = created.lock().unwrap().pop() else {
                    continue;
                };
                lost(sysfs::write(mdev.path("remove"), "1"), "remove", &[]);
                // The UUID may be a new device by now, which the guard must leave alone.
                std::mem::forget(mdev);
            }
        }
        // No moment may show an entry twice, or more than there is.
        let staged: Vec<_> = kind.staged();
        let mut unique: Vec<_> = staged.iter().map(|line| line.split(' ').next()).collect();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), staged.len(), "{staged:?}");
        assert!(kind.available() <= PORTS);
    }
}
