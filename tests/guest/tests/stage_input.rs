// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Bad input to `stage`: each fault has its errno, and changes nothing.

use guest::staged::{world, Entry};
use guest::{sysfs, uuid, Test, Type};
use vmig_vfio::Errno;

fn var() -> Type {
    Type::default_parent("serial-var")
}

/// Everything that a line can do wrong, one fault at a time. `UUID` stands for a fresh one.
const BAD: &[(Errno, &str)] = &[
    (Errno::ENOENT, "UUID ports=2 no-such=1"),
    (Errno::ENOENT, "UUID ports=2 Fifo-Size=64"),
    (Errno::ENOENT, "UUID ports=2 num-queues=4"),
    (Errno::ENODATA, "UUID"),
    (Errno::ENODATA, "UUID\n"),
    (Errno::ENODATA, "UUID fifo-size=64"),
    (Errno::ERANGE, "UUID ports=0"),
    (Errno::ERANGE, "UUID ports=3"),
    (Errno::ERANGE, "UUID ports=2 fifo-size=32"),
    (Errno::ERANGE, "UUID ports=18446744073709551615"),
    (Errno::EDOM, "UUID ports=2 auto-flow=on"),
    (Errno::EDOM, "UUID ports=2 fifo-size=16 auto-flow=on"),
    (Errno::EINVAL, "\n"),
    (Errno::EINVAL, " "),
    (Errno::EINVAL, "ports=2"),
    (Errno::EINVAL, "not-a-uuid ports=2"),
    (Errno::EINVAL, "00000000-0000-0000-0000-00000000000 ports=2"),
    (
        Errno::EINVAL,
        "00000000-0000-0000-0000-0000000000000 ports=2",
    ),
    (
        Errno::EINVAL,
        "0000000000000-0000-0000-00000000-000 ports=2",
    ),
    (
        Errno::EINVAL,
        "g0000000-0000-0000-0000-000000000000 ports=2",
    ),
    (Errno::EINVAL, "{UUID} ports=2"),
    (Errno::EINVAL, "UUID,ports=2"),
    (Errno::EINVAL, "UUIDports=2"),
    (Errno::EINVAL, " UUID ports=2"),
    (Errno::EINVAL, "UUID ports"),
    (Errno::EINVAL, "UUID ports="),
    (Errno::EINVAL, "UUID =2"),
    (Errno::EINVAL, "UUID ports=2="),
    (Errno::EINVAL, "UUID ports==2"),
    (Errno::EINVAL, "UUID ports=2 ports=2"),
    (Errno::EINVAL, "UUID ports=2 ports=1"),
    (Errno::EINVAL, "UUID ports=02"),
    (Errno::EINVAL, "UUID ports=+2"),
    (Errno::EINVAL, "UUID ports=-2"),
    (Errno::EINVAL, "UUID ports=0x2"),
    (Errno::EINVAL, "UUID ports=2.0"),
    (Errno::EINVAL, "UUID ports=2e0"),
    (Errno::EINVAL, "UUID ports=\"2\""),
    (Errno::EINVAL, "UUID ports=two"),
    (Errno::EINVAL, "UUID ports=on"),
    (Errno::EINVAL, "UUID ports=2\tfifo-size=64"),
    (Errno::EINVAL, "UUID ports=2 line-stats=1"),
    (Errno::EINVAL, "UUID ports=2 line-stats=true"),
    (Errno::EINVAL, "UUID ports=2 line-stats=ON"),
    (Errno::EINVAL, "UUID ports=2 line-stats=yes"),
    (Errno::EINVAL, "UUID ports=2 line-stats="),
    (Errno::EINVAL, "UUID ports=2\n\n"),
    (Errno::EINVAL, "UUID ports=2\nUUID ports=2\n"),
    (Errno::EINVAL, "UUID\nports=2\n"),
    (Errno::EINVAL, "UUID ports=2\r\n"),
    (Errno::EINVAL, "UUID ports=2\0"),
    (Errno::EINVAL, "UUID ports=2\0 no-such=1"),
    (Errno::EINVAL, "\0UUID ports=2"),
];

