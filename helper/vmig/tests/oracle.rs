// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `check` against an oracle: the contract's sections on values, acceptance and output, transcribed
//! onto plain JSON without using the library. Documents and lists are random.

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

use proptest::{
    collection::{
        btree_map,
        vec, //
    },
    option,
    prelude::*, //
};
use serde_json::{
    json,
    Map,
    Value, //
};

const MODEL: &str = "example.org/card";

/// The ints that occur: few enough to write a set out, and the largest ones.
const INTS: &[u64] = &[0, 1, 2, 3, 4, 5, 6, u64::MAX - 2, u64::MAX - 1, u64::MAX];
const STRS: &[&str] = &["", "1", "1-5", "none", "on", "zero"];
const NAMES: &[&str] = &["a", "b", "c-d", "q"];

// The oracle.

/// A value set, written out: the items that are in it; `None` is "any".
type Set = Option<BTreeSet<String>>;

/// An item as text that tells the types apart: `true`, `4`, `"4"`.
fn item(value: &Value) -> String {
    value.to_string()
}

/// Writes out an `allowed_values` array.
fn written_out(array: &Value, kind: &str) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    for entry in array.as_array().unwrap() {
        match entry.as_str().and_then(|text| text.split_once('-')) {
            Some((min, max)) if kind == "int" => {
                let (min, max): (u64, u64) = (min.parse().unwrap(), max.parse().unwrap());
                let between = INTS.iter().filter(|n| (min..=max).contains(n));
                set.extend(between.map(u64::to_string));
            }
            _ => {
                set.insert(item(entry));
            }
        }
    }
    set
}

/// E of section 2.
fn accepted(param: &Value) -> Set {
    let kind = param["type"].as_str().unwrap();
    match (param.get("allowed_values"), kind) {
        (Some(array), _) => Some(written_out(array, kind)),
        (None, "bool") if param.get("off_value").is_some() => {
            Some(["false".to_owned(), "true".to_owned()].into())
        }
        (None, "bool") => Some([item(&param["init_value"])].into()),
        (None, _) => None,
    }
}

fn contains(set: &Set, value: &Value) -> bool {
    set.as_ref().is_none_or(|set| set.contains(&item(value)))
}

/// The SET of the output.
fn output_set(set: &Set, kind: &str) -> Value {
    let Some(set) = set else { return json!("any") };
    if kind != "int" {
        // `false` < `true`; strs in byte order, which their JSON text has too for these.
        let mut items: Vec<Value> = set
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
        items.sort_by_key(|value| value.as_str().map(str::to_owned));
        return Value::Array(items);
    }
    let mut ints: Vec<u64> = set.iter().map(|text| text.parse().unwrap()).collect();
    ints.sort_unstable();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for n in ints {
        match runs.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(n) => *end = n,
            _ => runs.push((n, n)),
        }
    }
    runs.into_iter()
        .map(|(min, max)| {
            if min == max {
                json!(min)
            } else {
                json!(format!("{min}-{max}"))
            }
        })
        .collect()
}

/// The value that a list gives, as the type wants it.
fn typed(given: &Value, text_list: bool, kind: &str) -> Option<Value> {
    if !text_list {
        let right = match kind {
            "bool" => given.is_boolean(),
            "int" => given.is_u64(),
            _ => given.is_string(),
        };
        return right.then(|| given.clone());
    }
    let text = given.as_str().unwrap();
    match kind {
        "bool" => match text {
            "on" => Some(json!(true)),
            "off" => Some(json!(false)),
            _ => None,
        },
        "int" => {
            let plain = text == "0"
                || (!text.starts_with('0')
                    && text.bytes().all(|b| b.is_ascii_digit())
                    && !text.is_empty());
            let n: Option<u64> = text.parse().ok().filter(|_| plain);
            n.map(|n| json!(n))
        }
        _ => Some(json!(text)),
    }
}

/// What section 5 wants as the one result, without messages.
fn oracle(document: &Value, list: &Value, text_list: bool) -> Value {
    let models = document["models"].as_object().unwrap().keys();
    models
        .map(|model| one(document, model, list, text_list))
        .collect()
}

