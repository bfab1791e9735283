// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Random programs on several queues, cut by migrations, against a simulation that knows nothing of steps,
//! pages or streams.

use proptest::prelude::*;
use vmig_model::arcs::State;

use super::machine::*;
use crate::{
    support::drain,
    wire::crc32c, //
};

const QUEUES: u64 = 4;
/// Bytes of device memory, and of guest memory, that are a queue's alone: then the order of work of different
/// queues does not matter.
const WINDOW: u64 = 2 * MIB;
const RING: u32 = 16;

/// A descriptor of a program, before it is made one of a queue.
#[derive(Clone, Copy, Debug)]
struct Request {
    operation: u8,
    notify: bool,
    length: u64,
    source: u64,
    destination: u64,
    /// Makes it wrong in a way of its own.
    flaw: Option<u8>,
}

#[derive(Clone, Debug)]
enum Op {
    Submit(u64, Request),
    Steps(usize),
    /// The guest reads what interrupts it has, and answers them.
    Acknowledge,
    /// Switches a queue that has an error off and on.
    Recover(u64),
    /// Moves the card, after so many steps between the pieces of pre-copy; not at all: by stop-copy.
    Migrate(Option<usize>),
}

fn request() -> impl Strategy<Value = Request> {
    let length = prop_oneof![
        4 => 1..200_u64,
        2 => 4090..4102_u64,
        2 => 1..WINDOW / 2,
        1 => Just(WINDOW / 2),
    ];
    let flaw = prop_oneof![14 => Just(None), 1 => (0..7_u8).prop_map(Some)];
    (1..=5_u8, any::<bool>(), length, any::<[u64; 2]>(), flaw).prop_map(
        |(operation, notify, length, [source, destination], flaw)| {
            // Halves, so that copies within do not overlap.
            let half = WINDOW / 2;
            let place = |at: u64| at % (half - length + 1);
            Request {
                operation,
                notify,
                length,
                source: place(source),
                destination: half + place(destination),
                flaw,
            }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..QUEUES, request()).prop_map(|(queue, request)| Op::Submit(queue, request)),
        4 => (1..4_usize).prop_map(Op::Steps),
        1 => Just(Op::Acknowledge),
        1 => (0..QUEUES).prop_map(Op::Recover),
        2 => prop::option::of(0..4_usize).prop_map(Op::Migrate),
    ]
}

/// The descriptor of `request` in queue `queue`.
fn encode(queue: u64, request: Request) -> [u8; 32] {
    let Request {
        operation,
        notify,
        length,
        source,
        destination,
        flaw,
    } = request;
    let (device, guest) = (queue * WINDOW, DATA + queue * WINDOW);
    let (source, destination) = match operation {
        COPY_IN => (guest + source, device + destination),
        COPY_OUT => (device + source, guest + destination),
        COPY_WITHIN => (device + source, device + destination),
        FILL => (source ^ 0x1234_5678_9abc_def0, device + destination),
        _ => (device + source, 0),
    };
    let mut bytes = descriptor(operation, u8::from(notify), length, source, destination);
    match flaw {
        None => (),
        Some(0) => bytes[0] = 0x77,
        Some(1) => bytes[1] |= 0x20,
        Some(2) => bytes[2] = 1,
        Some(3) => bytes[4..8].fill(0),
        Some(4) => bytes[4..8].fill(0xff),
        Some(5) => bytes[8..16].fill(0xff),
        Some(_) => bytes[16..24].fill(0xff),
    }
    bytes
}

/// A queue, as the data sheet has it.
struct Sim {
    queue: u64,
    device: Vec<u8>,
    guest: Vec<u8>,
    error: u32,
    done: u32,
    notified: bool,
}

impl Sim {
    fn new(queue: u64) -> Self {
        Self {
            queue,
            device: noise(queue + 10, WINDOW as usize),
            guest: noise(queue + 20, WINDOW as usize),
            error: 0,
            done: 0,
            notified: false,
        }
    }

