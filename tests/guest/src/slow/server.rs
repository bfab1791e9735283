// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The server of the file: as much 9P2000.L as the kernel needs to map it.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use super::{CONTENT, LENGTH};

/// The server, shared by the thread that serves and those who wait.
#[derive(Debug)]
pub(super) struct Server {
    held: Mutex<Held>,
    changed: Condvar,
    socket: UnixStream,
}

#[derive(Debug, Default)]
struct Held {
    /// Reads that wait for their answer: tag, and number of bytes.
    reads: Vec<(u16, u32)>,
    released: bool,
    /// What the client calls the file; all its other names stand for the directory.
    files: BTreeSet<u32>,
}

/// Types of messages; an answer has the number after that of its request.
mod kind {
    pub(super) const LERROR: u8 = 6;
    pub(super) const LOPEN: u8 = 12;
    pub(super) const GETATTR: u8 = 24;
    pub(super) const VERSION: u8 = 100;
    pub(super) const ATTACH: u8 = 104;
    pub(super) const FLUSH: u8 = 108;
    pub(super) const WALK: u8 = 110;
    pub(super) const READ: u8 = 116;
    pub(super) const CLUNK: u8 = 120;
}

/// A message: u32 length, u8 type, u16 tag, then what the type says; little-endian.
struct Request {
    kind: u8,
    tag: u16,
    body: Vec<u8>,
}

impl Request {
    fn receive(mut socket: &UnixStream) -> io::Result<Self> {
        let mut head = [0; 7];
        socket.read_exact(&mut head)?;
        let [a, b, c, d, kind, e, f] = head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let mut body = vec![0; length.saturating_sub(head.len())];
        socket.read_exact(&mut body)?;
        Ok(Self {
            kind,
            tag: u16::from_le_bytes([e, f]),
            body,
        })
    }

    fn u16_at(&self, at: usize) -> u16 {
        let bytes = self.body.get(at..at + 2).and_then(|b| b.try_into().ok());
        u16::from_le_bytes(bytes.unwrap_or_default())
    }

    fn u32_at(&self, at: usize) -> u32 {
        let bytes = self.body.get(at..at + 4).and_then(|b| b.try_into().ok());
        u32::from_le_bytes(bytes.unwrap_or_default())
    }
}

/// An object's identity: u8 type (0x80 directory, 0 file), u32 version, u64 number.
fn qid(file: bool) -> [u8; 13] {
    let mut qid = [0; 13];
    qid[0] = if file { 0 } else { 0x80 };
    qid[5] = 1 + u8::from(file);
    qid
}

/// The answer to `Tgetattr`.
fn attributes(file: bool) -> Vec<u8> {
    let (mode, size): (u32, u64) = match file {
        true => (libc::S_IFREG | 0o444, LENGTH as u64),
        false => (libc::S_IFDIR | 0o555, 0),
    };
    // What is valid (the basic ones), the qid, mode, owner, group, links, device, size, block
    // size, blocks, then four times and two numbers that say nothing here.
    let mut body = 0x7ff_u64.to_le_bytes().to_vec();
    body.extend(qid(file));
    for word in [mode, 0, 0] {
        body.extend(word.to_le_bytes());
    }
    for word in [1, 0, size, 4096, 8] {
        body.extend(word.to_le_bytes());
    }
    body.extend([0; 10 * 8]);
    body
}

impl Server {
    /// Serves the client at the other end of `socket`.
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            held: Mutex::default(),
            changed: Condvar::new(),
            socket,
        }
    }

    /// Serves until the client closes its end, which the kernel does with the mount.
    pub(super) fn run(&self) {
        while let Ok(request) = Request::receive(&self.socket) {
            self.serve(&request);
        }
    }

    /// Ends it from this side.
    pub(super) fn shut_down(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Waits until a read is held back; whether there is one after `limit`.
    pub(super) fn wait_for_read(&self, limit: Duration) -> bool {
        let nothing = |held: &mut Held| held.reads.is_empty();
        let held = self
            .changed
            .wait_timeout_while(self.held(), limit, nothing)
            .unwrap_or_else(PoisonError::into_inner);
        !held.0.reads.is_empty()
    }

    /// Answers all reads, those that wait and those that come.
    pub(super) fn release(&self) {
        let mut held = self.held();
        held.released = true;
        for (tag, count) in std::mem::take(&mut held.reads) {
            self.answer_read(tag, count);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, request: &Request) {
        let tag = request.tag;
        match request.kind {
            kind::VERSION => {
                let mut body = request.body.get(..4).unwrap_or_default().to_vec();
                body.extend([8, 0]);
                body.extend(b"9P2000.L");
                self.answer(kind::VERSION, tag, &body);
            }
            kind::ATTACH => {
                self.answer(kind::ATTACH, tag, &qid(false));
            }
            kind::WALK => self.walk(request),
            kind::GETATTR => {
                let file = self.is_file(request.u32_at(0));
                self.answer(kind::GETATTR, tag, &attributes(file));
            }
            kind::LOPEN => {
                let mut body = qid(self.is_file(request.u32_at(0))).to_vec();
                body.extend([0; 4]);
                self.answer(kind::LOPEN, tag, &body);
            }
            kind::READ => {
                let count = request.u32_at(12).min(LENGTH as u32);
                let mut held = self.held();
                match held.released {
                    true => self.answer_read(tag, count),
                    false => {
                        held.reads.push((tag, count));
                        self.changed.notify_all();
                    }
                }
            }
            kind::FLUSH => {
                let old = request.u16_at(0);
                self.held().reads.retain(|(tag, _)| *tag != old);
                self.answer(kind::FLUSH, tag, &[]);
            }
            kind::CLUNK => self.answer(kind::CLUNK, tag, &[]),
            _ => self.refuse(tag, Errno::EOPNOTSUPP),
        }
    }

    /// `Twalk`: u32 from, u32 to, u16 number of names, then the names.
    fn walk(&self, request: &Request) {
        let (from, to) = (request.u32_at(0), request.u32_at(4));
        let names = request.u16_at(8);
        let name = request.body.get(12..).unwrap_or_default();
        let file = match names {
            0 => self.is_file(from),
            1 if name == b"page" && !self.is_file(from) => true,
            _ => return self.refuse(request.tag, Errno::ENOENT),
        };
        if file {
            self.held().files.insert(to);
        } else {
            self.held().files.remove(&to);
        }
        let mut body = names.to_le_bytes().to_vec();
        if names > 0 {
            body.extend(qid(file));
        }
        self.answer(kind::WALK, request.tag, &body);
    }

    fn is_file(&self, id: u32) -> bool {
        self.held().files.contains(&id)
    }

    fn answer_read(&self, tag: u16, count: u32) {
        let mut body = count.to_le_bytes().to_vec();
        body.resize(4 + count as usize, CONTENT);
        self.answer(kind::READ, tag, &body);
    }

    fn refuse(&self, tag: u16, errno: Errno) {
        self.answer(kind::LERROR, tag, &(errno as u32).to_le_bytes());
    }

    fn answer(&self, kind: u8, tag: u16, body: &[u8]) {
        let length = u32::try_from(body.len() + 7).unwrap_or(u32::MAX);
        let mut message = length.to_le_bytes().to_vec();
        message.push(kind + 1);
        message.extend(tag.to_le_bytes());
        message.extend(body);
        // The kernel may have gone away.
        let _ = (&self.socket).write_all(&message);
    }
}
