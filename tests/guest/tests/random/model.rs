// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What the kernel should answer: the model's engine, and around it the few rules that are the
//! driver's own, transcribed from the documentation. Reads and writes are cut as the driver cuts them
//! (4096 bytes of state, naturally aligned pieces of registers), which the answers show.

use guest::table;
use vmig_model::{
    arcs::State,
    device::{Device as _, Region},
    engine::{buffer_len, Direction, Engine, Peek, SessionId},
    error::{Class, Error},
    serial::Card,
    types::{find, DeviceType, Generation},
    values::Values,
};
use vmig_vfio::Errno;

use crate::op::{Answer, Files, Op, Seen, Value, FILES_MAX, FLAGS};

/// Bytes of state that one piece of a read or write has at most.
const PIECE: usize = 4096;

/// `VFIO_PRECOPY_INFO_REINIT`.
const REINIT: u32 = 1;

/// The interrupt line: signals once when it is up, bound and not masked, and is masked by that.
#[derive(Default)]
struct Line {
    bound: bool,
    masked: bool,
    level: bool,
    count: u64,
}

impl Line {
    fn update(&mut self) {
        if self.bound && self.level && !self.masked {
            self.masked = true;
            self.count += 1;
        }
    }
}

pub(crate) struct Model {
    ty: &'static DeviceType,
    engine: Engine<Card, Vec<u8>>,
    open: bool,
    keep: bool,
    info_v2: bool,
    logging: bool,
    files: Vec<(SessionId, Direction)>,
    line: Line,
    msi: bool,
    messages: u64,
}

impl Model {
    /// A closed device of a type, without `table::PREFIX`, with the list `name=value ...`.
    pub(crate) fn new(generation: u32, name: &str, list: &str) -> Self {
        assert!(table::types(generation).iter().any(|row| row.name == name));
        let ty = find(Generation::try_from(generation).unwrap(), name).unwrap();
        let mut values = Values::off_or_init(ty);
        for pair in list.split(' ') {
            let (name, text) = pair.split_once('=').unwrap();
            values.set(ty, ty.index(name).unwrap(), text).unwrap();
        }
        let card = Card::new(ty, values);
        let buffer = vec![0; buffer_len(&card)];
        Self {
            ty,
            engine: Engine::new(card, buffer),
            open: false,
            keep: false,
            info_v2: false,
            logging: false,
            files: Vec::new(),
            line: Line::default(),
            msi: false,
            messages: 0,
        }
    }

    /// After each access interrupts are told.
    fn settle(&mut self) {
        self.line.level = self.engine.intx();
        self.line.update();
        if self.engine.take_started() {
            self.line.level = true;
            self.line.update();
            self.line.level = self.engine.intx();
        }
        let pending = self.engine.msi_pending();
        if self.msi && pending & 1 != 0 {
            self.messages += 1;
            self.engine.msi_delivered(1);
        }
    }

    pub(crate) fn apply(&mut self, op: &Op) -> Answer {
        let answer = self.obey(op);
        self.settle();
        answer
    }

    fn obey(&mut self, op: &Op) -> Answer {
        match op {
            Op::Open { .. } => {
                self.engine.open().map_err(errno)?;
                self.open = true;
                self.info_v2 = false;
                Ok(Value::Nothing)
            }
            Op::Close => {
                self.engine.close(self.keep);
                self.open = false;
                self.logging = false;
                self.msi = false;
                self.line.bound = false;
                self.line.masked = false;
                Ok(Value::Nothing)
            }
            Op::SetState(number) => self.set_state(*number),
            Op::Read { file, len } => self.read(*file, *len),
            Op::Write { file, data } => self.write(*file, data),
            Op::PrecopyInfo { file } => self.precopy_info(*file),
            Op::Poll { file } => Ok(Value::Ready(match self.files[*file] {
                (_, Direction::Resume) => true,
                (session, Direction::Save) => self.engine.readable(session).unwrap_or(true),
            })),
            Op::CloseFile { file } => {
                self.files.remove(*file);
                Ok(Value::Nothing)
            }
            Op::Reset => {
                self.engine.reset();
                Ok(Value::Nothing)
            }
            Op::PrecopyInfoV2 => {
                self.info_v2 = true;
                Ok(Value::Nothing)
            }
            Op::RegionRead { index, at, len } => self.region_read(*index, *at, *len),
            Op::RegionWrite { index, at, data } => self.region_write(*index, *at, data),
            Op::SetParam { name, text } => self.set_param(name, text),
            Op::Keep(keep) => {
                self.keep = *keep;
                Ok(Value::Nothing)
            }
            Op::Intx { .. } | Op::Unmask | Op::Msi { .. } => self.interrupts(op),
            Op::Logging { start } => {
                if *start && self.logging {
                    return Err(Errno::EINVAL);
                }
                self.logging = *start;
                Ok(Value::Nothing)
            }
        }
    }

    fn set_state(&mut self, number: u32) -> Answer {
        let to = State::try_from(number).map_err(errno)?;
        let opened = self.engine.set_state(to).map_err(errno)?;
        if let Some(opened) = opened {
            if self.files.len() == FILES_MAX {
                self.files.remove(0);
            }
            self.files.push((opened.session, opened.direction));
        }
        Ok(Value::File(opened.is_some()))
    }

    fn read(&mut self, file: usize, len: usize) -> Answer {
        let (session, direction) = self.files[file];
        if direction == Direction::Resume {
            return Err(Errno::EBADF);
        }
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < len {
            let end = len.min(done + PIECE);
            match self.engine.peek(session, &mut bytes[done..end]) {
                Ok(Peek::Data(count)) => {
                    self.engine.consume(session, count);
                    done += count;
                }
                Ok(Peek::End) => break,
                _ if done > 0 => break,
                Ok(Peek::Temporary) => return Err(Errno::ENOMSG),
                Err(error) => return Err(errno(error)),
            }
        }
        bytes.truncate(done);
        Ok(Value::Bytes(bytes))
    }

