// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Baseline, compare, plan and label against brute force over every list.
//!
//! PROPTEST_CASES says how many fleets are tried.

mod brute;
mod cases;

use brute::{
    generate::{
        self,
        Bytes, //
    },
    Asked,
    Host,
    List, //
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
    document::Document,
    fleet::Fleet,
    label::label,
    list, plan,
};

const MODEL: &str = "example.org/m";

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 60..300)
}

fn document(model: &Json) -> Document {
    let text = json!({"models": {MODEL: model}}).to_string();
    Document::parse(text.as_bytes(), "d.json").unwrap()
}

fn documents(hosts: &[&Host]) -> Vec<Vec<Document>> {
    hosts
        .iter()
        .map(|host| host.iter().map(document).collect())
        .collect()
}

/// The fleet of `documents`; `order` are the hosts by number, each perhaps more than once.
fn fleet<'a>(names: &'a [String], documents: &'a [Vec<Document>], order: &[usize]) -> Fleet<'a> {
    let mut fleet = Fleet::default();
    for i in order {
        for document in &documents[*i] {
            fleet.add(&names[*i], "d.json", MODEL, &document.models[MODEL]);
        }
    }
    fleet
}

fn options(asked: &Asked) -> Options {
    Options {
        each: asked.each,
        prefer: asked.prefer.clone(),
        require: asked.require.clone(),
        explain: true,
    }
}

/// The library's answer in the form of brute force.
fn answer(hosts: &[&Host], asked: &Asked) -> (Json, brute::Baseline) {
    let names: Vec<String> = (0..hosts.len()).map(|i| format!("h{i}")).collect();
    let documents = documents(hosts);
    let order: Vec<usize> = (0..hosts.len()).collect();
    let fleet = fleet(&names, &documents, &order);
    let answer = serde_json::to_value(Baseline::new(&fleet, &options(asked)).unwrap()).unwrap();
    let model = &answer["models"][0];
    let level = match model["verdict"].as_str().unwrap() {
        "compatible" => 2,
        "possible" => 1,
        _ => 0,
    };
    let baseline = model["params"].as_object().map(|params| {
        let params = params.clone().into_iter().collect();
        (level, params, model["profile"].as_str().map(str::to_owned))
    });
    (answer.clone(), baseline)
}

