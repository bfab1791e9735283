// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The migration region of protocol version 1, next to version 2: state moves between both, and they
//! stay out of each other's way.

use std::thread;
use std::time::{Duration, Instant};

use guest::contents::{assert_contents, fill, look, LIST};
use guest::region::*;
use guest::stream::{self, Record, Stream, MANDATORY};
use guest::wait::{self, SOON};
use guest::{modules, pci, sysfs, Mdev, Test, Type};
use vmig_vfio::{Attach, Errno, State};

const WAYS: [Way; 2] = [Way::Trapped, Way::Mapped];

fn card() -> Mdev {
    Type::default_parent("serial-var").new_device_with(LIST)
}

#[test]
fn state_moves_between_both_protocols() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        for way in WAYS {
            let (source, destination) = (card(), card());
            let source = source.open(attach).unwrap();
            let destination = destination.open(attach).unwrap();
            fill(&source);
            let before = look(&source);
            let old = Migration::of(&source, way);
            let stream = old.save();
            assert_eq!(stream::save(&source), stream, "the same bytes, {way:?}");
            Stream::parse(&stream);
            // v1 to v2, v2 to v1, v1 to v1.
            stream::load(&destination, &stream).unwrap();
            assert_eq!(look(&destination), before, "v1 to v2, {way:?}");
            let other = Migration::of(&destination, way);
            destination.reset().unwrap();
            assert_eq!(other.load(&stream::save(&source), 1 << 20), Ok(()));
            assert_eq!(look(&destination), before, "v2 to v1, {way:?}");
            destination.reset().unwrap();
            for size in [1, 7, 333] {
                assert_eq!(other.load(&old.save(), size), Ok(()), "pieces of {size}");
                assert_eq!(look(&destination), before, "v1 to v1, {way:?}");
            }
            assert_contents(&destination);
            assert_contents(&source);
        }
    }
}

#[test]
fn pre_copy_ends_in_the_same_state() {
    let _test = Test::begin();
    for (rounds, way) in [(0, Way::Trapped), (1, Way::Mapped), (9, Way::Trapped)] {
        let (source, destination) = (card(), card());
        let (source, destination) = (source.device(), destination.device());
        let old = Migration::of(&source, way);
        old.set(PRE_COPY);
        let mut stream: Vec<u8> = (0..rounds).filter_map(|_| old.round()).flatten().collect();
        fill(&source);
        let before = look(&source);
        old.set(STOP_COPY);
        // As QEMU does in save_complete().
        old.set(STOP_COPY);
        stream.extend(old.drain());
        old.set(STOP);
        old.set(RUNNING);
        let other = Migration::of(&destination, way);
        assert_eq!(other.load(&stream, 4096), Ok(()), "{rounds} rounds");
        assert_eq!(look(&destination), before);
        destination.reset().unwrap();
        stream::load(&destination, &stream).unwrap();
        assert_contents(&destination);
        assert_contents(&source);
    }
}

#[test]
fn a_session_belongs_to_the_protocol_that_opened_it() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    fill(&device);
    let before = look(&device);
    let old = Migration::of(&device, Way::Trapped);
    let busy = |result: vmig_vfio::Result<_>| {
        assert_eq!(result.unwrap_err().errno(), Some(Errno::EBUSY));
    };
    for (number, state) in [
        (PRE_COPY, State::PreCopy),
        (STOP_COPY, State::StopCopy),
        (RESUMING, State::Resuming),
    ] {
        // Opened through the region.
        old.set(number);
        assert_eq!(device.state(), Ok(state), "both show it");
        for to in State::ALL.into_iter().filter(|to| *to != State::Error) {
            busy(device.set_state(to).map(drop));
        }
        assert_eq!(old.state(), number);
        device.reset().unwrap();
        assert_eq!((old.state(), device.state()), (RUNNING, Ok(State::Running)));
        // Opened by version 2.
        let data = device.set_state(state).unwrap().unwrap();
        assert_eq!(old.state(), number, "both show it");
        for to in [STOP, RUNNING, STOP_COPY, PRE_COPY, RESUMING] {
            assert_eq!(old.ask(to), Err(Errno::EBUSY), "{state} to {to:03b}b");
        }
        for field in [PENDING, DATA_OFFSET, DATA_SIZE, 4096] {
            busy(old.region().read_u64(field).map(drop));
        }
        busy(old.region().write_u64(DATA_SIZE, 8));
        busy(old.region().write_u64(4096, 0));
        assert_eq!(device.state(), Ok(state));
        device.reset().unwrap();
        drop(data);
        old.set(STOP);
        old.set(RUNNING);
    }
    // What has no session is common to both.
    fill(&device);
    device.set_state(State::Stop).unwrap();
    assert_eq!(old.state(), STOP);
    old.set(RUNNING);
    device.set_state(State::RunningP2p).unwrap();
    assert_eq!(old.state(), RUNNING);
    old.set(STOP);
    device.set_state(State::Running).unwrap();
    assert_eq!(look(&device), before);
}

