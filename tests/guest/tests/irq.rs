// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Interrupts: each one arrives, none arrives twice.
//!
//! INTx is a level, a function of the registers of both ports; it is masked by its own delivery.
//! MSI is an edge.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use guest::pci::{self, *};
use guest::uart::*;
use guest::wait::{self, SOON};
use guest::{Event, Mdev, Port, Test, Type};
use vmig_vfio::{uapi, Attach, Device, Errno, State};

fn card() -> (Mdev, Device) {
    let list = "ports=2 fifo-size=16";
    let mdev = Type::default_parent("serial-var").new_device_with(list);
    let device = mdev.device();
    pci::enable(&device);
    (mdev, device)
}

/// An eventfd that INTx or MSI signals.
fn listen(device: &Device, index: u32) -> Event {
    let event = Event::new();
    device
        .irq_eventfds(index, 0, &[Some(event.as_fd())])
        .unwrap();
    event
}

/// A port that interrupts on data.
fn port(device: &Device, index: u64) -> Port<'_> {
    let port = Port::new(device, index);
    port.fifos(false);
    port.set(MCR, MCR_OUT2);
    port.set(IER, IER_RDI);
    port
}

fn pending(device: &Device) -> bool {
    pci::config(device).read_u16(STATUS).unwrap() & STATUS_INTERRUPT != 0
}

#[test]
fn interrupts_are_announced() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let info = |index| device.irq_info(index).unwrap();
    let level = uapi::VFIO_IRQ_INFO_MASKABLE | uapi::VFIO_IRQ_INFO_AUTOMASKED;
    assert_eq!(info(INTX).count, 1);
    assert_eq!(info(INTX).flags, uapi::VFIO_IRQ_INFO_EVENTFD | level);
    assert!(info(MSI).count >= 1);
    assert_eq!(
        info(MSI).flags & uapi::VFIO_IRQ_INFO_EVENTFD,
        uapi::VFIO_IRQ_INFO_EVENTFD
    );
    assert_eq!(info(MSI).flags & level, 0);
    assert_eq!(info(REQ).count, 1);
    // For errors of PCI Express. QEMU warns of a device that has the index, but nothing in it.
    let errors = device.irq_info(uapi::VFIO_PCI_ERR_IRQ_INDEX).unwrap_err();
    assert_eq!(errors.raw_os_error(), Some(Errno::EINVAL as i32));
}

#[test]
fn intx_fires_once_and_again_when_unmasked_with_its_cause() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let port = port(&device, 0);
    event.expect_none("nothing has happened yet");
    port.send(b"a");
    assert_eq!(event.expect("data"), 1);
    port.send(b"b");
    event.expect_none("masked by its own delivery");
    device.irq_unmask(INTX, 0, 1).unwrap();
    assert_eq!(event.expect("the cause is still there"), 1);
    assert_eq!(port.receive(), b"ab");
    device.irq_unmask(INTX, 0, 1).unwrap();
    event.expect_none("the cause is gone");
    port.send(b"c");
    assert_eq!(event.expect("a new cause"), 1);
}

#[test]
fn a_cause_that_was_there_first_is_not_lost() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let port = port(&device, 1);
    port.send(b"early");
    assert!(pending(&device));
    let event = listen(&device, INTX);
    event.expect("the trigger was set up after the cause");
}

#[test]
fn masked_intx_waits_for_the_unmask() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let port = port(&device, 0);
    device.irq_mask(INTX, 0, 1).unwrap();
    port.send(b"x");
    event.expect_none("masked");
    assert!(pending(&device), "STATUS shows it all the same");
    device.irq_unmask(INTX, 0, 1).unwrap();
    assert_eq!(event.expect("unmasked"), 1);
    // A cause that comes and goes while masked leaves nothing.
    port.receive();
    device.irq_unmask(INTX, 0, 1).unwrap();
    device.irq_mask(INTX, 0, 1).unwrap();
    port.send(b"y");
    port.receive();
    device.irq_unmask(INTX, 0, 1).unwrap();
    event.expect_none("the cause went away while masked");
}

#[test]
fn the_command_register_gates_intx() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let port = port(&device, 0);
    let config = pci::config(&device);
    let on = COMMAND_IO | COMMAND_MASTER;
    config
        .write_u16(COMMAND, on | COMMAND_INTX_DISABLE)
        .unwrap();
    port.send(b"x");
    event.expect_none("disabled in COMMAND");
    assert!(pending(&device), "STATUS shows the level before the gate");
    config.write_u16(COMMAND, on).unwrap();
    assert_eq!(event.expect("enabled again"), 1);
}

#[test]
fn the_line_is_shared_by_both_ports() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let (a, b) = (port(&device, 0), port(&device, 1));
    a.send(b"a");
    assert_eq!(event.expect("port 0"), 1);
    b.send(b"b");
    a.receive();
    assert!(pending(&device));
    device.irq_unmask(INTX, 0, 1).unwrap();
    assert_eq!(event.expect("port 1 still asserts it"), 1);
    b.receive();
    assert!(!pending(&device));
    device.irq_unmask(INTX, 0, 1).unwrap();
    event.expect_none("both are served");
}

