// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The state of a port in the stream.

use super::{
    Char,
    Chip,
    Fifo,
    LineStats,
    Uart,
    FIFO_MAX,
    IER_THRI,
    LSR_BI,
    LSR_FE,
    LSR_PE, //
};
use crate::{
    refusal::Flaw,
    stream::wire::{
        Fields,
        Payload, //
    }, //
};

const OVERRUN: u8 = 1 << 0;
const THRE: u8 = 1 << 1;
const THROTTLED: u8 = 1 << 2;

/// Payload of record 0x0110, after the port: plain data, untrusted until it becomes a [`Uart`].
///
/// ```text
///  0  u8  IER      4  u8  SCR    8  u8  latches: 0 LSR.1, 1 THRE interrupt, 2 RTS off by auto flow
///  1  u8  FCR      5  u8  DLL    9  u8  n, 0 to 64, then n received characters:
///  2  u8  LCR      6  u8  DLM           u8 data, u8 bits 2 to 4 of LSR
///  3  u8  MCR      7  u8  MSR.0-3       u8  m, 0 to 64, then m bytes to send
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UartV1 {
    /// IER.
    pub ier: u8,
    /// FCR: bits 0, 3, 5, 6 and 7.
    pub fcr: u8,
    /// LCR.
    pub lcr: u8,
    /// MCR.
    pub mcr: u8,
    /// SCR.
    pub scr: u8,
    /// DLL.
    pub dll: u8,
    /// DLM.
    pub dlm: u8,
    /// Bits 0 to 3 of MSR.
    pub deltas: u8,
    /// LSR.1, interrupt of the transmitter, RTS off by auto flow control.
    pub latches: u8,
    /// Received characters.
    pub rx: Fifo<Char>,
    /// Bytes to send.
    pub tx: Fifo<u8>,
}

impl UartV1 {
    /// Longest payload.
    pub const LEN_MAX: usize = 11 + 3 * FIFO_MAX;

    /// Appends the payload.
    pub fn write(&self, out: &mut Payload<'_>) {
        let Self {
            ier,
            fcr,
            lcr,
            mcr,
            scr,
            dll,
            dlm,
            deltas,
            latches,
            rx,
            tx,
        } = self;
        out.bytes(&[*ier, *fcr, *lcr, *mcr, *scr, *dll, *dlm, *deltas, *latches]);
        out.u8(count(rx.len()));
        for char in rx.items() {
            out.bytes(&[char.data, char.errors]);
        }
        out.u8(count(tx.len()));
        out.bytes(tx.items());
    }

    /// Reads the payload; `None` if it is too short, or a FIFO is longer than [`FIFO_MAX`].
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let [ier, fcr, lcr, mcr, scr, dll, dlm, deltas, latches] =
            *fields.bytes(9)?.first_chunk::<9>()?;
        let mut rx = Fifo::new();
        for _ in 0..fields.u8()? {
            rx.push(Char {
                data: fields.u8()?,
                errors: fields.u8()?,
            })?;
        }
        let mut tx = Fifo::new();
        for _ in 0..fields.u8()? {
            tx.push(fields.u8()?)?;
        }
        Some(Self {
            ier,
            fcr,
            lcr,
            mcr,
            scr,
            dll,
            dlm,
            deltas,
            latches,
            rx,
            tx,
        })
    }
}

/// A FIFO's length, at most [`FIFO_MAX`].
fn count(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

impl Uart {
    /// What travels.
    pub fn save(&self) -> (UartV1, LineStats) {
        let Self {
            chip: _, // parameters
            ier,
            fcr,
            lcr,
            mcr,
            scr,
            dll,
            dlm,
            deltas,
            overrun,
            thre,
            throttled,
            rx,
            tx,
            stats,
        } = *self;
        let latch = |on, bit| if on { bit } else { 0 };
        let latches = latch(overrun, OVERRUN) | latch(thre, THRE) | latch(throttled, THROTTLED);
        let saved = UartV1 {
            ier,
            fcr,
            lcr,
            mcr,
            scr,
            dll,
            dlm,
            deltas,
            latches,
            rx,
            tx,
        };
        (saved, stats)
    }

    /// Takes the counts of line errors.
    pub fn set_stats(&mut self, stats: LineStats) {
        self.stats = stats;
    }
}

impl TryFrom<(Chip, UartV1)> for Uart {
    type Error = Flaw;

    /// The port with this state, if the chip can reach it.
    ///
    /// # Errors
    ///
    /// [`Flaw::Field`] names what the chip cannot reach.
    fn try_from((chip, saved): (Chip, UartV1)) -> Result<Self, Flaw> {
        let UartV1 {
            ier,
            fcr,
            lcr,
            mcr,
            scr,
            dll,
            dlm,
            deltas,
            latches,
            rx,
            tx,
        } = saved;
        let uart = Self {
            chip,
            ier,
            fcr,
            lcr,
            mcr,
            scr,
            dll,
            dlm,
            deltas,
            overrun: latches & OVERRUN != 0,
            thre: latches & THRE != 0,
            throttled: latches & THROTTLED != 0,
            rx,
            tx,
            stats: LineStats::default(),
        };
        let possible = [
            ("IER", ier & !chip.ier_mask() == 0),
            ("FCR", fcr & !chip.fcr_mask() == 0),
            ("MCR", mcr & !chip.mcr_mask() == 0),
            ("MSR", deltas & !0x0f == 0),
            ("latches", latches & !(OVERRUN | THRE | THROTTLED) == 0),
            ("receiver level", rx.len() <= uart.depth()),
            (
                "received character",
                rx.items().iter().all(Char::is_possible),
            ),
            ("transmitter level", tx.len() <= uart.depth()),
            ("transmitter", tx.is_empty() || uart.held()),
            (
                "transmitter interrupt",
                !uart.thre || (tx.is_empty() && ier & IER_THRI != 0),
            ),
            ("automatic RTS", uart.throttled == uart.throttle()),
        ];
        match possible.iter().find(|(_, possible)| !possible) {
            Some((name, _)) => Err(Flaw::Field(name)),
            // INVARIANT: just checked.
            None => Ok(uart),
        }
    }
}

impl Char {
    /// Whether the line can deliver it: errors come with a break only, and a break is all zeros.
    fn is_possible(&self) -> bool {
        let is_break = self.errors & !LSR_PE == LSR_BI | LSR_FE;
        self.errors == 0 || (is_break && self.data == 0)
    }
}
