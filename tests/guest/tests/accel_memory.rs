// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The accelerator's memory: read, written and mapped, by whatever buffer, and when it is gone.

use guest::accel::{self, Descriptor, Queue};
use guest::{Mdev, Test, Type};
use vmig_vfio::{Attach, Device, Errno, Region, State};

const PAGE: usize = 4096;
/// Size of the device memory.
const SIZE: usize = 16 << 20;

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

#[test]
fn file_and_mappings_show_the_same_memory() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let mdev = card();
        let device = mdev.open(attach).unwrap();
        let region = region(&device);
        assert_eq!(region.info().size, SIZE as u64);
        let whole = region.map(0, SIZE).unwrap();
        let part = region.map(3 << 20, 1 << 20).unwrap();
        // Not aligned, across pages and pieces, through each of them.
        let mut expected = vec![0; SIZE];
        let data: Vec<u8> = (0..200_000_u32).map(|i| (i % 251) as u8).collect();
        let place = (3 << 20) - 70_001;
        assert_eq!(region.write_at(place as u64, &data).unwrap(), data.len());
        expected[place..place + data.len()].copy_from_slice(&data);
        whole.write(SIZE - 5000, &data[..5000]).unwrap();
        expected[SIZE - 5000..].copy_from_slice(&data[..5000]);
        part.write(PAGE - 1, b"abc").unwrap();
        expected[(3 << 20) + PAGE - 1..][..3].copy_from_slice(b"abc");
        assert_same(&contents(&device), &expected, "file");
        let mut seen = vec![0; SIZE];
        whole.read(0, &mut seen).unwrap();
        assert_same(&seen, &expected, "mapping");
        // Beyond the end.
        let end = SIZE as u64;
        assert_eq!(
            region.read_at(end - 3, &mut [0; 8]).unwrap_err().errno(),
            Some(Errno::EINVAL)
        );
        assert_eq!(
            region.write_at(end, &[1]).unwrap_err().errno(),
            Some(Errno::EINVAL)
        );
        assert!(region.map(0, SIZE + PAGE).is_err());
        // Stopped, it can be read and not written.
        device.set_state(State::Stop).unwrap();
        assert_eq!(
            region.write_at(0, &[1; 9000]).unwrap_err().errno(),
            Some(Errno::EBUSY)
        );
        assert_same(&contents(&device), &expected, "stopped");
        // Reset clears it under the mappings, which go on.
        device.reset().unwrap();
        whole.read(0, &mut seen).unwrap();
        assert_same(&seen, &vec![0; SIZE], "after reset");
        part.write(0, b"again").unwrap();
        assert_eq!(region.read::<5>(3 << 20).unwrap(), *b"again");
    }
}

#[test]
fn the_memory_can_be_the_buffer_of_its_own_accesses() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let mdev = card();
        let device = mdev.open(attach).unwrap();
        accel::enable(&device);
        let region = region(&device);
        let mapping = region.map(0, SIZE).unwrap();
        region.write_at(0, &[0x5a; 100_000]).unwrap();
        // Pages that are not there yet are made by the copy.
        assert_eq!(
            region.read_into(0, &mapping, 1 << 20, 100_000).unwrap(),
            100_000
        );
        assert_eq!(
            region
                .write_from(2 << 20, &mapping, 1 << 20, 100_000)
                .unwrap(),
            100_000
        );
        assert_eq!(region.read::<1>((2 << 20) + 99_999).unwrap(), [0x5a]);
        // The state, read into the device that it is the state of.
        let data = device.set_state(State::PreCopy).unwrap().unwrap();
        for _ in 0..8 {
            // Each read writes what the next one has to send.
            data.read_into(&mapping, 8 << 20, 1 << 20).unwrap();
        }
        device.set_state(State::Running).unwrap();
        // DMA to an address where the device's own memory is mapped.
        let mut queue = Queue::enable(&device, 0, 0x10_0000, 16);
        let mapped = device.dma_map(1 << 32, mapping).unwrap();
        queue.run(&[
            Descriptor::fill(u64::from_ne_bytes([7; 8]), 0, 3 << 20),
            Descriptor::copy_out(0, (1 << 32) + (4 << 20), 3 << 20),
            Descriptor::copy_in((1 << 32) + (4 << 20), 12 << 20, 1 << 20),
        ]);
        assert_eq!(region.read::<1>((7 << 20) - 1).unwrap(), [7], "{attach:?}");
        assert_eq!(region.read::<1>((13 << 20) - 1).unwrap(), [7], "{attach:?}");
        drop(mapped);
    }
}

#[test]
fn contents_survive_the_last_close_only_if_they_are_kept() {
    let _test = Test::begin();
    let mdev = card();
    for keep in [false, true, false] {
        mdev.keep(keep);
        let device = mdev.device();
        region(&device).write_at(5000, b"contents").unwrap();
        drop(device);
        let device = mdev.device();
        let expected = if keep { *b"contents" } else { [0; 8] };
        assert_eq!(
            region(&device).read::<8>(5000).unwrap(),
            expected,
            "keep {keep}"
        );
    }
    // Other memory is empty memory.
    mdev.keep(true);
    region(&mdev.device()).write_at(5000, b"contents").unwrap();
    mdev.set("memory-mb", "32").unwrap();
    let device = mdev.device();
    assert_eq!(region(&device).info().size, 32 << 20);
    assert_eq!(region(&device).read::<8>(5000).unwrap(), [0; 8]);
}
