// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A 16550A or TI 16750 that is looped to itself.
//!
//! Texas Instruments TL16C550D and TL16C750 data sheets; register names of
//! [`include/uapi/linux/serial_reg.h`](srctree/include/uapi/linux/serial_reg.h).

mod fifo;
mod line;
mod registers;
mod state;

pub use fifo::{
    Char,
    Fifo, //
};
pub use line::LineStats;
pub use registers::Register;
pub use state::UartV1;

use crate::{
    types::DeviceType,
    values::Values, //
};

/// Most bytes in a FIFO.
pub const FIFO_MAX: usize = 64;

const IER_RDI: u8 = 1 << 0;
const IER_THRI: u8 = 1 << 1;
const IER_RLSI: u8 = 1 << 2;
const IER_MSI: u8 = 1 << 3;

const FCR_ENABLE: u8 = 1 << 0;
const FCR_CLEAR_RCVR: u8 = 1 << 1;
const FCR_CLEAR_XMIT: u8 = 1 << 2;
const FCR_DMA: u8 = 1 << 3;
const FCR_64BYTE: u8 = 1 << 5;
const FCR_TRIGGER: u8 = 3 << 6;

const LCR_WLEN: u8 = 3;
const LCR_PARITY: u8 = 1 << 3;
const LCR_EVEN: u8 = 1 << 4;
const LCR_BREAK: u8 = 1 << 6;
const LCR_DLAB: u8 = 1 << 7;

const MCR_DTR: u8 = 1 << 0;
const MCR_RTS: u8 = 1 << 1;
const MCR_OUT1: u8 = 1 << 2;
const MCR_OUT2: u8 = 1 << 3;
const MCR_LOOP: u8 = 1 << 4;
const MCR_AFE: u8 = 1 << 5;

const LSR_DR: u8 = 1 << 0;
const LSR_OE: u8 = 1 << 1;
const LSR_PE: u8 = 1 << 2;
const LSR_FE: u8 = 1 << 3;
const LSR_BI: u8 = 1 << 4;
const LSR_EMPTY: u8 = 3 << 5;
const LSR_FIFOE: u8 = 1 << 7;

const MSR_CTS: u8 = 1 << 4;
const MSR_DSR: u8 = 1 << 5;
const MSR_RI: u8 = 1 << 6;
const MSR_DCD: u8 = 1 << 7;
const MSR_DCTS: u8 = 1 << 0;

/// What chip a port has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chip {
    /// A TI 16750, with FIFOs of 64 bytes; else a 16550A.
    pub is_16750: bool,
    /// It has automatic flow control.
    pub auto_flow: bool,
}

impl Chip {
    /// The chip that `values` of a serial type ask for.
    pub fn of(ty: &DeviceType, values: &Values) -> Self {
        Self {
            is_16750: values.int(ty, "fifo-size") == Some(64),
            auto_flow: values.bool(ty, "auto-flow"),
        }
    }

    const fn ier_mask(self) -> u8 {
        if self.is_16750 {
            0x3f
        } else {
            0x0f
        }
    }

    const fn fcr_mask(self) -> u8 {
        let common = FCR_ENABLE | FCR_DMA | FCR_TRIGGER;
        if self.is_16750 {
            common | FCR_64BYTE
        } else {
            common
        }
    }

    const fn mcr_mask(self) -> u8 {
        let common = MCR_DTR | MCR_RTS | MCR_OUT1 | MCR_OUT2 | MCR_LOOP;
        if self.auto_flow {
            common | MCR_AFE
        } else {
            common
        }
    }
}

/// One port.
///
/// # Invariants
///
/// - Registers have only bits that the chip has.
/// - A FIFO holds at most [`Uart::depth`] characters.
/// - After each access: bytes wait in the transmitter only while auto flow control holds them back;
///   `throttled` is as [`Uart::throttle`] says; the transmitter's interrupt is latched only while it
///   is enabled and the transmitter is empty.
#[derive(Clone, Copy, Debug)]
pub struct Uart {
    chip: Chip,
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scr: u8,
    dll: u8,
    dlm: u8,
    /// Bits 0 to 3 of MSR.
    deltas: u8,
    /// LSR.1.
    overrun: bool,
    /// The transmitter's interrupt is latched.
    thre: bool,
    /// Auto flow control has switched RTS off, because the receiver fills up.
    throttled: bool,
    rx: Fifo<Char>,
    tx: Fifo<u8>,
    stats: LineStats,
}

impl Uart {
    /// A chip after reset.
    pub fn new(chip: Chip) -> Self {
        Self {
            chip,
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: 0,
            scr: 0,
            dll: 0,
            dlm: 0,
            deltas: 0,
            overrun: false,
            thre: false,
            throttled: false,
            rx: Fifo::new(),
            tx: Fifo::new(),
            stats: LineStats::default(),
        }
    }

    /// Whether it has an interrupt: bit 0 of IIR is 0.
    pub const fn interrupt(&self) -> bool {
        self.iir() & 1 == 0
    }

    const fn fifos(&self) -> bool {
        self.fcr & FCR_ENABLE != 0
    }

    const fn dlab(&self) -> bool {
        self.lcr & LCR_DLAB != 0
    }

    /// Characters that each FIFO can hold.
    const fn depth(&self) -> usize {
        match (self.fifos(), self.fcr & FCR_64BYTE) {
            (false, _) => 1,
            (true, 0) => 16,
            (true, _) => FIFO_MAX,
        }
    }

    /// Characters in the receiver that raise its interrupt.
    const fn trigger(&self) -> usize {
        if !self.fifos() {
            return 1;
        }
        match (self.fcr & FCR_64BYTE, self.fcr >> 6) {
            (_, 0) => 1,
            (0, 1) => 4,
            (0, 2) => 8,
            (0, _) => 14,
            (_, 1) => 16,
            (_, 2) => 32,
            (_, _) => 56,
        }
    }
}
