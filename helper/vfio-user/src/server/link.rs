// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Commands of the server to its client: `DMA_READ` and `DMA_WRITE`.
//!
//! They go over the socket that was agreed on for them, or over the one that all goes over. There the
//! client's own commands may come before its answer: they are kept, and served afterwards.

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
    dma::Messages,
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

/// How long a client may take for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Most commands that are kept, the bytes in them, and the files.
const DEFERRED_MAX: usize = 4096;
const DEFERRED_BYTES: usize = 8 << 20;
const DEFERRED_FILES: usize = 64;

/// The way to the client, for the length of one piece of work.
pub(super) struct Link<'a> {
    channel: &'a mut Channel,
    twin: Option<&'a mut Channel>,
    deferred: &'a mut VecDeque<Message>,
    largest: usize,
    id: u16,
    /// The connection is of no use any more.
    fault: Option<Fault>,
}

impl<'a> Link<'a> {
    pub(super) fn new(
        channel: &'a mut Channel,
        twin: Option<&'a mut Channel>,
        deferred: &'a mut VecDeque<Message>,
        client: &Capabilities,
    ) -> Self {
        let largest = usize::try_from(client.max_data_xfer_size).unwrap_or(DATA_MAX);
        Self {
            channel,
            twin,
            deferred,
            largest: largest.min(DATA_MAX),
            id: 0,
            fault: None,
        }
    }

    /// Why the connection is of no use any more.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Sends a command and returns the answer to it.
    fn call(&mut self, command: Command, body: &[u8]) -> Result<Vec<u8>, BusFault> {
        if self.fault.is_some() {
            return Err(BusFault);
        }
        self.id = self.id.wrapping_add(1);
        let header = Header::command(command, self.id);
        let answer = self
            .exchange(header, body)
            .inspect_err(|fault| self.fault = Some(*fault))
            .map_err(|_| BusFault)?;
        match answer.header.flags & ERROR {
            0 => Ok(answer.body),
            _ => Err(BusFault),
        }
    }

    fn exchange(&mut self, header: Header, body: &[u8]) -> Result<Message, Fault> {
        let until = Instant::now().checked_add(PATIENCE);
        if let Some(twin) = &mut self.twin {
            twin.send(header, body, &[])?;
            let answer = twin.receive()?;
            return judge(answer, header);
        }
        self.channel.send(header, body, &[])?;
        loop {
            let message = self.channel.receive_until(until)?;
            if message.header.kind() == TYPE_REPLY {
                return judge(message, header);
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
