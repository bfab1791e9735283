// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A user of the migration region of protocol version 1, who goes about it as QEMU 5.2 to 7.2 do.
//!
//! C header: `include/uapi/linux/vfio.h` of Linux 5.8 to 5.17, `struct vfio_device_migration_info`.

use vmig_vfio::{Area, Device, Errno, Memory, Region};

/// Type and subtype of the region (`VFIO_REGION_TYPE_MIGRATION_DEPRECATED`).
pub const KIND: (u32, u32) = (3, 1);

/// Offset of `device_state`.
pub const STATE: u64 = 0;
/// Offset of `pending_bytes`.
pub const PENDING: u64 = 8;
/// Offset of `data_offset`.
pub const DATA_OFFSET: u64 = 16;
/// Offset of `data_size`.
pub const DATA_SIZE: u64 = 24;

/// Stopped.
pub const STOP: u32 = 0b000;
/// Running.
pub const RUNNING: u32 = 0b001;
/// Stopped, and saving.
pub const STOP_COPY: u32 = 0b010;
/// Running, and saving.
pub const PRE_COPY: u32 = 0b011;
/// Resuming.
pub const RESUMING: u32 = 0b100;

/// How data are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By system calls of up to 8 bytes.
    Trapped,
    /// Through a mapping of the data section.
    Mapped,
}

/// The migration region of an open device.
#[derive(Debug)]
pub struct Migration<'a> {
    region: Region<'a>,
    /// The data section, for [`Way::Mapped`], and where it begins.
    mapping: Option<(u64, Memory)>,
}

/// Index of the migration region, if the device has one.
pub fn index(device: &Device) -> Option<u32> {
    let regions = device.info().expect("VFIO_DEVICE_GET_INFO").regions;
    let is_it = |index: &u32| {
        device
            .region_info(*index)
            .is_ok_and(|r| r.kind() == Some(KIND))
    };
    (0..regions).find(is_it)
}

/// The part of the region that can be mapped.
///
/// # Panics
///
/// If it is not one part.
#[track_caller]
pub fn area(region: &Region<'_>) -> Area {
    let [area] = region.info().mappable()[..] else {
        panic!("{:?}", region.info());
    };
    area
}

impl<'a> Migration<'a> {
    /// The region of an open device.
    ///
    /// # Panics
    ///
    /// If it has none; so for all below that say nothing of errors, if a step is refused.
    #[track_caller]
    pub fn of(device: &'a Device, way: Way) -> Self {
        let region = index(device).expect("a migration region");
        let region = device.region(region).expect("region");
        let mapping = (way == Way::Mapped).then(|| {
            let area = area(&region);
            let len = usize::try_from(area.size).expect("a size in memory");
            (area.offset, region.map(area.offset, len).expect("mmap"))
        });
        Self { region, mapping }
    }

    /// The region itself.
    pub fn region(&self) -> &Region<'a> {
        &self.region
    }

    /// The mapping of the data section.
    #[track_caller]
    pub fn memory(&self) -> &Memory {
        &self.mapping.as_ref().expect("mapped").1
    }

    /// `device_state`.
    #[track_caller]
    pub fn state(&self) -> u32 {
        self.region.read_u32(STATE).expect("device_state")
    }

    /// Writes `device_state`.
    ///
    /// # Errors
    ///
    /// The errno of the write.
    pub fn ask(&self, state: u32) -> Result<(), Errno> {
        errno(self.region.write_u32(STATE, state))
    }

    /// The same, where it has to work.
    #[track_caller]
    pub fn set(&self, state: u32) {
        assert_eq!(self.ask(state), Ok(()), "{state:03b}b");
        assert_eq!(self.state(), state);
    }

    /// One transaction, if something is pending.
    #[track_caller]
    pub fn round(&self) -> Option<Vec<u8>> {
        let field = |at| self.region.read_u64(at).expect("field");
        if field(PENDING) == 0 {
            return None;
        }
        let (offset, size) = (field(DATA_OFFSET), field(DATA_SIZE));
        assert!(size > 0, "no data, though something is pending");
        let mut data = vec![0; usize::try_from(size).expect("a size in memory")];
        match &self.mapping {
            Some((start, memory)) => {
                let at = usize::try_from(offset - start).expect("an offset in memory");
                memory.read(at, &mut data).expect("mapping");
            }
            None => {
                let pieces = data.chunks_mut(8).zip((offset..).step_by(8));
                for (piece, at) in pieces {
                    assert_eq!(self.region.read_at(at, piece), Ok(piece.len()));
                }
            }
        }
        Some(data)
    }

    /// Transactions until nothing is pending.
    #[track_caller]
    pub fn drain(&self) -> Vec<u8> {
        std::iter::from_fn(|| self.round()).flatten().collect()
    }

    /// The state of the device, which runs before and after.
    #[track_caller]
    pub fn save(&self) -> Vec<u8> {
        self.set(STOP_COPY);
        let stream = self.drain();
        self.set(STOP);
        self.set(RUNNING);
        stream
    }

    /// Gives one transaction to a device in 100b.
    ///
    /// # Errors
    ///
    /// The errno of the first access that is refused.
    #[track_caller]
    pub fn give(&self, data: &[u8]) -> Result<(), Errno> {
        let offset = errno(self.region.read_u64(DATA_OFFSET))?;
        match &self.mapping {
            Some((start, memory)) => {
                let at = usize::try_from(offset - start).expect("an offset in memory");
                memory.write(at, data).expect("mapping");
            }
            None => {
                let pieces = data.chunks(8).zip((offset..).step_by(8));
                for (piece, at) in pieces {
                    errno(self.region.write(at, piece))?;
                }
            }
        }
        errno(self.region.write_u64(DATA_SIZE, data.len() as u64))
    }

    /// Gives the device a state, in transactions of at most `size` bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::give`] and [`Self::ask`]. The device is in 100b then.
    #[track_caller]
    pub fn load(&self, stream: &[u8], size: usize) -> Result<(), Errno> {
        self.set(RESUMING);
        for piece in stream.chunks(size) {
            self.give(piece)?;
        }
        self.ask(RUNNING)
    }
}

#[track_caller]
fn errno<T>(result: vmig_vfio::Result<T>) -> Result<T, Errno> {
    result.map_err(|error| error.errno().expect("an errno"))
}
