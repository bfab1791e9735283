// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Config space and registers: what all models have in common.
//!
//! PCI Local Bus Specification 3.0, sections 6.1 and 6.2; `include/uapi/linux/pci_regs.h`. Registers are
//! kept as dwords, little-endian; an access of any width and alignment is split into pieces of them.

/// Size of config space.
pub const CONFIG_LEN: u64 = 256;

/// COMMAND: memory space.
pub(crate) const COMMAND_MEMORY: u16 = 1 << 1;
/// COMMAND: Bus Master.
pub(crate) const COMMAND_MASTER: u16 = 1 << 2;
/// COMMAND: INTx disable.
pub(crate) const COMMAND_INTX_DISABLE: u16 = 1 << 10;

/// STATUS: an interrupt is there.
pub(crate) const STATUS_INTERRUPT: u16 = 1 << 3;
/// STATUS: there is a list of capabilities.
pub(crate) const STATUS_CAPABILITIES: u16 = 1 << 4;

/// Part of a dword that an access covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Offset of the dword.
    pub(crate) at: u64,
    /// Bits of the dword that are covered.
    pub(crate) mask: u32,
    /// What is written to them; other bits are 0.
    pub(crate) value: u32,
}

impl Piece {
    /// As much of `data`, which is written at `at`, as the dword there has.
    fn new(at: u64, data: &[u8]) -> Self {
        let (mut mask, mut value) = ([0; 4], [0; 4]);
        let lanes = mask.iter_mut().zip(&mut value).skip(lane(at));
        for ((mask, value), byte) in lanes.zip(data) {
            *mask = 0xff;
            *value = *byte;
        }
        Self {
            at: at & !3,
            mask: u32::from_le_bytes(mask),
            value: u32::from_le_bytes(value),
        }
    }

    /// `old` with the bits of `writable` that are covered replaced by the new ones.
    pub(crate) const fn merge(&self, old: u32, writable: u32) -> u32 {
        let mask = self.mask & writable;
        (old & !mask) | (self.value & mask)
    }

    /// Whether the whole dword is covered.
    pub(crate) const fn is_whole(&self) -> bool {
        self.mask == u32::MAX
    }
}

/// The pieces of a write of `data` at `at`, in ascending order.
pub(crate) fn pieces(at: u64, data: &[u8]) -> impl Iterator<Item = Piece> + use<'_> {
    let first = 4usize.saturating_sub(lane(at)).min(data.len());
    let (head, rest) = data.split_at_checked(first).unwrap_or((data, &[]));
    let head = (!head.is_empty()).then(|| Piece::new(at, head));
    let next = (at & !3).saturating_add(4);
    let rest = rest.chunks(4).zip((next..).step_by(4));
    let rest = rest.map(|(bytes, at)| Piece::new(at, bytes));
    head.into_iter().chain(rest)
}

/// Fills `data` with the bytes from `at` on of the dwords that `dword` gives for their offsets.
pub(crate) fn read(at: u64, data: &mut [u8], dword: impl Fn(u64) -> u32) {
    for (at, byte) in (at..).zip(data) {
        let bytes = dword(at & !3).to_le_bytes();
        *byte = bytes.get(lane(at)).copied().unwrap_or(0);
    }
}

/// Place of the byte at `at` in its dword.
fn lane(at: u64) -> usize {
    usize::try_from(at & 3).unwrap_or(0)
}

/// The dword of two halves.
pub(crate) fn join(low: u16, high: u16) -> u32 {
    let ([a, b], [c, d]) = (low.to_le_bytes(), high.to_le_bytes());
    u32::from_le_bytes([a, b, c, d])
}

/// The halves of a dword.
pub(crate) fn halves(value: u32) -> (u16, u16) {
    let [a, b, c, d] = value.to_le_bytes();
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}

/// The quadword of two halves.
pub(crate) fn join64(low: u32, high: u32) -> u64 {
    let ([a, b, c, d], [e, f, g, h]) = (low.to_le_bytes(), high.to_le_bytes());
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The halves of a quadword.
pub(crate) fn halves64(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}
