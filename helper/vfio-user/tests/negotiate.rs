// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `VERSION`.

use nix::libc::EINVAL;
use vmig_vfio_user::{
    message::{
        Command,
        Version,
        Wire, //
    },
    version::{
        self,
        Capabilities, //
    },
};

use crate::support::*;

const VERSION: u16 = Command::Version as u16;

fn proposal(major: u16, minor: u16, text: &[u8]) -> Vec<u8> {
    let mut body = Version { major, minor }.bytes();
    body.extend(text);
    body
}

#[test]
fn both_minor_versions_and_newer_ones() {
    let running = serial(PLAIN);
    for (proposed, agreed) in [(0, 0), (1, 1), (2, 1), (u16::MAX, 1)] {
        let mut raw = running.raw();
        let (header, body) = raw.call(VERSION, &proposal(0, proposed, b"{}\0"));
        assert_eq!(header.error, 0);
        let (version, _) = version::parse(&body).unwrap();
        assert_eq!((version.major, version.minor), (0, agreed));
    }
    running.finish();
}

#[test]
fn what_is_offered_is_what_the_client_knows() {
    let running = serial(PLAIN);
    for (text, write_multiple) in [
        (&b""[..], false),
        (b"{}\0", false),
        (b"{\"capabilities\":{\"migration\":{}}}\0", false),
        (b"{\"capabilities\":{\"write_multiple\":true}}\0", true),
    ] {
        let mut raw = running.raw();
        let (header, body) = raw.call(VERSION, &proposal(0, 1, text));
        assert_eq!(header.error, 0);
        let (_, found) = version::parse(&body).unwrap();
        assert_eq!(found.write_multiple, write_multiple);
        assert!(!found.twin_socket);
        // QEMU refuses a server with more files, another page size, or more maps.
        assert!(found.max_msg_fds <= 16 && found.max_dma_maps <= 65535);
        assert_eq!((found.pgsizes, found.max_data_xfer_size), (4096, 1 << 20));
    }
    running.finish();
}

#[test]
fn nonsense_is_refused_and_may_be_tried_again() {
    let running = serial(PLAIN);
    let mut raw = running.raw();
    for body in [
        proposal(1, 0, b""),
        proposal(0, 0, b"{}"),
        proposal(0, 0, b"\0"),
        proposal(0, 0, b"[]\0"),
        proposal(0, 0, b"{\"capabilities\":{\"max_msg_fds\":\"x\"}}\0"),
        vec![],
        vec![0; 3],
    ] {
        assert_eq!(raw.errno(Command::Version, &body), EINVAL, "{body:?}");
    }
    // Nothing else before it, and it only once.
    for command in Command::ALL {
        if command != Command::Version {
            assert_eq!(raw.errno(command, &[0; 64]), EINVAL, "{command:?}");
        }
    }
    assert_eq!(raw.errno(Command::Version, &greeting()), 0);
    assert_eq!(raw.errno(Command::Version, &greeting()), EINVAL);
    running.finish();
}

#[test]
fn a_client_sees_what_was_agreed_on() {
    let running = serial(PLAIN);
    let client = running.connect();
    assert_eq!((client.version().major, client.version().minor), (0, 1));
    let expected = Capabilities {
        twin_socket: false,
        ..Capabilities::ours()
    };
    assert_eq!(*client.server(), expected);
    drop(client);
    running.finish();
}