/// Streams that a device with [`LIST`] must refuse, with errno and a part of the reason.
fn bad_streams(good: &[u8]) -> Vec<(&'static str, Vec<u8>, Errno, &'static str)> {
    let flip = |at: usize| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let other = Type::default_parent("serial-var").new_device_with("ports=2 fifo-size=64");
    let other = stream::save(&other.device());
    let mut newer = Stream::parse(good);
    newer.major += 1;
    let mut unknown = Stream::parse(good);
    unknown.records.push(Record {
        tag: 0x7fff,
        flags: MANDATORY,
        payload: Vec::new(),
    });
    let trailing = [good, &[0]].concat();
    vec![
        ("magic", flip(0), Errno::EINVAL, "magic"),
        ("checksum", flip(good.len() / 2), Errno::EINVAL, ""),
        ("cut", good[..good.len() - 1].to_vec(), Errno::EINVAL, ""),
        ("nothing", Vec::new(), Errno::EINVAL, ""),
        ("trailing byte", trailing, Errno::EINVAL, ""),
        ("parameter", other, Errno::EXDEV, "auto-flow"),
        ("major", newer.encode(), Errno::EOPNOTSUPP, "2"),
        ("record", unknown.encode(), Errno::EOPNOTSUPP, ""),
    ]
}

#[test]
fn refused_streams_say_why_and_leave_nothing() {
    let _test = Test::begin();
    let (source, mdev) = (card(), card());
    let source = source.device();
    let empty = look(&source);
    fill(&source);
    let good = Migration::of(&source, Way::Trapped).save();
    let device = mdev.device();
    for way in WAYS {
        let old = Migration::of(&device, way);
        for (what, stream, errno, reason) in bad_streams(&good) {
            assert_eq!(old.load(&stream, 100), Err(errno), "{what}");
            assert_eq!(old.state(), RESUMING, "{what}");
            let refusal = mdev.refusal();
            assert!(!refusal.is_empty() && refusal.contains(reason), "{refusal}");
            for to in [RUNNING, STOP] {
                assert_eq!(old.ask(to), Err(errno), "{what}, again");
            }
            device.reset().unwrap();
            assert_eq!((old.state(), look(&device)), (RUNNING, empty.clone()));
            assert_eq!(mdev.refusal(), refusal, "{what}: it survives");
        }
        assert_eq!(old.load(&good, 100), Ok(()), "a good one");
        assert_eq!(mdev.refusal(), "");
        assert_contents(&device);
        device.reset().unwrap();
    }
}

#[test]
fn only_the_data_section_can_be_mapped() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    let index = index(&device).unwrap();
    assert_eq!(index, 9, "the first one after those of PCI");
    let region = device.region(index).unwrap();
    let area = area(&region);
    assert_eq!((area.offset, area.size), (4096, 1 << 20));
    assert_eq!(region.info().size, area.offset + area.size);
    for (offset, len) in [
        (0, 4096),
        (0, 8192),
        (0, 4096 + (1 << 20)),
        (4096, (1 << 20) + 4096),
        (4096 + (1 << 20), 4096),
        (1 << 39, 4096),
    ] {
        let error = region.map(offset, len).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{len} at {offset}");
    }
    for other in (0..index).filter(|&index| device.region_info(index).unwrap().size > 0) {
        let error = device.region(other).unwrap().map(0, 4096).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "region {other}");
    }
    let last = region.map(1 << 20, 4096).unwrap();
    last.write(4095, &[7]).unwrap();
    let whole = region.map(4096, 1 << 20).unwrap();
    let mut seen = [0];
    whole.read((1 << 20) - 1, &mut seen).unwrap();
    assert_eq!(seen, [7], "the same memory");
}

