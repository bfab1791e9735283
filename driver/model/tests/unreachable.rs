// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! States in a stream that no card can reach by itself.

use vmig_model::error::Class;

use crate::{
    support::*,
    wire::{
        assemble,
        body,
        header, //
    }, //
};

/// Result and refusal of loading into a card with `list`.
pub(crate) fn judge(list: &List, stream: &[u8]) -> (Result<(), Class>, String) {
    let mut dut = dut(list);
    let found = load(&mut dut, stream, 4096).map_err(|error| error.class());
    let text = dut.refusal().map_or(String::new(), ToString::to_string);
    (found, text)
}

/// Offsets in the payload of a port's record, the port first.
const IER_AT: usize = 1;
const FCR_AT: usize = 2;
const LCR_AT: usize = 3;
const MCR_AT: usize = 4;
const DELTAS_AT: usize = 8;
const LATCHES_AT: usize = 9;

/// The payload of an idle port 0 with some bytes changed, and FIFOs.
fn port(changes: &[(usize, u8)], rx: &[(u8, u8)], tx: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; 10];
    for (at, value) in changes {
        payload[*at] = *value;
    }
    payload.push(rx.len() as u8);
    payload.extend(rx.iter().flat_map(|(data, errors)| [*data, *errors]));
    payload.push(tx.len() as u8);
    payload.extend(tx);
    payload
}

