// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! An accelerator that is at work on all its queues is moved again and again, at any point. Each
//! descriptor is done once, in its order: what the queues did is what a simulation did, byte by byte.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::RwLock;
use std::thread;
use std::time::Duration;

use guest::accel::{self, queue, Descriptor, DONE};
use guest::{kernel, stream, Mdev, Test, Type};
use nix::errno::Errno;
use vmig_vfio::{DataFile, Device, DmaMapping, Memory, State};

const LIST: &str = "memory-mb=16 num-queues=8 checksum=on codec=zero";

/// The VMM's threads, and how often it moves the device.
const THREADS: u64 = 4;
const MIGRATIONS: u32 = 100;

const QUEUES: u64 = 8;
/// Descriptors in a ring.
const RING: u32 = 16;
/// Bytes of device memory that are a queue's alone: queues do not wait for each other, so nobody knows
/// which is first.
const WINDOW: usize = 256 << 10;
/// Bytes of guest memory, likewise. This program copies them byte by byte.
const HOST: usize = 32 << 10;
/// Most bytes of a descriptor.
const LONGEST: u64 = WINDOW as u64 / 2;

/// The queues that are asked for more at a time than a step does, 1 MiB: their descriptors are carried
/// half done. These windows stand behind the others.
const LONG_QUEUES: [u64; 2] = [3, 7];
const LONG_WINDOW: usize = 2 << 20;
const LONG_BASE: u64 = QUEUES * WINDOW as u64;

/// Guest memory: a page of ring for each queue, then the windows.
const GUEST: u64 = 0x1_0000_0000;
const RINGS_SIZE: usize = QUEUES as usize * 4096;
const GUEST_SIZE: usize = RINGS_SIZE + QUEUES as usize * HOST;

/// Tag of the record of a queue, and where in its payload it says whether a descriptor is half done: behind
/// the number of the queue.
const QUEUE_RECORD: u16 = 0x0210;
const HEAD_AT: usize = 15;
const TAIL_AT: usize = 19;
const ACTIVE_AT: usize = 27;

/// Where the device memory of a queue is, and its size.
fn window(number: u64) -> (u64, usize) {
    match LONG_QUEUES.iter().position(|long| *long == number) {
        Some(i) => (LONG_BASE + (i * LONG_WINDOW) as u64, LONG_WINDOW),
        None => (number * WINDOW as u64, WINDOW),
    }
}

/// How much work was carried: moves with work left in a queue, and moves with a descriptor half done.
#[derive(Default)]
struct Carried {
    waiting: AtomicU32,
    half_done: AtomicU32,
}

impl Carried {
    fn count(&self, bytes: &[u8]) {
        let (mut waiting, mut half_done) = (false, false);
        let mut rest = &bytes[stream::HEADER..];
        while let [t0, t1, _, _, l0, l1, l2, l3, after @ ..] = rest {
            let len = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
            let payload = &after[..len];
            if u16::from_le_bytes([*t0, *t1]) == QUEUE_RECORD {
                let word = |at: usize| &payload[at..at + 4];
                waiting |= word(HEAD_AT) != word(TAIL_AT);
                half_done |= payload[ACTIVE_AT] == 1;
            }
            // The checksum; whoever loads the stream looks at it.
            rest = &after[len + 4..];
        }
        self.waiting.fetch_add(waiting.into(), Ordering::SeqCst);
        self.half_done.fetch_add(half_done.into(), Ordering::SeqCst);
    }
}

/// Numbers that look like chance, the same for the same seed.
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
        (0..len / 8)
            .flat_map(|_| self.next().to_le_bytes())
            .collect()
    }
}

/// A machine: an open device and the guest's memory.
struct Machine {
    device: Device,
    guest: DmaMapping,
}

impl Machine {
    fn new(mdev: &Mdev) -> Self {
        let device = mdev.device();
        let memory = Memory::anonymous(GUEST_SIZE).unwrap();
        let guest = device.dma_map(GUEST, memory).unwrap();
        Self { device, guest }
    }

