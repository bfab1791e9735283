// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The verdict on a stream's model and parameters, and on its registers.

use vmig_model::{
    arcs::State,
    error::{
        Class,
        Error, //
    },
};

use crate::{
    support::*,
    unreachable::judge,
    wire::{
        assemble,
        body,
        header,
        Raw, //
    }, //
};

/// A parameter record: `(type, name, value bytes)`.
fn params(entries: &[(u8, &str, &[u8])]) -> Vec<u8> {
    let mut payload = (entries.len() as u16).to_le_bytes().to_vec();
    for (kind, name, value) in entries {
        payload.extend([*kind, name.len() as u8]);
        payload.extend(name.bytes());
        payload.extend(*value);
    }
    payload
}

const ONE: &[u8] = &1u64.to_le_bytes();
const TWO: &[u8] = &2u64.to_le_bytes();
const DEPTH_16: &[u8] = &16u64.to_le_bytes();
const DEPTH_64: &[u8] = &64u64.to_le_bytes();

/// A stream of an idle card with `list`, its parameter record replaced.
fn with_params(list: &List, payload: Vec<u8>) -> Vec<u8> {
    let mut records = body(&saved(&mut dut(list)));
    records[1].payload = payload;
    assemble(header(1, 0), &records)
}

#[test]
fn other_parameters_are_refused_by_name() {
    for (from, to, text) in [
        (PLAIN, PLAIN_2, "ports: stream 1, device 2"),
        (PLAIN_2, PLAIN, "ports: stream 2, device 1"),
        (
            &[("fifo-size", "64"), ("ports", "1")],
            PLAIN,
            "fifo-size: stream 64, device 16",
        ),
        (FULL, PLAIN_2, "auto-flow: stream on, device off"),
        (FULL, FULL_NO_STATS, "line-stats: stream on, device off"),
        (FULL_NO_STATS, FULL, "line-stats: stream off, device on"),
    ] {
        let stream = saved(&mut dut(from));
        assert_eq!(judge(to, &stream), (Err(Class::Mismatch), text.into()));
    }
}

#[test]
fn the_initial_data_alone_are_enough_to_refuse() {
    let mut source = dut(FULL);
    let session = source.set_state(State::PreCopy).unwrap().unwrap().session;
    let initial = drain(&mut source, session, 4096);
    let mut dut = dut(PLAIN);
    assert_eq!(
        feed(&mut dut, &initial, 1),
        Err(Error::Refused(Class::Mismatch))
    );
}

#[test]
fn lists_are_compared_without_off_values() {
    let off = &[0][..];
    for payload in [
        params(&[(1, "ports", ONE)]),
        params(&[(0, "auto-flow", off), (1, "ports", ONE)]),
        params(&[
            (0, "auto-flow", off),
            (1, "fifo-size", DEPTH_16),
            (0, "line-stats", off),
            (1, "ports", ONE),
        ]),
    ] {
        let stream = with_params(PLAIN, payload);
        assert_eq!(judge(PLAIN, &stream), (Ok(()), String::new()));
    }
}

#[test]
fn lists_that_no_card_has() {
    let rows: &[(Vec<u8>, Class, &str)] = &[
        (
            params(&[(0, "new-feature", &[1]), (1, "ports", ONE)]),
            Class::Mismatch,
            "new-feature: stream on, device unknown",
        ),
        (
            params(&[(0, "new-feature", &[0]), (1, "ports", ONE)]),
            Class::Mismatch,
            "new-feature: stream off, device unknown",
        ),
        (
            params(&[(2, "codec", b"\x05\x00a\x1bb\r!"), (1, "ports", ONE)]),
            Class::Mismatch,
            "codec: stream a\\u{1b}b\\r!, device unknown",
        ),
        (
            params(&[]),
            Class::Mismatch,
            "ports: stream absent, device 1",
        ),
        (
            params(&[(1, "fifo-size", DEPTH_64)]),
            Class::Mismatch,
            "ports: stream absent, device 1",
        ),
        (
            params(&[(1, "ports", &3u64.to_le_bytes())]),
            Class::Mismatch,
            "ports: stream 3, device 1",
        ),
        (
            params(&[(2, "ports", b"\x01\x001")]),
            Class::Mismatch,
            "ports: stream 1, device 1",
        ),
        (
            params(&[(1, "fifo-size", &u64::MAX.to_le_bytes()), (1, "ports", ONE)]),
            Class::Mismatch,
            "fifo-size: stream 18446744073709551615, device 16",
        ),
    ];
    for (payload, class, text) in rows {
        let stream = with_params(PLAIN, payload.clone());
        assert_eq!(judge(PLAIN, &stream), (Err(*class), (*text).into()));
    }
}

