// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Streams that must not be loaded: each is refused with its errno and its reason, stays refused,
//! and leaves nothing behind.

use guest::stream::{load, save, Record, Stream, HEADER, MANDATORY, MODEL, PARAMS};
use guest::uart::*;
use guest::{Mdev, Parent, Port, Test, Type};
use vmig_vfio::{Device, Errno, State};

const LIST: &str = "ports=2 fifo-size=64";

fn card(list: &str) -> Mdev {
    Type::default_parent("serial-var").new_device_with(list)
}

/// A good stream with something in it.
fn good() -> Vec<u8> {
    let mdev = card(LIST);
    let device = mdev.device();
    mark(&device);
    save(&device)
}

fn mark(device: &Device) {
    for index in 0..2 {
        let port = Port::new(device, index);
        port.fifos(true);
        port.set(SCR, 0x5a);
        port.send(b"mark");
    }
}

/// Offers a stream, to the verdict; returns the errno, or `None` if it was taken.
fn offer(device: &Device, stream: &[u8]) -> Option<Errno> {
    load(device, stream).err().map(|error| {
        assert_eq!(
            error.state,
            Some(State::Running),
            "a reset ends the session: {error:?}"
        );
        error.errno().expect("the device has refused")
    })
}

/// What a device looks like that has nothing of anybody.
#[track_caller]
fn assert_clean(device: &Device, what: &str) {
    assert_eq!(device.state(), Ok(State::Running), "{what}");
    for index in 0..2 {
        let port = Port::new(device, index);
        let seen = [SCR, IER, LCR, MCR].map(|register| port.get(register));
        assert_eq!(
            (port.get(LSR), seen),
            (LSR_THRE | LSR_TEMT, [0; 4]),
            "{what}"
        );
    }
}

#[test]
fn a_stream_with_other_parameters_is_refused_by_name() {
    let _test = Test::begin();
    let stream = good();
    for (list, name, line) in [
        (
            "ports=2 fifo-size=16",
            "fifo-size",
            "fifo-size: stream 64, device 16",
        ),
        ("ports=1 fifo-size=64", "ports", "ports: stream 2, device 1"),
        ("ports=2 fifo-size=64 auto-flow=on", "auto-flow", ""),
        ("ports=2 fifo-size=64 line-stats=on", "line-stats", ""),
    ] {
        let mdev = card(list);
        let device = mdev.device();
        assert_eq!(offer(&device, &stream), Some(Errno::EXDEV), "{list}");
        let refusal = mdev.refusal();
        assert!(
            refusal.starts_with(&format!("{name}: ")),
            "{list}: {refusal:?}"
        );
        if !line.is_empty() {
            assert_eq!(refusal, line);
        }
        let port = Port::new(&device, 0);
        assert_eq!((port.get(SCR), port.get(LSR) & LSR_DR), (0, 0), "{list}");
    }
    let parent = Parent::live("old", 1);
    let mdev = parent.kind("serial-var").new_device_with("ports=2");
    assert_eq!(offer(&mdev.device(), &stream), Some(Errno::EXDEV));
    assert!(
        mdev.refusal().starts_with("fifo-size: "),
        "{:?}",
        mdev.refusal()
    );
}

#[test]
fn the_first_bytes_are_enough_to_refuse_a_wrong_destination() {
    let _test = Test::begin();
    // Exactly what pre-copy gives at once: refused before any downtime.
    let source = card(LIST);
    let source = source.device();
    let data = source.set_state(State::PreCopy).unwrap().unwrap();
    let initial = data.precopy_info().unwrap().initial_bytes;
    let mut first = vec![0; usize::try_from(initial).unwrap()];
    let mut filled = 0;
    while filled < first.len() {
        filled += data.read(&mut first[filled..]).unwrap();
    }
    let mdev = card("ports=2 fifo-size=16");
    let device = mdev.device();
    let incoming = device.set_state(State::Resuming).unwrap().unwrap();
    let error = incoming.write_all(&first).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EXDEV));
    assert_eq!(mdev.refusal(), "fifo-size: stream 64, device 16");
}

