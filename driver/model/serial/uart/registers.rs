// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The registers of a port, as the bus sees them.

use super::{
    Char,
    Fifo,
    Uart,
    FCR_64BYTE,
    FCR_CLEAR_RCVR,
    FCR_CLEAR_XMIT,
    FCR_DMA,
    FCR_ENABLE,
    FCR_TRIGGER,
    IER_MSI,
    IER_RDI,
    IER_RLSI,
    IER_THRI,
    LCR_BREAK,
    LSR_BI,
    LSR_DR,
    LSR_EMPTY,
    LSR_FE,
    LSR_FIFOE,
    LSR_OE,
    LSR_PE,
    MCR_AFE,
    MSR_DCTS, //
};

/// Offset in a port, by the name that its use without DLAB has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// RBR (read), THR (write), DLL (with DLAB).
    Data,
    /// IER, DLM (with DLAB).
    Ier,
    /// IIR (read), FCR (write).
    Iir,
    /// LCR.
    Lcr,
    /// MCR.
    Mcr,
    /// LSR.
    Lsr,
    /// MSR.
    Msr,
    /// SCR.
    Scr,
}

impl Register {
    /// The register that the lower three bits of `at` select.
    pub const fn at(at: u64) -> Self {
        match at & 7 {
            0 => Self::Data,
            1 => Self::Ier,
            2 => Self::Iir,
            3 => Self::Lcr,
            4 => Self::Mcr,
            5 => Self::Lsr,
            6 => Self::Msr,
            _ => Self::Scr,
        }
    }
}

const IIR_NONE: u8 = 0x01;
const IIR_MSI: u8 = 0x00;
const IIR_THRI: u8 = 0x02;
const IIR_RDI: u8 = 0x04;
const IIR_RLSI: u8 = 0x06;
const IIR_TIMEOUT: u8 = 0x0c;
const IIR_FIFOS: u8 = 3 << 6;
const IIR_SOURCE: u8 = 0x0f;

const LSR_ERRORS: u8 = LSR_OE | LSR_PE | LSR_FE | LSR_BI;

impl Uart {
    /// The value that a read returns; no side effects.
    pub fn peek(&self, register: Register) -> u8 {
        match register {
            Register::Data if self.dlab() => self.dll,
            Register::Data => self.rx.first().map_or(0, |char| char.data),
            Register::Ier if self.dlab() => self.dlm,
            Register::Ier => self.ier,
            Register::Iir => self.iir(),
            Register::Lcr => self.lcr,
            Register::Mcr => self.mcr,
            Register::Lsr => self.lsr(),
            Register::Msr => self.msr(),
            Register::Scr => self.scr,
        }
    }

    /// The side effects of a read, after [`Uart::peek`] gave its value.
    pub fn was_read(&mut self, register: Register) {
        match register {
            Register::Data if self.dlab() => (),
            Register::Data => {
                self.rx.pop();
                self.settle(self.inputs());
            }
            Register::Iir => {
                if self.iir() & IIR_SOURCE == IIR_THRI {
                    self.thre = false;
                }
            }
            Register::Lsr => {
                self.overrun = false;
                if let Some(first) = self.rx.first_mut() {
                    first.errors = 0;
                }
            }
            Register::Msr => self.deltas = 0,
            Register::Ier | Register::Lcr | Register::Mcr | Register::Scr => (),
        }
    }

    /// A write.
    pub fn write(&mut self, register: Register, value: u8) {
        let inputs = self.inputs();
        match register {
            Register::Data if self.dlab() => self.dll = value,
            Register::Data => self.transmit(value),
            Register::Ier if self.dlab() => self.dlm = value,
            Register::Ier => self.write_ier(value & self.chip.ier_mask()),
            Register::Iir => self.write_fcr(value),
            Register::Lcr => self.write_lcr(value),
            Register::Mcr => self.mcr = value & self.chip.mcr_mask(),
            Register::Scr => self.scr = value,
            Register::Lsr | Register::Msr => (),
        }
        self.settle(inputs);
    }

    fn write_ier(&mut self, value: u8) {
        let enabled = value & !self.ier;
        self.ier = value;
        if enabled & IER_THRI != 0 && self.tx.is_empty() {
            self.thre = true;
        }
        if value & IER_THRI == 0 {
            self.thre = false;
        }
    }

    fn write_fcr(&mut self, value: u8) {
        let before = self.fcr;
        if value & FCR_ENABLE == 0 {
            // The other bits are programmed only together with this one.
            self.fcr &= !FCR_ENABLE;
        } else {
            let kept = if self.dlab() { 0 } else { FCR_64BYTE };
            let common = FCR_ENABLE | FCR_DMA | FCR_TRIGGER;
            let taken = common | (FCR_64BYTE & !kept);
            self.fcr = ((before & kept) | (value & taken)) & self.chip.fcr_mask();
        }
        let changed = (before ^ self.fcr) & (FCR_ENABLE | FCR_64BYTE) != 0;
        let clear = if value & FCR_ENABLE == 0 { 0 } else { value };
        if changed || clear & FCR_CLEAR_RCVR != 0 {
            self.rx = Fifo::new();
        }
        if changed || clear & FCR_CLEAR_XMIT != 0 {
            self.drop_unsent();
        }
    }

    fn write_lcr(&mut self, value: u8) {
        let begins = value & !self.lcr & LCR_BREAK != 0;
        self.lcr = value;
        if begins {
            self.receive_break();
        }
    }

    /// IIR. Sources in the order of their priority.
    pub(super) const fn iir(&self) -> u8 {
        let level = self.rx.len();
        let source = if self.ier & IER_RLSI != 0 && self.lsr() & LSR_ERRORS != 0 {
            IIR_RLSI
        } else if self.ier & IER_RDI != 0 && level >= self.trigger() {
            IIR_RDI
        } else if self.ier & IER_RDI != 0 && level > 0 {
            IIR_TIMEOUT
        } else if self.ier & IER_THRI != 0 && self.thre {
            IIR_THRI
        } else if self.ier & IER_MSI != 0 && self.deltas & self.delta_mask() != 0 {
            IIR_MSI
        } else {
            IIR_NONE
        };
        if self.fifos() {
            source | IIR_FIFOS | (self.fcr & FCR_64BYTE)
        } else {
            source
        }
    }

    /// Deltas that raise an interrupt: CTS is not software's business under auto flow control.
    const fn delta_mask(&self) -> u8 {
        if self.mcr & MCR_AFE != 0 {
            0x0f & !MSR_DCTS
        } else {
            0x0f
        }
    }

    const fn lsr(&self) -> u8 {
        let mut value = 0;
        if let Some(Char { errors, .. }) = self.rx.first() {
            value |= LSR_DR | *errors;
        }
        if self.overrun {
            value |= LSR_OE;
        }
        if self.tx.is_empty() {
            value |= LSR_EMPTY;
        }
        if self.fifos() && self.rx.any_error() {
            value |= LSR_FIFOE;
        }
        value
    }

    fn msr(&self) -> u8 {
        self.deltas | self.inputs()
    }
}
