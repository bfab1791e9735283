// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! One connection: from message to reply. Nothing here reads or writes a socket.

mod features;
mod regions;

use std::{
    mem,
    os::{
        fd::OwnedFd,
        unix::net::UnixStream, //
    },
};

use nix::errno::Errno;
use vmig_model::{
    device::Device,
    engine::Engine,
    error::{
        Class,
        Error, //
    },
};

use crate::{
    dirty::Log,
    dma::Maps,
    irq::{
        self,
        Interrupts, //
    },
    message::{
        uapi::{
            vfio_device_info,
            vfio_iommu_type1_dma_unmap,
            vfio_irq_info,
            VFIO_DEVICE_FEATURE_SET as SET,
            VFIO_DEVICE_FLAGS_PCI,
            VFIO_DEVICE_FLAGS_RESET,
            VFIO_DMA_UNMAP_FLAG_ALL,
            VFIO_PCI_NUM_IRQS,
            VFIO_PCI_NUM_REGIONS, //
        },
        Command,
        DmaMap,
        Feature,
        Message,
        Version,
        Wire,
        NO_REPLY, //
    },
    server::Shared,
    version::{
        self,
        Capabilities, //
    },
};

/// What answers a command that succeeded.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) body: Vec<u8>,
    pub(crate) file: Option<OwnedFd>,
}

impl From<Vec<u8>> for Reply {
    fn from(body: Vec<u8>) -> Self {
        Self { body, file: None }
    }
}

/// A device and what a client has set up on it.
pub(crate) struct Session<'a, D: Device> {
    engine: &'a mut Engine<D, Vec<u8>>,
    shared: &'a [Shared],
    /// What the client can do; nothing before `VERSION`.
    client: Option<Capabilities>,
    maps: Maps,
    log: Option<Log>,
    irqs: Interrupts,
    /// Our end of the socket for commands to the client, until the server takes it.
    twin: Option<UnixStream>,
}

/// What of a session the device needs for its own work.
pub(crate) struct Workplace<'a, D: Device> {
    pub(crate) client: &'a Capabilities,
    pub(crate) engine: &'a mut Engine<D, Vec<u8>>,
    pub(crate) maps: &'a Maps,
    pub(crate) log: Option<&'a mut Log>,
}

impl<'a, D: Device> Session<'a, D> {
    /// A session without a client yet.
    pub(crate) fn new(engine: &'a mut Engine<D, Vec<u8>>, shared: &'a [Shared]) -> Self {
        Self {
            engine,
            shared,
            client: None,
            maps: Maps::default(),
            log: None,
            irqs: Interrupts::default(),
            twin: None,
        }
    }

