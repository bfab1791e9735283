// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Everything that can be wrong with a descriptor, a ring or a doorbell.

use super::machine::*;

/// What the descriptor is answered with, in a queue with a CRC unit or without, and that nothing else comes of
/// it. The next descriptor is not done.
fn judge(queue: u64, bytes: [u8; 32]) -> u32 {
    let mut rig = Rig::new(FULL);
    rig.enable(queue, 8);
    rig.poke(0, &noise(1, 3 * 4096));
    let before = rig.ram().contents();
    let at = rig.submit(queue, bytes);
    let next = rig.submit(queue, descriptor(FILL, 0, 8, 1, 1 << 20));
    rig.work();
    let (status, error) = (rig.status(at), rig.get(q(queue, STATUS)));
    if status == 1 {
        assert_eq!(rig.queue(queue), (2, 2, 0));
        assert_eq!(rig.get(INTERRUPT), 0);
        assert_eq!(rig.status(next), 1);
        return 1;
    }
    assert_eq!(error, status, "queue and descriptor agree");
    assert_eq!(rig.queue(queue), (0, 0, status), "HEAD stays");
    assert_eq!(rig.get(INTERRUPT), 1 << queue);
    assert_eq!((rig.status(next), rig.result(at)), (UNTOUCHED, UNTOUCHED));
    assert!(rig.ram().contents() == before, "nothing was done");
    assert_eq!(rig.guest.writes.take(), [(at + 28, 4)]);
    // Neither doorbell nor time change that; switching off and on does.
    rig.set(q(queue, TAIL), 5);
    assert_eq!((rig.work(), rig.get(q(queue, TAIL))), (0, 2));
    rig.set(q(queue, ENABLE), 0);
    assert_eq!(rig.queue(queue), (0, 0, 0));
    rig.set(q(queue, ENABLE), 1);
    rig.guest.put(at, &descriptor(FILL, 0, 8, 1, 0));
    rig.set(q(queue, TAIL), 1);
    rig.work();
    assert_eq!((rig.status(at), rig.queue(queue)), (1, (1, 1, 0)));
    status
}

#[test]
fn each_error_of_a_descriptor_has_its_number() {
    let top = u64::MAX;
    let rows = [
        // No such operation.
        (0, 0, 64, 0, 0, 0x02),
        (6, 0, 64, 0, 0, 0x02),
        (255, 255, 0, top, top, 0x02),
        // Flags that must be 0.
        (FILL, 0x02, 64, 0, 0, 0x03),
        (FILL, 0x80, 64, 0, 0, 0x03),
        (FILL, 0xff, 0, 0, 0, 0x03),
        (CRC, 0, 64, 0, 1, 0x03),
        (CRC, 0, 64, 0, 1 << 63, 0x03),
        // Length.
        (FILL, 0, 0, 0, 0, 0x05),
        (FILL, 0, MEMORY + 1, 0, 0, 0x05),
        (COPY_IN, 0, 0xffff_ffff, DATA, 0, 0x05),
        (COPY_OUT, 0, 0, 0, DATA, 0x05),
        (COPY_WITHIN, 0, 0, 0, 0, 0x05),
        (CRC, 0, 0, 0, 0, 0x05),
        // Offsets.
        (FILL, 0, 1, 0, MEMORY, 0x06),
        (FILL, 0, 2, 0, MEMORY - 1, 0x06),
        (FILL, 0, 2, 0, top, 0x06),
        (FILL, 0, 2, 0, top - 1, 0x06),
        (COPY_IN, 0, 8, DATA, MEMORY - 7, 0x06),
        (COPY_IN, 0, 8, DATA, top, 0x06),
        (COPY_OUT, 0, 8, MEMORY - 7, DATA, 0x06),
        (COPY_OUT, 0, 8, top - 7, DATA, 0x06),
        (COPY_WITHIN, 0, 8, MEMORY - 7, 0, 0x06),
        (COPY_WITHIN, 0, 8, 0, MEMORY - 7, 0x06),
        (COPY_WITHIN, 0, 8, top, top, 0x06),
        (CRC, 0, 8, MEMORY - 7, 0, 0x06),
        (CRC, 0, 8, top, 0, 0x06),
        // Ranges of IOVAs.
        (COPY_IN, 0, 2, top, 0, 0x07),
        (COPY_IN, 0, 4096, top - 4094, 0, 0x07),
        (COPY_OUT, 0, 2, 0, top, 0x07),
        (COPY_OUT, 0, MEMORY, 0, top - 5, 0x07),
        (COPY_IN, 0, 2, top, MEMORY, 0x06),
        // Overlap.
        (COPY_WITHIN, 0, 8, 0, 0, 0x08),
        (COPY_WITHIN, 0, 8, 0, 7, 0x08),
        (COPY_WITHIN, 0, 8, 7, 0, 0x08),
        (COPY_WITHIN, 0, MEMORY, 0, 0, 0x08),
        // Not mapped: nothing, or the last byte.
        (COPY_IN, 0, 1, DATA - 1, 0, 0x09),
        (COPY_IN, 0, 2, DATA + 8 * MIB - 1, 0, 0x09),
        (COPY_OUT, 0, 1, 0, DATA + 8 * MIB, 0x09),
        (COPY_OUT, 0, 1, 0, 0, 0x09),
        (COPY_IN, 0, 2, top - 1, 0, 0x09),
        (COPY_IN, 0, 4096, top - 4095, 0, 0x09),
        (COPY_OUT, 0, 1, 0, top, 0x09),
        // At the very edge, and in order.
        (FILL, 0, 1, 0, MEMORY - 1, 1),
        (FILL, 0, MEMORY, 0, 0, 1),
        (COPY_WITHIN, 0, 8, 0, 8, 1),
        (COPY_WITHIN, 0, 8, 8, 0, 1),
        (COPY_WITHIN, 0, MEMORY / 2, 0, MEMORY / 2, 1),
        (COPY_IN, 0, 8, DATA + 8 * MIB - 8, MEMORY - 8, 1),
        (CRC, 0, 8, MEMORY - 8, 0, 1),
    ];
    for (operation, flags, length, source, destination, status) in rows {
        let bytes = descriptor(operation, flags, length, source, destination);
        assert_eq!(judge(2, bytes), status, "{bytes:x?}");
    }
    for at in [2, 3] {
        let mut bytes = descriptor(FILL, 0, 8, 0, 0);
        bytes[at] = 0x10;
        assert_eq!(judge(2, bytes), 0x03, "byte {at}");
    }
}

