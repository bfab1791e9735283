// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! How the input is put changes no answer: its order, what is there twice, and how documents are
//! spread over files, directories and standard input.

mod brute;
mod cases;

use std::{
    collections::BTreeMap,
    fs,
    path::Path, //
};

use brute::generate::{
    self,
    Bytes, //
};
use proptest::prelude::*;
use serde_json::{
    json,
    Value as Json, //
};
use vmig::{
    baseline::{
        Baseline,
        Options, //
    },
    compare::Compare,
    fleet::{
        Fleet,
        Narrow, //
    },
    inventory::Info,
    label::Labels,
    list::List,
    output::{
        Check,
        Mode, //
    },
    plan::Plan,
    source::{
        self,
        Record, //
    },
    sysfs::System,
};

const MODEL: &str = "example.org/m";

/// The inventory of a host that has a type for each of these implementations.
fn inventory(n: usize, models: &[Json]) -> String {
    let offers = models.iter().enumerate().map(|(i, model)| {
        let info = json!({"models": {MODEL: model}});
        let digest = Info::parse(info.to_string().as_bytes(), "").unwrap().digest;
        json!({"parent": "p", "type": format!("t{i}"), "driver": "d", "free": i,
               "digest": digest, "info": info})
    });
    json!({
        "schema": "vmig.inventory/1", "host": format!("h{n}"), "boot_id": format!("b{n}"),
        "time": "2026-11-22T18:00:00Z", "vmig": "0", "kernel": "7",
        "implementations": offers.collect::<Vec<_>>(),
    })
    .to_string()
}

/// Where a document is put.
#[derive(Clone, Debug)]
enum Place {
    /// In one of a few files, after what is there already.
    File(u8),
    /// In one of a few files of a directory.
    Directory(u8),
    /// On standard input.
    Stdin,
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        (0..3u8).prop_map(Place::File),
        (0..3u8).prop_map(Place::Directory),
        Just(Place::Stdin),
    ]
}

/// Which document is put where, one after the other; every document at least once.
fn layout() -> impl Strategy<Value = Vec<(usize, Place)>> {
    let once: Vec<_> = (0..5usize).map(|i| (Just(i), place())).collect();
    let again = prop::collection::vec((0..5usize, place()), 0..5);
    (once, again).prop_flat_map(|(once, again)| {
        let all: Vec<_> = once.into_iter().chain(again).collect();
        Just(all).prop_shuffle()
    })
}

/// Reads `texts`, put as `layout` says.
fn read(texts: &[String], layout: &[(usize, Place)], directory: &Path) -> Vec<Record> {
    fs::create_dir_all(directory.join("d")).unwrap();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut sources: Vec<String> = Vec::new();
    for (n, (i, place)) in layout.iter().enumerate() {
        let Some(text) = texts.get(*i) else { continue };
        let (source, file) = match place {
            Place::File(n) => (format!("f{n}"), format!("f{n}")),
            Place::Directory(n) => ("d".to_owned(), format!("d/{n}.json")),
            Place::Stdin => ("-".to_owned(), "-".to_owned()),
        };
        if !sources.contains(&source) {
            sources.push(source);
        }
        let space = ["", "\n", " \n\t"][n % 3];
        files
            .entry(file)
            .or_default()
            .push_str(&(text.clone() + space));
    }
    let stdin = files.remove("-").unwrap_or_default();
    for (name, text) in &files {
        fs::write(directory.join(name), text).unwrap();
    }
    let sources: Vec<String> = sources
        .into_iter()
        .map(|source| match source.as_str() {
            "-" => source,
            name => directory.join(name).to_str().unwrap().to_owned(),
        })
        .collect();
    let system = System::new(directory);
    let mut records = source::read(&sources, &system, &mut stdin.as_bytes());
    assert_eq!(source::settle(&mut records), []);
    records
}

