// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Unmodified QEMUs as clients of vmig's devices.

#![forbid(unsafe_code)]

use guest::{Client, Test};

/// The clients, and what their QEMU's version starts with.
const VERSIONS: [(&str, &str); 3] = [
    ("bookworm", "7.2."),
    ("trixie", "10.0."),
    ("backports", "11."),
];

#[test]
fn clients_are_the_ones_that_are_meant() {
    let _test = Test::begin();
    for (name, start) in VERSIONS {
        let mut command = Client::enter(name).command("qemu-system-x86_64");
        let output = command.arg("--version").output().expect("chroot");
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.strip_prefix("QEMU emulator version ");
        assert!(
            version.is_some_and(|version| version.starts_with(start)),
            "{name}: {output:?}"
        );
        println!("{name}: {}", text.lines().next().unwrap_or_default());
    }
}

#[test]
#[should_panic(expected = "this VM has no client nowhere")]
fn missing_clients_are_told() {
    Client::enter("nowhere");
}
