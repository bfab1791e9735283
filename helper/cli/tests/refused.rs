// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Input that is refused: malformed documents and lists, limits, contradictions. Each row says what
//! the command exits with and what it prints, and the command is run as a process with at most 2
//! seconds of CPU and 256 MiB beyond its input.

use std::{
    fs,
    path::Path,
    process::Command, //
};

/// A build that is not optimised gets more time for the same work.
const SECONDS: u32 = if cfg!(debug_assertions) { 20 } else { 2 };

/// What the address space may have beyond the input, in KiB.
const MEMORY: u64 = 256 << 10;

/// Runs `vmig` in `directory` under the limits: exit status, and all that it prints.
fn run(directory: &Path, words: &[&str]) -> (Option<i32>, String) {
    let input: u64 = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let memory = MEMORY + (input >> 10);
    let limits = format!("ulimit -t {SECONDS} && ulimit -v {memory} && exec \"$@\" 2>&1");
    let output = Command::new("sh")
        .args(["-c", &limits, "sh", env!("CARGO_BIN_EXE_vmig")])
        .args(words)
        .args(["--sysfs-root", "."])
        .current_dir(directory)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), said)
}

/// Files by name, in a directory of their own.
fn files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

const LIST: &[u8] = b"model: a/b\nn=1\n";

const GOOD: &[u8] =
    br#"{"models":{"a/b":{"params":{"n":{"type":"int","init_value":1,"allowed_values":[1,2]}}}}}"#;