    fn register(&self, at: u64) -> u32 {
        let registers = self.device.region(accel::REGISTERS).unwrap();
        registers.read_u32(at).unwrap()
    }

    fn set_register(&self, at: u64, value: u32) {
        let registers = self.device.region(accel::REGISTERS).unwrap();
        registers.write_u32(at, value).unwrap();
    }

    fn card(&self, number: u64) -> Vec<u8> {
        let (at, len) = window(number);
        let mut bytes = vec![0; len];
        let memory = self.device.region(accel::MEMORY).unwrap();
        assert_eq!(memory.read_at(at, &mut bytes).unwrap(), len);
        bytes
    }

    fn host(&self, number: u64) -> Vec<u8> {
        let mut bytes = vec![0; HOST];
        let at = RINGS_SIZE + number as usize * HOST;
        self.guest.memory().read(at, &mut bytes).unwrap();
        bytes
    }
}

/// A queue, as its user sees it, and what must come of its work.
struct Lane {
    number: u64,
    dice: Dice,
    card: Vec<u8>,
    host: Vec<u8>,
    tail: u32,
    submitted: u32,
    /// What was asked for and is not known to be done: index, and the checksum.
    open: VecDeque<(u32, Option<u32>)>,
}

impl Lane {
    fn new(machine: &Machine, number: u64, seed: u64) -> Self {
        let mut dice = Dice(seed ^ (number + 1) << 32 | 1);
        let (at, len) = window(number);
        let (card, host) = (dice.bytes(len), dice.bytes(HOST));
        let memory = machine.device.region(accel::MEMORY).unwrap();
        assert_eq!(memory.write_at(at, &card).unwrap(), len);
        let at = RINGS_SIZE + number as usize * HOST;
        machine.guest.memory().write(at, &host).unwrap();
        let base = GUEST + number * 4096;
        machine.set_register(queue(number) + accel::QUEUE_BASE, base as u32);
        let high = queue(number) + accel::QUEUE_BASE + 4;
        machine.set_register(high, (base >> 32) as u32);
        machine.set_register(queue(number) + accel::QUEUE_SIZE, RING);
        machine.set_register(queue(number) + accel::QUEUE_CONTROL, 1);
        Self {
            number,
            dice,
            card,
            host,
            tail: 0,
            submitted: 0,
            open: VecDeque::new(),
        }
    }

    /// A random descriptor, done to the simulation as well.
    fn next(&mut self) -> (Descriptor, Option<u32>) {
        if LONG_QUEUES.contains(&self.number) {
            return self.next_long();
        }
        let (card, host) = (&mut self.card, &mut self.host);
        // Halves, so that copies within do not overlap.
        let half = WINDOW as u64 / 2;
        // Queues 0 and 1 have no CRC unit.
        let operation = self.dice.below(if self.number < 2 { 4 } else { 5 });
        let most = match (operation, self.dice.below(3)) {
            (_, 0) => 200,
            (0 | 1, _) => HOST as u64,
            (2, _) => LONGEST,
            _ => 2000,
        };
        let len = 1 + self.dice.below(most);
        let (length, n) = (len as u32, len as usize);
        let from = self.dice.below(half - len + 1);
        let to = half + self.dice.below(half - len + 1);
        let away = self.dice.below(HOST as u64 - len.min(HOST as u64) + 1);
        let (there, here) = (from as usize, to as usize);
        let (base, _) = window(self.number);
        let guest = GUEST + (RINGS_SIZE + self.number as usize * HOST) as u64 + away;
        let host = host.iter_mut().skip(away as usize).take(n);
        match operation {
            0 => {
                let card = card[here..here + n].iter_mut();
                card.zip(host).for_each(|(card, host)| *card = *host);
                (Descriptor::copy_in(guest, base + to, length), None)
            }
            1 => {
                let card = card[there..there + n].iter();
                card.zip(host).for_each(|(card, host)| *host = *card);
                (Descriptor::copy_out(base + from, guest, length), None)
            }
            2 => {
                // Down as well as up, so that everything meets in the end.
                card.copy_within(here..here + n, there);
                (
                    Descriptor::copy_within(base + to, base + from, length),
                    None,
                )
            }
            3 => {
                let pattern = self.dice.next();
                let bytes = pattern.to_le_bytes().into_iter().cycle();
                let card = card[here..here + n].iter_mut();
                card.zip(bytes).for_each(|(card, byte)| *card = byte);
                (Descriptor::fill(pattern, base + to, length), None)
            }
            _ => {
                let sum = stream::checksum(&card[here..here + n]);
                (Descriptor::crc(base + to, length), Some(sum))
            }
        }
    }

