// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What survives the closing of a device: nothing, unless its owner has said so.

use std::os::fd::AsFd;

use guest::pci::{self, INTX};
use guest::uart::*;
use guest::{sysfs, Event, Mdev, Port, Test, Type};
use vmig_vfio::{Attach, Device, Errno, Group, Location, Roots, State};

const DATA_LEFT: &[u8] = b"secret of the first tenant";

fn card() -> Mdev {
    Type::default_parent("serial-var").new_device_with("ports=2 fifo-size=64 auto-flow=on")
}

/// Leaves something everywhere: registers, both FIFOs of both ports, config space, an interrupt.
fn fill(device: &Device) {
    pci::enable(device);
    pci::config(device).write_u8(pci::LINE, 0x5a).unwrap();
    for index in 0..2 {
        let port = Port::new(device, index);
        port.fifos(true);
        port.set(SCR, 0x5a);
        port.send(DATA_LEFT);
        port.set(MCR, MCR_AFE);
        port.send(DATA_LEFT);
        port.set(IER, IER_RDI);
        port.set(LCR, LCR_DLAB);
        port.set(DATA, 0x11);
        port.set(IER, 0x22);
        port.set(LCR, LCR_8N1);
    }
}

fn assert_filled(device: &Device) {
    assert_eq!(pci::config(device).read_u8(pci::LINE).unwrap(), 0x5a);
    for index in 0..2 {
        let port = Port::new(device, index);
        assert_eq!((port.get(SCR), port.get(IER)), (0x5a, IER_RDI));
        assert_eq!(port.receive(), DATA_LEFT, "receiver of port {index}");
        port.set(MCR, 0);
        assert_eq!(port.receive(), DATA_LEFT, "sender of port {index}");
        port.set(LCR, LCR_DLAB);
        assert_eq!((port.get(DATA), port.get(IER)), (0x11, 0x22), "divisor");
        port.set(LCR, LCR_8N1);
    }
}

fn assert_scrubbed(device: &Device) {
    assert_eq!(device.state().unwrap(), State::Running);
    let config = pci::config(device);
    assert_eq!(config.read_u8(pci::LINE).unwrap(), 0);
    assert_eq!(
        config.read_u16(pci::COMMAND).unwrap() & pci::COMMAND_MASTER,
        0
    );
    assert_eq!(
        config.read_u16(pci::STATUS).unwrap() & pci::STATUS_INTERRUPT,
        0
    );
    let event = Event::new();
    device
        .irq_eventfds(INTX, 0, &[Some(event.as_fd())])
        .unwrap();
    event.expect_none("an interrupt of the previous user");
    for index in 0..2 {
        let port = Port::new(device, index);
        assert_eq!(port.get(SCR), 0, "SCR of port {index}");
        assert_eq!(port.get(LSR), LSR_THRE | LSR_TEMT, "LSR of port {index}");
        let registers = [IER, LCR, MCR, MSR].map(|register| port.get(register));
        assert_eq!(registers, [0; 4], "IER, LCR, MCR, MSR of port {index}");
        port.set(LCR, LCR_DLAB);
        assert_ne!(
            (port.get(DATA), port.get(IER)),
            (0x11, 0x22),
            "divisor of port {index}"
        );
        port.set(LCR, LCR_8N1);
        // Looking under the carpet: the FIFO's memory behind the read position.
        port.set(FCR, FCR_ENABLE);
        assert_eq!(port.receive(), b"", "receiver of port {index}");
    }
}

#[test]
fn by_default_the_last_close_scrubs() {
    let _test = Test::begin();
    let mdev = card();
    assert_eq!(mdev.status("keep"), "0");
    for first in [Attach::Cdev, Attach::Group] {
        for second in [Attach::Cdev, Attach::Group] {
            let device = mdev.open(first).unwrap();
            fill(&device);
            drop(device);
            assert_scrubbed(&mdev.open(second).unwrap());
        }
    }
}

#[test]
fn with_keep_the_contents_survive() {
    let _test = Test::begin();
    let mdev = card();
    mdev.keep(true);
    assert_eq!(mdev.status("keep"), "1");
    for first in [Attach::Cdev, Attach::Group] {
        for second in [Attach::Cdev, Attach::Group] {
            let device = mdev.open(first).unwrap();
            fill(&device);
            drop(device);
            let device = mdev.open(second).unwrap();
            assert_eq!(device.state().unwrap(), State::Running);
            assert_filled(&device);
        }
    }
}

#[test]
fn what_counts_is_keep_at_the_time_of_the_close() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    fill(&device);
    mdev.keep(true);
    drop(device);
    let device = mdev.device();
    mdev.keep(false);
    drop(device);
    assert_scrubbed(&mdev.device());
}

#[test]
fn a_close_in_a_stopped_state_keeps_and_the_next_open_runs() {
    let _test = Test::begin();
    let mdev = card();
    mdev.keep(true);
    for state in [
        State::Stop,
        State::StopCopy,
        State::RunningP2p,
        State::PreCopy,
        State::PreCopyP2p,
    ] {
        let device = mdev.device();
        fill(&device);
        let data = device.set_state(state).unwrap();
        drop(device);
        let device = mdev.device();
        assert_eq!(device.state().unwrap(), State::Running, "closed in {state}");
        assert_filled(&device);
        drop(data);
    }
}

#[test]
fn a_close_in_resuming_scrubs_even_with_keep() {
    let _test = Test::begin();
    let mdev = card();
    mdev.keep(true);
    let mut device = mdev.device();
    let mut stream = Vec::new();
    vmig_vfio::save(&device, &mut stream, &mut |_| ()).unwrap();
    // Before the first byte, in the middle, and with all of it but without the verdict.
    for len in [0, stream.len() / 2, stream.len()] {
        fill(&device);
        let data = device.set_state(State::Resuming).unwrap().unwrap();
        data.write_all(&stream[..len]).unwrap();
        drop(data);
        drop(device);
        device = mdev.device();
        assert_scrubbed(&device);
    }
}

#[test]
fn only_the_last_of_two_descriptors_scrubs() {
    let _test = Test::begin();
    let mdev = card();
    let roots = Roots::default();
    let node = Location::find(&roots, mdev.directory())
        .unwrap()
        .group
        .unwrap();
    let group = Group::open(&roots.container(), &node).unwrap();
    let first = group.device(mdev.uuid()).unwrap();
    let second = group.device(mdev.uuid()).unwrap();
    fill(&first);
    drop(first);
    assert_eq!(mdev.status("in_use"), "1");
    assert_filled(&second);
    fill(&second);
    drop(second);
    assert_eq!(mdev.status("in_use"), "0");
    assert_scrubbed(&group.device(mdev.uuid()).unwrap());
}

#[test]
fn keep_takes_0_and_1_only() {
    let _test = Test::begin();
    let mdev = card();
    for good in ["1", "0", "1\n", "0\n", "0"] {
        sysfs::write(mdev.path("vmig/keep"), good).unwrap();
        assert_eq!(mdev.status("keep"), good.trim_end());
    }
    for bad in [
        "", "\n", "2", "on", "off", "y", "true", "00", "+1", "-1", " 1", "1 ", "1\n\n", "1\0",
    ] {
        let answer = sysfs::write(mdev.path("vmig/keep"), bad);
        // A write(2) of nothing never reaches the driver.
        let expected = if bad.is_empty() {
            Ok(())
        } else {
            Err(Errno::EINVAL)
        };
        assert_eq!(answer, expected, "{bad:?}");
        assert_eq!(mdev.status("keep"), "0", "after {bad:?}");
    }
}