fn one(document: &Value, name: &str, list: &Value, text_list: bool) -> Value {
    if list["model"] != json!(name) {
        let reason = json!({"code": "model_mismatch", "models": [name]});
        return json!({"model": name, "verdict": "incompatible", "reasons": [reason]});
    }
    let model = &document["models"][name];
    let params = model["params"].as_object().unwrap();
    let given = list["params"].as_object().unwrap();
    // (rank of the code, name, index) is the order.
    let mut reasons: BTreeMap<(u8, String, usize), Value> = BTreeMap::new();
    let mut effect: Map<String, Value> = Map::new();
    for (name, value) in given {
        let mut say = |rank, reason| reasons.insert((rank, name.clone(), 0), reason);
        let Some(param) = params.get(name) else {
            say(
                1,
                json!({"code": "unknown_param", "param": name, "value": value}),
            );
            continue;
        };
        let kind = param["type"].as_str().unwrap();
        let Some(typed) = typed(value, text_list, kind) else {
            say(
                2,
                json!({"code": "type_mismatch", "param": name, "value": value}),
            );
            continue;
        };
        let set = accepted(param);
        if !contains(&set, &typed) {
            say(
                3,
                json!({"code": "value_not_allowed", "param": name, "value": typed,
                          "allowed": output_set(&set, kind)}),
            );
        } else if set.is_none()
            && param.get("init_value") != Some(&typed)
            && param.get("off_value") != Some(&typed)
        {
            say(
                7,
                json!({"code": "unbounded", "param": name, "value": typed}),
            );
        }
        effect.insert(name.clone(), typed);
    }
    for (name, param) in params {
        if given.contains_key(name) {
            continue;
        }
        let kind = param["type"].as_str().unwrap();
        let set = accepted(param);
        let off = param.get("off_value");
        if !off.is_some_and(|off| contains(&set, off)) {
            let reason = json!({"code": "cannot_disable", "param": name,
                                "allowed": output_set(&set, kind)});
            reasons.insert((4, name.clone(), 0), reason);
        }
        if let (Some(there), Some(here)) = (list.get("off").and_then(|off| off.get(name)), off) {
            if there != here {
                let reason = json!({"code": "off_value_differs", "param": name, "value": there,
                                    "off": here});
                reasons.insert((5, name.clone(), 0), reason);
            }
        }
        if let Some(off) = off {
            effect.insert(name.clone(), off.clone());
        }
    }
    let constraints = model.get("constraints").and_then(Value::as_array);
    for (index, constraint) in constraints.into_iter().flatten().enumerate() {
        let sides = ["if", "then"].map(|side| constraint[side].as_object().unwrap());
        if sides
            .iter()
            .any(|side| side.keys().any(|name| !effect.contains_key(name)))
        {
            continue;
        }
        let sets = sides.map(|side| {
            let set = |(name, array): (&String, &Value)| {
                let kind = params[name]["type"].as_str().unwrap();
                (
                    name.clone(),
                    Some(written_out(array, kind)),
                    kind.to_owned(),
                )
            };
            side.iter().map(set).collect::<Vec<_>>()
        });
        let holds = |side: &[(String, Set, String)]| {
            side.iter()
                .all(|(name, set, _)| contains(set, &effect[name]))
        };
        if holds(&sets[0]) && !holds(&sets[1]) {
            let show = |side: &[(String, Set, String)]| {
                let sets = side
                    .iter()
                    .map(|(name, set, kind)| (name.clone(), output_set(set, kind)));
                Value::Object(sets.collect())
            };
            let violated = json!({"index": index, "if": show(&sets[0]), "then": show(&sets[1])});
            let reason = json!({"code": "constraint_violated", "constraint": violated});
            reasons.insert((6, String::new(), index), reason);
        }
    }
    let verdict = match reasons.keys().map(|(rank, _, _)| *rank).min() {
        None => "compatible",
        Some(7) => "possible",
        Some(_) => "incompatible",
    };
    let mut result = json!({"model": name, "verdict": verdict,
                            "reasons": reasons.into_values().collect::<Vec<_>>()});
    if verdict != "incompatible" {
        result["apply"] = Value::Object(effect);
    }
    result
}

// The inputs.

fn value(kind: &'static str) -> BoxedStrategy<Value> {
    match kind {
        "bool" => any::<bool>().prop_map(Value::from).boxed(),
        "int" => prop::sample::select(INTS).prop_map(Value::from).boxed(),
        _ => prop::sample::select(STRS).prop_map(Value::from).boxed(),
    }
}