#[test]
fn a_mapping_keeps_the_device_open_and_shows_nothing_old() {
    let _test = Test::begin();
    let mdev = card();
    for _ in 0..2 {
        let device = mdev.device();
        let old = Migration::of(&device, Way::Mapped);
        let mut seen = vec![1; 1 << 20];
        old.memory().read(0, &mut seen).unwrap();
        assert!(seen.iter().all(|byte| *byte == 0), "zeroed at open");
        old.memory().write(0, &[0xa5; 1 << 20]).unwrap();
        let region = device.region(index(&device).unwrap()).unwrap();
        let again = region.map(4096, 4096).unwrap();
        drop(old);
        drop(device);
        assert_eq!(mdev.status("in_use"), "1", "as long as it is mapped");
        again.read(0, &mut seen[..4096]).unwrap();
        assert!(seen[..4096].iter().all(|byte| *byte == 0xa5));
        drop(again);
        assert_eq!(mdev.status("in_use"), "0");
    }
}

#[test]
fn a_mapping_can_be_the_buffer_of_any_access() {
    let _test = Test::begin();
    let (source, destination) = (card(), card());
    let (source, destination) = (source.device(), destination.device());
    fill(&source);
    let good = stream::save(&source);
    let old = Migration::of(&source, Way::Mapped);
    let memory = old.memory();
    let mut seen = vec![0; good.len()];
    // The data file, into the section and out of it.
    let data = source.set_state(State::StopCopy).unwrap().unwrap();
    assert_eq!(data.read_into(memory, 100, 1 << 19), Ok(good.len()));
    memory.read(100, &mut seen).unwrap();
    assert_eq!(seen, good);
    source.set_state(State::Running).unwrap();
    let data = source.set_state(State::Resuming).unwrap().unwrap();
    assert_eq!(data.write_from(memory, 100, good.len()), Ok(good.len()));
    source.set_state(State::Running).unwrap();
    // A BAR and the region's own fields.
    let config = pci::config(&source);
    assert_eq!(config.read_into(0, memory, 0, 64), Ok(64));
    assert_eq!(old.region().read_into(STATE, memory, 3, 4), Ok(4));
    memory.read(3, &mut seen[..4]).unwrap();
    assert_eq!(seen[..4], RUNNING.to_ne_bytes());
    // The section, into itself and out of itself.
    old.set(STOP_COPY);
    let size = usize::try_from(old.region().read_u64(DATA_SIZE).unwrap()).unwrap();
    assert_eq!(size, good.len());
    assert_eq!(
        old.region().read_into(4096, memory, 1 << 16, size),
        Ok(size)
    );
    memory.read(1 << 16, &mut seen).unwrap();
    assert_eq!(seen, good);
    old.set(RUNNING);
    old.set(RESUMING);
    let section = old.region();
    assert_eq!(section.write_from(4096, memory, 1 << 16, size), Ok(size));
    assert_eq!(section.write_u64(DATA_SIZE, size as u64), Ok(()));
    old.set(RUNNING);
    assert_contents(&source);
    stream::load(&destination, &good).unwrap();
    assert_contents(&destination);
}

#[test]
fn who_changes_the_section_meanwhile_harms_only_himself() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    fill(&device);
    let old = Migration::of(&device, Way::Mapped);
    let good = old.save();
    let mut verdicts = [0; 2];
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let memory = old.memory();
        scope.spawn(|| {
            let mut at = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                at = (at + 7) % good.len();
                memory.write(at, &[good[at] ^ 0x10]).unwrap();
                memory.write(at, &[good[at]]).unwrap();
            }
        });
        for _ in 0..200 {
            match old.load(&good, good.len()) {
                Ok(()) => verdicts[0] += 1,
                Err(Errno::EINVAL | Errno::EXDEV | Errno::EOPNOTSUPP) => verdicts[1] += 1,
                Err(errno) => panic!("{errno}"),
            }
            device.reset().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    println!("{} taken, {} refused", verdicts[0], verdicts[1]);
    assert_eq!(old.load(&good, good.len()), Ok(()));
    assert_contents(&device);
}

