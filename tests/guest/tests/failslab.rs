// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every allocation fails once: an error reaches the user or the kernel lives without, nothing is
//! left behind, and the next try works. Only on the debug kernel, whose kmemleak looks at the end
//! of the run for what leaked.
//!
//! The numbers of allocations are the kernel's, not ours; what is asserted of them is that the
//! failures have reached the code in question at all, and that passing on the state of a device
//! without memory needs none.

use std::fmt::Debug;
use std::fs;
use std::ops::RangeBounds;
use std::os::fd::AsFd;

use guest::failing::{Failing, Shot};
use guest::pci::INTX;
use guest::stream::{load, save};
use guest::uart::SCR;
use guest::{function, parent, sysfs, uuid, Event, Function, Mdev, Port, Test, Type};
use vmig_vfio::{Attach, DataFile, Device, Errno, Error, IovaRange, State};

const LIST: &str = "ports=2 fifo-size=64 auto-flow=on";
const PAGE: u64 = 4096;

fn begin() -> (Test, Failing) {
    (Test::begin(), Failing::new())
}

fn kind() -> Type {
    Type::default_parent("serial-var")
}

fn card() -> (Mdev, Device) {
    let mdev = kind().new_device_with(LIST);
    let device = mdev.device();
    (mdev, device)
}

/// Asserts that `operation` fails with `ENOMEM` or works; returns what it gave.
#[track_caller]
fn attempt<T>(shot: &Shot<'_>, operation: impl FnOnce() -> Result<T, Error>) -> Option<T> {
    match shot.at(operation) {
        Ok(value) => Some(value),
        Err(error) => {
            assert_eq!(
                error.errno(),
                Some(Errno::ENOMEM),
                "allocation {}: {error}",
                shot.nth()
            );
            assert!(shot.hit(), "nothing was made to fail: {error}");
            None
        }
    }
}

/// The end of each test: `count` allocations have failed, as many as `expected`.
#[track_caller]
fn end(test: &mut Test, what: &str, count: u32, expected: impl RangeBounds<u32> + Debug) {
    println!("{what}: {count} allocations");
    assert!(
        expected.contains(&count),
        "{count} allocations in {what}, not {expected:?}"
    );
    Failing::assert_quiet(test);
}

#[test]
fn create() {
    let (mut test, failing) = begin();
    let kind = kind();
    let mut consumed = 0;
    let count = failing.each(|shot| {
        let uuid = uuid();
        let entry = format!("{uuid} {LIST}\n");
        kind.stage(&entry).expect("stage");
        let mdev = shot.at(|| kind.create(&uuid)).unwrap_or_else(|errno| {
            assert_eq!(errno, Errno::ENOMEM, "allocation {}", shot.nth());
            assert!(!Mdev::existing(&uuid).directory().exists());
            if kind.staged().is_empty() {
                // The mdev core had the device and gave it up again (`sysfs-abi.md`).
                consumed += 1;
                kind.stage(&entry).expect("stage");
            } else {
                assert_eq!(consumed, 0, "allocation {}: an entry is back", shot.nth());
            }
            kind.create(&uuid).expect("the next try")
        });
        assert_eq!(mdev.param("ports"), "2", "allocation {}", shot.nth());
        // Complete, or it would not have been made.
        assert_eq!(mdev.status("in_use"), "0");
    });
    println!("create: {consumed} entries consumed without a device");
    assert!(consumed < 20);
    end(&mut test, "create", count, 50..);
}

#[test]
fn open() {
    let (mut test, failing) = begin();
    let mdev = kind().new_device_with(LIST);
    let mut total = 0;
    for (attach, least) in [(Attach::Cdev, 20), (Attach::Group, 20)] {
        let count = failing.each(|shot| {
            drop(attempt(shot, || mdev.open(attach)));
            assert_eq!(mdev.status("in_use"), "0", "allocation {}", shot.nth());
            drop(mdev.open(attach).expect("the next try"));
        });
        println!("{attach:?}: {count} allocations");
        assert!(count >= least);
        total += count;
    }
    end(&mut test, "open", total, 40..);
}

