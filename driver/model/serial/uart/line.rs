// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The line behind a port: a loopback plug, and the modem lines that run through it.

use super::{
    Char,
    Fifo,
    Uart,
    IER_THRI,
    LCR_BREAK,
    LCR_EVEN,
    LCR_PARITY,
    LCR_WLEN,
    LSR_BI,
    LSR_FE,
    LSR_PE,
    MCR_AFE,
    MCR_DTR,
    MCR_LOOP,
    MCR_OUT1,
    MCR_OUT2,
    MCR_RTS,
    MSR_CTS,
    MSR_DCD,
    MSR_DSR,
    MSR_RI, //
};
use crate::stream::wire::{
    Fields,
    Payload, //
};

/// Errors on the line since reset. No register shows them; they travel with `line-stats=on`.
///
/// Payload of record 0x0111, after the port: u64 overrun, u64 framing, u64 parity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineStats {
    /// Characters lost because the receiver was full.
    pub overrun: u64,
    /// Characters without a stop bit.
    pub framing: u64,
    /// Characters with a wrong parity bit.
    pub parity: u64,
}

impl LineStats {
    /// Length of the payload.
    pub const LEN: usize = 24;

    /// Appends the payload.
    pub fn write(&self, out: &mut Payload<'_>) {
        let Self {
            overrun,
            framing,
            parity,
        } = *self;
        out.u64(overrun);
        out.u64(framing);
        out.u64(parity);
    }

    /// Reads the payload; `None` if it is too short.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            overrun: fields.u64()?,
            framing: fields.u64()?,
            parity: fields.u64()?,
        })
    }
}

impl Uart {
    const fn auto_flow(&self) -> bool {
        self.mcr & MCR_AFE != 0
    }

    /// Bits 4 to 7 of MSR: the modem inputs, which the outputs of the same port drive.
    pub(super) fn inputs(&self) -> u8 {
        let rts = self.mcr & MCR_RTS != 0 && !self.throttled;
        let dtr = self.mcr & MCR_DTR != 0;
        let (ri, dcd) = if self.mcr & MCR_LOOP != 0 {
            (self.mcr & MCR_OUT1 != 0, self.mcr & MCR_OUT2 != 0)
        } else {
            (false, dtr)
        };
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        bit(rts, MSR_CTS) | bit(dtr, MSR_DSR) | bit(ri, MSR_RI) | bit(dcd, MSR_DCD)
    }

    /// Remembers changes of the modem inputs since they were `before`.
    fn note_inputs(&mut self, before: u8) -> u8 {
        let now = self.inputs();
        // Of RI only the end of the ring counts.
        let changed = (before ^ now) & !(MSR_RI & now);
        self.deltas |= changed >> 4;
        now
    }

    /// Whether automatic flow control must switch RTS off: from the trigger level until the receiver
    /// is empty.
    pub(super) fn throttle(&self) -> bool {
        let governs = self.auto_flow() && self.mcr & MCR_RTS != 0;
        governs && !self.rx.is_empty() && (self.throttled || self.rx.len() >= self.trigger())
    }

    /// Whether automatic flow control holds the transmitter back.
    pub(super) fn held(&self) -> bool {
        self.auto_flow() && self.inputs() & MSR_CTS == 0
    }

    /// Lets the line come to rest after an access before which the modem inputs were `before`. There
    /// is no baud pacing: whatever can be sent arrives at once.
    pub(super) fn settle(&mut self, before: u8) {
        let mut inputs = before;
        loop {
            self.throttled = self.throttle();
            inputs = self.note_inputs(inputs);
            if self.held() {
                break;
            }
            let Some(data) = self.tx.pop() else { break };
            self.send(data);
            self.sent();
        }
    }

    /// A byte written to THR.
    pub(super) fn transmit(&mut self, data: u8) {
        if !self.fifos() {
            self.tx = Fifo::new();
        }
        self.thre = false;
        if self.tx.len() < self.depth() {
            self.tx.push(data);
        }
    }

    /// Empties the transmitter without sending.
    pub(super) fn drop_unsent(&mut self) {
        if !self.tx.is_empty() {
            self.tx = Fifo::new();
            self.sent();
        }
    }

    /// Bytes left the transmitter.
    fn sent(&mut self) {
        if self.tx.is_empty() && self.ier & IER_THRI != 0 {
            self.thre = true;
        }
    }

    fn send(&mut self, data: u8) {
        // During a break the line cannot carry characters.
        if self.lcr & LCR_BREAK != 0 {
            return;
        }
        let unused = 3 & !(self.lcr & LCR_WLEN);
        self.receive(Char {
            data: data & (0xff >> unused),
            errors: 0,
        });
    }

    /// A break arrives: a character of zeros without a stop bit.
    pub(super) fn receive_break(&mut self) {
        let odd = self.lcr & LCR_PARITY != 0 && self.lcr & LCR_EVEN == 0;
        self.stats.framing = self.stats.framing.saturating_add(1);
        if odd {
            self.stats.parity = self.stats.parity.saturating_add(1);
        }
        self.receive(Char {
            data: 0,
            errors: LSR_BI | LSR_FE | if odd { LSR_PE } else { 0 },
        });
    }

    fn receive(&mut self, char: Char) {
        if self.rx.len() >= self.depth() {
            self.overrun = true;
            self.stats.overrun = self.stats.overrun.saturating_add(1);
            if self.fifos() {
                return;
            }
            self.rx = Fifo::new();
        }
        self.rx.push(char);
    }
}
