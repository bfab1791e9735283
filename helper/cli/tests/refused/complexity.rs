// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Constraints beyond the work limit.

use crate::{
    files,
    run,
    GOOD, //
};

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

/// Constraints beyond the work limit: it is said quickly that there is no answer, or quickly what it
/// is, but never anything else.
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
    let refused = "vmig: x.json: the constraints of a/b are beyond the work limit";
    let unknown = "    a/b: its constraints are beyond the work limit";
    let mut beyond = 0;
    for (words, limit, status, says) in [
        (
            &["baseline", "x.json"][..],
            refused,
            1,
            "# no list for 1 hosts",
        ),
        (
            &["baseline", "x.json", "y.json", "--each"],
            refused,
            1,
            "# no list for 2 hosts",
        ),
        (&["compare", "x.json", "y.json"], refused, 0, "identical: "),
        (
            &["plan", "--from", "list", "x.json"],
            unknown,
            1,
            "incompatible  1     - ",
        ),
    ] {
        let (found, said) = run(directory.path(), words);
        let has = |start: &str| said.lines().any(|line| line.starts_with(start));
        let is_beyond = found == Some(3) && has(limit);
        let is_answer = found == Some(status) && has(says);
        assert!(is_beyond || is_answer, "{words:?}: {found:?}: {said}");
        beyond += u32::from(is_beyond);
    }
    assert!(beyond > 0, "these constraints are not hard enough any more");
    for (words, status, says) in [
        // These do not search.
        (
            &["check", "--from", "list", "x.json"][..],
            1,
            "    cannot_disable p10",
        ),
        (&["label", "x.json"], 0, "v1-"),
        // Others are judged as ever.
        (
            &["plan", "--from", "list", "x.json", "good.json"],
            3,
            "incompatible  1 ",
        ),
    ] {
        let (found, said) = run(directory.path(), words);
        assert_eq!(found, Some(status), "{words:?}: {said}");
        assert!(
            said.lines().any(|line| line.starts_with(says)),
            "{words:?}: {said}"
        );
    }
    let (_, said) = run(directory.path(), &["label", "x.json", "-o", "json"]);
    assert!(said.contains("\"exact\": false"), "{said}");
    let (_, said) = run(directory.path(), &["baseline", "x.json", "-o", "json"]);
    assert!(
        said.contains("\"code\": \"too_complex\"") || said.contains("\"conflict\""),
        "{said}"
    );
}
