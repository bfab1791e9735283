// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A port of the serial card, register by register.
//!
//! Data sheets: National Semiconductor PC16550D, Texas Instruments TL16C750. Names are those of
//! `include/uapi/linux/serial_reg.h`.

use vmig_vfio::{uapi, Device, Region};

/// Receiver buffer (read), transmitter holding (write); divisor latch low under DLAB.
pub const DATA: u64 = 0;
/// Interrupt enable; divisor latch high under DLAB.
pub const IER: u64 = 1;
/// Interrupt identification (read).
pub const IIR: u64 = 2;
/// FIFO control (write).
pub const FCR: u64 = 2;
/// Line control.
pub const LCR: u64 = 3;
/// Modem control.
pub const MCR: u64 = 4;
/// Line status.
pub const LSR: u64 = 5;
/// Modem status.
pub const MSR: u64 = 6;
/// Scratch.
pub const SCR: u64 = 7;

/// Divisor latch access bit.
pub const LCR_DLAB: u8 = 0x80;
/// Eight bits, one stop bit, no parity.
pub const LCR_8N1: u8 = 0x03;
/// Break.
pub const LCR_BREAK: u8 = 0x40;

/// Data available interrupt.
pub const IER_RDI: u8 = 0x01;
/// Transmitter holding register empty interrupt.
pub const IER_THRI: u8 = 0x02;
/// Line status interrupt.
pub const IER_RLSI: u8 = 0x04;
/// Modem status interrupt.
pub const IER_MSI: u8 = 0x08;

/// No interrupt pending.
pub const IIR_NONE: u8 = 0x01;
/// The bits that tell the interrupt.
pub const IIR_ID: u8 = 0x0f;
/// Modem status.
pub const IIR_MSI: u8 = 0x00;
/// Transmitter holding register empty.
pub const IIR_THRI: u8 = 0x02;
/// Data available, the trigger level is reached.
pub const IIR_RDI: u8 = 0x04;
/// Line status.
pub const IIR_RLSI: u8 = 0x06;
/// Data available, nothing came for a while.
pub const IIR_TIMEOUT: u8 = 0x0c;
/// 64 byte FIFOs are on.
pub const IIR_64: u8 = 0x20;
/// FIFOs are on.
pub const IIR_FIFO: u8 = 0xc0;

/// FIFOs on.
pub const FCR_ENABLE: u8 = 0x01;
/// Clear the receive FIFO.
pub const FCR_CLEAR_RX: u8 = 0x02;
/// Clear the transmit FIFO.
pub const FCR_CLEAR_TX: u8 = 0x04;
/// 64 byte FIFOs; can be changed under DLAB only.
pub const FCR_64: u8 = 0x20;

/// Data terminal ready.
pub const MCR_DTR: u8 = 0x01;
/// Request to send.
pub const MCR_RTS: u8 = 0x02;
/// Output 1.
pub const MCR_OUT1: u8 = 0x04;
/// Output 2.
pub const MCR_OUT2: u8 = 0x08;
/// Internal loop.
pub const MCR_LOOP: u8 = 0x10;
/// Automatic flow control.
pub const MCR_AFE: u8 = 0x20;

/// Data ready.
pub const LSR_DR: u8 = 0x01;
/// Overrun.
pub const LSR_OE: u8 = 0x02;
/// Break.
pub const LSR_BI: u8 = 0x10;
/// Transmitter holding register empty.
pub const LSR_THRE: u8 = 0x20;
/// Transmitter empty.
pub const LSR_TEMT: u8 = 0x40;

/// Clear to send has changed.
pub const MSR_DCTS: u8 = 0x01;
/// Data set ready has changed.
pub const MSR_DDSR: u8 = 0x02;
/// Ring has ended.
pub const MSR_TERI: u8 = 0x04;
/// Carrier detect has changed.
pub const MSR_DDCD: u8 = 0x08;
/// Clear to send.
pub const MSR_CTS: u8 = 0x10;
/// Data set ready.
pub const MSR_DSR: u8 = 0x20;
/// Ring.
pub const MSR_RI: u8 = 0x40;
/// Carrier detect.
pub const MSR_DCD: u8 = 0x80;

/// Bytes of the BAR that belong to one port.
pub const STRIDE: u64 = 8;

/// A port of an open card.
#[derive(Clone, Debug)]
pub struct Port<'a> {
    bar: Region<'a>,
    base: u64,
}

impl<'a> Port<'a> {
    /// Port `index` of the card, from 0.
    ///
    /// # Panics
    ///
    /// If the BAR cannot be had; all accesses panic if they are refused.
    #[track_caller]
    pub fn new(device: &'a Device, index: u64) -> Self {
        let bar = device
            .region(uapi::VFIO_PCI_BAR0_REGION_INDEX)
            .expect("BAR 0");
        Self {
            bar,
            base: index * STRIDE,
        }
    }

    /// Writes a register.
    #[track_caller]
    pub fn set(&self, register: u64, value: u8) {
        self.bar
            .write_u8(self.base + register, value)
            .expect("register write");
    }

    /// Reads a register.
    #[track_caller]
    pub fn get(&self, register: u64) -> u8 {
        self.bar
            .read_u8(self.base + register)
            .expect("register read")
    }

    /// Sends bytes, whether there is room or not.
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.set(DATA, byte));
    }

    /// Receives until there is nothing left; at most 1024 bytes, so that a broken chip ends too.
    #[track_caller]
    pub fn receive(&self) -> Vec<u8> {
        (0..1024)
            .map_while(|_| (self.get(LSR) & LSR_DR != 0).then(|| self.get(DATA)))
            .collect()
    }

    /// Switches the FIFOs on and empties them; `big` takes the 64 byte ones.
    #[track_caller]
    pub fn fifos(&self, big: bool) {
        let on = FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX;
        self.set(LCR, LCR_DLAB | LCR_8N1);
        self.set(FCR, if big { on | FCR_64 } else { on });
        self.set(LCR, LCR_8N1);
    }

    /// The registers that can be read without changing anything, with the divisor latch.
    #[track_caller]
    pub fn registers(&self) -> [u8; 7] {
        let lcr = self.get(LCR);
        let ier = self.get(IER);
        self.set(LCR, lcr | LCR_DLAB);
        let divisor = [self.get(DATA), self.get(IER)];
        self.set(LCR, lcr);
        [
            ier,
            lcr,
            self.get(MCR),
            self.get(SCR),
            divisor[0],
            divisor[1],
            self.get(IIR) & 0xf0,
        ]
    }
}
