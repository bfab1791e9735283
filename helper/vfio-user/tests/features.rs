// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `DEVICE_FEATURE`: probes, states, sizes.

use nix::errno::Errno;
use vmig_model::arcs::State;
use vmig_vfio_user::{
    client::Error,
    message::{
        uapi::*,
        Command,
        Feature,
        Wire, //
    },
    Client,
};

use crate::support::*;

const GET: u32 = VFIO_DEVICE_FEATURE_GET;
const SET: u32 = VFIO_DEVICE_FEATURE_SET;
const PROBE: u32 = VFIO_DEVICE_FEATURE_PROBE;

fn errno<T: std::fmt::Debug>(result: Result<T, Error>) -> Errno {
    result.unwrap_err().errno().expect("refused by the server")
}

#[test]
fn probes_say_what_there_is() {
    let running = serial(FULL);
    let mut client = running.connect();
    for (feature, supported) in [
        (1, GET),
        (2, GET | SET),
        (6, SET),
        (7, SET),
        (8, GET),
        (9, GET),
    ] {
        for method in [0, GET, SET, GET | SET] {
            let probed = client.feature(PROBE | method | feature, &[]);
            assert_eq!(probed.is_ok(), method & !supported == 0, "{feature}");
        }
        // Without a probe it is one of both.
        for method in [0, GET | SET] {
            assert_eq!(errno(client.feature(method | feature, &[])), Errno::EINVAL);
        }
        let unknown = client.feature(PROBE | 1 << 19 | feature, &[]);
        assert_eq!(errno(unknown), Errno::EINVAL);
    }
    for feature in [0, 3, 4, 5, 10, 11, 12, 13, 0xffff] {
        let probed = client.feature(PROBE | feature, &[]);
        assert_eq!(errno(probed), Errno::ENOTTY, "{feature}");
    }
    // The reply to a probe is the request.
    let request = Feature {
        argsz: 8,
        flags: PROBE | GET | 1,
    };
    let reply = client.call(Command::Feature, &request.bytes(), &[]);
    assert_eq!(reply.unwrap().body, request.bytes());
    let flags = client.migration_flags().unwrap();
    assert_eq!(flags, 5, "STOP_COPY and PRE_COPY");
    drop(client);
    running.finish();
}

#[test]
fn room_is_checked_before_anything_is_done() {
    let running = serial(FULL);
    let mut client = running.connect();
    let mut call = |argsz, flags, data: &[u8]| {
        let mut body = Feature { argsz, flags }.bytes();
        body.extend(data);
        let reply = client.call(Command::Feature, &body, &[]);
        reply.map(|reply| reply.body)
    };
    let stop = [1, 0, 0, 0, 0, 0, 0, 0];
    for argsz in 0..16 {
        assert_eq!(errno(call(argsz, GET | 1, &[])), Errno::EINVAL);
        assert_eq!(errno(call(argsz, GET | 2, &[])), Errno::EINVAL);
        assert_eq!(errno(call(argsz, GET | 9, &[])), Errno::EINVAL);
        assert_eq!(errno(call(argsz, SET | 2, &stop)), Errno::EINVAL);
    }
    assert_eq!(call(16, GET | 2, &[]).unwrap()[8..12], [2, 0, 0, 0]);
    call(16, SET | 2, &stop).unwrap();
    assert_eq!(call(16, GET | 2, &[]).unwrap()[8..12], [1, 0, 0, 0]);
    assert_eq!(call(u32::MAX, GET | 2, &[]).unwrap()[..4], [16, 0, 0, 0]);
    drop(client);
    running.finish();
}

/// A client whose device is in `state`.
fn in_state(running: &Running<vmig_model::serial::Card>, state: State) -> Client {
    let mut client = running.connect();
    client.set_state(state).unwrap();
    assert_eq!(client.state().unwrap(), state);
    client
}

#[test]
fn all_pairs_of_states() {
    use State::{
        PreCopy,
        Resuming,
        Running,
        Stop,
        StopCopy, //
    };
    let running = serial(FULL);
    for from in [Running, Stop, StopCopy, Resuming, PreCopy] {
        for to in 0..=9_u32 {
            let mut client = in_state(&running, from);
            let data = [to.to_ne_bytes(), [0; 4]].concat();
            let done = client.feature(SET | 2, &data);
            let to = State::try_from(to).ok();
            let there = client.state().unwrap();
            match (from, to) {
                // An empty stream is no state of a device.
                (Resuming, Some(Running | Stop | StopCopy | PreCopy)) => {
                    assert_eq!(errno(done), Errno::EINVAL);
                    assert_eq!(there, Resuming);
                }
                (StopCopy, Some(PreCopy)) => {
                    assert_eq!(errno(done), Errno::EINVAL);
                    assert_eq!(there, StopCopy);
                }
                (_, Some(to @ (Running | Stop | StopCopy | Resuming | PreCopy))) => {
                    assert_eq!(done.unwrap(), data, "the reply is the request");
                    assert_eq!(there, to);
                }
                _ => {
                    assert_eq!(errno(done), Errno::EINVAL, "{from:?} {to:?}");
                    assert_eq!(there, from);
                }
            }
            client.reset().unwrap();
            assert_eq!(client.state().unwrap(), Running);
        }
    }
    running.finish();
}

#[test]
fn data_flow_only_where_they_should() {
    use State::{
        PreCopy,
        Resuming,
        Running,
        Stop,
        StopCopy, //
    };
    let running = serial(FULL);
    for (state, reads, writes) in [
        (Running, false, false),
        (Stop, false, false),
        (StopCopy, true, false),
        (PreCopy, true, false),
        (Resuming, false, true),
    ] {
        let mut client = in_state(&running, state);
        let mut data = [0; 8];
        assert_eq!(client.data_read(&mut data).is_ok(), reads, "{state:?}");
        // The beginning of any stream.
        let written = client.data_write(&streams()[0].1[..8]);
        assert_eq!(written.is_ok(), writes, "{state:?}");
        assert!(client.data_size().unwrap() > 0);
    }
    running.finish();
}

#[test]
fn a_stopped_device_answers_without_side_effects() {
    let running = serial(FULL);
    let mut client = running.connect();
    // 8 data bits, FIFOs on.
    client.region_write(0, 3, &[3]).unwrap();
    client.region_write(0, 2, &[1]).unwrap();
    client.region_write(0, 0, b"a").unwrap();
    client.set_state(State::Stop).unwrap();
    let mut byte = [0];
    for _ in 0..2 {
        client.region_read(0, 0, &mut byte).unwrap();
        assert_eq!(&byte, b"a");
    }
    let written = client.region_write(0, 0, b"b");
    assert_eq!(errno(written), Errno::EBUSY);
    client.region_write(CONFIG, 0x3c, &[9]).unwrap();
    client.set_state(State::Running).unwrap();
    client.region_read(0, 0, &mut byte).unwrap();
    assert_eq!(&byte, b"a");
    client.region_read(0, 5, &mut byte).unwrap();
    assert_eq!(byte[0] & 1, 0, "there was one byte");
    drop(client);
    running.finish();
}
