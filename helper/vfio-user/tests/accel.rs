// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The accelerator behind a socket: its work, its interrupts, and its migration with work under way.

use std::{
    fs::File,
    os::{
        fd::AsFd,
        unix::fs::FileExt as _, //
    },
    time::{
        Duration,
        Instant, //
    },
};

use nix::sys::{
    eventfd::{
        EfdFlags,
        EventFd, //
    },
    memfd::{
        memfd_create,
        MFdFlags, //
    },
};
use vmig_model::{
    accel::{
        self,
        Card, //
    },
    arcs::State,
    info::write_info,
    types::{
        find,
        Generation, //
    },
    values::Values,
};
use vmig_vfio_user::{
    message::{
        uapi::*,
        DmaMap, //
    },
    pages::Pages,
    work::Queues,
    Client,
    Server, //
};

use crate::support::*;

/// Where the client's memory begins, and its size.
pub(crate) const RAM: u64 = 0x10_0000;
pub(crate) const RAM_LEN: u64 = 0x80_0000;
/// Data of the client, behind the ring.
pub(crate) const DATA: u64 = RAM + 0x1000;
const MIB: u32 = 1 << 20;

pub(crate) const COPY_IN: u8 = 1;
pub(crate) const COPY_OUT: u8 = 2;
const FILL: u8 = 4;
const CRC: u8 = 5;
pub(crate) const DONE: u32 = 1;

pub(crate) fn serve(list: &List) -> Running<Card<Pages>, Queues> {
    serve_of(Generation::NEWEST, list)
}

fn serve_of(generation: Generation, list: &List) -> Running<Card<Pages>, Queues> {
    let ty = find(generation, "accel-var").unwrap();
    let mut values = Values::init(ty);
    for (name, text) in list {
        values.set(ty, ty.index(name).unwrap(), text).unwrap();
    }
    let memory = Pages::new(accel::pages(ty, &values));
    let card = Card::new(ty, values, memory);
    run(Server::with_worker(card, Queues::default()))
}

/// A machine with memory, and one queue's ring at its beginning.
pub(crate) struct Machine {
    pub(crate) ram: File,
    pub(crate) tail: u32,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let ram = File::from(memfd_create(c"ram", MFdFlags::MFD_CLOEXEC).unwrap());
        ram.set_len(RAM_LEN).unwrap();
        Self { ram, tail: 0 }
    }

    pub(crate) fn write(&self, address: u64, data: &[u8]) {
        self.ram.write_all_at(data, address - RAM).unwrap();
    }

    pub(crate) fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.ram.read_exact_at(&mut data, address - RAM).unwrap();
        data
    }

    /// Maps the memory for the device.
    pub(crate) fn attach(&self, client: &mut Client) {
        let map = DmaMap {
            argsz: 32,
            flags: 3,
            offset: 0,
            address: RAM,
            size: RAM_LEN,
        };
        client.dma_map(&map, Some(self.ram.as_fd())).unwrap();
    }

    /// Appends a descriptor to the ring of 64.
    pub(crate) fn push(&mut self, operation: u8, length: u32, source: u64, destination: u64) {
        let mut bytes = vec![operation, 1, 0, 0];
        bytes.extend(length.to_le_bytes());
        bytes.extend(source.to_le_bytes());
        bytes.extend(destination.to_le_bytes());
        bytes.extend([0; 8]);
        self.write(RAM + u64::from(self.tail) * 32, &bytes);
        self.tail += 1;
    }

    /// Result and status of descriptor `n`.
    pub(crate) fn outcome(&self, n: u32) -> (u32, u32) {
        let bytes = self.read(RAM + u64::from(n) * 32 + 24, 8);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        (word(0), word(4))
    }
}

pub(crate) fn set(client: &mut Client, queue: u64, register: u64, value: u32) {
    let at = 0x100 + queue * 0x20 + register;
    client.region_write(0, at, &value.to_le_bytes()).unwrap();
}

