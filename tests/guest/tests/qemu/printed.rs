// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What `vmig commands --tool qemu` prints, executed as the README has it.

use guest::contents::LIST;
use guest::qemu::cards::Card;
use guest::qemu::{Attach, Setup, QEMU_10, SLOT};
use guest::{uuid, Client, Mdev, Test, Type};

use crate::LONG;

/// Moves a card to a QEMU that is started with what is printed.
fn moved(attach: Attach, words: &[&str]) {
    let _test = Test::begin_within(LONG);
    let client = Client::enter(QEMU_10.client);
    client.install();
    let mdev = Type::default_parent("serial-var").new_device_with(LIST);
    let other = Mdev::existing(&uuid());
    let list = client.done(&["vmig", "params", mdev.uuid()], "");
    let addr = format!("{SLOT:02x}.0");
    let to = ["--from", "/dev/stdin", "--to", "vmig/vmig-serial-var"];
    let tool = ["--uuid", other.uuid(), "--tool", "qemu", "--addr", &addr];
    let words = [&["vmig", "commands"], &to[..], &tool, words].concat();
    let script = client.done(&words, &list);

    let setup = Setup::new(QEMU_10, attach);
    let mut source = setup.start(&mdev).expect("source");
    Card::find(&source.qtest).fill();
    let mut destination = setup.start_by(&script).expect("destination");
    assert_eq!(other.params(), mdev.params());
    source.migrate(&mut destination);
    Card::find(&destination.qtest).check();
    source.quit();
    destination.quit();
}

#[test]
fn what_is_printed_opens_the_group() {
    moved(Attach::Group, &[]);
}

#[test]
fn what_is_printed_opens_the_node() {
    moved(Attach::Cdev, &["--attach", "cdev"]);
}