#[test]
fn set_state() {
    let (mut test, failing) = begin();
    let (_mdev, device) = card();
    let mut total = 0;
    for way in [
        [State::Running, State::StopCopy],
        [State::Running, State::PreCopy],
        [State::PreCopy, State::StopCopy],
        [State::Running, State::Resuming],
        [State::StopCopy, State::Resuming],
    ] {
        let [from, to] = way;
        total += failing.each(|shot| {
            let before = device.set_state(from).expect("from");
            if attempt(shot, || device.set_state(to)).is_none() {
                assert_eq!(device.state(), Ok(from), "allocation {}", shot.nth());
                let data = device.set_state(to).expect("the next try");
                assert_eq!(data.is_some(), from != State::PreCopy);
            }
            assert_eq!(device.state(), Ok(to));
            drop(before);
            device.reset().expect("reset");
        });
    }
    end(&mut test, "set", total, 5..);
}

#[test]
fn dma_logging() {
    let (mut test, failing) = begin();
    let (_mdev, device) = card();
    let ranges: Vec<_> = (0..64)
        .map(|n| IovaRange {
            iova: 2 * n * PAGE,
            length: PAGE,
        })
        .collect();
    let mut bitmap = [0; 1];
    let mut count = failing.each(|shot| {
        if attempt(shot, || device.dma_logging_start(PAGE, &ranges)).is_none() {
            device
                .dma_logging_start(PAGE, &ranges)
                .expect("the next try");
        }
        device.dma_logging_stop().expect("stop");
    });
    device.dma_logging_start(PAGE, &ranges).expect("start");
    count += failing.each(|shot| {
        let mut report = || device.dma_logging_report(ranges[0], PAGE, &mut bitmap);
        if attempt(shot, &mut report).is_none() {
            report().expect("the next try");
        }
    });
    end(&mut test, "logging", count, 5..);
}

#[test]
fn stage() {
    let (mut test, failing) = begin();
    let kind = kind();
    let count = failing.each(|shot| {
        let uuid = uuid();
        let line = format!("{uuid} {LIST}\n");
        if let Err(errno) = shot.at(|| kind.stage(&line)) {
            assert_eq!(errno, Errno::ENOMEM);
            assert_eq!(kind.staged(), [] as [&str; 0], "allocation {}", shot.nth());
            kind.stage(&line).expect("the next try");
        }
        assert_eq!(kind.staged().len(), 1);
        kind.unstage(&uuid).expect("unstage");
    });
    end(&mut test, "stage", count, 3..);
}

#[test]
fn reading_state_loses_no_byte() {
    let (mut test, failing) = begin();
    let (_mdev, device) = card();
    Port::new(&device, 1).set(SCR, 0x5a);
    let whole = save(&device);
    let mut total = 0;
    for state in [State::StopCopy, State::PreCopy] {
        total += failing.each(|shot| {
            let data = device.set_state(state).unwrap().expect("a data file");
            let (mut bytes, mut buffer) = (Vec::with_capacity(1 << 16), [0; 100]);
            let mut read_on = || loop {
                match data.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                    // Of a pre-copy stream that is all until the device stops.
                    Err(error) if error.errno() == Some(Errno::ENOMSG) => return Ok(()),
                    Err(error) => return Err(error),
                }
            };
            if attempt(shot, &mut read_on).is_none() {
                read_on().expect("the next try");
            }
            device.set_state(State::StopCopy).expect("stop");
            read_on().expect("the rest");
            if state == State::StopCopy {
                assert_eq!(bytes, whole, "allocation {}", shot.nth());
            }
            device.set_state(State::Running).expect("run");
        });
    }
    // Everything it needs it has since the state was entered.
    end(&mut test, "read", total, 0..=0);
}

