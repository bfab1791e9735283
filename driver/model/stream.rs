// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The state stream: how the state of a device travels.
//!
//! Everything is little-endian. A stream is a header, then records, the last of which is the trailer;
//! nothing follows it.
//!
//! ```text
//! header    0  u8[8] magic "vmig\r\n\x1a\n"
//!           8  u16   major version, 1
//!          10  u16   minor version, 0
//!          12  u32   CRC32C of bytes 0 to 11
//!
//! record    0  u16   tag
//!           2  u16   flags: bit 0 mandatory, others 0
//!           4  u32   length n of the payload
//!           8  u8[n] payload
//!         8+n  u32   CRC32C of bytes 0 to 7+n
//! ```
//!
//! | order | tag | record | payload |
//! |---|---|---|---|
//! | first | 0x0001 | model | device model string, 1 to 255 bytes of UTF-8 |
//! | second | 0x0002 | parameters | see below |
//! | then | 0x0100.. | state records of the model | see the model's data sheet |
//! | last | 0x00ff | trailer | u32 number of records before it, u64 number of bytes before it |
//!
//! ```text
//! parameters  u16 count, then per parameter, in the byte order of the names:
//!             u8 type (0 bool, 1 int, 2 str), u8 length of the name, name,
//!             bool: u8 0 or 1; int: u64; str: u16 length, text
//! ```
//!
//! The parameter record carries the source's migration parameter list, runtime parameters included;
//! off values may be left out. A source whose runtime parameters change in pre-copy sends another
//! parameter record, before the first state record of the stopped device.
//!
//! # What a reader does
//!
//! - The header and the first two records alone are enough to refuse a wrong destination.
//! - A payload has at most 4,096 bytes, or what the model's data sheet allows for its own records.
//! - All records named here are mandatory. Each occurs once (but for the parameter record), in this
//!   order.
//! - **Minor versions**: a newer minor version only adds tags. An unknown tag without the mandatory
//!   flag is skipped, after its CRC was checked; it may stand anywhere between the parameter record
//!   and the trailer. Hence a reader accepts every minor version. An unknown tag with the mandatory
//!   flag is refused, and so is another major version (`Class::Unsupported`).
//! - What a writer of a newer version adds is mandatory if the state is not whole without it. Any
//!   other change (a field of a record that exists, the order, a meaning) is a new tag or another
//!   major version. The generation of the writer is not in the stream: the list says it all.
//! - Whatever else is wrong is `Class::Malformed`; another model or parameter list is
//!   `Class::Mismatch`. A refused stream stays refused.

pub mod params;
pub mod wire;

use crate::{
    crc::{
        checksum,
        Crc32c, //
    },
    refusal::{
        Flaw,
        Refusal, //
    },
};

/// First bytes of a stream. The line ends and the control character show damage by text transfer.
pub const MAGIC: [u8; 8] = *b"vmig\r\n\x1a\n";

/// Major version that is written, and the only one that is read.
pub const MAJOR: u16 = 1;

/// Minor version that is written; every one is read.
pub const MINOR: u16 = 0;

/// Length of the header.
pub const HEADER_LEN: usize = 16;

/// Length of a record without its payload.
pub const OVERHEAD: usize = 12;

/// Length of what stands before the payload of a record.
pub const HEAD_LEN: usize = 8;

/// Largest payload of a record that no data sheet gives more.
pub const PAYLOAD_MAX: usize = 4096;

/// Record flag: a reader that does not know the tag refuses the stream.
pub const MANDATORY: u16 = 1;

/// Tag of the model record.
pub const MODEL: u16 = 0x0001;

/// Tag of the parameter record.
pub const PARAMS: u16 = 0x0002;

/// Tag of the trailer.
pub const TRAILER: u16 = 0x00ff;

/// Length of the trailer's payload.
pub const TRAILER_LEN: usize = 12;

/// Versions in the header of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
}