    /// Does a descriptor at once. Returns its result and status.
    fn run(&mut self, bytes: &[u8; 32]) -> (u32, u32) {
        if self.error != 0 {
            return (UNTOUCHED, UNTOUCHED);
        }
        match self.descriptor(bytes) {
            Ok(result) => {
                self.done += 1;
                self.notified |= bytes[1] & 1 != 0;
                (result, 1)
            }
            Err(status) => {
                self.error = status;
                self.notified = true;
                (UNTOUCHED, status)
            }
        }
    }

    fn descriptor(&mut self, bytes: &[u8; 32]) -> Result<u32, u32> {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let (operation, length) = (bytes[0], word(0) >> 32);
        let (source, destination) = (word(8), word(16));
        let crc = operation == CRC;
        if !(1..=5).contains(&operation) {
            return Err(2);
        }
        if bytes[1] & !1 != 0 || bytes[2] != 0 || bytes[3] != 0 || (crc && destination != 0) {
            return Err(3);
        }
        if crc && self.queue < 2 {
            return Err(4);
        }
        if length == 0 || length > MEMORY {
            return Err(5);
        }
        // Offsets in the windows; programs do not leave them but by a flaw.
        let inside = |at: u64| at <= MEMORY - length;
        let of_device = [
            (operation != COPY_IN && operation != FILL, source),
            (operation != COPY_OUT && !crc, destination),
        ];
        if of_device.iter().any(|(is, at)| *is && !inside(*at)) {
            return Err(6);
        }
        let of_guest = [
            (operation == COPY_IN, source),
            (operation == COPY_OUT, destination),
        ];
        for (is, at) in of_guest {
            if is && u128::from(at) + u128::from(length) > 1 << 64 {
                return Err(7);
            }
        }
        if operation == COPY_WITHIN && source.abs_diff(destination) < length {
            return Err(8);
        }
        let (device, guest) = (self.queue * WINDOW, DATA + self.queue * WINDOW);
        let mapped = DATA..DATA + 8 * MIB;
        let length = length as usize;
        let at = |address: u64, base: u64| (address - base) as usize;
        let data = match operation {
            COPY_IN if !mapped.contains(&source) => return Err(9),
            COPY_IN => self.guest[at(source, guest)..][..length].to_vec(),
            FILL => source
                .to_le_bytes()
                .into_iter()
                .cycle()
                .take(length)
                .collect(),
            _ => self.device[at(source, device)..][..length].to_vec(),
        };
        match operation {
            CRC => return Ok(crc32c(&data)),
            COPY_OUT if !mapped.contains(&destination) => return Err(9),
            COPY_OUT => self.guest[at(destination, guest)..][..length].copy_from_slice(&data),
            _ => self.device[at(destination, device)..][..length].copy_from_slice(&data),
        }
        Ok(UNTOUCHED)
    }
}

/// Moves the card, with `between` steps between the pieces of pre-copy.
fn migrate(rig: &mut Rig, between: Option<usize>) {
    let Some(between) = between else {
        rig.migrate();
        return;
    };
    let session = rig.dut.set_state(State::PreCopy).unwrap().unwrap().session;
    let mut stream = drain(&mut rig.dut, session, 70_000);
    for _ in 0..between {
        if !rig.step() {
            break;
        }
        stream.extend(drain(&mut rig.dut, session, 70_000));
    }
    rig.step();
    rig.dut.set_state(State::StopCopy).unwrap();
    stream.extend(drain(&mut rig.dut, session, 70_000));
    *rig = rig.resumed(&stream);
}

/// Where a descriptor is, and what should become of it.
type Expected = (u64, (u32, u32));

fn check(rig: &mut Rig, sims: &mut [Sim], expected: &[Vec<Expected>]) {
    for (queue, (sim, expected)) in (0..).zip(sims.iter_mut().zip(expected)) {
        for (at, (result, status)) in expected {
            assert_eq!((rig.result(*at), rig.status(*at)), (*result, *status));
        }
        let head = sim.done % RING;
        assert_eq!(
            rig.queue(queue),
            (head, sim.done, sim.error),
            "queue {queue}"
        );
        let notified = rig.get(INTERRUPT) >> queue & 1 != 0;
        assert_eq!(notified, sim.notified, "queue {queue}");
        assert!(rig.ram().get(queue * WINDOW, WINDOW as usize) == sim.device);
        assert!(rig.guest.get(DATA + queue * WINDOW, WINDOW as usize) == sim.guest);
    }
}