    fn write(&mut self, file: usize, data: &[u8]) -> Answer {
        let (session, direction) = self.files[file];
        if direction == Direction::Save {
            return Err(Errno::EBADF);
        }
        let mut done = 0;
        for piece in data.chunks(PIECE) {
            match self.engine.write(session, piece) {
                Ok(count) => done += count,
                Err(error) if done == 0 => return Err(errno(error)),
                Err(_) => break,
            }
        }
        Ok(Value::Count(done))
    }

    fn precopy_info(&mut self, file: usize) -> Answer {
        let (session, direction) = self.files[file];
        if direction == Direction::Resume {
            return Err(Errno::ENOTTY);
        }
        let info = self.engine.precopy_info(session).map_err(errno)?;
        let flags = match (self.info_v2, info.reinit) {
            (false, _) => FLAGS,
            (true, reinit) => REINIT * u32::from(reinit),
        };
        Ok(Value::Info(flags, info.initial_bytes, info.dirty_bytes))
    }

    fn region_read(&mut self, index: u32, at: u64, len: usize) -> Answer {
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < len {
            let size = piece(at + done as u64, len - done);
            let slot = &mut bytes[done..done + size];
            let read = match region(index) {
                Some(region) => self.engine.region_read(region, at + done as u64, slot),
                None => Err(Error::OutOfRange),
            };
            self.settle();
            match read {
                Ok(()) => done += size,
                Err(error) if done == 0 => return Err(errno(error)),
                Err(_) => break,
            }
        }
        bytes.truncate(done);
        Ok(Value::Bytes(bytes))
    }

    fn region_write(&mut self, index: u32, at: u64, data: &[u8]) -> Answer {
        let mut done = 0;
        while done < data.len() {
            let size = piece(at + done as u64, data.len() - done);
            let bytes = &data[done..done + size];
            let written = match region(index) {
                Some(region) => self.engine.region_write(region, at + done as u64, bytes),
                None => Err(Error::OutOfRange),
            };
            self.settle();
            match written {
                Ok(()) => done += size,
                Err(error) if done == 0 => return Err(errno(error)),
                Err(_) => break,
            }
        }
        Ok(Value::Count(done))
    }

    fn set_param(&mut self, name: &str, text: &str) -> Answer {
        let i = self.ty.index(name).expect("a parameter of the type");
        let text = text.strip_suffix('\n').unwrap_or(text);
        self.engine.set_reinit(self.info_v2 && self.open);
        self.engine.set_param(i, text, self.open).map_err(errno)?;
        Ok(Value::Nothing)
    }

    /// INTx and MSI exclude each other; there has to be something to unbind or unmask.
    fn interrupts(&mut self, op: &Op) -> Answer {
        match op {
            Op::Intx { bind: true } if self.msi => return Err(Errno::EINVAL),
            Op::Msi { bind: true } if self.line.bound => return Err(Errno::EINVAL),
            Op::Intx { bind: true } => self.line.bound = true,
            Op::Msi { bind: true } => self.msi = true,
            Op::Intx { bind: false } if self.line.bound => {
                self.line.bound = false;
                self.line.masked = false;
            }
            Op::Msi { bind: false } if self.msi => self.msi = false,
            Op::Unmask if self.line.bound => self.line.masked = false,
            _ => return Err(Errno::EINVAL),
        }
        Ok(Value::Nothing)
    }

    /// What can be seen of it now; forgets the interrupts.
    pub(crate) fn look(&mut self) -> Seen {
        let state = u32::from(self.engine.state());
        Seen {
            open: self.open.then(|| (state, self.engine.data_size())),
            interrupts: (
                std::mem::take(&mut self.line.count),
                std::mem::take(&mut self.messages),
            ),
        }
    }

    /// What its files in sysfs say.
    pub(crate) fn files(&self) -> Files {
        let values = self.engine.device().values();
        let value = |i| values.get(i).expect("every parameter has one").to_string();
        let params = self.ty.params.iter().enumerate();
        let refusal = self.engine.refusal();
        Files {
            params: params
                .map(|(i, param)| (param.name.to_owned(), value(i)))
                .collect(),
            refusal: refusal.map(ToString::to_string).unwrap_or_default(),
            in_use: self.open,
        }
    }
}

fn region(index: u32) -> Option<Region> {
    match index {
        7 => Some(Region::Config),
        0..=5 => Some(Region::Bar(u8::try_from(index).ok()?)),
        _ => None,
    }
}

/// Longest naturally aligned piece at `at` that is not longer than `left`.
fn piece(at: u64, left: usize) -> usize {
    let sizes = [8, 4, 2];
    let fits = |size: &usize| left >= *size && at % *size as u64 == 0;
    sizes.into_iter().find(fits).unwrap_or(1)
}

/// The table of the documentation of `Class`.
fn errno(error: Error) -> Errno {
    match error.class() {
        Class::Malformed => Errno::EINVAL,
        Class::TooLong => Errno::E2BIG,
        Class::Unknown => Errno::ENOENT,
        Class::NotAllowed => Errno::ERANGE,
        Class::Missing => Errno::ENODATA,
        Class::Constraint => Errno::EDOM,
        Class::Busy => Errno::EBUSY,
        Class::Unsupported => Errno::EOPNOTSUPP,
        Class::Mismatch => Errno::EXDEV,
        Class::Ended => Errno::ENODEV,
        Class::NoMemory => Errno::ENOMEM,
        Class::Internal => Errno::EIO,
    }
}
