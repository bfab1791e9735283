// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The list parser, of both forms.

use vmig::{
    list::{
        List,
        TEXT_MAX, //
    },
    output::to_json,
};

const MODEL: &str = "a/b";

pub(crate) fn run(data: &[u8]) {
    let named = List::parse(data, "l", Some(MODEL));
    let alone = List::parse(data, "l", None);
    match (&alone, &named) {
        // The model on the command line replaces a missing line, and contradicts every other one.
        (Ok(alone), Ok(named)) => assert_eq!((alone, named.model.as_str()), (named, MODEL)),
        (Ok(alone), Err(_)) => assert_ne!(alone.model, MODEL),
        (Err(_), Ok(named)) => assert_eq!(named.model, MODEL),
        (Err(error), Err(_)) => assert!(!error.message.is_empty()),
    }
    for list in [alone, named].into_iter().flatten() {
        written(&list);
    }
}

/// Both forms are read back, to something that is written in the same way.
fn written(list: &List) {
    let text = list.to_string();
    if text.len() <= TEXT_MAX {
        let again = List::parse(text.as_bytes(), "l", None).expect("the text form is a list");
        assert_eq!(again.to_string(), text);
        assert!(again.params.keys().eq(list.params.keys()));
    }
    let json = to_json(list).expect("a list has a JSON form");
    let again = List::parse(json.as_bytes(), "l", None).expect("the JSON form is a list");
    assert_eq!(to_json(&again).expect("a list has a JSON form"), json);
}