#[test]
fn queues_0_and_1_have_no_crc_unit() {
    for (queue, status) in [(0, 0x04), (1, 0x04), (2, 1), (3, 1)] {
        assert_eq!(judge(queue, descriptor(CRC, 0, 8, 0, 0)), status);
    }
    let mut rig = Rig::new(&[("memory-mb", "16"), ("num-queues", "8")]);
    rig.enable(7, 2);
    let at = rig.submit(7, descriptor(CRC, 0, 8, 0, 0));
    rig.work();
    assert_eq!(rig.status(at), 0x04, "checksum=off");
}

#[test]
fn what_was_moved_before_an_error_stays() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 4);
    rig.guest.put(DATA, &[7; 3 << 20]);
    let at = rig.submit(0, descriptor(COPY_IN, 0, 3 * MIB, DATA, 0));
    assert!(rig.step());
    assert_eq!(rig.status(at), UNTOUCHED);
    rig.guest.unmap(DATA + 2 * MIB);
    rig.work();
    assert_eq!((rig.status(at), rig.queue(0)), (0x09, (0, 0, 0x09)));
    assert!(rig.ram().get(0, 2 << 20).iter().all(|byte| *byte == 7));
    assert!(rig
        .ram()
        .get(2 * MIB + 65_536, 1 << 19)
        .iter()
        .all(|byte| *byte == 0));
}

#[test]
fn memory_that_cannot_be_had_is_an_error_of_the_descriptor() {
    for operation in [COPY_IN, COPY_WITHIN, FILL] {
        let mut rig = Rig::new(SMALL);
        rig.enable(0, 4);
        rig.poke(8 * MIB, &[1; 8192]);
        rig.ram().limit(1);
        let source = if operation == COPY_IN { DATA } else { 8 * MIB };
        let at = rig.submit(0, descriptor(operation, 0, 8192, source, 0));
        rig.work();
        assert_eq!((rig.status(at), rig.queue(0)), (0x0a, (0, 0, 0x0a)));
        assert_eq!(rig.get(INTERRUPT), 1);
        // The user is told, too.
        let poked = rig
            .dut
            .region_write(vmig_model::device::Region::Bar(2), MIB, &[1]);
        assert_eq!(poked, Err(vmig_model::error::Error::NoMemory));
        rig.ram().limit(9);
        rig.poke(MIB, &[1]);
    }
}

