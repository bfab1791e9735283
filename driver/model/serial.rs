// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `vmig.example/pci-serial`: a PCI serial card with one or two ports.
//!
//! # Data sheet
//!
//! | what | value |
//! |---|---|
//! | IDs | 1b36:0002 (1 port) or 1b36:0003 (2 ports), subsystem 1af4:1100, revision 1, class 0x070002 |
//! | BAR 0 | I/O, 8 bytes per port: port 0 at 0, port 1 at 8 |
//! | interrupts | INTA, or MSI with 1 vector; see [`config`] |
//! | ports | 16550A or TI 16750, see [`uart`] |
//!
//! INTx is level triggered and a function of the registers: it is high while a port has an interrupt
//! (bit 0 of its IIR is 0), COMMAND.10 is 0 and MSI is off; STATUS.3 shows the ports' part of it. With MSI
//! on, a vector becomes pending when the interrupt of a port goes from absent to present (or is present
//! when MSI is switched on), is delivered while COMMAND.2 (Bus Master) is 1, and is dropped when MSI is
//! switched off.
//!
//! # State records
//!
//! In this order: 0x0101, 0x0102, then for each port 0x0110 and, with `line-stats=on`, 0x0111.
//!
//! | tag | record | payload | state |
//! |---|---|---|---|
//! | 0x0101 | config space | see [`config::ConfigV1`] | every writable bit of config space |
//! | 0x0102 | interrupts | u32 | pending MSI vectors |
//! | 0x0110 | port | u8 port, then see [`uart::UartV1`] | registers, latches, FIFOs |
//! | 0x0111 | line statistics | u8 port, then see [`uart::LineStats`] | error counts |

pub mod config;
pub mod uart;

mod records;

use core::convert::Infallible;

use crate::{
    device::{
        Device,
        Fault,
        Irqs,
        Phase,
        Region,
        RegionInfo,
        Taken, //
    },
    memory::Full,
    pci,
    refusal::Flaw,
    stream::wire::Payload,
    types::DeviceType,
    values::Values, //
};

use config::Config;
use uart::{
    Chip,
    Uart, //
};

/// Most ports of a card.
pub const PORTS_MAX: usize = 2;

/// Bytes of BAR 0 per port.
const PORT_LEN: u64 = 8;

/// A PCI serial card.
///
/// # Invariants
///
/// `config` and `ports` follow `values`: as many ports are there as the values ask for, and they are of
/// the chip that the values ask for. Only between [`Device::set_values`] and [`Device::reset`] they may
/// not.
#[derive(Clone, Debug)]
pub struct Card {
    ty: &'static DeviceType,
    values: Values,
    config: Config,
    ports: [Uart; PORTS_MAX],
    /// MSI vectors that are pending.
    pending: u32,
}

impl Card {
    /// A new card of type `ty`, one of the `serial-` types, with `values`.
    pub fn new(ty: &'static DeviceType, values: Values) -> Self {
        let chip = Chip::of(ty, &values);
        Self {
            ty,
            values,
            config: Config::new(count(ty, &values)),
            ports: [Uart::new(chip), Uart::new(chip)],
            pending: 0,
        }
    }

    /// The ports that are there.
    fn ports(&self) -> impl Iterator<Item = &Uart> {
        self.ports.iter().take(self.config.ports())
    }

    /// Whether a port has an interrupt.
    fn asserted(&self) -> bool {
        self.ports().any(Uart::interrupt)
    }

    /// Ports that have an interrupt and are to say so by MSI, one bit each.
    fn messages(&self) -> u32 {
        if !self.config.msi_enabled() {
            return 0;
        }
        let bits = [1, 2];
        let asserted = self.ports().zip(bits).filter(|(port, _)| port.interrupt());
        asserted.fold(0, |sum, (_, bit)| sum | bit)
    }

    /// Does something to the card, and latches the message it causes.
    fn observe(&mut self, f: impl FnOnce(&mut Self)) {
        let before = self.messages();
        f(self);
        if self.messages() & !before != 0 {
            self.pending = 1;
        }
        if !self.config.msi_enabled() {
            self.pending = 0;
        }
    }

    /// The port and register at offset `at` of BAR 0.
    fn port(&self, at: u64) -> Option<(&Uart, uart::Register)> {
        let (port, register) = locate(at)?;
        Some((self.ports.get(port)?, register))
    }

    fn port_mut(&mut self, at: u64) -> Option<(&mut Uart, uart::Register)> {
        let (port, register) = locate(at)?;
        Some((self.ports.get_mut(port)?, register))
    }

