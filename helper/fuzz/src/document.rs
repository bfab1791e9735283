// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The document reader, and what stands in front of it: the splitter and the inventory reader.

use std::collections::BTreeMap;

use vmig::{
    check,
    inventory::{
        Implementation,
        Info, //
    },
    label::label,
    list::{
        Given,
        List, //
    },
    source,
    sysfs::System,
};

pub(crate) fn run(data: &[u8]) {
    // Named as standard input is: what is odd about a document says where it was.
    let alone = Info::parse(data, "-");
    if let Ok(info) = &alone {
        judge(info);
    }
    let system = System {
        proc: "/nonexistent".into(),
        ..System::new("/nonexistent")
    };
    let records = source::read(&["-".to_owned()], &system, &mut &data[..]);
    assert!(!records.is_empty(), "what cannot be read is a result, too");
    for record in &records {
        for one in &record.implementations {
            match &one.info {
                Ok(info) => judge(info),
                Err(error) => assert!(!error.message.is_empty()),
            }
        }
    }
    // What is one document is the same document on standard input.
    if let (Ok(info), [record]) = (&alone, records.as_slice()) {
        if let ([Implementation { info: Ok(read), .. }], false) =
            (record.implementations.as_slice(), record.inventory)
        {
            assert_eq!(&**read, info);
        }
    }
}

/// What holds of every document that was understood.
fn judge(info: &Info) {
    let json = info.json.as_deref().expect("read for more than verdicts");
    let again = Info::parse(json.as_bytes(), "-").expect("the canonical form is a document");
    assert_eq!(again.json, info.json);
    assert_eq!(again.digest, info.digest);
    assert_eq!(again.document.models, info.document.models);
    for (name, model) in &info.document.models {
        for profile in &model.profiles {
            assert!(!check::accepts(model, &profile.params).is_no());
        }
        // Everything as a new device has it.
        let params = model.params.iter();
        let params: BTreeMap<String, Given> = params
            .filter_map(|(name, param)| Some((name.clone(), param.init.clone()?.into())))
            .collect();
        let list = List {
            model: name.clone(),
            params,
            off: None,
            runtime: None,
            device: None,
        };
        let outcome = check::judge(&list, model);
        assert_eq!(outcome.verdict.is_no(), outcome.apply.is_none());
        if let Some(apply) = &outcome.apply {
            assert!(apply.keys().eq(model.params.keys()));
        }
        let (text, _) = label(name, model);
        assert_eq!(label(name, &again.document.models[name]).0, text);
    }
}
