// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Guests that use their cards while they are migrated: there, back, and there again.
//!
//! The guest runs Linux. Its own serial driver sends numbered lines through each port of a card and
//! reads them back; its program keeps the queues of an accelerator busy and checks each result.

use std::time::Duration;

use guest::contents::LIST;
use guest::guestos::{Counts, Machine, Plug};
use guest::{Client, Mdev, Test, Type};
use serde_json::json;
use vmig_conform::Protocol;
use vmig_vfio::Attach;

/// Time for a whole journey. It takes a minute on an idle machine.
const LIMIT: Duration = Duration::from_secs(600);

/// How often a guest is migrated.
const LEGS: usize = 3;

/// Lines through a port, and batches of a queue, before the journey and after each leg.
const ENOUGH: u64 = 10;

/// Parameters of an accelerator, and what the guest says of it.
const FULL: &str = "memory-mb=16 num-queues=4 checksum=on codec=zero";
const DESCRIBED: &str = "accel queues=4 memory=16 checksum=on";
const QUEUES: usize = 4;

/// How long QEMU 7.2 may stop the guest, in ms: as long as it takes to send all memory.
///
/// With `-accel tcg` it loses pages that the guest writes while memory is sent, whatever devices there
/// are: a guest with QEMU's own `pci-serial` and no VFIO dies, too, once memory is sent more than once
/// (README, "Clients"). So the guest runs until memory and device are ready to go, and no longer.
const DOWNTIME_7: u64 = 60_000;

/// A QEMU, and how it attaches devices.
struct Host {
    client: Client,
    attach: Attach,
    protocol: Protocol,
}

impl Host {
    fn qemu_7() -> Self {
        Self {
            client: Client::enter("bookworm"),
            attach: Attach::Group,
            protocol: Protocol::V1,
        }
    }

    fn qemu_10() -> Self {
        Self {
            client: Client::enter("trixie"),
            attach: Attach::Group,
            protocol: Protocol::V2,
        }
    }

    fn qemu_11() -> Self {
        Self {
            client: Client::enter("backports"),
            attach: Attach::Cdev,
            protocol: Protocol::V2,
        }
    }

    fn plugs(&self, [first, second]: &Cards) -> [Plug; 2] {
        let plug = |mdev| {
            let plug = Plug::mdev(mdev, self.attach);
            match self.protocol {
                Protocol::V1 => plug.with("x-enable-migration", json!(true)),
                Protocol::V2 => plug,
            }
        };
        [plug(first), plug(second).beside()]
    }

    /// A guest with cards that are plugged in while it runs.
    fn board(&self, cards: &Cards) -> Machine {
        let plugs = self.plugs(cards);
        let mut machine = Machine::restored(&self.client, &plugs[0]);
        plugs.iter().for_each(|plug| machine.plug(plug));
        machine
    }

    /// The guest arrives from another host and goes on with these cards; its old QEMU ends.
    fn receive(&self, mut from: Machine, cards: &Cards) -> Machine {
        let mut arrival = Machine::waiting(&self.client, &self.plugs(cards));
        if self.protocol == Protocol::V1 {
            let parameters = json!({ "downtime-limit": DOWNTIME_7 });
            from.qmp.run("migrate-set-parameters", &parameters);
        }
        let told = from.migrate(&mut arrival);
        arrival.await_status("running");
        let transferred = told["vfio"]["transferred"].as_u64();
        match self.protocol {
            Protocol::V1 => assert_eq!(transferred, None, "7.2 does not say: {told}"),
            Protocol::V2 => assert!(transferred > Some(0), "no device state: {told}"),
        }
        arrival
    }
}

/// A serial card and an accelerator.
type Cards = [Mdev; 2];

/// Waits until each line of the guest's report has done enough since `before`, and returns how far it is.
#[track_caller]
fn goes_on(machine: &mut Machine, before: &[u64]) -> Vec<u64> {
    let (report, done) = machine.report_until("", |report| {
        report.iter().for_each(assert_clean);
        let now = progress(report);
        now.len() == before.len() && before.iter().zip(&now).all(|(a, b)| *b >= a + ENOUGH)
    });
    assert!(done, "the guest does not go on from {before:?}: {report:?}");
    progress(&report)
}

/// Lines of each port, and batches of each queue.
fn progress(report: &[Counts]) -> Vec<u64> {
    let of = |counts: &Counts| match is_accel(counts) {
        true => counts.list("rounds"),
        false => counts.list("lines"),
    };
    report.iter().flat_map(of).collect()
}

fn is_accel(counts: &Counts) -> bool {
    counts.line().starts_with("accel")
}

/// Nothing that is wrong has been counted.
#[track_caller]
fn assert_clean(counts: &Counts) {
    let wrong: &[&str] = match is_accel(counts) {
        true => &["wrong", "failed", "missing"],
        false => &["lost", "doubled", "damaged", "overruns"],
    };
    for name in wrong {
        assert_eq!(counts.get(name), 0, "{}", counts.line());
    }
}

/// Asserts that the guest's driver finds the two ports of `chip`, asked with `command`.
#[track_caller]
fn finds(machine: &mut Machine, command: &str, chip: &str) {
    let found = [format!("ttyS1 {chip}"), format!("ttyS2 {chip}")];
    assert_eq!(machine.ask(command), found);
    let log = machine.ask("log");
    let chips = log
        .iter()
        .filter(|line| line.ends_with(&format!(" is a {chip}")));
    assert_eq!(chips.count(), 2, "{log:?}");
}

/// Numbered lines through both ports of a card, and work for all queues of an accelerator, while the guest
/// travels between the hosts.
fn journey(hosts: &[Host; 2], list: &str, chip: &str) {
    let types = [("serial-var", list), ("accel-var", FULL)];
    let cards = [(); 2]
        .map(|()| types.map(|(name, list)| Type::default_parent(name).new_device_with(list)));

    let mut machine = hosts[0].board(&cards[0]);
    finds(&mut machine, "serial 2", chip);
    assert_eq!(machine.ask("accel"), [DESCRIBED]);
    let mut at = goes_on(&mut machine, &[0; 2 + QUEUES]);
    for leg in 1..=LEGS {
        machine = hosts[leg % 2].receive(machine, &cards[leg % 2]);
        at = goes_on(&mut machine, &at);
    }

    let sums = machine.report("accel")[0].get("sums");
    assert!(sums > 0, "no checksums");
    machine.ask("quiet");
    let (report, all_back) = machine.report_until("ttyS", |report| {
        let back = |port: &Counts| port.get("sent") == port.get("received");
        report.iter().all(back)
    });
    assert!(all_back, "bytes are missing: {report:?}");
    report.iter().for_each(assert_clean);
    // The driver looks at the chips of this card, too.
    finds(&mut machine, "again", chip);
    let (report, done) = machine.report_until("ttyS", |report| {
        report.iter().all(|port| port.get("lines") >= ENOUGH)
    });
    report.iter().for_each(assert_clean);
    assert!(done, "the ports do not go on: {report:?}");
}

#[test]
fn a_16750_and_an_accelerator_go_on_in_qemu_7() {
    let _test = Test::begin_within(LIMIT);
    let hosts = [Host::qemu_7(), Host::qemu_7()];
    journey(&hosts, LIST, "TI16750");
}

#[test]
fn a_16550a_and_an_accelerator_go_on_between_qemu_10_and_11() {
    let _test = Test::begin_within(LIMIT);
    let hosts = [Host::qemu_10(), Host::qemu_11()];
    journey(&hosts, "ports=2", "16550A");
}