#[test]
fn writing_state_goes_on_where_it_was() {
    let (mut test, failing) = begin();
    let (_source, source) = card();
    Port::new(&source, 1).set(SCR, 0x5a);
    let stream = save(&source);
    let (_mdev, device) = card();
    let writes = failing.each(|shot| {
        let data = resuming(&device);
        let mut chunks = stream.chunks(100);
        let mut write_on = || {
            for chunk in chunks.clone() {
                data.write_all(chunk)?;
                chunks.next();
            }
            Ok(())
        };
        if attempt(shot, &mut write_on).is_none() {
            write_on().expect("the next try");
        }
        device.set_state(State::Running).expect("run");
        assert_eq!(Port::new(&device, 1).get(SCR), 0x5a);
    });
    println!("write: {writes} allocations");
    let count = failing.each(|shot| {
        resuming(&device).write_all(&stream).expect("write");
        if attempt(shot, || device.set_state(State::Running)).is_none() {
            device.set_state(State::Running).expect("the next try");
        }
        assert_eq!(Port::new(&device, 1).get(SCR), 0x5a);
    });
    // What that needs it has since the state was entered, too.
    end(&mut test, "load", count, 0..=0);
    load(&device, &stream).expect("a load without failures");
}

fn resuming(device: &Device) -> DataFile {
    Port::new(device, 1).set(SCR, 0);
    let data = device.set_state(State::Resuming).expect("set");
    data.expect("a data file")
}

#[test]
fn interrupts() {
    let (mut test, failing) = begin();
    let (_mdev, device) = card();
    let event = Event::new();
    let count = failing.each(|shot| {
        let set = || device.irq_eventfds(INTX, 0, &[Some(event.as_fd())]);
        if attempt(shot, set).is_none() {
            set().expect("the next try");
        }
        device.irq_eventfds(INTX, 0, &[None]).expect("off");
    });
    end(&mut test, "interrupts", count, 1..);
}

#[test]
fn a_parent() {
    let (mut test, failing) = begin();
    let item = format!("{}/short", parent::CONFIGFS);
    let count = failing.each(|shot| {
        if shot.at(|| fs::create_dir(&item)).is_err() {
            fs::create_dir(&item).expect("the next try");
        }
        fs::remove_dir(&item).expect("rmdir");
    });
    println!("mkdir: {count} allocations");
    let live = format!("{item}/live");
    // Most are the driver core's, for six types and their attributes.
    let count = failing.sample(53, |shot| {
        fs::create_dir(&item).expect("mkdir");
        if let Err(errno) = shot.at(|| sysfs::write(&live, "1")) {
            assert_eq!(errno, Errno::ENOMEM, "allocation {}", shot.nth());
            assert_eq!(sysfs::line(&live), "0");
            sysfs::write(&live, "1").expect("the next try");
        }
        sysfs::write(&live, "0").expect("not live");
        fs::remove_dir(&item).expect("rmdir");
    });
    end(&mut test, "parent", count, 50..);
}

#[test]
fn a_pci_parent() {
    let (mut test, failing) = begin();
    let function = Function::at(function::ADDRESSES[0]);
    // Reserved; unbound at the end whatever happens.
    let parent = function.parent();
    parent.unbind().expect("unbind");
    // The types are those of the other parents, and as expensive.
    let count = failing.sample(53, |shot| {
        if let Err(errno) = shot.at(|| parent.bind()) {
            assert_eq!(errno, Errno::ENOMEM, "allocation {}", shot.nth());
            assert_eq!(parent.driver(), None, "allocation {}", shot.nth());
            assert!(!parent.path("mdev_supported_types").exists());
            parent.bind().expect("the next try");
        }
        // The mdev core lives without the link in its class, by which the types are found.
        if parent.is_parent() {
            drop(parent.kind("serial-1").new_device());
        }
        parent.unbind().expect("unbind");
    });
    end(&mut test, "PCI parent", count, 50..);
}