    /// The same for a queue with long ones, of 1 to 2 MiB: filled, or summed up.
    fn next_long(&mut self) -> (Descriptor, Option<u32>) {
        let len = (1 << 20) + self.dice.below(1 << 20);
        let (base, _) = window(self.number);
        let at = self.dice.below(LONG_WINDOW as u64 - len + 1);
        let card = &mut self.card[at as usize..(at + len) as usize];
        if self.dice.below(16) == 0 {
            // Rarely: this program sums up bit by bit.
            let sum = stream::checksum(card);
            return (Descriptor::crc(base + at, len as u32), Some(sum));
        }
        let pattern = self.dice.next();
        for chunk in card.chunks_mut(8) {
            chunk.copy_from_slice(&pattern.to_le_bytes()[..chunk.len()]);
        }
        (Descriptor::fill(pattern, base + at, len as u32), None)
    }

    /// Takes what is done, and asks for more as long as there is room, unless it is enough.
    fn turn(&mut self, machine: &Machine, enough: bool) {
        let memory = machine.guest.memory();
        let ring = self.number as usize * 4096;
        assert_eq!(
            machine.register(queue(self.number) + accel::QUEUE_STATUS),
            0
        );
        let head = machine.register(queue(self.number) + accel::QUEUE_HEAD);
        while let Some(&(index, sum)) = self.open.front() {
            if index == head {
                break;
            }
            self.open.pop_front();
            let mut bytes = [0; 8];
            let at = ring + index as usize * 32 + 24;
            memory.read(at, &mut bytes).unwrap();
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!(word(4), DONE, "queue {}, {index}", self.number);
            assert_eq!(word(0), sum.unwrap_or(0xeeee_eeee), "queue {}", self.number);
        }
        if enough {
            return;
        }
        let before = self.tail;
        let room = match LONG_QUEUES.contains(&self.number) {
            // Work for some steps, and never much more: the VM is slow.
            true => 2,
            false => RING as usize - 1,
        };
        for _ in 0..self.dice.below(6) {
            if self.open.len() >= room {
                break;
            }
            let (descriptor, sum) = self.next();
            let at = ring + self.tail as usize * 32;
            memory.write(at, &descriptor.bytes()).unwrap();
            self.open.push_back((self.tail, sum));
            self.tail = (self.tail + 1) % RING;
            self.submitted += 1;
        }
        if self.tail != before {
            machine.set_register(queue(self.number) + accel::QUEUE_TAIL, self.tail);
        }
    }
}

