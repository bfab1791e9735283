// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every file of the sysfs ABI: mode, content, and that nothing is undocumented.

use std::collections::BTreeMap;
use std::path::Path;

use guest::table::{types, Param, TypeRow, GENERATIONS, PREFIX, SERIAL};
use guest::{sysfs, Parent, Test, Type};
use serde_json::{json, Value};

/// The types of both generations: the default parent and an old one.
fn all_types() -> (Parent, Vec<(Type, &'static TypeRow, u32)>) {
    let old = Parent::live("old", 1);
    let mut all = Vec::new();
    for generation in GENERATIONS {
        for row in types(generation) {
            let kind = match generation {
                1 => old.kind(row.name),
                _ => Type::default_parent(row.name),
            };
            all.push((kind, row, generation));
        }
    }
    (old, all)
}

/// Asserts a one-line attribute of a directory.
#[track_caller]
fn assert_line(directory: &Path, name: &str, mode: u32, content: &str) {
    let path = directory.join(name);
    assert_eq!(sysfs::mode(&path), mode, "mode of {}", path.display());
    assert_eq!(sysfs::line(&path), content, "{}", path.display());
}

#[test]
fn the_mdev_core_shows_the_types() {
    let _test = Test::begin();
    let (_old, all) = all_types();
    for (kind, row, _) in &all {
        assert_line(kind.directory(), "device_api", 0o444, "vfio-pci");
        assert_eq!(kind.available(), row.room, "{}", row.name);
        assert!(!sysfs::line(kind.path("name")).is_empty());
        assert_eq!(sysfs::mode(kind.path("create")), 0o200);
    }
    for generation in GENERATIONS {
        let parent = if generation == 1 { "vmig-old" } else { "vmig" };
        let found = sysfs::names(format!("/sys/class/mdev_bus/{parent}/mdev_supported_types"));
        let expected: Vec<_> = types(generation)
            .iter()
            .map(|row| format!("{PREFIX}{}", row.name))
            .collect();
        assert_eq!(found, expected, "generation {generation}");
    }
}

#[test]
fn a_type_has_its_migration_files() {
    let _test = Test::begin();
    let (_old, all) = all_types();
    for (kind, row, _) in &all {
        let migration = kind.path("migration");
        assert_eq!(
            sysfs::names(&migration),
            ["model", "params", "stage", "staged", "unstage"]
        );
        assert_line(&migration, "model", 0o444, row.model);
        assert_eq!(sysfs::mode(migration.join("stage")), 0o200);
        assert_eq!(sysfs::mode(migration.join("staged")), 0o400);
        assert_eq!(sysfs::mode(migration.join("unstage")), 0o200);
        assert_eq!(sysfs::mode(kind.path("migration_info.json")), 0o444);
        let params: Vec<_> = row.params.iter().map(|param| param.name).collect();
        assert_eq!(
            sysfs::names(migration.join("params")),
            params,
            "{}",
            row.name
        );
    }
}

#[test]
fn a_parameter_has_one_file_per_fact() {
    let _test = Test::begin();
    let (_old, all) = all_types();
    for (kind, row, generation) in &all {
        for param in row.params {
            let directory = kind.path("migration/params").join(param.name);
            assert_param(&directory, param);
            let what = format!("{} of {}, generation {generation}", param.name, row.name);
            assert!(
                !sysfs::line(directory.join("description")).is_empty(),
                "{what}"
            );
        }
    }
}

#[track_caller]
fn assert_param(directory: &Path, param: &Param) {
    assert_line(directory, "type", 0o444, param.kind);
    assert_line(directory, "init_value", 0o444, param.init);
    assert_line(
        directory,
        "runtime",
        0o444,
        if param.runtime { "on" } else { "off" },
    );
    match param.off {
        Some(off) => assert_line(directory, "off_value", 0o444, off),
        None => assert!(!directory.join("off_value").exists()),
    }
    let path = directory.join("allowed_values");
    assert_eq!(sysfs::mode(&path), 0o444);
    let text = sysfs::read(&path).unwrap();
    assert!(text.ends_with('\n'));
    let mut allowed: Vec<_> = text.lines().collect();
    allowed.sort_unstable();
    assert_eq!(allowed, param.allowed, "{}", path.display());
    assert_eq!(sysfs::mode(directory.join("description")), 0o444);
}

#[test]
fn the_json_document_says_what_the_files_say() {
    let _test = Test::begin();
    let (_old, all) = all_types();
    for (kind, row, _) in &all {
        let text = sysfs::read(kind.path("migration_info.json")).unwrap();
        assert!(text.ends_with("}\n"), "{text:?}");
        let document: Value = serde_json::from_str(&text).unwrap();
        let models = document["models"].as_object().unwrap();
        assert_eq!(models.keys().collect::<Vec<_>>(), [row.model]);
        let params = models[row.model]["params"].as_object().unwrap();
        let names: Vec<_> = params.keys().map(String::as_str).collect();
        let expected: Vec<_> = row.params.iter().map(|param| param.name).collect();
        assert_eq!(names, expected);
        for (name, facts) in params {
            let directory = kind.path("migration/params").join(name);
            assert_eq!(
                facts_in_json(facts),
                facts_in_files(&directory),
                "{name} of {}",
                row.name
            );
        }
    }
}

/// The facts of a parameter as the text of files, from JSON.
fn facts_in_json(facts: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        other => panic!("no value: {other}"),
    };
    let mut all: BTreeMap<String, String> = facts
        .as_object()
        .unwrap()
        .iter()
        .map(|(fact, value)| {
            let lines = match value.as_array() {
                Some(items) => items.iter().map(|item| text(item) + "\n").collect(),
                None => text(value) + "\n",
            };
            (fact.clone(), lines)
        })
        .collect();
    // Left out means no.
    all.entry("runtime".to_owned())
        .or_insert_with(|| "off\n".to_owned());
    all
}

