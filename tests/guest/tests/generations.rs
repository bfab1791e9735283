// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! State moves between an older and a newer generation of the driver, where the parameter list
//! allows it, and is refused by name where it does not; streams of newer minor versions and of
//! earlier days load on both.

use std::collections::BTreeMap;

use guest::contents::fill;
use guest::stream::{load, save, Record, Stream, MANDATORY};
use guest::{Mdev, Parent, Test, Type};
use vmig_vfio::{Attach, Device, Errno, State};

/// A parent of each generation.
struct Two {
    parents: [Parent; 2],
}

impl Two {
    fn new() -> Self {
        Self {
            parents: [Parent::live("older", 1), Parent::live("newer", 2)],
        }
    }

    fn old(&self, kind: &str) -> Type {
        self.parents[0].kind(kind)
    }

    fn new_one(&self, kind: &str) -> Type {
        self.parents[1].kind(kind)
    }
}

/// Loads a stream; the device is reset if it refuses.
fn offer(device: &Device, stream: &[u8]) -> Result<(), Errno> {
    let loaded = load(device, stream).map(drop);
    loaded.map_err(|error| error.errno().expect("the device has refused"))
}

/// Every list that both generations accept, with its type.
const COMMON: [(&str, &str); 4] = [
    ("serial-1", "ports=1"),
    ("serial-2", "ports=2"),
    ("serial-var", "ports=1"),
    ("serial-var", "ports=2"),
];

#[test]
fn to_the_newer_one_and_back() {
    let _test = Test::begin();
    let two = Two::new();
    for (kind, list) in COMMON {
        for attach in [Attach::Cdev, Attach::Group] {
            let old = two.old(kind).new_device_with(list);
            let new = two.new_one(kind).new_device_with(list);
            assert_eq!(old.params().len(), 2, "generation 1 has no more");
            assert_eq!(new.params().len(), 4);
            let (source, through) = (old.open(attach).unwrap(), new.open(attach).unwrap());
            fill(&source);
            let stream = save(&source);
            offer(&through, &stream).unwrap();
            assert_eq!(save(&through), stream, "{kind} {list}: the same bytes");
            source.reset().unwrap();
            assert_ne!(save(&source), stream);
            offer(&source, &save(&through)).unwrap();
            assert_eq!(save(&source), stream, "{kind} {list}: and back");
        }
    }
}

#[test]
fn to_another_type_of_the_same_list() {
    let _test = Test::begin();
    let two = Two::new();
    for (fixed, list) in [("serial-1", "ports=1"), ("serial-2", "ports=2")] {
        for (from, to) in [
            (two.old(fixed), two.new_one("serial-var")),
            (two.old("serial-var"), two.new_one(fixed)),
            (two.new_one(fixed), two.old("serial-var")),
            (two.new_one("serial-var"), two.old(fixed)),
        ] {
            let (from, to) = (from.new_device_with(list), to.new_device_with(list));
            let (source, destination) = (from.device(), to.device());
            fill(&source);
            let stream = save(&source);
            offer(&destination, &stream).unwrap();
            assert_eq!(save(&destination), stream, "{list}");
        }
    }
}

/// A stream from a device with `list` is refused, first of all by the initial bytes alone, and
/// leaves nothing.
#[track_caller]
fn refused(from: &Mdev, to: &Mdev, reason: &str) {
    let (source, destination) = (from.device(), to.device());
    fill(&source);
    let empty = save(&destination);
    assert_eq!(
        offer(&destination, &save(&source)),
        Err(Errno::EXDEV),
        "{reason}"
    );
    assert_eq!(to.refusal(), reason);
    assert_eq!(save(&destination), empty, "{reason}");

    let data = source.set_state(State::PreCopy).unwrap().unwrap();
    let initial = data.precopy_info().unwrap().initial_bytes;
    let mut first = vec![0; usize::try_from(initial).unwrap()];
    assert_eq!(data.read(&mut first), Ok(first.len()));
    let incoming = destination.set_state(State::Resuming).unwrap().unwrap();
    let early = incoming.write_all(&first).map_err(|e| e.errno().unwrap());
    assert_eq!(early, Err(Errno::EXDEV), "{reason}: before any downtime");
    assert_eq!(to.refusal(), reason);
}

