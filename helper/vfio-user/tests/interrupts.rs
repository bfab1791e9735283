// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `DEVICE_SET_IRQS`, and interrupts that come.

use std::{
    os::fd::{
        AsFd,
        BorrowedFd, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use nix::{
    errno::Errno,
    fcntl::{
        fcntl,
        FcntlArg,
        OFlag, //
    },
    sys::eventfd::{
        EfdFlags,
        EventFd, //
    },
};
use vmig_vfio_user::{
    message::uapi::*,
    Client,
    Server, //
};

use crate::{
    support::*,
    toy::Toy, //
};

const INTX: u32 = VFIO_PCI_INTX_IRQ_INDEX;
const MSI: u32 = VFIO_PCI_MSI_IRQ_INDEX;
const MSIX: u32 = VFIO_PCI_MSIX_IRQ_INDEX;
const BIND: u32 = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
const NONE: u32 = VFIO_IRQ_SET_DATA_NONE;
const BOOL: u32 = VFIO_IRQ_SET_DATA_BOOL;
const MASK: u32 = VFIO_IRQ_SET_ACTION_MASK;
const UNMASK: u32 = VFIO_IRQ_SET_ACTION_UNMASK;
const TRIGGER: u32 = VFIO_IRQ_SET_ACTION_TRIGGER;

fn event() -> EventFd {
    EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC).unwrap()
}

/// How often it was signalled since the last look.
fn count(event: &EventFd) -> u64 {
    match event.read() {
        Ok(count) => count,
        Err(Errno::EAGAIN) => 0,
        Err(errno) => panic!("{errno}"),
    }
}

fn set(
    client: &mut Client,
    index: u32,
    flags: u32,
    range: (u32, u32),
    files: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    let done = client.set_irqs(index, flags, range, &[], files);
    done.map_err(|error| error.errno().expect("refused by the server"))
}

/// Makes the UART of port 0 raise its transmitter interrupt, or lower it.
fn thri(client: &mut Client, on: bool) {
    client.region_write(0, 1, &[u8::from(on) << 1]).unwrap();
}

#[test]
fn intx_masks_itself_until_it_is_unmasked() {
    let running = serial(PLAIN);
    let mut client = running.connect();
    let line = event();
    for (flags, range) in [
        (NONE | MASK, (0, 1)),
        (NONE | UNMASK, (0, 1)),
        (NONE | TRIGGER, (0, 1)),
    ] {
        let early = set(&mut client, INTX, flags, range, &[]);
        assert_eq!(early, Err(Errno::EINVAL), "not bound yet");
    }
    // There is nothing to disable, which is as good; only what is no index is an error.
    for index in 0..5 {
        for _ in 0..2 {
            set(&mut client, index, NONE | TRIGGER, (0, 0), &[]).unwrap();
        }
    }
    for (index, range) in [(5, (0, 0)), (u32::MAX, (0, 0)), (MSIX, (1, 0)), (3, (0, 1))] {
        let refused = set(&mut client, index, NONE | TRIGGER, range, &[]);
        assert_eq!(refused, Err(Errno::EINVAL), "{index} {range:?}");
    }
    set(&mut client, INTX, BIND, (0, 1), &[line.as_fd()]).unwrap();
    assert_eq!(count(&line), 0);
    thri(&mut client, true);
    assert_eq!(count(&line), 1);
    // Up all the time, but told of once.
    client.region_write(0, 7, &[1]).unwrap();
    assert_eq!(count(&line), 0);
    set(&mut client, INTX, NONE | UNMASK, (0, 1), &[]).unwrap();
    assert_eq!(count(&line), 1);
    thri(&mut client, false);
    set(&mut client, INTX, NONE | UNMASK, (0, 1), &[]).unwrap();
    assert_eq!(count(&line), 0);
    // By bools, and masked by hand.
    client
        .set_irqs(INTX, BOOL | MASK, (0, 1), &[1], &[])
        .unwrap();
    thri(&mut client, true);
    assert_eq!(count(&line), 0);
    client
        .set_irqs(INTX, BOOL | UNMASK, (0, 1), &[0], &[])
        .unwrap();
    assert_eq!(count(&line), 0);
    client
        .set_irqs(INTX, BOOL | UNMASK, (0, 1), &[1], &[])
        .unwrap();
    assert_eq!(count(&line), 1);
    // A user rings its own bell.
    set(&mut client, INTX, NONE | TRIGGER, (0, 1), &[]).unwrap();
    assert_eq!(count(&line), 1);
    // Another eventfd, none, and off.
    let other = event();
    set(&mut client, INTX, BIND, (0, 1), &[other.as_fd()]).unwrap();
    set(&mut client, INTX, NONE | UNMASK, (0, 1), &[]).unwrap();
    assert_eq!((count(&line), count(&other)), (0, 1));
    set(&mut client, INTX, BIND, (0, 1), &[]).unwrap();
    set(&mut client, INTX, NONE | UNMASK, (0, 1), &[]).unwrap();
    assert_eq!(count(&other), 0);
    set(&mut client, INTX, NONE | TRIGGER, (0, 0), &[]).unwrap();
    let off = set(&mut client, INTX, NONE | UNMASK, (0, 1), &[]);
    assert_eq!(off, Err(Errno::EINVAL));
    drop(client);
    running.finish();
}

#[test]
fn intx_is_unmasked_by_an_eventfd() {
    let running = serial(PLAIN);
    let mut client = running.connect();
    let (line, unmask) = (event(), event());
    set(&mut client, INTX, BIND, (0, 1), &[line.as_fd()]).unwrap();
    let by_event = VFIO_IRQ_SET_DATA_EVENTFD | UNMASK;
    set(&mut client, INTX, by_event, (0, 1), &[unmask.as_fd()]).unwrap();
    thri(&mut client, true);
    assert_eq!(count(&line), 1);
    for _ in 0..3 {
        unmask.write(1).unwrap();
        let begin = Instant::now();
        while count(&line) == 0 {
            assert!(begin.elapsed() < Duration::from_secs(5), "it does not come");
            thread::sleep(Duration::from_millis(1));
        }
    }
    let masked = VFIO_IRQ_SET_DATA_EVENTFD | MASK;
    let refused = set(&mut client, INTX, masked, (0, 1), &[unmask.as_fd()]);
    assert_eq!(refused, Err(Errno::ENOTTY));
    drop(client);
    running.finish();
}

#[test]
fn a_line_that_is_up_is_told_to_who_binds_it() {
    let running = serial(PLAIN);
    let mut client = running.connect();
    thri(&mut client, true);
    let line = event();
    set(&mut client, INTX, BIND, (0, 1), &[line.as_fd()]).unwrap();
    assert_eq!(count(&line), 1);
    // The same to the next client, since the device stays.
    drop(client);
    let mut client = running.connect();
    let line = event();
    set(&mut client, INTX, BIND, (0, 1), &[line.as_fd()]).unwrap();
    assert_eq!(count(&line), 1);
    drop(client);
    running.finish();
}

#[test]
fn msi_waits_for_who_wants_it() {
    let running = serial(PLAIN);
    let mut client = running.connect();
    // Bus master, and MSI on: what is raised is pending until it is bound.
    client.region_write(CONFIG, 4, &[5, 0]).unwrap();
    let mut offset = [0];
    client.region_read(CONFIG, 0x34, &mut offset).unwrap();
    let control = u64::from(offset[0]) + 2;
    client.region_write(CONFIG, control, &[1, 0]).unwrap();
    thri(&mut client, true);
    let vector = event();
    set(&mut client, MSI, BIND, (0, 1), &[vector.as_fd()]).unwrap();
    assert_eq!(count(&vector), 1);
    for (flags, errno) in [
        (NONE | MASK, Errno::ENOTTY),
        (NONE | UNMASK, Errno::ENOTTY),
        (VFIO_IRQ_SET_DATA_EVENTFD | MASK, Errno::ENOTTY),
    ] {
        assert_eq!(set(&mut client, MSI, flags, (0, 1), &[]), Err(errno));
    }
    // One kind at a time.
    let line = event();
    let both = set(&mut client, INTX, BIND, (0, 1), &[line.as_fd()]);
    assert_eq!(both, Err(Errno::EINVAL));
    set(&mut client, MSI, NONE | TRIGGER, (0, 0), &[]).unwrap();
    set(&mut client, INTX, BIND, (0, 1), &[line.as_fd()]).unwrap();
    drop(client);
    running.finish();
}

#[test]
fn vectors_are_bound_one_by_one() {
    let running = run(Server::new(Toy::new()));
    let mut client = running.connect();
    let events: Vec<EventFd> = (0..8).map(|_| event()).collect();
    let files: Vec<_> = events.iter().map(AsFd::as_fd).collect();
    // Raised before anybody waits.
    client.region_write(0, 0, &[0x81]).unwrap();
    set(&mut client, MSIX, BIND, (0, 3), &files[..3]).unwrap();
    let counts = |events: &[EventFd]| events.iter().map(count).collect::<Vec<_>>();
    assert_eq!(counts(&events), [1, 0, 0, 0, 0, 0, 0, 0]);
    set(&mut client, MSIX, BIND, (3, 5), &files[3..]).unwrap();
    assert_eq!(counts(&events), [0, 0, 0, 0, 0, 0, 0, 1]);
    client.region_write(0, 0, &[0xff]).unwrap();
    assert_eq!(counts(&events), [1; 8]);
    // Two of them are unbound, and get it later.
    set(&mut client, MSIX, BIND, (1, 2), &[]).unwrap();
    client.region_write(0, 0, &[0x0f]).unwrap();
    assert_eq!(counts(&events), [1, 0, 0, 1, 0, 0, 0, 0]);
    set(&mut client, MSIX, BIND, (2, 1), &files[2..3]).unwrap();
    assert_eq!(counts(&events), [0, 0, 1, 0, 0, 0, 0, 0]);
    client
        .set_irqs(MSIX, BOOL | TRIGGER, (2, 3), &[1, 0, 1], &[])
        .unwrap();
    assert_eq!(counts(&events), [0, 0, 1, 0, 1, 0, 0, 0]);
    for (flags, range, files) in [
        (BIND, (0, 0), &files[..0]),
        (BIND, (0, 9), &files[..0]),
        (BIND, (8, 1), &files[..1]),
        (BIND, (8, 0), &files[..0]),
        (BIND, (1, u32::MAX), &files[..0]),
        (BIND, (u32::MAX, 1), &files[..1]),
        (BIND, (0, 3), &files[..2]),
        (BIND, (0, 1), &files[..2]),
        (NONE | TRIGGER, (0, 1), &files[..1]),
        (NONE, (0, 1), &files[..0]),
        (TRIGGER, (0, 1), &files[..0]),
        (NONE | BOOL | TRIGGER, (0, 1), &files[..0]),
        (NONE | MASK | UNMASK, (0, 1), &files[..0]),
        (NONE | TRIGGER | 64, (0, 1), &files[..0]),
    ] {
        let refused = set(&mut client, MSIX, flags, range, files);
        assert!(
            matches!(refused, Err(Errno::EINVAL | Errno::ENOTTY)),
            "{flags} {range:?}"
        );
    }
    for index in [1, 3, 4, 5, u32::MAX] {
        let refused = set(&mut client, index, BIND, (0, 1), &files[..1]);
        assert_eq!(refused, Err(Errno::EINVAL), "{index}");
    }
    drop(client);
    running.finish();
}

#[test]
fn what_is_no_eventfd_is_refused() {
    let running = serial(PLAIN);
    let mut client = running.connect();
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let file = tempfile::tempfile().unwrap();
    for fd in [reader.as_fd(), writer.as_fd(), file.as_fd()] {
        let refused = set(&mut client, INTX, BIND, (0, 1), &[fd]);
        assert_eq!(refused, Err(Errno::EINVAL));
    }
    // One that is full says all that can be said, and nobody waits for it.
    let full = EventFd::from_flags(EfdFlags::EFD_CLOEXEC).unwrap();
    full.write(u64::MAX - 1).unwrap();
    set(&mut client, INTX, BIND, (0, 1), &[full.as_fd()]).unwrap();
    let flags = OFlag::from_bits_retain(fcntl(full.as_fd(), FcntlArg::F_GETFL).unwrap());
    assert!(flags.contains(OFlag::O_NONBLOCK), "not even by chance");
    thri(&mut client, true);
    set(&mut client, INTX, NONE | TRIGGER, (0, 1), &[]).unwrap();
    drop(client);
    running.finish();
}

#[test]
fn nothing_comes_while_the_device_is_stopped() {
    use vmig_model::arcs::State;
    let running = serial(PLAIN);
    let mut client = running.connect();
    let line = event();
    set(&mut client, INTX, BIND, (0, 1), &[line.as_fd()]).unwrap();
    thri(&mut client, true);
    assert_eq!(count(&line), 1);
    client.set_state(State::Stop).unwrap();
    set(&mut client, INTX, NONE | UNMASK, (0, 1), &[]).unwrap();
    assert_eq!(count(&line), 0);
    client.set_state(State::Running).unwrap();
    assert_eq!(count(&line), 1);
    drop(client);
    running.finish();
}
