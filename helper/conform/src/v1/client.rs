// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A user of the migration region, who goes about it as QEMU 5.2 to 7.2 do.

use vmig_vfio::{
    Area,
    Errno,
    Error,
    Region, //
};

use crate::{
    bench::{
        Bench,
        Subject, //
    },
    verdict::{
        broken,
        check,
        errno_shown,
        error_shown,
        skip,
        Call,
        Unheld, //
    },
};

/// `VFIO_REGION_TYPE_MIGRATION_DEPRECATED` and its one subtype.
const KIND: (u32, u32) = (3, 1);

/// Where `device_state` is.
pub(super) const STATE: u64 = 0;
/// Where `reserved` is.
pub(super) const RESERVED: u64 = 4;
/// Where `pending_bytes` is.
pub(super) const PENDING: u64 = 8;
/// Where `data_offset` is.
pub(super) const DATA_OFFSET: u64 = 16;
/// Where `data_size` is.
pub(super) const DATA_SIZE: u64 = 24;
/// Size of the structure; the data section comes later.
pub(super) const HEADER: u64 = 32;

/// 000b.
pub(super) const STOP: u32 = 0b000;
/// 001b.
pub(super) const RUNNING: u32 = 0b001;
/// 010b.
pub(super) const STOP_COPY: u32 = 0b010;
/// 011b.
pub(super) const PRE_COPY: u32 = 0b011;
/// 100b.
pub(super) const RESUMING: u32 = 0b100;
/// 110b.
pub(super) const ERROR: u32 = 0b110;

/// The states that a user can ask for.
pub(super) const STATES: [u32; 5] = [STOP, RUNNING, STOP_COPY, PRE_COPY, RESUMING];

/// The bits that are a state.
const MASK: u32 = 0b111;

/// The most that is held in memory.
const LIMIT: usize = 256 << 20;

/// The transactions of a saved state, in order.
pub(super) type Transactions = Vec<Vec<u8>>;

/// A device with a migration region.
pub(super) struct Old {
    pub(super) subject: Subject,
    index: u32,
}

/// A state in words.
pub(super) fn name(state: u32) -> String {
    format!("{state:03b}b")
}

impl Old {
    /// Opens the device in 001b; skips the statement if there is no migration region.
    pub(super) fn open(bench: &Bench) -> Result<Self, Unheld> {
        let old = Self::open_fresh(bench)?;
        if old.state()? != RUNNING {
            old.restart()?;
        }
        Ok(old)
    }

    /// [`Self::open`], in the state that the driver gives a device at open.
    pub(super) fn open_fresh(bench: &Bench) -> Result<Self, Unheld> {
        let subject = bench.open_plain()?;
        let count = subject.info().must("VFIO_DEVICE_GET_INFO")?.regions;
        let index = (0..count).find(|&index| {
            let info = subject.region_info(index);
            info.is_ok_and(|info| info.kind() == Some(KIND))
        });
        let index = index.ok_or_else(|| skip("the device has no migration region"))?;
        subject.touch();
        Ok(Self { subject, index })
    }

    /// Closes the device as it is, without a reset.
    pub(super) fn close(self) {
        self.subject.close();
    }

