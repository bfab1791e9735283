// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Information, regions, reset.

use nix::errno::Errno;
use vmig_vfio_user::{
    client::Error,
    message::{
        uapi::*,
        Command,
        RegionAccess,
        RegionIoFds,
        RegionWrite,
        Wire,
        DATA_MAX,
        NO_REPLY, //
    },
};

use crate::support::*;

/// Scratch register of port 0.
const SCR: u64 = 7;

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Errno {
    result.unwrap_err().errno().expect("refused by the server")
}

#[test]
fn what_the_device_is() {
    let running = serial(FULL);
    let mut client = running.connect();
    let info = client.info().unwrap();
    assert_eq!(info.argsz, 16);
    assert_eq!(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
    assert_eq!((info.num_regions, info.num_irqs), (9, 5));
    for (index, size) in [(0, 16), (1, 0), (5, 0), (6, 0), (7, 256), (8, 0)] {
        let (info, caps, file) = client.region_info(index).unwrap();
        assert_eq!((info.index, info.size), (index, size));
        let flags = if size > 0 { 3 } else { 0 };
        assert_eq!((info.flags, info.argsz, info.cap_offset), (flags, 32, 0));
        assert!(caps.is_empty() && file.is_none());
    }
    assert_eq!(refused(client.region_info(9)), Errno::EINVAL);
    for (index, count, flags) in [(0, 1, 7), (1, 1, 1), (2, 0, 0), (3, 0, 0), (4, 0, 0)] {
        let info = client.irq_info(index).unwrap();
        assert_eq!((info.count, info.flags), (count, flags), "{index}");
    }
    assert_eq!(refused(client.irq_info(5)), Errno::EINVAL);
    let asked = RegionIoFds {
        argsz: 16,
        ..Default::default()
    };
    let reply = client.call(Command::GetRegionIoFds, &asked.bytes(), &[]);
    assert_eq!(reply.unwrap().body, asked.bytes());
    drop(client);
    running.finish();
}

#[test]
fn regions_are_read_and_written() {
    let running = serial(FULL);
    let mut client = running.connect();
    let mut ids = [0; 4];
    client.region_read(CONFIG, 0, &mut ids).unwrap();
    assert_eq!(ids, [0x36, 0x1b, 0x03, 0x00]);
    client.region_write(0, SCR, &[0x5a]).unwrap();
    let mut scratch = [0];
    client.region_read(0, SCR, &mut scratch).unwrap();
    assert_eq!(scratch, [0x5a]);
    let mut all = [0; 256];
    client.region_read(CONFIG, 0, &mut all).unwrap();
    client.region_read(CONFIG, 256, &mut []).unwrap();
    for (region, at, len) in [
        (CONFIG, 255, 2),
        (CONFIG, 256, 1),
        (CONFIG, u64::MAX, 1),
        (0, 16, 1),
        (0, 15, 2),
        (1, 0, 1),
        (6, 0, 1),
        (8, 0, 1),
        (9, 0, 1),
        (u32::MAX, 0, 1),
    ] {
        let mut data = vec![0; len];
        let read = client.region_read(region, at, &mut data);
        assert_eq!(refused(read), Errno::EINVAL, "{region} {at}");
        let written = client.region_write(region, at, &data);
        assert_eq!(refused(written), Errno::EINVAL, "{region} {at}");
    }
    // After a reset nothing is left.
    client.reset().unwrap();
    client.region_read(0, SCR, &mut scratch).unwrap();
    assert_ne!(scratch, [0x5a]);
    drop(client);
    running.finish();
}

#[test]
fn counts_are_bounded_before_anything_else() {
    let running = serial(PLAIN);
    let mut raw = running.greeted();
    for count in [DATA_MAX as u32 + 1, 1 << 31, u32::MAX] {
        let access = RegionAccess {
            offset: 0,
            region: CONFIG,
            count,
        };
        for command in [Command::RegionRead, Command::RegionWrite] {
            assert_eq!(raw.errno(command, &access.bytes()), Errno::EINVAL as i32);
        }
    }
    drop(raw);
    // What the client itself takes is about what is sent to it, and no concern of these.
    let mut raw = running.raw();
    let mut small = vec![0, 0, 1, 0];
    small.extend(b"{\"capabilities\":{\"max_data_xfer_size\":0}}\0");
    assert_eq!(raw.errno(Command::Version, &small), 0);
    for count in [0, 8, 256] {
        let access = RegionAccess {
            offset: 0,
            region: CONFIG,
            count,
        };
        let (header, body) = raw.call(Command::RegionRead.number(), &access.bytes());
        assert_eq!((header.error, body.len()), (0, 16 + count as usize));
    }
    drop(raw);
    running.finish();
}

#[test]
fn several_writes_in_one_message() {
    let running = serial(FULL);
    let mut client = running.connect();
    let write = |region, offset, count, byte: u8| RegionWrite {
        offset,
        region,
        count,
        data: u64::from_ne_bytes([byte; 8]),
    };
    let done = client.region_write_multi(&[
        write(0, SCR, 1, 0x11),
        write(0, 8 + SCR, 1, 0x22),
        write(0, SCR, 1, 0x33),
    ]);
    assert_eq!(done.unwrap(), 3);
    let mut scratch = [0; 2];
    client.region_read(0, SCR, &mut scratch[..1]).unwrap();
    client.region_read(0, 8 + SCR, &mut scratch[1..]).unwrap();
    assert_eq!(scratch, [0x33, 0x22]);
    // One that fails is one less, and no concern of the others.
    let done = client.region_write_multi(&[
        write(0, SCR, 1, 0x44),
        write(0, 16, 1, 0),
        write(0, SCR, 1, 0x55),
    ]);
    assert_eq!(done.unwrap(), 2);
    client.region_read(0, SCR, &mut scratch[..1]).unwrap();
    assert_eq!(scratch[0], 0x55);
    let done = client.region_write_multi(&[write(0, 16, 1, 0), write(0, SCR, 1, 0x66)]);
    assert_eq!(done.unwrap(), 1);
    client.region_read(0, SCR, &mut scratch[..1]).unwrap();
    assert_eq!(scratch[0], 0x66);
    for bad in [write(0, SCR, 9, 0), write(1, 0, 1, 0), write(0, 16, 1, 0)] {
        assert_eq!(refused(client.region_write_multi(&[bad])), Errno::EINVAL);
    }
    assert_eq!(client.region_write_multi(&[]).unwrap(), 0);
    // A number that does not agree with the length, up to where a product would overflow.
    for count in [1_u64, 2, u64::MAX, u64::MAX / 24 + 1] {
        let reply = client.call(Command::RegionWriteMulti, &count.to_ne_bytes(), &[]);
        assert_eq!(refused(reply), Errno::EINVAL);
    }
    drop(client);
    running.finish();
}

#[test]
fn no_reply_is_no_reply() {
    let running = serial(PLAIN);
    let mut raw = running.greeted();
    let write = |value| {
        let access = RegionAccess {
            offset: SCR,
            region: 0,
            count: 1,
        };
        let mut body = access.bytes();
        body.push(value);
        body
    };
    let command = Command::RegionWrite.number();
    for value in 0..100 {
        raw.send(&bytes(command, 7, NO_REPLY, &write(value)));
    }
    // Not even one that says that it failed.
    raw.send(&bytes(command, 7, NO_REPLY, &[]));
    raw.send(&bytes(99, 7, NO_REPLY, &[]));
    let read = RegionAccess {
        offset: SCR,
        region: 0,
        count: 1,
    };
    let (header, body) = raw.call(Command::RegionRead.number(), &read.bytes());
    assert_eq!((header.error, body.last()), (0, Some(&99)));
    drop(raw);
    running.finish();
}
