// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Chooses the next operation. A seed gives the same operations for ever, as long as the answers
//! are the same.
//!
//! Purely random operations would hardly ever save or load a whole stream, so the generator
//! watches the answers: what was read to the end of a saving session is kept, and offered piece by
//! piece to later sessions that resume, now and then damaged.

use std::collections::VecDeque;

use crate::op::{Answer, Op, Value, FILES_MAX};

/// Numbers from a seed: SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in one of `n` cases.
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// What is known of an open file.
enum File {
    /// It is read; these bytes have come so far.
    Save(Vec<u8>),
    /// It is written, with this stream from this place on.
    Load(Vec<u8>, usize),
}

/// Lists that a device can be set to, name by name, when it is closed; also bad texts.
const PARAMS: [(&str, &str); 18] = [
    ("line-stats", "on"),
    ("line-stats", "off"),
    ("line-stats", "on\n"),
    ("line-stats", "off\n"),
    ("line-stats", "yes"),
    ("fifo-size", "16"),
    ("fifo-size", "64"),
    ("fifo-size", "64\n"),
    ("fifo-size", "064"),
    ("fifo-size", "32"),
    ("fifo-size", "64\n\n"),
    ("auto-flow", "on"),
    ("auto-flow", "off"),
    ("auto-flow", "ON"),
    ("ports", "1"),
    ("ports", "2"),
    ("ports", "3"),
    ("ports", "18446744073709551616"),
];

const STATE_RUNNING: u32 = 2;
const STATE_STOP_COPY: u32 = 3;
const STATE_RESUMING: u32 = 4;

pub(crate) struct Generator {
    numbers: Numbers,
    /// Parameters that the type has.
    params: Vec<(&'static str, &'static str)>,
    open: bool,
    state: u32,
    files: Vec<File>,
    /// What a driver in the guest is about to do.
    script: VecDeque<Op>,
    /// Whole streams, the newest last.
    streams: Vec<Vec<u8>>,
    /// How often a stream was saved, offered whole, and taken.
    pub(crate) saved: usize,
    pub(crate) loaded: usize,
}

impl Generator {
    /// For a device whose type has the parameters `names`; it is closed.
    pub(crate) fn new(seed: u64, names: &[String]) -> Self {
        let known = |(name, _): &(&str, &str)| names.iter().any(|own| own == name);
        Self {
            numbers: Numbers::new(seed),
            params: PARAMS.into_iter().filter(known).collect(),
            open: false,
            state: STATE_RUNNING,
            files: Vec::new(),
            script: VecDeque::new(),
            streams: Vec::new(),
            saved: 0,
            loaded: 0,
        }
    }

    /// The next operation, of a device that is in `state` if it is open.
    pub(crate) fn next(&mut self, state: Option<u32>) -> Op {
        self.open = state.is_some();
        self.state = state.unwrap_or(STATE_RUNNING);
        if !self.open {
            self.script.clear();
            return self.while_closed();
        }
        if let Some(op) = self.script.pop_front() {
            return op;
        }
        // A session that was begun is mostly gone on with, or hardly one would ever end.
        if matches!(self.files.last(), Some(File::Load(..)))
            && self.state == STATE_RESUMING
            && !self.numbers.one_in(3)
        {
            return self.go_on_resuming();
        }
        if self.state == STATE_STOP_COPY && !self.files.is_empty() && self.numbers.one_in(3) {
            let file = self.files.len() - 1;
            return Op::Read { file, len: 5000 };
        }
        match self.numbers.below(100) {
            0..=19 => Op::SetState(self.wanted_state()),
            20..=36 => self.on_a_file(),
            37..=58 => self.on_the_bar(),
            59..=68 => self.on_config_space(),
            69..=70 => self.elsewhere(),
            71..=78 => self.parameter(),
            79..=80 => Op::PrecopyInfoV2,
            81..=82 => Op::Keep(self.numbers.one_in(2)),
            83..=84 => Op::Reset,
            85..=86 => Op::Close,
            87..=92 => self.a_driver(),
            93 => Op::Intx {
                bind: self.numbers.one_in(2),
            },
            94 => Op::Unmask,
            95 => Op::Msi {
                bind: self.numbers.one_in(2),
            },
            _ => Op::Logging {
                start: self.numbers.one_in(2),
            },
        }
    }