#[test]
fn a_ring_that_cannot_be_reached_stops_the_queue() {
    // The second descriptor is on a page of its own.
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 256);
    for n in 0..129 {
        rig.submit(0, descriptor(FILL, 0, 8, 1, 8 * n));
    }
    rig.guest.unmap(ring(0) + 4096);
    rig.work();
    assert_eq!(rig.queue(0), (128, 128, 0x10));
    assert_eq!(rig.get(INTERRUPT), 1);

    // The ring can be read, but not written: done, and nobody is told but by the register.
    for operation in [FILL, 77] {
        let mut rig = Rig::new(SMALL);
        rig.enable(0, 4);
        let at = rig.submit(0, descriptor(operation, 0, 8, 1, 8));
        rig.guest.protect(at);
        rig.work();
        let status = if operation == FILL { 0x11 } else { 0x02 };
        assert_eq!(rig.queue(0), (0, 0, status));
        assert_eq!((rig.status(at), rig.get(INTERRUPT)), (UNTOUCHED, 1));
    }
}

#[test]
fn rings_are_judged_when_they_are_enabled() {
    let top = u64::MAX;
    for (base, size, good) in [
        (0, 2, true),
        (0, 4096, true),
        (0, 0, false),
        (0, 1, false),
        (0, 3, false),
        (0, 4097, false),
        (0, 8192, false),
        (0, 0xffff, false),
        (0, 0x1_0002, true), // 16 bits are there
        (top, 2, false),     // the lower 5 bits are not
        (top - 63, 2, true),
        (top - 63, 4, false),
        (top - 4096 * 32 + 1, 4096, true),
        (top - 4096 * 32, 4096, true),
        (top - 4096 * 32 + 33, 4096, false),
    ] {
        let mut rig = Rig::new(SMALL);
        rig.set(q(0, BASE), base as u32);
        rig.set(q(0, BASE + 4), (base >> 32) as u32);
        rig.set(q(0, SIZE), size);
        rig.set(q(0, ENABLE), 1);
        let status = if good { 0 } else { 0x13 };
        assert_eq!(rig.queue(0), (0, 0, status), "{base:x} {size}");
        assert_eq!(rig.get(INTERRUPT), u32::from(!good));
        assert_eq!(rig.get(q(0, ENABLE)), 1);
        rig.set(q(0, TAIL), 1);
        assert_eq!(rig.get(q(0, TAIL)), u32::from(good));
        // Nothing is mapped there.
        rig.work();
        assert_eq!(rig.queue(0).2, if good { 0x10 } else { 0x13 });
    }
}

#[test]
fn doorbells_beyond_the_ring_stop_the_queue() {
    for tail in [8, 9, 0x8000_0000, u32::MAX] {
        let mut rig = Rig::new(SMALL);
        rig.enable(0, 8);
        let at = rig.submit(0, descriptor(FILL, 0, 8, 1, 8));
        rig.set(q(0, TAIL), tail);
        assert_eq!(rig.queue(0), (0, 0, 0x12));
        assert_eq!((rig.get(q(0, TAIL)), rig.get(INTERRUPT)), (1, 1));
        assert_eq!((rig.work(), rig.status(at)), (0, UNTOUCHED));
    }
}

#[test]
fn a_doorbell_asks_for_less_than_the_ring() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 8);
    for n in 0..8 {
        rig.guest
            .put(ring(0) + n * 32, &descriptor(FILL, 0, 8, 1, 8 * n));
    }
    rig.set(q(0, TAIL), 7);
    rig.work();
    assert_eq!(rig.queue(0), (7, 7, 0));
    // Behind HEAD: once round, but for one.
    rig.set(q(0, TAIL), 6);
    rig.work();
    assert_eq!(rig.queue(0), (6, 14, 0));
    rig.set(q(0, TAIL), 6);
    assert_eq!(rig.work(), 0);
}

#[test]
fn a_ring_may_be_written_by_its_own_descriptors_and_ends() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 4);
    // Copies itself over the next descriptors, for ever if it could.
    rig.poke(0, &[descriptor(COPY_OUT, 0, 128, 0, ring(0)); 4].concat());
    rig.guest
        .put(ring(0), &descriptor(COPY_OUT, 0, 128, 0, ring(0)));
    rig.set(q(0, TAIL), 3);
    rig.work();
    assert_eq!(rig.queue(0), (3, 3, 0));
}
