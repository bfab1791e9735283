// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Config space, byte by byte.

use vmig_model::{
    device::{
        Device,
        Region, //
    },
    error::Error,
    serial::config::{
        Config,
        ConfigV1, //
    },
};

use crate::support::*;

/// `(offset, width, reset value, writable bits)`; everything else is 0 and cannot be written.
fn data_sheet(ports: u64) -> Vec<(u64, u64, u64, u64)> {
    vec![
        (0x00, 2, 0x1b36, 0),
        (0x02, 2, ports + 1, 0),
        (0x04, 2, 0x0000, 0x0405),
        (0x06, 2, 0x0010, 0),
        (0x08, 1, 0x01, 0),
        (0x09, 3, 0x07_0002, 0),
        (0x10, 4, 0x0000_0001, 0xffff_ffff & !(8 * ports - 1)),
        (0x2c, 2, 0x1af4, 0),
        (0x2e, 2, 0x1100, 0),
        (0x34, 1, 0x40, 0),
        (0x3c, 1, 0x00, 0xff),
        (0x3d, 1, 0x01, 0),
        (0x40, 2, 0x0005, 0),
        (0x42, 2, 0x0080, 0x0001),
        (0x44, 8, 0, 0xffff_ffff_ffff_fffc),
        (0x4c, 2, 0, 0xffff),
    ]
}

/// Reset values and writable bits of all bytes.
fn bytes(ports: u64) -> ([u8; 256], [u8; 256]) {
    let (mut reset, mut mask) = ([0; 256], [0; 256]);
    for (at, width, value, writable) in data_sheet(ports) {
        for lane in 0..width {
            let (at, shift) = ((at + lane) as usize, 8 * lane);
            reset[at] = (value >> shift) as u8;
            mask[at] = (writable >> shift) as u8;
        }
    }
    (reset, mask)
}

fn cards() -> [(u64, Dut); 2] {
    [(1, dut(PLAIN)), (2, dut(PLAIN_2))]
}

#[test]
fn reset_values_are_those_of_the_data_sheet() {
    for (ports, mut dut) in cards() {
        assert_eq!(config_read::<256>(&mut dut, 0), bytes(ports).0);
    }
}

#[test]
fn only_writable_bits_change() {
    for (ports, mut dut) in cards() {
        let (reset, mask) = bytes(ports);
        for at in 0..256 {
            for value in [0xff, 0x00, 0xa5, 0x5a] {
                config_write(&mut dut, at as u64, &[value]);
                let expected = (reset[at] & !mask[at]) | (value & mask[at]);
                assert_eq!(
                    config_read(&mut dut, at as u64),
                    [expected],
                    "byte {at:#04x}"
                );
            }
            config_write(&mut dut, at as u64, &[reset[at]]);
            assert_eq!(
                config_read::<256>(&mut dut, 0),
                reset,
                "byte {at:#04x} alone"
            );
        }
    }
}

#[test]
fn any_width_and_alignment_acts_byte_by_byte() {
    for (ports, mut wide) in cards() {
        let (reset, mask) = bytes(ports);
        for width in [1, 2, 3, 4, 8, 16] {
            for at in 0..=(256 - width) {
                wide.reset();
                let written: Vec<u8> = (0..width).map(|n| 0xff - n as u8).collect();
                config_write(&mut wide, at as u64, &written);
                let mut expected = reset;
                for (n, value) in written.iter().enumerate() {
                    let at = at + n;
                    expected[at] = (reset[at] & !mask[at]) | (value & mask[at]);
                }
                assert_eq!(
                    config_read::<256>(&mut wide, 0),
                    expected,
                    "{width} at {at:#x}"
                );
                let mut data = vec![0; width];
                wide.region_read(Region::Config, at as u64, &mut data)
                    .unwrap();
                assert_eq!(data, expected[at..at + width]);
            }
        }
    }
}

