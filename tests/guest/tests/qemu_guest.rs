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

/// Time for a whole journey. It takes half a minute on an idle machine.
const LIMIT: Duration = Duration::from_secs(600);

/// How often a guest is migrated.
const LEGS: usize = 3;

/// Lines through a port, and batches of a queue, before the journey and after each leg.
const LINES: u64 = 20;
const BATCHES: u64 = 10;

/// Parameters of an accelerator, and what the guest says of it.
const FULL: &str = "memory-mb=16 num-queues=4 checksum=on codec=zero";
const DESCRIBED: &str = "accel queues=4 memory=16 checksum=on";

/// How long QEMU 7.2 may stop the guest, in ms: as long as it takes to send all memory.
///
/// With `-accel tcg` it loses pages that the guest writes while memory is sent, whatever devices there
/// are: a guest with QEMU's own `pci-serial` and no VFIO dies, too, once memory is sent more than once
/// (README, "Clients"). So the guest runs until memory and device are ready to go, and no longer.
const DOWNTIME_7: u64 = 60_000;

/// How a QEMU attaches a device: all that differs between the journeys.
struct Rider {
    client: Client,
    attach: Attach,
    protocol: Protocol,
}

impl Rider {
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

    fn plug(&self, mdev: &Mdev) -> Plug {
        let plug = Plug::mdev(mdev, self.attach);
        match self.protocol {
            Protocol::V1 => plug.with("x-enable-migration", json!(true)),
            Protocol::V2 => plug,
        }
    }

    /// A guest with a card that is plugged in while it runs.
    fn board(&self, mdev: &Mdev) -> Machine {
        let plug = self.plug(mdev);
        let mut machine = Machine::restored(&self.client, &plug);
        machine.plug(&plug);
        machine
    }

    /// The next leg: the guest goes on with the device `to`, and its old QEMU ends.
    fn travel(&self, mut from: Machine, to: &Mdev) -> Machine {
        let mut arrival = Machine::waiting(&self.client, &self.plug(to));
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

/// Waits until each line of the guest's report has done `more` since `before`, and returns how far it is.
#[track_caller]
fn goes_on(machine: &mut Machine, what: &str, before: &[u64], more: u64) -> Vec<u64> {
    let (report, done) = machine.report_until(what, |report| {
        report.iter().for_each(assert_clean);
        let now = progress(report);
        now.len() == before.len() && before.iter().zip(&now).all(|(a, b)| *b >= a + more)
    });
    assert!(done, "the guest does not go on from {before:?}: {report:?}");
    progress(&report)
}

/// Lines of each port, or batches of each queue.
fn progress(report: &[Counts]) -> Vec<u64> {
    let of = |counts: &Counts| match counts.line().starts_with("accel") {
        true => counts.list("rounds"),
        false => counts.list("lines"),
    };
    report.iter().flat_map(of).collect()
}

/// Nothing that is wrong has been counted.
#[track_caller]
fn assert_clean(counts: &Counts) {
    let wrong: &[&str] = match counts.line().starts_with("accel") {
        true => &["wrong", "failed", "missing"],
        false => &["lost", "doubled", "damaged", "overruns"],
    };
    for name in wrong {
        assert_eq!(counts.get(name), 0, "{}", counts.line());
    }
}

/// Numbered lines through both ports of a card, while the guest travels.
fn lines(rider: &Rider, list: &str, chip: &str) {
    let ty = Type::default_parent("serial-var");
    let cards = [list, list].map(|list| ty.new_device_with(list));
    let found = [format!("ttyS1 {chip}"), format!("ttyS2 {chip}")];
    let seen = |machine: &mut Machine| {
        let log = machine.ask("log");
        let chips = log
            .iter()
            .filter(|line| line.ends_with(&format!(" is a {chip}")));
        assert_eq!(chips.count(), 2, "{log:?}");
    };

    let mut machine = rider.board(&cards[0]);
    assert_eq!(machine.ask("serial 2"), found);
    seen(&mut machine);
    let mut at = goes_on(&mut machine, "ttyS", &[0, 0], LINES);
    for leg in 1..=LEGS {
        machine = rider.travel(machine, &cards[leg % 2]);
        at = goes_on(&mut machine, "ttyS", &at, LINES);
    }

    machine.ask("quiet");
    let (report, all_back) = machine.report_until("ttyS", |report| {
        let back = |port: &Counts| port.get("sent") == port.get("received");
        report.iter().all(back)
    });
    assert!(all_back, "bytes are missing: {report:?}");
    report.iter().for_each(assert_clean);
    // The driver looks at the chips of this card, too.
    assert_eq!(machine.ask("again"), found);
    seen(&mut machine);
    goes_on(&mut machine, "ttyS", &[0, 0], LINES);
}

/// Work for all queues, while the guest travels.
fn work(rider: &Rider, list: &str, described: &str, queues: usize) {
    let ty = Type::default_parent("accel-var");
    let cards = [list, list].map(|list| ty.new_device_with(list));
    let mut machine = rider.board(&cards[0]);
    assert_eq!(machine.ask("accel"), [described]);
    let mut at = goes_on(&mut machine, "accel", &vec![0; queues], BATCHES);
    for leg in 1..=LEGS {
        machine = rider.travel(machine, &cards[leg % 2]);
        at = goes_on(&mut machine, "accel", &at, BATCHES);
    }
    let sums = machine.report("accel")[0].get("sums");
    assert_eq!(
        sums > 0,
        described.ends_with("checksum=on"),
        "{sums} checksums"
    );
}

#[test]
fn a_16750_keeps_every_line_in_qemu_7() {
    let _test = Test::begin_within(LIMIT);
    lines(&Rider::qemu_7(), LIST, "TI16750");
}

#[test]
fn an_accelerator_goes_on_in_qemu_7() {
    let _test = Test::begin_within(LIMIT);
    work(&Rider::qemu_7(), FULL, DESCRIBED, 4);
}

#[test]
fn a_16750_keeps_every_line_in_qemu_10() {
    let _test = Test::begin_within(LIMIT);
    lines(&Rider::qemu_10(), LIST, "TI16750");
}

#[test]
fn a_16550a_keeps_every_line_in_qemu_11() {
    let _test = Test::begin_within(LIMIT);
    lines(&Rider::qemu_11(), "ports=2", "16550A");
}

#[test]
fn an_accelerator_goes_on_in_qemu_11() {
    let _test = Test::begin_within(LIMIT);
    work(&Rider::qemu_11(), FULL, DESCRIBED, 4);
}
