// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A device that breaks inside: the state ERROR.

use std::convert::Infallible;

use vmig_model::{
    arcs::State,
    device::{
        Device,
        Fault,
        Irqs,
        Phase,
        Region,
        RegionInfo,
        Taken, //
    },
    engine::{
        Engine,
        Peek, //
    },
    error::{
        Class,
        Error, //
    },
    memory::Full,
    refusal::Flaw,
    serial,
    stream::wire::Payload,
    types::DeviceType,
    v1::View,
    values::Values, //
};

use crate::{
    region::*,
    support::*, //
};

/// A device whose second record cannot be saved.
struct Broken(serial::Card);

impl Device for Broken {
    type Memory = Infallible;
    type Step = Infallible;
    type Outcome = Infallible;
    type Cursor = u32;
    type Held = <serial::Card as Device>::Held;

    fn record_max(&self) -> usize {
        self.0.record_max()
    }
    fn ty(&self) -> &'static DeviceType {
        self.0.ty()
    }
    fn values(&self) -> &Values {
        self.0.values()
    }
    fn set_values(&mut self, values: Values, memory: Option<Infallible>) {
        self.0.set_values(values, memory);
    }
    fn reset(&mut self) {
        self.0.reset();
    }
    fn region(&self, region: Region) -> RegionInfo {
        self.0.region(region)
    }
    fn irqs(&self) -> Irqs {
        self.0.irqs()
    }
    fn read(&mut self, region: Region, at: u64, data: &mut [u8]) {
        self.0.read(region, at, data);
    }
    fn peek(&self, region: Region, at: u64, data: &mut [u8]) {
        self.0.peek(region, at, data);
    }
    fn write(&mut self, region: Region, at: u64, data: &[u8]) -> Result<(), Full> {
        self.0.write(region, at, data)
    }
    fn intx(&self) -> bool {
        self.0.intx()
    }
    fn pending(&self) -> u32 {
        self.0.pending()
    }
    fn delivered(&mut self, mask: u32) {
        self.0.delivered(mask);
    }
    fn finish(&mut self, outcome: Infallible) {
        match outcome {}
    }
    fn stop_bytes(&self, cursor: &u32) -> u64 {
        self.0.stop_bytes(cursor)
    }
    fn save(
        &mut self,
        phase: Phase,
        step: &mut u32,
        out: &mut Payload<'_>,
    ) -> Result<Option<u16>, Fault> {
        match *step {
            1 => Err(Fault),
            _ => self.0.save(phase, step, out),
        }
    }
    fn load(
        &mut self,
        held: &mut Self::Held,
        values: &Values,
        tag: u16,
        payload: &[u8],
    ) -> Result<Taken, Flaw> {
        self.0.load(held, values, tag, payload)
    }
    fn complete(&self, held: &Self::Held, values: &Values) -> bool {
        self.0.complete(held, values)
    }
    fn restore(&mut self, held: Self::Held) {
        self.0.restore(held);
    }
}

fn broken() -> Engine<Broken, Vec<u8>> {
    let ty = serial_var();
    let card = serial::Card::new(ty, values(ty, FULL));
    let mut dut = engine_of(Broken(card));
    dut.open().unwrap();
    dut
}

#[test]
fn what_breaks_inside_ends_in_error() {
    let mut dut = broken();
    dut.region_write(Region::Bar(0), SCR, &[7]).unwrap();
    let session = dut.set_state(State::StopCopy).unwrap().unwrap().session;
    let mut data = [0; 4096];
    let Ok(Peek::Data(len)) = dut.peek(session, &mut data) else {
        panic!("the initial data");
    };
    dut.consume(session, len);
    assert_eq!(dut.peek(session, &mut data), Err(Error::Internal));
    assert_eq!(Error::Internal.class(), Class::Internal);
    assert_eq!((dut.state(), dut.session()), (State::Error, None));
    assert_eq!(dut.peek(session, &mut data), Err(Error::Ended));
    for state in State::ALL {
        assert_eq!(
            dut.set_state(state),
            Err(Error::NoArc),
            "only reset leads on"
        );
        assert_eq!(dut.state(), State::Error);
    }
    assert!(dut.data_size() > 0);
    assert_eq!(
        dut.region_write(Region::Bar(0), SCR, &[9]),
        Err(Error::Busy)
    );
    dut.close(true);
    dut.open().unwrap();
    let mut scr = [0xff];
    dut.region_read(Region::Bar(0), SCR, &mut scr).unwrap();
    assert_eq!(scr, [0], "what was in ERROR is scrubbed, kept or not");
    dut.set_state(State::StopCopy).unwrap();
    dut.reset();
    assert_eq!(dut.state(), State::Running);
}

#[test]
fn v7_v8_the_region_shows_110b_until_reset() {
    for field in [DATA_OFFSET, DATA_SIZE] {
        let mut dut = broken();
        let (mut view, section) = (View::new(DATA), Memory::new(4096));
        let mut region = view.access(&mut dut, &section);
        region.write(STATE, &STOP_COPY.to_ne_bytes()).unwrap();
        assert_eq!(region.read(field, &mut [0; 8]), Err(Error::Internal));
        for number in 0..8_u32 {
            let asked = region.write(STATE, &number.to_ne_bytes());
            assert_eq!(asked, Err(Error::NoArc), "{number:03b}");
            let mut shown = [0; 4];
            region.read(STATE, &mut shown).unwrap();
            assert_eq!(u32::from_ne_bytes(shown), 0b110);
        }
        let mut pending = [1; 8];
        region.read(PENDING, &mut pending).unwrap();
        assert_eq!(pending, [0; 8]);
        assert_eq!(region.read(DATA, &mut [0; 8]), Err(Error::NoData));
        dut.reset();
        let mut shown = [0; 4];
        let mut region = view.access(&mut dut, &section);
        region.read(STATE, &mut shown).unwrap();
        assert_eq!(u32::from_ne_bytes(shown), RUNNING);
    }
}
