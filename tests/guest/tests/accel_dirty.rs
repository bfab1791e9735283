// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Dirty tracking of the accelerator's memory: pre-copy sends what was written, through mappings as well,
//! nothing is lost, and nothing else is sent.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use guest::stream::Stream;
use guest::{accel, kernel, Mdev, Test, Type};
use vmig_vfio::{DataFile, Device, Errno, Memory, Region, State};

const PAGE: usize = 4096;
/// Size of the device memory, in bytes and in pages.
const SIZE: usize = 16 << 20;
const PAGES: usize = SIZE / PAGE;

/// Tag of a record with pages.
const MEMORY: u16 = 0x0220;
/// Tag of a record of zero pages.
const ZERO: u16 = 0x0221;

fn card() -> Mdev {
    Type::default_parent("accel-var").new_device_with("memory-mb=16 num-queues=1")
}

fn region(device: &Device) -> Region<'_> {
    device.region(accel::MEMORY).unwrap()
}

fn contents(device: &Device) -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    assert_eq!(region(device).read_at(0, &mut bytes).unwrap(), SIZE);
    bytes
}

/// Asserts that two memories are the same, and says where they are not.
#[track_caller]
fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    let pages = found.chunks(PAGE).zip(expected.chunks(PAGE));
    let differ: Vec<_> = pages.enumerate().filter(|(_, (a, b))| a != b).collect();
    let numbers: Vec<_> = differ.iter().map(|(page, _)| page).take(20).collect();
    assert!(
        differ.is_empty(),
        "{what}: {} pages, {numbers:?}",
        differ.len()
    );
}

