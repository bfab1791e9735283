// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Config space in the stream.

use super::{
    Config,
    Layout,
    BAR_MEMORY64,
    COMMAND_MASK,
    MSIX_ENABLE,
    MSIX_MASK,
    REGISTERS_MASK, //
};
use crate::{
    refusal::Flaw,
    stream::wire::{
        Fields,
        Payload, //
    }, //
};

/// Payload of record 0x0201: plain data, untrusted until [`Config::restore`].
///
/// ```text
///  0  u16  COMMAND             6  u64  BAR 2
///  2  u32  BAR 0              14  u8   interrupt line
///                             15  u16  MSI-X control
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigV1 {
    /// COMMAND.
    pub command: u16,
    /// BAR 0.
    pub bar_registers: u32,
    /// BAR 2.
    pub bar_memory: u64,
    /// Interrupt line.
    pub interrupt_line: u8,
    /// MSI-X control.
    pub msix_control: u16,
}

impl ConfigV1 {
    /// Length of the payload.
    pub const LEN: usize = 17;

    /// Appends the payload.
    pub fn write(&self, out: &mut Payload<'_>) {
        let Self {
            command,
            bar_registers,
            bar_memory,
            interrupt_line,
            msix_control,
        } = *self;
        out.u16(command);
        out.u32(bar_registers);
        out.u64(bar_memory);
        out.u8(interrupt_line);
        out.u16(msix_control);
    }

    /// Reads the payload; `None` if it is too short.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            command: fields.u16()?,
            bar_registers: fields.u32()?,
            bar_memory: fields.u64()?,
            interrupt_line: fields.u8()?,
            msix_control: fields.u16()?,
        })
    }
}

impl Config {
    /// What travels.
    pub const fn save(&self) -> ConfigV1 {
        let Self {
            layout: _, // parameters
            command,
            bar_registers,
            bar_memory,
            interrupt_line,
            msix_control,
        } = *self;
        ConfigV1 {
            command,
            bar_registers,
            bar_memory,
            interrupt_line,
            msix_control,
        }
    }

    /// Config space of a card with this layout that has the state `saved`.
    ///
    /// # Errors
    ///
    /// [`Flaw::Field`]: a bit that cannot be written does not have its reset value.
    pub fn restore(layout: Layout, saved: ConfigV1) -> Result<Self, Flaw> {
        let ConfigV1 {
            command,
            bar_registers,
            bar_memory,
            interrupt_line,
            msix_control,
        } = saved;
        if command & !COMMAND_MASK != 0 {
            Err(Flaw::Field("COMMAND"))
        } else if bar_registers & !REGISTERS_MASK != 0 {
            Err(Flaw::Field("BAR 0"))
        } else if bar_memory & !layout.bar_mask() != BAR_MEMORY64 {
            Err(Flaw::Field("BAR 2"))
        } else if msix_control & !(MSIX_ENABLE | MSIX_MASK) != layout.msix_size() {
            Err(Flaw::Field("MSI-X control"))
        } else {
            // INVARIANT: just checked.
            Ok(Self {
                layout,
                command,
                bar_registers,
                bar_memory,
                interrupt_line,
                msix_control,
            })
        }
    }
}