#[test]
fn what_the_older_one_lacks_is_refused_by_name() {
    let _test = Test::begin();
    let two = Two::new();
    let kind = two.new_one("serial-var");
    let to = two.old("serial-var").new_device_with("ports=2");
    for (list, reason) in [
        ("ports=2 fifo-size=64", "fifo-size: stream 64, device 16"),
        (
            "ports=2 fifo-size=64 auto-flow=on",
            "auto-flow: stream on, device unknown",
        ),
        (
            "ports=2 line-stats=on",
            "line-stats: stream on, device unknown",
        ),
        ("ports=1", "ports: stream 1, device 2"),
    ] {
        refused(&kind.new_device_with(list), &to, reason);
    }
    // The runtime parameter can be switched off where the device is, and then it goes.
    let from = kind.new_device_with("ports=2 line-stats=on");
    let (source, destination) = (from.device(), to.device());
    fill(&source);
    assert_eq!(offer(&destination, &save(&source)), Err(Errno::EXDEV));
    from.set("line-stats", "off").unwrap();
    let stream = save(&source);
    offer(&destination, &stream).unwrap();
    assert_eq!(save(&destination), stream);
}

#[test]
fn what_the_newer_one_has_on_is_refused_by_name() {
    let _test = Test::begin();
    let two = Two::new();
    let kind = two.new_one("serial-var");
    let from = two.old("serial-var").new_device_with("ports=2");
    for (list, reason) in [
        ("ports=2 fifo-size=64", "fifo-size: stream 16, device 64"),
        (
            "ports=2 fifo-size=64 auto-flow=on",
            "auto-flow: stream off, device on",
        ),
        ("ports=2 line-stats=on", "line-stats: stream off, device on"),
        ("ports=1", "ports: stream 2, device 1"),
    ] {
        refused(&from, &kind.new_device_with(list), reason);
    }
    // The values of a new device are those of its generation.
    let by_default = two.new_one("serial-2").new_device();
    refused(&from, &by_default, "auto-flow: stream off, device on");
}

#[test]
fn what_is_staged_decides_and_not_the_generation() {
    let _test = Test::begin();
    let two = Two::new();
    let kind = two.old("serial-var");
    for (list, errno) in [
        ("ports=2 fifo-size=64", Errno::ERANGE),
        ("ports=2 auto-flow=off", Errno::ENOENT),
        ("ports=2 line-stats=on", Errno::ENOENT),
    ] {
        let line = format!("{} {list}", guest::uuid());
        assert_eq!(kind.stage(line), Err(errno), "{list}");
    }
}

#[test]
fn newer_minor_versions_load_on_both() {
    let _test = Test::begin();
    let two = Two::new();
    for kind in [two.old("serial-var"), two.new_one("serial-var")] {
        let mdev = kind.new_device_with("ports=2");
        let device = mdev.device();
        fill(&device);
        let good = save(&device);
        let parsed = Stream::parse(&good);
        assert_eq!((parsed.major, parsed.minor), (1, 0));
        for minor in [1, u16::MAX] {
            for n in 2..=parsed.records.len() {
                let mut stream = parsed.clone();
                stream.minor = minor;
                // Records of a later day, before, between and after those that are known.
                for (tag, length) in [(0x0103, 0), (0x7fff, 4096), (0x8000, 1)] {
                    stream.records.insert(
                        n,
                        Record {
                            tag,
                            flags: 0,
                            payload: vec![0xa5; length],
                        },
                    );
                }
                device.reset().unwrap();
                offer(&device, &stream.encode()).unwrap();
                assert_eq!(save(&device), good, "1.{minor}, at {n}: skipped");
                stream.records[n].flags = MANDATORY;
                let refused = offer(&device, &stream.encode());
                assert_eq!(refused, Err(Errno::EOPNOTSUPP), "1.{minor}, at {n}");
                let reason = mdev.refusal();
                assert!(
                    reason.ends_with("tag 0x8000: unknown but mandatory"),
                    "{reason:?}"
                );
            }
        }
        for major in [0, 2] {
            let stream = Stream {
                major,
                ..parsed.clone()
            };
            let refused = offer(&device, &stream.encode());
            assert_eq!(refused, Err(Errno::EOPNOTSUPP), "{major}.0");
            let reason = format!("major version: stream {major}, device 1");
            assert_eq!(mdev.refusal(), reason);
        }
    }
}

/// A golden stream, type and list of the device that it is for, and what the older generation says.
struct Golden {
    name: &'static str,
    text: &'static str,
    kind: &'static str,
    list: &'static str,
    older: Option<&'static str>,
}