/// An int parameter `n` of the model `a/b`, with these members.
fn int(members: &str) -> String {
    param("n", &format!(r#""type":"int","init_value":1{members}"#))
}

/// A parameter of the model `a/b`.
fn param(name: &str, members: &str) -> String {
    format!(r#"{{"models":{{"a/b":{{"params":{{"{name}":{{{members}}}}}}}}}}}"#)
}

/// The model `a/b` with a bool, an int and these members.
fn model(members: &str) -> String {
    let b = r#""b":{"type":"bool","init_value":true,"off_value":false}"#;
    let n = r#""n":{"type":"int","init_value":1,"off_value":0}"#;
    format!(r#"{{"models":{{"a/b":{{"params":{{{b},{n}}}{members}}}}}}}"#)
}

/// As many int parameters.
fn params(n: usize) -> String {
    let param = |n| format!(r#""p{n}":{{"type":"int","init_value":1}}"#);
    (0..n).map(param).collect::<Vec<_>>().join(",")
}

fn nested(n: usize) -> String {
    // The outermost object counts as one.
    let (open, close) = ("[".repeat(n - 1), "]".repeat(n - 1));
    format!(r#"{{"models":{{}},"x":{open}{close}}}"#)
}

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

/// Documents that are well formed, and cannot both be true.
#[test]
fn contradictions() {
    let off = |off: u32| int(&format!(r#","off_value":{off},"allowed_values":["0-4"]"#));
    let profile = |n: u32| {
        model(&format!(
            r#","profiles":[{{"name":"v1","params":{{"n":{n}}}}}]"#
        ))
        .replace(
            r#""off_value":0"#,
            r#""off_value":0,"allowed_values":["0-4"]"#,
        )
    };
    let inventory = |time: &str, info: &str| {
        format!(
            r#"{{"schema":"vmig.inventory/1","host":"h","boot_id":null,"time":"{time}","vmig":"0","kernel":"7","implementations":[{{"parent":null,"type":null,"driver":"d","digest":"","info":{info}}}]}}"#
        )
    };
    let forth =
        model(r#","profiles":[{"name":"v1","params":{"b":true}},{"name":"v2","params":{}}]"#);
    let back =
        model(r#","profiles":[{"name":"v2","params":{}},{"name":"v1","params":{"b":true}}]"#);
    let other_model = GOOD.to_vec();
    let other_model = String::from_utf8(other_model)
        .unwrap()
        .replace("a/b", "a/c");
    let text = param(
        "n",
        r#""type":"str","init_value":"1","allowed_values":["1","2"]"#,
    );
    let (one, two) = ("2026-11-22T18:00:00Z", "2026-11-22T19:00:00Z");
    let good = String::from_utf8(GOOD.to_vec()).unwrap();
    let wide = good.replace("[1,2]", "[1,2,3]");
    let baseline: &[&str] = &["baseline", "x.json", "y.json"];
    let label: &[&str] = &["label", "x.json", "y.json"];
    let lists: &[&str] = &["compare", "list", "list", "--in", "z.json"];
    for (x, y, words, status, says) in [
        // Both sources are named.
        (
            &off(0),
            &off(2),
            baseline,
            3,
            "vmig: y.json: off_value of n is 2, but 0 in x.json",
        ),
        (&off(0), &off(0), baseline, 0, "# compatible with 2 hosts"),
        (
            &profile(1),
            &profile(2),
            baseline,
            3,
            "vmig: y.json: profile v1 has other parameters in x.json",
        ),
        (
            &profile(1),
            &profile(2),
            label,
            3,
            "vmig: y.json: profile v1 has other parameters in x.json",
        ),
        (
            &profile(1),
            &profile(2),
            lists,
            3,
            "vmig: z.json#2: profile v1 has other parameters in z.json#1",
        ),
        (
            &forth,
            &back,
            baseline,
            3,
            "vmig: x.json: profile v1 is older and newer than others in y.json",
        ),
        (
            &forth,
            &back,
            label,
            3,
            "vmig: x.json: profile v1 is older and newer than others in y.json",
        ),
        (
            &forth,
            &back,
            lists,
            3,
            "vmig: z.json#1: profile v1 is older and newer than others in z.json#2",
        ),
        // A list that has the name of a profile, but is another one.
        (
            &forth,
            &forth,
            &["label", "x.json", "--list", "v1=list"],
            3,
            "vmig: x.json: the list v1 has the name of a profile, but other parameters",
        ),
        // Contradicting types are an ordinary conflict, and so is a value that nobody knows.
        (&good, &text, baseline, 1, "# x.json accepts n: "),
        (
            &good,
            &wide,
            &["baseline", "x.json", "--require", "n=x"],
            1,
            "# x.json accepts n: ",
        ),
        (
            &good,
            &wide,
            &["baseline", "x.json", "--require", "other=1"],
            1,
            "# no list for 1 hosts",
        ),
        // One host at one time.
        (
            &inventory(one, &good),
            &inventory(one, &wide),
            baseline,
            3,
            "vmig: x.json: host h is described otherwise, for the same time, in y.json",
        ),
        (
            &inventory(one, &good),
            &inventory(one, &wide),
            label,
            3,
            "vmig: x.json: host h is described otherwise, for the same time, in y.json",
        ),
        (
            &inventory(one, &good),
            &inventory(two, &wide),
            baseline,
            0,
            "vmig: warning: x.json: stale: host h is described later in y.json",
        ),
        // A list for another model.
        (
            &good,
            &wide,
            &["check", "--from", "list", "--model", "a/c", "x.json"],
            3,
            "vmig: list: the list is for a/b, not for a/c",
        ),
        (
            &other_model,
            &wide,
            &["compare", "list", "list", "--in", "x.json"],
            3,
            "vmig: x.json: nothing here is a a/b",
        ),
        (
            &good,
            &other_model,
            &["compare", "x.json", "y.json"],
            1,
            "disjoint: ",
        ),
        // What the command line contradicts.
        (
            &good,
            &wide,
            &["baseline", "x.json", "--prefer", "n=1", "--prefer", "n=2"],
            2,
            "vmig: --prefer n is given twice",
        ),
        (
            &good,
            &wide,
            &["baseline", "x.json", "--require", "n=1", "--require", "n=1"],
            2,
            "vmig: --require n is given twice",
        ),
        (
            &good,
            &wide,
            &["baseline", "x.json", "--prefer", "n"],
            2,
            "vmig: ",
        ),
        (
            &good,
            &wide,
            &["label", "x.json", "--list", "a=list", "--list", "a=list"],
            2,
            "vmig: --list a is given twice",
        ),
        (
            &good,
            &wide,
            &["baseline", "x.json", "--max-age", "1y"],
            2,
            "vmig: ",
        ),
        (
            &good,
            &wide,
            &["compare", "-", "-"],
            2,
            "vmig: standard input can be read once only",
        ),
        (
            &good,
            &wide,
            &["plan", "--from", "-", "-"],
            2,
            "vmig: standard input can be read once only",
        ),
        (
            &good,
            &wide,
            &["compare", "list", "list", "--in", "no.json"],
            4,
            "vmig: no.json: ",
        ),
        (
            &good,
            &wide,
            &["baseline", "x.json", "no.json"],
            4,
            "vmig: no.json: ",
        ),
        (&good, &wide, &["label"], 4, ""),
        (&good, &wide, &["baseline"], 4, ""),
    ] {
        let both = format!("{x}{y}");
        let directory = files([
            ("x.json", x.as_bytes()),
            ("y.json", y.as_bytes()),
            ("z.json", both.as_bytes()),
            ("list", LIST),
        ]);
        let (found, said) = run(directory.path(), words);
        assert_eq!(found, Some(status), "{words:?} {x} {y}: {said}");
        assert!(
            says.is_empty() || said.lines().any(|line| line.starts_with(says)),
            "{words:?} {x} {y}: {said}"
        );
    }
}

/// A model whose constraints are as hard as they get: more pigeons than holes, and before that many
/// decisions that do not matter.
fn pigeons(pigeons: usize, holes: usize, decisions: usize, from: usize) -> String {
    let others = |hole: usize| {
        let low = (hole > 1).then(|| format!("\"1-{}\"", hole - 1));
        let high = (hole < holes).then(|| format!("\"{}-{holes}\"", hole + 1));
        low.into_iter().chain(high).collect::<Vec<_>>().join(",")
    };
    let (mut params, mut constraints) = (Vec::new(), Vec::new());
    for n in 0..decisions {
        let (decision, pigeon, hole) = (10 + n, 10 + n % pigeons, 1 + n / pigeons);
        params.push(format!(
            r#""a{decision}":{{"type":"bool","init_value":true,"off_value":false}}"#
        ));
        constraints.push(format!(
            r#"{{"if":{{"a{decision}":[true]}},"then":{{"p{pigeon}":[{}]}}}}"#,
            others(hole)
        ));
    }
    for n in 10..10 + pigeons {
        params.push(format!(
            r#""p{n}":{{"type":"int","init_value":1,"allowed_values":["1-{holes}"]}}"#
        ));
        for hole in 1..=holes {
            let then: Vec<String> = (n + 1..10 + pigeons)
                .map(|other| format!(r#""p{other}":[{}]"#, others(hole)))
                .collect();
            if !then.is_empty() {
                constraints.push(format!(
                    r#"{{"if":{{"p{n}":[{hole}]}},"then":{{{}}}}}"#,
                    then.join(",")
                ));
            }
        }
    }
    let constraints: Vec<String> = constraints.into_iter().skip(from).take(64).collect();
    format!(
        r#"{{"models":{{"a/b":{{"params":{{{}}},"constraints":[{}]}}}}}}"#,
        params.join(","),
        constraints.join(",")
    )
}

/// Constraints beyond the work limit: it is said quickly that there is no answer.
#[test]
fn too_complex() {
    let (hard, less) = (pigeons(8, 7, 15, 0), pigeons(8, 7, 15, 1));
    let list = "model: a/b\na10=on\n";
    let directory = files([
        ("x.json", hard.as_bytes()),
        ("y.json", less.as_bytes()),
        ("good.json", GOOD),
        ("list", list.as_bytes()),
    ]);
    let says = "beyond the work limit";
    for (words, status, says) in [
        (
            &["baseline", "x.json"][..],
            3,
            format!("vmig: x.json: the constraints of a/b are {says}"),
        ),
        (
            &["baseline", "x.json", "y.json", "--each"],
            3,
            format!("vmig: x.json: the constraints of a/b are {says}"),
        ),
        (
            &["compare", "x.json", "y.json"],
            3,
            format!("vmig: x.json: the constraints of a/b are {says}"),
        ),
        (
            &["plan", "--from", "list", "x.json"],
            3,
            format!("    a/b: its constraints are {says}"),
        ),
        // Others are judged as ever.
        (
            &["plan", "--from", "list", "x.json", "good.json"],
            3,
            "incompatible  1 ".to_owned(),
        ),
        (
            &["check", "--from", "list", "x.json"],
            1,
            "    cannot_disable p10".to_owned(),
        ),
        (&["label", "x.json"], 0, "v1-".to_owned()),
    ] {
        let (found, said) = run(directory.path(), words);
        assert_eq!(found, Some(status), "{words:?}: {said}");
        assert!(
            said.lines().any(|line| line.starts_with(&says)),
            "{words:?}: {said}"
        );
    }
    let (_, said) = run(directory.path(), &["label", "x.json", "-o", "json"]);
    assert!(said.contains("\"exact\": false"), "{said}");
    let (_, said) = run(directory.path(), &["baseline", "x.json", "-o", "json"]);
    assert!(said.contains("\"code\": \"too_complex\""), "{said}");
}
