// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Commands of the server to its client: `DMA_READ` and `DMA_WRITE`.
//!
//! They go over the socket that was agreed on for them, or over the one that all goes over. There the
//! client's own commands may come before its answer: they are kept, and served afterwards.
//!
//! Deliberately not done: to serve them meanwhile. A client may need one of them served before it can
//! answer, as QEMU does that holds its big lock while it waits for a register; then neither goes on.
//! So one piece of work waits [`PATIENCE`] at most for all its answers, and what is not there by then
//! has failed, for the device a bus error; an answer that comes later is known by its number, and
//! dropped.
//!
//! QEMU, as of 10.1 at least, gives the count in `DMA_READ` and `DMA_WRITE` 4 bytes where the protocol
//! and libvfio-user have 8: it would write other bytes than it was sent. It is not sent any.

use std::{
    collections::VecDeque,
    time::{
        Duration,
        Instant, //
    },
};

use vmig_model::memory::BusFault;

use crate::{
    channel::{
        Channel,
        Fault, //
    },
    dma::{
        Maps,
        Messages, //
    },
    message::{
        Command,
        DmaAccess,
        DmaWritten,
        Header,
        Message,
        Wire,
        DATA_MAX,
        ERROR,
        TYPE_REPLY, //
    },
    version::Capabilities,
};

/// How long a client may take for the answers to one piece of work. Its own commands wait meanwhile;
/// QEMU gives each of them 5 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a client may take to read a command; after that, part of it has gone.
pub(super) const SENDING: Duration = Duration::from_secs(5);

/// Most answers that may be missing.
const LOST_MAX: usize = 16;

/// Most commands that are kept, the bytes in them, and the files.
const DEFERRED_MAX: usize = 4096;
const DEFERRED_BYTES: usize = 8 << 20;
const DEFERRED_FILES: usize = 64;

/// Why no command is sent to QEMU.
const QEMU: &str =
    "the device cannot reach memory that QEMU maps without a file: QEMU's DMA_READ and \
    DMA_WRITE are not those of the protocol (give it a memory backend with share=on)";

/// Why no command is sent to who may know none.
const SILENT: &str =
    "the device cannot reach memory whose file cannot be read or written, as writes to \
    hugetlbfs: the client has not shown that it knows DMA_READ and DMA_WRITE";

/// What is known of the commands to a client, from one piece of work to the next.
#[derive(Debug, Default)]
pub(super) struct Calls {
    id: u16,
    /// Number and command of those whose answer is not waited for any longer.
    lost: Vec<(u16, u16)>,
    /// Why commands were not sent, and whether that was told.
    denied: Option<&'static str>,
    told: bool,
}

impl Calls {
    /// Whether this is the late answer to a command that was given up.
    pub(super) fn is_late(&mut self, header: &Header) -> bool {
        let known = |lost: &(u16, u16)| *lost == (header.id, header.command);
        let found = self.lost.iter().position(known);
        let found = found.filter(|_| header.kind() == TYPE_REPLY);
        found.map(|at| self.lost.swap_remove(at)).is_some()
    }

    /// Why commands were not sent, once.
    pub(super) fn take_denied(&mut self) -> Option<&'static str> {
        let denied = self.denied.filter(|_| !self.told)?;
        self.told = true;
        Some(denied)
    }

    /// The number of the next command.
    fn number(&mut self) -> u16 {
        loop {
            self.id = self.id.wrapping_add(1);
            if self.lost.iter().all(|(id, _)| *id != self.id) {
                return self.id;
            }
        }
    }
}

/// The way to the client, for the length of one piece of work.
pub(super) struct Link<'a> {
    channel: &'a mut Channel,
    twin: Option<&'a mut Channel>,
    deferred: &'a mut VecDeque<Message>,
    calls: &'a mut Calls,
    largest: usize,
    /// Why nothing is sent.
    denied: Option<&'static str>,
    /// When the first command of this work was sent.
    begin: Option<Instant>,
    /// The connection is of no use any more.
    fault: Option<Fault>,
}

impl<'a> Link<'a> {
    pub(super) fn new(
        channel: &'a mut Channel,
        twin: Option<&'a mut Channel>,
        deferred: &'a mut VecDeque<Message>,
        calls: &'a mut Calls,
        client: &Capabilities,
        maps: &Maps,
    ) -> Self {
        let denied = match (client.qemu, twin.is_some() || maps.knows_messages()) {
            (true, _) => Some(QEMU),
            (false, true) => None,
            (false, false) => Some(SILENT),
        };
        let largest = usize::try_from(client.max_data_xfer_size).unwrap_or(DATA_MAX);
        Self {
            channel,
            twin,
            deferred,
            calls,
            largest: largest.min(DATA_MAX),
            denied,
            begin: None,
            fault: None,
        }
    }

