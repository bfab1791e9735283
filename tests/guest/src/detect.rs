// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! How Linux finds out what a serial port is.
//!
//! `autoconfig()` of `drivers/tty/serial/8250/8250_port.c` (Linux 7.3, with
//! `CONFIG_SERIAL_8250_16550A_VARIANTS`), register access by register access.

use crate::uart::*;
use crate::Port;

/// What it can come to. The chips that the card could be mistaken for have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chip {
    /// `PORT_UNKNOWN`, with the test that failed.
    Unknown(&'static str),
    /// `PORT_8250` or `PORT_16450`.
    NoFifo,
    /// `PORT_16550`: FIFOs that do not work.
    Ns16550,
    /// `PORT_16550A`.
    Ns16550a,
    /// `PORT_16650` or `PORT_16550A_FSL64`: zero at the place of EFR.
    St16650,
    /// All that is found behind an EFR.
    WithEfr,
    /// `PORT_NS16550A`, a SuperIO chip.
    SuperIo,
    /// `PORT_16750`.
    Ti16750,
    /// `PORT_XSCALE`.
    Xscale,
    /// `PORT_U6_16550A`: 64 bytes without the mode bit.
    U6,
}

const IER_ALL: u8 = 0x0f;
const IER_UUE: u8 = 0x40;
const IIR_16750: u8 = 0xe0;
const MODE_A: u8 = 0x80;
const MODE_B: u8 = 0xbf;
const EFR: u64 = 2;
const EXCR1: u64 = 2;

/// Probes a port, and leaves it as the kernel leaves it: reset.
pub fn autoconfig(port: &Port<'_>) -> Chip {
    let scratch = port.get(IER);
    port.set(IER, 0);
    let scratch2 = port.get(IER) & IER_ALL;
    port.set(IER, IER_ALL);
    let scratch3 = port.get(IER) & IER_ALL;
    port.set(IER, scratch);
    if scratch2 != 0 || scratch3 != IER_ALL {
        return Chip::Unknown("IER does not hold its bits");
    }
    let save_mcr = port.get(MCR);
    let save_lcr = port.get(LCR);
    port.set(MCR, MCR_LOOP | MCR_OUT2 | MCR_RTS);
    let status1 = port.get(MSR) & 0xf0;
    port.set(MCR, save_mcr);
    if status1 != MSR_DCD | MSR_CTS {
        return Chip::Unknown("the loop does not connect the modem lines");
    }
    port.set(LCR, MODE_B);
    port.set(EFR, 0);
    port.set(LCR, 0);
    port.set(FCR, FCR_ENABLE);
    let chip = match port.get(IIR) & IIR_FIFO {
        0 => Chip::NoFifo,
        0x80 => Chip::Ns16550,
        IIR_FIFO => with_fifo(port),
        _ => Chip::Unknown("IIR shows half a FIFO"),
    };
    port.set(LCR, save_lcr);
    port.set(MCR, save_mcr);
    port.set(FCR, FCR_ENABLE);
    port.set(FCR, FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX);
    port.set(FCR, 0);
    port.get(DATA);
    port.set(IER, 0);
    chip
}

fn with_fifo(port: &Port<'_>) -> Chip {
    port.set(LCR, MODE_A);
    if port.get(EFR) == 0 {
        return Chip::St16650;
    }
    port.set(LCR, MODE_B);
    if port.get(EFR) == 0 && !broken_efr(port) {
        return Chip::WithEfr;
    }
    if superio(port) {
        return Chip::SuperIo;
    }
    port.set(LCR, 0);
    port.set(FCR, FCR_ENABLE | FCR_64);
    let status1 = port.get(IIR) & IIR_16750;
    port.set(FCR, FCR_ENABLE);
    port.set(LCR, MODE_A);
    port.set(FCR, FCR_ENABLE | FCR_64);
    let status2 = port.get(IIR) & IIR_16750;
    port.set(FCR, FCR_ENABLE);
    port.set(LCR, 0);
    if status1 == IIR_FIFO && status2 == IIR_16750 {
        return Chip::Ti16750;
    }
    let saved = port.get(IER);
    port.set(IER, saved & !IER_UUE);
    if port.get(IER) & IER_UUE == 0 {
        port.set(IER, saved | IER_UUE);
        if port.get(IER) & IER_UUE != 0 {
            return Chip::Xscale;
        }
    }
    port.set(IER, saved);
    match size_fifo(port) {
        64 => Chip::U6,
        _ => Chip::Ns16550a,
    }
}

/// Whether bank 2 of a National SuperIO answers.
fn superio(port: &Port<'_>) -> bool {
    port.set(LCR, 0);
    let mcr = port.get(MCR);
    port.set(LCR, 0xe0);
    let bank = port.get(EXCR1);
    if (bank ^ mcr) & MCR_LOOP != 0 {
        return false;
    }
    port.set(LCR, 0);
    port.set(MCR, mcr ^ MCR_LOOP);
    port.set(LCR, 0xe0);
    let bank = port.get(EXCR1);
    port.set(LCR, 0);
    port.set(MCR, mcr);
    (bank ^ mcr) & MCR_LOOP != 0
}

fn broken_efr(port: &Port<'_>) -> bool {
    divisor_id(port) == 0x0201 && size_fifo(port) == 16
}

fn divisor_id(port: &Port<'_>) -> u16 {
    let lcr = port.get(LCR);
    port.set(LCR, MODE_A);
    let old = divisor(port);
    set_divisor(port, 0);
    let id = divisor(port);
    set_divisor(port, old);
    port.set(LCR, lcr);
    id
}

fn size_fifo(port: &Port<'_>) -> usize {
    let lcr = port.get(LCR);
    port.set(LCR, 0);
    let fcr = port.get(FCR);
    let mcr = port.get(MCR);
    port.set(FCR, FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX);
    port.set(MCR, MCR_LOOP);
    port.set(LCR, MODE_A);
    let old = divisor(port);
    set_divisor(port, 1);
    port.set(LCR, LCR_8N1);
    (0..=255).for_each(|byte| port.set(DATA, byte));
    let count = port.receive().len();
    port.set(FCR, fcr);
    port.set(MCR, mcr);
    port.set(LCR, MODE_A);
    set_divisor(port, old);
    port.set(LCR, lcr);
    count
}

fn divisor(port: &Port<'_>) -> u16 {
    u16::from_le_bytes([port.get(DATA), port.get(IER)])
}

fn set_divisor(port: &Port<'_>, value: u16) {
    let [low, high] = value.to_le_bytes();
    port.set(DATA, low);
    port.set(IER, high);
}
