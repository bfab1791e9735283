// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Device memory as records of a stream, and back.

use super::build::bytes;
use crate::{
    device::Left,
    memory::{
        Full,
        Memory,
        PAGE, //
    },
    params::Value,
    refusal::Flaw,
    stream::{
        wire::{
            Fields,
            Payload, //
        },
        OVERHEAD, //
    },
    types::DeviceType,
    values::Values, //
};

/// Tag of a record of pages.
const PAGES: u16 = 0x0220;
/// Tag of a record of zero pages.
const ZEROS: u16 = 0x0221;

/// Most pages in a record of pages.
const PAGES_MAX: usize = 16;

/// Most pages in a record of zero pages, and as many are looked at for one: 1 MiB.
const ZEROS_MAX: u32 = 256;

/// Number of the first page, in front of the pages.
const HEAD_LEN: usize = 4;

/// Longest payload.
pub(super) const PAYLOAD_MAX: usize = HEAD_LEN.saturating_add(PAGES_MAX.saturating_mul(PAGE));

/// What a page takes at most.
const PAGE_COST: usize = PAGE.saturating_add(HEAD_LEN).saturating_add(OVERHEAD);

static ZERO: [u8; PAGE] = [0; PAGE];

/// Whether zero pages travel as headers.
pub(super) fn codec_is_zero(ty: &DeviceType, values: &Values) -> bool {
    let codec = ty.index("codec").and_then(|i| values.get(i));
    codec == Some(Value::Str("zero"))
}

/// Whether `tag` is that of a record of device memory.
pub(super) const fn is_tag(tag: u16) -> bool {
    matches!(tag, PAGES | ZEROS)
}

/// How far a session has come: all touched pages once, then those that became dirty since, round by round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// All touched pages were taken once.
    walked: bool,
    /// Where the next page is looked for, in this round.
    from: u32,
    /// A page that was taken, and is not in a record yet.
    kept: Option<u32>,
}

impl Cursor {
    /// Takes the next page that has to be sent.
    fn next(&mut self, memory: &impl Memory) -> Option<u32> {
        if let Some(page) = self.kept.take() {
            return Some(page);
        }
        if !self.walked {
            // What was written to it before is sent now, and need not be once more.
            if let Some(page) = memory.take_touched(self.from) {
                self.from = page.saturating_add(1);
                return Some(page);
            }
            self.walked = true;
            self.from = 0;
        }
        let page = memory.take_dirty(self.from).or_else(|| match self.from {
            0 => None,
            _ => memory.take_dirty(0),
        })?;
        self.from = page.saturating_add(1);
        Some(page)
    }

    /// The page `due`, if it is the next one; another one is kept.
    fn next_is(&mut self, memory: &impl Memory, due: u32) -> bool {
        let next = self.next(memory);
        self.kept = next.filter(|page| *page != due);
        next == Some(due)
    }

    /// What is left to send.
    pub(super) fn left(&self, memory: &impl Memory) -> Left {
        let kept = u64::from(self.kept.is_some());
        let cost = u64::try_from(PAGE_COST).unwrap_or(u64::MAX);
        let dirty = memory.dirty(0);
        let (initial, dirty) = if self.walked {
            (0, u64::from(dirty).saturating_add(kept))
        } else {
            // What is dirty and was not taken yet goes with the first round.
            let again = dirty.saturating_sub(memory.dirty(self.from));
            let first = memory.touched(self.from);
            (u64::from(first).saturating_add(kept), u64::from(again))
        };
        Left {
            initial: initial.saturating_mul(cost),
            dirty: dirty.saturating_mul(cost),
        }
    }
}

/// Writes the next record and returns its tag; `None` if no page has to be sent (now).
pub(super) fn save(
    memory: &impl Memory,
    zero: bool,
    cursor: &mut Cursor,
    out: &mut Payload<'_>,
) -> Option<u16> {
    let first = cursor.next(memory)?;
    out.u32(first);
    // Only a buffer that is too short has no space; then the record as a whole fails.
    let page = read(memory, first, out)?;
    if zero && is_zero(page) {
        out.take_back(PAGE);
        let count = save_zeros(memory, first, cursor, out)?;
        out.u32(count);
        return Some(ZEROS);
    }
    for due in (first..).take(PAGES_MAX).skip(1) {
        if !cursor.next_is(memory, due) {
            break;
        }
        let page = read(memory, due, out)?;
        if zero && is_zero(page) {
            out.take_back(PAGE);
            cursor.kept = Some(due);
            break;
        }
    }
    Some(PAGES)
}

/// Takes zero pages after `first`, which is one, with `out` to look at them. Returns their number.
fn save_zeros(
    memory: &impl Memory,
    first: u32,
    cursor: &mut Cursor,
    out: &mut Payload<'_>,
) -> Option<u32> {
    for count in 1..ZEROS_MAX {
        let due = first.saturating_add(count);
        if !cursor.next_is(memory, due) {
            return Some(count);
        }
        let zero = is_zero(read(memory, due, out)?);
        out.take_back(PAGE);
        if !zero {
            cursor.kept = Some(due);
            return Some(count);
        }
    }
    Some(ZEROS_MAX)
}

/// Appends a page.
fn read<'p>(memory: &impl Memory, page: u32, out: &'p mut Payload<'_>) -> Option<&'p [u8]> {
    let space = out.space(PAGE)?;
    memory.read(bytes(page), space);
    Some(space)
}

/// Whether there are only zeros, 16 bytes at a time.
fn is_zero(page: &[u8]) -> bool {
    let mut chunks = page.chunks_exact(16);
    let whole = chunks.all(|chunk| {
        let chunk = chunk.first_chunk().copied();
        chunk.map(u128::from_ne_bytes) == Some(0)
    });
    whole && chunks.remainder().iter().all(|byte| *byte == 0)
}

/// Takes a record, with `zero` if zero pages may travel as headers. Nobody sees the memory yet.
pub(super) fn load(memory: &impl Memory, zero: bool, tag: u16, payload: &[u8]) -> Result<(), Flaw> {
    let mut fields = Fields::new(payload);
    let first = fields.u32().ok_or(Flaw::Field("memory record"))?;
    if tag == PAGES {
        let pages = payload.get(HEAD_LEN..).unwrap_or_default();
        let count = pages.len() / PAGE;
        if pages.len() % PAGE != 0 || !(1..=PAGES_MAX).contains(&count) {
            return Err(Flaw::Field("memory record"));
        }
        expect_range(memory, first, u32::try_from(count).unwrap_or(u32::MAX))?;
        let written = memory.write(bytes(first), pages);
        return written.map_err(|Full| Flaw::NoMemory);
    }
    if !zero {
        return Err(Flaw::OutOfPlace { tag });
    }
    let count = fields.u32().ok_or(Flaw::Field("memory record"))?;
    if !fields.is_empty() || !(1..=ZEROS_MAX).contains(&count) {
        return Err(Flaw::Field("memory record"));
    }
    let end = expect_range(memory, first, count)?;
    let mut from = first;
    while let Some(page) = memory.next_touched(from).filter(|page| *page < end) {
        let written = memory.write(bytes(page), &ZERO);
        written.map_err(|Full| Flaw::NoMemory)?;
        from = page.saturating_add(1);
    }
    Ok(())
}

/// The end of the range, if the memory has it.
fn expect_range(memory: &impl Memory, first: u32, count: u32) -> Result<u32, Flaw> {
    let end = first.checked_add(count);
    end.filter(|end| *end <= memory.pages())
        .ok_or(Flaw::Field("memory range"))
}
