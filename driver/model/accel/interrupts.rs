// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Interrupts of the accelerator: which queues have one, and what MSI-X keeps.

use super::{
    PBA,
    QUEUES_MAX,
    TABLE, //
};
use crate::{
    pci::Piece,
    refusal::Flaw,
    stream::wire::{
        Fields,
        Payload, //
    }, //
};

/// Length of an entry of the MSI-X table.
pub(super) const ENTRY_LEN: usize = 16;

const INTERRUPT: u64 = 0x20;
const MASK: u64 = 0x24;

/// Bits of the lower half of a message's address.
const ADDRESS_MASK: u32 = !3;
/// Vector control: the vector is masked.
const CONTROL_MASK: u32 = 1;

/// Message address, data and vector control.
type Entry = [u32; 4];

/// An entry after reset: masked.
const ENTRY: Entry = [0, 0, 0, CONTROL_MASK];

/// Bits of an entry that can be written.
const WRITABLE: Entry = [ADDRESS_MASK, u32::MAX, u32::MAX, CONTROL_MASK];

/// Interrupt registers and the MSI-X table.
///
/// # Invariants
///
/// No bit is set that is no queue's. `pending` is 0 while MSI-X is off. Bits of `table` that cannot be
/// written are 0, and entries that are no queue's as after reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupts {
    count: u8,
    raised: u8,
    mask: u8,
    /// Vectors that are pending.
    pending: u8,
    table: [Entry; QUEUES_MAX],
}

impl Interrupts {
    /// After reset, for `count` queues, 1 to 8.
    pub fn new(count: u8) -> Self {
        Self {
            count,
            raised: 0,
            mask: all(count),
            pending: 0,
            table: [ENTRY; QUEUES_MAX],
        }
    }

    /// What CONTROL does: the table stays.
    pub(super) fn soft_reset(&mut self) {
        self.raised = 0;
        self.mask = all(self.count);
        self.pending = 0;
    }

    /// Queues that are to send a message.
    const fn messages(&self) -> u8 {
        self.raised & !self.mask
    }

    /// Changes something, and latches the messages that this causes.
    fn observe(&mut self, msix: bool, f: impl FnOnce(&mut Self)) {
        let before = self.messages();
        f(self);
        if msix {
            self.pending |= self.messages() & !before;
        }
    }

    /// Queue `index` has an interrupt.
    pub(super) fn raise(&mut self, index: u8, msix: bool) {
        let bit = 1u8.checked_shl(u32::from(index)).unwrap_or(0);
        self.observe(msix, |interrupts| {
            interrupts.raised |= bit & all(interrupts.count);
        });
    }

    /// MSI-X was on or off and is on or off now.
    pub(super) fn switch(&mut self, before: bool, after: bool) {
        match (before, after) {
            (false, true) => self.pending = self.messages(),
            (true, false) => self.pending = 0,
            _ => (),
        }
    }

    /// Vectors that are pending.
    pub(super) fn pending(&self) -> u32 {
        u32::from(self.pending)
    }

    /// The vectors in `mask` were delivered.
    pub(super) fn delivered(&mut self, mask: u32) {
        let [mask, ..] = mask.to_le_bytes();
        self.pending &= !mask;
    }

    /// The register at `at` of the register BAR.
    pub(super) fn read(&self, at: u64) -> u32 {
        match at {
            INTERRUPT => u32::from(self.raised),
            MASK => u32::from(self.mask),
            _ if at == u64::from(PBA) => self.pending(),
            _ => self.entry(at).copied().unwrap_or(0),
        }
    }

    /// Writes a part of a register.
    pub(super) fn write(&mut self, piece: Piece, msix: bool) {
        let [value, ..] = piece.value.to_le_bytes();
        match piece.at {
            INTERRUPT => self.raised &= !value,
            MASK => self.observe(msix, |interrupts| {
                let writable = u32::from(all(interrupts.count));
                let merged = piece.merge(u32::from(interrupts.mask), writable);
                [interrupts.mask, ..] = merged.to_le_bytes();
            }),
            at => {
                let lane = usize::try_from(at % 16 / 4).unwrap_or(0);
                let writable = WRITABLE.get(lane).copied().unwrap_or(0);
                if let Some(dword) = self.entry_mut(at) {
                    *dword = piece.merge(*dword, writable);
                }
            }
        }
    }

    /// The dword of the table at `at` of the register BAR.
    fn entry(&self, at: u64) -> Option<&u32> {
        let at = usize::try_from(at.checked_sub(u64::from(TABLE))?).ok()?;
        let table = self.table.iter().take(usize::from(self.count));
        table.flatten().nth(at / 4)
    }

    fn entry_mut(&mut self, at: u64) -> Option<&mut u32> {
        let at = usize::try_from(at.checked_sub(u64::from(TABLE))?).ok()?;
        let table = self.table.iter_mut().take(usize::from(self.count));
        table.flatten().nth(at / 4)
    }

    /// Writes the payload of record 0x0202.
    pub(super) fn save(&self, out: &mut Payload<'_>) {
        out.bytes(&[self.raised, self.mask, self.pending]);
    }

    /// Writes the payload of record 0x0203.
    pub(super) fn save_table(&self, out: &mut Payload<'_>) {
        let table = self.table.iter().take(usize::from(self.count));
        for dword in table.flatten() {
            out.u32(*dword);
        }
    }

    /// Takes the payload of record 0x0202.
    pub(super) fn load(&mut self, msix: bool, fields: &mut Fields<'_>) -> Result<(), Flaw> {
        let short = Flaw::Field("interrupt record");
        let [raised, mask, pending] = *fields
            .bytes(3)
            .and_then(|bytes| bytes.first_chunk())
            .ok_or(short)?;
        let possible = all(self.count);
        if raised & !possible != 0 {
            Err(Flaw::Field("INTERRUPT"))
        } else if mask & !possible != 0 {
            Err(Flaw::Field("MASK"))
        } else if pending & !possible != 0 || (pending != 0 && !msix) {
            Err(Flaw::Field("pending interrupts"))
        } else {
            // INVARIANT: just checked.
            self.raised = raised;
            self.mask = mask;
            self.pending = pending;
            Ok(())
        }
    }

    /// Takes the payload of record 0x0203.
    pub(super) fn load_table(&mut self, fields: &mut Fields<'_>) -> Result<(), Flaw> {
        for entry in self.table.iter_mut().take(usize::from(self.count)) {
            for (dword, writable) in entry.iter_mut().zip(WRITABLE) {
                let value = fields.u32().ok_or(Flaw::Field("MSI-X table"))?;
                if value & !writable != 0 {
                    return Err(Flaw::Field("MSI-X table"));
                }
                *dword = value;
            }
        }
        Ok(())
    }
}

/// A bit for each of `count` queues.
fn all(count: u8) -> u8 {
    let bits = 1u16.checked_shl(u32::from(count)).unwrap_or(0);
    let [bits, ..] = bits.saturating_sub(1).to_le_bytes();
    bits
}
