// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What a driver in the machine would do with a card: fill it, look whether all is there, use it.

use std::time::Duration;

use super::qtest::Qtest;
use super::SLOT;
use crate::accel::{self, Descriptor, DONE};
use crate::contents::contents;
use crate::uart::*;
use crate::wait;

/// Where BAR 0 of a serial card answers.
const PORTS_AT: u16 = 0xc000;
/// Where the registers of an accelerator answer, and its memory.
const REGISTERS_AT: u64 = 0xe000_0000;
const MEMORY_AT: u64 = 0xd000_0000;

/// COMMAND: I/O or memory space, and Bus Master.
const COMMAND_SERIAL: u32 = 0x0005;
const COMMAND_ACCEL: u32 = 0x0006;

/// Guest memory that the accelerator uses: the rings, data for it, data from it, its messages.
const RINGS: u64 = 0x20_0000;
const SOURCE: u64 = 0x30_0000;
const RESULT: u64 = 0x40_0000;
const MESSAGES: u64 = 0x50_0000;
/// Descriptors in a ring.
const RING: u32 = 8;
/// Device memory that is used: what was copied in, what was copied within, what was filled.
const COPIED: u64 = 0x5000;
const AGAIN: u64 = 0x9_3000;
const FILLED: u64 = 0x20_0000;
/// Bytes of each of the three.
const LEN: u32 = 16 << 10;
const PATTERN: u64 = 0x0123_4567_89ab_cdef;

/// Longest wait for the card.
const LONG: Duration = Duration::from_secs(20);

/// A card in a machine.
#[derive(Clone, Copy, Debug)]
pub enum Card<'a> {
    /// A serial card with so many ports.
    Serial(&'a Qtest, u16),
    /// An accelerator.
    Accel(&'a Qtest),
}

impl<'a> Card<'a> {
    /// The card in the machine's slot, by its IDs.
    ///
    /// # Panics
    ///
    /// If there is none of ours; so for all below, if something is not as it has to be.
    #[track_caller]
    pub fn find(machine: &'a Qtest) -> Self {
        match machine.config(SLOT, 0) {
            0x0002_1b36 => Self::Serial(machine, 1),
            0x0003_1b36 => Self::Serial(machine, 2),
            0x4d47_1234 => Self::Accel(machine),
            other => panic!("IDs {other:08x}"),
        }
    }

    /// Sets the card up and puts something into all of it.
    #[track_caller]
    pub fn fill(self) {
        match self {
            Self::Serial(machine, ports) => {
                machine.set_config(SLOT, 0x10, u32::from(PORTS_AT));
                machine.set_config(SLOT, 0x04, COMMAND_SERIAL);
                (0..ports).for_each(|index| fill_port(machine, index));
            }
            Self::Accel(machine) => fill_accel(machine),
        }
    }

    /// Asserts that all is there that [`Card::fill`] has put in, and takes it out.
    #[track_caller]
    pub fn check(self) {
        match self {
            Self::Serial(machine, ports) => {
                (0..ports).for_each(|index| check_port(machine, index));
            }
            Self::Accel(machine) => check_accel(machine),
        }
    }

    /// Uses a card that is set up, which changes nothing that [`Card::check`] looks at.
    #[track_caller]
    pub fn touch(self) {
        match self {
            Self::Serial(machine, ports) => {
                for index in 0..ports {
                    let port = Port(machine, index);
                    let old = port.get(SCR);
                    port.set(SCR, !old);
                    assert_eq!(port.get(SCR), !old, "scratch register of port {index}");
                    port.set(SCR, old);
                }
            }
            Self::Accel(machine) => {
                run(machine, 1, Descriptor::copy_within(COPIED, AGAIN, LEN));
            }
        }
    }
}

/// A port of a serial card, through I/O ports.
struct Port<'a>(&'a Qtest, u16);