/// Values, and for ints ranges: both ends small, or both large.
fn set(kind: &'static str) -> BoxedStrategy<Value> {
    let single = value(kind);
    let entry = match kind {
        "int" => {
            let range = prop::sample::select(vec![
                "0-0",
                "0-3",
                "1-2",
                "2-6",
                "3-4",
                "5-6",
                "18446744073709551613-18446744073709551615",
                "18446744073709551614-18446744073709551614",
            ]);
            prop_oneof![single, range.prop_map(Value::from)].boxed()
        }
        _ => single,
    };
    vec(entry, 1..5).prop_map(Value::Array).boxed()
}

fn param() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["bool", "int", "str"]).prop_flat_map(|kind| {
        let members = (
            value(kind),
            option::of(value(kind)),
            option::of(set(kind)),
            option::of(any::<bool>()),
        );
        members.prop_map(move |(init, off, allowed, runtime)| {
            let mut param = json!({"type": kind, "init_value": init});
            for (name, member) in [
                ("off_value", off),
                ("allowed_values", allowed),
                ("runtime", runtime.map(Value::from)),
            ] {
                if let Some(member) = member {
                    param[name] = member;
                }
            }
            param
        })
    })
}

/// Constraints over the parameters of `params`.
fn constraints(params: &Map<String, Value>) -> BoxedStrategy<Value> {
    let kinds: Vec<(String, String)> = params
        .iter()
        .map(|(name, param)| (name.clone(), param["type"].as_str().unwrap().to_owned()))
        .collect();
    if kinds.is_empty() {
        return Just(json!([{"if": {}, "then": {}}])).boxed();
    }
    let clause = prop::sample::select(kinds).prop_flat_map(|(name, kind)| {
        let kind = ["bool", "int", "str"]
            .into_iter()
            .find(|known| *known == kind)
            .unwrap();
        (Just(name), set(kind))
    });
    let side = vec(clause, 0..3).prop_map(|side| Value::Object(side.into_iter().collect()));
    let constraint =
        (side.clone(), side).prop_map(|(when, then)| json!({"if": when, "then": then}));
    vec(constraint, 0..4).prop_map(Value::Array).boxed()
}

fn model() -> impl Strategy<Value = Value> {
    let params = btree_map(
        prop::sample::select(NAMES).prop_map(str::to_owned),
        param(),
        0..4,
    );
    params.prop_flat_map(|params| {
        let params: Map<String, Value> = params.into_iter().collect();
        let constraints = constraints(&params);
        (Just(params), option::of(constraints)).prop_map(|(params, constraints)| {
            let mut model = json!({"params": params});
            if let Some(constraints) = constraints {
                model["constraints"] = constraints;
            }
            model
        })
    })
}

fn document() -> impl Strategy<Value = Value> {
    let model_name = prop::sample::select(vec![MODEL, MODEL, "example.org/other"]);
    btree_map(model_name.prop_map(str::to_owned), model(), 1..3)
        .prop_map(|models| json!({"models": models}))
}

fn any_value() -> BoxedStrategy<Value> {
    prop_oneof![value("bool"), value("int"), value("str")].boxed()
}

/// What a list says about one name: its value, and what "off" was if it is left out.
fn entry(param: Option<&Value>) -> BoxedStrategy<(Option<Value>, Option<Value>)> {
    let Some(param) = param else {
        let given = prop_oneof![12 => Just(None), 1 => any_value().prop_map(Some)];
        let off = prop_oneof![12 => Just(None), 1 => any_value().prop_map(Some)];
        return (given, off).boxed();
    };
    let kind = match param["type"].as_str().unwrap() {
        "bool" => "bool",
        "int" => "int",
        _ => "str",
    };
    let given = prop_oneof![
        6 => Just(None),
        6 => Just(Some(param["init_value"].clone())),
        3 => value(kind).prop_map(Some),
        1 => any_value().prop_map(Some),
    ];
    let off = prop_oneof![
        4 => Just(param.get("off_value").cloned()),
        1 => any_value().prop_map(Some),
    ];
    (given, off).boxed()
}

/// A document, and a list for it: lists of wholly random values would hardly ever fit.
fn document_and_list() -> impl Strategy<Value = (Value, Value)> {
    document().prop_flat_map(|document| {
        let params = &document["models"][MODEL]["params"];
        let entries: Vec<_> = NAMES.iter().map(|name| entry(params.get(name))).collect();
        (Just(document), entries, any::<bool>()).prop_map(|(document, entries, tells)| {
            let mut list = json!({"schema": "vmig.params/1", "model": MODEL, "params": {}});
            if tells {
                list["off"] = json!({});
            }
            for (name, (given, off)) in NAMES.iter().zip(entries) {
                match (given, off) {
                    (Some(given), _) => list["params"][name] = given,
                    (None, Some(off)) if tells => list["off"][name] = off,
                    (None, _) => {}
                }
            }
            (document, list)
        })
    })
}