    /// Index of the region.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    pub(super) fn region(&self) -> Result<Region<'_>, Unheld> {
        let region = self.subject.device()?.region(self.index);
        region.must("VFIO_DEVICE_GET_REGION_INFO of the migration region")
    }

    /// The parts that can be mapped.
    pub(super) fn mappable(&self) -> Result<Vec<Area>, Unheld> {
        Ok(self.region()?.info().mappable())
    }

    fn u64_at(&self, offset: u64, what: &str) -> Result<u64, Unheld> {
        self.region()?
            .read_u64(offset)
            .must(&format!("reading {what}"))
    }

    /// All of `device_state`.
    pub(super) fn raw_state(&self) -> Result<u32, Unheld> {
        self.region()?.read_u32(STATE).must("reading device_state")
    }

    pub(super) fn state(&self) -> Result<u32, Unheld> {
        Ok(self.raw_state()? & MASK)
    }

    /// Broken unless the device is in this state.
    pub(super) fn at(&self, state: u32, when: &str) -> Result<(), Unheld> {
        let seen = self.state()?;
        check(
            seen == state,
            format!("{} {when}", name(state)),
            format!("{} {when}", name(seen)),
        )
    }

    /// Asks for a state by read-modify-write. The result is that of the write.
    pub(super) fn ask(&self, state: u32) -> Result<Result<(), Error>, Unheld> {
        let raw = self.raw_state()?;
        Ok(self.region()?.write_u32(STATE, raw & !MASK | state))
    }

    /// Takes the device to a state; it must work.
    pub(super) fn set(&self, state: u32) -> Result<(), Unheld> {
        let what = format!("writing {} to device_state", name(state));
        self.ask(state)?.must(&what)?;
        self.at(state, &format!("after {what}"))
    }

    pub(super) fn restart(&self) -> Result<(), Unheld> {
        self.subject.reset().must("VFIO_DEVICE_RESET")?;
        self.at(RUNNING, "after VFIO_DEVICE_RESET")
    }

    /// Resets the device and takes it to a state.
    pub(super) fn enter(&self, state: u32) -> Result<(), Unheld> {
        self.restart()?;
        match state {
            RUNNING => Ok(()),
            _ => self.set(state),
        }
    }

    pub(super) fn pending(&self) -> Result<u64, Unheld> {
        self.u64_at(PENDING, "pending_bytes")
    }

    pub(super) fn data_offset(&self) -> Result<u64, Unheld> {
        self.u64_at(DATA_OFFSET, "data_offset")
    }

    pub(super) fn data_size(&self) -> Result<u64, Unheld> {
        self.u64_at(DATA_SIZE, "data_size")
    }

    /// Where the current buffer is: `data_offset` and `data_size`, in that order, checked.
    pub(super) fn buffer(&self) -> Result<(u64, usize), Unheld> {
        let (offset, size) = (self.data_offset()?, self.data_size()?);
        let end = self.region()?.info().size;
        check(
            offset >= HEADER && offset.checked_add(size).is_some_and(|last| last <= end),
            format!("a buffer between {HEADER} and the region's end, {end}"),
            format!("data_offset {offset}, data_size {size}"),
        )?;
        match usize::try_from(size) {
            Ok(size) if size <= LIMIT => Ok((offset, size)),
            _ => Err(skip("the data section is larger than 256 MiB")),
        }
    }

    /// Reads data by system calls.
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, Unheld> {
        let region = self.region()?;
        let mut data = vec![0; len];
        let mut at = offset;
        let mut rest = data.as_mut_slice();
        while !rest.is_empty() {
            let (piece, left) = rest.split_at_mut(width(at, rest.len()));
            let n = region.read_at(at, piece).must("reading the data section")?;
            let expected = format!("{} bytes of the data section", piece.len());
            check(n == piece.len(), expected, n.to_string())?;
            at += n as u64;
            rest = left;
        }
        Ok(data)
    }

    /// Writes data by system calls; the errno of the first refusal.
    pub(super) fn write(&self, offset: u64, data: &[u8]) -> Result<Result<(), Errno>, Unheld> {
        let region = self.region()?;
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let (piece, left) = rest.split_at(width(at, rest.len()));
            if let Err(error) = region.write(at, piece) {
                return errno(error).map(Err);
            }
            at += piece.len() as u64;
            rest = left;
        }
        Ok(Ok(()))
    }

    /// One round of reading, if there is something pending: steps a to d of the sequence.
    pub(super) fn round(&self) -> Result<Option<Vec<u8>>, Unheld> {
        if self.pending()? == 0 {
            return Ok(None);
        }
        let (offset, len) = self.buffer()?;
        self.read(offset, len).map(Some)
    }

    /// Rounds until nothing is pending.
    pub(super) fn drain(&self, bench: &Bench) -> Result<Transactions, Unheld> {
        let mut transactions = Vec::new();
        let mut bytes = 0;
        while let Some(data) = self.round()? {
            bytes += data.len();
            if bytes > LIMIT || !bench.has_time() {
                return Err(skip(format!("more than {bytes} bytes, or no end in time")));
            }
            transactions.push(data);
        }
        Ok(transactions)
    }

    /// The state of the device, which is in 001b before and after.
    pub(super) fn save(&self, bench: &Bench) -> Result<Transactions, Unheld> {
        self.set(STOP_COPY)?;
        let transactions = self.drain(bench)?;
        self.set(STOP)?;
        self.set(RUNNING)?;
        Ok(transactions)
    }

    /// [`Self::save`], for statements that need something to be there.
    pub(super) fn save_some(&self, bench: &Bench) -> Result<Transactions, Unheld> {
        let transactions = self.save(bench)?;
        match transactions.iter().all(Vec::is_empty) {
            false => Ok(transactions),
            true => Err(skip("the device saves nothing")),
        }
    }

    /// Gives one transaction to a device in 100b: steps a to c of the sequence.
    pub(super) fn give(&self, data: &[u8]) -> Result<Result<(), Errno>, Unheld> {
        let region = self.region()?;
        let offset = match region.read_u64(DATA_OFFSET) {
            Ok(offset) => offset,
            Err(error) => return errno(error).map(Err),
        };
        if let Err(errno) = self.write(offset, data)? {
            return Ok(Err(errno));
        }
        match region.write_u64(DATA_SIZE, data.len() as u64) {
            Ok(()) => Ok(Ok(())),
            Err(error) => errno(error).map(Err),
        }
    }

    /// What the device says of these transactions: the first refusal, or that of the write of 001b.
    pub(super) fn feed<'d>(
        &self,
        transactions: impl IntoIterator<Item = &'d [u8]>,
    ) -> Result<Judged, Unheld> {
        self.enter(RESUMING)?;
        for data in transactions {
            if let Err(errno) = self.give(data)? {
                return Ok(Judged::InLoop(errno));
            }
        }
        Ok(match self.ask(RUNNING)? {
            Ok(()) => Judged::Accepted,
            Err(error) => Judged::AtEnd(errno(error)?),
        })
    }

    /// Feeds good transactions, which must be taken; the device is in 001b then.
    pub(super) fn load(&self, transactions: &Transactions, what: &str) -> Result<(), Unheld> {
        let judged = self.feed(transactions.iter().map(Vec::as_slice))?;
        let expected = format!("{what} is accepted");
        check(judged == Judged::Accepted, expected, judged.shown())?;
        self.at(RUNNING, "after 100b -> 001b")
    }
}

