// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Baselines of small fleets, against brute force over every list.

use serde_json::json;
use vmig::{
    baseline::{
        Answer,
        Baseline,
        Options, //
    },
    document::Document,
    fleet::Fleet,
};

use crate::brute::{
    self,
    generate::{
        self,
        Bytes, //
    },
};

const MODEL: &str = "example.org/m";

pub(crate) fn run(data: &[u8]) {
    let generate::Fleet {
        hosts,
        profiles,
        asked,
    } = generate::fleet(&mut Bytes(data));
    let documents: Vec<(String, Document)> = (0..)
        .zip(&hosts)
        .flat_map(|(n, models)| models.iter().map(move |model| (n, model)))
        .map(|(n, model): (usize, _)| {
            let text = json!({"models": {MODEL: model}}).to_string();
            let document = Document::parse(text.as_bytes(), "d").expect("a document");
            (format!("h{n}"), document)
        })
        .collect();
    let mut fleet = Fleet::default();
    for (host, document) in &documents {
        fleet.add(host, "d", MODEL, &document.models[MODEL]);
    }
    let options = Options {
        each: asked.each,
        prefer: asked.prefer.clone(),
        require: asked.require.clone(),
        explain: true,
    };
    let answer = Baseline::new(&fleet, &options).expect("within the bound, without contradictions");
    let model = &answer.models[0];
    let level = match model.verdict {
        Answer::None => 0,
        Answer::Possible => 1,
        Answer::Compatible => 2,
    };
    let found = model.params.as_ref().map(|params| {
        let params = params.iter();
        let params: brute::List = params
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        (level, params, model.profile.clone())
    });
    let all: Vec<&brute::Host> = hosts.iter().collect();
    let expected = brute::baseline(&all, &all, &asked, &profiles);
    assert_eq!(found, expected, "{:#}", json!(hosts));
    assert_eq!(model.conflict.is_some(), expected.is_none());
}