/// Reads a stream to its (temporary) end, or until there are `most` bytes.
fn read(file: &DataFile, most: usize, stream: &mut Vec<u8>) {
    let mut piece = vec![0; 256 << 10];
    let until = stream.len() + most;
    while stream.len() < until {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => stream.extend_from_slice(&piece[..n]),
            Err(error) if error.errno() == Some(Errno::ENOMSG) => break,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Moves the device from `from`, which is at work, to `to`.
fn migrate(current: &RwLock<usize>, machines: &[Machine; 2], dice: &mut Dice, carried: &Carried) {
    let from = *current.read().unwrap();
    let (source, target) = (&machines[from], &machines[1 - from]);
    let mut bytes = Vec::new();
    let mut file = None;
    if dice.below(4) > 0 {
        let data = source.device.set_state(State::PreCopy).unwrap().unwrap();
        // Writers may be faster than this is; a VMM would give up at some time as well.
        read(&data, dice.below(6 << 20) as usize, &mut bytes);
        if dice.below(2) == 0 {
            source.device.set_state(State::PreCopyP2p).unwrap();
        }
        file = Some(data);
    }
    // The VM stands still from here on.
    let mut now = current.write().unwrap();
    let opened = source.device.set_state(State::StopCopy).unwrap();
    let file = file.or(opened).unwrap();
    read(&file, usize::MAX >> 1, &mut bytes);
    carried.count(&bytes);
    let mut memory = vec![0; GUEST_SIZE];
    source.guest.memory().read(0, &mut memory).unwrap();
    target.guest.memory().write(0, &memory).unwrap();
    let data = target.device.set_state(State::Resuming).unwrap().unwrap();
    data.write_all(&bytes).unwrap();
    target.device.set_state(State::Running).unwrap();
    source.device.reset().unwrap();
    *now = 1 - from;
}

#[test]
fn eight_queues_survive_a_hundred_migrations() {
    let limit = Duration::from_secs(300);
    let (limit, migrations) = match kernel::is_debug() {
        true => (limit * kernel::SLOWER, MIGRATIONS / 20),
        false => (limit, MIGRATIONS),
    };
    let _test = Test::begin_within(limit);
    let seed = u64::from(std::process::id()) << 16 | 0x5eed;
    println!("seed {seed:#x}");
    let mdevs = [0, 1].map(|_| Type::default_parent("accel-var").new_device_with(LIST));
    let machines = [Machine::new(&mdevs[0]), Machine::new(&mdevs[1])];
    accel::enable(&machines[0].device);
    let lanes: Vec<_> = (0..QUEUES)
        .map(|number| Lane::new(&machines[0], number, seed))
        .collect();
    let current = RwLock::new(0);
    let enough = AtomicBool::new(false);
    let carried = Carried::default();
    let work = |mut lanes: Vec<Lane>| {
        loop {
            let last = enough.load(Ordering::SeqCst);
            // Under the lock: a VM that stands still rings no doorbell.
            let guard = current.read().unwrap();
            let machine = &machines[*guard];
            lanes.iter_mut().for_each(|lane| lane.turn(machine, last));
            drop(guard);
            if last && lanes.iter().all(|lane| lane.open.is_empty()) {
                break lanes;
            }
            thread::sleep(Duration::from_micros(500));
        }
    };
    let mut lanes = lanes.into_iter();
    let share = (QUEUES / THREADS) as usize;
    let shares: Vec<Vec<Lane>> = (0..THREADS)
        .map(|_| lanes.by_ref().take(share).collect())
        .collect();
    let done: Vec<Lane> = thread::scope(|scope| {
        let threads: Vec<_> = shares
            .into_iter()
            .map(|share| scope.spawn(|| work(share)))
            .collect();
        let mut dice = Dice(seed);
        for _ in 0..migrations {
            thread::sleep(Duration::from_micros(dice.below(20_000)));
            migrate(&current, &machines, &mut dice, &carried);
        }
        enough.store(true, Ordering::SeqCst);
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let (waiting, half_done) = (carried.waiting.into_inner(), carried.half_done.into_inner());
    println!(
        "{migrations} moves, {waiting} with work left, {half_done} with a descriptor half done"
    );
    assert!(waiting > 0, "only idle queues were moved");
    assert!(half_done > 0, "no descriptor was carried half done");
    let machine = &machines[*current.read().unwrap()];
    for lane in &done {
        let number = lane.number;
        let count = machine.register(queue(number) + accel::QUEUE_DONE);
        println!("queue {number}: {count} descriptors");
        assert_eq!(count, lane.submitted, "queue {number}: lost or done twice");
        let least = match LONG_QUEUES.contains(&number) {
            true => 1,
            false => migrations,
        };
        assert!(count > least, "queue {number} was at work");
        assert!(
            machine.card(number) == lane.card,
            "device memory of {number}"
        );
        assert!(
            machine.host(number) == lane.host,
            "guest memory of {number}"
        );
    }
}
