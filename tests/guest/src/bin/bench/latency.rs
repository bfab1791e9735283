// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! How long a change of state and a register access take, beside the kernel's sample driver.

use std::time::Instant;

use guest::uart::{self, Port};
use guest::{accel, modules, sysfs, uuid, Mdev, Type};
use vmig_vfio::{Device, State};

use crate::card::Card;
use crate::figure::{Figure, Kind, Series};
use crate::meter::nanos;
use crate::report::Report;

const STATES: &str = "SET_STATE";
const REGISTERS: &str = "Register access";

/// Each thing is done as often, by turns.
const RUNS: usize = 9;
/// Changes of state there and back in a run.
const ROUNDS: u64 = 20;
/// Register accesses in a run.
const ACCESSES: u64 = 1000;

/// The sample driver, a serial card with two ports.
const SAMPLE: &str = "mtty";
const SAMPLE_TYPE: &str = "/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2";

/// From where to where, and back. Each but the first opens a data file.
const ARCS: [(State, State); 3] = [
    (State::Running, State::Stop),
    (State::Stop, State::StopCopy),
    (State::Running, State::PreCopy),
];

/// Makes one access.
type Access<'a> = Box<dyn Fn() + 'a>;

/// Measures a serial card and an accelerator.
///
/// # Panics
///
/// If there is no sample driver, or anything is refused; so for all below.
pub(crate) fn measure(report: &mut Report) {
    modules::load(SAMPLE).expect("mtty.ko");
    let uuid = uuid();
    sysfs::write(format!("{SAMPLE_TYPE}/create"), &uuid).expect("create");
    let sample = Mdev::existing(&uuid);
    {
        let sample = sample.device();
        let serial = Type::default_parent("serial-2").new_device();
        let serial = serial.device();
        let card = Card::new(64, "");
        card.fill(64);
        for (from, to) in ARCS {
            states(report, "serial", &serial, &sample, from, to);
            states(report, "accel, 64 MiB", &card.device, &sample, from, to);
        }
        registers(report, &serial, &card.device, &sample);
    }
    drop(sample);
    modules::unload(SAMPLE).expect("unload mtty");
}

fn states(report: &mut Report, name: &str, own: &Device, peer: &Device, from: State, to: State) {
    let (own, peer) = by_turns(
        RUNS,
        || there_and_back(own, from, to),
        || there_and_back(peer, from, to),
    );
    report.add(Figure::Measured {
        group: STATES,
        kind: Kind::Latency {
            operations: 2 * ROUNDS,
        },
        own: Series::new(format!("{name}: {from} to {to} and back"), own),
        peer: Series::new(SAMPLE, peer),
    });
}

fn there_and_back(device: &Device, from: State, to: State) -> u64 {
    device.set_state(from).expect("SET_STATE");
    let start = Instant::now();
    for _ in 0..ROUNDS {
        // The data file is closed before the way back.
        drop(device.set_state(to).expect("SET_STATE"));
        device.set_state(from).expect("SET_STATE");
    }
    let ns = nanos(start);
    device.set_state(State::Running).expect("SET_STATE");
    ns
}

fn registers(report: &mut Report, serial: &Device, card: &Device, sample: &Device) {
    let (sample, serial) = (Port::new(sample, 0), Port::new(serial, 0));
    let card = card.region(accel::REGISTERS).expect("registers");
    let read = |port: &Port<'_>| {
        port.get(uart::SCR);
    };
    let scratch = |port: &Port<'_>, value| port.set(uart::SCR, value);
    let rows: [(&str, Access<'_>, Access<'_>); 4] = [
        (
            "serial: read",
            Box::new(|| read(&serial)),
            Box::new(|| read(&sample)),
        ),
        (
            "serial: write",
            Box::new(|| scratch(&serial, 0x55)),
            Box::new(|| scratch(&sample, 0x55)),
        ),
        (
            "accel: read",
            Box::new(|| {
                card.read_u32(accel::MASK).expect("read");
            }),
            Box::new(|| read(&sample)),
        ),
        (
            "accel: write",
            Box::new(|| card.write_u32(accel::MASK, 1).expect("write")),
            Box::new(|| scratch(&sample, 0x55)),
        ),
    ];
    for (name, own, peer) in rows {
        let (own, peer) = by_turns(RUNS, || accesses(&own), || accesses(&peer));
        report.add(Figure::Measured {
            group: REGISTERS,
            kind: Kind::Latency {
                operations: ACCESSES,
            },
            own: Series::new(name, own),
            peer: Series::new(SAMPLE, peer),
        });
    }
}

fn accesses(access: &Access<'_>) -> u64 {
    let start = Instant::now();
    for _ in 0..ACCESSES {
        access();
    }
    nanos(start)
}

/// The results of both, `runs` times by turns.
pub(crate) fn by_turns(
    runs: usize,
    mut own: impl FnMut() -> u64,
    mut peer: impl FnMut() -> u64,
) -> (Vec<u64>, Vec<u64>) {
    (0..runs).map(|_| (own(), peer())).unzip()
}
