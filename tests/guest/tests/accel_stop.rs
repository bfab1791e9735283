// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The accelerator's work from outside: it stops where it has to, tells that it is done, and what it
//! writes is logged.

use std::os::fd::AsFd;
use std::thread::sleep;

use guest::accel::{self, Descriptor, Queue, DONE};
use guest::wait::{self, QUIET, SOON};
use guest::{pci, Event, Mdev, Test, Type};
use vmig_vfio::{uapi, Attach, Device, DmaMapping, IovaRange, Memory, State};

/// Size of the device memory.
const SIZE: u64 = 16 << 20;
/// Where the guest memory is, and its size.
const GUEST: u64 = 0x1_0000_0000;
const GUEST_SIZE: u64 = 4 << 20;
/// Where rings begin, a page for each queue.
const RINGS: u64 = 0x10_0000;

fn card() -> Mdev {
    Type::default_parent("accel-var").new_device_with("memory-mb=16 num-queues=4")
}

fn open_queue(device: &Device, number: u64) -> Queue<'_> {
    Queue::enable(device, number, RINGS + (number << 12), 64)
}

fn device_memory(device: &Device) -> Vec<u8> {
    let mut bytes = vec![0; SIZE as usize];
    let region = device.region(accel::MEMORY).unwrap();
    assert_eq!(region.read_at(0, &mut bytes).unwrap(), bytes.len());
    bytes
}

/// How many descriptors are many.
const MANY: u64 = 10;

/// Guest memory that work is seen in.
fn guest_memory(device: &Device) -> DmaMapping {
    let memory = Memory::anonymous(GUEST_SIZE as usize).unwrap();
    device.dma_map(GUEST, memory).unwrap()
}

fn contents(guest: &DmaMapping) -> Vec<u8> {
    let mut bytes = vec![0; GUEST_SIZE as usize];
    guest.memory().read(0, &mut bytes).unwrap();
    bytes
}

/// Asks for much: more than is done between two calls. Device memory is filled with a byte, again and again,
/// and each time copied out.
fn much(queue: &mut Queue<'_>) {
    let descriptors: Vec<_> = (1..=MANY)
        .flat_map(|i| {
            let pattern = i * 0x0101_0101_0101_0101;
            [
                Descriptor::fill(pattern, 0, SIZE as u32 / 2),
                Descriptor::copy_out(0, GUEST, GUEST_SIZE as u32),
            ]
        })
        .collect();
    queue.push(&descriptors);
    queue.ring_doorbell();
}

/// Waits until some of it was copied out. Most of it is left then.
fn begun(queue: &Queue<'_>, guest: &DmaMapping) {
    let copied = || {
        let mut byte = [0];
        guest.memory().read(0, &mut byte).unwrap();
        byte != [0]
    };
    assert!(wait::until(SOON, copied), "work does not begin");
    let done = queue.register(accel::QUEUE_DONE);
    assert!(u64::from(done) < 2 * MANY, "the test wants more to be left");
}

#[test]
fn work_ends_before_p2p_and_goes_on_after_it() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    accel::enable(&device);
    let guest = guest_memory(&device);
    let mut queue = open_queue(&device, 0);
    much(&mut queue);
    let all = 2 * MANY as u32;
    begun(&queue, &guest);
    let seen = || {
        let done = queue.register(accel::QUEUE_DONE);
        (done, device_memory(&device), contents(&guest))
    };
    for state in [
        State::RunningP2p,
        State::Stop,
        State::PreCopyP2p,
        State::StopCopy,
    ] {
        device.set_state(state).unwrap();
        let before = seen();
        sleep(QUIET);
        let after = seen();
        assert!(before == after, "{state}: nothing changes");
        assert!(before.0 < all, "the test wants more to be left");
        device.set_state(State::Running).unwrap();
    }
    queue.wait();
    assert_eq!(
        queue.register(accel::QUEUE_DONE),
        all,
        "none lost, none done twice"
    );
    assert_eq!(u64::from(first_byte(&device)), MANY);
    assert!(contents(&guest).iter().all(|byte| u64::from(*byte) == MANY));
    // A doorbell that is rung while nothing may begin is heard afterwards.
    device.set_state(State::RunningP2p).unwrap();
    queue.push(&[Descriptor::fill(99, 0, 8)]);
    queue.ring_doorbell();
    sleep(QUIET);
    assert_eq!(
        (queue.register(accel::QUEUE_DONE), first_byte(&device)),
        (all, MANY as u8)
    );
    device.set_state(State::Running).unwrap();
    queue.wait();
    assert_eq!(first_byte(&device), 99);
}