impl Port<'_> {
    fn at(&self, register: u64) -> u16 {
        PORTS_AT + self.1 * STRIDE as u16 + register as u16
    }

    #[track_caller]
    fn set(&self, register: u64, value: u8) {
        self.0.outb(self.at(register), value);
    }

    #[track_caller]
    fn get(&self, register: u64) -> u8 {
        self.0.inb(self.at(register))
    }

    #[track_caller]
    fn receive(&self) -> Vec<u8> {
        (0..1024)
            .map_while(|_| (self.get(LSR) & LSR_DR != 0).then(|| self.get(DATA)))
            .collect()
    }
}

/// As [`crate::contents::fill`], for a card with 64 byte FIFOs and auto-flow.
#[track_caller]
fn fill_port(machine: &Qtest, index: u16) {
    let port = Port(machine, index);
    let on = FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX;
    port.set(LCR, LCR_DLAB | LCR_8N1);
    port.set(FCR, on | FCR_64);
    port.set(DATA, 0x0c);
    port.set(IER, 0x01);
    port.set(LCR, LCR_8N1);
    let (received, waiting) = contents(u64::from(index));
    received.iter().for_each(|&byte| port.set(DATA, byte));
    // Auto CTS without RTS: the sender has to wait.
    port.set(MCR, MCR_AFE | MCR_DTR | MCR_OUT2);
    waiting.iter().for_each(|&byte| port.set(DATA, byte));
    port.set(SCR, 0x30 + index as u8);
    assert_eq!(port.get(LSR) & (LSR_DR | LSR_TEMT), LSR_DR, "both FIFOs");
}

#[track_caller]
fn check_port(machine: &Qtest, index: u16) {
    let port = Port(machine, index);
    let (received, waiting) = contents(u64::from(index));
    assert_eq!(port.get(SCR), 0x30 + index as u8, "SCR of port {index}");
    assert_eq!(port.get(MCR), MCR_AFE | MCR_DTR | MCR_OUT2, "MCR");
    assert_eq!(port.get(IIR) & 0xf0, IIR_FIFO | IIR_64, "IIR");
    port.set(LCR, LCR_DLAB | LCR_8N1);
    assert_eq!([port.get(DATA), port.get(IER)], [0x0c, 0x01], "divisor");
    port.set(LCR, LCR_8N1);
    assert_eq!(port.receive(), received, "receiver of port {index}");
    port.set(MCR, 0);
    assert_eq!(port.receive(), waiting, "sender of port {index}");
    assert_eq!(port.get(LSR), LSR_THRE | LSR_TEMT, "port {index} is empty");
}

/// Bytes of guest memory for the card.
fn source() -> Vec<u8> {
    (0..LEN).map(|n| (n * 7 + (n >> 8)) as u8).collect()
}

fn filled() -> Vec<u8> {
    PATTERN.to_le_bytes().repeat(LEN as usize / 8)
}

/// CRC32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), bit);
    !bytes.iter().fold(!0, byte)
}

#[track_caller]
fn register(machine: &Qtest, number: u64, register: u64) -> u32 {
    machine.readl(REGISTERS_AT + accel::queue(number) + register)
}

#[track_caller]
fn set_register(machine: &Qtest, number: u64, register: u64, value: u32) {
    machine.writel(REGISTERS_AT + accel::queue(number) + register, value);
}

/// Has a descriptor done, and returns its result.
#[track_caller]
fn run(machine: &Qtest, number: u64, descriptor: Descriptor) -> u32 {
    let ring = RINGS + number * 4096;
    let tail = register(machine, number, accel::QUEUE_TAIL);
    let at = ring + u64::from(tail) * 32;
    machine.write(at, &descriptor.bytes());
    let next = (tail + 1) % RING;
    set_register(machine, number, accel::QUEUE_TAIL, next);
    let done = wait::until(LONG, || {
        register(machine, number, accel::QUEUE_STATUS) != 0
            || register(machine, number, accel::QUEUE_HEAD) == next
    });
    assert!(done, "queue {number} does not get ahead");
    assert_eq!(
        machine.readl(at + 28),
        DONE,
        "queue {number}: {descriptor:?}"
    );
    machine.readl(at + 24)
}