/// Names that must never become a part of a path, wherever they end.
const PATHS: &[&str] = &[
    "../x=1",
    "/etc/passwd=1",
    "../../stage=1",
    "./ports=2",
    "..=1",
    ".=1",
    "a/b=1",
];

#[test]
fn what_is_refused_has_its_errno_and_changes_nothing() {
    let _test = Test::begin();
    let kind = var();
    let witness = Entry::new(&kind, "ports=1");
    let before = world();
    for (errno, line) in BAD {
        let line = line.replace("UUID", &uuid());
        assert_eq!(kind.stage(&line), Err(*errno), "{line:?}");
        assert_eq!(world(), before, "{line:?}");
    }
    for name in PATHS {
        let answer = kind.stage(format!("{} ports=2 {name}", uuid()));
        assert!(
            matches!(answer, Err(Errno::ENOENT | Errno::EINVAL)),
            "{name}: {answer:?}"
        );
        assert_eq!(world(), before, "{name}");
    }
    drop(witness);
}

#[test]
fn a_number_beyond_64_bits_is_refused() {
    let _test = Test::begin();
    let before = world();
    for number in [
        "18446744073709551616",
        "99999999999999999999999999",
        &"9".repeat(1000),
    ] {
        let answer = var().stage(format!("{} ports={number}", uuid()));
        assert!(
            matches!(answer, Err(Errno::EINVAL | Errno::ERANGE)),
            "{number}: {answer:?}"
        );
        assert_eq!(world(), before);
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_refused() {
    let _test = Test::begin();
    let before = world();
    for bytes in [
        &b"\xff"[..],
        b"ports=2 \xc3\x28=1",
        b"ports=2 line-stats=\xff",
        b"ports=2 \xed\xa0\x80=1",
    ] {
        let line = [uuid().as_bytes(), b" ", bytes].concat();
        assert_eq!(var().stage(&line), Err(Errno::EINVAL), "{bytes:x?}");
        assert_eq!(world(), before);
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_as_a_whole() {
    let _test = Test::begin();
    let kind = var();
    let before = world();
    let line = format!("{} ports=2 fifo-size=64", uuid());
    for size in [4096, 4097, 8192, 65536, 1 << 20] {
        // A good line, then padding: sysfs cuts at the page, and nothing of it must be taken.
        for padding in [b' ', b'\n', b'x', 0, 0xff] {
            let mut bytes = line.clone().into_bytes();
            bytes.resize(size, padding);
            assert_eq!(
                kind.stage(&bytes),
                Err(Errno::E2BIG),
                "{size} bytes, padding {padding:#x}"
            );
            assert_eq!(world(), before);
        }
    }
    // Just short of a page is judged by its content.
    let mut bytes = line.into_bytes();
    bytes.resize(4095, b'\n');
    assert_eq!(kind.stage(&bytes), Err(Errno::EINVAL));
    assert_eq!(world(), before);
}

#[test]
fn a_second_write_to_the_same_file_is_not_a_continuation() {
    use std::io::Write;

    let _test = Test::begin();
    let kind = var();
    let before = world();
    let open = || {
        std::fs::File::options()
            .write(true)
            .open(kind.path("migration/stage"))
            .unwrap()
    };
    let mut file = open();
    let id = uuid();
    // As a shell's printf would do, line by line: the first one is complete and lacks `ports`.
    let first = file.write(format!("{id} fifo-size=64\n").as_bytes());
    assert_eq!(first.map_err(sysfs::errno), Err(Errno::ENODATA));
    assert_eq!(world(), before);
    let mut file = open();
    let _entry = Entry::of(&kind, id.clone());
    assert!(file.write(format!("{id} ports=1\n").as_bytes()).is_ok());
    let after = world();
    // The offset is not 0 any more.
    let second = file.write(format!("{} ports=1\n", uuid()).as_bytes());
    assert_eq!(second.map_err(sysfs::errno), Err(Errno::EINVAL));
    assert_eq!(world(), after);
}
