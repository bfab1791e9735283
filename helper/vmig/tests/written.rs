// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What is written: every document follows its schema and parses back to the same value, and what
//! vmig itself reads again, lists and inventories, is read back to the same.

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
use serde::Serialize;
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
    error::{
        Code,
        Error, //
    },
    fleet::{
        Fleet,
        Narrow, //
    },
    inventory::{
        Host,
        Implementation,
        Info,
        Inventory, //
    },
    label::Labels,
    list::List,
    output::{
        to_json,
        Check,
        ErrorDocument,
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

type Schemas = BTreeMap<String, jsonschema::Validator>;

fn schemas() -> Schemas {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    let schemas = fs::read_dir(directory).unwrap().map(|entry| {
        let text = fs::read(entry.unwrap().path()).unwrap();
        let schema: Json = serde_json::from_slice(&text).unwrap();
        let name = schema["properties"]["schema"]["const"]
            .as_str()
            .unwrap()
            .to_owned();
        (name, jsonschema::validator_for(&schema).unwrap())
    });
    schemas.collect()
}

/// The text of a document, after all that can be asked of it.
fn written<T: Serialize>(schemas: &Schemas, document: &T) -> String {
    let text = to_json(document).unwrap();
    let value: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(value, serde_json::to_value(document).unwrap());
    assert!(text.ends_with("}\n") && !text.ends_with("\n\n"), "{text}");
    let schema = &schemas[value["schema"].as_str().unwrap()];
    let errors: Vec<String> = schema
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    text
}

/// A record per host; the last one cannot be read.
fn records(hosts: &[brute::Host]) -> Vec<Record> {
    let record = |(n, models): (usize, &brute::Host)| {
        let implementations = models.iter().enumerate().map(|(i, model)| {
            let text = json!({"models": {MODEL: model}}).to_string();
            Implementation {
                parent: Some("p".to_owned()),
                kind: Some(format!("t{i}")),
                name: (i % 2 == 0).then(|| "a \"name\"\u{1b}".to_owned()),
                driver: "d".to_owned(),
                free: (n % 2 == 0).then_some(u64::MAX - i as u64),
                ..Implementation::bare(Info::parse(text.as_bytes(), "d.json"))
            }
        });
        Record {
            source: format!("s{n}"),
            host: Host {
                name: format!("h{n}"),
                boot_id: (n % 2 == 1).then(|| "b".to_owned()),
                time: "2026-11-22T18:00:00Z".to_owned(),
                vmig: "0".to_owned(),
                kernel: "7".to_owned(),
            }
            .into(),
            implementations: implementations.collect(),
            inventory: true,
            warnings: Vec::new(),
        }
    };
    let mut records: Vec<Record> = (0..).zip(hosts).map(record).collect();
    let error = Error {
        member: Some("models.x[0]".to_owned()),
        ..Error::new(Code::Malformed, "bad.json", "bad")
    };
    records.push(Record {
        source: "bad.json".to_owned(),
        host: Host::default().into(),
        implementations: vec![Implementation::bare(Err(error))],
        inventory: false,
        warnings: Vec::new(),
    });
    records
}

fn lists(params: &brute::List, off: &brute::List) -> Vec<List> {
    let text: Vec<String> = params
        .iter()
        .map(|(name, value)| match value {
            Json::Bool(true) => format!("{name}=on\n"),
            Json::Bool(false) => format!("{name}=off\n"),
            Json::String(text) => format!("{name}={text}\n"),
            value => format!("{name}={value}\n"),
        })
        .collect();
    let off: BTreeMap<_, _> = off
        .iter()
        .filter(|(name, _)| !params.contains_key(*name))
        .collect();
    let json = json!({
        "schema": "vmig.params/1", "model": MODEL, "params": params, "off": off, "runtime": ["b"],
        "device": {"host": "h", "parent": "p", "type": "t", "uuid": "83C3FB1A-0000-4000-8000-000000000001"},
    });
    [
        json.to_string(),
        format!("model: {MODEL}\n{}", text.concat()),
    ]
    .iter()
    .map(|text| List::parse(text.as_bytes(), "list", None).unwrap())
    .collect()
}

proptest! {
    #![proptest_config(cases::config(60))]

    #[test]
    fn every_document(bytes in prop::collection::vec(any::<u8>(), 60..300)) {
        let schemas = schemas();
        let mut bytes = Bytes(&bytes);
        let generate::Fleet { hosts, asked, .. } = generate::fleet(&mut bytes);
        let lists = lists(&generate::list(&mut bytes), &generate::list(&mut bytes));
        let records = records(&hosts);
        let narrow = Narrow { kind: None, skip_unreadable: true };
        let fleet = Fleet::new(&records, &narrow).unwrap();
        for list in &lists {
            let text = written(&schemas, list);
            let again = List::parse(text.as_bytes(), "list", None).unwrap();
            // The JSON form of a text list has strings, which no destination types any more.
            if list.device.is_some() {
                prop_assert_eq!(&again, list);
            }
            prop_assert_eq!(written(&schemas, &again), text);
            let plain = list.to_string();
            let again = List::parse(plain.as_bytes(), "list", None).unwrap();
            prop_assert_eq!(again.to_string(), plain);
            for mode in [Mode::Any, Mode::All] {
                written(&schemas, &Check::new(list, &records, mode));
            }
            written(&schemas, &Plan::new(list, &records));
            let named = [("mine".to_owned(), list.clone())].into();
            written(&schemas, &Labels::new(&records, &narrow, &named).unwrap());
            written(&schemas, &Compare::lists(("a", &lists[0]), ("b", list), ("s", &fleet)).unwrap());
        }
        let options = Options {
            each: asked.each,
            prefer: asked.prefer,
            require: asked.require,
            explain: true,
        };
        written(&schemas, &Baseline::new(&fleet, &options).unwrap());
        let one = Fleet::new(&records[..1], &narrow).unwrap();
        for model in [Some(MODEL), None] {
            written(&schemas, &Compare::sources(("a", &one), ("b", &fleet), model, false).unwrap());
        }
        for record in &records {
            if let Some(Err(error)) = record.implementations.first().map(|one| &one.info) {
                written(&schemas, &ErrorDocument::from(error));
                continue;
            }
            let inventory = Inventory {
                host: Host::clone(&record.host),
                implementations: record.implementations.clone(),
            };
            let text = written(&schemas, &inventory);
            let system = System::new("/nonexistent");
            let again = source::read(&["-".to_owned()], &system, &mut text.as_bytes());
            prop_assert_eq!(&again[0].host, &record.host);
            let again = Inventory {
                host: Host::clone(&again[0].host),
                implementations: again[0].implementations.clone(),
            };
            prop_assert_eq!(written(&schemas, &again), text);
            // What is odd about a document is told with the place where it was read.
            for (read, one) in again.implementations.iter().zip(&record.implementations) {
                let (read, one) = (read.info.as_ref().unwrap(), one.info.as_ref().unwrap());
                prop_assert_eq!(&read.document.models, &one.document.models);
                prop_assert_eq!(read.document.warnings.len(), one.document.warnings.len());
            }
        }
    }
}
