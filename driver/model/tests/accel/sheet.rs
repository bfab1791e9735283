// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The data sheet: what config space and registers are after reset, and which bits of them can be written.

use vmig_model::{
    device::{
        Device as _,
        Region, //
    },
    types::Generation,
    values::Values,
};

use super::machine::*;

/// What config space holds, dword by dword, and what is left after writing zeros and ones; else 0.
fn config(queues: u32, memory: u64) -> Vec<(u64, u32, u32)> {
    let (low, high) = ((!(memory - 1)) as u32, 0xffff_ffff);
    vec![
        (0x00, 0x4d47_1234, 0),
        (0x04, 0x0010_0000, 0x6),
        (0x08, 0x1200_0001, 0),
        (0x10, 0x0000_0000, 0xffff_c000),
        (0x18, 0x0000_000c, low),
        (0x1c, 0x0000_0000, high),
        (0x2c, 0x1100_1af4, 0),
        (0x34, 0x0000_0040, 0),
        (0x3c, 0x0000_0000, 0xff),
        (0x40, 0x0011 | (queues - 1) << 16, 0xc000_0000),
        (0x44, 0x0000_2000, 0),
        (0x48, 0x0000_3000, 0),
    ]
}

fn config_dword(dut: &mut Dut, at: u64) -> u32 {
    let mut data = [0; 4];
    dut.region_read(Region::Config, at, &mut data).unwrap();
    u32::from_le_bytes(data)
}

#[test]
fn config_space_is_as_documented() {
    for (list, queues, mib) in [(SMALL, 1, 16), (FULL, 4, 16), (ALL, 8, 16), (BIG, 3, 256)] {
        let mut dut = closed(Generation::Two, list);
        let rows = config(queues, mib * MIB);
        for at in (0..256).step_by(4) {
            let row = rows.iter().find(|row| row.0 == at);
            let (reset, writable) = row.map_or((0, 0), |row| (row.1, row.2));
            assert_eq!(config_dword(&mut dut, at), reset, "{at:x}");
            for value in [0, u32::MAX, 0x5555_5555, 0xaaaa_aaaa] {
                let data = value.to_le_bytes();
                dut.region_write(Region::Config, at, &data).unwrap();
                let expected = (reset & !writable) | (value & writable);
                assert_eq!(config_dword(&mut dut, at), expected, "{at:x}");
            }
            // Byte by byte.
            for lane in 0..4 {
                let write = |dut: &mut Dut, byte| {
                    dut.region_write(Region::Config, at + lane, &[byte])
                        .unwrap();
                };
                write(&mut dut, 0);
                let mask = 0xff << (8 * lane);
                let expected = (reset & !writable) | (0xaaaa_aaaa & writable & !mask);
                assert_eq!(config_dword(&mut dut, at), expected, "{at:x}+{lane}");
                write(&mut dut, 0xaa);
            }
            dut.reset();
        }
    }
}

/// Three queues, 256 MiB.
const BIG: &crate::support::List = &[("memory-mb", "256"), ("num-queues", "3")];

/// Registers that are not 0 after reset, or can be written; of a card with `queues` queues.
fn registers(queues: u64, mib: u32, crc: bool) -> Vec<(u64, u32, u32)> {
    let all = (1 << queues) - 1;
    let mut rows = vec![
        (0x00, 0x6769_6d76, 0),
        (0x04, 0x0001_0000, 0),
        (0x08, queues as u32 | u32::from(crc) << 8, 0),
        (0x0c, mib, 0),
        (0x24, all, all),
    ];
    for queue in 0..queues {
        rows.extend([
            (q(queue, BASE), 0, 0xffff_ffe0),
            (q(queue, BASE + 4), 0, 0xffff_ffff),
            (q(queue, SIZE), 0, 0xffff),
        ]);
        rows.extend([0, 4, 8, 12].map(|at| {
            let (reset, writable) = match at {
                0 => (0, 0xffff_fffc),
                12 => (1, 1),
                _ => (0, 0xffff_ffff),
            };
            (TABLE + queue * 16 + at, reset, writable)
        }));
    }
    rows
}

#[test]
fn registers_are_as_documented() {
    for (list, queues, mib, crc) in [
        (SMALL, 1, 16, false),
        (FULL, 4, 16, true),
        (ALL, 8, 16, true),
        (BIG, 3, 256, false),
    ] {
        let mut rig = Rig::new(list);
        let rows = registers(queues, mib, crc);
        for at in (0..0x4000).step_by(4) {
            let row = rows.iter().find(|row| row.0 == at);
            let (reset, writable) = row.map_or((0, 0), |row| (row.1, row.2));
            assert_eq!(rig.get(at), reset, "{at:x}");
            // CONTROL of card and queue act; see other tests.
            let acts = at == CONTROL || ((0x100..0x200).contains(&at) && at % 0x20 == 0);
            let values: &[u32] = if acts {
                &[0, !1]
            } else {
                &[0, u32::MAX, 0x5555_5555]
            };
            for value in values {
                rig.set(at, *value);
                assert_eq!(
                    rig.get(at),
                    (reset & !writable) | (value & writable),
                    "{at:x}"
                );
            }
            for lane in 0..4_u64 {
                rig.set(at, 0);
                let bar = Region::Bar(0);
                if !acts {
                    rig.dut.region_write(bar, at + lane, &[0xff]).unwrap();
                }
                let mask = 0xff << (8 * lane);
                let written = if acts { 0 } else { mask & writable };
                assert_eq!(rig.get(at), (reset & !writable) | written, "{at:x}+{lane}");
            }
            rig.set(at, reset);
        }
    }
}