#[test]
fn bars_can_be_sized() {
    for (ports, mut dut) in cards() {
        config_write(&mut dut, 0x10, &[0xff; 4]);
        let bar = u32::from_le_bytes(config_read(&mut dut, 0x10));
        assert_eq!(bar & 3, 1, "an I/O BAR");
        let size = u64::from(!(bar & !3)) + 1;
        assert_eq!(size, 8 * ports);
        assert_eq!(dut.device().region(Region::Bar(0)).size, size);
        for bar in 1..6 {
            config_write(&mut dut, 0x10 + 4 * bar, &[0xff; 4]);
            assert_eq!(config_read(&mut dut, 0x10 + 4 * bar), [0; 4]);
            assert_eq!(dut.device().region(Region::Bar(bar as u8)).size, 0);
        }
        config_write(&mut dut, 0x30, &[0xff; 4]);
        assert_eq!(config_read(&mut dut, 0x30), [0; 4], "no ROM");
        config_write(&mut dut, 0x10, &0x0000_c008_u32.to_le_bytes());
        let bar = u32::from_le_bytes(config_read(&mut dut, 0x10));
        assert_eq!(bar, if ports == 1 { 0xc009 } else { 0xc001 });
    }
}

#[test]
fn accesses_stay_in_their_region() {
    for (ports, mut dut) in cards() {
        for (region, size) in [(Region::Config, 256), (Region::Bar(0), 8 * ports)] {
            for (at, len) in [
                (size, 1),
                (size - 1, 2),
                (size - 4, 5),
                (u64::MAX, 1),
                (u64::MAX, 2),
                (u64::MAX - 3, 4),
                (1 << 40, 1),
                (0, size as usize + 1),
            ] {
                let mut data = vec![0xee; len];
                assert_eq!(
                    dut.region_read(region, at, &mut data),
                    Err(Error::OutOfRange)
                );
                assert!(data.iter().all(|byte| *byte == 0xee), "nothing was read");
                assert_eq!(dut.region_write(region, at, &data), Err(Error::OutOfRange));
            }
            let mut all = vec![0; size as usize];
            assert_eq!(dut.region_read(region, 0, &mut all), Ok(()));
            assert_eq!(
                dut.region_read(region, size, &mut []),
                Ok(()),
                "nothing, at the end"
            );
        }
        for bar in [1, 5, 6, 255] {
            assert_eq!(
                dut.region_read(Region::Bar(bar), 0, &mut [0]),
                Err(Error::OutOfRange)
            );
            assert_eq!(
                dut.region_write(Region::Bar(bar), 0, &[0]),
                Err(Error::OutOfRange)
            );
        }
    }
}

/// Every writable bit travels, and nothing else is taken.
#[test]
fn writable_bits_are_the_state() {
    for (ports, mut dut) in cards() {
        let (_, mask) = bytes(ports);
        let fresh = saved(&mut dut);
        for (at, mask) in (0u64..).zip(mask) {
            for bit in 0..8 {
                let value = (1 << bit) & mask;
                if value == 0 {
                    continue;
                }
                dut.reset();
                let [old] = config_read(&mut dut, at);
                config_write(&mut dut, at, &[old | value]);
                let config = config_read::<256>(&mut dut, 0);
                let stream = saved(&mut dut);
                assert_ne!(stream, fresh, "bit {bit} of {at:#x} travels");
                dut.reset();
                load(&mut dut, &stream, 4096).unwrap();
                assert_eq!(config_read::<256>(&mut dut, 0), config);
            }
        }
    }
}

#[test]
fn unreachable_config_space_is_refused() {
    let good = Config::new(2).save();
    assert_eq!(Config::restore(2, good), Ok(Config::new(2)));
    let rows = [
        ConfigV1 {
            command: 0x0002,
            ..good
        },
        ConfigV1 {
            command: 0x8000,
            ..good
        },
        ConfigV1 { bar: 0, ..good },
        ConfigV1 { bar: 3, ..good },
        ConfigV1 {
            bar: 0xc009,
            ..good
        },
        ConfigV1 {
            msi_control: 0,
            ..good
        },
        ConfigV1 {
            msi_control: 0x0082,
            ..good
        },
        ConfigV1 {
            msi_control: 0x0180,
            ..good
        },
        ConfigV1 {
            msi_address_low: 1,
            ..good
        },
    ];
    for bad in rows {
        assert!(Config::restore(2, bad).is_err(), "{bad:?}");
    }
    assert!(Config::restore(
        1,
        ConfigV1 {
            bar: 0xc009,
            ..good
        }
    )
    .is_ok());
}