fn conflict_holds(answer: &Json, hosts: &[Host], asked: &Asked, profiles: &[(String, List)]) {
    let conflict = &answer["models"][0]["conflict"];
    let number = |name: &Json| name.as_str().unwrap()[1..].parse::<usize>().unwrap();
    let core: Vec<usize> = conflict["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|h| number(&h["host"]))
        .collect();
    let all: Vec<&Host> = hosts.iter().collect();
    let of = |wanted: &[usize]| -> Vec<&Host> { wanted.iter().map(|i| &hosts[*i]).collect() };
    let asked = Asked {
        prefer: Default::default(),
        ..asked.clone()
    };
    // With nothing preferred, what is chosen does not change whether there is a list.
    let has_list = |some: &[usize]| {
        some.is_empty() || brute::baseline(&of(some), &all, &asked, profiles).is_some()
    };
    assert!(!core.is_empty() && !has_list(&core), "{core:?}");
    for one in &core {
        let rest: Vec<usize> = core.iter().filter(|other| *other != one).copied().collect();
        assert!(has_list(&rest), "{core:?} without {one}");
    }
    assert!(!conflict["params"].as_array().unwrap().is_empty());
    let largest: Vec<usize> = conflict["largest"]["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect();
    assert!(has_list(&largest));
    for more in (0..hosts.len()).filter(|i| !largest.contains(i)) {
        let more: Vec<usize> = largest.iter().copied().chain([more]).collect();
        assert!(!has_list(&more), "{largest:?} could have more: {more:?}");
    }
}

proptest! {
    #![proptest_config(cases::config(60))]

    #[test]
    fn baseline_is_the_first_list_or_a_conflict(bytes in bytes()) {
        let generate::Fleet { hosts, profiles, asked } = generate::fleet(&mut Bytes(&bytes));
        let all: Vec<&Host> = hosts.iter().collect();
        let expected = brute::baseline(&all, &all, &asked, &profiles);
        let (text, found) = answer(&all, &asked);
        prop_assert_eq!(&found, &expected, "{:#}\n{:#}", json!(hosts), text);
        if found.is_none() {
            conflict_holds(&text, &hosts, &asked, &profiles);
        }
    }

    #[test]
    fn order_and_repetition_change_nothing(bytes in bytes(), order in Just((0..5).collect::<Vec<usize>>()).prop_shuffle()) {
        let generate::Fleet { hosts, asked, .. } = generate::fleet(&mut Bytes(&bytes));
        let all: Vec<&Host> = hosts.iter().collect();
        let names: Vec<String> = (0..hosts.len()).map(|i| format!("h{i}")).collect();
        let documents = documents(&all);
        let order: Vec<usize> = order.into_iter().filter(|i| *i < hosts.len()).collect();
        let ascending: Vec<usize> = (0..hosts.len()).collect();
        let twice: Vec<usize> = order.iter().chain(&order).copied().collect();
        let answer = |order: &[usize]| {
            Baseline::new(&fleet(&names, &documents, order), &options(&asked)).unwrap()
        };
        let expected = answer(&ascending);
        prop_assert_eq!(&answer(&order), &expected);
        prop_assert_eq!(&answer(&twice), &expected);
    }

    #[test]
    fn compare_and_label_agree_over_all_lists(bytes in bytes()) {
        let mut bytes = Bytes(&bytes);
        let (a, b) = (generate::model(&mut bytes, &[]), generate::model(&mut bytes, &[]));
        let c = generate::model(&mut bytes, &[]);
        let each = bytes.once_in(2);
        let all = brute::lists(&brute::names([&a, &b, &c]));
        let levels = |host: &Host, each| -> Vec<u8> {
            all.iter().map(|list| brute::host_accepts(host, list, each)).collect()
        };
        for (left, right) in [(vec![a.clone()], vec![b.clone()]), (vec![a.clone(), b.clone()], vec![c]), (vec![b.clone(), a.clone()], vec![a.clone(), b.clone()])] {
            let (x, y) = (levels(&left, each), levels(&right, each));
            let pairs = || x.iter().zip(&y).map(|(x, y)| (*x > 0, *y > 0));
            let expected = if pairs().all(|(x, y)| x == y) {
                "identical"
            } else if pairs().all(|(x, y)| !x || y) {
                "subset"
            } else if pairs().all(|(x, y)| x || !y) {
                "superset"
            } else if pairs().any(|(x, y)| x && y) {
                "overlapping"
            } else {
                "disjoint"
            };
            let documents = documents(&[&left, &right]);
            let names = ["h".to_owned(), "h".to_owned()];
            let (f, g) = (fleet(&names, &documents, &[0]), fleet(&names, &documents, &[1]));
            let found = Compare::sources(("a", &f), ("b", &g), Some(MODEL), each).unwrap();
            let found = serde_json::to_value(found).unwrap();
            prop_assert_eq!(&found["result"], expected, "{:#} {:#}", json!(left), json!(right));
            let responsible = found["responsible"].as_array().unwrap();
            prop_assert_eq!(responsible.is_empty(), expected == "identical");
        }
        let (x, y) = (levels(&vec![a.clone()], false), levels(&vec![b.clone()], false));
        let of = |model: &Json| label(MODEL, &document(model).models[MODEL]);
        prop_assert_eq!(of(&a) == of(&b), x == y, "{:#} {:#}", a, b);
        prop_assert!(of(&a).1);
    }

    #[test]
    fn plan_needs_the_fewest_changes(bytes in bytes()) {
        let mut bytes = Bytes(&bytes);
        let model = generate::model(&mut bytes, &[]);
        let params = generate::list(&mut bytes);
        let mut off = generate::list(&mut bytes);
        off.retain(|name, _| !params.contains_key(name));
        let text = json!({"schema": "vmig.params/1", "model": MODEL, "params": params, "off": off});
        let list = list::List::parse(text.to_string().as_bytes(), "list", None).unwrap();
        let changes = plan::changes(&list, &document(&model).models[MODEL]).unwrap();
        let found = changes.map(|changes| {
            let mut to = params.clone();
            for change in serde_json::to_value(changes).unwrap().as_array().unwrap() {
                let name = change["param"].as_str().unwrap();
                assert_eq!(change.get("from"), params.get(name));
                to.remove(name);
                to.extend(change.get("to").map(|value| (name.to_owned(), value.clone())));
            }
            to
        });
        prop_assert_eq!(found, brute::nearest(&model, &params, &off), "{:#} {:#}", model, text);
    }
}
