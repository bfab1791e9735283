// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! An accelerator: device memory, queues, and what it writes to guest memory.

use std::time::Duration;

use super::Site;
use crate::accel::{self, Descriptor, DONE};
use crate::wait;

/// COMMAND: memory space, and Bus Master.
const COMMAND: u32 = 0x0006;

/// Guest memory that the first one uses: the rings, data for it, data from it, its messages.
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
fn register(site: Site<'_>, number: u64, register: u64) -> u32 {
    site.machine
        .readl(site.registers() + accel::queue(number) + register)
}

#[track_caller]
fn set_register(site: Site<'_>, number: u64, register: u64, value: u32) {
    site.machine
        .writel(site.registers() + accel::queue(number) + register, value);
}

/// Has a descriptor done, and returns its result.
#[track_caller]
fn run(site: Site<'_>, number: u64, descriptor: Descriptor) -> u32 {
    let ring = site.ram(RINGS) + number * 4096;
    let tail = register(site, number, accel::QUEUE_TAIL);
    let at = ring + u64::from(tail) * 32;
    site.machine.write(at, &descriptor.bytes());
    let next = (tail + 1) % RING;
    set_register(site, number, accel::QUEUE_TAIL, next);
    let done = wait::until(LONG, || {
        register(site, number, accel::QUEUE_STATUS) != 0
            || register(site, number, accel::QUEUE_HEAD) == next
    });
    assert!(done, "queue {number} does not get ahead");
    assert_eq!(
        site.machine.readl(at + 28),
        DONE,
        "queue {number}: {descriptor:?}"
    );
    site.machine.readl(at + 24)
}

/// Has a descriptor done that asks for an interrupt, and waits for the queue's message.
#[track_caller]
fn run_interrupting(site: Site<'_>, number: u64, descriptor: Descriptor) {
    let message = site.ram(MESSAGES) + number * 4;
    site.machine.writel(message, 0);
    site.machine
        .writel(site.registers() + accel::INTERRUPT, 1 << number);
    run(site, number, descriptor.interrupting());
    let came = wait::until(LONG, || {
        site.machine.readl(message) == 0xc0de + number as u32
    });
    let at = |at: u64| site.machine.readl(site.registers() + at);
    let vector = 0x2000 + number * 16;
    assert!(
        came,
        "no message of queue {number}: INTERRUPT {:x}, MASK {:x}, MSI-X {:08x}, vector {:x} {:x} {:x}, pending {:x}",
        at(accel::INTERRUPT),
        at(accel::MASK),
        site.config(0x40),
        at(vector),
        at(vector + 8),
        at(vector + 12),
        at(0x3000),
    );
}

/// Sets it up, and has it work.
#[track_caller]
pub(super) fn fill(site: Site<'_>) {
    site.set_config(0x10, site.registers() as u32);
    site.set_config(0x18, site.memory() as u32);
    site.set_config(0x1c, 0);
    site.set_config(0x04, COMMAND);
    for number in 0..4 {
        let vector = site.registers() + 0x2000 + number * 16;
        site.machine
            .writel(vector, (site.ram(MESSAGES) + number * 4) as u32);
        site.machine.writel(vector + 4, 0);
        site.machine.writel(vector + 8, 0xc0de + number as u32);
        site.machine.writel(vector + 12, 0);
        set_register(
            site,
            number,
            accel::QUEUE_BASE,
            (site.ram(RINGS) + number * 4096) as u32,
        );
        set_register(site, number, accel::QUEUE_BASE + 4, 0);
        set_register(site, number, accel::QUEUE_SIZE, RING);
        set_register(site, number, accel::QUEUE_CONTROL, 1);
    }
    // MSI-X control is the upper half.
    let control = site.config(0x40);
    site.set_config(0x40, control | 1 << 31);
    site.machine.writel(site.registers() + accel::MASK, 0);
    site.machine.write(site.ram(SOURCE), &source());
    run_interrupting(site, 0, Descriptor::copy_in(site.ram(SOURCE), COPIED, LEN));
    run(site, 1, Descriptor::copy_within(COPIED, AGAIN, LEN));
    run(site, 3, Descriptor::fill(PATTERN, FILLED, LEN));
    copy_out(site);
}

/// Writes device memory to guest memory, which a migration has to find changed.
#[track_caller]
fn copy_out(site: Site<'_>) {
    site.machine.write(site.ram(RESULT), &vec![0; LEN as usize]);
    run(site, 0, Descriptor::copy_out(AGAIN, site.ram(RESULT), LEN));
}

/// Asserts that all is there, and has it work.
#[track_caller]
pub(super) fn check(site: Site<'_>) {
    let len = LEN as usize;
    assert!(
        site.machine.read(site.ram(RESULT), len) == source(),
        "DMA before the migration"
    );
    for (what, at, bytes) in [
        ("copied in", COPIED, source()),
        ("copied within", AGAIN, source()),
        ("filled", FILLED, filled()),
    ] {
        assert!(
            site.machine.read(site.memory() + at, len) == bytes,
            "device memory: {what}"
        );
    }
    for (number, done) in [(0, 2), (1, 1), (3, 1)] {
        let tail = register(site, number, accel::QUEUE_TAIL);
        assert!(tail >= done, "TAIL of queue {number} is {tail}");
        assert_eq!(register(site, number, accel::QUEUE_SIZE), RING, "SIZE");
        assert_eq!(register(site, number, accel::QUEUE_CONTROL), 1, "CONTROL");
    }
    copy_out(site);
    assert!(
        site.machine.read(site.ram(RESULT), len) == source(),
        "DMA after the migration"
    );
    assert_eq!(
        run(site, 2, Descriptor::crc(FILLED, LEN)),
        crc32c(&filled()),
        "checksum"
    );
    run_interrupting(site, 0, Descriptor::copy_in(site.ram(RESULT), AGAIN, LEN));
}

/// Uses it.
#[track_caller]
pub(super) fn touch(site: Site<'_>) {
    run(site, 1, Descriptor::copy_within(COPIED, AGAIN, LEN));
}