pub(crate) fn get(client: &mut Client, queue: u64, register: u64) -> u32 {
    let mut bytes = [0; 4];
    let at = 0x100 + queue * 0x20 + register;
    client.region_read(0, at, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// Bus master on, and the queue at the ring.
pub(crate) fn enable(client: &mut Client, queue: u64) {
    client.region_write(CONFIG, 4, &[6, 0]).unwrap();
    set(client, queue, 0x08, RAM as u32);
    set(client, queue, 0x0c, 0);
    set(client, queue, 0x10, 64);
    set(client, queue, 0x00, 1);
}

/// Waits until HEAD is `tail`, or the queue has stopped; its STATUS.
pub(crate) fn wait(client: &mut Client, queue: u64, tail: u32) -> u32 {
    let begin = Instant::now();
    loop {
        let status = get(client, queue, 0x04);
        if status != 0 || get(client, queue, 0x14) == tail {
            return status;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "it does not work"
        );
    }
}

#[test]
fn it_works_in_the_memory_of_its_client() {
    let running = serve(&[("memory-mb", "16")]);
    let mut client = running.connect();
    let mut machine = Machine::new();
    machine.attach(&mut client);
    enable(&mut client, 2);
    let data: Vec<u8> = (0..5000_u32).map(|n| (n * 7) as u8).collect();
    machine.write(DATA, &data);
    machine.push(COPY_IN, 5000, DATA, 100);
    machine.push(FILL, 3000, u64::from_le_bytes(*b"12345678"), 100 + 4096);
    machine.push(COPY_OUT, 5000, 100, DATA + 0x10000);
    machine.write(DATA + 0x20000, b"123456789");
    machine.push(COPY_IN, 9, DATA + 0x20000, 0x8000);
    machine.push(CRC, 9, 0x8000, 0);
    set(&mut client, 2, 0x18, machine.tail);
    assert_eq!(wait(&mut client, 2, machine.tail), 0);
    let back = machine.read(DATA + 0x10000, 5000);
    assert!(back[..4096] == data[..4096] && back[4096..4104] == *b"12345678");
    for n in 0..machine.tail {
        assert_eq!(machine.outcome(n).1, DONE, "descriptor {n}");
    }
    assert_eq!(
        machine.outcome(4).0,
        0xe306_9283,
        "the check value of CRC32C"
    );
    // The device memory is a region as well.
    let mut seen = [0; 9];
    client.region_read(2, 0x8000, &mut seen).unwrap();
    assert_eq!(&seen, b"123456789");
    let (info, _, file) = client.region_info(2).unwrap();
    assert_eq!((info.size, info.flags), (16 << 20, 3));
    assert!(file.is_none(), "what a client has mapped cannot be tracked");
    drop(client);
    running.finish();
}

#[test]
fn it_tells_of_work_that_is_done() {
    let running = serve(&[]);
    let mut client = running.connect();
    let mut machine = Machine::new();
    machine.attach(&mut client);
    enable(&mut client, 0);
    let events: Vec<EventFd> = (0..4)
        .map(|_| EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap())
        .collect();
    let files: Vec<_> = events.iter().map(AsFd::as_fd).collect();
    let bind = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    let msix = VFIO_PCI_MSIX_IRQ_INDEX;
    client.set_irqs(msix, bind, (0, 4), &[], &files).unwrap();
    // MSI-X on, and no interrupt masked.
    let mut at = [0];
    client.region_read(CONFIG, 0x34, &mut at).unwrap();
    let mut header = [0; 2];
    let mut cap = u64::from(at[0]);
    loop {
        client.region_read(CONFIG, cap, &mut header).unwrap();
        if header[0] == 0x11 {
            break;
        }
        cap = u64::from(header[1]);
        assert_ne!(cap, 0, "an MSI-X capability");
    }
    client.region_write(CONFIG, cap + 2, &[0, 0x80]).unwrap();
    client.region_write(0, 0x24, &[0; 4]).unwrap();
    machine.push(FILL, 8, 0, 0);
    set(&mut client, 0, 0x18, machine.tail);
    assert_eq!(wait(&mut client, 0, machine.tail), 0);
    // The event comes with the completion that was just seen.
    client.info().unwrap();
    assert_eq!(events[0].read(), Ok(1));
    assert!(events[1..].iter().all(|event| event.read().is_err()));
    drop(client);
    running.finish();
}

#[test]
fn writes_to_the_client_are_logged() {
    let running = serve(&[("memory-mb", "16")]);
    let mut client = running.connect();
    let mut machine = Machine::new();
    machine.attach(&mut client);
    enable(&mut client, 0);
    client.logging_start(4096, &[]).unwrap();
    machine.push(COPY_OUT, 8192, 0, DATA + 0x1_0800);
    set(&mut client, 0, 0x18, 1);
    assert_eq!(wait(&mut client, 0, 1), 0);
    let bitmap = client.logging_report(RAM, 64 * 4096, 4096).unwrap();
    let bitmap = u64::from_ne_bytes(bitmap.try_into().unwrap());
    // The status of the descriptor, and three pages of data from page 17 on.
    assert_eq!(bitmap, 1 | 7 << 17);
    drop(client);
    running.finish();
}

#[test]
fn what_is_not_mapped_stops_the_queue() {
    let running = serve(&[]);
    let mut client = running.connect();
    let mut machine = Machine::new();
    machine.attach(&mut client);
    enable(&mut client, 0);
    machine.push(COPY_IN, 16, RAM + RAM_LEN, 0);
    set(&mut client, 0, 0x18, 1);
    assert_eq!(wait(&mut client, 0, 1), 9);
    assert_eq!(machine.outcome(0).1, 9);
    // Nor is there a descriptor where nothing is any more.
    set(&mut client, 0, 0x00, 0);
    client.dma_unmap(RAM, RAM_LEN).unwrap();
    enable(&mut client, 0);
    set(&mut client, 0, 0x18, 1);
    assert_eq!(wait(&mut client, 0, 1), 0x10);
    drop(client);
    running.finish();
}

/// The program says of itself what the mdev type says, and refuses what that refuses.
#[test]
fn the_program_is_the_type() {
    let program = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_vmig-accel"))
            .args(words)
            .arg("--print-migration-info-json")
            .output()
            .unwrap();
        let text = |data| String::from_utf8(data).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    for generation in [Generation::One, Generation::Two] {
        let mut expected = String::new();
        write_info(find(generation, "accel-var").unwrap(), &mut expected).unwrap();
        let option = format!("--generation={}", u32::from(generation));
        assert_eq!(program(&[&option]), (Some(0), expected, String::new()));
    }
    let descriptor = include_str!("../50-vmig-accel.json");
    assert!(descriptor.contains(accel::MODEL) && descriptor.contains("@bindir@/vmig-accel"));
    for (words, part) in [
        (
            &["--m-num-queues=2"][..],
            "checksum=on needs num-queues=3-8",
        ),
        (&["--m-memory-mb=48"], "memory-mb=48 is not accepted"),
        (&["--m-codec=lz4"], "codec=lz4 is not accepted"),
        (&["--generation=1", "--m-memory-mb=256"], "memory-mb=256"),
        (
            &["--m-ports=1"],
            "accepts : checksum, codec, memory-mb, num-queues",
        ),
    ] {
        let (status, out, err) = program(words);
        assert_eq!((status, out.as_str()), (Some(1), ""), "{words:?}");
        assert!(err.contains(part), "{words:?}: {err}");
    }
}

/// Reads until there is no more (now).
fn drain(client: &mut Client) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        let len = client.data_read(&mut piece).unwrap();
        stream.extend_from_slice(&piece[..len]);
        if len < piece.len() {
            return stream;
        }
    }
}

