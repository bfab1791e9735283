// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! DMA logging. The serial card does no DMA, but must offer it: VMMs do not migrate without.

use guest::{Mdev, Test, Type};
use vmig_vfio::{Attach, Device, Errno, IovaRange, Memory, State};

const PAGE: u64 = 4096;

fn card(attach: Attach) -> (Mdev, Device) {
    let mdev = Type::default_parent("serial-1").new_device();
    let device = mdev.open(attach).unwrap();
    (mdev, device)
}

fn range(iova: u64, length: u64) -> IovaRange {
    IovaRange { iova, length }
}

fn start(device: &Device, page: u64, ranges: &[IovaRange]) -> Result<u64, Errno> {
    device
        .dma_logging_start(page, ranges)
        .map_err(|error| error.errno().unwrap())
}

fn report(device: &Device, range: IovaRange, page: u64) -> Result<Vec<u64>, Errno> {
    let mut bitmap = vec![0; 64];
    let answer = device.dma_logging_report(range, page, &mut bitmap);
    answer
        .map(|()| bitmap)
        .map_err(|error| error.errno().unwrap())
}

#[test]
fn logging_starts_reports_and_stops() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let (_mdev, device) = card(attach);
        let memory = Memory::anonymous(1 << 20).unwrap();
        let mapping = device.dma_map(1 << 20, memory).unwrap();
        let whole = range(1 << 20, 1 << 20);
        for _ in 0..3 {
            assert_eq!(start(&device, PAGE, &[whole]), Ok(PAGE));
            assert_eq!(
                report(&device, whole, PAGE),
                Ok(vec![0; 64]),
                "it does no DMA"
            );
            assert_eq!(report(&device, range(1 << 20, PAGE), PAGE), Ok(vec![0; 64]));
            device.dma_logging_stop().unwrap();
        }
        drop(mapping);
    }
}

#[test]
fn a_report_only_sets_bits() {
    let _test = Test::begin();
    let (_mdev, device) = card(Attach::Cdev);
    start(&device, PAGE, &[range(0, 1 << 20)]).unwrap();
    let mut bitmap = [0x5a5a_5a5a_5a5a_5a5a; 4];
    device
        .dma_logging_report(range(0, 1 << 20), PAGE, &mut bitmap)
        .unwrap();
    assert_eq!(bitmap, [0x5a5a_5a5a_5a5a_5a5a; 4]);
}

#[test]
fn page_sizes_are_negotiated() {
    let _test = Test::begin();
    let (_mdev, device) = card(Attach::Cdev);
    for hint in [PAGE, 2 * PAGE, 1 << 21, 1, 4095, 4097, 12288] {
        let chosen = start(&device, hint, &[range(0, 1 << 21)]).unwrap();
        assert!(
            chosen.is_power_of_two() && chosen >= PAGE,
            "{hint} gave {chosen}"
        );
        // Reports come in any page size, whatever the log has.
        for page in [PAGE, 2 * PAGE, 1 << 16, 1 << 21] {
            assert_eq!(
                report(&device, range(0, 1 << 21), page),
                Ok(vec![0; 64]),
                "{page}"
            );
        }
        for page in [0, 1, 2048, 12288, u64::MAX] {
            assert_eq!(
                report(&device, range(0, 1 << 21), page),
                Err(Errno::EINVAL),
                "{page}"
            );
        }
        device.dma_logging_stop().unwrap();
    }
    // The core wants the ranges aligned to the hint, which nothing is to these.
    for hint in [0, 1 << 22, u64::MAX] {
        assert_eq!(
            start(&device, hint, &[range(0, 1 << 21)]),
            Err(Errno::EINVAL),
            "{hint}"
        );
    }
}

#[test]
fn bad_ranges_are_refused() {
    let _test = Test::begin();
    let (_mdev, device) = card(Attach::Cdev);
    let many: Vec<_> = (0..257).map(|n| range(n * PAGE, PAGE)).collect();
    for (what, ranges, errno) in [
        ("none", vec![], Errno::EINVAL),
        ("more than a page of them", many.clone(), Errno::E2BIG),
        ("not aligned", vec![range(1, PAGE)], Errno::EINVAL),
        (
            "length not aligned",
            vec![range(0, PAGE + 1)],
            Errno::EINVAL,
        ),
        (
            "wraps",
            vec![range(u64::MAX - PAGE + 1, 2 * PAGE)],
            Errno::EOVERFLOW,
        ),
        (
            "overlap",
            vec![range(0, 2 * PAGE), range(PAGE, PAGE)],
            Errno::EINVAL,
        ),
        (
            "the same twice",
            vec![range(0, PAGE), range(0, PAGE)],
            Errno::EINVAL,
        ),
        ("no length", vec![range(PAGE, 0)], Errno::EINVAL),
        ("no length at 0", vec![range(0, 0)], Errno::EINVAL),
    ] {
        assert_eq!(start(&device, PAGE, &ranges), Err(errno), "{what}");
        assert!(
            report(&device, range(0, PAGE), PAGE).is_err(),
            "{what}: not started"
        );
    }
    assert_eq!(
        start(&device, PAGE, &many[..256]),
        Ok(PAGE),
        "as many as fit a page"
    );
    assert_eq!(
        report(&device, range(u64::MAX, 2), PAGE),
        Err(Errno::EOVERFLOW)
    );
}

#[test]
fn logging_is_on_once() {
    let _test = Test::begin();
    let (_mdev, device) = card(Attach::Cdev);
    assert!(report(&device, range(0, PAGE), PAGE).is_err(), "off");
    start(&device, PAGE, &[range(0, PAGE)]).unwrap();
    assert!(
        start(&device, PAGE, &[range(0, PAGE)]).is_err(),
        "on already"
    );
    assert_eq!(
        report(&device, range(0, PAGE), PAGE),
        Ok(vec![0; 64]),
        "still on"
    );
    device.dma_logging_stop().unwrap();
    assert!(report(&device, range(0, PAGE), PAGE).is_err(), "off again");
    // Whether a second stop is an error is not said anywhere; it must do no harm.
    let _ = device.dma_logging_stop();
    assert_eq!(start(&device, PAGE, &[range(0, PAGE)]), Ok(PAGE));
}

#[test]
fn logging_knows_nothing_of_the_migration_state_and_ends_at_close() {
    let _test = Test::begin();
    let (mdev, device) = card(Attach::Cdev);
    for state in [
        State::Stop,
        State::StopCopy,
        State::PreCopy,
        State::Resuming,
    ] {
        start(&device, PAGE, &[range(0, PAGE)]).unwrap();
        let _data = device.set_state(state).unwrap();
        assert_eq!(
            report(&device, range(0, PAGE), PAGE),
            Ok(vec![0; 64]),
            "{state}"
        );
        device.dma_logging_stop().unwrap();
        device.reset().unwrap();
    }
    start(&device, PAGE, &[range(0, PAGE)]).unwrap();
    drop(device);
    let device = mdev.device();
    assert!(
        report(&device, range(0, PAGE), PAGE).is_err(),
        "a new user starts without"
    );
    assert_eq!(start(&device, PAGE, &[range(0, PAGE)]), Ok(PAGE));
}