/// Reads a stream to its end, or its temporary end.
fn drain(data: &DataFile, stream: &mut Vec<u8>) {
    let mut piece = vec![0; 1 << 20];
    loop {
        match data.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => stream.extend(&piece[..count]),
            Err(error) if error.errno() == Some(Errno::ENOMSG) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// What the stream says of memory, piece by piece: where it ends in the stream, first page, bytes.
fn memory_records(stream: &[u8]) -> Vec<(usize, usize, Vec<u8>)> {
    let mut at = guest::stream::HEADER;
    let mut found = Vec::new();
    for record in Stream::parse(stream).records {
        at += 8 + record.payload.len() + 4;
        let word = |i: usize| u32::from_le_bytes(record.payload[i..i + 4].try_into().unwrap());
        match record.tag {
            MEMORY => found.push((at, word(0) as usize, record.payload[4..].to_vec())),
            ZERO => found.push((at, word(0) as usize, vec![0; word(4) as usize * PAGE])),
            _ => (),
        }
    }
    found
}

#[test]
fn pre_copy_sends_what_was_written_and_nothing_else() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    let region = region(&device);
    let mapping = region.map(0, SIZE).unwrap();
    for page in [0, 5, 77, 4000] {
        mapping.write(page * PAGE + 9, &[1]).unwrap();
    }
    let data = device.set_state(State::PreCopy).unwrap().unwrap();
    let mut stream = Vec::new();
    let mut rounds: Vec<(Vec<usize>, usize)> = Vec::new();
    drain(&data, &mut stream);
    rounds.push((vec![0, 5, 77, 4000], stream.len()));
    // Through the mapping, the file, both, the same page again, and a page that was never touched.
    let script: [(&[usize], &[usize]); 6] = [
        (&[5], &[]),
        (&[5, 6], &[4000]),
        (&[77], &[77]),
        (&[], &[]),
        (&[PAGES - 1, 5], &[100]),
        (&[5], &[]),
    ];
    let mut byte = [0];
    for (round, (mapped, written)) in (2..).zip(script) {
        let left = data.precopy_info().unwrap();
        assert_eq!(
            (left.initial_bytes, left.dirty_bytes),
            (0, 0),
            "round {round}"
        );
        for page in mapped {
            mapping.write(page * PAGE + 9, &[round]).unwrap();
        }
        for page in written {
            region
                .write_at((page * PAGE + 10) as u64, &[round])
                .unwrap();
        }
        // Reading is no writing.
        mapping.read(0, &mut byte).unwrap();
        region.read_at(77 * PAGE as u64, &mut byte).unwrap();
        let mut expected = [mapped, written].concat();
        expected.sort_unstable();
        expected.dedup();
        let dirty = data.precopy_info().unwrap().dirty_bytes;
        assert!(
            dirty >= (expected.len() * PAGE) as u64,
            "round {round}: {dirty}"
        );
        drain(&data, &mut stream);
        rounds.push((expected, stream.len()));
    }
    // Written, and not read in pre-copy any more.
    mapping.write(9 * PAGE, &[9]).unwrap();
    device.set_state(State::StopCopy).unwrap();
    drain(&data, &mut stream);
    rounds.push((vec![9], stream.len()));
    let records = memory_records(&stream);
    let mut begin = 0;
    for (round, (expected, end)) in rounds.iter().enumerate() {
        let ours = records
            .iter()
            .filter(|(at, ..)| (begin + 1..=*end).contains(at));
        let pages = ours.flat_map(|(_, first, bytes)| *first..first + bytes.len() / PAGE);
        let mut pages: Vec<_> = pages.collect();
        pages.sort_unstable();
        assert_eq!(pages, *expected, "round {round}");
        begin = *end;
    }
    let mut image = vec![0; SIZE];
    for (_, first, bytes) in records {
        image[first * PAGE..][..bytes.len()].copy_from_slice(&bytes);
    }
    assert_same(&image, &contents(&device), "the stream and the device");
}

/// Writes to pages in no particular order until told to stop.
fn scribble(mapping: &Memory, stop: &AtomicBool, mut state: u64) -> u64 {
    let mut count = 0;
    while !stop.load(Relaxed) {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // A few pages often, the others now and then.
        let pages = if state >> 60 == 0 { PAGES } else { 64 };
        let page = (state >> 33) as usize % pages;
        let place = page * PAGE + (state >> 20) as usize % (PAGE - 8);
        mapping.write(place, &state.to_le_bytes()).unwrap();
        count += 1;
        if count % 64 == 0 {
            thread::yield_now();
        }
    }
    count
}

/// Bytes that are read in pre-copy.
const ENOUGH: usize = 4 << 20;

/// How often it is tried; on the debug kernel once.
const SEEDS: u64 = 2;

#[test]
fn no_write_through_a_mapping_is_lost() {
    let _test = Test::begin();
    let seeds = if kernel::is_debug() { 1 } else { SEEDS };
    for seed in 1..=seeds {
        let (source, destination) = (card(), card());
        let (source, destination) = (source.device(), destination.device());
        let mappings = [(); 2].map(|()| region(&source).map(0, SIZE).unwrap());
        let stop = AtomicBool::new(false);
        let mut stream = Vec::new();
        thread::scope(|scope| {
            let begin = |(i, mapping)| {
                scope.spawn({
                    let stop = &stop;
                    move || scribble(mapping, stop, seed * 1000 + i)
                })
            };
            let writers: Vec<_> = (0_u64..).zip(&mappings).map(begin).collect();
            let data = source.set_state(State::PreCopy).unwrap().unwrap();
            // Pages are written faster than they are read: this never comes to an end.
            let mut piece = vec![0; 1 << 20];
            while stream.len() < ENOUGH {
                match data.read(&mut piece) {
                    Ok(count) => stream.extend(&piece[..count]),
                    Err(error) => assert_eq!(error.errno(), Some(Errno::ENOMSG)),
                }
            }
            // As a VMM does: its processors stand still, then the device is stopped.
            stop.store(true, Relaxed);
            for writer in writers {
                assert!(writer.join().unwrap() > 0);
            }
            source.set_state(State::StopCopy).unwrap();
            drain(&data, &mut stream);
        });
        let expected = contents(&source);
        guest::stream::load(&destination, &stream).unwrap();
        assert_same(&contents(&destination), &expected, &format!("seed {seed}"));
        source.set_state(State::Running).unwrap();
    }
}
