// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The programs with a client that is not ours: that of the crate `vfio_user`.
//!
//! It does not look at the errors in replies, nor at what a reply to `DMA_MAP` says: what a command has
//! done is seen in the device.

use std::{
    os::{
        fd::AsRawFd as _,
        unix::net::UnixStream, //
    },
    path::Path,
    process::{
        Child,
        Command, //
    },
    time::{
        Duration,
        Instant, //
    },
};

use nix::sys::eventfd::{
    EfdFlags,
    EventFd, //
};
use vfio_user::Client;
use vmig_vfio_user::message::uapi::*;

use crate::{
    accel::{
        Machine,
        COPY_IN,
        COPY_OUT,
        DATA,
        DONE,
        RAM,
        RAM_LEN, //
    },
    support::CONFIG, //
};

const BIND: u32 = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

const IER: u64 = 1;
const IER_THRI: u8 = 2;
const SCR: u64 = 7;

/// A program with a socket; killed in the end.
struct Program {
    child: Child,
    directory: tempfile::TempDir,
}

impl Program {
    fn start(program: &str, words: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let socket = format!("--socket-path={}", path.display());
        let child = Command::new(program).args(words).arg(socket).spawn();
        let program = Self {
            child: child.unwrap(),
            directory,
        };
        let begin = Instant::now();
        while UnixStream::connect(&path).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "it comes");
            std::thread::sleep(Duration::from_millis(2));
        }
        program
    }

    fn serial() -> Self {
        Self::start(env!("CARGO_BIN_EXE_vmig-serial"), &["--m-ports=2"])
    }

    fn accel() -> Self {
        let words = ["--m-memory-mb=16"];
        Self::start(env!("CARGO_BIN_EXE_vmig-accel"), &words)
    }

    /// Negotiates, and asks for all regions.
    fn client(&self) -> Client {
        let path: &Path = self.directory.path();
        Client::new(&path.join("socket")).expect("the version and the regions")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn event() -> EventFd {
    EventFd::from_flags(EfdFlags::EFD_NONBLOCK).unwrap()
}

fn config<const N: usize>(client: &mut Client, at: u64) -> [u8; N] {
    let mut bytes = [0; N];
    client.region_read(CONFIG, at, &mut bytes).unwrap();
    bytes
}

fn byte(client: &mut Client, at: u64) -> u8 {
    let mut byte = [0];
    client.region_read(0, at, &mut byte).unwrap();
    byte[0]
}

#[test]
fn regions_are_as_the_model_has_them() {
    for (program, ids, sizes) in [
        (Program::serial(), [0x36, 0x1b, 3, 0], [16, 0]),
        (
            Program::accel(),
            [0x34, 0x12, 0x47, 0x4d],
            [0x4000, 16 << 20],
        ),
    ] {
        let mut client = program.client();
        assert_eq!(config(&mut client, 0), ids);
        let region = |index| client.region(index).expect("a region");
        assert_eq!(region(CONFIG).size, 256);
        let all = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        for (index, size) in [0, 2].into_iter().zip(sizes) {
            let found = region(index);
            assert_eq!(found.size, size, "region {index}");
            assert_eq!(found.flags, if size == 0 { 0 } else { all });
            assert!(found.file_offset.is_none() && found.sparse_areas.is_empty());
        }
        client.shutdown().unwrap();
    }
}

#[test]
fn registers_interrupts_and_reset_of_the_serial_card() {
    let program = Program::serial();
    let mut client = program.client();
    for (at, value) in [(SCR, 0xa5), (8 + SCR, 0x5a)] {
        client.region_write(0, at, &[value]).unwrap();
        assert_eq!(byte(&mut client, at), value);
    }
    // A loopback plug is in the port, which takes 8 bits.
    client.region_write(0, 3, &[3]).unwrap();
    client.region_write(0, 0, b"x").unwrap();
    assert_eq!(byte(&mut client, 5) & 1, 1, "a byte was received");
    assert_eq!(byte(&mut client, 0), b'x');

    let info = client.get_irq_info(VFIO_PCI_INTX_IRQ_INDEX).unwrap();
    assert_eq!(info.count, 1);
    assert_ne!(info.flags & VFIO_IRQ_INFO_EVENTFD, 0);
    let line = event();
    let fds = [line.as_raw_fd()];
    client
        .set_irqs(VFIO_PCI_INTX_IRQ_INDEX, BIND, 0, 1, &fds)
        .unwrap();
    assert!(line.read().is_err(), "not yet");
    client.region_write(0, IER, &[IER_THRI]).unwrap();
    assert_eq!(line.read(), Ok(1), "the transmitter is empty");

    client.reset().unwrap();
    assert_eq!(byte(&mut client, IER), 0);
    // What was there stays for the next client.
    client.region_write(0, SCR, &[0x77]).unwrap();
    drop(client);
    assert_eq!(byte(&mut program.client(), SCR), 0x77);
}

fn set(client: &mut Client, register: u64, value: u32) {
    let at = 0x100 + register;
    client.region_write(0, at, &value.to_le_bytes()).unwrap();
}

fn get(client: &mut Client, register: u64) -> u32 {
    let mut bytes = [0; 4];
    client.region_read(0, 0x100 + register, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// Lets the queue work up to `tail`; its status.
fn work(client: &mut Client, tail: u32) -> u32 {
    set(client, 0x18, tail);
    let begin = Instant::now();
    loop {
        let status = get(client, 0x04);
        if status != 0 || get(client, 0x14) == tail {
            return status;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "it works");
    }
}

#[test]
fn memory_of_the_client_is_mapped_and_unmapped() {
    let program = Program::accel();
    let mut client = program.client();
    let mut machine = Machine::new();
    let fd = machine.ram.as_raw_fd();
    client.dma_map(0, RAM, RAM_LEN, fd).unwrap();
    // Bus master on, and the queue at the ring.
    client.region_write(CONFIG, 4, &[6, 0]).unwrap();
    for (register, value) in [(0x08, RAM as u32), (0x0c, 0), (0x10, 64), (0x00, 1)] {
        set(&mut client, register, value);
    }
    let data: Vec<u8> = (0..5000_u32).map(|n| (n * 7) as u8).collect();
    machine.write(DATA, &data);
    machine.push(COPY_IN, 5000, DATA, 100);
    machine.push(COPY_OUT, 5000, 100, DATA + 0x10000);
    assert_eq!(work(&mut client, machine.tail), 0);
    assert_eq!([0, 1].map(|n| machine.outcome(n).1), [DONE; 2]);
    assert!(machine.read(DATA + 0x10000, 5000) == data);
    let mut seen = [0; 100];
    client.region_read(2, 100, &mut seen).unwrap();
    assert_eq!(seen, data[..100]);

    client.dma_unmap(RAM, RAM_LEN).unwrap();
    assert_ne!(work(&mut client, machine.tail + 1), 0, "a bus error");
    // The address is free again, and the device as well.
    client.dma_map(0, RAM, RAM_LEN, fd).unwrap();
    client.reset().unwrap();
    client.region_write(CONFIG, 4, &[6, 0]).unwrap();
    for (register, value) in [(0x08, RAM as u32), (0x0c, 0), (0x10, 64), (0x00, 1)] {
        set(&mut client, register, value);
    }
    assert_eq!(work(&mut client, 2), 0);
}

#[test]
fn vectors_of_the_accelerator() {
    let program = Program::accel();
    let mut client = program.client();
    let info = client.get_irq_info(VFIO_PCI_MSIX_IRQ_INDEX).unwrap();
    assert_eq!(info.count, 4, "a vector for each queue");
    let events = [event(), event(), event(), event()];
    let fds = events.each_ref().map(|event| event.as_raw_fd());
    let msix = VFIO_PCI_MSIX_IRQ_INDEX;
    client.set_irqs(msix, BIND, 0, 4, &fds).unwrap();
    let by_hand = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    client.set_irqs(msix, by_hand, 1, 2, &[]).unwrap();
    let fired = events.each_ref().map(|event| event.read().is_ok());
    assert_eq!(fired, [false, true, true, false]);
    // No descriptors take them all away.
    client.set_irqs(msix, by_hand, 0, 0, &[]).unwrap();
    client.set_irqs(msix, by_hand, 0, 1, &[]).unwrap();
    assert!(events[0].read().is_err());
}
