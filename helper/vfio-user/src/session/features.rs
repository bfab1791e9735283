// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `DEVICE_FEATURE`, and the messages with migration data.

use nix::errno::Errno;
use vmig_model::{
    arcs::State,
    device::Device,
    engine::{
        Direction,
        Peek,
        SessionId, //
    },
};

use super::{
    errno,
    short,
    Reply,
    Session, //
};
use crate::{
    dirty::{
        self,
        Log,
        Range, //
    },
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
            VFIO_DEVICE_FEATURE_MASK,
            VFIO_DEVICE_FEATURE_MIGRATION,
            VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
            VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
            VFIO_DEVICE_FEATURE_PROBE,
            VFIO_DEVICE_FEATURE_SET,
            VFIO_MIGRATION_PRE_COPY,
            VFIO_MIGRATION_STOP_COPY, //
        },
        Feature,
        MigData,
        Wire,
        DATA_MAX, //
    },
    version::Capabilities,
};

/// What can be done with a feature, `VFIO_DEVICE_FEATURE_GET` and `_SET`.
fn methods(feature: u32) -> Result<u32, Errno> {
    match feature {
        VFIO_DEVICE_FEATURE_MIGRATION
        | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE
        | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT => Ok(VFIO_DEVICE_FEATURE_GET),
        VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE => {
            Ok(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET)
        }
        VFIO_DEVICE_FEATURE_DMA_LOGGING_START | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP => {
            Ok(VFIO_DEVICE_FEATURE_SET)
        }
        _ => Err(Errno::ENOTTY),
    }
}

/// The states that the protocol has; those without peer-to-peer DMA are not among them.
fn state(number: u32) -> Result<State, Errno> {
    match State::try_from(number).map_err(errno)? {
        State::RunningP2p | State::PreCopyP2p => Err(Errno::EINVAL),
        state => Ok(state),
    }
}