#[test]
fn a_refused_stream_stays_refused() {
    let _test = Test::begin();
    let stream = good();
    let mut bad = stream.clone();
    bad[0] ^= 1;
    let mdev = card(LIST);
    let device = mdev.device();
    let data = device.set_state(State::Resuming).unwrap().unwrap();
    assert_eq!(
        data.write_all(&bad).unwrap_err().errno(),
        Some(Errno::EINVAL)
    );
    let refusal = mdev.refusal();
    assert!(!refusal.is_empty());
    // The right bytes come too late, whether from the start or from where it broke off.
    for _ in 0..2 {
        assert_eq!(
            data.write_all(&stream).unwrap_err().errno(),
            Some(Errno::EINVAL)
        );
        assert_eq!(
            data.write(&stream[1..]).unwrap_err().errno(),
            Some(Errno::EINVAL)
        );
    }
    for to in [State::Stop, State::Running, State::StopCopy] {
        assert_eq!(
            device.set_state(to).unwrap_err().errno(),
            Some(Errno::EINVAL),
            "to {to}"
        );
    }
    assert_eq!(
        mdev.refusal(),
        refusal,
        "the reason is that of the first refusal"
    );
    device.reset().unwrap();
    assert_clean(&device, "after the reset");
    assert!(data.write(&stream).is_err(), "the session is over");
    // One bad session does not spoil the next, nor does a good one redeem the one after.
    assert_eq!(offer(&device, &stream), None);
    assert_eq!(mdev.refusal(), "");
    assert_eq!(offer(&device, &bad), Some(Errno::EINVAL));
    assert_eq!(offer(&device, &stream), None);
}

#[test]
fn the_errno_from_resuming_is_that_of_the_write() {
    let _test = Test::begin();
    let stream = good();
    let mdev = card("ports=2 fifo-size=16");
    let device = mdev.device();
    let data = device.set_state(State::Resuming).unwrap().unwrap();
    assert_eq!(
        data.write_all(&stream).unwrap_err().errno(),
        Some(Errno::EXDEV)
    );
    assert_eq!(
        device.set_state(State::Stop).unwrap_err().errno(),
        Some(Errno::EXDEV)
    );
}

#[test]
fn the_reason_survives_close_until_the_next_open() {
    let _test = Test::begin();
    let mdev = card("ports=2 fifo-size=16");
    let device = mdev.device();
    assert_eq!(offer(&device, &good()), Some(Errno::EXDEV));
    let refusal = mdev.refusal();
    drop(device);
    assert_eq!(mdev.refusal(), refusal);
    let device = mdev.device();
    assert_eq!(mdev.refusal(), "");
    drop(device);
}

#[test]
fn every_truncation_is_refused() {
    let _test = Test::begin();
    let stream = good();
    let mdev = card(LIST);
    let device = mdev.device();
    for length in 0..stream.len() {
        assert_eq!(
            offer(&device, &stream[..length]),
            Some(Errno::EINVAL),
            "{length} bytes"
        );
        assert!(!mdev.refusal().is_empty(), "{length} bytes");
    }
    assert_clean(&device, "after all truncations");
    assert_eq!(offer(&device, &stream), None, "the whole of it");
}

#[test]
fn every_flipped_byte_is_refused() {
    let _test = Test::begin();
    let stream = good();
    let mdev = card(LIST);
    let device = mdev.device();
    for at in 0..stream.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bad = stream.clone();
            bad[at] ^= flip;
            let errno = offer(&device, &bad);
            // The major version is judged before the checksum of the header.
            let expected = if matches!(at, 8 | 9) {
                Errno::EOPNOTSUPP
            } else {
                Errno::EINVAL
            };
            assert_eq!(
                errno,
                Some(expected),
                "byte {at} ^ {flip:#x}: {}",
                mdev.refusal()
            );
        }
    }
    assert_clean(&device, "after all flips");
}

#[test]
fn what_follows_the_end_is_refused() {
    let _test = Test::begin();
    let stream = good();
    let mdev = card(LIST);
    let device = mdev.device();
    for tail in [&[0][..], b"vmig", &stream] {
        let long = [&stream, tail].concat();
        assert_eq!(
            offer(&device, &long),
            Some(Errno::EINVAL),
            "{} bytes more",
            tail.len()
        );
    }
    assert_clean(&device, "after the tails");
}

#[test]
fn the_order_and_number_of_records_are_judged() {
    let _test = Test::begin();
    let good = Stream::parse(&good());
    let mdev = card(LIST);
    let device = mdev.device();
    let offer_edited = |what: &str, edit: &dyn Fn(&mut Vec<Record>)| {
        let mut stream = good.clone();
        edit(&mut stream.records);
        let errno = offer(&device, &stream.encode());
        assert_eq!(errno, Some(Errno::EINVAL), "{what}: {}", mdev.refusal());
    };
    for n in 0..good.records.len() {
        offer_edited(&format!("without record {n}"), &|records| {
            records.remove(n);
        });
        // A second parameter record is what a reinitialised pre-copy has; all others are alone.
        if good.records[n].tag != PARAMS {
            offer_edited(&format!("record {n} twice"), &|records| {
                records.insert(n, records[n].clone());
            });
        }
        if n > 0 {
            offer_edited(
                &format!("records {n} and {} exchanged", n - 1),
                &|records| {
                    records.swap(n, n - 1);
                },
            );
        }
        for (what, flags) in [("not mandatory", 0), ("unknown flag", MANDATORY | 2)] {
            offer_edited(&format!("record {n}: {what}"), &|records| {
                records[n].flags = flags
            });
        }
        offer_edited(&format!("record {n} with a byte more"), &|records| {
            records[n].payload.push(0)
        });
        offer_edited(&format!("record {n} without payload"), &|records| {
            records[n].payload.clear()
        });
    }
    assert_clean(&device, "after all edits");
}