#[test]
fn every_source_of_a_port_interrupts() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let port = port(&device, 0);
    let served = |what: &str| {
        assert_eq!(event.expect(what), 1);
        device.irq_unmask(INTX, 0, 1).unwrap();
        event.expect_none(what);
    };
    let serve = |what: &str, id: u8, clear: &dyn Fn()| {
        assert!(pending(&device), "{what}");
        // Reading IIR clears the transmitter's interrupt, so this is the read that counts.
        assert_eq!(port.get(IIR) & IIR_ID, id, "{what}");
        clear();
        served(what);
    };
    port.set(IER, IER_THRI);
    serve("transmitter empty", IIR_THRI, &|| ());
    port.set(IER, IER_MSI);
    port.set(MCR, MCR_OUT2 | MCR_RTS);
    serve("modem lines", IIR_MSI, &|| {
        port.get(MSR);
    });
    port.set(IER, IER_RLSI);
    port.send(&[0; 17]);
    serve("line status", IIR_RLSI, &|| {
        port.get(LSR);
    });
    port.set(IER, IER_RDI);
    serve("data", IIR_RDI, &|| {
        port.receive();
    });
    assert!(!pending(&device));
}

#[test]
fn no_interrupt_is_lost_and_none_is_spurious() {
    const ROUNDS: u32 = 500;
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let ports = [port(&device, 0), port(&device, 1)];
    let mut handled = 0;
    for round in 0..ROUNDS {
        let port = &ports[usize::from(round % 3 == 0)];
        port.send(&round.to_le_bytes());
        assert_eq!(event.expect("data"), 1, "round {round}");
        // As an interrupt handler does: serve the cause, then unmask.
        handled += port.receive().len();
        device.irq_unmask(INTX, 0, 1).unwrap();
        assert_eq!(event.take(), 0, "round {round}: spurious");
    }
    event.expect_none("all is served");
    assert_eq!(handled, 4 * ROUNDS as usize);
}

#[test]
fn nothing_fires_while_the_device_does_not_run() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let port = port(&device, 0);
    device.irq_mask(INTX, 0, 1).unwrap();
    port.send(b"x");
    for state in [State::Stop, State::StopCopy] {
        device.set_state(state).unwrap();
        device.irq_unmask(INTX, 0, 1).unwrap();
        event.expect_none("not running");
    }
    device.set_state(State::Running).unwrap();
    assert_eq!(event.expect("running again"), 1);
}

#[test]
fn an_eventfd_can_be_replaced_and_taken_away() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let first = listen(&device, INTX);
    let port = port(&device, 0);
    let second = listen(&device, INTX);
    port.send(b"x");
    second.expect("the newer one");
    first.expect_none("replaced");
    port.receive();
    device.irq_disable(INTX).unwrap();
    port.send(b"y");
    second.expect_none("disabled");
    let third = listen(&device, INTX);
    third.expect("enabled again");
}

#[test]
fn the_user_can_fire_vectors_by_hand() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    for index in [INTX, MSI] {
        let event = listen(&device, index);
        device.irq_fire(index, 0, 1).unwrap();
        assert_eq!(event.expect("DATA_NONE"), 1);
        if index == INTX {
            device.irq_unmask(INTX, 0, 1).unwrap();
        }
        device.irq_fire_some(index, 0, &[false]).unwrap();
        event.expect_none("DATA_BOOL false");
        device.irq_fire_some(index, 0, &[true]).unwrap();
        assert_eq!(event.expect("DATA_BOOL true"), 1);
        device.irq_disable(index).unwrap();
    }
}

#[test]
fn unmasking_by_eventfd_works_or_is_refused_cleanly() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let unmask = Event::new();
    match device.irq_unmask_eventfds(INTX, 0, &[Some(unmask.as_fd())]) {
        // A kernel without CONFIG_VFIO_VIRQFD.
        Err(e) => assert_eq!(e.errno(), Some(Errno::ENOTTY)),
        Ok(()) => {
            let port = port(&device, 0);
            port.send(b"x");
            event.expect("data");
            unmask.signal();
            event.expect("unmasked by eventfd, the cause is still there");
            port.receive();
            unmask.signal();
            event.expect_none("served");
        }
    }
}

#[test]
fn msi_fires_on_the_edge() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let port = port(&device, 0);
    pci::enable_msi(&device, true);
    let event = listen(&device, MSI);
    event.expect_none("nothing has happened yet");
    for round in 0..100 {
        port.send(b"a");
        assert_eq!(event.expect("data"), 1, "round {round}");
        port.send(b"b");
        assert_eq!(event.take(), 0, "round {round}: no new edge");
        assert_eq!(port.receive(), b"ab");
        assert_eq!(event.take(), 0, "round {round}: serving makes no edge");
    }
    event.expect_none("all is served");
}

