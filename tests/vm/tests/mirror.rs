// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `build-root --mirror` finds the Debian mirror in whatever apt is configured with.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the script prints for files with these texts.
fn mirror(files: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("build-root"));
    command.arg("--mirror");
    for (index, text) in files.iter().enumerate() {
        let file = dir.path().join(index.to_string());
        fs::write(&file, text).unwrap();
        command.arg(file);
    }
    let output = command.arg(dir.path().join("missing")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end()
        .to_owned()
}

const STANZA: &str =
    "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm bookworm-updates\n\
    Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";

#[test]
fn one_line_files() {
    for (text, expected) in [
        (
            "deb http://a.example/debian bookworm main\n",
            "http://a.example/debian",
        ),
        (
            "deb https://a.example/debian/ stable main\n",
            "https://a.example/debian/",
        ),
        (
            "deb [arch=amd64 signed-by=/k] http://a.example/debian trixie main\n",
            "http://a.example/debian",
        ),
        (
            "deb\thttp://p.example:3142/a.example/debian\tsid main\n",
            "http://p.example:3142/a.example/debian",
        ),
        (
            "deb http://a.example/debian bookworm-updates main\n",
            "http://a.example/debian",
        ),
        ("# deb http://a.example/debian bookworm main\n", ""),
        ("deb-src http://a.example/debian bookworm main\n", ""),
        (
            "deb http://a.example/debian-security bookworm-security main\n",
            "",
        ),
        ("deb http://a.example/apt cloud-sdk-bookworm main\n", ""),
        ("deb http://vendor.example/debian vendor main\n", ""),
        ("deb cdrom:[Debian]/debian bookworm main\n", ""),
        ("deb file:/mnt/debian bookworm main\n", ""),
    ] {
        assert_eq!(mirror(&[text]), expected, "{text}");
    }
}

#[test]
fn deb822_files() {
    let foreign =
        "Types: deb\nURIs: https://vendor.example/node\nSuites: nodistro\nComponents: main\n";
    for (text, expected) in [
        (STANZA.to_owned(), "http://a.example/debian"),
        (format!("{foreign}\n{STANZA}"), "http://a.example/debian"),
        (
            format!("# a comment\n{STANZA}\n{foreign}"),
            "http://a.example/debian",
        ),
        (STANZA.replace("deb\n", "deb-src\n"), ""),
        (
            STANZA.replace("deb\n", "deb-src deb\n"),
            "http://a.example/debian",
        ),
        (format!("Enabled: no\n{STANZA}"), ""),
        (format!("{STANZA}Enabled: yes\n"), "http://a.example/debian"),
        (
            STANZA.replace("URIs: ", "URIs:\n http://b.example/debian-security\n "),
            "http://a.example/debian",
        ),
        (STANZA.replace("/debian\n", "/debian-security\n"), ""),
        (
            STANZA.replace("Suites: bookworm bookworm-updates", "Suites: vendor"),
            "",
        ),
        (foreign.to_owned(), ""),
    ] {
        assert_eq!(mirror(&[&text]), expected, "{text}");
    }
}

#[test]
fn files_do_not_run_into_each_other() {
    // The first one has no empty line at its end.
    let first = "Types: deb\nURIs: http://vendor.example/debian\nSuites: vendor";
    assert_eq!(mirror(&[first, "Suites: bookworm\n"]), "");
    assert_eq!(mirror(&[first, STANZA]), "http://a.example/debian");
    assert_eq!(mirror(&[]), "");
}
