// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A card under test, and the registers that tests name.

use vmig_model::{
    arcs::State,
    device::{
        Device,
        Region, //
    },
    engine::{
        buffer_len,
        Engine,
        Peek,
        SessionId, //
    },
    error::Error,
    serial::Card,
    types::{
        find,
        DeviceType,
        Generation, //
    },
    values::Values,
};

pub(crate) const RBR: u64 = 0;
pub(crate) const THR: u64 = 0;
pub(crate) const DLL: u64 = 0;
pub(crate) const IER: u64 = 1;
pub(crate) const DLM: u64 = 1;
pub(crate) const IIR: u64 = 2;
pub(crate) const FCR: u64 = 2;
pub(crate) const LCR: u64 = 3;
pub(crate) const MCR: u64 = 4;
pub(crate) const LSR: u64 = 5;
pub(crate) const MSR: u64 = 6;
pub(crate) const SCR: u64 = 7;
/// Offset of the second port.
pub(crate) const PORT_1: u64 = 8;

pub(crate) type Dut = Engine<Card, Vec<u8>>;

/// A parameter list.
pub(crate) type List = [(&'static str, &'static str)];

/// One port of a 16550A.
pub(crate) const PLAIN: &List = &[("ports", "1")];
/// Two ports of a 16550A.
pub(crate) const PLAIN_2: &List = &[("ports", "2")];
/// Two ports with all there is.
pub(crate) const FULL: &List = &[
    ("auto-flow", "on"),
    ("fifo-size", "64"),
    ("line-stats", "on"),
    ("ports", "2"),
];
/// Two ports of a 16750 without line statistics.
pub(crate) const FULL_NO_STATS: &List = &[
    ("auto-flow", "on"),
    ("fifo-size", "64"),
    ("ports", "2"), //
];

pub(crate) fn serial_var() -> &'static DeviceType {
    find(Generation::Two, "serial-var").unwrap()
}

pub(crate) fn values(ty: &DeviceType, list: &List) -> Values {
    let mut values = Values::off_or_init(ty);
    for (name, text) in list {
        values.set(ty, ty.index(name).unwrap(), text).unwrap();
    }
    values
}

/// A closed engine of `device`.
pub(crate) fn engine_of<D: Device>(device: D) -> Engine<D, Vec<u8>> {
    let buffer = vec![0; buffer_len(&device)];
    Engine::new(device, buffer)
}

/// A closed engine of a `serial-var` with `list`, everything else off.
pub(crate) fn closed(list: &List) -> Dut {
    let ty = serial_var();
    engine_of(Card::new(ty, values(ty, list)))
}

/// The same, open.
pub(crate) fn dut(list: &List) -> Dut {
    let mut dut = closed(list);
    dut.open().unwrap();
    dut
}

pub(crate) fn inb(dut: &mut Dut, at: u64) -> u8 {
    let mut data = [0];
    dut.region_read(Region::Bar(0), at, &mut data).unwrap();
    data[0]
}

pub(crate) fn outb(dut: &mut Dut, at: u64, value: u8) {
    dut.region_write(Region::Bar(0), at, &[value]).unwrap();
}

pub(crate) fn config_read<const N: usize>(dut: &mut Dut, at: u64) -> [u8; N] {
    let mut data = [0; N];
    dut.region_read(Region::Config, at, &mut data).unwrap();
    data
}

pub(crate) fn config_write(dut: &mut Dut, at: u64, data: &[u8]) {
    dut.region_write(Region::Config, at, data).unwrap();
}

/// 8 data bits, FIFOs on (64 bytes if `wide`), trigger 1.
pub(crate) fn set_up(dut: &mut Dut, port: u64, wide: bool) {
    outb(dut, port + LCR, 0x83);
    outb(dut, port + FCR, if wide { 0x21 } else { 0x01 });
    outb(dut, port + LCR, 0x03);
}

pub(crate) fn send(dut: &mut Dut, port: u64, data: &[u8]) {
    for byte in data {
        outb(dut, port + THR, *byte);
    }
}

/// Reads the receiver until it is empty.
pub(crate) fn receive(dut: &mut Dut, port: u64) -> Vec<u8> {
    let mut data = Vec::new();
    while inb(dut, port + LSR) & 1 != 0 {
        data.push(inb(dut, port + RBR));
    }
    data
}

/// Reads a session to its (temporary) end, `step` bytes at a time.
pub(crate) fn drain<D: Device>(
    dut: &mut Engine<D, Vec<u8>>,
    session: SessionId,
    step: usize,
) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut data = vec![0; step];
    while let Peek::Data(len) = dut.peek(session, &mut data).unwrap() {
        assert!(len > 0, "no data is an end");
        stream.extend_from_slice(&data[..len]);
        dut.consume(session, len);
    }
    stream
}

/// The stream of the stopped device; the device is in `STOP` then.
pub(crate) fn saved(dut: &mut Dut) -> Vec<u8> {
    let opened = dut.set_state(State::StopCopy).unwrap().unwrap();
    let stream = drain(dut, opened.session, 4096);
    dut.set_state(State::Stop).unwrap();
    stream
}

/// Feeds `stream` into a new session, `step` bytes at a time. Returns the session.
pub(crate) fn feed(dut: &mut Dut, stream: &[u8], step: usize) -> Result<SessionId, Error> {
    let opened = dut.set_state(State::Resuming).unwrap().unwrap();
    for piece in stream.chunks(step.max(1)) {
        assert_eq!(dut.write(opened.session, piece)?, piece.len());
    }
    Ok(opened.session)
}

/// Loads `stream` as far as `STOP`.
pub(crate) fn load(dut: &mut Dut, stream: &[u8], step: usize) -> Result<(), Error> {
    feed(dut, stream, step)?;
    dut.set_state(State::Stop).map(|_| ())
}

/// Puts data into both FIFOs of both ports of a [`FULL`] card, and bits into everything else.
pub(crate) fn fill(dut: &mut Dut) {
    config_write(dut, 0x04, &[0x05, 0x04]);
    config_write(dut, 0x10, &0xc040_u32.to_le_bytes());
    config_write(dut, 0x3c, &[11]);
    config_write(dut, 0x42, &[0x81, 0]);
    config_write(dut, 0x44, &0x1122_3344_fee0_1004_u64.to_le_bytes());
    config_write(dut, 0x4c, &[0x35, 0x40]);
    for (port, text) in [(0, "first port"), (PORT_1, "port two")] {
        outb(dut, port + LCR, 0x83);
        outb(dut, port + DLL, 0x0c);
        outb(dut, port + DLM, 0x01);
        outb(dut, port + FCR, 0x61);
        outb(dut, port + LCR, 0x4b);
        outb(dut, port + LCR, 0x0b);
        outb(dut, port + SCR, 0x5a);
        outb(dut, port + IER, 0x0f);
        outb(dut, port + MCR, 0x23);
        send(dut, port, text.repeat(4).as_bytes());
    }
}

pub(crate) fn refusal(dut: &Dut) -> String {
    dut.refusal().expect("a refusal").to_string()
}