    fn peek_byte(&self, at: u64) -> u8 {
        self.port(at)
            .map_or(0, |(port, register)| port.peek(register))
    }

    fn read_byte(&mut self, at: u64) -> u8 {
        let value = self.peek_byte(at);
        self.observe(|card| {
            if let Some((port, register)) = card.port_mut(at) {
                port.was_read(register);
            }
        });
        value
    }

    fn write_byte(&mut self, at: u64, value: u8) {
        self.observe(|card| {
            if let Some((port, register)) = card.port_mut(at) {
                port.write(register, value);
            }
        });
    }
}

/// Number of ports that `values` ask for.
fn count(ty: &DeviceType, values: &Values) -> usize {
    match values.int(ty, "ports") {
        Some(2) => 2,
        _ => 1,
    }
}

/// Index of the port, and its register, at offset `at` of BAR 0.
fn locate(at: u64) -> Option<(usize, uart::Register)> {
    let port = usize::try_from(at / PORT_LEN).ok()?;
    Some((port, uart::Register::at(at)))
}

impl Device for Card {
    type Memory = Infallible;

    type Step = Infallible;

    type Outcome = Infallible;

    /// Number of records saved.
    type Cursor = u32;

    type Held = records::Held;

    fn record_max(&self) -> usize {
        uart::UartV1::LEN_MAX.saturating_add(1)
    }

    fn ty(&self) -> &'static DeviceType {
        self.ty
    }

    fn values(&self) -> &Values {
        &self.values
    }

    fn set_values(&mut self, values: Values, _memory: Option<Infallible>) {
        self.values = values;
    }

    fn reset(&mut self) {
        *self = Self::new(self.ty, self.values);
    }

    fn region(&self, region: Region) -> RegionInfo {
        let size = match region {
            Region::Config => pci::CONFIG_LEN,
            Region::Bar(0) => config::bar_len(self.config.ports()),
            Region::Bar(_) => return RegionInfo::ABSENT,
        };
        RegionInfo {
            size,
            access: true,
            mmap: false,
        }
    }

    fn irqs(&self) -> Irqs {
        Irqs {
            intx: 1,
            msi: 1,
            msix: 0,
        }
    }

    fn read(&mut self, region: Region, at: u64, data: &mut [u8]) {
        match region {
            Region::Config => self.peek(region, at, data),
            Region::Bar(_) => {
                for (at, byte) in (at..).zip(data) {
                    *byte = self.read_byte(at);
                }
            }
        }
    }

    fn peek(&self, region: Region, at: u64, data: &mut [u8]) {
        match region {
            Region::Config => {
                let interrupt = self.asserted();
                pci::read(at, data, |at| self.config.dword(at, interrupt));
            }
            Region::Bar(_) => {
                for (at, byte) in (at..).zip(data) {
                    *byte = self.peek_byte(at);
                }
            }
        }
    }

    fn write(&mut self, region: Region, at: u64, data: &[u8]) -> Result<(), Full> {
        match region {
            Region::Config => {
                for piece in pci::pieces(at, data) {
                    self.observe(|card| card.config.write(piece));
                }
            }
            Region::Bar(_) => {
                for (at, byte) in (at..).zip(data) {
                    self.write_byte(at, *byte);
                }
            }
        }
        Ok(())
    }

    fn intx(&self) -> bool {
        self.asserted() && self.config.intx_allowed()
    }

    fn pending(&self) -> u32 {
        if self.config.bus_master() {
            self.pending
        } else {
            0
        }
    }

    fn delivered(&mut self, mask: u32) {
        self.pending &= !mask;
    }

    fn finish(&mut self, outcome: Infallible) {
        match outcome {}
    }

    fn stop_bytes(&self, _cursor: &u32) -> u64 {
        records::stop_bytes(self)
    }

    fn save(
        &mut self,
        phase: Phase,
        cursor: &mut u32,
        out: &mut Payload<'_>,
    ) -> Result<Option<u16>, Fault> {
        Ok(match phase {
            Phase::PreCopy => None,
            Phase::Stop => records::save(self, cursor, out),
        })
    }

    fn load(
        &mut self,
        held: &mut Self::Held,
        values: &Values,
        tag: u16,
        payload: &[u8],
    ) -> Result<Taken, Flaw> {
        records::load(self, held, values, tag, payload)
    }

    fn complete(&self, held: &Self::Held, values: &Values) -> bool {
        records::complete(self, held, values)
    }

    fn restore(&mut self, held: Self::Held) {
        records::restore(self, held);
    }
}
