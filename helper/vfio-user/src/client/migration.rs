// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Migration and DMA logging through a [`Client`].

use vmig_model::arcs::State;

use super::{
    Client,
    Error,
    Result, //
};
use crate::{
    dirty::Range,
    message::{
        uapi::{
            vfio_device_feature_dma_logging_control,
            vfio_device_feature_dma_logging_range,
            vfio_device_feature_dma_logging_report,
            vfio_device_feature_mig_data_size,
            vfio_device_feature_mig_state,
            vfio_device_feature_migration,
            VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
            VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
            VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP,
            VFIO_DEVICE_FEATURE_GET,
            VFIO_DEVICE_FEATURE_MIGRATION,
            VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
            VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
            VFIO_DEVICE_FEATURE_SET, //
        },
        Command,
        Feature,
        MigData,
        Wire,
        DATA_MAX, //
    },
};

impl Client {
    /// `DEVICE_FEATURE`: sends `data`, returns the data of the reply.
    pub fn feature(&mut self, flags: u32, data: &[u8]) -> Result<Vec<u8>> {
        let room = Feature::LEN.saturating_add(DATA_MAX);
        self.feature_within(u32::try_from(room).unwrap_or(u32::MAX), flags, data)
    }

    /// The same for a reply of at most `argsz` bytes; any number, for tests of the server's checks.
    pub fn feature_within(&mut self, argsz: u32, flags: u32, data: &[u8]) -> Result<Vec<u8>> {
        let mut body = Feature { argsz, flags }.bytes();
        body.extend(data);
        let mut reply = self.call(Command::Feature, &body, &[])?.body;
        match reply.len() >= Feature::LEN {
            true => Ok(reply.split_off(Feature::LEN)),
            false => Err(malformed()),
        }
    }

    fn get<T: Wire>(&mut self, feature: u32, data: &[u8]) -> Result<T> {
        let data = self.feature(VFIO_DEVICE_FEATURE_GET | feature, data)?;
        T::decode(&data).ok_or_else(malformed)
    }

    /// `VFIO_MIGRATION_*` of the device.
    pub fn migration_flags(&mut self) -> Result<u64> {
        let found: vfio_device_feature_migration = self.get(VFIO_DEVICE_FEATURE_MIGRATION, &[])?;
        Ok(found.flags)
    }

    /// The state that the device is in.
    pub fn state(&mut self) -> Result<State> {
        let found: vfio_device_feature_mig_state =
            self.get(VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &[])?;
        State::try_from(found.device_state).map_err(|_| malformed())
    }

    /// Takes the device to another state.
    pub fn set_state(&mut self, to: State) -> Result<()> {
        self.set_state_number(to.into())
    }

    /// The same with any number.
    pub fn set_state_number(&mut self, to: u32) -> Result<()> {
        let request = vfio_device_feature_mig_state {
            device_state: to,
            data_fd: 0,
        };
        let flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
        self.feature(flags, &request.bytes()).map(drop)
    }

    /// Estimate of the bytes that STOP_COPY would send now. Not every server can say.
    pub fn data_size(&mut self) -> Result<u64> {
        let found: vfio_device_feature_mig_data_size =
            self.get(VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &[])?;
        Ok(found.stop_copy_length)
    }

    /// Reads migration data; fewer bytes than `out` has are the end, in pre-copy for now.
    pub fn data_read(&mut self, out: &mut [u8]) -> Result<usize> {
        let command = Command::MigDataRead;
        let size = out.len().min(self.largest());
        let request = MigData {
            argsz: u32::try_from(MigData::LEN.saturating_add(size)).unwrap_or(u32::MAX),
            size: u32::try_from(size).unwrap_or(u32::MAX),
        };
        let (said, reply) = self.ask::<MigData>(command, &request.bytes())?;
        let data = reply.body.get(MigData::LEN..).unwrap_or_default();
        let counted = u32::try_from(data.len()) == Ok(said.size);
        match out.get_mut(..data.len()) {
            Some(to) if counted && data.len() <= size => {
                to.copy_from_slice(data);
                Ok(data.len())
            }
            _ => Err(Error::Answer { command }),
        }
    }

    /// Writes migration data.
    pub fn data_write(&mut self, data: &[u8]) -> Result<()> {
        for piece in data.chunks(self.largest()) {
            let size = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let full = MigData::LEN.saturating_add(piece.len());
            let mut body = MigData {
                argsz: u32::try_from(full).unwrap_or(u32::MAX),
                size,
            }
            .bytes();
            body.extend(piece);
            self.call(Command::MigDataWrite, &body, &[])?;
        }
        Ok(())
    }

    /// Starts to log what the device writes to `ranges`, or everywhere if there are none; returns the
    /// page size that the device uses.
    pub fn logging_start(&mut self, page_size: u64, ranges: &[Range]) -> Result<u64> {
        type Control = vfio_device_feature_dma_logging_control;
        let mut data = Control {
            page_size,
            num_ranges: u32::try_from(ranges.len()).unwrap_or(u32::MAX),
            ..Default::default()
        }
        .bytes();
        for range in ranges {
            let length = range.last.wrapping_sub(range.first).wrapping_add(1);
            let entry = vfio_device_feature_dma_logging_range {
                iova: range.first,
                length,
            };
            entry.encode(&mut data);
        }
        let flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
        let answer = self.feature(flags, &data)?;
        let said = Control::decode(&answer).ok_or_else(malformed)?;
        Ok(said.page_size)
    }

    /// Ends logging.
    pub fn logging_stop(&mut self) -> Result<()> {
        let flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP;
        self.feature(flags, &[]).map(drop)
    }

    /// The bitmap of the pages that were written in `length` bytes from `address` on; they count as
    /// not written from then on.
    pub fn logging_report(&mut self, address: u64, length: u64, page_size: u64) -> Result<Vec<u8>> {
        type Report = vfio_device_feature_dma_logging_report;
        let request = Report {
            iova: address,
            length,
            page_size,
            ..Default::default()
        };
        let flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;
        let mut answer = self.feature(flags, &request.bytes())?;
        match answer.len() >= Report::LEN {
            true => Ok(answer.split_off(Report::LEN)),
            false => Err(malformed()),
        }
    }
}

fn malformed() -> Error {
    Error::Answer {
        command: Command::Feature,
    }
}
