// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Inputs that are well formed and contradict each other, or the command line.

use crate::{
    files,
    int,
    model,
    param,
    run,
    GOOD,
    LIST, //
};

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