    fn while_closed(&mut self) -> Op {
        match self.numbers.below(10) {
            0..=4 => self.parameter(),
            5 if !self.files.is_empty() => self.on_a_file(),
            6 => Op::Keep(self.numbers.one_in(2)),
            _ => Op::Open {
                group: self.numbers.one_in(2),
            },
        }
    }

    fn wanted_state(&mut self) -> u32 {
        match self.numbers.below(12) {
            0 => STATE_STOP_COPY,
            1 if !self.streams.is_empty() => STATE_RESUMING,
            // Numbers that no state has.
            2 => self.numbers.pick(&[0, 8, 9, u32::MAX]),
            _ => 1 + self.numbers.below(7) as u32,
        }
    }

    fn parameter(&mut self) -> Op {
        let params = self.params.clone();
        let (name, text) = self.numbers.pick(&params);
        Op::SetParam { name, text }
    }

    fn go_on_resuming(&mut self) -> Op {
        let file = self.files.len() - 1;
        let Some(File::Load(stream, at)) = self.files.last() else {
            return Op::Reset;
        };
        if *at == stream.len() {
            // What was refused can only be reset.
            if self.numbers.one_in(4) {
                return Op::Reset;
            }
            return Op::SetState(1 + self.numbers.below(7) as u32);
        }
        let left = stream[*at..].to_vec();
        let len = self
            .numbers
            .pick(&[1, 13, 100, 1000, 5000, 5000])
            .min(left.len());
        let mut data = left[..len].to_vec();
        if self.numbers.one_in(40) {
            let at = self.numbers.below(len);
            data[at] ^= 1 << self.numbers.below(8);
        }
        Op::Write { file, data }
    }

    fn on_a_file(&mut self) -> Op {
        if self.files.is_empty() {
            return Op::Reset;
        }
        let newest = self.files.len() - 1;
        let file = match self.numbers.one_in(4) {
            true => self.numbers.below(self.files.len()),
            false => newest,
        };
        match self.numbers.below(20) {
            0 => Op::CloseFile { file },
            1..=3 => Op::PrecopyInfo { file },
            4..=5 => Op::Poll { file },
            6 => {
                let len = self.numbers.pick(&[0, 1, 64, 5000]);
                let data = self.numbers.bytes(len);
                Op::Write { file, data }
            }
            _ => Op::Read {
                file,
                len: self.numbers.pick(&[0, 1, 7, 64, 500, 4096, 5000]),
            },
        }
    }

    fn on_the_bar(&mut self) -> Op {
        // Mostly the registers that make interrupts, byte by byte.
        let at = match self.numbers.one_in(3) {
            true => self.numbers.below(18) as u64,
            false => self.numbers.pick(&[0, 0, 1, 1, 3, 8, 8, 9, 9, 11]),
        };
        let len = match self.numbers.one_in(4) {
            true => self.numbers.pick(&[2, 3, 4, 8, 16]),
            false => 1,
        };
        if self.numbers.one_in(2) {
            return Op::RegionRead { index: 0, at, len };
        }
        // What drivers write to these registers; else anything.
        let typical: &[u8] = match at % 8 {
            0 => b"ab\x0c",
            1 => &[0x01, 0x05, 0x0f],
            2 => &[0x01, 0x07, 0x21, 0xc1],
            3 => &[0x03, 0x03, 0x83, 0x43],
            4 => &[0x00, 0x03, 0x0b, 0x10, 0x22, 0x23],
            _ => &[0x00, 0x5a],
        };
        let data = match len == 1 && !self.numbers.one_in(8) {
            true => vec![self.numbers.pick(typical)],
            false => self.numbers.bytes(len),
        };
        Op::RegionWrite { index: 0, at, data }
    }

    fn on_config_space(&mut self) -> Op {
        const INDEX: u32 = 7;
        let at = match self.numbers.one_in(3) {
            true => self.numbers.below(264) as u64,
            false => self
                .numbers
                .pick(&[0x04, 0x06, 0x10, 0x3c, 0x40, 0x42, 0x44, 0x4c]),
        };
        let len = self.numbers.pick(&[1, 2, 2, 4, 4, 5, 8, 64]);
        match self.numbers.one_in(2) {
            true => Op::RegionRead {
                index: INDEX,
                at,
                len,
            },
            false => {
                let mut data = self.numbers.bytes(len);
                // Bus master and MSI are mostly on, so that messages are sent.
                if at == 0x04 {
                    data[0] |= 0x05;
                }
                if at == 0x42 {
                    data[0] |= 0x01;
                }
                Op::RegionWrite {
                    index: INDEX,
                    at,
                    data,
                }
            }
        }
    }

