// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Config space in the stream.

use super::{
    Config,
    BAR_IO,
    COMMAND_MASK,
    MSI_64BIT,
    MSI_ADDRESS_MASK,
    MSI_ENABLE, //
};
use crate::{
    refusal::Flaw,
    stream::wire::{
        Fields,
        Payload, //
    }, //
};

/// Payload of record 0x0101: plain data, untrusted until [`Config::restore`].
///
/// ```text
///  0  u16  COMMAND            7  u16  MSI control
///  2  u32  BAR 0              9  u32  MSI address, lower half
///  6  u8   interrupt line    13  u32  MSI address, upper half
///                            17  u16  MSI data
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigV1 {
    /// COMMAND.
    pub command: u16,
    /// BAR 0.
    pub bar: u32,
    /// Interrupt line.
    pub interrupt_line: u8,
    /// MSI control.
    pub msi_control: u16,
    /// Lower half of the MSI address.
    pub msi_address_low: u32,
    /// Upper half of the MSI address.
    pub msi_address_high: u32,
    /// MSI data.
    pub msi_data: u16,
}

impl ConfigV1 {
    /// Length of the payload.
    pub const LEN: usize = 19;

    /// Appends the payload.
    pub fn write(&self, out: &mut Payload<'_>) {
        let Self {
            command,
            bar,
            interrupt_line,
            msi_control,
            msi_address_low,
            msi_address_high,
            msi_data,
        } = *self;
        out.u16(command);
        out.u32(bar);
        out.u8(interrupt_line);
        out.u16(msi_control);
        out.u32(msi_address_low);
        out.u32(msi_address_high);
        out.u16(msi_data);
    }

    /// Reads the payload; `None` if it is too short.
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            command: fields.u16()?,
            bar: fields.u32()?,
            interrupt_line: fields.u8()?,
            msi_control: fields.u16()?,
            msi_address_low: fields.u32()?,
            msi_address_high: fields.u32()?,
            msi_data: fields.u16()?,
        })
    }
}

impl Config {
    /// What travels.
    pub const fn save(&self) -> ConfigV1 {
        let Self {
            ports: _, // a parameter
            command,
            bar,
            interrupt_line,
            msi_control,
            msi_address_low,
            msi_address_high,
            msi_data,
        } = *self;
        ConfigV1 {
            command,
            bar,
            interrupt_line,
            msi_control,
            msi_address_low,
            msi_address_high,
            msi_data,
        }
    }

    /// Config space of a card with `ports` ports that has the state `saved`.
    ///
    /// # Errors
    ///
    /// [`Flaw::Field`]: a bit that cannot be written does not have its reset value.
    pub fn restore(ports: usize, saved: ConfigV1) -> Result<Self, Flaw> {
        let ConfigV1 {
            command,
            bar,
            interrupt_line,
            msi_control,
            msi_address_low,
            msi_address_high,
            msi_data,
        } = saved;
        let config = Self {
            ports,
            command,
            bar,
            interrupt_line,
            msi_control,
            msi_address_low,
            msi_address_high,
            msi_data,
        };
        if command & !COMMAND_MASK != 0 {
            Err(Flaw::Field("COMMAND"))
        } else if bar & !config.bar_mask() != BAR_IO {
            Err(Flaw::Field("BAR 0"))
        } else if msi_control & !MSI_ENABLE != MSI_64BIT {
            Err(Flaw::Field("MSI control"))
        } else if msi_address_low & !MSI_ADDRESS_MASK != 0 {
            Err(Flaw::Field("MSI address"))
        } else {
            // INVARIANT: just checked.
            Ok(config)
        }
    }
}