    /// What work needs; nothing before `VERSION`.
    pub(crate) fn workplace(&mut self) -> Option<Workplace<'_, D>> {
        Some(Workplace {
            client: self.client.as_ref()?,
            engine: self.engine,
            maps: &self.maps,
            log: self.log.as_mut(),
        })
    }

    /// The interrupts.
    pub(crate) fn irqs(&mut self) -> &mut Interrupts {
        &mut self.irqs
    }

    /// Our end of a socket for commands to the client, once.
    pub(crate) fn take_twin(&mut self) -> Option<UnixStream> {
        self.twin.take()
    }

    /// Executes a command.
    ///
    /// # Errors
    ///
    /// What the reply says.
    pub(crate) fn handle(&mut self, message: &mut Message) -> Result<Reply, Errno> {
        let files = mem::take(&mut message.files);
        if let Some(errno) = message.flaw {
            return Err(errno);
        }
        let command = Command::try_from(message.header.command)?;
        let body = message.body.as_slice();
        let wanted = message.header.flags & NO_REPLY == 0;
        let takes = match command {
            Command::DmaMap => 1,
            Command::SetIrqs => usize::MAX,
            _ => 0,
        };
        if files.len() > takes {
            return Err(Errno::EINVAL);
        }
        if command == Command::Version {
            return self.version(body, wanted);
        }
        let client = self.client.ok_or(Errno::EINVAL)?;
        // They take away what they answer with, which nobody would see.
        if !wanted && matches!(command, Command::Feature | Command::MigDataRead) {
            let sets = Feature::split(body).is_ok_and(|(head, _)| head.flags & SET != 0);
            if command == Command::MigDataRead || !sets {
                return Err(Errno::EINVAL);
            }
        }
        let reply = match command {
            Command::DmaMap => self.dma_map(body, files),
            Command::DmaUnmap => self.dma_unmap(body),
            Command::GetInfo => info(body),
            Command::GetRegionInfo => self.region_info(body, &client),
            Command::GetRegionIoFds => regions::io_fds(body),
            Command::GetIrqInfo => self.irq_info(body),
            Command::SetIrqs => {
                let irqs = self.engine.device().irqs();
                self.irqs.set(body, files, irqs).map(|()| Reply::default())
            }
            Command::RegionRead => self.region_read(body),
            Command::RegionWrite => self.region_write(body),
            Command::RegionWriteMulti => self.region_write_multi(body),
            Command::Reset => {
                if !body.is_empty() {
                    return Err(Errno::EINVAL);
                }
                self.engine.reset();
                Ok(Reply::default())
            }
            Command::Feature => self.feature(body),
            Command::MigDataRead => self.data_read(body, &client),
            Command::MigDataWrite => self.data_write(body),
            Command::Version | Command::DmaRead | Command::DmaWrite => Err(Errno::EINVAL),
        };
        self.settle();
        reply
    }

    /// Passes on what the engine has to tell: interrupts.
    pub(crate) fn settle(&mut self) {
        self.irqs.set_level(self.engine.intx());
        if self.engine.take_started() {
            self.irqs.pulse();
        }
        let pending = self.engine.msi_pending();
        if pending != 0 {
            let delivered = self.irqs.signal(pending);
            self.engine.msi_delivered(delivered);
        }
    }

    /// Without a reply there is nothing that a socket could go with.
    fn version(&mut self, body: &[u8], wanted: bool) -> Result<Reply, Errno> {
        let (proposed, client) = version::parse(body)?;
        if self.client.is_some() || proposed.major != version::MAJOR {
            return Err(Errno::EINVAL);
        }
        let mut ours = Capabilities::ours();
        ours.write_multiple &= client.write_multiple;
        ours.twin_socket = false;
        let mut file = None;
        if wanted && client.twin_socket && client.max_msg_fds > 0 {
            // Without one, commands go where all goes.
            if let Ok((here, there)) = UnixStream::pair() {
                ours.twin_socket = true;
                ours.twin_index = Some(0);
                self.twin = Some(here);
                file = Some(there.into());
            }
        }
        self.client = Some(client);
        let agreed = Version {
            major: version::MAJOR,
            minor: proposed.minor.min(version::MINOR),
        };
        Ok(Reply {
            body: version::body(agreed, &ours),
            file,
        })
    }

    fn dma_map(&mut self, body: &[u8], files: Vec<OwnedFd>) -> Result<Reply, Errno> {
        let (map, rest) = DmaMap::split(body)?;
        if short(map.argsz, DmaMap::LEN) || !rest.is_empty() {
            return Err(Errno::EINVAL);
        }
        self.maps.map(&map, files.into_iter().next())?;
        Ok(Reply::default())
    }

    fn dma_unmap(&mut self, body: &[u8]) -> Result<Reply, Errno> {
        type Unmap = vfio_iommu_type1_dma_unmap;
        let (unmap, rest) = Unmap::split(body)?;
        if short(unmap.argsz, Unmap::LEN) || !rest.is_empty() {
            return Err(Errno::EINVAL);
        }
        match (unmap.flags, unmap.iova, unmap.size) {
            (0, address, size) => self.maps.unmap(address, size)?,
            // Not in the protocol, but QEMU asks for it.
            (VFIO_DMA_UNMAP_FLAG_ALL, 0, 0) => self.maps.clear(),
            _ => return Err(Errno::EINVAL),
        }
        Ok(body.to_vec().into())
    }

    fn irq_info(&mut self, body: &[u8]) -> Result<Reply, Errno> {
        let (asked, _) = vfio_irq_info::split(body)?;
        if short(asked.argsz, vfio_irq_info::LEN) {
            return Err(Errno::EINVAL);
        }
        let info = irq::info(asked.index, self.engine.device().irqs())?;
        Ok(sized(info, |info, len| info.argsz = len).into())
    }
}

/// `DEVICE_GET_INFO`.
fn info(body: &[u8]) -> Result<Reply, Errno> {
    let (asked, _) = vfio_device_info::split(body)?;
    if short(asked.argsz, vfio_device_info::LEN) {
        return Err(Errno::EINVAL);
    }
    let info = vfio_device_info {
        flags: VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
        num_regions: VFIO_PCI_NUM_REGIONS,
        num_irqs: VFIO_PCI_NUM_IRQS,
        ..Default::default()
    };
    Ok(sized(info, |info, len| info.argsz = len).into())
}

/// Whether a reply, or a structure, of `len` bytes has no room in what `argsz` says.
fn short(argsz: u32, len: usize) -> bool {
    usize::try_from(argsz).is_ok_and(|argsz| argsz < len)
}

/// The bytes of a structure that says how long it is.
fn sized<T: Wire>(mut value: T, set: impl FnOnce(&mut T, u32)) -> Vec<u8> {
    set(&mut value, u32::try_from(T::LEN).unwrap_or(u32::MAX));
    value.bytes()
}

/// The errno of a broken rule, the same as the kernel module's.
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
