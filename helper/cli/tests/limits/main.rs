// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Documents of the largest size, made to cost as much as they can: the helper answers, quickly, and
//! with 256 MiB beyond the input.

mod documents;

use std::{
    fs,
    path::Path,
    process::Command, //
};

use self::documents::{
    documents,
    SIZE, //
};

/// Memory in KiB: 256 MiB beyond a document of the largest size. A build that is not optimised gets
/// documents of a part of that, and as much for each byte of them; what is there before anything
/// is read does not shrink.
const MEMORY: usize = if cfg!(debug_assertions) {
    (40 << 10) + 17 * (SIZE >> 10)
} else {
    (256 << 10) + (SIZE >> 10)
};

/// CPU time in seconds. A build that is not optimised takes many times as long until the work limit
/// of the search is reached, which does not shrink with the document.
const SECONDS: usize = if cfg!(debug_assertions) { 30 } else { 2 };

#[test]
fn documents_of_the_largest_size() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (list, other) = (at("list"), at("other.json"));
    fs::write(&list, "model: a/b\nn1=1\n").unwrap();
    let plain = r#"{"models":{"a/b":{"params":{"n1":{"type":"int","init_value":1}}}}}"#;
    fs::write(&other, plain).unwrap();
    let (list, other) = (path(&list), path(&other));
    for (name, text) in documents() {
        let file = at("document.json");
        fs::write(&file, &text).unwrap();
        let file = path(&file);
        for words in [
            &["info", file][..],
            &["info", file, "-o", "json"],
            &["check", "--from", list, file],
            &["check", "--from", list, file, "-o", "json"],
            &["plan", "--from", list, file, "-o", "json"],
            &["label", file, "-o", "json"],
            &["baseline", file, "-o", "json"],
            &["compare", file, other],
            &["compare", other, file],
        ] {
            run(name, words);
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(name: &str, words: &[&str]) {
    let limits = format!("ulimit -t {SECONDS} && ulimit -v {MEMORY} && exec \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limits, "sh", env!("CARGO_BIN_EXE_vmig")])
        .args(words)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let status = output.status.code();
    assert!(
        [Some(0), Some(1), Some(3), Some(4)].contains(&status),
        "{name}: {words:?}: {status:?}: {said}"
    );
    assert!(said.len() < 10_000, "{name}: {words:?}: {said}");
}