    /// Why the connection is of no use any more.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Sends a command and returns the answer to it.
    fn call(&mut self, command: Command, body: &[u8]) -> Result<Vec<u8>, BusFault> {
        if self.denied.is_some() {
            self.calls.denied = self.denied;
        }
        let begin = *self.begin.get_or_insert_with(Instant::now);
        if self.fault.is_some() || self.denied.is_some() || begin.elapsed() >= PATIENCE {
            return Err(BusFault);
        }
        let header = Header::command(command, self.calls.number());
        let answer = self
            .send(header, body)
            .and_then(|()| self.answer(header, begin))
            .inspect_err(|fault| self.fault = Some(*fault))
            .map_err(|_| BusFault)?;
        let answer = answer.ok_or(BusFault)?;
        match answer.header.flags & ERROR {
            0 => Ok(answer.body),
            _ => Err(BusFault),
        }
    }

    fn send(&mut self, header: Header, body: &[u8]) -> Result<(), Fault> {
        let until = Instant::now().checked_add(SENDING);
        let way = match &mut self.twin {
            Some(twin) => twin,
            None => &mut *self.channel,
        };
        way.send_until(header, body, &[], until)
    }

    /// Waits for the answer to a command; nothing if it does not come in time.
    fn answer(&mut self, header: Header, begin: Instant) -> Result<Option<Message>, Fault> {
        let until = begin.checked_add(PATIENCE);
        while begin.elapsed() < PATIENCE {
            let way = match &mut self.twin {
                Some(twin) => twin,
                None => &mut *self.channel,
            };
            let message = match way.receive_until(until) {
                Ok(message) => message,
                Err(Fault::Timeout) => break,
                Err(fault) => return Err(fault),
            };
            if self.calls.is_late(&message.header) {
                continue;
            }
            if message.header.kind() == TYPE_REPLY || self.twin.is_some() {
                return judge(message, header).map(Some);
            }
            self.deferred.push_back(message);
            let sum = |of: fn(&Message) -> usize| self.deferred.iter().map(of).sum::<usize>();
            if self.deferred.len() > DEFERRED_MAX
                || sum(|message| message.body.len()) > DEFERRED_BYTES
                || sum(|message| message.files.len()) > DEFERRED_FILES
            {
                return Err(Fault::Protocol);
            }
        }
        if self.calls.lost.len() >= LOST_MAX {
            return Err(Fault::Timeout);
        }
        self.calls.lost.push((header.id, header.command));
        Ok(None)
    }
}

/// The answer to the command with this header, and nothing else.
fn judge(answer: Message, header: Header) -> Result<Message, Fault> {
    let same = (answer.header.id, answer.header.command) == (header.id, header.command);
    let sound = answer.header.kind() == TYPE_REPLY && answer.flaw.is_none();
    (same && sound).then_some(answer).ok_or(Fault::Protocol)
}

/// What an access is about.
fn access(address: u64, len: usize) -> Result<DmaAccess, BusFault> {
    Ok(DmaAccess {
        address,
        count: u64::try_from(len).map_err(|_| BusFault)?,
    })
}

impl Messages for Link<'_> {
    fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), BusFault> {
        let access = access(address, out.len())?;
        let answer = self.call(Command::DmaRead, &access.bytes())?;
        let (said, data) = DmaAccess::split(&answer).map_err(|_| BusFault)?;
        if said != access || data.len() != out.len() {
            return Err(BusFault);
        }
        out.copy_from_slice(data);
        Ok(())
    }

    fn write(&mut self, address: u64, data: &[u8]) -> Result<(), BusFault> {
        let access = access(address, data.len())?;
        let mut body = access.bytes();
        body.extend_from_slice(data);
        let answer = self.call(Command::DmaWrite, &body)?;
        // The protocol gives the count 4 bytes here, libvfio-user 8.
        let said = match answer.len() {
            DmaAccess::LEN => DmaAccess::decode(&answer),
            _ => DmaWritten::decode(&answer).map(DmaAccess::from),
        };
        (said == Some(access)).then_some(()).ok_or(BusFault)
    }

    fn largest(&self) -> usize {
        self.largest
    }
}
