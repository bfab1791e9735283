// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A client: the other end of the connection, one command at a time.
//!
//! ```no_run
//! use vmig_vfio_user::Client;
//!
//! # fn main() -> Result<(), vmig_vfio_user::client::Error> {
//! let mut device = Client::connect("/run/serial.sock".as_ref())?;
//! let mut ids = [0; 4];
//! device.region_read(7, 0, &mut ids)?;
//! # Ok(())
//! # }
//! ```

mod migration;
mod remote;

use std::{
    fmt, io,
    os::{
        fd::{
            BorrowedFd,
            OwnedFd, //
        },
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

pub use remote::Remote;

use nix::errno::Errno;

use crate::{
    channel::{
        Channel,
        Fault, //
    },
    message::{
        uapi::{
            vfio_device_info,
            vfio_iommu_type1_dma_unmap,
            vfio_irq_info,
            vfio_irq_set,
            vfio_region_info, //
        },
        Command,
        DmaAccess,
        DmaMap,
        DmaWritten,
        Header,
        Message,
        RegionAccess,
        RegionWrite,
        Version,
        Wire,
        WriteCount,
        ERROR,
        TYPE_COMMAND,
        TYPE_REPLY, //
    },
    version::{
        self,
        Capabilities, //
    },
};

/// How long a server may take for a reply.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest reply with a structure and what may follow it.
const INFO_MAX: u32 = 4096;

/// A command that failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Nobody can be reached there.
    Connect(io::Error),
    /// The connection does not work any more.
    Channel(Fault),
    /// The server says no.
    Refused {
        /// To what.
        command: Command,
        /// Why; 0 stands for a server that does not say.
        errno: Errno,
    },
    /// The reply has not the form that the protocol says.
    Answer {
        /// To what.
        command: Command,
    },
}

impl Error {
    /// The errno that the server refused with.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Channel(fault) => write!(f, "vfio-user: {fault}"),
            Self::Refused { command, errno } => {
                write!(f, "vfio-user: {command:?}: {} ({errno:?})", errno.desc())
            }
            Self::Answer { command } => write!(f, "vfio-user: {command:?}: malformed answer"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for vmig_vfio::Error {
    fn from(error: Error) -> Self {
        Self::Remote {
            errno: error.errno(),
            message: error.to_string(),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Channel(fault)
    }
}

/// Result of an operation of the client.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Memory that a device may read and write by messages.
pub trait Memory: Send {
    /// Fills `out` from `address` on.
    ///
    /// # Errors
    ///
    /// The errno for the server.
    fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Errno>;

    /// Takes `data` from `address` on.
    ///
    /// # Errors
    ///
    /// The errno for the server.
    fn write(&mut self, address: u64, data: &[u8]) -> Result<(), Errno>;
}

/// A connection to a device.
pub struct Client {
    channel: Channel,
    server: Capabilities,
    version: Version,
    /// Where the server's commands come from, if not from `channel`.
    twin: Option<OwnedFd>,
    memory: Option<Box<dyn Memory>>,
    id: u16,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("version", &self.version)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// [`Error`]; so for all below.
    pub fn connect(path: &Path) -> Result<Self> {
        let capabilities = Capabilities {
            twin_socket: false,
            ..Capabilities::ours()
        };
        Self::new(
            UnixStream::connect(path).map_err(Error::Connect)?,
            &capabilities,
        )
    }

    /// Begins a connection on `socket`, and says what the client can do.
    ///
    /// # Errors
    ///
    /// [`Error::Answer`] also for a server that answers with another major or a newer minor version.
    pub fn new(socket: UnixStream, capabilities: &Capabilities) -> Result<Self> {
        let proposed = Version {
            major: version::MAJOR,
            minor: version::MINOR,
        };
        let channel = Channel::new(socket, None, Some(PATIENCE)).map_err(Error::Connect)?;
        let mut client = Self {
            channel,
            server: Capabilities::default(),
            version: proposed,
            twin: None,
            memory: None,
            id: 0,
        };
        let command = Command::Version;
        let body = version::body(proposed, capabilities);
        let reply = client.call(command, &body, &[])?;
        let answer = Error::Answer { command };
        let (version, server) =
            version::parse(&reply.body).map_err(|_| Error::Answer { command })?;
        if version.major != proposed.major || version.minor > proposed.minor {
            return Err(answer);
        }
        let index = server.twin_index.filter(|_| server.twin_socket);
        let twin = index.and_then(|index| usize::try_from(index).ok());
        client.twin = twin.and_then(|index| reply.files.into_iter().nth(index));
        client.version = version;
        client.server = server;
        Ok(client)
    }

    /// The version that was agreed on.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// What the server can do.
    pub const fn server(&self) -> &Capabilities {
        &self.server
    }

    /// The socket on which the server's commands come, if that was agreed on; [`serve`] them there.
    pub fn take_twin(&mut self) -> Option<OwnedFd> {
        self.twin.take()
    }

    /// The memory that the device reaches by messages on this connection, which are answered while a
    /// reply is waited for.
    pub fn set_memory(&mut self, memory: Box<dyn Memory>) {
        self.memory = Some(memory);
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`], [`Error::Channel`].
    pub fn call(
        &mut self,
        command: Command,
        body: &[u8],
        files: &[BorrowedFd<'_>],
    ) -> Result<Message> {
        self.id = self.id.wrapping_add(1);
        let header = Header::command(command, self.id);
        self.channel.send(header, body, files)?;
        loop {
            let message = self.channel.receive()?;
            let said = message.header;
            if said.kind() == TYPE_COMMAND {
                answer(&mut self.channel, &message, self.memory.as_deref_mut())?;
                continue;
            }
            if said.kind() != TYPE_REPLY || (said.id, said.command) != (header.id, header.command) {
                return Err(Fault::Protocol.into());
            }
            if said.flags & ERROR != 0 {
                let number = i32::try_from(said.error).unwrap_or_default();
                let errno = Errno::from_raw(number);
                return Err(Error::Refused { command, errno });
            }
            return match message.flaw {
                None => Ok(message),
                Some(_) => Err(Error::Answer { command }),
            };
        }
    }

    /// Sends a command and reads the structure that the reply begins with.
    fn ask<T: Wire>(&mut self, command: Command, body: &[u8]) -> Result<(T, Message)> {
        let reply = self.call(command, body, &[])?;
        let value = T::decode(&reply.body).ok_or(Error::Answer { command })?;
        Ok((value, reply))
    }

    /// `DEVICE_GET_INFO`.
    pub fn info(&mut self) -> Result<vfio_device_info> {
        let request = vfio_device_info {
            argsz: INFO_MAX,
            ..Default::default()
        };
        let (info, _) = self.ask(Command::GetInfo, &request.bytes())?;
        Ok(info)
    }

    /// `DEVICE_GET_REGION_INFO`: the structure, the bytes of its capabilities, and the file to map.
    pub fn region_info(
        &mut self,
        index: u32,
    ) -> Result<(vfio_region_info, Vec<u8>, Option<OwnedFd>)> {
        let request = vfio_region_info {
            argsz: INFO_MAX,
            index,
            ..Default::default()
        };
        let (info, reply) =
            self.ask::<vfio_region_info>(Command::GetRegionInfo, &request.bytes())?;
        let caps = reply.body.get(vfio_region_info::LEN..);
        let caps = caps.unwrap_or_default().to_vec();
        Ok((info, caps, reply.files.into_iter().next()))
    }

    /// `DEVICE_GET_IRQ_INFO`.
    pub fn irq_info(&mut self, index: u32) -> Result<vfio_irq_info> {
        let request = vfio_irq_info {
            argsz: INFO_MAX,
            index,
            ..Default::default()
        };
        let (info, _) = self.ask(Command::GetIrqInfo, &request.bytes())?;
        Ok(info)
    }

    /// `DEVICE_SET_IRQS` with `flags` for `range`, the first interrupt and their number.
    pub fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        range: (u32, u32),
        bools: &[u8],
        files: &[BorrowedFd<'_>],
    ) -> Result<()> {
        let len = vfio_irq_set::LEN.saturating_add(bools.len());
        let request = vfio_irq_set {
            argsz: u32::try_from(len).unwrap_or(u32::MAX),
            flags,
            index,
            start: range.0,
            count: range.1,
            ..Default::default()
        };
        let mut body = request.bytes();
        body.extend(bools);
        self.call(Command::SetIrqs, &body, files).map(drop)
    }

    /// `REGION_READ`, in pieces that the server takes.
    pub fn region_read(&mut self, region: u32, mut offset: u64, out: &mut [u8]) -> Result<()> {
        let command = Command::RegionRead;
        for piece in out.chunks_mut(self.largest()) {
            let count = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let request = RegionAccess {
                offset,
                region,
                count,
            };
            let (said, reply) = self.ask::<RegionAccess>(command, &request.bytes())?;
            let data = reply.body.get(RegionAccess::LEN..).unwrap_or_default();
            if said != request || data.len() != piece.len() {
                return Err(Error::Answer { command });
            }
            piece.copy_from_slice(data);
            offset = offset.saturating_add(count.into());
        }
        Ok(())
    }

    /// `REGION_WRITE`, likewise.
    pub fn region_write(&mut self, region: u32, mut offset: u64, data: &[u8]) -> Result<()> {
        let command = Command::RegionWrite;
        for piece in data.chunks(self.largest()) {
            let count = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            let request = RegionAccess {
                offset,
                region,
                count,
            };
            let mut body = request.bytes();
            body.extend(piece);
            let (said, _) = self.ask::<RegionAccess>(command, &body)?;
            if said != request {
                return Err(Error::Answer { command });
            }
            offset = offset.saturating_add(count.into());
        }
        Ok(())
    }

    /// `REGION_WRITE_MULTI`; returns how many writes were done.
    pub fn region_write_multi(&mut self, writes: &[RegionWrite]) -> Result<u64> {
        let count = u64::try_from(writes.len()).unwrap_or(u64::MAX);
        let mut body = WriteCount { count }.bytes();
        for write in writes {
            write.encode(&mut body);
        }
        let (done, _) = self.ask::<WriteCount>(Command::RegionWriteMulti, &body)?;
        Ok(done.count)
    }

    /// `DEVICE_RESET`.
    pub fn reset(&mut self) -> Result<()> {
        self.call(Command::Reset, &[], &[]).map(drop)
    }

    /// `DMA_MAP`.
    pub fn dma_map(&mut self, map: &DmaMap, file: Option<BorrowedFd<'_>>) -> Result<()> {
        let file: Vec<_> = file.into_iter().collect();
        self.call(Command::DmaMap, &map.bytes(), &file).map(drop)
    }

    /// `DMA_UNMAP`.
    pub fn dma_unmap(&mut self, address: u64, size: u64) -> Result<()> {
        let request = vfio_iommu_type1_dma_unmap {
            argsz: INFO_MAX,
            iova: address,
            size,
            ..Default::default()
        };
        self.call(Command::DmaUnmap, &request.bytes(), &[])
            .map(drop)
    }

    /// Most bytes that the server takes at once, at least 1.
    fn largest(&self) -> usize {
        let largest = self.server.transfer(self.server.max_data_xfer_size);
        largest.unwrap_or(crate::message::DATA_MAX).max(1)
    }
}

/// Serves the commands of a server on a socket of their own, until it goes; says how that was.
pub fn serve(socket: OwnedFd, memory: &mut dyn Memory) -> Fault {
    let mut channel = match Channel::new(socket.into(), None, None) {
        Ok(channel) => channel,
        Err(_) => return Fault::System(Errno::EMFILE),
    };
    loop {
        let served = channel
            .receive()
            .and_then(|message| answer(&mut channel, &message, Some(memory)));
        if let Err(fault) = served {
            return fault;
        }
    }
}

/// Answers `DMA_READ` and `DMA_WRITE`.
fn answer(
    channel: &mut Channel,
    message: &Message,
    memory: Option<&mut (dyn Memory + '_)>,
) -> Result<(), Fault> {
    match answered(message, memory) {
        Ok(body) => channel.send(message.header.reply(), &body, &[]),
        Err(errno) => channel.send(message.header.refusal(errno), &[], &[]),
    }
}

fn answered(message: &Message, memory: Option<&mut (dyn Memory + '_)>) -> Result<Vec<u8>, Errno> {
    if let Some(errno) = message.flaw {
        return Err(errno);
    }
    let memory = memory.ok_or(Errno::EFAULT)?;
    let (access, data) = DmaAccess::split(&message.body)?;
    let count = Capabilities::ours().transfer(access.count)?;
    match Command::try_from(message.header.command)? {
        Command::DmaRead => {
            let mut out = vec![0; count];
            memory.read(access.address, &mut out)?;
            let mut body = access.bytes();
            body.append(&mut out);
            Ok(body)
        }
        Command::DmaWrite if data.len() == count => {
            memory.write(access.address, data)?;
            let written = DmaWritten {
                address: access.address,
                count: u32::try_from(count).map_err(|_| Errno::EINVAL)?,
            };
            Ok(written.bytes())
        }
        _ => Err(Errno::EINVAL),
    }
}
