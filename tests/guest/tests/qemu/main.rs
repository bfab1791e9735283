// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Unmodified QEMUs as clients of vmig's devices, each with its processor halted.

#![forbid(unsafe_code)]

mod cancelled;
mod killed;
mod live;
mod printed;
mod refused;
mod two;

use std::time::Duration;

use guest::qemu::{QEMU_10, QEMU_11, QEMU_7};
use guest::{Client, Test};

/// What a test may take: each starts many QEMUs, which are emulated on a machine that may be emulated.
const LONG: Duration = Duration::from_secs(600);

#[test]
fn clients_are_the_ones_that_are_meant() {
    let _test = Test::begin_within(LONG);
    for version in [QEMU_7, QEMU_10, QEMU_11] {
        let mut command = Client::enter(version.client).command("qemu-system-x86_64");
        let output = command.arg("--version").output().expect("chroot");
        let text = String::from_utf8_lossy(&output.stdout);
        let number = text.strip_prefix("QEMU emulator version ");
        assert!(
            number.is_some_and(|number| number.starts_with(version.number)),
            "{}: {output:?}",
            version.client
        );
        println!(
            "{}: {}",
            version.client,
            text.lines().next().unwrap_or_default()
        );
    }
}

#[test]
#[should_panic(expected = "this VM has no client nowhere")]
fn missing_clients_are_told() {
    Client::enter("nowhere");
}
