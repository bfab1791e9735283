// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Descriptors: what a queue is asked to do.
//!
//! ```text
//!  0  u8   operation     8  u64  source         24  u32  result, written by the card
//!  1  u8   flags        16  u64  destination    28  u32  status, written by the card
//!  2  u16  0
//!  4  u32  length
//! ```
//!
//! Little-endian, 32 bytes, aligned to 32 bytes. Flags: bit 0 asks for an interrupt when the descriptor is
//! done; the others are 0. The length is in bytes, from 1 to the size of the device memory. Nothing else
//! has to be aligned.
//!
//! | operation | source | destination | does |
//! |---|---|---|---|
//! | 1 copy in | IOVA | offset | copies from guest memory to device memory |
//! | 2 copy out | offset | IOVA | copies from device memory to guest memory |
//! | 3 copy within | offset | offset | copies in device memory; the ranges do not overlap |
//! | 4 fill | 8 bytes | offset | repeats the source's 8 bytes; the last time perhaps a part of them |
//! | 5 CRC32C | offset | 0 | the result is the checksum (RFC 3720 appendix B.4); needs `checksum=on`, and queue 2 or above |
//!
//! What is written back: for operation 5 the result; then, for each, the status, in an access of its own and
//! after all data. Status:
//!
//! | status | meaning |
//! |---|---|
//! | 01 | done |
//! | 02 | no such operation |
//! | 03 | a field or flag that must be 0 is not |
//! | 04 | the queue has no CRC unit |
//! | 05 | length 0, or more than the device memory |
//! | 06 | the range leaves the device memory |
//! | 07 | the range of IOVAs wraps around |
//! | 08 | the ranges of copy within overlap |
//! | 09 | guest memory: the IOVA is not mapped, or not for this |
//! | 0a | no memory for the device memory |
//!
//! 02 to 08 are found before any data is moved; of several that apply the lowest is told. 09 and 0a come with
//! the data, piece by piece, a piece's source before its destination.

/// Length of a descriptor.
pub const LEN: usize = 32;

/// Length of the part of a descriptor that the card only reads.
pub const REQUEST_LEN: usize = 24;

/// Place of the result in a descriptor.
pub(super) const RESULT: u64 = 24;

/// Place of the status in a descriptor.
pub(super) const STATUS: u64 = 28;

const INTERRUPT: u8 = 1;

/// What the card writes to a descriptor that is done.
pub const DONE: u32 = 0x01;

/// What is wrong with a descriptor or a queue. [`Error::code`] is the number in a
/// status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// No such operation.
    Operation,
    /// A field or flag that must be 0 is not.
    Reserved,
    /// The queue has no CRC unit.
    NoUnit,
    /// Length 0, or more than the device memory.
    Length,
    /// The range leaves the device memory.
    Range,
    /// The range of IOVAs wraps around.
    Wrap,
    /// The ranges of copy within overlap.
    Overlap,
    /// An IOVA of the data is not mapped, or not for this.
    Data,
    /// No memory for the device memory.
    Memory,
    /// Queue: a descriptor cannot be read.
    Fetch,
    /// Queue: result or status cannot be written.
    Complete,
    /// Queue: TAIL is not below SIZE.
    Tail,
    /// Queue: SIZE is not allowed, or the ring wraps around.
    Setup,
}

impl Error {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Operation,
        Self::Reserved,
        Self::NoUnit,
        Self::Length,
        Self::Range,
        Self::Wrap,
        Self::Overlap,
        Self::Data,
        Self::Memory,
        Self::Fetch,
        Self::Complete,
        Self::Tail,
        Self::Setup,
    ];

    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Operation => 0x02,
            Self::Reserved => 0x03,
            Self::NoUnit => 0x04,
            Self::Length => 0x05,
            Self::Range => 0x06,
            Self::Wrap => 0x07,
            Self::Overlap => 0x08,
            Self::Data => 0x09,
            Self::Memory => 0x0a,
            Self::Fetch => 0x10,
            Self::Complete => 0x11,
            Self::Tail => 0x12,
            Self::Setup => 0x13,
        }
    }

    /// The error with this number.
    pub fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.code() == code)
    }

    /// Whether it is written to the descriptor.
    pub(super) const fn is_of_descriptor(self) -> bool {
        self.code() < Self::Fetch.code()
    }
}