/// The last round of [`long_work`].
const ROUNDS: u64 = 19;

/// A ring of work that takes a while: data go in, change their place, and come out.
pub(crate) fn long_work(machine: &mut Machine) -> Vec<u8> {
    let data: Vec<u8> = (0..2 * MIB).map(|n| (n ^ n >> 9) as u8).collect();
    machine.write(DATA, &data);
    let place = |round| u64::from(MIB) * (round % 8);
    for round in 0..=ROUNDS {
        machine.push(COPY_IN, 2 * MIB, DATA, place(round));
        machine.push(FILL, 64, round * 0x0101_0101, place(round) + 8);
    }
    machine.push(COPY_OUT, 2 * MIB, place(ROUNDS), DATA + 0x40_0000);
    data
}

fn assert_done(machine: &Machine, data: &[u8]) {
    for n in 0..machine.tail {
        assert_eq!(machine.outcome(n).1, DONE, "descriptor {n}");
    }
    let out = machine.read(DATA + 0x40_0000, 2 << 20);
    assert!(out[..8] == data[..8] && out[72..] == data[72..]);
    assert_eq!(out[8..12], [ROUNDS as u8; 4]);
}

#[test]
fn work_goes_on_at_the_destination() {
    let list = &[("memory-mb", "16")];
    // At several moments of the work; the last one is when all is done.
    let moments = [0, 1, 3, 8, 1000].map(|looks| (Generation::Two, looks));
    let moments = moments.into_iter().chain([(Generation::One, 0)]);
    let mut under_way = [0; 2];
    for (generation, looks) in moments {
        let (from, to) = (serve_of(generation, list), serve_of(generation, list));
        let (mut source, mut destination) = (from.connect(), to.connect());
        let mut machine = Machine::new();
        machine.attach(&mut source);
        enable(&mut source, 0);
        let data = long_work(&mut machine);
        set(&mut source, 0, 0x18, machine.tail);
        let mut stream = Vec::new();
        if looks > 0 {
            source.set_state(State::PreCopy).unwrap();
            stream.extend(drain(&mut source));
        }
        for _ in 0..looks {
            source.info().unwrap();
        }
        source.set_state(State::StopCopy).unwrap();
        stream.extend(drain(&mut source));
        let head = get(&mut source, 0, 0x14);
        under_way[u32::from(generation) as usize - 1] += u32::from(head < machine.tail);
        destination.set_state(State::Resuming).unwrap();
        destination.data_write(&stream).unwrap();
        destination.set_state(State::Running).unwrap();
        assert_eq!(get(&mut destination, 0, 0x14), head);
        // It waits for a client that maps its memory and then writes to it.
        machine.attach(&mut destination);
        destination.region_write(CONFIG, 0x3c, &[1]).unwrap();
        assert_eq!(wait(&mut destination, 0, machine.tail), 0);
        assert_done(&machine, &data);
        drop((source, destination));
        from.finish();
        to.finish();
    }
    assert!(
        !under_way.contains(&0),
        "some were in the middle of the work"
    );
}