impl Header {
    /// The header that is written.
    pub fn bytes<C: Crc32c>() -> [u8; HEADER_LEN] {
        let [m0, m1, m2, m3, m4, m5, m6, m7] = MAGIC;
        let [a0, a1] = MAJOR.to_le_bytes();
        let [b0, b1] = MINOR.to_le_bytes();
        let summed = [m0, m1, m2, m3, m4, m5, m6, m7, a0, a1, b0, b1];
        let [c0, c1, c2, c3] = checksum::<C>(&summed).to_le_bytes();
        [
            m0, m1, m2, m3, m4, m5, m6, m7, a0, a1, b0, b1, c0, c1, c2, c3,
        ]
    }

    /// Reads a header. The major version is judged before the checksum, whose place the next one may
    /// change.
    pub fn parse<C: Crc32c>(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = wire::Fields::new(bytes);
        let magic = fields.bytes(MAGIC.len());
        let versions = fields.u16().zip(fields.u16());
        let (Some(magic), Some((major, minor))) = (magic, versions) else {
            return Err(Refusal::Truncated { at: 0 });
        };
        if magic != MAGIC {
            return Err(Refusal::Magic);
        }
        if major != MAJOR {
            return Err(Refusal::Major { stream: major });
        }
        let summed = bytes.get(..12).unwrap_or_default();
        if fields.u32() != Some(checksum::<C>(summed)) || !fields.is_empty() {
            return Err(Refusal::HeaderChecksum);
        }
        Ok(Self { major, minor })
    }
}

/// What stands before the payload of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Tag.
    pub tag: u16,
    /// Flags.
    pub flags: u16,
    /// Length of the payload, in bytes.
    pub len: usize,
}

impl Head {
    /// Whether a reader that does not know the tag must refuse the stream.
    pub const fn is_mandatory(&self) -> bool {
        self.flags & MANDATORY != 0
    }

    /// Reads the first [`HEAD_LEN`] bytes of a record; the payload may have at most `limit` bytes.
    pub fn parse(bytes: &[u8], limit: usize) -> Result<Self, Flaw> {
        let mut fields = wire::Fields::new(bytes);
        let (Some(tag), Some(flags), Some(len)) = (fields.u16(), fields.u16(), fields.u32()) else {
            return Err(Flaw::Short);
        };
        if flags & !MANDATORY != 0 {
            return Err(Flaw::Flags { tag, flags });
        }
        match usize::try_from(len) {
            Ok(len) if len <= limit => Ok(Self { tag, flags, len }),
            _ => Err(Flaw::Length { tag, len }),
        }
    }

    /// Length of the whole record.
    pub const fn record_len(&self) -> usize {
        self.len.saturating_add(OVERHEAD)
    }
}

/// The payload of a whole record with the head `head`, if its checksum is right.
pub fn payload<'r, C: Crc32c>(head: &Head, record: &'r [u8]) -> Result<&'r [u8], Flaw> {
    let end = head.len.saturating_add(HEAD_LEN);
    let (Some(summed), Some(sum)) = (record.get(..end), record.get(end..)) else {
        return Err(Flaw::Short);
    };
    if sum != checksum::<C>(summed).to_le_bytes().as_slice() {
        return Err(Flaw::Checksum { tag: head.tag });
    }
    summed.get(HEAD_LEN..).ok_or(Flaw::Short)
}

/// Writes a record to the front of `out`: `fill` adds the payload and returns the tag. Returns the
/// length of the record; 0 if `fill` had nothing to write, `None` if there is not enough room.
pub(crate) fn write_record<C: Crc32c>(
    out: &mut [u8],
    fill: impl FnOnce(&mut wire::Payload<'_>) -> Option<u16>,
) -> Option<usize> {
    let room = out.get_mut(HEAD_LEN..)?;
    let mut payload = wire::Payload::new(room);
    let Some(tag) = fill(&mut payload) else {
        return Some(0);
    };
    let len = payload.finish()?;
    let end = len.checked_add(HEAD_LEN)?;

    let mut head = wire::Payload::new(out.get_mut(..HEAD_LEN)?);
    head.u16(tag);
    head.u16(MANDATORY);
    head.u32(u32::try_from(len).ok()?);
    head.finish()?;
    let sum = checksum::<C>(out.get(..end)?);
    let mut tail = wire::Payload::new(out.get_mut(end..)?);
    tail.u32(sum);
    tail.finish()?;
    end.checked_add(4)
}
