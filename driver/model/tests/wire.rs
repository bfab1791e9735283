// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! An encoder and a decoder of streams, written from the layout alone, and a judge.

use vmig_model::{
    arcs::State,
    error::{
        Class,
        Error, //
    },
};

use crate::support::*;

/// CRC32C bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let mut register = u32::MAX;
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = register & 1;
            register >>= 1;
            if carry == 1 {
                register ^= 0x82f6_3b78;
            }
        }
    }
    !register
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    pub(crate) at: usize,
    pub(crate) tag: u16,
    pub(crate) flags: u16,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn header(major: u16, minor: u16) -> Vec<u8> {
    let mut bytes = b"vmig\r\n\x1a\n".to_vec();
    bytes.extend(major.to_le_bytes());
    bytes.extend(minor.to_le_bytes());
    bytes.extend(crc32c(&bytes).to_le_bytes());
    bytes
}

pub(crate) fn record(tag: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = tag.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(payload);
    bytes.extend(crc32c(&bytes).to_le_bytes());
    bytes
}

/// Takes a good stream apart.
pub(crate) fn records(stream: &[u8]) -> Vec<Raw> {
    assert_eq!(stream[..16], header(1, 0));
    let mut found = Vec::new();
    let mut at = 16;
    while at < stream.len() {
        let field = |from: usize| u16::from_le_bytes([stream[at + from], stream[at + from + 1]]);
        let len = u32::from_le_bytes(stream[at + 4..at + 8].try_into().unwrap()) as usize;
        let raw = Raw {
            at,
            tag: field(0),
            flags: field(2),
            payload: stream[at + 8..at + 8 + len].to_vec(),
        };
        assert_eq!(
            stream[at..at + 12 + len],
            record(raw.tag, raw.flags, &raw.payload)
        );
        at += 12 + len;
        found.push(raw);
    }
    found
}

/// Puts records together, with a trailer that fits them.
pub(crate) fn assemble(header: Vec<u8>, records: &[Raw]) -> Vec<u8> {
    let mut stream = header;
    for raw in records {
        stream.extend(record(raw.tag, raw.flags, &raw.payload));
    }
    let mut trailer = (records.len() as u32).to_le_bytes().to_vec();
    trailer.extend((stream.len() as u64).to_le_bytes());
    stream.extend(record(0x00ff, 1, &trailer));
    stream
}

/// The records of `stream` without its trailer.
pub(crate) fn body(stream: &[u8]) -> Vec<Raw> {
    let mut records = records(stream);
    assert_eq!(records.pop().map(|raw| raw.tag), Some(0x00ff));
    records
}

pub(crate) fn raw(tag: u16, flags: u16, payload: &[u8]) -> Raw {
    Raw {
        at: 0,
        tag,
        flags,
        payload: payload.to_vec(),
    }
}

pub(crate) fn good() -> Vec<u8> {
    let mut dut = dut(FULL);
    fill(&mut dut);
    saved(&mut dut)
}

/// Loads into a new full card; the class of the refusal, which must be sticky.
pub(crate) fn judge(stream: &[u8]) -> Result<(), Class> {
    let mut dut = dut(FULL);
    let found = load(&mut dut, stream, 4096);
    if let Err(error) = found {
        let session = dut.session().expect("still in RESUMING").session;
        let text = refusal(&dut);
        assert!(
            !text.is_empty() && !text.contains(char::is_control),
            "{text:?}"
        );
        assert_eq!(dut.write(session, &good()), Err(error), "sticky");
        assert_eq!(dut.write(session, &[]), Err(error), "sticky");
        for _ in 0..2 {
            assert_eq!(dut.set_state(State::Running), Err(error), "sticky");
        }
        assert_eq!(refusal(&dut), text, "the first reason stays");
        dut.reset();
        assert_eq!(
            load(&mut dut, &good(), 4096),
            Ok(()),
            "a good session follows"
        );
    }
    found.map_err(|error| match error {
        Error::Refused(class) => class,
        other => panic!("{other}"),
    })
}
