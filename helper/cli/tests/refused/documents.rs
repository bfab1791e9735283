// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Documents that are malformed or beyond a limit.

use crate::{
    files,
    int,
    model,
    nested,
    param,
    params,
    run,
    GOOD,
    LIST, //
};

/// Malformed documents, and what is said of them: `PATH: ` is put before it.
fn documents() -> Vec<(Vec<u8>, String)> {
    let n = |member: &str, message: &str| format!(r#"models."a/b".params.n.{member}: {message}"#);
    let m = |member: &str, message: &str| format!(r#"models."a/b"{member}: {message}"#);
    let name = |name: &str, message: &str| format!(r#"models."a/b".params.{name}: {message}"#);
    const NAME: &str = "not a parameter name";
    const MODEL: &str = "not a device model";
    const INT: &str = r#""type":"int","init_value":1"#;
    let long = "x".repeat(256);
    let text = "x".repeat(1025);
    let rows: Vec<(String, String)> = vec![
        // Not JSON, or not one object.
        ("".into(), "empty: no document".into()),
        (" \n".into(), "empty: no document".into()),
        ("{".into(), "EOF while parsing".into()),
        ("null".into(), "null where an object is wanted".into()),
        ("1".into(), "an int where an object is wanted".into()),
        ("[]".into(), "an array where an object is wanted".into()),
        ("{}".into(), "models: missing".into()),
        (r#"{"models":[]}"#.into(), "models: an array".into()),
        (r#"{"models":{},}"#.into(), "trailing comma".into()),
        ("{'models':{}}".into(), "key must be a string".into()),
        // Duplicate keys anywhere, however they are spelled.
        (
            r#"{"models":{},"models":{}}"#.into(),
            "models: given twice".into(),
        ),
        (
            r#"{"models":{},"x":{"y":[{"z":1,"\u007a":1}]}}"#.into(),
            "x.y[0].z: given twice".into(),
        ),
        (
            int(r#","off_value":1,"off_value":1"#),
            n("off_value", "given twice"),
        ),
        (int(r#","type":"int""#), n("type", "given twice")),
        // Schemas.
        (
            r#"{"schema":"vmig.inventory/2"}"#.into(),
            "schema: not vmig.inventory/1".into(),
        ),
        (r#"{"schema":1,"models":{}}"#.into(), "schema: ".into()),
        (
            r#"{"schema":"vmig.check/1"}"#.into(),
            "schema: not vmig.inventory/1".into(),
        ),
        // Models.
        (
            r#"{"models":{"ab":{"params":{}}}}"#.into(),
            format!("models.ab: {MODEL}"),
        ),
        (
            r#"{"models":{"":{"params":{}}}}"#.into(),
            format!(r#"models."": {MODEL}"#),
        ),
        (
            r#"{"models":{"a/\n":{"params":{}}}}"#.into(),
            format!(r#"models."a/\n": {MODEL}"#),
        ),
        (
            format!(r#"{{"models":{{"a/{long}":{{"params":{{}}}}}}}}"#),
            format!(r#"models."a/{long}": {MODEL}"#),
        ),
        (
            r#"{"models":{"a/b":{}}}"#.into(),
            m("", "neither `params` nor `versions`"),
        ),
        (
            r#"{"models":{"a/b":{"params":{},"versions":["1"]}}}"#.into(),
            m("", "both `params` and `versions`"),
        ),
        (r#"{"models":{"a/b":[]}}"#.into(), m("", "an array")),
        (
            r#"{"models":{"a/b":{"params":[]}}}"#.into(),
            m(".params", "an array"),
        ),
        (
            r#"{"models":{"a/b":{"versions":{}}}}"#.into(),
            m(".versions", "an object"),
        ),
        (
            r#"{"models":{"a/b":{"versions":[]}}}"#.into(),
            m(".versions", "empty"),
        ),
        (
            r#"{"models":{"a/b":{"versions":[1]}}}"#.into(),
            m(".versions[0]", "an int"),
        ),
        // Names.
        (param("", INT), name(r#""""#, NAME)),
        (param(".", INT), name(r#"".""#, NAME)),
        (param("..", INT), name(r#""..""#, NAME)),
        (param("a=b", INT), name(r#""a=b""#, NAME)),
        (param("a/b", INT), name(r#""a/b""#, NAME)),
        (param("a b", INT), name(r#""a b""#, NAME)),
        (param("a\\tb", INT), name(r#""a\tb""#, NAME)),
        (param("a\\u0000b", INT), name(r#""a\u0000b""#, NAME)),
        (param("a\u{2003}b", INT), name("\"a\u{2003}b\"", NAME)),
        (param(&long, INT), name(&long, NAME)),
        // Types and values.
        (param("n", r#""init_value":1"#), n("type", "missing")),
        (param("n", r#""type":"int""#), n("init_value", "missing")),
        (
            param("n", r#""type":"float","init_value":1"#),
            n("type", "not `bool`, `int` or `str`"),
        ),
        (
            param("n", r#""type":"Int","init_value":1"#),
            n("type", "not `bool`, `int` or `str`"),
        ),
        (
            param("n", r#""type":"bool","init_value":"on""#),
            n("init_value", "a string"),
        ),
        (
            param("n", r#""type":"bool","init_value":1"#),
            n("init_value", "an int"),
        ),
        (
            param("n", r#""type":"str","init_value":4"#),
            n("init_value", "an int"),
        ),
        (
            param("n", r#""type":"str","init_value":"a\nb""#),
            n("init_value", ""),
        ),
        (
            param("n", r#""type":"str","init_value":"a\u0000b""#),
            n("init_value", ""),
        ),
        (
            param("n", &format!(r#""type":"str","init_value":"{text}""#)),
            n("init_value", ""),
        ),
        (
            param("n", r#""type":"int","init_value":"4""#),
            n("init_value", "a string"),
        ),
        (int(r#","off_value":true"#), n("off_value", "a bool")),
        (int(r#","off_value":null"#), n("off_value", "null")),
        (int(r#","off_value":4.0"#), n("off_value", "a number")),
        (int(r#","off_value":1e3"#), n("off_value", "a number")),
        (int(r#","off_value":-0"#), n("off_value", "a number")),
        (int(r#","off_value":-1"#), n("off_value", "a number")),
        (
            int(r#","off_value":18446744073709551616"#),
            n("off_value", "a number"),
        ),
        (int(r#","off_value":+1"#), "expected value".into()),
        (int(r#","off_value":01"#), "invalid number".into()),
        (int(r#","runtime":"yes""#), n("runtime", "a string")),
        (int(r#","description":1"#), n("description", "an int")),
        // Sets.
        (int(r#","allowed_values":[]"#), n("allowed_values", "empty")),
        (
            int(r#","allowed_values":"1-2""#),
            n("allowed_values", "a string"),
        ),
        (
            int(r#","allowed_values":["5-1"]"#),
            n("allowed_values[0]", "range 5-1 is reversed"),
        ),
        (
            int(r#","allowed_values":["1 - 5"]"#),
            n("allowed_values[0]", r#""1 - 5" is not an int"#),
        ),
        (
            int(r#","allowed_values":[" 1-5"]"#),
            n("allowed_values[0]", r#"" 1-5" is not an int"#),
        ),
        (
            int(r#","allowed_values":[1,"+1-5"]"#),
            n("allowed_values[1]", r#""+1-5" is not an int"#),
        ),
        (
            int(r#","allowed_values":["-1-5"]"#),
            n("allowed_values[0]", r#""-1-5" is not an int"#),
        ),
        (
            int(r#","allowed_values":["1--5"]"#),
            n("allowed_values[0]", r#""1--5" is not an int"#),
        ),
        (
            int(r#","allowed_values":["01-5"]"#),
            n("allowed_values[0]", r#""01-5" is not an int"#),
        ),
        (
            int(r#","allowed_values":["1-"]"#),
            n("allowed_values[0]", r#""1-" is not an int"#),
        ),
        (
            int(r#","allowed_values":["4"]"#),
            n("allowed_values[0]", r#""4" is not an int"#),
        ),
        (
            int(r#","allowed_values":["1-2-3"]"#),
            n("allowed_values[0]", r#""1-2-3" is not an int"#),
        ),
        (
            int(r#","allowed_values":["1-18446744073709551616"]"#),
            n(
                "allowed_values[0]",
                r#""1-18446744073709551616" is not an int"#,
            ),
        ),
        (
            int(r#","allowed_values":[4.0]"#),
            n("allowed_values[0]", "a number"),
        ),
        (
            param(
                "n",
                r#""type":"bool","init_value":true,"allowed_values":["on"]"#,
            ),
            n("allowed_values[0]", "a string"),
        ),
        (
            param("n", r#""type":"str","init_value":"a","allowed_values":[1]"#),
            n("allowed_values[0]", "an int"),
        ),
        // Constraints.
        (
            model(r#","constraints":{}"#),
            m(".constraints", "an object"),
        ),
        (
            model(r#","constraints":[{"if":{"x":[1]},"then":{}}]"#),
            m(".constraints[0].if.x", "the model has no such parameter"),
        ),
        (
            model(r#","constraints":[{"if":{},"then":{"x":[1]}}]"#),
            m(".constraints[0].then.x", "the model has no such parameter"),
        ),
        (
            model(r#","constraints":[{"if":{}}]"#),
            m(".constraints[0].then", "missing"),
        ),
        (
            model(r#","constraints":[{"then":{}}]"#),
            m(".constraints[0].if", "missing"),
        ),
        (
            model(r#","constraints":[{"if":{"n":[]},"then":{}}]"#),
            m(".constraints[0].if.n", "empty"),
        ),
        (
            model(r#","constraints":[{"if":{"b":[1]},"then":{}}]"#),
            m(".constraints[0].if.b[0]", "an int"),
        ),
        (
            model(r#","constraints":[{"if":{"n":["3-2"]},"then":{}}]"#),
            m(".constraints[0].if.n[0]", "range 3-2 is reversed"),
        ),
        // Profiles.
        (model(r#","profiles":{}"#), m(".profiles", "an object")),
        (
            model(r#","profiles":[{"params":{}}]"#),
            m(".profiles[0].name", "missing"),
        ),
        (
            model(r#","profiles":[{"name":"","params":{}}]"#),
            m(".profiles[0].name", "not 1 to 255 bytes"),
        ),
        (
            model(r#","profiles":[{"name":"v"}]"#),
            m(".profiles[0].params", "missing"),
        ),
        (
            model(r#","profiles":[{"name":"v","params":{"n":1.0}}]"#),
            m(".profiles[0].params.n", "a number"),
        ),
        (
            model(r#","profiles":[{"name":"v","params":{}},{"name":"v","params":{}}]"#),
            m(".profiles[1].name", "two profiles with this name"),
        ),
        // Limits, one beyond each.
        (nested(65), "nesting deeper than 64".into()),
        (
            format!(
                r#"{{"models":{{"a/b":{{"params":{{{}}}}}}}}}"#,
                params(4097)
            ),
            m(".params", "more than 4096 parameters"),
        ),
        (
            format!(
                r#"{{"models":{{"a/a":{{"params":{{{}}}}},"a/b":{{"params":{{{}}}}}}}}}"#,
                params(4095),
                params(2)
            ),
            m(".params", "more than 4096 parameters"),
        ),
        (
            int(&format!(
                r#","allowed_values":[{}]"#,
                vec!["1"; 65537].join(",")
            )),
            n("allowed_values", "more than 65536 items"),
        ),
        (
            model(&format!(
                r#","constraints":[{{"if":{{"n":[{}]}},"then":{{}}}}]"#,
                vec!["1"; 65537].join(",")
            )),
            m(".constraints[0].if.n", "more than 65536 items"),
        ),
        (
            model(&format!(
                r#","constraints":[{}]"#,
                [r#"{"if":{},"then":{}}"#; 65].join(",")
            )),
            m(".constraints", "more than 64 constraints"),
        ),
        (
            format!(r#"{{"models":{{}},"x":"{}"}}"#, "x".repeat((16 << 20) - 19)),
            "document of more than 16 MiB".into(),
        ),
    ];
    let mut rows: Vec<(Vec<u8>, String)> = rows
        .into_iter()
        .map(|(text, says)| (text.into_bytes(), says))
        .collect();
    rows.extend([
        (
            b"{\"models\":{\"a/\xff\":{}}}".to_vec(),
            "not UTF-8 from byte 14".to_owned(),
        ),
        (
            b"\xef\xbb\xbf{\"models\":{}}".to_vec(),
            "expected value".to_owned(),
        ),
        (br#"{"models":{"a/\ud800":{}}}"#.to_vec(), "".to_owned()),
    ]);
    rows
}

#[test]
fn malformed_documents() {
    let mut wrong = Vec::new();
    for (text, says) in documents() {
        let directory = files([("list", LIST), ("good.json", GOOD), ("d.json", &text)]);
        let shown = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
        for words in [
            &["check", "--from", "list", "d.json"][..],
            &["check", "--all", "--from", "list", "good.json", "d.json"],
            &["plan", "--from", "list", "d.json"],
            &["baseline", "d.json", "good.json"],
            &["compare", "good.json", "d.json"],
            &["label", "d.json"],
            &["info", "d.json"],
        ] {
            let (status, said) = run(directory.path(), words);
            let found = said.lines().any(|line| {
                line.find("d.json: ")
                    .is_some_and(|at| line[at + 8..].starts_with(&says))
            });
            if status != Some(3) || !found {
                let said = said.chars().take(500).collect::<String>();
                wrong.push(format!(
                    "{shown}\n  {words:?}: {status:?}, not {says}\n  {said}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn limits_are_included() {
    let long = "x".repeat(255);
    let text = "x".repeat(1024);
    let items = vec!["1"; 65536].join(",");
    for (text, status) in [
        (nested(64), 4),
        (
            format!(
                r#"{{"models":{{"a/b":{{"params":{{{}}}}}}}}}"#,
                params(4096)
            ),
            1,
        ),
        (int(&format!(r#","allowed_values":[{items}]"#)), 0),
        (
            model(&format!(
                r#","constraints":[{}]"#,
                [r#"{"if":{},"then":{}}"#; 64].join(",")
            )),
            0,
        ),
        (param(&long, r#""type":"int","init_value":1"#), 1),
        (
            param("n", &format!(r#""type":"str","init_value":"{text}""#)),
            0,
        ),
        (
            format!(
                r#"{{"models":{{"a/{}":{{"versions":["v"]}}}}}}"#,
                &long[2..]
            ),
            1,
        ),
        (
            format!(r#"{{"models":{{}},"x":"{}"}}"#, "x".repeat((16 << 20) - 20)),
            4,
        ),
        (
            int(r#","off_value":18446744073709551615,"x":[-1.5e3,null,{"y":-0}]"#),
            0,
        ),
        // Odd, and no reason to refuse anything but what is odd.
        (int(r#","allowed_values":[1,1,"1-3","2-5",6]"#), 0),
        (int(r#","allowed_values":["2-5"]"#), 1),
        (
            param(
                "n",
                r#""type":"str","init_value":"5-1","allowed_values":["5-1","1"]"#,
            ),
            0,
        ),
        // Constraints that contradict each other accept nothing.
        (
            model(r#","constraints":[{"if":{},"then":{"n":[0]}},{"if":{},"then":{"n":[1]}}]"#),
            1,
        ),
    ] {
        let directory = files([("list", LIST), ("d.json", text.as_bytes())]);
        let (found, said) = run(directory.path(), &["check", "--from", "list", "d.json"]);
        let shown = &text[..text.len().min(200)];
        assert_eq!(found, Some(status), "{shown}: {said}");
    }
}