/// Has a descriptor done that asks for an interrupt, and waits for the queue's message.
#[track_caller]
fn run_interrupting(machine: &Qtest, number: u64, descriptor: Descriptor) {
    let message = MESSAGES + number * 4;
    machine.writel(message, 0);
    machine.writel(REGISTERS_AT + accel::INTERRUPT, 1 << number);
    run(machine, number, descriptor.interrupting());
    let came = wait::until(LONG, || machine.readl(message) == 0xc0de + number as u32);
    let at = |at: u64| machine.readl(REGISTERS_AT + at);
    let vector = 0x2000 + number * 16;
    assert!(
        came,
        "no message of queue {number}: INTERRUPT {:x}, MASK {:x}, MSI-X {:08x}, vector {:x} {:x} {:x}, pending {:x}",
        at(accel::INTERRUPT),
        at(accel::MASK),
        machine.config(SLOT, 0x40),
        at(vector),
        at(vector + 8),
        at(vector + 12),
        at(0x3000),
    );
}

#[track_caller]
fn fill_accel(machine: &Qtest) {
    machine.set_config(SLOT, 0x10, REGISTERS_AT as u32);
    machine.set_config(SLOT, 0x18, MEMORY_AT as u32);
    machine.set_config(SLOT, 0x1c, 0);
    machine.set_config(SLOT, 0x04, COMMAND_ACCEL);
    for number in 0..4 {
        let vector = REGISTERS_AT + 0x2000 + number * 16;
        machine.writel(vector, (MESSAGES + number * 4) as u32);
        machine.writel(vector + 4, 0);
        machine.writel(vector + 8, 0xc0de + number as u32);
        machine.writel(vector + 12, 0);
        set_register(
            machine,
            number,
            accel::QUEUE_BASE,
            (RINGS + number * 4096) as u32,
        );
        set_register(machine, number, accel::QUEUE_BASE + 4, 0);
        set_register(machine, number, accel::QUEUE_SIZE, RING);
        set_register(machine, number, accel::QUEUE_CONTROL, 1);
    }
    // MSI-X control is the upper half.
    let control = machine.config(SLOT, 0x40);
    machine.set_config(SLOT, 0x40, control | 1 << 31);
    machine.writel(REGISTERS_AT + accel::MASK, 0);
    machine.write(SOURCE, &source());
    run_interrupting(machine, 0, Descriptor::copy_in(SOURCE, COPIED, LEN));
    run(machine, 1, Descriptor::copy_within(COPIED, AGAIN, LEN));
    run(machine, 3, Descriptor::fill(PATTERN, FILLED, LEN));
    copy_out(machine);
}

/// Writes device memory to guest memory, which a migration has to find changed.
#[track_caller]
fn copy_out(machine: &Qtest) {
    machine.write(RESULT, &vec![0; LEN as usize]);
    run(machine, 0, Descriptor::copy_out(AGAIN, RESULT, LEN));
}

#[track_caller]
fn check_accel(machine: &Qtest) {
    let len = LEN as usize;
    assert!(
        machine.read(RESULT, len) == source(),
        "DMA before the migration"
    );
    for (what, at, bytes) in [
        ("copied in", COPIED, source()),
        ("copied within", AGAIN, source()),
        ("filled", FILLED, filled()),
    ] {
        assert!(
            machine.read(MEMORY_AT + at, len) == bytes,
            "device memory: {what}"
        );
    }
    for (number, done) in [(0, 2), (1, 1), (3, 1)] {
        let tail = register(machine, number, accel::QUEUE_TAIL);
        assert!(tail >= done, "TAIL of queue {number} is {tail}");
        assert_eq!(register(machine, number, accel::QUEUE_SIZE), RING, "SIZE");
        assert_eq!(
            register(machine, number, accel::QUEUE_CONTROL),
            1,
            "CONTROL"
        );
    }
    copy_out(machine);
    assert!(
        machine.read(RESULT, len) == source(),
        "DMA after the migration"
    );
    assert_eq!(
        run(machine, 2, Descriptor::crc(FILLED, LEN)),
        crc32c(&filled()),
        "checksum"
    );
    run_interrupting(machine, 0, Descriptor::copy_in(RESULT, AGAIN, LEN));
}