fn facts_in_files(directory: &Path) -> BTreeMap<String, String> {
    let names = sysfs::names(directory);
    names
        .into_iter()
        .map(|name| (name.clone(), sysfs::read(directory.join(name)).unwrap()))
        .collect()
}

#[test]
fn constraints_and_profiles_are_those_of_the_generation() {
    let _test = Test::begin();
    let (_old, all) = all_types();
    for (kind, row, generation) in &all {
        let text = sysfs::read(kind.path("migration_info.json")).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        let model = &document["models"][row.model];
        let profiles: Vec<_> = model["profiles"]
            .as_array()
            .unwrap()
            .iter()
            .map(|profile| profile["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            profiles, row.profiles,
            "{}, generation {generation}",
            row.name
        );
        match generation {
            1 => assert!(model.get("constraints").is_none()),
            _ => {
                let constraints = model["constraints"].as_array().unwrap();
                assert_eq!(constraints.len(), 1);
                let (when, then) = match row.model {
                    SERIAL => (json!({"auto-flow": [true]}), json!({"fifo-size": [64]})),
                    _ => (json!({"checksum": [true]}), json!({"num-queues": ["3-8"]})),
                };
                assert_eq!(constraints[0]["if"], when);
                assert_eq!(constraints[0]["then"], then);
            }
        }
    }
}

#[test]
fn a_document_can_be_read_in_pieces() {
    use std::os::unix::fs::FileExt;

    let _test = Test::begin();
    let kind = Type::default_parent("serial-var");
    let whole = sysfs::read(kind.path("migration_info.json"))
        .unwrap()
        .into_bytes();
    let file = std::fs::File::open(kind.path("migration_info.json")).unwrap();
    for size in [1, 7, 1000] {
        let mut pieces = Vec::new();
        let mut piece = vec![0; size];
        loop {
            match file.read_at(&mut piece, pieces.len() as u64).unwrap() {
                0 => break,
                n => pieces.extend_from_slice(&piece[..n]),
            }
        }
        assert_eq!(pieces, whole, "in pieces of {size}");
    }
    assert_eq!(
        file.read_at(&mut [0; 8], whole.len() as u64 + 1).unwrap(),
        0
    );
    assert_eq!(file.read_at(&mut [0; 8], 1 << 40).unwrap(), 0);
}

#[test]
fn a_device_has_its_parameters_and_its_status() {
    let _test = Test::begin();
    let (_old, all) = all_types();
    for (kind, row, _) in &all {
        let mdev = kind.new_device();
        let names: Vec<_> = row.params.iter().map(|param| param.name).collect();
        assert_eq!(
            sysfs::names(mdev.path("migration")),
            names,
            "parameters and nothing else"
        );
        for param in row.params {
            assert_line(
                mdev.directory(),
                &format!("migration/{}", param.name),
                0o644,
                param.init,
            );
        }
        assert_eq!(
            sysfs::names(mdev.path("vmig")),
            ["in_use", "keep", "refusal"]
        );
        assert_line(mdev.directory(), "vmig/in_use", 0o444, "0");
        assert_line(mdev.directory(), "vmig/keep", 0o644, "0");
        assert_eq!(sysfs::mode(mdev.path("vmig/refusal")), 0o444);
        assert_eq!(mdev.refusal(), "");
    }
}

#[test]
fn what_is_read_only_cannot_be_written() {
    let _test = Test::begin();
    let kind = Type::default_parent("serial-var");
    let mdev = kind.new_device();
    for path in [
        kind.path("migration_info.json"),
        kind.path("migration/model"),
        kind.path("migration/staged"),
        kind.path("migration/params/ports/init_value"),
        kind.path("migration/params/ports/allowed_values"),
        mdev.path("vmig/in_use"),
        mdev.path("vmig/refusal"),
    ] {
        let before = sysfs::read(&path).unwrap();
        // Root may open it against its mode; then the write fails.
        assert!(sysfs::write(&path, "1").is_err(), "{}", path.display());
        assert_eq!(sysfs::read(&path).unwrap(), before, "{}", path.display());
    }
    for path in [kind.path("migration/stage"), kind.path("migration/unstage")] {
        assert!(sysfs::read(&path).is_err(), "{}", path.display());
    }
}

/// `sysfs-abi.md` against the live tree, in both directions.
mod abi {
    use std::path::{Path, PathBuf};

    use super::*;

    const DOCUMENT: &str = include_str!("../../../sysfs-abi.md");

    /// What the mdev core, the driver core and VFIO put beside our files.
    /// `Documentation/ABI/testing/sysfs-bus-vfio-mdev` and `sysfs-devices-power` have them.
    const FOREIGN: [&str; 15] = [
        "available_instances",
        "create",
        "description",
        "device_api",
        "devices",
        "driver",
        "iommu_group",
        "mdev_type",
        "name",
        "power",
        "remove",
        "subsystem",
        "uevent",
        "vfio-dev",
        "waiting_for_supplier",
    ];

    /// The paths of the `What:` fields. A field may have several, one per line.
    fn documented() -> Vec<&'static str> {
        let mut paths = Vec::new();
        let mut in_what = false;
        for line in DOCUMENT.lines() {
            let value = match line.strip_prefix("What:") {
                Some(value) => Some(value),
                None if in_what && line.starts_with(['\t', ' ']) => Some(line),
                None => None,
            };
            in_what = value.is_some();
            paths.extend(value.map(str::trim).filter(|value| !value.is_empty()));
        }
        paths
    }

    /// Whether a path has the form of a documented one: `<...>` stands for one component, or a
    /// part of one.
    fn matches(what: &str, path: &str) -> bool {
        let (what, path): (Vec<_>, Vec<_>) = (what.split('/').collect(), path.split('/').collect());
        what.len() == path.len()
            && what
                .iter()
                .zip(&path)
                .all(|(what, part)| component(what, part))
    }

    fn component(what: &str, part: &str) -> bool {
        match what.split_once('<') {
            None => what == part,
            Some((before, rest)) => {
                let after = rest.split_once('>').expect("a closing bracket").1;
                assert!(
                    !after.contains('<'),
                    "one placeholder per component: {what}"
                );
                let middle = part
                    .strip_prefix(before)
                    .and_then(|part| part.strip_suffix(after));
                middle.is_some_and(|middle| !middle.is_empty())
            }
        }
    }

    /// All files below, with the names that lead there; foreign ones only at the top.
    fn walk(shown: &str, directory: &Path, top: bool, found: &mut Vec<String>) {
        for name in sysfs::names(directory) {
            if top && FOREIGN.contains(&name.as_str()) {
                continue;
            }
            let path = directory.join(&name);
            let shown = format!("{shown}/{name}");
            match path.is_dir() {
                true => walk(&shown, &path, false, found),
                false => found.push(shown),
            }
        }
    }

    #[test]
    fn every_file_is_documented_and_every_documented_file_is_there() {
        let _test = Test::begin();
        let (old, all) = all_types();
        let mdev = Type::default_parent("serial-var").new_device();
        let accel = Type::default_parent("accel-var").new_device();
        let mut found = Vec::new();
        for (kind, ..) in &all {
            // As the document names it: the class, not the device behind it.
            walk(
                kind.directory().to_str().unwrap(),
                kind.directory(),
                true,
                &mut found,
            );
        }
        for mdev in [&mdev, &accel] {
            let directory = mdev.directory();
            walk(directory.to_str().unwrap(), directory, true, &mut found);
        }
        let item = old
            .path("")
            .to_str()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        walk(&item, Path::new(&item), false, &mut found);
        found.push(item);
        let parameters = PathBuf::from("/sys/module/vmig/parameters");
        if parameters.is_dir() {
            walk(
                "/sys/module/vmig/parameters",
                &parameters,
                false,
                &mut found,
            );
        }
        assert!(found.len() > 100, "the walk has seen too little: {found:?}");

        let documented = documented();
        assert!(documented.len() > 10, "{documented:?}");
        let undocumented: Vec<_> = found
            .iter()
            .filter(|path| !documented.iter().any(|what| matches(what, path)))
            .collect();
        assert!(
            undocumented.is_empty(),
            "not in sysfs-abi.md: {undocumented:#?}"
        );
        let missing: Vec<_> = documented
            .iter()
            .filter(|what| !found.iter().any(|path| matches(what, path)))
            .collect();
        assert!(
            missing.is_empty(),
            "documented, but not there: {missing:#?}"
        );
    }

    #[test]
    fn the_matching_of_paths_is_right() {
        assert!(matches("/a/<b>/c", "/a/x/c"));
        assert!(matches("/a/vmig-<b>", "/a/vmig-x"));
        assert!(!matches("/a/<b>/c", "/a/x/y/c"));
        assert!(!matches("/a/<b>", "/a/"));
        assert!(!matches("/a/b", "/a/bc"));
    }
}