/// Everything that is said of the fleet, without how its sources are called; results by place.
fn answers(records: &[Record], options: &Options, list: &List) -> Json {
    let narrow = Narrow::default();
    let fleet = Fleet::new(records, &narrow).unwrap();
    let baseline = Baseline::new(&fleet, options).unwrap();
    let lists = [("mine".to_owned(), list.clone())].into();
    let results = |document: Json| {
        let results = document["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| {
                let mut result = result.clone();
                result.as_object_mut().unwrap().remove("source").unwrap();
                (format!("{} {}", result["host"], result["type"]), result)
            });
        let results: BTreeMap<String, Json> = results.collect();
        json!([document["verdict"], results])
    };
    let labels = Labels::new(records, &narrow, &lists).unwrap();
    json!({
        "baseline": baseline,
        "any": results(json!(Check::new(list, records, Mode::Any))),
        "all": results(json!(Check::new(list, records, Mode::All))),
        "plan": results(json!(Plan::new(list, records))),
        "label": results(json!(labels)),
    })
}

proptest! {
    #![proptest_config(cases::config(60))]

    #[test]
    fn of_inventories(bytes in prop::collection::vec(any::<u8>(), 60..300), layout in layout()) {
        let mut bytes = Bytes(&bytes);
        let generate::Fleet { hosts, asked, .. } = generate::fleet(&mut bytes);
        let params = generate::list(&mut bytes);
        let list = json!({"schema": "vmig.params/1", "model": MODEL, "params": params});
        let list = List::parse(list.to_string().as_bytes(), "list", None).unwrap();
        let options = Options {
            each: asked.each,
            prefer: asked.prefer,
            require: asked.require,
            explain: true,
        };
        let texts: Vec<String> = (0..).zip(&hosts).map(|(n, models)| inventory(n, models)).collect();
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let plain: Vec<_> = (0..texts.len()).map(|i| (i, Place::File(0))).collect();
        let plain = read(&texts, &plain, one.path());
        let put = read(&texts, &layout, other.path());
        prop_assert_eq!(
            answers(&put, &options, &list), answers(&plain, &options, &list), "{:?} {:#}", layout, json!(texts)
        );
        let narrow = Narrow::default();
        let (a, b) = (Fleet::new(&plain, &narrow).unwrap(), Fleet::new(&put, &narrow).unwrap());
        let compared = Compare::sources(("a", &a), ("b", &b), Some(MODEL), asked.each).unwrap();
        prop_assert_eq!(json!(compared)["result"].clone(), "identical");
    }

    /// A bare document is a host by the name of its source, so only hosts are counted otherwise.
    #[test]
    fn of_bare_documents(bytes in prop::collection::vec(any::<u8>(), 60..300), layout in layout()) {
        let generate::Fleet { hosts, asked, .. } = generate::fleet(&mut Bytes(&bytes));
        let options = Options { prefer: asked.prefer, require: asked.require, ..Options::default() };
        let texts: Vec<String> =
            hosts.iter().map(|models| json!({"models": {MODEL: models[0]}}).to_string()).collect();
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let answer = |records: &[Record]| {
            let fleet = Fleet::new(records, &Narrow::default()).unwrap();
            let mut answer = json!(Baseline::new(&fleet, &options).unwrap());
            let model = answer["models"][0].as_object_mut().unwrap();
            model.remove("hosts");
            // Which hosts are shown of several that are equal depends on their names.
            if let Some(conflict) = model.remove("conflict") {
                model.insert("hosts".to_owned(), conflict["hosts"].as_array().unwrap().len().into());
            }
            answer
        };
        let plain: Vec<_> = (0..texts.len()).map(|i| (i, Place::Directory(0))).collect();
        let plain = answer(&read(&texts, &plain, one.path()));
        let put = answer(&read(&texts, &layout, other.path()));
        prop_assert_eq!(&put["models"][0]["verdict"], &plain["models"][0]["verdict"]);
        if plain["verdict"] != "none" {
            prop_assert_eq!(put, plain, "{:?} {:#}", layout, json!(texts));
        }
    }
}
