// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Documents that are expensive in one way each: many small things of a kind, as many as there may
//! be, or more.

const DOCUMENT_MAX: usize = 16 << 20;

/// How large they are. A build that is not optimised gets small ones: what costs more than in
/// proportion shows in those, too.
pub(crate) const SIZE: usize = if cfg!(debug_assertions) {
    DOCUMENT_MAX / 32
} else {
    DOCUMENT_MAX
};

/// What a document of this size may have of everything that is counted: 4,096 parameters in 16 MiB.
const COUNT: usize = SIZE / 4096;

/// As many of `item(0)`, `item(1)` and so on, in commas, as fit into `room` bytes.
fn fill(room: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(room + 100);
    for n in 0.. {
        let item = item(n);
        if text.len() + item.len() + 1 > room {
            break;
        }
        if n > 0 {
            text.push(',');
        }
        text.push_str(&item);
    }
    text
}

/// `count` of `item(0)`, `item(1)` and so on, in commas.
fn row(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect::<Vec<_>>().join(",")
}

/// The model `a/b` with these parameters and other members.
fn model(params: &str, more: &str) -> String {
    format!(r#"{{"models":{{"a/b":{{"params":{{{params}}}{more}}}}}}}"#)
}

/// A member that no reader looks at.
fn ignored(inside: &str) -> String {
    format!(r#"{{"models":{{}},"x":[{inside}]}}"#)
}

fn ints(count: usize) -> String {
    row(count, |n| {
        format!(r#""n{n}":{{"type":"int","init_value":1,"off_value":0}}"#)
    })
}

/// Parameters with the same long set each.
fn sets(kind: &str, init: &str, set: &str) -> String {
    let param =
        |n| format!(r#""n{n}":{{"type":"{kind}","init_value":{init},"allowed_values":[{set}]}}"#);
    model(&fill(SIZE - 200, param), "")
}

/// The inventory of a host that offers these.
fn inventory(infos: impl Fn(usize) -> String) -> String {
    let offer = |n| {
        let info = infos(n);
        format!(r#"{{"parent":"p","type":"t-{n}","driver":"d","digest":"sha256:0","info":{info}}}"#)
    };
    format!(
        r#"{{"schema":"vmig.inventory/1","host":"h","boot_id":null,"time":"2026-11-22T18:00:00Z","vmig":"","kernel":"","implementations":[{}]}}"#,
        fill(SIZE - 400, offer)
    )
}

/// Constraints that are hard: items of a number of boxes less, each in a box, no two in the same.
fn pigeons(items: usize) -> String {
    let boxes = items - 1;
    let params = row(items, |n| {
        format!(r#""n{n}":{{"type":"int","init_value":1,"allowed_values":["1-{boxes}"]}}"#)
    });
    // Of 64 constraints, each is about one item and box, and all later items.
    let constraint = |n: usize| {
        let (item, this) = (n / boxes, n % boxes + 1);
        let others = (1..=boxes).filter(|other| *other != this);
        let rest = others.map(|other| other.to_string()).collect::<Vec<_>>();
        let rest = rest.join(",");
        let then = (item + 1..items).map(|other| format!(r#""n{other}":[{rest}]"#));
        let then = then.collect::<Vec<_>>().join(",");
        format!(r#"{{"if":{{"n{item}":[{this}]}},"then":{{{then}}}}}"#)
    };
    let constraints = row((boxes * boxes).min(64), constraint);
    model(&params, &format!(r#","constraints":[{constraints}]"#))
}

/// The documents, each with a name.
pub(crate) fn documents() -> Vec<(&'static str, String)> {
    let room = SIZE - 200;
    let all = |clause: &str| row(COUNT, |n| format!(r#""n{n}":[{clause}]"#));
    let constraint = format!(
        r#"{{"if":{{{}}},"then":{{"n1":["1-9"]}}}}"#,
        all(r#""0-9""#)
    );
    let profiles = row(SIZE / 256, |n| {
        format!(r#"{{"name":"p{n}","params":{{"n1":1}}}}"#)
    });
    let wide = format!(
        r#"{{"if":{{{}}},"then":{{{}}}}}"#,
        all(r#""0-9""#),
        all("1")
    );
    let values = row(COUNT, |n| format!(r#""n{n}":1"#));
    let full = |n| format!(r#"{{"name":"p{n}","params":{{{values}}}}}"#);
    let odd =
        r#"{"models":{"a/b":{"params":{"n":{"type":"int","init_value":1,"allowed_values":[2]}}}}}"#;
    let many = ints(COUNT);
    let items = SIZE / 256;
    vec![
        ("ints", ignored(&fill(room, |_| "1".to_owned()))),
        ("floats", ignored(&fill(room, |_| "1.5".to_owned()))),
        ("arrays", ignored(&fill(room, |_| "[1]".to_owned()))),
        ("empty arrays", ignored(&fill(room, |_| "[]".to_owned()))),
        ("objects", ignored(&fill(room, |_| "{\"a\":1}".to_owned()))),
        ("escapes", ignored(&fill(room, |_| "\"\\n\"".to_owned()))),
        ("one string", ignored(&format!("\"{}\"", "x".repeat(room)))),
        (
            "one key",
            ignored(&format!("{{\"{}\":1,\"a\":1,\"a\":1}}", "x".repeat(room))),
        ),
        ("nesting", "[".repeat(SIZE)),
        (
            "keys",
            ignored(&format!("{{{}}}", fill(room, |n| format!("\"{n:x}\":1")))),
        ),
        (
            "too long",
            ignored(&fill(DOCUMENT_MAX + 2000, |_| "1".repeat(1000))),
        ),
        (
            "models",
            format!(
                r#"{{"models":{{{}}}}}"#,
                fill(room, |n| format!(r#""a/{n}":{{"versions":["v"]}}"#))
            ),
        ),
        (
            "as many models",
            format!(
                r#"{{"models":{{{}}}}}"#,
                row(COUNT, |n| format!(r#""a/{n}":{{"versions":["v"]}}"#))
            ),
        ),
        ("parameters", model(&ints(COUNT + 4096), "")),
        ("as many parameters", model(&many, "")),
        (
            "the same int",
            sets("int", "1", &row(items, |_| "1".to_owned())),
        ),
        (
            "other ints",
            sets("int", "1", &row(items, |n| (2 * n).to_string())),
        ),
        (
            "strs",
            sets("str", "\"1\"", &row(items, |n| format!("\"{n:x}\""))),
        ),
        (
            "short strs",
            sets("str", "\"1\"", &row(900, |n| format!("\"{n:x}\""))),
        ),
        (
            "one set too long",
            sets("int", "1", &row((1 << 16) + 1, |_| "1".to_owned())),
        ),
        (
            "constraints and profiles",
            model(
                &many,
                &format!(
                    r#","constraints":[{}],"profiles":[{profiles}]"#,
                    vec![constraint; 64].join(",")
                ),
            ),
        ),
        (
            "a wide constraint",
            model(&many, &format!(r#","constraints":[{wide}]"#)),
        ),
        (
            "many constraints",
            model(
                &many,
                &format!(r#","constraints":[{}]"#, vec![wide.as_str(); 65].join(",")),
            ),
        ),
        (
            "full profiles",
            model(&many, &format!(r#","profiles":[{}]"#, fill(SIZE / 2, full))),
        ),
        ("pigeons", pigeons(9)),
        (
            "implementations",
            inventory(|_| r#"{"models":{}}"#.to_owned()),
        ),
        (
            "equal implementations",
            inventory(|n| {
                format!(
                    r#"{{"models":{{"a/b":{{"params":{{{}}}}}}}}}"#,
                    ints(n % 100 + 50)
                )
            }),
        ),
        ("odd implementations", inventory(|_| odd.to_owned())),
        (
            "full implementations",
            inventory(|_| model(&ints(4000), "")),
        ),
    ]
}