#[test]
fn the_parameter_switches_the_region_off() {
    let _test = Test::begin();
    let regions = |parameters| {
        modules::unload("vmig").unwrap();
        modules::load_with("vmig", parameters).unwrap();
        let mdev = Type::default_parent("serial-2").new_device();
        let device = mdev.device();
        let regions = device.info().unwrap().regions;
        assert_eq!(index(&device).is_some(), regions == 10, "{parameters:?}");
        let error = device.region_info(regions).unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EINVAL), "{parameters:?}");
        let stream = stream::save(&device);
        stream::load(&device, &stream).unwrap();
        regions
    };
    for (parameters, expected) in [("v1_region=0", 9), ("v1_region=1", 10), ("", 10)] {
        assert_eq!(regions(parameters), expected, "{parameters:?}");
    }
}

#[test]
fn the_data_section_is_charged_to_its_user_when_it_is_used_first() {
    let _test = Test::begin();
    let mdev = card();
    let group = "/sys/fs/cgroup/vmig-region";
    // What a cgroup without its controllers charges, nobody sees.
    sysfs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory").unwrap();
    std::fs::create_dir(group).unwrap();
    let join = |group: &str| {
        let pid = std::process::id().to_string();
        sysfs::write(format!("{group}/cgroup.procs"), pid).unwrap();
    };
    let charged = || -> u64 {
        let stat = sysfs::read(format!("{group}/memory.stat")).unwrap();
        let mut lines = stat.lines();
        let bytes = lines.find_map(|line| line.strip_prefix("vmalloc "));
        bytes.expect("vmalloc in memory.stat").parse().unwrap()
    };
    let section = 1 << 20;
    join(group);
    let before = charged();
    let device = mdev.device();
    stream::load(&device, &stream::save(&device)).unwrap();
    // The statistics are added up in batches, so that they may lag a little behind.
    assert!(charged() < before + section / 2, "version 2 does without");
    Migration::of(&device, Way::Trapped).save();
    assert!(wait::until(SOON, || charged() >= before + section));
    drop(device);
    assert!(wait::until(SOON, || charged() < before + section / 2));
    join("/sys/fs/cgroup");
    std::fs::remove_dir(group).unwrap();
}

/// What a thread does again and again; it is told how often it has.
type Round<'a> = Box<dyn FnMut(u32) + Send + 'a>;

fn rounds(end: Instant, mut round: Round<'_>) -> u32 {
    let rounds = (0..).take_while(|_| Instant::now() < end);
    rounds
        .inspect(|count| round(*count))
        .last()
        .map_or(0, |count| count + 1)
}

#[test]
fn both_protocols_resets_and_mappings_at_once_do_no_harm() {
    let _test = Test::begin();
    let (source, mdev) = (card(), card());
    let source = source.device();
    fill(&source);
    let good = stream::save(&source);
    let device = mdev.device();
    let end = Instant::now() + Duration::from_secs(2);
    let old = Migration::of(&device, Way::Mapped);
    let (old, device, good) = (&old, &device, good.as_slice());
    let counts = thread::scope(|scope| {
        // Nothing is expected of a single access: another one may always have come in between.
        let threads: [Round<'_>; 5] = [
            Box::new(|n| {
                let _ = old.ask([RUNNING, PRE_COPY, STOP_COPY, STOP][n as usize % 4]);
            }),
            Box::new(|_| {
                for field in [PENDING, DATA_OFFSET, DATA_SIZE, 4096] {
                    drop(old.region().read_u64(field));
                }
                drop(old.region().read_into(4096, old.memory(), 64, 4096));
            }),
            Box::new(|_| {
                let _ = old.ask(RESUMING);
                old.memory().write(0, good).unwrap();
                drop(old.region().write_u64(DATA_SIZE, good.len() as u64));
                let _ = old.ask(RUNNING);
            }),
            Box::new(|n| {
                if let Ok(Some(data)) = device.set_state(State::ALL[n as usize % 7 + 1]) {
                    drop(data.read_into(old.memory(), 1 << 16, 4096));
                    drop(data.write_from(old.memory(), 0, good.len()));
                }
                drop(device.set_state(State::Running));
            }),
            Box::new(|_| {
                drop(old.region().map(4096, 1 << 20).unwrap());
                device.reset().unwrap();
            }),
        ];
        let threads = threads.map(|round| scope.spawn(move || rounds(end, round)));
        threads.map(|thread| thread.join().unwrap())
    });
    println!("rounds: {counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    device.reset().unwrap();
    assert_eq!(old.load(good, good.len()), Ok(()));
    assert_contents(device);
    device.reset().unwrap();
    stream::load(device, good).unwrap();
    assert_contents(device);
}