#[test]
fn work_goes_on_with_the_next_client() {
    let running = serve(&[("memory-mb", "16")]);
    let mut machine = Machine::new();
    let mut client = running.connect();
    machine.attach(&mut client);
    enable(&mut client, 0);
    let data = long_work(&mut machine);
    set(&mut client, 0, 0x18, machine.tail);
    drop(client);
    let mut client = running.connect();
    client.info().unwrap();
    machine.attach(&mut client);
    client.region_write(CONFIG, 0x3c, &[1]).unwrap();
    assert_eq!(wait(&mut client, 0, machine.tail), 0);
    assert_done(&machine, &data);
    drop(client);
    running.finish();
}

#[test]
fn the_stream_of_a_stopped_device_is_the_same_after_a_round() {
    for list in [
        &[("memory-mb", "16")][..],
        &[("memory-mb", "16"), ("codec", "none")],
    ] {
        let (from, to) = (serve(list), serve(list));
        let (mut source, mut destination) = (from.connect(), to.connect());
        for at in [0, 4096 * 17 + 5, (16 << 20) - 3] {
            source.region_write(2, at, b"abc").unwrap();
        }
        source.set_state(State::StopCopy).unwrap();
        let stream = drain(&mut source);
        destination.set_state(State::Resuming).unwrap();
        destination.data_write(&stream).unwrap();
        destination.set_state(State::StopCopy).unwrap();
        assert!(drain(&mut destination) == stream, "{list:?}");
        let mut seen = [0; 3];
        destination
            .region_read(2, 4096 * 17 + 5, &mut seen)
            .unwrap();
        assert_eq!(&seen, b"abc");
        drop((source, destination));
        from.finish();
        to.finish();
    }
}
