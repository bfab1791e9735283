// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A serial card: FIFOs with bytes in them, and registers.

use super::Site;
use crate::contents::contents;
use crate::uart::*;

/// COMMAND: I/O space, and Bus Master.
const COMMAND: u32 = 0x0005;

/// A port of a serial card, through I/O ports.
struct Port<'a>(Site<'a>, u16);

impl Port<'_> {
    fn at(&self, register: u64) -> u16 {
        self.0.ports() + self.1 * STRIDE as u16 + register as u16
    }

    #[track_caller]
    fn set(&self, register: u64, value: u8) {
        self.0.machine.outb(self.at(register), value);
    }

    #[track_caller]
    fn get(&self, register: u64) -> u8 {
        self.0.machine.inb(self.at(register))
    }

    #[track_caller]
    fn receive(&self) -> Vec<u8> {
        (0..1024)
            .map_while(|_| (self.get(LSR) & LSR_DR != 0).then(|| self.get(DATA)))
            .collect()
    }
}

/// As [`crate::contents::fill`], for a card with 64 byte FIFOs and auto-flow.
#[track_caller]
fn fill_port(site: Site<'_>, index: u16) {
    let port = Port(site, index);
    let on = FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX;
    port.set(LCR, LCR_DLAB | LCR_8N1);
    port.set(FCR, on | FCR_64);
    port.set(DATA, 0x0c);
    port.set(IER, 0x01);
    port.set(LCR, LCR_8N1);
    let (received, waiting) = contents(u64::from(index));
    received.iter().for_each(|&byte| port.set(DATA, byte));
    // Auto CTS without RTS: the sender has to wait.
    port.set(MCR, MCR_AFE | MCR_DTR | MCR_OUT2);
    waiting.iter().for_each(|&byte| port.set(DATA, byte));
    port.set(SCR, 0x30 + index as u8);
    assert_eq!(port.get(LSR) & (LSR_DR | LSR_TEMT), LSR_DR, "both FIFOs");
}

#[track_caller]
fn check_port(site: Site<'_>, index: u16) {
    let port = Port(site, index);
    let (received, waiting) = contents(u64::from(index));
    assert_eq!(port.get(SCR), 0x30 + index as u8, "SCR of port {index}");
    assert_eq!(port.get(MCR), MCR_AFE | MCR_DTR | MCR_OUT2, "MCR");
    assert_eq!(port.get(IIR) & 0xf0, IIR_FIFO | IIR_64, "IIR");
    port.set(LCR, LCR_DLAB | LCR_8N1);
    assert_eq!([port.get(DATA), port.get(IER)], [0x0c, 0x01], "divisor");
    port.set(LCR, LCR_8N1);
    assert_eq!(port.receive(), received, "receiver of port {index}");
    port.set(MCR, 0);
    assert_eq!(port.receive(), waiting, "sender of port {index}");
    assert_eq!(port.get(LSR), LSR_THRE | LSR_TEMT, "port {index} is empty");
}

/// Sets a card with so many ports up and fills it.
#[track_caller]
pub(super) fn fill(site: Site<'_>, ports: u16) {
    site.set_config(0x10, u32::from(site.ports()));
    site.set_config(0x04, COMMAND);
    (0..ports).for_each(|index| fill_port(site, index));
}

/// Asserts that all is there, and takes it out.
#[track_caller]
pub(super) fn check(site: Site<'_>, ports: u16) {
    (0..ports).for_each(|index| check_port(site, index));
}

/// Uses it.
#[track_caller]
pub(super) fn touch(site: Site<'_>, ports: u16) {
    for index in 0..ports {
        let port = Port(site, index);
        let old = port.get(SCR);
        port.set(SCR, !old);
        assert_eq!(port.get(SCR), !old, "scratch register of port {index}");
        port.set(SCR, old);
    }
}
