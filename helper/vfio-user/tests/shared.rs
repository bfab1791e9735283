// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Regions that can be mapped: the file, and which parts of it.

use std::{
    fs::File,
    os::unix::{
        fs::FileExt as _,
        net::UnixStream, //
    },
};

use nix::sys::memfd::{
    memfd_create,
    MFdFlags, //
};
use vmig_model::device::Region;
use vmig_vfio_user::{
    message::{
        uapi::*,
        Command,
        Wire, //
    },
    version::Capabilities,
    Client,
    Server,
    Shared, //
};

use crate::{
    support::*,
    toy::Toy, //
};

const BAR2: u32 = 2;

/// A toy whose BAR 2 is shared in `areas`, and the file behind it.
fn toy(areas: &[(u64, u64)]) -> (Running<Toy>, File) {
    let file = File::from(memfd_create(c"bar", MFdFlags::MFD_CLOEXEC).unwrap());
    file.set_len(0x6000).unwrap();
    let mut server = Server::new(Toy::new());
    server.share(Shared {
        region: Region::Bar(2),
        file: file.try_clone().unwrap().into(),
        offset: 0x2000,
        areas: areas.to_vec(),
    });
    (run(server), file)
}

#[test]
fn a_whole_region() {
    let (running, file) = toy(&[]);
    let mut client = running.connect();
    let (info, caps, shared) = client.region_info(BAR2).unwrap();
    let flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    assert_eq!(info.flags, flags | VFIO_REGION_INFO_FLAG_MMAP);
    assert_eq!((info.size, info.offset, info.argsz), (0x4000, 0x2000, 32));
    assert!(caps.is_empty());
    let shared = File::from(shared.expect("a file"));
    file.write_all_at(b"bar", 0x2000).unwrap();
    let mut seen = [0; 3];
    shared.read_exact_at(&mut seen, info.offset).unwrap();
    assert_eq!(&seen, b"bar");
    // The others have none.
    let (info, _, shared) = client.region_info(0).unwrap();
    assert_eq!((info.flags, shared.is_some()), (flags, false));
    drop(client);
    running.finish();
}

#[test]
fn parts_of_a_region() {
    let (running, _) = toy(&[(0, 0x1000), (0x2000, 0x2000)]);
    let mut client = running.connect();
    let (info, caps, shared) = client.region_info(BAR2).unwrap();
    assert!(shared.is_some());
    assert_ne!(info.flags & VFIO_REGION_INFO_FLAG_CAPS, 0);
    assert_eq!((info.argsz, info.cap_offset), (32 + 16 + 32, 32));
    let (header, rest) = vfio_info_cap_header::split(&caps).unwrap();
    assert_eq!((header.id, header.version, header.next), (1, 1, 0));
    assert_eq!(rest[..8], [2, 0, 0, 0, 0, 0, 0, 0]);
    let areas: Vec<_> = rest[8..]
        .chunks(16)
        .map(|area| vfio_region_sparse_mmap_area::decode(area).unwrap())
        .map(|area| (area.offset, area.size))
        .collect();
    assert_eq!(areas, [(0, 0x1000), (0x2000, 0x2000)]);
    // Less room than that: the reply says how much it takes, and that nothing is there yet.
    for argsz in [32, 79] {
        let request = vfio_region_info {
            argsz,
            index: BAR2,
            ..Default::default()
        };
        let reply = client
            .call(Command::GetRegionInfo, &request.bytes(), &[])
            .unwrap();
        let short = vfio_region_info::decode(&reply.body).unwrap();
        assert_eq!(
            (reply.body.len(), short.argsz, short.cap_offset),
            (32, 80, 0)
        );
        assert_eq!(short.flags & VFIO_REGION_INFO_FLAG_CAPS, 0, "{argsz}");
        assert_ne!(short.flags & VFIO_REGION_INFO_FLAG_MMAP, 0);
        assert!(reply.files.is_empty(), "it comes with the rest");
    }
    drop(client);
    running.finish();
}

#[test]
fn who_takes_no_file_maps_nothing() {
    let (running, _) = toy(&[]);
    let socket = UnixStream::connect(&running.path).unwrap();
    let none = Capabilities {
        max_msg_fds: 0,
        twin_socket: false,
        ..Capabilities::ours()
    };
    let mut client = Client::new(socket, &none).unwrap();
    let (info, _, file) = client.region_info(BAR2).unwrap();
    assert_eq!(info.flags & VFIO_REGION_INFO_FLAG_MMAP, 0);
    assert!(file.is_none());
    drop(client);
    running.finish();
}