/// What a device said of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// Refused while data were given.
    InLoop(Errno),
    /// Refused when 001b was asked for.
    AtEnd(Errno),
    Accepted,
}

impl Judged {
    pub(super) fn shown(self) -> String {
        match self {
            Self::InLoop(errno) => format!("refused in the loop with {}", errno_shown(errno)),
            Self::AtEnd(errno) => format!("100b -> 001b gave {}", errno_shown(errno)),
            Self::Accepted => "accepted".to_owned(),
        }
    }
}

fn errno(error: Error) -> Result<Errno, Unheld> {
    let errno = error.errno();
    errno.ok_or_else(|| broken("an errno", error_shown(&error)))
}

/// The widest access that is aligned at `at` and not longer than `left`: 8, 4, 2 or 1.
fn width(at: u64, left: usize) -> usize {
    let widths = [8_usize, 4, 2];
    let fits = |width: &usize| at % *width as u64 == 0 && *width <= left;
    widths.into_iter().find(fits).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_are_as_wide_as_they_can_be() {
        let widths = |mut at: u64, mut left: usize| {
            let mut widths = Vec::new();
            while left > 0 {
                let width = width(at, left);
                widths.push(width);
                at += width as u64;
                left -= width;
            }
            widths
        };
        assert_eq!(widths(4096, 16), [8, 8]);
        assert_eq!(widths(32, 15), [8, 4, 2, 1]);
        assert_eq!(widths(1, 10), [1, 2, 4, 2, 1]);
    }
}
