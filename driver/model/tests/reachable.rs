// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What a card can reach is what a stream may carry: random accesses, then save and load.

use proptest::prelude::*;
use vmig_model::{
    arcs::State,
    device::Region, //
};

use crate::support::*;

#[derive(Clone, Debug)]
enum Access {
    Read(u64),
    Write(u64, u8),
    Send(u64, Vec<u8>),
    Config(u64, u8),
    Delivered,
}

fn accesses() -> impl Strategy<Value = Vec<Access>> {
    let config = prop::sample::select(vec![0x04u64, 0x05, 0x10, 0x11, 0x3c, 0x42, 0x44, 0x4c]);
    let port = prop::sample::select(vec![0u64, PORT_1]);
    let access = prop_oneof![
        4 => (0u64..16).prop_map(Access::Read),
        8 => (0u64..16, any::<u8>()).prop_map(|(at, value)| Access::Write(at, value)),
        2 => (port.clone(), any::<u8>()).prop_map(|(port, value)| Access::Write(port + MCR, value)),
        2 => (port.clone(), any::<u8>()).prop_map(|(port, value)| Access::Write(port + FCR, value | 1)),
        1 => (port.clone(), any::<u8>()).prop_map(|(port, value)| Access::Write(port + LCR, value & 0x7f)),
        3 => (port, proptest::collection::vec(any::<u8>(), 1..80)).prop_map(|(port, data)| Access::Send(port, data)),
        1 => (config, any::<u8>()).prop_map(|(at, value)| Access::Config(at, value)),
        1 => Just(Access::Delivered),
    ];
    proptest::collection::vec(access, 0..120)
}

fn lists() -> impl Strategy<Value = &'static List> {
    prop::sample::select(vec![
        PLAIN_2,
        FULL,
        FULL_NO_STATS,
        &[("fifo-size", "64"), ("ports", "2")],
    ])
}

fn apply(dut: &mut Dut, access: &Access) {
    match access {
        Access::Read(at) => {
            inb(dut, *at);
        }
        Access::Write(at, value) => outb(dut, *at, *value),
        Access::Send(port, data) => send(dut, *port, data),
        Access::Config(at, value) => config_write(dut, *at, &[*value]),
        Access::Delivered => {
            let pending = dut.msi_pending();
            dut.msi_delivered(pending);
        }
    }
}

/// Everything a guest can see without side effects.
fn view(dut: &mut Dut) -> (Vec<u8>, [u8; 4], u8, bool, u32) {
    let line = (dut.intx(), dut.msi_pending());
    let mut bar = vec![0; 16];
    dut.set_state(State::Stop).unwrap();
    dut.region_read(Region::Bar(0), 0, &mut bar).unwrap();
    let (command, [msi]) = (config_read(dut, 0x04), config_read(dut, 0x42));
    dut.set_state(State::Running).unwrap();
    (bar, command, msi, line.0, line.1)
}

proptest! {
    /// A state that was reached is accepted, gives the same stream again, looks the same, and behaves
    /// the same from then on.
    #[test]
    fn reached_states_travel(list in lists(), before in accesses(), after in accesses()) {
        let mut source = dut(list);
        for access in &before {
            apply(&mut source, access);
        }
        let stream = saved(&mut source);
        prop_assert!(stream.len() as u64 <= source.data_size());
        let mut dut = dut(list);
        prop_assert_eq!(load(&mut dut, &stream, 50), Ok(()));
        prop_assert_eq!(saved(&mut dut), stream);
        source.set_state(State::Running).unwrap();
        dut.set_state(State::Running).unwrap();
        for some in after.chunks(7) {
            prop_assert_eq!(view(&mut dut), view(&mut source));
            for access in some {
                apply(&mut dut, access);
                apply(&mut source, access);
            }
        }
        prop_assert_eq!(saved(&mut dut), saved(&mut source));
    }

    /// Reading while stopped changes nothing, and the line follows the registers.
    #[test]
    fn registers_and_lines_agree(list in lists(), before in accesses()) {
        let mut dut = dut(list);
        for access in &before {
            apply(&mut dut, access);
            let (bar, command, control, intx, msi) = view(&mut dut);
            let interrupt = bar[2] & 1 == 0 || bar[10] & 1 == 0;
            let msi_on = control & 1 != 0;
            let disabled = command[1] & 4 != 0;
            prop_assert_eq!(command[2] & 8 != 0, interrupt && !msi_on);
            prop_assert_eq!(intx, interrupt && !msi_on && !disabled);
            prop_assert!(msi == 0 || (msi_on && command[0] & 4 != 0));
        }
        prop_assert_eq!(view(&mut dut), view(&mut dut));
    }

    /// Under automatic flow control no byte is lost, whenever the card is moved.
    #[test]
    fn flow_control_loses_nothing(
        data in proptest::collection::vec(any::<u8>(), 0..200),
        steps in proptest::collection::vec((0usize..5, 0usize..40), 1..40),
        fcr in prop::sample::select(vec![0x01u8, 0x41, 0x81, 0xc1]),
    ) {
        let mut dut = dut(FULL);
        set_up(&mut dut, 0, true);
        outb(&mut dut, FCR, fcr);
        outb(&mut dut, MCR, 0x22);
        let (mut sent, mut found) = (0, Vec::new());
        for (what, count) in steps.iter().cycle().take(300) {
            match what {
                // The transmitter is empty: a driver may fill it.
                0 | 1 if inb(&mut dut, LSR) & 0x20 != 0 => {
                    let end = (sent + (*count).min(63)).min(data.len());
                    send(&mut dut, 0, &data[sent..end]);
                    sent = end;
                }
                2 => {
                    for _ in 0..*count {
                        if inb(&mut dut, LSR) & 1 != 0 {
                            found.push(inb(&mut dut, RBR));
                        }
                    }
                }
                3 => outb(&mut dut, MCR, if count % 2 == 0 { 0x20 } else { 0x22 }),
                4 => {
                    let stream = saved(&mut dut);
                    dut = crate::support::dut(FULL);
                    load(&mut dut, &stream, 64).unwrap();
                    dut.set_state(State::Running).unwrap();
                }
                _ => (),
            }
        }
        outb(&mut dut, MCR, 0x22);
        found.extend(receive(&mut dut, 0));
        prop_assert_eq!(&found[..], &data[..sent]);
        prop_assert_eq!(inb(&mut dut, LSR) & 2, 0, "no overrun");
    }
}