macro_rules! golden {
    ($name:literal, $kind:literal, $list:literal, $older:expr) => {
        Golden {
            name: $name,
            text: include_str!(concat!("../../golden/streams/", $name)),
            kind: $kind,
            list: $list,
            older: $older,
        }
    };
}

const GOLDEN: [Golden; 9] = [
    golden!("serial-1.0-idle-16550a.hex", "serial-var", "ports=1", None),
    golden!("serial-1.0-data-16550a.hex", "serial-var", "ports=2", None),
    golden!(
        "serial-1.0-full-16750.hex",
        "serial-var",
        "ports=2 fifo-size=64 auto-flow=on line-stats=on",
        Some("auto-flow: stream on, device unknown")
    ),
    golden!(
        "serial-1.0-no-stats-16750.hex",
        "serial-var",
        "ports=2 fifo-size=64 auto-flow=on",
        Some("auto-flow: stream on, device unknown")
    ),
    golden!(
        "serial-1.0-reinit-16750.hex",
        "serial-var",
        "ports=2 fifo-size=64 auto-flow=on",
        Some("auto-flow: stream on, device unknown")
    ),
    golden!("accel-1.0-idle-v1.hex", "accel-var", "memory-mb=16", None),
    golden!(
        "accel-1.0-full-none.hex",
        "accel-var",
        "memory-mb=16 num-queues=4 checksum=on",
        Some("checksum: stream on, device unknown")
    ),
    golden!(
        "accel-1.0-full-zero.hex",
        "accel-var",
        "memory-mb=16 num-queues=4 checksum=on codec=zero",
        Some("checksum: stream on, device unknown")
    ),
    golden!(
        "accel-1.0-precopy-zero.hex",
        "accel-var",
        "memory-mb=16 num-queues=4 checksum=on codec=zero",
        Some("checksum: stream on, device unknown")
    ),
];

/// Tags of the accelerator's memory: pages, and zero pages.
const PAGES: u16 = 0x0220;
const ZEROS: u16 = 0x0221;

/// The state in a stream: its records in order, and memory as what it is in the end, where that is not 0.
fn state(stream: &Stream) -> (Vec<Record>, BTreeMap<u32, Vec<u8>>) {
    let records = stream.records.iter().filter(|r| r.tag >= 0x0100);
    let (memory, records): (Vec<_>, Vec<_>) = records
        .cloned()
        .partition(|record| matches!(record.tag, PAGES | ZEROS));
    let mut pages = BTreeMap::new();
    for record in memory {
        let word = |at: usize| u32::from_le_bytes(record.payload[at..at + 4].try_into().unwrap());
        let first = word(0);
        if record.tag == ZEROS {
            (first..first + word(4)).for_each(|page| drop(pages.remove(&page)));
            continue;
        }
        for (page, bytes) in (first..).zip(record.payload[4..].chunks(4096)) {
            pages.insert(page, bytes.to_vec());
        }
    }
    pages.retain(|_, bytes| bytes.iter().any(|byte| *byte != 0));
    (records, pages)
}

impl Golden {
    fn bytes(&self) -> Vec<u8> {
        let lines = self.text.lines().filter(|line| !line.starts_with('#'));
        let digits: Vec<u8> = lines.flat_map(str::bytes).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }
}

/// Loading leaves the device in the state it was in: one that runs would go on with its work at once.
fn stop(device: &Device) {
    device.set_state(State::Stop).expect("STOP");
}

#[test]
fn golden_streams_load_on_both() {
    let _test = Test::begin();
    let two = Two::new();
    for golden in &GOLDEN {
        let name = golden.name;
        let stream = golden.bytes();
        let newer = two.new_one(golden.kind).new_device_with(golden.list);
        let device = newer.device();
        stop(&device);
        offer(&device, &stream).unwrap_or_else(|e| panic!("{name}: {e}: {}", newer.refusal()));
        // The state is that of the stream, to the last record; more than one list, and messages that
        // are pending, are of the way and not of the state.
        let (saved, golden_one) = (Stream::parse(&save(&device)), Stream::parse(&stream));
        assert!(state(&saved) == state(&golden_one), "{name}");
        let list = golden.list.split(' ').next().unwrap();
        let older = two.old(golden.kind).new_device_with(list);
        let device = older.device();
        stop(&device);
        match golden.older {
            None => {
                offer(&device, &stream).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(save(&device), stream, "{name}: the same bytes");
            }
            Some(reason) => {
                assert_eq!(offer(&device, &stream), Err(Errno::EXDEV), "{name}");
                assert_eq!(older.refusal(), reason, "{name}");
            }
        }
    }
}