fn first_byte(device: &Device) -> u8 {
    device.region(accel::MEMORY).unwrap().read_u8(0).unwrap()
}

#[test]
fn who_forbids_work_sees_none_afterwards() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    accel::enable(&device);
    let guest = guest_memory(&device);
    let mut queue = open_queue(&device, 1);
    let registers = device.region(accel::REGISTERS).unwrap();
    // Work that is under way when it is forbidden, and has much before it.
    let at_work = |queue: &mut Queue<'_>| {
        queue.restart();
        guest.memory().write(0, &[0]).unwrap();
        much(queue);
        begun(queue, &guest);
    };
    let quiet = |what: &str| {
        // At once: what is written after the ban must not pass for work done before it.
        let before = (contents(&guest), device_memory(&device));
        sleep(QUIET);
        let after = (contents(&guest), device_memory(&device));
        assert!(before == after, "{what}");
    };
    at_work(&mut queue);
    pci::config(&device).write_u16(pci::COMMAND, 0).unwrap();
    quiet("Bus Master is off");
    let left = queue.register(accel::QUEUE_DONE) < 2 * MANY as u32;
    assert!(left, "the test wants more to be left");
    accel::enable(&device);
    at_work(&mut queue);
    queue.set_register(accel::QUEUE_CONTROL, 0);
    quiet("the queue is disabled");
    at_work(&mut queue);
    registers.write_u32(accel::CONTROL, 1).unwrap();
    quiet("the card was reset by its register");
    at_work(&mut queue);
    device.reset().unwrap();
    let clear = device_memory(&device).iter().all(|byte| *byte == 0);
    assert!(clear, "reset clears memory");
    quiet("the function was reset");
    // And the last close does not wait for what was asked for.
    accel::enable(&device);
    at_work(&mut queue);
}

#[test]
fn what_is_kept_waits_for_the_next_user() {
    let _test = Test::begin();
    let mdev = card();
    mdev.keep(true);
    let device = mdev.device();
    accel::enable(&device);
    let guest = guest_memory(&device);
    let mut queue = open_queue(&device, 0);
    much(&mut queue);
    begun(&queue, &guest);
    // So that what goes away with the user is not missed before it is gone.
    device.set_state(State::RunningP2p).unwrap();
    drop((queue, guest));
    drop(device);
    // The same rings, asked for by nobody yet, and where they are there is nothing.
    let device = mdev.device();
    let command = pci::config(&device).read_u16(pci::COMMAND).unwrap();
    assert_eq!(command & pci::COMMAND_MASTER, 0);
    let registers = device.region(accel::REGISTERS).unwrap();
    let seen = || {
        let at = accel::queue(0);
        let get = |register| registers.read_u32(at + register).unwrap();
        let state = [accel::QUEUE_STATUS, accel::QUEUE_HEAD, accel::QUEUE_TAIL].map(get);
        (state, device_memory(&device))
    };
    let before = seen();
    sleep(QUIET);
    assert!(seen() == before, "no work that nobody asked for");
    let ([status, head, tail], memory) = before;
    assert_eq!(status, 0, "the queue has met no error");
    assert_ne!(head, tail, "work is left");
    assert_ne!(memory[0], 0, "contents are kept");
}