fn run(ops: &[Op]) {
    let mut rig = Rig::new(ZERO);
    let mut sims: Vec<_> = (0..QUEUES).map(Sim::new).collect();
    for (queue, sim) in (0..).zip(&sims) {
        rig.guest.put(DATA + queue * WINDOW, &sim.guest);
        rig.poke(queue * WINDOW, &sim.device);
        rig.enable(queue, RING);
    }
    // Per queue, since it was enabled last.
    let mut expected: Vec<Vec<Expected>> = vec![Vec::new(); QUEUES as usize];
    for op in ops {
        match op {
            Op::Submit(queue, request) => {
                let (head, tail) = (rig.queue(*queue).0, rig.get(q(*queue, TAIL)));
                let own = &mut expected[*queue as usize];
                if (tail + 1) % RING == head || own.len() as u32 == RING - 1 {
                    continue;
                }
                let bytes = encode(*queue, *request);
                let sim = &mut sims[*queue as usize];
                let stopped = rig.get(q(*queue, STATUS)) != 0;
                let at = ring(*queue) + u64::from(tail) * 32;
                rig.guest.put(at, &bytes);
                rig.set(q(*queue, TAIL), (tail + 1) % RING);
                // In a queue that has stopped, even the doorbell is not heard.
                if !stopped {
                    own.push((at, sim.run(&bytes)));
                }
            }
            Op::Steps(steps) => {
                for _ in 0..*steps {
                    rig.step();
                }
            }
            Op::Acknowledge => {
                rig.work();
                check(&mut rig, &mut sims, &expected);
                let raised = rig.get(INTERRUPT);
                rig.set(INTERRUPT, raised);
                for (queue, sim) in (0..).zip(&mut sims) {
                    sim.notified = false;
                    let own: &mut Vec<_> = &mut expected[queue];
                    own.clear();
                }
            }
            Op::Recover(queue) => {
                rig.work();
                check(&mut rig, &mut sims, &expected);
                let sim = &mut sims[*queue as usize];
                if sim.error != 0 {
                    rig.set(q(*queue, ENABLE), 0);
                    rig.set(q(*queue, ENABLE), 1);
                    (sim.error, sim.done) = (0, 0);
                    expected[*queue as usize].clear();
                }
            }
            Op::Migrate(between) => migrate(&mut rig, *between),
        }
    }
    rig.work();
    check(&mut rig, &mut sims, &expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn programs_do_what_the_simulation_does(ops in prop::collection::vec(op(), 1..24)) {
        run(&ops);
    }
}

/// A migration at each boundary between two steps of one program, by stop-copy and by pre-copy.
#[test]
fn migration_at_every_step_loses_and_doubles_nothing() {
    let request = |operation, length| Request {
        operation,
        notify: true,
        length,
        source: 3,
        destination: WINDOW / 2 + 5,
        flaw: None,
    };
    let long = WINDOW / 2 - 9;
    let submits = [
        (0, request(COPY_IN, long)),
        (1, request(FILL, long)),
        (2, request(CRC, long)),
        (3, request(COPY_WITHIN, long)),
        (2, request(COPY_OUT, long)),
        (0, request(COPY_WITHIN, 100)),
        (1, request(COPY_OUT, 4096)),
        (3, request(CRC, 5000)),
        (2, request(FILL, 77)),
    ];
    let submits = submits.map(|(queue, request)| Op::Submit(queue, request));
    for pre_copy in [None, Some(0), Some(1)] {
        for boundary in 0..8 {
            let mut ops = submits.to_vec();
            ops.extend([Op::Steps(boundary), Op::Migrate(pre_copy)]);
            run(&ops);
        }
    }
}
