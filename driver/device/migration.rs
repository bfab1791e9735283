// SPDX-License-Identifier: GPL-2.0-only

//! Migration of the card: the v2 protocol as a view of the engine.
#![forbid(unsafe_code)]

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        poll::PollCondVar,
        SetOnce, //
    },
};
use kernel_vfio::vfio::{
    migration::{
        DataFile,
        Flags,
        Operations,
        Peek,
        PrecopyInfo,
        Readiness,
        State, //
    },
    Device,
    Open, //
};
use vmig_model::{
    arcs::{
        self,
        Effect, //
    },
    engine::{
        self,
        Direction,
        SessionId, //
    },
};

use super::Card;
use crate::errno;

/// Piece in which a state with device memory is passed: a record of memory and what is around it.
const RECORD: usize = 17 * PAGE_SIZE;

/// The session of a data file. The file is made first, so that a state change which needs it cannot
/// fail for want of memory after it has begun.
pub(crate) type Session = SetOnce<SessionId>;

/// The number of the session, once it has one.
fn id(session: &Session) -> Result<SessionId> {
    session.copy().ok_or(ENODEV)
}

/// The direction of the session that a state change with this last effect opens.
fn direction(effect: Option<Effect>) -> Option<Direction> {
    match effect? {
        Effect::SaveRunning | Effect::SaveStopped => Some(Direction::Save),
        Effect::Resume => Some(Direction::Resume),
        Effect::Keep | Effect::Freeze | Effect::Load | Effect::End => None,
    }
}

/// Makes a file for a session to come.
fn prepare(
    device: &Device<Card, Open>,
    direction: Direction,
) -> Result<(Direction, DataFile<Card>)> {
    let file = match direction {
        Direction::Save => DataFile::for_saving(device, Session::new())?,
        Direction::Resume => DataFile::for_resuming(device, Session::new())?,
    };
    Ok((direction, file))
}

impl Operations for Card {
    const FLAGS: Flags = Flags::STOP_COPY.with(Flags::P2P).with(Flags::PRE_COPY);

    type Session = Session;

    fn piece(device: &Device<Self>) -> usize {
        match device.memory() {
            Some(_) => RECORD,
            // A whole stream is less than this.
            None => PAGE_SIZE,
        }
    }

    fn set_state(device: &Device<Self, Open>, to: State) -> Result<Option<DataFile<Self>>> {
        let to = arcs::State::try_from(to.as_raw()).map_err(errno::of)?;
        let mut file: Option<(Direction, DataFile<Self>)> = None;
        let mut state = loop {
            let mut state = match to {
                // What the device does by itself goes on.
                arcs::State::Running | arcs::State::PreCopy => device.state.lock(),
                _ => device.lock_idle()?,
            };
            // A session belongs to the protocol that opened it.
            if state.is_v1() {
                device.settle(&mut state);
                return Err(EBUSY);
            }
            let wanted = direction(arcs::last_effect(state.engine.state(), to));
            if wanted == file.as_ref().map(|(direction, _)| *direction) {
                break state;
            }
            // A file is made without the lock, and looked at again: somebody else may change the state
            // meanwhile.
            device.settle(&mut state);
            drop(state);
            file = wanted.map(|wanted| prepare(device, wanted)).transpose()?;
        };
        let opened = state.engine.set_state(to);
        device.settle(&mut state);
        let Some(opened) = opened.map_err(errno::of)? else {
            return Ok(None);
        };
        let (_, file) = file.ok_or(EIO)?;
        file.session().populate(opened.session);
        Ok(Some(file))
    }

    fn state(device: &Device<Self>) -> State {
        let number = u32::from(device.state.lock().engine.state());
        // The numbers of both are the uAPI's, so there is no other.
        State::try_from(number).unwrap_or(State::Error)
    }

    fn data_size(device: &Device<Self, Open>) -> Result<usize> {
        Ok(device.state.lock().engine.data_size().try_into()?)
    }

    fn peek(device: &Device<Self>, session: &Session, out: &mut [u8]) -> Result<Peek> {
        let found = device.state.lock().engine.peek(id(session)?, out);
        Ok(match found.map_err(errno::of)? {
            engine::Peek::Data(count) => Peek::Data(count),
            engine::Peek::Temporary => Peek::Later,
            engine::Peek::End => Peek::End,
        })
    }

    fn consume(device: &Device<Self>, session: &Session, count: usize) {
        if let Ok(id) = id(session) {
            device.state.lock().engine.consume(id, count);
        }
    }

    fn write(device: &Device<Self>, session: &Session, data: &[u8]) -> Result<usize> {
        // Nothing is to be allocated under the lock.
        if let Some(memory) = device.memory() {
            memory.reserve(data.len())?;
        }
        let taken = device.state.lock().engine.write(id(session)?, data);
        taken.map_err(errno::of)
    }

    fn readiness(device: &Device<Self>, session: &Session) -> Readiness {
        let readable = id(session).map(|id| device.state.lock().engine.readable(id));
        match readable {
            Ok(Ok(true)) => Readiness::Ready,
            Ok(Ok(false)) => Readiness::Later,
            Ok(Err(_)) | Err(_) => Readiness::Over,
        }
    }

    fn precopy_info(device: &Device<Self>, session: &Session) -> Result<PrecopyInfo> {
        let info = device.state.lock().engine.precopy_info(id(session)?);
        let info = info.map_err(errno::of)?;
        Ok(PrecopyInfo {
            initial_bytes: info.initial_bytes,
            dirty_bytes: info.dirty_bytes,
            reinit: info.reinit,
        })
    }

    fn readers(&self) -> &PollCondVar {
        &self.readers
    }
}
