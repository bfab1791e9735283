// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The accelerator's queues at work: every operation against a reference, everything that can be wrong
//! with a descriptor.

use guest::accel::{self, Descriptor, Queue};
use guest::wait::{self, SOON};
use guest::{stream, Mdev, Test, Type};
use vmig_vfio::{Attach, Device, DmaMapping, Memory};

const MIB: u64 = 1 << 20;
/// Size of the device memory.
const SIZE: u64 = 16 * MIB;
/// Where the guest memory is, and its size.
const GUEST: u64 = 0x1_0000_0000;
const GUEST_SIZE: usize = 4 << 20;
/// Where rings begin, a page for each queue.
const RINGS: u64 = 0x10_0000;

fn card() -> Mdev {
    Type::default_parent("accel-var").new_device_with("memory-mb=16 num-queues=4 checksum=on")
}

fn guest_memory(device: &Device) -> DmaMapping {
    let memory = Memory::anonymous(GUEST_SIZE).unwrap();
    device.dma_map(GUEST, memory).unwrap()
}

fn open_queue(device: &Device, number: u64) -> Queue<'_> {
    Queue::enable(device, number, RINGS + (number << 12), 64)
}

/// Numbers that look like chance, the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len.div_ceil(8))
            .flat_map(|_| self.next().to_le_bytes())
            .take(len)
            .collect()
    }
}

fn device_memory(device: &Device) -> Vec<u8> {
    let mut bytes = vec![0; SIZE as usize];
    let region = device.region(accel::MEMORY).unwrap();
    assert_eq!(region.read_at(0, &mut bytes).unwrap(), bytes.len());
    bytes
}

fn contents(guest: &DmaMapping) -> Vec<u8> {
    let mut bytes = vec![0; GUEST_SIZE];
    guest.memory().read(0, &mut bytes).unwrap();
    bytes
}

/// A random descriptor that is right, done to the reference as well. The checksum of operation 5.
fn any(dice: &mut Dice, host: &mut [u8], card: &mut [u8]) -> (Descriptor, Option<u32>) {
    let len = match dice.below(3) {
        0 => 1 + dice.below(100),
        1 => 1 + dice.below(100_000),
        _ => 1 + dice.below(3 << 19),
    };
    let (length, n) = (len as u32, len as usize);
    let there = dice.below(GUEST_SIZE as u64 - len);
    // Mostly in the lower part, so that operations meet.
    let room = if dice.below(8) == 0 { SIZE } else { 4 * MIB };
    let at = dice.below(room - len);
    let (host_at, card_at) = (there as usize, at as usize);
    match dice.below(5) {
        0 => {
            card[card_at..card_at + n].copy_from_slice(&host[host_at..host_at + n]);
            (Descriptor::copy_in(GUEST + there, at, length), None)
        }
        1 => {
            host[host_at..host_at + n].copy_from_slice(&card[card_at..card_at + n]);
            (Descriptor::copy_out(at, GUEST + there, length), None)
        }
        2 => {
            // Neither before nor behind may they overlap.
            let to = if at >= len { at - len } else { at + len };
            card.copy_within(card_at..card_at + n, to as usize);
            (Descriptor::copy_within(at, to, length), None)
        }
        3 => {
            let pattern = dice.next();
            let bytes = pattern.to_le_bytes();
            let slots = card[card_at..card_at + n].iter_mut();
            slots
                .zip(bytes.into_iter().cycle())
                .for_each(|(slot, byte)| *slot = byte);
            (Descriptor::fill(pattern, at, length), None)
        }
        _ => {
            let length = length.min(50_000);
            let sum = stream::checksum(&card[card_at..card_at + length as usize]);
            (Descriptor::crc(at, length), Some(sum))
        }
    }
}