/// What a queue can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of device memory.
    pub memory: u64,
    /// There is a CRC unit.
    pub crc: bool,
}

/// What a descriptor asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// From guest memory to device memory.
    CopyIn,
    /// From device memory to guest memory.
    CopyOut,
    /// In device memory.
    CopyWithin,
    /// Repeats 8 bytes.
    Fill,
    /// The checksum of device memory.
    Crc,
}

/// A descriptor that is in order.
///
/// # Invariants
///
/// It is one that [`Descriptor::parse`] takes with the limits of its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// What to do.
    pub operation: Operation,
    /// An interrupt is asked for.
    pub interrupt: bool,
    /// Bytes, at least 1.
    pub length: u32,
    /// Source.
    pub source: u64,
    /// Destination.
    pub destination: u64,
}

impl Descriptor {
    /// Reads what the card only reads of a descriptor.
    ///
    /// # Errors
    ///
    /// The first that applies, in the order of their numbers.
    pub fn parse(bytes: &[u8; REQUEST_LEN], limits: Limits) -> Result<Self, Error> {
        let [operation, flags, zero0, zero1, l0, l1, l2, l3, s0, s1, s2, s3, s4, s5, s6, s7, d0, d1, d2, d3, d4, d5, d6, d7] =
            *bytes;
        let operation = match operation {
            1 => Operation::CopyIn,
            2 => Operation::CopyOut,
            3 => Operation::CopyWithin,
            4 => Operation::Fill,
            5 => Operation::Crc,
            _ => return Err(Error::Operation),
        };
        let descriptor = Self {
            operation,
            interrupt: flags & INTERRUPT != 0,
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            source: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            destination: u64::from_le_bytes([d0, d1, d2, d3, d4, d5, d6, d7]),
        };
        let unused = operation == Operation::Crc && descriptor.destination != 0;
        if flags & !INTERRUPT != 0 || (zero0, zero1) != (0, 0) || unused {
            return Err(Error::Reserved);
        }
        if operation == Operation::Crc && !limits.crc {
            return Err(Error::NoUnit);
        }
        descriptor.check(limits)?;
        // INVARIANT: just checked.
        Ok(descriptor)
    }

    fn check(&self, limits: Limits) -> Result<(), Error> {
        let length = u64::from(self.length);
        if length == 0 || length > limits.memory {
            return Err(Error::Length);
        }
        let inside = |at: u64| {
            let end = at.checked_add(length).filter(|end| *end <= limits.memory);
            end.map(|_| ()).ok_or(Error::Range)
        };
        // The last byte may have the highest address.
        let whole = |at: u64| {
            let last = at.checked_add(length.saturating_sub(1));
            last.map(|_| ()).ok_or(Error::Wrap)
        };
        match self.operation {
            Operation::CopyIn => inside(self.destination).and_then(|()| whole(self.source)),
            Operation::CopyOut => inside(self.source).and_then(|()| whole(self.destination)),
            Operation::CopyWithin => {
                inside(self.source)?;
                inside(self.destination)?;
                if self.source.abs_diff(self.destination) < length {
                    return Err(Error::Overlap);
                }
                Ok(())
            }
            Operation::Fill => inside(self.destination),
            Operation::Crc => inside(self.source),
        }
    }

    /// The bytes that [`Descriptor::parse`] reads.
    pub fn bytes(&self) -> [u8; REQUEST_LEN] {
        let operation = match self.operation {
            Operation::CopyIn => 1,
            Operation::CopyOut => 2,
            Operation::CopyWithin => 3,
            Operation::Fill => 4,
            Operation::Crc => 5,
        };
        let flags = if self.interrupt { INTERRUPT } else { 0 };
        let [l0, l1, l2, l3] = self.length.to_le_bytes();
        let [s0, s1, s2, s3, s4, s5, s6, s7] = self.source.to_le_bytes();
        let [d0, d1, d2, d3, d4, d5, d6, d7] = self.destination.to_le_bytes();
        [
            operation, flags, 0, 0, l0, l1, l2, l3, s0, s1, s2, s3, s4, s5, s6, s7, d0, d1, d2, d3,
            d4, d5, d6, d7,
        ]
    }
}