#[test]
fn unreachable_ports_are_refused() {
    let (fifo, wide, afe, afe_rts) = (
        (FCR_AT, 0x01),
        (FCR_AT, 0x21),
        (MCR_AT, 0x20),
        (MCR_AT, 0x22),
    );
    let c = (b'c', 0);
    let rows: &[(&List, Vec<u8>, &str)] = &[
        (FULL, port(&[], &[], &[]), ""),
        (PLAIN, port(&[], &[], &[]), ""),
        (PLAIN, port(&[(IER_AT, 0x0f)], &[], &[]), ""),
        (PLAIN, port(&[(IER_AT, 0x1f)], &[], &[]), "IER"),
        (FULL, port(&[(IER_AT, 0x3f)], &[], &[]), ""),
        (FULL, port(&[(IER_AT, 0x40)], &[], &[]), "IER"),
        (PLAIN, port(&[(FCR_AT, 0xc9)], &[], &[]), ""),
        (PLAIN, port(&[(FCR_AT, 0x21)], &[], &[]), "FCR"),
        (FULL, port(&[(FCR_AT, 0xe8)], &[], &[]), ""),
        (FULL, port(&[(FCR_AT, 0x03)], &[], &[]), "FCR"),
        (FULL, port(&[(FCR_AT, 0x10)], &[], &[]), "FCR"),
        (FULL, port(&[(LCR_AT, 0xff)], &[], &[]), ""),
        (PLAIN, port(&[(MCR_AT, 0x20)], &[], &[]), "MCR"),
        (FULL, port(&[(MCR_AT, 0x40)], &[], &[]), "MCR"),
        (FULL, port(&[(DELTAS_AT, 0x0f)], &[], &[]), ""),
        (FULL, port(&[(DELTAS_AT, 0x10)], &[], &[]), "MSR"),
        (FULL, port(&[(LATCHES_AT, 0x08)], &[], &[]), "latches"),
        (FULL, port(&[(LATCHES_AT, 0x01)], &[], &[]), ""),
        (
            FULL,
            port(&[(LATCHES_AT, 0x02)], &[], &[]),
            "transmitter interrupt",
        ),
        (FULL, port(&[(LATCHES_AT, 0x02), (IER_AT, 2)], &[], &[]), ""),
        (
            FULL,
            port(&[(LATCHES_AT, 0x02), (IER_AT, 2), afe], &[], b"x"),
            "transmitter interrupt",
        ),
        (FULL, port(&[(LATCHES_AT, 0x04)], &[], &[]), "automatic RTS"),
        (
            FULL,
            port(&[(LATCHES_AT, 0x04), afe_rts], &[], &[]),
            "automatic RTS",
        ),
        (
            FULL,
            port(&[(LATCHES_AT, 0x04), afe_rts, fifo], &[c], b"t"),
            "",
        ),
        (FULL, port(&[afe_rts, fifo], &[c], &[]), "automatic RTS"),
        (FULL, port(&[afe_rts, (FCR_AT, 0x41)], &[c], &[]), ""),
        (FULL, port(&[], &[c], &[]), ""),
        (FULL, port(&[], &[c; 2], &[]), "receiver level"),
        (FULL, port(&[fifo], &[c; 16], &[]), ""),
        (FULL, port(&[fifo], &[c; 17], &[]), "receiver level"),
        (FULL, port(&[wide], &[c; 64], &[]), ""),
        (FULL, port(&[wide], &[c; 65], &[]), "port record"),
        (FULL, port(&[wide], &[c; 255], &[]), "port record"),
        (PLAIN, port(&[fifo], &[c; 17], &[]), "receiver level"),
        (FULL, port(&[], &[(0, 0x18)], &[]), ""),
        (FULL, port(&[], &[(0, 0x1c)], &[]), ""),
        (FULL, port(&[], &[(1, 0x18)], &[]), "received character"),
        (FULL, port(&[], &[(0, 0x08)], &[]), "received character"),
        (FULL, port(&[], &[(0, 0x10)], &[]), "received character"),
        (FULL, port(&[], &[(0, 0x04)], &[]), "received character"),
        (FULL, port(&[], &[(0, 0x19)], &[]), "received character"),
        (FULL, port(&[], &[], b"x"), "transmitter"),
        (FULL, port(&[afe], &[], b"x"), ""),
        (FULL, port(&[afe], &[], b"xy"), "transmitter level"),
        (FULL, port(&[afe, fifo], &[], &[1; 16]), ""),
        (FULL, port(&[afe, fifo], &[], &[1; 17]), "transmitter level"),
        (FULL, port(&[afe, wide], &[], &[1; 64]), ""),
        (FULL, port(&[afe, wide], &[], &[1; 65]), "port record"),
        (FULL, port(&[afe_rts, wide], &[], b"x"), "transmitter"),
        (
            FULL,
            [port(&[], &[], &[]), vec![0]].concat(),
            "record length",
        ),
        (FULL, port(&[], &[], &[])[..11].to_vec(), "port record"),
        (FULL, port(&[], &[], &[])[..5].to_vec(), "port record"),
        (FULL, vec![], "port number"),
        (
            FULL,
            [vec![1], port(&[], &[], &[])[1..].to_vec()].concat(),
            "port number",
        ),
    ];
    for (list, payload, field) in rows {
        let mut records = body(&saved(&mut dut(list)));
        let at = records.iter().position(|raw| raw.tag == 0x0110).unwrap();
        records[at].payload = payload.clone();
        let stream = assemble(header(1, 0), &records);
        let (found, text) = judge(list, &stream);
        if field.is_empty() {
            assert_eq!((found, text), (Ok(()), String::new()), "{payload:?}");
            let mut dut = dut(list);
            load(&mut dut, &stream, 4096).unwrap();
            assert_eq!(saved(&mut dut), stream);
        } else {
            assert_eq!(found, Err(Class::Malformed), "{payload:?}");
            assert!(
                text.ends_with(&format!(": bad {field}")),
                "{text}, not {field}"
            );
        }
    }
}

#[test]
fn unreachable_interrupts_are_refused() {
    let mut with_msi = dut(PLAIN);
    config_write(&mut with_msi, 0x42, &[1]);
    for (mut source, msi) in [(with_msi, true), (dut(PLAIN), false)] {
        let mut records = body(&saved(&mut source));
        assert_eq!(records[3].tag, 0x0102);
        for (pending, good) in [(0u32, true), (1, msi), (2, false), (u32::MAX, false)] {
            records[3].payload = pending.to_le_bytes().to_vec();
            let (found, _) = judge(PLAIN, &assemble(header(1, 0), &records));
            assert_eq!(found.is_ok(), good, "{pending}, MSI {msi}");
        }
        for len in [0, 3, 5] {
            records[3].payload = vec![0; len];
            let (found, _) = judge(PLAIN, &assemble(header(1, 0), &records));
            assert_eq!(found, Err(Class::Malformed));
        }
    }
}