#[test]
fn every_operation_does_what_the_reference_does() {
    let _test = Test::begin();
    for (attach, seed) in [(Attach::Cdev, 0x1234_5678_9abc), (Attach::Group, 77)] {
        let mdev = card();
        let device = mdev.open(attach).unwrap();
        accel::enable(&device);
        let guest = guest_memory(&device);
        let mut dice = Dice(seed);
        let mut host = dice.bytes(GUEST_SIZE);
        guest.memory().write(0, &host).unwrap();
        let mut card = vec![0; SIZE as usize];
        let mut queue = open_queue(&device, 3);
        for round in 0..4 {
            let asked: Vec<_> = (0..20)
                .map(|_| any(&mut dice, &mut host, &mut card))
                .collect();
            let descriptors: Vec<_> = asked.iter().map(|(descriptor, _)| *descriptor).collect();
            let first = queue.register(accel::QUEUE_HEAD);
            queue.run(&descriptors);
            for (i, (descriptor, sum)) in (first..).zip(&asked) {
                if let Some(sum) = sum {
                    assert_eq!(queue.written_back(i).0, *sum, "{descriptor:?}");
                }
            }
            assert!(
                device_memory(&device) == card,
                "{attach:?}, seed {seed}, round {round}"
            );
            assert!(
                contents(&guest) == host,
                "{attach:?}, seed {seed}, round {round}"
            );
        }
        assert_eq!(queue.register(accel::QUEUE_DONE), 80);
    }
}

#[test]
fn what_is_wrong_stops_the_queue_and_nothing_else() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let mdev = card();
        let device = mdev.open(attach).unwrap();
        accel::enable(&device);
        let _guest = guest_memory(&device);
        let mut other = open_queue(&device, 0);
        let mut queue = open_queue(&device, 2);
        let good = Descriptor::fill(0x55, 0, 4096);
        let with = |f: &dyn Fn(&mut Descriptor)| {
            let mut descriptor = good;
            f(&mut descriptor);
            descriptor
        };
        let end = GUEST + GUEST_SIZE as u64;
        for (descriptor, expected) in [
            (with(&|d| d.operation = 0), 2),
            (with(&|d| d.operation = 6), 2),
            (with(&|d| d.flags = 2), 3),
            (with(&|d| d.reserved = 1), 3),
            (with(&|d| d.length = 0), 5),
            (with(&|d| d.length = SIZE as u32 + 1), 5),
            (with(&|d| d.destination = SIZE - 4095), 6),
            (with(&|d| d.destination = u64::MAX - 4094), 6),
            (Descriptor::copy_out(SIZE, GUEST, 1), 6),
            (Descriptor::copy_in(u64::MAX - 2, 0, 4), 7),
            (Descriptor::copy_out(0, u64::MAX, 2), 7),
            (Descriptor::copy_within(0, 4095, 4096), 8),
            (Descriptor::copy_in(end, 0, 1), 9),
            (Descriptor::copy_in(end - 1, 0, 2), 9),
            (Descriptor::copy_out(0, end - 1, 2), 9),
            (Descriptor::copy_out(0, 0, 1), 9),
        ] {
            assert_eq!(
                queue.run_wrong(descriptor),
                (expected, expected),
                "{descriptor:?}"
            );
            other.run(&[good]);
            queue.run(&[good]);
        }
        // A unit that the queue does not have.
        assert_eq!(other.run_wrong(Descriptor::crc(0, 1)), (4, 4));
        // A doorbell that is none, and rings that are none or nowhere.
        queue.set_register(accel::QUEUE_TAIL, 64);
        assert_eq!(queue.register(accel::QUEUE_STATUS), 0x12);
        queue.restart();
        for (size, base, expected) in [
            (0, RINGS, 0x13),
            (3, RINGS, 0x13),
            (8192, RINGS, 0x13),
            (2, !31, 0x13),
            (2, GUEST + GUEST_SIZE as u64, 0x10),
        ] {
            let registers = device.region(accel::REGISTERS).unwrap();
            let at = accel::queue(1);
            registers.write_u64(at + accel::QUEUE_BASE, base).unwrap();
            registers.write_u32(at + accel::QUEUE_SIZE, size).unwrap();
            registers.write_u32(at + accel::QUEUE_CONTROL, 1).unwrap();
            registers.write_u32(at + accel::QUEUE_TAIL, 1).unwrap();
            let stopped = || registers.read_u32(at + accel::QUEUE_STATUS).unwrap() != 0;
            assert!(wait::until(SOON, stopped));
            let error = registers.read_u32(at + accel::QUEUE_STATUS).unwrap();
            assert_eq!(error, expected, "{size} descriptors at {base:#x}");
            registers.write_u32(at + accel::QUEUE_CONTROL, 0).unwrap();
        }
        queue.run(&[good]);
    }
}