#[test]
fn msi_takes_the_place_of_intx() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let port = port(&device, 0);
    let intx = listen(&device, INTX);
    device.irq_disable(INTX).unwrap();
    pci::enable_msi(&device, true);
    let msi = listen(&device, MSI);
    port.send(b"x");
    msi.expect("data");
    intx.expect_none("MSI is in use");
    port.receive();
    device.irq_disable(MSI).unwrap();
    pci::enable_msi(&device, false);
    let intx = listen(&device, INTX);
    port.send(b"y");
    intx.expect("back to INTx");
    msi.expect_none("MSI is disabled");
}

#[test]
fn msi_needs_bus_mastering() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let port = port(&device, 0);
    pci::enable_msi(&device, true);
    let event = listen(&device, MSI);
    pci::config(&device).write_u16(COMMAND, COMMAND_IO).unwrap();
    port.send(b"x");
    event.expect_none("an MSI is a memory write");
    pci::enable(&device);
    port.receive();
    event.take();
    port.send(b"y");
    event.expect("bus master again");
}

#[test]
fn reset_silences_the_device() {
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    let port = port(&device, 0);
    device.irq_mask(INTX, 0, 1).unwrap();
    port.send(b"x");
    device.reset().unwrap();
    assert!(!pending(&device));
    // Whether the mask survives is the driver's choice; the cause does not.
    let _ = device.irq_unmask(INTX, 0, 1);
    event.expect_none("reset");
}

#[test]
fn bad_requests_are_refused() {
    struct Row {
        what: &'static str,
        flags: u32,
        index: u32,
        start: u32,
        count: u32,
        data: Vec<u8>,
    }
    let none = uapi::VFIO_IRQ_SET_DATA_NONE;
    let fd = uapi::VFIO_IRQ_SET_DATA_EVENTFD;
    let trigger = uapi::VFIO_IRQ_SET_ACTION_TRIGGER;
    let mask = uapi::VFIO_IRQ_SET_ACTION_MASK;
    let row = |what, flags, index, start, count, data: &[u8]| Row {
        what,
        flags,
        index,
        start,
        count,
        data: data.to_vec(),
    };
    let rows = [
        row("no such index", none | trigger, 5, 0, 1, &[]),
        row("index far out", none | trigger, u32::MAX, 0, 1, &[]),
        row("second vector of INTx", none | trigger, INTX, 1, 1, &[]),
        row("two vectors of INTx", none | trigger, INTX, 0, 2, &[]),
        row(
            "start and count wrap",
            none | trigger,
            MSI,
            u32::MAX,
            2,
            &[],
        ),
        row(
            "more vectors than MSI has",
            none | trigger,
            MSI,
            0,
            1 << 16,
            &[],
        ),
        row("no action", none, INTX, 0, 1, &[]),
        row("two actions", none | trigger | mask, INTX, 0, 1, &[]),
        row("no data type", trigger, INTX, 0, 1, &[]),
        row("two data types", none | fd | trigger, INTX, 0, 1, &[0; 4]),
        row("unknown flag", none | trigger | (1 << 6), INTX, 0, 1, &[]),
        row("no room for the eventfd", fd | trigger, INTX, 0, 1, &[]),
        row("half an eventfd", fd | trigger, INTX, 0, 1, &[0; 2]),
        row(
            "not an open file",
            fd | trigger,
            INTX,
            0,
            1,
            &9999_i32.to_ne_bytes(),
        ),
        row(
            "not an eventfd",
            fd | trigger,
            INTX,
            0,
            1,
            &0_i32.to_ne_bytes(),
        ),
        row(
            "error interrupt",
            none | trigger,
            uapi::VFIO_PCI_ERR_IRQ_INDEX,
            0,
            1,
            &[],
        ),
    ];
    let _test = Test::begin();
    let (_mdev, device) = card();
    let event = listen(&device, INTX);
    for Row {
        what,
        flags,
        index,
        start,
        count,
        data,
    } in rows
    {
        let answer = device.set_irqs(flags, index, start, count, &data);
        assert!(answer.is_err(), "{what}");
    }
    // And the good set-up from before is still in place.
    event.take();
    device.irq_unmask(INTX, 0, 1).unwrap();
    let port = port(&device, 0);
    port.send(b"x");
    event.expect("bad requests change nothing");
}

#[test]
fn a_removal_asks_the_user_to_let_go() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let mdev = Type::default_parent("serial-1").new_device();
        let device = mdev.open(attach).unwrap();
        let request = listen(&device, REQ);
        let removed = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                mdev.remove().unwrap();
                removed.store(true, Ordering::Release);
            });
            request.expect("the device is wanted back");
            assert!(!removed.load(Ordering::Acquire), "it is still open");
            drop(device);
            let gone = wait::until(SOON, || removed.load(Ordering::Acquire));
            assert!(gone, "it is closed, so it can be removed");
        });
        assert!(!mdev.directory().exists());
    }
}
