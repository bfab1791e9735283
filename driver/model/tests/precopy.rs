// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Pre-copy of a device that has something to send early.

use vmig_model::{
    arcs::State,
    device::{
        Device,
        Region, //
    },
    engine::Engine,
    error::{
        Class,
        Error, //
    },
    values::Values,
};

use crate::{
    paged::*,
    support::{
        drain,
        engine_of, //
    },
    wire::{
        assemble,
        body,
        header, //
    }, //
};

type Dut = Engine<Paged, Vec<u8>>;

fn dut() -> Dut {
    let mut dut = engine_of(Paged::new(Values::init(&TYPE)));
    dut.open().unwrap();
    for at in 0..(PAGES * PAGE) as u64 {
        dut.region_write(Region::Bar(2), at, &[at as u8]).unwrap();
    }
    dut.region_write(Region::Config, 0, &[0x42]).unwrap();
    dut
}

fn load(dut: &mut Dut, stream: &[u8]) -> Result<(), Error> {
    let session = dut.set_state(State::Resuming)?.unwrap().session;
    for piece in stream.chunks(11) {
        dut.write(session, piece)?;
    }
    dut.set_state(State::Running).map(|_| ())
}

fn tags(stream: &[u8]) -> Vec<u16> {
    body(stream).iter().map(|raw| raw.tag).collect()
}

#[test]
fn rounds_send_what_is_dirty() {
    let mut source = dut();
    let session = source.set_state(State::PreCopy).unwrap().unwrap().session;
    let info = source.precopy_info(session).unwrap();
    assert_eq!(info.dirty_bytes as usize, PAGES * PAGE_RECORD);
    let mut stream = drain(&mut source, session, 7);
    let idle = source.precopy_info(session).unwrap();
    assert_eq!((idle.initial_bytes, idle.dirty_bytes), (0, 0));
    assert_eq!(source.readable(session), Ok(false));

    source.region_write(Region::Bar(2), 20, &[0xee]).unwrap();
    let info = source.precopy_info(session).unwrap();
    assert_eq!(
        (info.initial_bytes, info.dirty_bytes as usize),
        (0, PAGE_RECORD)
    );
    assert_eq!(source.readable(session), Ok(true));
    // Produced, but not consumed: it still counts.
    let info = source.precopy_info(session).unwrap();
    assert_eq!(
        (info.initial_bytes, info.dirty_bytes as usize),
        (0, PAGE_RECORD)
    );
    stream.extend(drain(&mut source, session, 7));

    source.region_write(Region::Bar(2), 63, &[0xdd]).unwrap();
    source.set_state(State::StopCopy).unwrap();
    let left = drain(&mut source, session, 7);
    stream.extend(&left);
    let page = PAGE_TAG;
    assert_eq!(
        tags(&stream),
        [1, 2, page, page, page, page, page, page, 0x0301]
    );
    assert!(left.len() < 3 * PAGE_RECORD, "only what was left");

    let mut other = dut();
    load(&mut other, &stream).unwrap();
    assert_eq!(other.device().memory, source.device().memory);
    assert_eq!(other.device().register, 0x42);
}

#[test]
fn a_new_session_sends_everything_again() {
    let mut source = dut();
    for _ in 0..2 {
        let session = source.set_state(State::PreCopy).unwrap().unwrap().session;
        drain(&mut source, session, 64);
        source.set_state(State::Running).unwrap();
    }
    for _ in 0..2 {
        let session = source.set_state(State::StopCopy).unwrap().unwrap().session;
        let size = source.data_size();
        let stream = drain(&mut source, session, 64);
        assert_eq!(stream.len() as u64, size);
        assert_eq!(tags(&stream).len(), 2 + PAGES + 1);
        source.set_state(State::Stop).unwrap();
    }
}

#[test]
fn a_parameter_record_may_come_between_early_records() {
    let mut source = dut();
    source.set_reinit(true);
    let session = source.set_state(State::PreCopy).unwrap().unwrap().session;
    let mut stream = drain(&mut source, session, 64);
    let codec = TYPE.index("codec").unwrap();
    assert_eq!(source.set_param(codec, "none", true), Ok(()));
    source.region_write(Region::Bar(2), 0, &[0xaa]).unwrap();
    stream.extend(drain(&mut source, session, 64));
    source.set_state(State::StopCopy).unwrap();
    stream.extend(drain(&mut source, session, 64));
    let page = PAGE_TAG;
    assert_eq!(
        tags(&stream),
        [1, 2, page, page, page, page, 2, page, 0x0301]
    );

    let mut other = dut();
    assert_eq!(
        load(&mut other, &stream),
        Err(Error::Refused(Class::Mismatch))
    );
    assert_eq!(
        other.refusal().unwrap().to_string(),
        "codec: stream none, device zero"
    );
    other.reset();
    let session = other.set_state(State::Resuming).unwrap().unwrap().session;
    other.write(session, &stream).unwrap();
    other.set_param(codec, "none", true).unwrap();
    assert_eq!(other.set_state(State::Stop), Ok(None));
    assert_eq!(other.device().memory[0], 0xaa);
}

#[test]
fn early_records_come_early() {
    let mut source = dut();
    let session = source.set_state(State::StopCopy).unwrap().unwrap().session;
    let records = body(&drain(&mut source, session, 64));
    let judge = |records: &[_]| {
        let mut other = dut();
        load(&mut other, &assemble(header(1, 0), records)).map_err(|error| error.class())
    };
    assert_eq!(judge(&records), Ok(()));
    for (from, to) in [(2, 6), (6, 2)] {
        let mut moved = records.clone();
        let record = moved.remove(from);
        moved.insert(to, record);
        assert_eq!(judge(&moved), Err(Class::Malformed), "{from} to {to}");
    }
    let mut again = records.clone();
    again.insert(2, records[4].clone());
    assert_eq!(judge(&again), Ok(()), "a page may come twice");
    for payload in [vec![], vec![4; 1 + PAGE], vec![0; PAGE], vec![0; 2 + PAGE]] {
        let mut bad = records.clone();
        bad[2].payload = payload;
        assert_eq!(judge(&bad), Err(Class::Malformed));
    }
}

#[test]
fn memory_of_a_refused_stream_is_gone_after_reset() {
    let mut source = dut();
    let session = source.set_state(State::StopCopy).unwrap().unwrap().session;
    let mut stream = drain(&mut source, session, 64);
    stream.truncate(200);
    let mut other = dut();
    assert_eq!(
        load(&mut other, &stream),
        Err(Error::Refused(Class::Malformed))
    );
    assert_eq!(
        other.set_state(State::Running),
        Err(Error::Refused(Class::Malformed))
    );
    other.reset();
    assert_eq!(other.device().memory, [0; PAGES * PAGE]);
    let _ = load(&mut other, &stream);
    other.close(true);
    assert_eq!(
        other.device().memory,
        [0; PAGES * PAGE],
        "close scrubs a half-loaded device"
    );
    assert_eq!(other.device().region(Region::Bar(2)).size, 64);
}