#[test]
fn accesses_of_any_shape_see_the_same_bytes() {
    let mut rig = Rig::new(FULL);
    rig.enable(1, 64);
    let bar = Region::Bar(0);
    let mut all = vec![0; 0x4000];
    rig.dut.region_read(bar, 0, &mut all).unwrap();
    for (at, len) in [
        (0, 1),
        (3, 2),
        (0x101, 7),
        (0x127, 9),
        (0x2003, 30),
        (0x3ffd, 3),
    ] {
        let mut data = vec![0; len];
        rig.dut.region_read(bar, at, &mut data).unwrap();
        assert_eq!(data, all[at as usize..][..len]);
    }
    // A write over several registers, not aligned: the rest of SIZE, HEAD, TAIL, DONE, and some of CONTROL.
    let mut data = vec![0xff; 17];
    data[15] = 0xfe;
    rig.dut.region_write(bar, q(2, SIZE) + 1, &data).unwrap();
    assert_eq!(rig.get(q(2, SIZE)), 0xff00);
    assert_eq!(rig.get(q(3, ENABLE)), 0);
    // TAIL takes whole dwords only.
    for (at, len) in [(q(1, TAIL), 2), (q(1, TAIL) + 1, 3), (q(1, TAIL) + 3, 1)] {
        rig.dut.region_write(bar, at, &vec![1; len]).unwrap();
        assert_eq!(rig.get(q(1, TAIL)), 0);
    }
    let past = rig.dut.region_write(bar, 0x3ffd, &[0; 4]);
    assert_eq!(past, Err(vmig_model::error::Error::OutOfRange));
}

#[test]
fn registers_of_an_enabled_queue_are_fixed() {
    let mut rig = Rig::new(SMALL);
    rig.enable(0, 64);
    for at in [STATUS, BASE, BASE + 4, SIZE, HEAD, DONE] {
        let before = rig.get(q(0, at));
        rig.set(q(0, at), 0x1234_5660);
        assert_eq!(rig.get(q(0, at)), before, "{at:x}");
    }
    rig.set(q(0, ENABLE), 0);
    rig.set(q(0, TAIL), 3);
    assert_eq!(rig.get(q(0, TAIL)), 0, "no doorbell without a queue");
}

#[test]
fn regions_and_vectors_follow_the_parameters() {
    for (list, queues, mib) in [(SMALL, 1, 16), (FULL, 4, 16), (ALL, 8, 16), (BIG, 3, 256)] {
        let dut = closed(Generation::Two, list);
        let device = dut.device();
        let irqs = device.irqs();
        assert_eq!((irqs.intx, irqs.msi, irqs.msix), (0, 0, queues));
        let sizes = [0, 1, 2, 3, 4, 5].map(|bar| {
            let info = device.region(Region::Bar(bar));
            (info.size, info.mmap)
        });
        let expected = [(0x4000, false), (0, false), (mib * MIB, true)];
        assert_eq!(sizes[..3], expected);
        assert_eq!(sizes[3..], [(0, false); 3]);
        let config = device.region(Region::Config);
        assert_eq!((config.size, config.mmap), (256, false));
        assert_eq!(u64::from(device.needs_memory(device.values()).is_some()), 0);
    }
}

#[test]
fn the_memory_bar_is_the_memory() {
    let mut rig = Rig::new(SMALL);
    let bar = Region::Bar(2);
    for at in [0, 4095, MEMORY - 5] {
        rig.poke(at, b"hello");
        let mut data = [0; 5];
        rig.dut.region_read(bar, at, &mut data).unwrap();
        assert_eq!(&data, b"hello");
        assert_eq!(rig.ram().get(at, 5), b"hello");
    }
    assert!(rig.dut.region_read(bar, MEMORY - 4, &mut [0; 5]).is_err());
    rig.dut.reset();
    assert!(rig.ram().contents().is_empty());
}

#[test]
fn other_memory_comes_with_another_size() {
    let mut dut = closed(Generation::Two, FULL);
    let memory = accel_var(Generation::Two).index("memory-mb").unwrap();
    dut.region_write(Region::Bar(2), 0, &[1]).unwrap();
    let refused = dut.set_param(memory, "32", false);
    assert_eq!(refused, Err(vmig_model::error::Error::NoMemory));
    assert_eq!(dut.device().region(Region::Bar(2)).size, MEMORY);
    let same = dut.set_param_with(memory, "16", false, |_| panic!("none is needed"));
    assert_eq!(same, Ok(()));
    assert_eq!(dut.device().memory().contents().len(), 1);
    let other = super::memory::Ram::new(32 * 256);
    dut.set_param_with(memory, "32", false, |pages| {
        assert_eq!(pages, 32 * 256);
        Ok(other)
    })
    .unwrap();
    assert_eq!(dut.device().region(Region::Bar(2)).size, 2 * MEMORY);
    assert!(dut.device().memory().contents().is_empty());
    assert_eq!(config_dword(&mut dut, 0x40) >> 16, 3);
    let queues = accel_var(Generation::Two).index("num-queues").unwrap();
    dut.set_param(queues, "8", false).unwrap();
    assert_eq!(config_dword(&mut dut, 0x40) >> 16, 7);
    let values: &Values = dut.device().values();
    assert_eq!(
        values.int(accel_var(Generation::Two), "memory-mb"),
        Some(32)
    );
}
