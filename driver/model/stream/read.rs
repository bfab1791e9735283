// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A whole stream in memory, taken apart: for people and tests. The engine does not use it.

use core::marker::PhantomData;

use super::{
    payload,
    Head,
    Header,
    HEADER_LEN,
    HEAD_LEN,
    TRAILER, //
};
use crate::{
    crc::Crc32c,
    refusal::Refusal, //
};

/// A record whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset in the stream, in bytes.
    pub at: usize,
    /// Its tag.
    pub tag: u16,
    /// A reader that does not know the tag must refuse the stream.
    pub mandatory: bool,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The records of a stream in order, the trailer included. The iterator ends after the trailer or the
/// first error; what the records mean is not judged.
#[derive(Clone, Debug)]
pub struct Records<'a, C> {
    stream: &'a [u8],
    at: usize,
    ended: bool,
    crc: PhantomData<fn() -> C>,
}

/// Reads the header of `stream`; the records follow from the iterator.
///
/// # Errors
///
/// A header that is not this major version's.
pub fn records<C: Crc32c>(stream: &[u8]) -> Result<(Header, Records<'_, C>), Refusal> {
    let header = stream.get(..HEADER_LEN).unwrap_or(stream);
    let header = Header::parse::<C>(header)?;
    let records = Records {
        stream,
        at: HEADER_LEN,
        ended: false,
        crc: PhantomData,
    };
    Ok((header, records))
}

impl<'a, C: Crc32c> Records<'a, C> {
    fn record(&self) -> Result<(Record<'a>, usize), Refusal> {
        let at = u64::try_from(self.at).unwrap_or(u64::MAX);
        let end = u64::try_from(self.stream.len()).unwrap_or(u64::MAX);
        let truncated = Refusal::Truncated { at: end };
        let flawed = |flaw| Refusal::Record { at, flaw };
        let left = self.stream.get(self.at..).unwrap_or_default();
        let head = left.get(..HEAD_LEN).ok_or(truncated)?;
        let head = Head::parse(head, usize::MAX).map_err(flawed)?;
        let record = left.get(..head.record_len()).ok_or(truncated)?;
        let record = Record {
            at: self.at,
            tag: head.tag,
            mandatory: head.is_mandatory(),
            payload: payload::<C>(&head, record).map_err(flawed)?,
        };
        Ok((record, self.at.saturating_add(head.record_len())))
    }
}

impl<'a, C: Crc32c> Iterator for Records<'a, C> {
    type Item = Result<Record<'a>, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.record().and_then(|(record, next)| {
            let at = u64::try_from(next).unwrap_or(u64::MAX);
            let trailing = record.tag == TRAILER && next < self.stream.len();
            if trailing {
                return Err(Refusal::Trailing { at });
            }
            Ok((record, next))
        });
        Some(match read {
            Ok((record, next)) => {
                self.at = next;
                self.ended = record.tag == TRAILER;
                Ok(record)
            }
            Err(refusal) => {
                self.ended = true;
                Err(refusal)
            }
        })
    }
}
