// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Constraints beyond the bound within which exactness is promised: each answer is either right, or
//! `too_complex`, and comes quickly. What has a list is checked against every host; what has none
//! cannot be, here.

mod cases;

use std::time::{
    Duration,
    Instant, //
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
    check,
    compare::Compare,
    document::Document,
    error::{
        Code,
        Error, //
    },
    fleet::Fleet,
    label::label,
    list::List,
    plan,
    value::Params,
    verdict::Verdict,
};

const MODEL: &str = "example.org/m";

/// Time for one answer; a build that is hardly optimised, on a machine that others use, gets more.
const MOST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 2 });

/// Parameters, far more than have 4,096 combinations.
const PARAMS: usize = 60;

/// Where both of the first hold, the third must: parameter and value each.
type Clause = [(usize, bool); 3];

fn clause() -> impl Strategy<Value = Clause> {
    let literal = || (0..PARAMS, any::<bool>());
    (literal(), literal(), literal()).prop_map(|(a, b, c)| [a, b, c])
}

/// Hosts with as many constraints as a model may have.
fn hosts() -> impl Strategy<Value = Vec<Vec<Clause>>> {
    let host = prop::collection::vec(clause(), 64);
    prop::collection::vec(host, 1..6)
}

fn document(clauses: &[Clause]) -> Document {
    let name = |n: &usize| format!("p{n:02}");
    let param = json!({"type": "bool", "init_value": true, "off_value": false});
    let params: serde_json::Map<String, Json> =
        (0..PARAMS).map(|n| (name(&n), param.clone())).collect();
    // Where a condition has one parameter twice, its last value counts.
    let constraints = clauses.iter().map(|[(a, x), (b, y), (c, z)]| {
        json!({"if": {name(a): [x], name(b): [y]}, "then": {name(c): [z]}})
    });
    let constraints: Vec<Json> = constraints.collect();
    let text = json!({"models": {MODEL: {"params": params, "constraints": constraints}}});
    Document::parse(text.to_string().as_bytes(), "d.json").unwrap()
}

/// The answer, if it is not too complex; in any case within the time.
fn quickly<T>(what: &str, answer: impl FnOnce() -> Result<T, Error>) -> Option<T> {
    let begin = Instant::now();
    let answer = answer();
    assert!(begin.elapsed() < MOST, "{what} took {:?}", begin.elapsed());
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert_eq!(error.code, Code::TooComplex, "{what}: {error}");
            None
        }
    }
}

proptest! {
    // Each may take the whole work limit, several times.
    #![proptest_config(cases::config(4))]

    #[test]
    fn answers_are_right_or_too_complex(hosts in hosts(), values in prop::collection::vec(any::<bool>(), PARAMS)) {
        let documents: Vec<Document> = hosts.iter().map(|clauses| document(clauses)).collect();
        let names: Vec<String> = (0..hosts.len()).map(|n| format!("h{n}")).collect();
        let mut fleet = Fleet::default();
        for (name, document) in names.iter().zip(&documents) {
            fleet.add(name, "d.json", MODEL, &document.models[MODEL]);
        }
        let accepts = |params: &Params| {
            documents.iter().all(|one| check::accepts(&one.models[MODEL], params) == Verdict::Compatible)
        };
        let answer = quickly("baseline", || Baseline::new(&fleet, &Options::default()));
        if let Some(params) = answer.as_ref().and_then(|answer| answer.models[0].params.as_ref()) {
            prop_assert!(accepts(params), "{:?}", params);
        }
        let mut one = Fleet::default();
        one.add("h0", "d.json", MODEL, &documents[0].models[MODEL]);
        let compared = quickly("compare", || Compare::sources(("a", &fleet), ("b", &one), Some(MODEL), false));
        if let Some(compared) = compared {
            // Whatever all hosts accept, the first one does.
            let relation = serde_json::to_value(compared.result).unwrap();
            let is_within = relation == "identical" || relation == "subset";
            prop_assert!(is_within, "{}", relation);
        }
        let params = (0..).zip(&values).filter(|(_, on)| **on);
        let params: String = params.map(|(n, _): (usize, _)| format!("p{n:02}=on\n")).collect();
        let list = List::parse(params.as_bytes(), "l", Some(MODEL)).unwrap();
        for document in &documents {
            let model = &document.models[MODEL];
            let changes = quickly("plan", || {
                plan::changes(&list, model).map_err(|_| Error::new(Code::TooComplex, "l", ""))
            });
            if let Some(Some(changes)) = changes {
                let mut changed = list.clone();
                for change in changes {
                    changed.params.remove(&change.param);
                    changed.params.extend(change.to.map(|to| (change.param, to)));
                }
                prop_assert_eq!(check::judge(&changed, model).verdict, Verdict::Compatible);
            }
            let named = quickly("label", || Ok(label(MODEL, model))).unwrap();
            prop_assert_eq!(named, label(MODEL, model));
        }
    }
}