    /// Begins what a driver does: it sets up a port and an interrupt, or it sends and receives.
    fn a_driver(&mut self) -> Op {
        let port = self.numbers.pick(&[0, 0, 8]);
        let write = |index, at, data: &[u8]| Op::RegionWrite {
            index,
            at,
            data: data.to_vec(),
        };
        let read = |at| Op::RegionRead {
            index: 0,
            at,
            len: 1,
        };
        let mut traffic = vec![
            write(0, port, b"x"),
            read(port + 2),
            Op::Unmask,
            read(port + 5),
            read(port),
            read(port + 2),
        ];
        if !self.numbers.one_in(3) {
            self.script.extend(traffic.drain(1..));
            return write(0, port, b"x");
        }
        let msi = self.numbers.one_in(2);
        // One of the two has to be off before the other can be on.
        self.script.extend([
            Op::Intx { bind: false },
            Op::Msi { bind: false },
            write(7, 0x42, &[0x80 | u8::from(msi), 0]),
            match msi {
                true => Op::Msi { bind: true },
                false => Op::Intx { bind: true },
            },
            write(0, port + 3, &[0x03]),
            write(0, port + 2, &[0x01]),
            write(0, port + 1, &[0x0f]),
        ]);
        for _ in 0..3 {
            self.script.extend(traffic.iter().cloned());
        }
        // Memory and I/O, bus master, INTx allowed.
        write(7, 0x04, &[0x07, 0x00])
    }

    /// Regions that a card does not have.
    fn elsewhere(&mut self) -> Op {
        let index = self.numbers.pick(&[1, 5, 6, 8]);
        match self.numbers.one_in(2) {
            true => Op::RegionRead {
                index,
                at: 0,
                len: 1,
            },
            false => Op::RegionWrite {
                index,
                at: 4,
                data: vec![1],
            },
        }
    }

    /// Learns from what came of an operation.
    pub(crate) fn note(&mut self, op: &Op, answer: &Answer) {
        match (op, answer) {
            (Op::SetState(_), Ok(Value::File(true))) => self.new_file(op),
            (Op::SetState(_), Ok(_)) if self.state == STATE_RESUMING => {
                if let Some(File::Load(stream, at)) = self.files.last() {
                    self.loaded += usize::from(*at == stream.len());
                }
            }
            (Op::Read { file, .. }, Ok(Value::Bytes(bytes))) => {
                let Some(File::Save(all)) = self.files.get_mut(*file) else {
                    return;
                };
                all.extend(bytes);
                // The trailer is 12 bytes in a record of tag 0x00ff.
                let trailer = all.len().checked_sub(24).and_then(|at| all.get(at..at + 8));
                if trailer == Some(&[0xff, 0, 1, 0, 12, 0, 0, 0]) && !bytes.is_empty() {
                    self.streams.push(all.clone());
                    self.saved += 1;
                }
            }
            (Op::Write { file, data }, Ok(Value::Count(count))) => {
                if let Some(File::Load(stream, at)) = self.files.get_mut(*file) {
                    let end = at.saturating_add(*count);
                    // Anything but the stream itself is not gone on with.
                    *at = match stream.get(*at..end) {
                        Some(same) if *same == data[..*count] => end,
                        _ => stream.len(),
                    };
                }
            }
            (Op::Write { file, .. }, Err(_)) => {
                // Refused, which it stays.
                if let Some(File::Load(stream, at)) = self.files.get_mut(*file) {
                    *at = stream.len();
                }
            }
            (Op::CloseFile { file }, _) => {
                self.files.remove(*file);
            }
            _ => {}
        }
    }

    fn new_file(&mut self, op: &Op) {
        let file = match op {
            Op::SetState(STATE_RESUMING) => {
                let newest = self.streams.len().checked_sub(1);
                let any = newest.map(|newest| match self.numbers.one_in(5) {
                    true => self.numbers.below(newest + 1),
                    false => newest,
                });
                let stream = any.and_then(|i| self.streams.get(i)).cloned();
                File::Load(stream.unwrap_or_else(|| b"no stream at all".to_vec()), 0)
            }
            _ => File::Save(Vec::new()),
        };
        if self.files.len() == FILES_MAX {
            self.files.remove(0);
        }
        self.files.push(file);
    }
}