#[test]
fn unknown_records_are_skipped_unless_they_are_mandatory() {
    let _test = Test::begin();
    let good = Stream::parse(&good());
    let mdev = card(LIST);
    let device = mdev.device();
    for n in 2..=good.records.len() {
        let mut stream = good.clone();
        stream.minor += 1;
        stream.records.insert(
            n,
            Record {
                tag: 0x7abc,
                flags: 0,
                payload: vec![0xee; 100],
            },
        );
        assert_eq!(
            offer(&device, &stream.encode()),
            None,
            "at {n}: {}",
            mdev.refusal()
        );
        stream.records[n].flags = MANDATORY;
        assert_eq!(
            offer(&device, &stream.encode()),
            Some(Errno::EOPNOTSUPP),
            "at {n}"
        );
    }
}

#[test]
fn versions_are_judged() {
    let _test = Test::begin();
    let good = Stream::parse(&good());
    let mdev = card(LIST);
    let device = mdev.device();
    for (major, minor, expected) in [
        (1, 0, None),
        (1, 1, None),
        (1, u16::MAX, None),
        (0, 0, Some(Errno::EOPNOTSUPP)),
        (2, 0, Some(Errno::EOPNOTSUPP)),
        (u16::MAX, 0, Some(Errno::EOPNOTSUPP)),
    ] {
        let stream = Stream {
            major,
            minor,
            ..good.clone()
        };
        assert_eq!(
            offer(&device, &stream.encode()),
            expected,
            "{major}.{minor}"
        );
    }
}

#[test]
fn another_model_is_refused_by_name() {
    let _test = Test::begin();
    let good = Stream::parse(&good());
    let mdev = card(LIST);
    let device = mdev.device();
    for model in [
        "vmig.example/accel",
        "vmig.example/pci-seria",
        "vmig.example/pci-serial2",
        "x/y",
    ] {
        let mut stream = good.clone();
        stream.records[0].payload = model.as_bytes().to_vec();
        assert_eq!(
            offer(&device, &stream.encode()),
            Some(Errno::EXDEV),
            "{model}"
        );
        let refusal = mdev.refusal();
        assert!(refusal.starts_with("model: "), "{refusal:?}");
        assert!(refusal.contains(model), "{refusal:?}");
    }
    // Text from another host must not get into the line as it is.
    for model in [
        b"a/b\nfake: line".to_vec(),
        b"a/\x1b[2J".to_vec(),
        b"a/\xff".to_vec(),
        vec![b'a'; 256],
    ] {
        let mut stream = good.clone();
        stream.records[0].payload = model;
        let errno = offer(&device, &stream.encode());
        assert!(
            matches!(errno, Some(Errno::EXDEV | Errno::EINVAL)),
            "{errno:?}"
        );
        let refusal = mdev.refusal();
        assert!(refusal.chars().all(|c| !c.is_control()), "{refusal:?}");
    }
    assert_eq!(good.records[0].tag, MODEL);
}

#[test]
fn hostile_lengths_are_refused_at_once() {
    let _test = Test::begin();
    let stream = good();
    let mdev = card(LIST);
    let device = mdev.device();
    for length in [4097, 1 << 20, i32::MAX as u32, u32::MAX - 12, u32::MAX] {
        // In the model record, before anything is known of the rest.
        let mut bad = stream[..HEADER + 4].to_vec();
        bad.extend(length.to_le_bytes());
        let data = device.set_state(State::Resuming).unwrap().unwrap();
        let taken = data
            .write_all(&bad)
            .and_then(|()| data.write_all(&vec![0; 1 << 16]));
        assert_eq!(taken.unwrap_err().errno(), Some(Errno::EINVAL), "{length}");
        device.reset().unwrap();
    }
}

#[test]
fn any_segmentation_gives_the_same_verdict() {
    let _test = Test::begin();
    let stream = good();
    let mut broken = stream.clone();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let mdev = card(LIST);
    let device = mdev.device();
    for size in [1, 2, 3, 7, 13, 100, 4095, 1 << 20] {
        for (bytes, good) in [(&stream, true), (&broken, false)] {
            let data = device.set_state(State::Resuming).unwrap().unwrap();
            let taken = bytes
                .chunks(size)
                .try_for_each(|piece| data.write_all(piece));
            let verdict = taken.and_then(|()| device.set_state(State::Stop).map(|_| ()));
            assert_eq!(
                verdict.is_ok(),
                good,
                "pieces of {size}: {}",
                mdev.refusal()
            );
            device.reset().unwrap();
        }
    }
}
