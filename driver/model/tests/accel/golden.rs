// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Golden streams of the accelerator, see `tests/golden.rs`.

use vmig_model::arcs::State;

use super::machine::*;
use crate::{
    golden::Golden,
    support::{
        drain,
        List, //
    },
};

struct Row {
    file: &'static str,
    comment: &'static str,
    /// Parameters of the card that wrote it.
    list: &'static List,
    make: fn(&mut Rig) -> Vec<u8>,
}

/// Config space and interrupt registers with something in each.
fn set_up(rig: &mut Rig) {
    rig.config(0x10, &0xfe00_4000_u32.to_le_bytes());
    rig.config(0x18, &0x0000_0001_2300_0000_u64.to_le_bytes());
    rig.config(0x3c, &[11]);
    rig.config(MSIX, &0x8003_u16.to_le_bytes());
    for at in 0..4 {
        rig.set(TABLE + at * 16, 0xfee0_1004);
        rig.set(TABLE + at * 16 + 8, 0x4041 + at as u32);
        rig.set(TABLE + at * 16 + 12, 0);
    }
    rig.set(MASK, 2);
}

/// An IOVA that is the same in every run, a half-done checksum, a queue with an error, a done one.
fn in_use(rig: &mut Rig) {
    set_up(rig);
    rig.poke(0, b"vmig accel");
    rig.poke(3 * 4096, &[0]);
    rig.poke(15 * MIB, &[0xa5; 64]);
    for queue in 0..4 {
        rig.enable(queue, 8);
    }
    rig.submit(0, descriptor(COPY_OUT, NOTIFY, 10, 0, DATA));
    rig.submit(0, descriptor(COPY_OUT, NOTIFY, 10, 0, DATA + 64));
    rig.submit(1, descriptor(9, 0, 0, 0, 0));
    rig.submit(2, descriptor(CRC, NOTIFY, 3 * MIB, 0, 0));
    for _ in 0..3 {
        assert!(rig.step());
    }
}

static ROWS: [Row; 4] = [
    Row {
        file: "accel-1.0-idle-v1.hex",
        comment: "Version 1.0, accel, memory-mb=16: a card after reset, but for Bus Master.",
        list: SMALL,
        make: Rig::saved,
    },
    Row {
        file: "accel-1.0-full-none.hex",
        comment: "Version 1.0, accel, checksum=on memory-mb=16 num-queues=4: three pages, descriptors done, wrong and half done, two messages pending.",
        list: FULL,
        make: |rig| {
            in_use(rig);
            rig.saved()
        },
    },
    Row {
        file: "accel-1.0-full-zero.hex",
        comment: "Version 1.0, accel, checksum=on codec=zero memory-mb=16 num-queues=4: the same with the zero page as a header.",
        list: ZERO,
        make: |rig| {
            in_use(rig);
            rig.saved()
        },
    },
    Row {
        file: "accel-1.0-precopy-zero.hex",
        comment: "Version 1.0, accel, checksum=on codec=zero memory-mb=16 num-queues=4: pre-copy, a page that comes twice and is zero in the end.",
        list: ZERO,
        make: |rig| {
            in_use(rig);
            let session = rig.dut.set_state(State::PreCopy).unwrap().unwrap().session;
            let mut stream = drain(&mut rig.dut, session, 70_000);
            rig.poke(0, &[0; 10]);
            stream.extend(drain(&mut rig.dut, session, 70_000));
            rig.dut.set_state(State::StopCopy).unwrap();
            stream.extend(drain(&mut rig.dut, session, 70_000));
            stream
        },
    },
];

pub(crate) fn golden() -> impl Iterator<Item = Golden> {
    ROWS.iter().map(|row| Golden {
        file: row.file,
        comment: row.comment,
        make: Box::new(|| {
            let mut rig = Rig::new(row.list);
            let stream = (row.make)(&mut rig);
            // Written once more by the one that took it: pages that are zero are not there any more.
            let mut other = rig.resumed(&stream);
            (stream, other.saved())
        }),
        reload: Box::new(|stream| {
            let mut rig = Rig::new(row.list);
            rig.load(stream, 33)
                .unwrap_or_else(|error| panic!("{}: {error}", row.file));
            assert!(
                rig.dut.device().memory().contents() == {
                    let mut source = Rig::new(row.list);
                    (row.make)(&mut source);
                    source.ram().contents()
                }
            );
            rig.saved()
        }),
    })
}
