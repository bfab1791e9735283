// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A state stream, taken apart and put together again, so that a test can break it in one place.
//!
//! Written from the layout that the module docs of the stream describe, not with the driver's
//! own reader: a stream that this cannot read is not as documented.

use vmig_vfio::{Device, TransferError};

/// First bytes of a stream.
pub const MAGIC: [u8; 8] = *b"vmig\r\n\x1a\n";
/// Length of the header.
pub const HEADER: usize = 16;
/// Tag of the model record.
pub const MODEL: u16 = 0x0001;
/// Tag of the parameter record.
pub const PARAMS: u16 = 0x0002;
/// Tag of the last record.
pub const TRAILER: u16 = 0x00ff;
/// Flag of a record that a reader must know.
pub const MANDATORY: u16 = 1;

/// A record without its checksum, which follows from the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it is.
    pub tag: u16,
    /// [`MANDATORY`] or 0.
    pub flags: u16,
    /// What it says.
    pub payload: Vec<u8>,
}

/// A whole stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
    /// All records but the trailer, which follows from the rest.
    pub records: Vec<Record>,
}

impl Stream {
    /// Takes a stream apart.
    ///
    /// # Panics
    ///
    /// If it is not as documented, to the last byte.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Self {
        assert_eq!(bytes[..8], MAGIC);
        assert_eq!(
            bytes[12..16],
            checksum(&bytes[..12]).to_le_bytes(),
            "header checksum"
        );
        let mut records = Vec::new();
        let mut at = HEADER;
        while at < bytes.len() {
            let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            let end = at + 8 + length;
            assert_eq!(
                bytes[end..end + 4],
                checksum(&bytes[at..end]).to_le_bytes(),
                "checksum of the record at byte {at}"
            );
            records.push(Record {
                tag: u16_at(bytes, at),
                flags: u16_at(bytes, at + 2),
                payload: bytes[at + 8..end].to_vec(),
            });
            at = end + 4;
        }
        let trailer = records.pop().expect("a trailer");
        let stream = Self {
            major: u16_at(bytes, 8),
            minor: u16_at(bytes, 10),
            records,
        };
        assert_eq!(trailer, stream.trailer(), "trailer");
        assert_eq!(stream.records[0].tag, MODEL);
        assert_eq!(stream.records[1].tag, PARAMS);
        stream
    }

    /// Puts it together again, with right checksums and a right trailer.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.body();
        self.trailer().encode(&mut bytes);
        bytes
    }

    fn body(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.major.to_le_bytes());
        bytes.extend(self.minor.to_le_bytes());
        bytes.extend(checksum(&bytes).to_le_bytes());
        self.records
            .iter()
            .for_each(|record| record.encode(&mut bytes));
        bytes
    }

    fn trailer(&self) -> Record {
        let count = u32::try_from(self.records.len()).unwrap();
        let bytes = self.body().len() as u64;
        Record {
            tag: TRAILER,
            flags: MANDATORY,
            payload: [&count.to_le_bytes()[..], &bytes.to_le_bytes()].concat(),
        }
    }
}

impl Record {
    /// Appends it, with its checksum.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.extend(self.tag.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(u32::try_from(self.payload.len()).unwrap().to_le_bytes());
        bytes.extend(&self.payload);
        let sum = checksum(&bytes[start..]);
        bytes.extend(sum.to_le_bytes());
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// CRC32C (Castagnoli), bit by bit.
pub fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg())
        })
    })
}

/// Reads the state of a device, which stays as it is.
///
/// # Panics
///
/// If it cannot be saved.
#[track_caller]
pub fn save(device: &Device) -> Vec<u8> {
    let mut stream = Vec::new();
    let bytes = vmig_vfio::save(device, &mut stream, &mut |_| ()).expect("save");
    assert_eq!(bytes, stream.len() as u64);
    stream
}

/// Gives a device a state.
///
/// # Errors
///
/// What [`vmig_vfio::load`] says.
pub fn load(device: &Device, mut stream: &[u8]) -> Result<u64, TransferError> {
    vmig_vfio::load(device, &mut stream, &mut |_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnoli() {
        // RFC 3720, B.4, and the check value of the catalogue of CRCs.
        assert_eq!(checksum(b"123456789"), 0xe306_9283);
        assert_eq!(checksum(&[0; 32]), 0x8a91_36aa);
    }
}
