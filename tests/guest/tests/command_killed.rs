// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The command is killed between two writes, each time between other ones: what is left is shown,
//! can be taken away, and does not keep the same command from succeeding the next time.

use std::fs;
use std::process::Command;

use guest::contents::{empty_and_full, fill};
use guest::staged::world;
use guest::stream::{load, save};
use guest::traced::{self, Run};
use guest::{uuid, Mdev, Test, Type};

const VAR: &str = "vmig/vmig-serial-var";

fn kind() -> Type {
    Type::default_parent("serial-var")
}

/// Runs `vmig`; it must end with 0. Returns its output.
#[track_caller]
fn vmig(words: &[&str]) -> String {
    let output = Command::new("/bin/vmig").args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "vmig {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `vmig`, killed before write number `at`.
fn killed(words: &[&str], at: usize) -> Run {
    let words = [&["/bin/vmig"], words].concat();
    traced::run(&words, Some(at))
}

/// A file with the list that the tests create with.
fn list() -> String {
    let path = format!("/tmp/list-{}", uuid());
    fs::write(
        &path,
        "model: vmig.example/pci-serial\nline-stats=on\nports=2\n",
    )
    .unwrap();
    path
}

#[test]
fn create_leaves_what_can_be_shown_and_removed() {
    let _test = Test::begin();
    let list = list();
    let before = world();
    // To the end first, to see which writes there are.
    let id = uuid();
    let words = ["create", "--keep", "--from", &list, VAR, &id];
    let whole = killed(&words, usize::MAX);
    assert_eq!(whole.status, Some(0), "{whole:?}");
    let names: Vec<&str> = whole
        .writes
        .iter()
        .map(|path| path.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["stage", "create", "keep"], "{whole:?}");
    vmig(&["remove", &id]);
    assert_eq!(world(), before);

    for again in [false, true] {
        for (at, name) in names.iter().enumerate() {
            let id = uuid();
            let words = ["create", "--keep", "--from", &list, VAR, &id];
            let run = killed(&words, at);
            assert_eq!((run.status, run.writes.len()), (None, at), "{run:?}");
            let mdev = Mdev::existing(&id);
            let shown = vmig(&["types"]);
            let entry = format!("    staged {id}: line-stats=on ports=2\n");
            assert_eq!(shown.contains(&entry), at == 1, "before {name}: {shown}");
            assert_eq!(mdev.directory().exists(), at == 2, "before {name}");
            if at == 2 {
                // Never with other parameters than those of the list.
                assert_eq!(
                    (mdev.param("ports"), mdev.param("line-stats")),
                    ("2".into(), "on".into())
                );
                assert_eq!(mdev.status("keep"), "0");
            }
            if again {
                vmig(&words);
                assert_eq!(mdev.param("ports"), "2");
                assert_eq!(mdev.status("keep"), "1");
                vmig(&["remove", &id]);
            } else {
                vmig(&["unstage", "--all"]);
                vmig(&["remove", &id]);
            }
            assert_eq!(world(), before, "before {name}, again: {again}");
        }
    }
    fs::remove_file(list).unwrap();
}

#[test]
fn set_can_be_done_again() {
    let _test = Test::begin();
    let list = "/tmp/set.list";
    let text =
        "model: vmig.example/pci-serial\nauto-flow=on\nfifo-size=64\nline-stats=on\nports=2\n";
    fs::write(list, text).unwrap();
    let old = ["off", "16", "off", "1"];
    let new = ["on", "64", "on", "2"];
    let mut at = 0;
    loop {
        let mdev = kind().new_device_with("ports=1");
        let words = ["set", mdev.uuid(), "--from", list, "--keep", "on"];
        let run = killed(&words, at);
        // Each parameter has its old or its new value, and the device can be used or says why not.
        for ((_, value), (old, new)) in mdev.params().iter().zip(old.into_iter().zip(new)) {
            assert!(value == old || value == new, "{:?}", mdev.params());
        }
        vmig(&words);
        let values: Vec<String> = mdev.params().into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, new);
        assert_eq!(mdev.status("keep"), "1");
        mdev.device().state().unwrap();
        if run.status == Some(0) {
            break;
        }
        assert_eq!(run.writes.len(), at);
        at += 1;
    }
    assert_eq!(at, 5, "four parameters and keep");
    fs::remove_file(list).unwrap();
}

#[test]
fn unstage_can_be_done_again() {
    let _test = Test::begin();
    let before = world();
    for at in 0..3 {
        for _ in 0..3 {
            kind().stage(format!("{} ports=2", uuid())).unwrap();
        }
        let run = killed(&["unstage", "--all"], at);
        assert_eq!((run.status, run.writes.len()), (None, at), "{run:?}");
        assert_eq!(kind().staged().len(), 3 - at);
        vmig(&["unstage", "--all"]);
        assert_eq!(world(), before);
    }
}

#[test]
fn state_save_leaves_no_half_file_under_its_name() {
    let _test = Test::begin();
    let directory = format!("/tmp/save-{}", uuid());
    fs::create_dir(&directory).unwrap();
    let mdev = kind().new_device_with("ports=2");
    mdev.keep(true);
    let (_, full) = empty_and_full(&mdev.device());
    let file = format!("{directory}/state");
    let words = ["state", "save", mdev.uuid(), &file];
    let run = killed(&words, 0);
    assert_eq!(run.status, None, "{run:?}");
    assert!(
        fs::metadata(&file).is_err(),
        "only a whole one has the name"
    );
    assert_eq!(mdev.status("in_use"), "0");
    assert_eq!(save(&mdev.device()), full, "the device is as it was");
    vmig(&words);
    assert_eq!(fs::read(&file).unwrap(), full);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn state_load_leaves_a_whole_state_or_none() {
    let _test = Test::begin();
    let (from, to) = (
        kind().new_device_with("ports=2"),
        kind().new_device_with("ports=2"),
    );
    from.keep(true);
    to.keep(true);
    let (empty, full) = empty_and_full(&from.device());
    let file = "/tmp/load.state";
    fs::write(file, &full).unwrap();
    let words = ["state", "load", to.uuid(), file];
    let whole = killed(&words, usize::MAX);
    assert_eq!(whole.status, Some(0), "{whole:?}");
    assert!(!whole.writes.is_empty());
    for at in 0..whole.writes.len() {
        fill(&to.device());
        let run = killed(&words, at);
        assert_eq!(run.status, None, "{run:?}");
        assert!(save(&to.device()) == empty, "before write {at}: scrubbed");
        load(&to.device(), &empty).unwrap();
    }
    vmig(&words);
    assert_eq!(save(&to.device()), full);
    fs::remove_file(file).unwrap();
}