impl<D: Device> Session<'_, D> {
    /// `DEVICE_FEATURE`.
    pub(super) fn feature(&mut self, body: &[u8]) -> Result<Reply, Errno> {
        let (request, data) = Feature::split(body)?;
        let both = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
        let known = VFIO_DEVICE_FEATURE_MASK | both | VFIO_DEVICE_FEATURE_PROBE;
        let feature = request.flags & VFIO_DEVICE_FEATURE_MASK;
        let method = request.flags & both;
        let supported = methods(feature)?;
        if request.flags & !known != 0 || method & !supported != 0 {
            return Err(Errno::EINVAL);
        }
        if request.flags & VFIO_DEVICE_FEATURE_PROBE != 0 {
            return Ok(body.to_vec().into());
        }
        let answer = match method {
            VFIO_DEVICE_FEATURE_GET => self.feature_get(feature, data, request.argsz)?,
            VFIO_DEVICE_FEATURE_SET => {
                // What does not fit must not be done and then not be told.
                if short(request.argsz, body.len()) {
                    return Err(Errno::EINVAL);
                }
                self.feature_set(feature, data)?
            }
            _ => return Err(Errno::EINVAL),
        };
        let len = Feature::LEN.saturating_add(answer.len());
        if short(request.argsz, len) {
            return Err(Errno::EINVAL);
        }
        let head = Feature {
            argsz: u32::try_from(len).map_err(|_| Errno::EINVAL)?,
            flags: request.flags,
        };
        let mut reply = head.bytes();
        reply.extend(answer);
        Ok(reply.into())
    }

    fn feature_get(&mut self, feature: u32, data: &[u8], argsz: u32) -> Result<Vec<u8>, Errno> {
        match feature {
            VFIO_DEVICE_FEATURE_MIGRATION => Ok(vfio_device_feature_migration {
                flags: u64::from(VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_PRE_COPY),
            }
            .bytes()),
            VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE => Ok(vfio_device_feature_mig_state {
                device_state: self.engine.state().into(),
                data_fd: 0,
            }
            .bytes()),
            VFIO_DEVICE_FEATURE_MIG_DATA_SIZE => Ok(vfio_device_feature_mig_data_size {
                stop_copy_length: self.engine.data_size(),
            }
            .bytes()),
            VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT => self.report(data, argsz),
            _ => Err(Errno::ENOTTY),
        }
    }

    fn feature_set(&mut self, feature: u32, data: &[u8]) -> Result<Vec<u8>, Errno> {
        match feature {
            VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE => {
                let (request, _) = vfio_device_feature_mig_state::split(data)?;
                self.engine
                    .set_state(state(request.device_state)?)
                    .map_err(errno)?;
                Ok(data.to_vec())
            }
            VFIO_DEVICE_FEATURE_DMA_LOGGING_START => self.start(data),
            VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP => {
                self.log = None;
                Ok(data.to_vec())
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    /// Starts to log what the device writes; no range at all stands for every address.
    fn start(&mut self, data: &[u8]) -> Result<Vec<u8>, Errno> {
        type Control = vfio_device_feature_dma_logging_control;
        type Entry = vfio_device_feature_dma_logging_range;
        let (control, rest) = Control::split(data)?;
        let count = usize::try_from(control.num_ranges).map_err(|_| Errno::EINVAL)?;
        let len = count.checked_mul(Entry::LEN).ok_or(Errno::EINVAL)?;
        let entries = rest.get(..len).ok_or(Errno::EINVAL)?;
        if self.log.is_some() || control.__reserved != 0 {
            return Err(Errno::EINVAL);
        }
        let mut ranges = Vec::new();
        for entry in entries.chunks_exact(Entry::LEN) {
            let (entry, _) = Entry::split(entry)?;
            ranges.push(Range::new(entry.iova, entry.length)?);
        }
        if ranges.is_empty() {
            ranges.push(Range::ALL);
        }
        let log = Log::new(ranges)?;
        let mut answer = Control {
            page_size: dirty::PAGE,
            ..control
        }
        .bytes();
        answer.extend(rest);
        self.log = Some(log);
        Ok(answer)
    }

    /// Nothing is taken out of the log for a reply that has no room in `argsz`.
    fn report(&mut self, data: &[u8], argsz: u32) -> Result<Vec<u8>, Errno> {
        type Report = vfio_device_feature_dma_logging_report;
        let (request, _) = Report::split(data)?;
        let log = self.log.as_mut().ok_or(Errno::EINVAL)?;
        let range = Range::new(request.iova, request.length)?;
        let head = Feature::LEN.saturating_add(Report::LEN);
        let room = usize::try_from(argsz).map_err(|_| Errno::EINVAL)?;
        let room = room.checked_sub(head).ok_or(Errno::EINVAL)?;
        let bitmap = log.report(range, request.page_size, room.min(DATA_MAX))?;
        let mut answer = request.bytes();
        answer.extend(bitmap);
        Ok(answer)
    }

    /// `MIG_DATA_READ`. Fewer bytes than asked for are the end, in pre-copy for now.
    pub(super) fn data_read(&mut self, body: &[u8], client: &Capabilities) -> Result<Reply, Errno> {
        let (request, _) = MigData::split(body)?;
        let size = client.transfer(request.size.into())?;
        let full = MigData::LEN.saturating_add(size);
        if short(request.argsz, full) {
            return Err(Errno::EINVAL);
        }
        let session = self.transfer(Direction::Save)?;
        let mut reply = MigData::default().bytes();
        reply.resize(full, 0);
        let mut filled = MigData::LEN;
        while let Some(room) = reply.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.engine.peek(session, room).map_err(errno)? {
                Peek::Data(len) => {
                    self.engine.consume(session, len);
                    filled = filled.saturating_add(len);
                }
                Peek::Temporary | Peek::End => break,
            }
        }
        reply.truncate(filled);
        let size = filled.saturating_sub(MigData::LEN);
        let head = MigData {
            argsz: u32::try_from(filled).map_err(|_| Errno::EINVAL)?,
            size: u32::try_from(size).map_err(|_| Errno::EINVAL)?,
        };
        for (to, from) in reply.iter_mut().zip(head.bytes()) {
            *to = from;
        }
        Ok(reply.into())
    }

    /// `MIG_DATA_WRITE`.
    pub(super) fn data_write(&mut self, body: &[u8]) -> Result<Reply, Errno> {
        let (request, mut data) = MigData::split(body)?;
        if Capabilities::ours().transfer(request.size.into())? != data.len() {
            return Err(Errno::EINVAL);
        }
        let session = self.transfer(Direction::Resume)?;
        while !data.is_empty() {
            let taken = self.engine.write(session, data).map_err(errno)?;
            data = data.get(taken..).filter(|_| taken > 0).ok_or(Errno::EIO)?;
        }
        Ok(Reply::default())
    }

    /// The transfer that goes on in `direction`.
    fn transfer(&self, direction: Direction) -> Result<SessionId, Errno> {
        let open = self.engine.session();
        let open = open.filter(|open| open.direction == direction);
        open.map(|open| open.session).ok_or(Errno::EINVAL)
    }
}
