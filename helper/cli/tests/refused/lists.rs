// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Lists that are malformed or beyond a limit.

use crate::{
    files,
    run,
    GOOD,
    LIST, //
};

/// Malformed lists, and what is said of them after `PATH: `.
fn lists() -> Vec<(Vec<u8>, &'static str)> {
    let json = |members: &str| {
        format!(r#"{{"schema":"vmig.params/1","model":"a/b","params":{{{members}}}}}"#)
    };
    let device = |uuid: &str| {
        format!(
            r#"{{"schema":"vmig.params/1","model":"a/b","params":{{}},"device":{{"host":"h","parent":"p","type":"t","uuid":"{uuid}"}}}}"#
        )
    };
    let rows: Vec<(String, &str)> = vec![
        // Text.
        ("model: a/b\nn\n".into(), "line 2: not NAME=VALUE"),
        ("model: a/b\n#n\n".into(), "line 2: not NAME=VALUE"),
        (
            "model: a/b\n\n# x\nn=1\nn=1\n".into(),
            "line 5: n is given twice",
        ),
        ("model: a/b\n=1\n".into(), "line 2: "),
        ("model: a/b\n n=1\n".into(), "line 2: "),
        ("model: a/b\n..=1\n".into(), "line 2: "),
        ("model: a/b\na/b=1\n".into(), "line 2: "),
        ("model: a/b\nn=a\0b\n".into(), "line 2: "),
        (format!("model: a/b\n{}=1\n", "x".repeat(256)), "line 2: "),
        (format!("model: a/b\nn={}\n", "x".repeat(1025)), "line 2: "),
        ("model: ab\n".into(), "line 1: "),
        ("model: \n".into(), "line 1: "),
        (format!("model: a/{}\n", "x".repeat(256)), "line 1: "),
        ("model: a/b\nmodel: a/b\n".into(), "line 2: "),
        (
            format!("model: a/b\n{}", "# \n".repeat((1 << 20) / 3)),
            "list of more than 1 MiB",
        ),
        // JSON.
        (r#"{"model":"a/b","params":{}}"#.into(), "schema: missing"),
        (
            r#"{"schema":"vmig.params/2","model":"a/b","params":{}}"#.into(),
            "schema: not vmig.params/1",
        ),
        (
            r#"{"schema":"vmig.params/1","params":{}}"#.into(),
            "model: missing",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"ab","params":{}}"#.into(),
            "model: not a device model",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b"}"#.into(),
            "params: missing",
        ),
        (json(r#""n":1.0"#), "params.n: a number"),
        (json(r#""n":-1"#), "params.n: a number"),
        (json(r#""n":null"#), "params.n: null"),
        (json(r#""n":[1]"#), "params.n: an array"),
        (json(r#""n":"a\nb""#), "params.n: "),
        (
            json(&format!(r#""n":"{}""#, "x".repeat(1025))),
            "params.n: ",
        ),
        (json(r#""a b":1"#), "params.\"a b\": not a parameter name"),
        (json(r#""n":1,"n":1"#), "params.n: given twice"),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{"n":1},"off":{"n":0}}"#.into(),
            "off.n: ",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{},"runtime":["n","n"],"off":1}"#
                .into(),
            "off: an int",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{},"runtime":[1]}"#.into(),
            "runtime[0]: an int",
        ),
        // A UUID has 36 characters, hyphens in their places.
        (
            device("83c3fb1a-0000-4000-8000-00000000001"),
            "device.uuid: ",
        ),
        (
            device("83c3fb1a-0000-4000-8000-0000000000001"),
            "device.uuid: ",
        ),
        (
            device("83c3fb1a00004000-8000-000000000001-0-"),
            "device.uuid: ",
        ),
        (
            device("{3c3fb1a-0000-4000-8000-00000000000}"),
            "device.uuid: ",
        ),
        (
            device("83c3fb1g-0000-4000-8000-000000000001"),
            "device.uuid: ",
        ),
        (
            format!("{{\"schema\":{}", "[".repeat(65)),
            "nesting deeper than 64",
        ),
        ("{\"schema\":\"vmig.params/1\"".into(), "EOF while parsing"),
        (json("") + "x", "trailing characters"),
    ];
    let rows = rows
        .into_iter()
        .map(|(text, says)| (text.into_bytes(), says));
    rows.chain([(b"model: a/b\nn=\xff\n".to_vec(), "line 2: not UTF-8")])
        .collect()
}

#[test]
fn malformed_lists() {
    let mut wrong = Vec::new();
    for (text, says) in lists() {
        let directory = files([
            ("list", &text[..]),
            ("good.json", GOOD),
            ("good.list", LIST),
        ]);
        for words in [
            &["check", "--from", "list", "good.json"][..],
            &["plan", "--from", "list", "good.json"],
            &["compare", "good.list", "list", "--in", "good.json"],
            &["label", "good.json", "--list", "x=list"],
            &["commands", "--from", "list", "--to", "good.json"],
        ] {
            let (status, said) = run(directory.path(), words);
            let found = said.lines().any(|line| {
                let rest = line.strip_prefix("vmig: list: ");
                rest.is_some_and(|rest| rest.starts_with(says))
            });
            if status != Some(3) || !found {
                let shown = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
                let said = said.chars().take(500).collect::<String>();
                wrong.push(format!(
                    "{shown}\n  {words:?}: {status:?}, not {says}\n  {said}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