#[test]
fn each_queue_has_its_vector() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    accel::enable(&device);
    const MSIX: u32 = uapi::VFIO_PCI_MSIX_IRQ_INDEX;
    let info = device.irq_info(MSIX).unwrap();
    assert_eq!(info.count, 4);
    let events: Vec<_> = (0..4).map(|_| Event::new()).collect();
    let fds: Vec<_> = events.iter().map(|event| Some(event.as_fd())).collect();
    device.irq_eventfds(MSIX, 0, &fds).unwrap();
    let config = pci::config(&device);
    let msix = pci::capability(&config, 0x11).expect("MSI-X");
    config.write_u16(msix + 2, 1 << 15).unwrap();
    let registers = device.region(accel::REGISTERS).unwrap();
    registers.write_u32(accel::MASK, 0).unwrap();
    for number in 0..4 {
        let mut queue = open_queue(&device, number);
        queue.run(&[Descriptor::fill(1, 0, 8)]);
        events[number as usize].expect_none("nobody asked");
        queue.run(&[Descriptor::fill(1, 0, 8).interrupting()]);
        events[number as usize].expect("asked for");
        assert_eq!(registers.read_u32(accel::INTERRUPT).unwrap(), 1 << number);
        registers.write_u32(accel::INTERRUPT, 1 << number).unwrap();
        queue.run_wrong(Descriptor::fill(1, 0, 0));
        events[number as usize].expect("an error");
        registers.write_u32(accel::INTERRUPT, 1 << number).unwrap();
    }
    assert!(events.iter().all(|event| event.take() == 0));
}

#[test]
fn what_is_written_by_dma_is_logged() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let mdev = card();
        let device = mdev.open(attach).unwrap();
        accel::enable(&device);
        let memory = Memory::anonymous(GUEST_SIZE as usize).unwrap();
        let guest = device.dma_map(GUEST, memory).unwrap();
        let mut queue = open_queue(&device, 0);
        let ranges = [
            IovaRange {
                iova: GUEST,
                length: GUEST_SIZE,
            },
            IovaRange {
                iova: RINGS,
                length: 4096,
            },
        ];
        device.dma_logging_start(4096, &ranges).unwrap();
        let ring = queue.push(&[
            Descriptor::copy_in(GUEST, 0, 8 * 4096),
            Descriptor::copy_out(0, GUEST + 3 * 4096 + 4095, 2),
            Descriptor::copy_out(0, GUEST + 700 * 4096, 100 * 4096),
        ]);
        queue.ring_doorbell();
        queue.wait();
        assert_eq!(queue.written_back(ring + 2).1, DONE);
        let pages = dirty(&device, GUEST, GUEST_SIZE);
        let expected: Vec<u64> = [3, 4].into_iter().chain(700..800).collect();
        assert_eq!(pages, expected, "{attach:?}");
        assert_eq!(
            dirty(&device, RINGS, 4096),
            [0],
            "the status of descriptors"
        );
        let again = dirty(&device, GUEST, GUEST_SIZE);
        assert!(again.is_empty(), "reported once: {again:?}");
        // What fails half way counts as written.
        let end = GUEST + GUEST_SIZE;
        queue.run_wrong(Descriptor::copy_out(0, end - 4096, 8192));
        let last = GUEST_SIZE / 4096 - 1;
        assert_eq!(dirty(&device, GUEST, GUEST_SIZE), [last]);
        device.dma_logging_stop().unwrap();
        drop(guest);
    }
}

/// The pages that are reported as written.
fn dirty(device: &Device, iova: u64, length: u64) -> Vec<u64> {
    let mut bitmap = vec![0; (length / 4096).div_ceil(64) as usize];
    let range = IovaRange { iova, length };
    device.dma_logging_report(range, 4096, &mut bitmap).unwrap();
    let bit = |page: &u64| bitmap[(page / 64) as usize] >> (page % 64) & 1 == 1;
    (0..length / 4096).filter(bit).collect()
}
