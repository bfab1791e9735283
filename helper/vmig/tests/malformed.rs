// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Bad documents and lists: each is malformed, and the error names the member or the line.

use vmig::{
    document::{
        Document,
        ITEMS_MAX,
        PARAMS_MAX, //
    },
    error::{
        Code,
        Error, //
    },
    inventory::Info,
    list::List, //
};

/// An int parameter of the model `a/b`, with these members.
fn int(members: &str) -> String {
    format!(
        r#"{{"models":{{"a/b":{{"params":{{"n":{{"type":"int","init_value":1{members}}}}}}}}}}}"#
    )
}

/// The model `a/b` with a bool, an int and these members.
fn model(members: &str) -> String {
    let params = r#""b":{"type":"bool","init_value":true,"off_value":false},"n":{"type":"int","init_value":1,"off_value":0}"#;
    format!(r#"{{"models":{{"a/b":{{"params":{{{params}}}{members}}}}}}}"#)
}

/// A parameter named `name`.
fn named(name: &str) -> String {
    format!(r#"{{"models":{{"a/b":{{"params":{{"{name}":{{"type":"int","init_value":1}}}}}}}}}}"#)
}

fn parse(text: &str) -> Result<Document, Error> {
    Document::parse(text.as_bytes(), "f.json")
}

#[test]
fn documents() {
    const N: &str = r#"models."a/b".params.n"#;
    const M: &str = r#"models."a/b""#;
    let long = "x".repeat(256);
    let constraints = format!(
        ",\"constraints\":[{}]",
        [r#"{"if":{},"then":{}}"#; 65].join(",")
    );
    let params: Vec<String> = (0..=PARAMS_MAX)
        .map(|n| format!(r#""p{n}":{{"type":"int","init_value":1}}"#))
        .collect();
    let params = params.join(",");
    let items = vec!["1"; ITEMS_MAX + 1].join(",");
    for (text, member) in [
        // Not a document at all.
        ("".into(), ""),
        ("{".into(), ""),
        ("null".into(), ""),
        ("[]".into(), ""),
        ("{}".into(), "models"),
        (r#"{"models":[]}"#.into(), "models"),
        (r#"{"models":{}} x"#.into(), ""),
        (r#"{"models":{},"models":{}}"#.into(), "models"),
        (r#"{"models":{},"x":[{"y":1,"y":1}]}"#.into(), "x[0].y"),
        // Models.
        (r#"{"models":{"ab":{"params":{}}}}"#.into(), "models.ab"),
        (
            r#"{"models":{"a/\u0007":{"params":{}}}}"#.into(),
            r#"models."a/\u0007""#,
        ),
        (r#"{"models":{"a/b":{}}}"#.into(), M),
        (
            r#"{"models":{"a/b":{"params":{},"versions":["v1"]}}}"#.into(),
            M,
        ),
        (
            r#"{"models":{"a/b":{"versions":[]}}}"#.into(),
            r#"models."a/b".versions"#,
        ),
        (
            r#"{"models":{"a/b":{"versions":[1]}}}"#.into(),
            r#"models."a/b".versions[0]"#,
        ),
        (
            r#"{"models":{"a/b":{"params":[]}}}"#.into(),
            r#"models."a/b".params"#,
        ),
        (
            format!(r#"{{"models":{{"a/b":{{"params":{{{params}}}}}}}}}"#),
            r#"models."a/b".params"#,
        ),
        (
            format!(
                r#"{{"models":{{{}}}}}"#,
                (0..=PARAMS_MAX)
                    .map(|n| format!(r#""a/{n}":{{"params":{{}}}}"#))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
            r#"models."a/4096".params"#,
        ),
        // Names.
        (named(""), r#"models."a/b".params."""#),
        (named("."), r#"models."a/b".params.".""#),
        (named(".."), r#"models."a/b".params."..""#),
        (named("../x"), r#"models."a/b".params."../x""#),
        (named("/etc/passwd"), r#"models."a/b".params."/etc/passwd""#),
        (named("a=b"), r#"models."a/b".params."a=b""#),
        (named("a b"), r#"models."a/b".params."a b""#),
        (named("a\u{2003}b"), "models.\"a/b\".params.\"a\u{2003}b\""),
        (named("a\\u0000"), r#"models."a/b".params."a\u0000""#),
        (named(&long), &format!(r#"models."a/b".params.{long}"#)),
        // Members of a parameter.
        (
            r#"{"models":{"a/b":{"params":{"n":{"init_value":1}}}}}"#.into(),
            &format!("{N}.type"),
        ),
        (
            r#"{"models":{"a/b":{"params":{"n":{"type":"int"}}}}}"#.into(),
            &format!("{N}.init_value"),
        ),
        (
            r#"{"models":{"a/b":{"params":{"n":{"type":"float","init_value":1}}}}}"#.into(),
            &format!("{N}.type"),
        ),
        (
            r#"{"models":{"a/b":{"params":{"n":{"type":1,"init_value":1}}}}}"#.into(),
            &format!("{N}.type"),
        ),
        (int(r#","off_value":"1""#), &format!("{N}.off_value")),
        (int(r#","off_value":true"#), &format!("{N}.off_value")),
        (int(r#","off_value":null"#), &format!("{N}.off_value")),
        (int(r#","off_value":1.0"#), &format!("{N}.off_value")),
        (int(r#","off_value":1e3"#), &format!("{N}.off_value")),
        (int(r#","off_value":-0"#), &format!("{N}.off_value")),
        (int(r#","off_value":-1"#), &format!("{N}.off_value")),
        (
            int(r#","off_value":18446744073709551616"#),
            &format!("{N}.off_value"),
        ),
        (int(r#","runtime":1"#), &format!("{N}.runtime")),
        (int(r#","description":1"#), &format!("{N}.description")),
        // Value sets.
        (
            int(r#","allowed_values":[]"#),
            &format!("{N}.allowed_values"),
        ),
        (
            int(r#","allowed_values":1"#),
            &format!("{N}.allowed_values"),
        ),
        (
            int(r#","allowed_values":[1,"2"]"#),
            &format!("{N}.allowed_values[1]"),
        ),
        (
            int(r#","allowed_values":["5-1"]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":["1 - 5"]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":["1-5 "]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":["-1-5"]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":["+1-5"]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":["01-5"]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":["1-18446744073709551616"]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":["1-2-3"]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":["-"]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":[true]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(r#","allowed_values":[4.0]"#),
            &format!("{N}.allowed_values[0]"),
        ),
        (
            int(&format!(r#","allowed_values":[{items}]"#)),
            &format!("{N}.allowed_values"),
        ),
        // Constraints.
        (model(r#","constraints":{}"#), &format!("{M}.constraints")),
        (model(&constraints), &format!("{M}.constraints")),
        (
            model(r#","constraints":[{"if":{}}]"#),
            &format!("{M}.constraints[0].then"),
        ),
        (
            model(r#","constraints":[{"then":{}}]"#),
            &format!("{M}.constraints[0].if"),
        ),
        (
            model(r#","constraints":[{"if":{"x":[1]},"then":{}}]"#),
            &format!("{M}.constraints[0].if.x"),
        ),
        (
            model(r#","constraints":[{"if":{"b":[true]},"then":{"n":[]}}]"#),
            &format!("{M}.constraints[0].then.n"),
        ),
        (
            model(r#","constraints":[{"if":{"b":["on"]},"then":{}}]"#),
            &format!("{M}.constraints[0].if.b[0]"),
        ),
        // Profiles.
        (
            model(&format!(
                r#","profiles":[{}]"#,
                vec![r#"{"name":"v1","params":{}}"#; ITEMS_MAX + 1].join(",")
            )),
            &format!("{M}.profiles"),
        ),
        (model(r#","profiles":{}"#), &format!("{M}.profiles")),
        (
            model(r#","profiles":[{"params":{}}]"#),
            &format!("{M}.profiles[0].name"),
        ),
        (
            model(r#","profiles":[{"name":"v1"}]"#),
            &format!("{M}.profiles[0].params"),
        ),
        (
            model(r#","profiles":[{"name":"v1","params":{"n":1.5}}]"#),
            &format!("{M}.profiles[0].params.n"),
        ),
        (
            model(r#","profiles":[{"name":"v1","params":{}},{"name":"v1","params":{}}]"#),
            &format!("{M}.profiles[1].name"),
        ),
    ] {
        let error = parse(&text).unwrap_err();
        let shown = &text[..text.len().min(200)];
        assert_eq!(error.code, Code::Malformed, "{shown}");
        assert_eq!(
            error.member.as_deref().unwrap_or(""),
            member,
            "{shown}: {error}"
        );
        assert_eq!(error.path, "f.json");
    }
}

#[test]
fn limits_are_included() {
    let items = vec!["1"; ITEMS_MAX].join(",");
    parse(&int(&format!(r#","allowed_values":[{items}]"#))).unwrap();
    let params: Vec<String> = (0..PARAMS_MAX)
        .map(|n| format!(r#""p{n}":{{"type":"int","init_value":1}}"#))
        .collect();
    parse(&format!(
        r#"{{"models":{{"a/b":{{"params":{{{}}}}}}}}}"#,
        params.join(",")
    ))
    .unwrap();
    let constraints = [r#"{"if":{},"then":{}}"#; 64].join(",");
    parse(&model(&format!(",\"constraints\":[{constraints}]"))).unwrap();
    parse(&named(&"x".repeat(255))).unwrap();
    parse(&int(r#","off_value":18446744073709551615"#)).unwrap();
}

#[test]
fn bytes_that_are_no_text() {
    for text in [
        &b"{\"models\":{\"a/\xff\":{\"params\":{}}}}"[..],
        b"\xff\xfe{}",
        b"{\"models\":{\"a/b\\ud800\":{\"params\":{}}}}",
        b"{\"models\":{}}\0",
        b"\0",
    ] {
        assert_eq!(
            Document::parse(text, "f").unwrap_err().code,
            Code::Malformed
        );
    }
}

#[test]
fn a_truncated_document_says_so() {
    let text = int("");
    for end in 1..text.len() {
        let error = parse(&text[..end]).unwrap_err();
        assert!(error.message.contains("truncated"), "{end}: {error}");
    }
}

#[test]
fn oddities_are_warnings() {
    for (text, member) in [
        (
            int(r#","allowed_values":[2]"#),
            r#"models."a/b".params.n.init_value"#,
        ),
        (
            model(r#","profiles":[{"name":"v1","params":{"x":1}}]"#),
            r#"models."a/b".profiles[0]"#,
        ),
        (
            model(r#","profiles":[{"name":"v1","params":{"n":"1"}}]"#),
            r#"models."a/b".profiles[0]"#,
        ),
    ] {
        let document = parse(&text).unwrap();
        assert!(document.models["a/b"].profiles.is_empty());
        let members: Vec<_> = document
            .warnings
            .iter()
            .map(|w| w.member.as_deref())
            .collect();
        assert_eq!(members, [Some(member)], "{text}");
    }
    // Members that are not known are not even odd, whatever they hold.
    let text = model(r#","x":[1.5,-1,null,{"y":1e3}]"#);
    assert_eq!(parse(&text).unwrap().warnings, []);
}

#[test]
fn digests_do_not_depend_on_spelling() {
    let digest = |text: &str| Info::parse(text.as_bytes(), "f").unwrap().digest.unwrap();
    let a = digest(r#"{"models":{"a/b":{"params":{}}},"x":"\u0041\/"}"#);
    let b = digest("{ \"x\" : \"A/\",\n \"models\": {\"a/b\": {\"params\": {}}}}");
    assert_eq!(a, b);
    // sha256 of {"models":{"a/b":{"params":{}}},"x":"A/"}, by sha256sum.
    assert_eq!(
        a,
        "sha256:136986d0b86ada5b5139ce61e3d85234cdaf5b3937a5d64b665d51fc202ba7f8"
    );
}

#[test]
fn lists() {
    let long = "x".repeat(1025);
    let huge = "#".repeat(1 << 20);
    for (text, message) in [
        ("", "--model"),
        ("\n# comment\n", "--model"),
        ("n=1\n", "--model"),
        ("model: ab\n", "line 1"),
        ("model: \n", "line 1"),
        ("model:a/b\n", "line 1"),
        ("model: a/b\nn\n", "line 2: not NAME=VALUE"),
        ("model: a/b\n#n\n", "line 2: not NAME=VALUE"),
        ("model: a/b\nmodel: a/b\n", "line 2"),
        ("model: a/b\n\n# x\nn=1\nn=1\n", "line 5: n is given twice"),
        ("model: a/b\n=1\n", "line 2"),
        ("model: a/b\n n=1\n", "line 2"),
        ("model: a/b\n../n=1\n", "line 2"),
        ("model: a/b\n/n=1\n", "line 2"),
        ("model: a/b\n..=1\n", "line 2"),
        ("model: a/b\nn=a\0b\n", "line 2"),
        (&format!("model: a/b\nn={long}\n"), "line 2"),
        (&format!("model: a/b\n{huge}\n"), "1 MiB"),
        (r#"{"model":"a/b","params":{}}"#, "schema: missing"),
        (
            r#"{"schema":"vmig.params/2","model":"a/b","params":{}}"#,
            "schema: not vmig.params/1",
        ),
        (
            r#"{"schema":"vmig.params/1","params":{}}"#,
            "model: missing",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"ab","params":{}}"#,
            "model: not a device model",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b"}"#,
            "params: missing",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{"n":1.0}}"#,
            "params.n",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{"n":null}}"#,
            "params.n",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{"n":"a\nb"}}"#,
            "params.n",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{"../n":1}}"#,
            "params.\"../n\"",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{"n":1,"n":1}}"#,
            "params.n: given twice",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{"n":1},"off":{"n":0}}"#,
            "off.n",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{},"runtime":[1]}"#,
            "runtime[0]",
        ),
        (
            r#"{"schema":"vmig.params/1","model":"a/b","params":{},"device":{}}"#,
            "device.uuid",
        ),
    ] {
        let error = List::parse(text.as_bytes(), "l", None).unwrap_err();
        assert_eq!(error.code, Code::Malformed);
        assert!(error.to_string().contains(message), "{message}: {error}");
    }
    let error = List::parse(b"model: a/b\nn=1\n\n\xff\n", "l", None).unwrap_err();
    assert_eq!(error.message, "line 4: not UTF-8");
    let error = List::parse(b"model: a/b\n", "l", Some("a/c")).unwrap_err();
    assert_eq!(error.code, Code::Contradiction);
}

#[test]
fn lists_are_read_back() {
    let text = "model: a/b\n#x=\ncr=a\r\ne=\neq=a=b\nn=1\n";
    let list = List::parse(text.as_bytes(), "l", None).unwrap();
    assert_eq!(list.to_string(), text);
    assert_eq!(list.params["cr"].to_string(), "a\r");
    assert_eq!(list.params["eq"].to_string(), "a=b");
    // The last line may lack its end; what is ignored is ignored anywhere.
    let loose = "\n# list\nmodel: a/b\n\n#x=\ncr=a\r\n# more\ne=\neq=a=b\nn=1";
    assert_eq!(List::parse(loose.as_bytes(), "l", None).unwrap(), list);

    let json = r#"{"schema":"vmig.params/1","model":"a/b","params":{"b":true,"n":1,"s":"1"},"off":{"x":0},"runtime":["b"],"device":{"host":"h","parent":"p","type":"t","uuid":"83C3FB1A-0000-4000-8000-000000000001"}}"#;
    let list = List::parse(json.as_bytes(), "l", None).unwrap();
    let again = vmig::output::to_json(&list).unwrap();
    assert_eq!(List::parse(again.as_bytes(), "l", None).unwrap(), list);
    assert!(again.contains("83c3fb1a-0000"), "lower case out");
}
