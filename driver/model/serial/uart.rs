// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A 16550A or TI 16750 that is looped to itself.
//!
//! After the Texas Instruments data sheets TL16C550D and TL16C750; names as in
//! [`include/uapi/linux/serial_reg.h`](srctree/include/uapi/linux/serial_reg.h).
//!
//! # Registers
//!
//! | offset | register | reset | bits | state |
//! |---|---|---|---|---|
//! | 0 read | RBR | - | first character of the receiver, 0 if there is none; reading removes it | receiver |
//! | 0 write | THR | - | appends to the transmitter | transmitter |
//! | 0 DLAB | DLL | 00 | all | all |
//! | 1 | IER | 00 | 0 RDI, 1 THRI, 2 RLSI, 3 MSI; 16750: 4 and 5 sleep, without effect | all |
//! | 1 DLAB | DLM | 00 | all | all |
//! | 2 read | IIR | 01 | 0-3 source, 5 64-byte mode, 6 and 7 FIFOs on | function of the others |
//! | 2 write | FCR | 00 | 0 enable, 1 and 2 clear, 3 DMA mode (no effect), 5 64-byte mode (16750), 6 and 7 trigger | 0, 3, 5-7 |
//! | 3 | LCR | 00 | all: 0-1 word length, 2 stop bits (no effect), 3-5 parity, 6 break, 7 DLAB | all |
//! | 4 | MCR | 00 | 0 DTR, 1 RTS, 2 OUT1, 3 OUT2, 4 loop, 5 AFE (with `auto-flow=on`) | all |
//! | 5 | LSR | 60 | 0 DR, 1 OE, 2 PE, 3 FE, 4 BI, 5 THRE, 6 TEMT, 7 error in the FIFO; writes are ignored | 1; others follow from the FIFOs |
//! | 6 | MSR | 00 | 0-3 changes, cleared by reading; 4 CTS, 5 DSR, 6 RI, 7 DCD; writes are ignored | 0-3; 4-7 follow from MCR and auto flow |
//! | 7 | SCR | 00 | all | all |
//!
//! Bits not named read 0 and ignore writes. State that no register shows: the latch of the transmitter's
//! interrupt, and RTS switched off by auto flow control. Line statistics are state with `line-stats=on`.
//!
//! # FIFOs
//!
//! With FCR.0 off, receiver and transmitter hold one character. With FCR.0 on they hold 16, on a 16750
//! with FCR.5 on 64. Receiver triggers are 1, 4, 8, 14, with 64 bytes 1, 16, 32, 56.
//!
//! - FCR.3 to FCR.7 are programmed only together with FCR.0 on; FCR.5 only while DLAB is on.
//! - A change of FCR.0 or FCR.5 empties both FIFOs.
//! - A character for a full receiver is lost (in the FIFOs' absence it replaces the one that is there)
//!   and sets LSR.1. A byte for a full transmitter is lost (in their absence it replaces the other).
//! - The error bits of LSR belong to the first character of the receiver; reading LSR clears them.
//!
//! # Line
//!
//! A loopback plug: TX to RX, RTS to CTS, DTR to DSR and DCD, RI low. With MCR.4 on the chip loops inside:
//! the same, but OUT1 drives RI and OUT2 drives DCD. There is no baud pacing: what can be sent has
//! arrived when the access ends. Bits above the word length arrive as 0. LCR.6 going on sends one break:
//! a character 0 with BI and FE, and with PE if odd or mark parity is on; while it stays on, bytes that
//! are sent are lost.
//!
//! # Auto flow control
//!
//! With MCR.5 on, the transmitter sends only while CTS is on. With MCR.1 on as well, RTS goes off when
//! the receiver reaches its trigger level, and on again when it is empty. So bytes stay in the
//! transmitter while RTS is off, and in both FIFOs while the receiver is not read.
//!
//! # Interrupts
//!
//! | IIR.0-3 | source | present while |
//! |---|---|---|
//! | 06 | line status | IER.2 is on and one of LSR.1 to LSR.4 |
//! | 04 | received data | IER.0 is on and the receiver is at its trigger level |
//! | 0c | character timeout | IER.0 is on, FIFOs are on, and the receiver has less: the line is idle at once, so the time has always passed |
//! | 02 | transmitter empty | IER.1 is on and the latch is set: by the transmitter becoming empty, or by IER.1 going on while it is empty; cleared by reading IIR while it shows this source, and by writing THR |
//! | 00 | modem status | IER.3 is on and one of MSR.0 to MSR.3; with AFE on, MSR.1 to MSR.3 |
//!
//! # What it does not do
//!
//! Time: bit rates, stop bits, DMA signalling and sleep have no effect. OUT2 does not gate the
//! interrupt, as on PCI cards.

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
/// - A FIFO holds at most `depth()` characters.
/// - After each access: bytes wait in the transmitter only while auto flow control holds them back;
///   `throttled` is as `throttle()` says; the transmitter's interrupt is latched only while it
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