/// The text of a JSON value as a text list has it.
fn text(value: &Value) -> String {
    match value {
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

// The comparison.

/// What the library says, without messages, and without what is the same for every document.
fn library(document: &Value, list: &[u8]) -> (Value, Value) {
    use vmig::{
        inventory::{
            Host,
            Implementation,
            Info, //
        },
        list::List,
        output::{
            to_json,
            Check,
            Mode, //
        },
        source::Record,
    };
    let list = List::parse(list, "list", None).unwrap();
    let info = Info::parse(document.to_string().as_bytes(), "document");
    let record = Record {
        source: "document".to_owned(),
        host: Host::default().into(),
        implementations: vec![Implementation::bare(info)],
        inventory: false,
        warnings: Vec::new(),
    };
    let answer = |mode| -> Value {
        let check = Check::new(&list, std::slice::from_ref(&record), mode);
        serde_json::from_str(&to_json(&check).unwrap()).unwrap()
    };
    let (mut any, all) = (answer(Mode::Any), answer(Mode::All));
    let verdicts = json!([any["verdict"], all["verdict"]]);
    for result in any["results"].as_array_mut().unwrap() {
        let result = result.as_object_mut().unwrap();
        for member in ["host", "parent", "type", "source"] {
            assert!(result.remove(member).is_some());
        }
        for reason in result["reasons"].as_array_mut().unwrap() {
            let message = reason.as_object_mut().unwrap().remove("message").unwrap();
            assert!(!message.as_str().unwrap().is_empty());
        }
    }
    (any["results"].take(), verdicts)
}

/// Three-valued OR and AND over the results.
fn together(results: &Value) -> Value {
    let rank = |result: &Value| match result["verdict"].as_str().unwrap() {
        "incompatible" => 0,
        "possible" => 1,
        _ => 2,
    };
    let words = ["incompatible", "possible", "compatible"];
    let ranks = results.as_array().unwrap().iter().map(rank);
    json!([
        words[ranks.clone().max().unwrap()],
        words[ranks.min().unwrap()]
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_lists((document, list) in document_and_list()) {
        let (results, verdicts) = library(&document, list.to_string().as_bytes());
        prop_assert_eq!(&results, &oracle(&document, &list, false));
        prop_assert_eq!(verdicts, together(&results));
    }

    #[test]
    fn text_lists((document, list) in document_and_list()) {
        let mut lines = format!("model: {MODEL}\n");
        let mut params = Map::new();
        for (name, value) in list["params"].as_object().unwrap() {
            lines.push_str(&format!("{name}={}\n", text(value)));
            params.insert(name.clone(), json!(text(value)));
        }
        let list = json!({"model": MODEL, "params": params});
        let (results, verdicts) = library(&document, lines.as_bytes());
        prop_assert_eq!(&results, &oracle(&document, &list, true));
        prop_assert_eq!(verdicts, together(&results));
    }
}

/// The random inputs reach every reason and every verdict, or the comparison would be worth little.
#[test]
fn inputs_reach_everything() {
    use proptest::{
        strategy::ValueTree,
        test_runner::TestRunner, //
    };
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..1000 {
        let (document, list) = document_and_list().new_tree(&mut runner).unwrap().current();
        for result in oracle(&document, &list, false).as_array().unwrap() {
            let verdict = result["verdict"].as_str().unwrap();
            *seen.entry(verdict.to_owned()).or_default() += 1;
            for reason in result["reasons"].as_array().unwrap() {
                let code = reason["code"].as_str().unwrap();
                *seen.entry(code.to_owned()).or_default() += 1;
            }
        }
    }
    for word in [
        "compatible",
        "possible",
        "incompatible",
        "model_mismatch",
        "unknown_param",
        "type_mismatch",
        "value_not_allowed",
        "cannot_disable",
        "off_value_differs",
        "constraint_violated",
        "unbounded",
    ] {
        assert!(seen.get(word).is_some_and(|n| *n >= 10), "{word}: {seen:?}");
    }
}