#[test]
fn malformed_lists() {
    let long = "n".repeat(255);
    let mut text = vec![1, 4];
    text.extend([b'x'; 1025]);
    for payload in [
        vec![],
        vec![1],
        vec![1, 0],
        vec![0xff, 0xff],
        [params(&[(1, "ports", ONE)]), vec![0]].concat(),
        params(&[(1, "ports", ONE), (1, "ports", ONE)]),
        params(&[(1, "ports", ONE), (1, "fifo-size", DEPTH_16)]),
        params(&[(1, "ports", &ONE[..7])]),
        params(&[(3, "ports", ONE)]),
        params(&[(0, "auto-flow", &[2]), (1, "ports", ONE)]),
        params(&[(1, "", ONE)]),
        params(&[(1, "..", ONE)]),
        params(&[(1, "../ports", ONE)]),
        params(&[(1, "a b", ONE)]),
        params(&[(1, "a=b", ONE)]),
        params(&[(2, "codec", &text)]),
        params(&[(2, "codec", b"\x02\x00\xff\xff")]),
        params(&[(2, "codec", b"\x02\x00a\n")]),
        params(&[(2, "codec", b"\xff\xffa")]),
        vec![1, 0, 1, 2, 0xc3, 0x28, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let stream = with_params(PLAIN, payload.clone());
        let (found, text) = judge(PLAIN, &stream);
        assert_eq!(found, Err(Class::Malformed), "{payload:?}");
        assert!(
            text.starts_with("stream: record at byte 51: bad parameter")
                || text == "stream: record at byte 51: bad bytes after the parameters",
            "{text}"
        );
    }
    let (found, text) = judge(PLAIN, &with_params(PLAIN, params(&[(0, &long, &[1])])));
    assert_eq!(found, Err(Class::Mismatch));
    assert_eq!(
        text,
        format!("{}...: stream on, device unknown", "n".repeat(32))
    );
}

/// A later parameter record: runtime parameters only, judged at `STOP`.
#[test]
fn a_later_list_may_change_runtime_parameters() {
    let list = |stats: u8| {
        let all: &[(u8, &str, &[u8])] = &[
            (0, "auto-flow", &[1]),
            (1, "fifo-size", DEPTH_64),
            (0, "line-stats", &[stats]),
            (1, "ports", TWO),
        ];
        Raw {
            at: 0,
            tag: 2,
            flags: 1,
            payload: params(all),
        }
    };
    let line_stats = serial_var().index("line-stats").unwrap();
    // The records of a card with line statistics, after a first list without.
    let full = body(&saved(&mut dut(FULL)));
    let mut records = full.clone();
    records[1] = list(0);
    records.insert(2, list(1));
    let stream = assemble(header(1, 0), &records);

    let mut dut = dut(FULL_NO_STATS);
    let found = load(&mut dut, &stream, 77);
    assert_eq!(
        found,
        Err(Error::Refused(Class::Mismatch)),
        "judged at STOP"
    );
    assert_eq!(refusal(&dut), "line-stats: stream on, device off");
    dut.set_param(line_stats, "on", true).unwrap();
    assert_eq!(
        dut.set_state(State::Stop),
        Err(Error::Refused(Class::Mismatch)),
        "sticky"
    );

    dut.reset();
    dut.set_param(line_stats, "off", true).unwrap();
    feed(&mut dut, &stream, 77).unwrap();
    dut.set_param(line_stats, "on", true).unwrap();
    assert_eq!(
        dut.set_state(State::Stop),
        Ok(None),
        "the operator followed the source"
    );
    assert_eq!(saved(&mut dut), assemble(header(1, 0), &full));

    // The shape of the records follows the last list.
    let mut wrong = records.clone();
    wrong[2] = list(0);
    dut.reset();
    dut.set_param(line_stats, "off", true).unwrap();
    assert_eq!(
        load(&mut dut, &assemble(header(1, 0), &wrong), 99),
        Err(Error::Refused(Class::Malformed))
    );
}

#[test]
fn a_later_list_may_change_nothing_else() {
    let records = body(&saved(&mut dut(PLAIN)));
    for (payload, text) in [
        (params(&[(1, "ports", TWO)]), "ports: stream 2, device 1"),
        (
            params(&[(1, "fifo-size", DEPTH_64), (1, "ports", ONE)]),
            "fifo-size: stream 64, device 16",
        ),
    ] {
        let mut with = records.clone();
        let mut later = records[1].clone();
        later.payload = payload;
        with.insert(2, later);
        let stream = assemble(header(1, 0), &with);
        assert_eq!(judge(PLAIN, &stream), (Err(Class::Mismatch), text.into()));
    }
}

#[test]
fn the_device_may_not_change_after_its_list_was_accepted() {
    let stream = saved(&mut dut(FULL_NO_STATS));
    let mut dut = dut(FULL_NO_STATS);
    feed(&mut dut, &stream, 50).unwrap();
    dut.set_param(serial_var().index("line-stats").unwrap(), "on", true)
        .unwrap();
    assert_eq!(
        dut.set_state(State::Stop),
        Err(Error::Refused(Class::Mismatch))
    );
    assert_eq!(refusal(&dut), "line-stats: stream off, device on");
}

#[test]
fn another_model() {
    let mut records = body(&saved(&mut dut(PLAIN)));
    let long = format!("vmig.example/{}", "x".repeat(242));
    for (model, class, text) in [
        (
            "vmig.example/accel",
            Class::Mismatch,
            "model: stream vmig.example/accel, device vmig.example/pci-serial",
        ),
        (
            "vmig.example/pci-serial2",
            Class::Mismatch,
            "model: stream vmig.example/pci-serial2, device vmig.example/pci-serial",
        ),
        (
            "pci-serial",
            Class::Malformed,
            "stream: record at byte 16: bad model",
        ),
        ("", Class::Malformed, "stream: record at byte 16: bad model"),
        (
            "a/\n",
            Class::Malformed,
            "stream: record at byte 16: bad model",
        ),
    ] {
        records[0].payload = model.into();
        let found = judge(PLAIN, &assemble(header(1, 0), &records));
        assert_eq!(found, (Err(class), text.into()));
    }
    records[0].payload = long.clone().into();
    let (_, text) = judge(PLAIN, &assemble(header(1, 0), &records));
    assert_eq!(
        text,
        format!(
            "model: stream {}..., device vmig.example/pci-serial",
            &long[..64]
        )
    );
    records[0].payload = b"vmig/\xff".to_vec();
    assert_eq!(
        judge(PLAIN, &assemble(header(1, 0), &records)).0,
        Err(Class::Malformed)
    );
}

#[test]
fn a_pending_message_travels() {
    let mut source = dut(PLAIN);
    config_write(&mut source, 0x04, &[0x04]);
    config_write(&mut source, 0x42, &[1]);
    outb(&mut source, IER, 1);
    outb(&mut source, LCR, 3);
    send(&mut source, 0, b"x");
    let stream = saved(&mut source);
    let mut dut = dut(PLAIN);
    load(&mut dut, &stream, 9).unwrap();
    assert_eq!(dut.msi_pending(), 0, "not before RUNNING");
    dut.set_state(State::Running).unwrap();
    assert_eq!(dut.msi_pending(), 1);
    dut.msi_delivered(1);
    assert_eq!(dut.msi_pending(), 0);
    source.set_state(State::Running).unwrap();
    source.msi_delivered(1);
    let delivered = saved(&mut source);
    dut.reset();
    load(&mut dut, &delivered, 9).unwrap();
    dut.set_state(State::Running).unwrap();
    assert_eq!(dut.msi_pending(), 0, "nor twice");
}

#[test]
fn data_in_both_fifos_of_both_ports_travels_and_flows_on() {
    let mut source = dut(FULL);
    fill(&mut source);
    let stream = saved(&mut source);
    let mut dut = dut(FULL);
    load(&mut dut, &stream, 13).unwrap();
    dut.set_state(State::Running).unwrap();
    for (port, text) in [(0, "first port"), (PORT_1, "port two")] {
        let found = receive(&mut dut, port);
        let expected = [&[0][..], text.repeat(4).as_bytes()].concat();
        assert_eq!(found, expected, "the break, then both FIFOs in order");
    }
}

#[test]
fn resuming_to_stop_copy_loads_and_saves() {
    let mut source = dut(FULL);
    fill(&mut source);
    let stream = saved(&mut source);
    let mut dut = dut(FULL);
    let old = feed(&mut dut, &stream, 1000).unwrap();
    let opened = dut.set_state(State::StopCopy).unwrap().unwrap();
    assert_ne!(opened.session, old);
    assert_eq!(drain(&mut dut, opened.session, 10), stream);
}
