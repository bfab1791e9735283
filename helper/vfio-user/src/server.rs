// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The server: a device, and one client after the other.

mod link;

use std::{
    collections::VecDeque,
    io,
    os::{
        fd::{
            AsFd,
            BorrowedFd,
            OwnedFd, //
        },
        unix::net::{
            UnixListener,
            UnixStream, //
        },
    },
};

use nix::{
    errno::Errno,
    poll::{
        poll,
        PollFd,
        PollFlags,
        PollTimeout, //
    },
};
use vmig_model::{
    device::{
        Device,
        Region, //
    },
    engine::{
        buffer_len,
        Engine, //
    },
};

use crate::{
    channel::{
        Channel,
        Fault, //
    },
    dma::Memory,
    message::{
        Command,
        Message,
        NO_REPLY,
        TYPE_COMMAND,
        TYPE_REPLY, //
    },
    session::Session,
};

use link::{
    Calls,
    Link, //
};

/// The engine of a device that is served.
pub type Served<D> = Engine<D, Vec<u8>>;

/// When to try again to accept a connection, in milliseconds.
const RETRY: u16 = 100;

/// A region, or parts of it, that clients may map.
#[derive(Debug)]
pub struct Shared {
    /// The region; the model has to say that it can be mapped.
    pub region: Region,
    /// What is mapped.
    pub file: OwnedFd,
    /// Where the region begins in the file, in bytes.
    pub offset: u64,
    /// The parts that can be mapped, offset in the region and size in bytes; none stands for the whole
    /// region.
    pub areas: Vec<(u64, u64)>,
}

/// What a device does by itself, between two messages.
pub trait Worker<D: Device> {
    /// Does a piece of the work, if there is any; whether there is more. It is called after
    /// messages, and again as long as there is more, from the first write to a region on: a client has
    /// mapped its memory by then. One that only moves the state of the device maps none, and the work
    /// waits for the next.
    fn step(&mut self, engine: &mut Served<D>, memory: &Memory<'_>) -> bool;
}

/// A device that does nothing by itself.
impl<D: Device> Worker<D> for () {
    fn step(&mut self, _engine: &mut Served<D>, _memory: &Memory<'_>) -> bool {
        false
    }
}

/// A device for vfio-user clients.
pub struct Server<D: Device, W = ()> {
    engine: Served<D>,
    worker: W,
    shared: Vec<Shared>,
    tell: Option<Tell>,
}

/// Who is told what a user should know, in a line.
type Tell = Box<dyn FnMut(&str) + Send>;

impl<D: Device> Server<D> {
    /// A server of `device`, which does nothing by itself.
    pub fn new(device: D) -> Self {
        Self::with_worker(device, ())
    }
}

impl<D: Device, W: Worker<D>> Server<D, W> {
    /// A server of `device`, whose work `worker` does.
    pub fn with_worker(device: D, worker: W) -> Self {
        let buffer = vec![0; buffer_len(&device)];
        Self {
            engine: Engine::new(device, buffer),
            worker,
            shared: Vec::new(),
            tell: None,
        }
    }

    /// Lets clients map a region.
    pub fn share(&mut self, shared: Shared) {
        self.shared.push(shared);
    }

    /// Has `tell` told what a user should know: why the device cannot reach a client's memory.
    pub fn tell(&mut self, tell: impl FnMut(&str) + Send + 'static) {
        self.tell = Some(Box::new(tell));
    }

    /// The device, and how far a migration of it is.
    pub fn engine(&self) -> &Served<D> {
        &self.engine
    }

    /// Serves the clients that connect to `listener`, one after the other, until `stop` is readable or
    /// its other end closed. `report` is told how each connection ended, and if there is one that cannot
    /// be accepted for want of files or memory: that is tried until it can. From here on the listener
    /// does not block.
    ///
    /// # Errors
    ///
    /// What accept(2) and poll(2) say of the listener otherwise.
    pub fn listen(
        &mut self,
        listener: &UnixListener,
        stop: BorrowedFd<'_>,
        report: &mut dyn FnMut(Fault),
    ) -> io::Result<()> {
        // Others who have it may be faster.
        listener.set_nonblocking(true)?;
        let mut refused = None;
        loop {
            let mut files = vec![PollFd::new(stop, PollFlags::POLLIN)];
            let timeout = match refused {
                None => {
                    files.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
                    PollTimeout::NONE
                }
                Some(_) => RETRY.into(),
            };
            match poll(&mut files, timeout) {
                Err(Errno::EINTR) => continue,
                found => found?,
            };
            if files.first().is_some_and(is_ready) {
                return Ok(());
            }
            match listener.accept() {
                Ok((socket, _)) => {
                    refused = None;
                    match self.serve(socket, stop) {
                        Fault::Stopped => return Ok(()),
                        fault => report(fault),
                    }
                }
                Err(error) => match errno_of(&error) {
                    // The client was faster away than we were here.
                    Errno::ECONNABORTED | Errno::EINTR | Errno::EAGAIN => refused = None,
                    errno @ (Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS) => {
                        if refused.replace(errno) != Some(errno) {
                            report(Fault::System(errno));
                        }
                    }
                    _ => return Err(error),
                },
            }
        }
    }

    /// Serves one client until it goes; says how that was. [`Fault::Gone`] is the ordinary way.
    pub fn serve(&mut self, socket: UnixStream, stop: BorrowedFd<'_>) -> Fault {
        // What is refused was refused when the device was made, too.
        if self.engine.open().is_err() {
            return Fault::System(Errno::EDOM);
        }
        let fault = match Channel::new(socket, Some(stop), None) {
            Ok(channel) => self.attend(channel, stop),
            Err(error) => Fault::System(errno_of(&error)),
        };
        self.engine.close(true);
        fault
    }

    fn attend(&mut self, channel: Channel, stop: BorrowedFd<'_>) -> Fault {
        let mut connection = Connection {
            session: Session::new(&mut self.engine, &self.shared),
            worker: &mut self.worker,
            channel,
            twin: None,
            deferred: VecDeque::new(),
            calls: Calls::default(),
            tell: self.tell.as_mut(),
            busy: false,
            started: false,
        };
        // What was pending when the last client went.
        connection.session.settle();
        loop {
            if let Err(fault) = connection.turn(stop) {
                return fault;
            }
        }
    }
}

/// A connection while it lasts.
struct Connection<'a, D: Device, W> {
    session: Session<'a, D>,
    worker: &'a mut W,
    channel: Channel,
    /// Where commands to the client go, if not to `channel`.
    twin: Option<Channel>,
    /// Commands that came while the client's answer was waited for.
    deferred: VecDeque<Message>,
    calls: Calls,
    tell: Option<&'a mut Tell>,
    /// The worker has more to do.
    busy: bool,
    /// The client has written to a region.
    started: bool,
}

impl<D: Device, W: Worker<D>> Connection<'_, D, W> {
    /// Waits for something to do, and does it.
    fn turn(&mut self, stop: BorrowedFd<'_>) -> Result<(), Fault> {
        let waits = !self.busy && self.deferred.is_empty();
        let mut files = vec![
            PollFd::new(stop, PollFlags::POLLIN),
            PollFd::new(self.channel.as_fd(), PollFlags::POLLIN),
        ];
        let unmask = self.session.irqs().unmask_event();
        files.extend(unmask.map(|event| PollFd::new(event, PollFlags::POLLIN)));
        let timeout = match waits {
            true => PollTimeout::NONE,
            false => PollTimeout::ZERO,
        };
        match poll(&mut files, timeout) {
            Err(Errno::EINTR) => return Ok(()),
            found => found?,
        };
        let mut ready = files.iter().map(is_ready);
        let mut next = || ready.next().unwrap_or(false);
        let (stopped, readable, unmasked) = (next(), next(), next());
        if stopped {
            return Err(Fault::Stopped);
        }
        if unmasked {
            self.session.irqs().unmasked();
        }
        let mut came = !self.deferred.is_empty();
        // All of them, before the device may make them wait again.
        while let Some(message) = self.deferred.pop_front() {
            self.answer(message)?;
        }
        if readable && !came {
            if let Some(message) = self.channel.try_receive()? {
                self.answer(message)?;
                came = true;
            }
        }
        if self.started && (came || self.busy) {
            self.work()?;
        }
        Ok(())
    }

    /// Executes a command, and sends the reply that it wants.
    fn answer(&mut self, mut message: Message) -> Result<(), Fault> {
        let header = message.header;
        let result = match header.kind() {
            TYPE_COMMAND => {
                let writes = [Command::RegionWrite, Command::RegionWriteMulti];
                self.started |= writes.iter().any(|one| one.number() == header.command);
                self.session.handle(&mut message)
            }
            // Nothing else of ours is unanswered.
            TYPE_REPLY if self.calls.is_late(&header) => return Ok(()),
            TYPE_REPLY => return Err(Fault::Protocol),
            _ => Err(Errno::EINVAL),
        };
        if header.flags & NO_REPLY == 0 {
            match result {
                Ok(reply) => {
                    let file: Vec<_> = reply.file.iter().map(AsFd::as_fd).collect();
                    self.channel.send(header.reply(), &reply.body, &file)?;
                }
                Err(errno) => self.channel.send(header.refusal(errno), &[], &[])?,
            }
        }
        if let Some(socket) = self.session.take_twin() {
            let twin = Channel::new(socket, self.channel.stop(), Some(link::SENDING));
            self.twin = Some(twin.map_err(|error| Fault::System(errno_of(&error)))?);
        }
        Ok(())
    }

    /// Lets the device work.
    fn work(&mut self) -> Result<(), Fault> {
        let Some(place) = self.session.workplace() else {
            return Ok(());
        };
        let mut link = Link::new(
            &mut self.channel,
            self.twin.as_mut(),
            &mut self.deferred,
            &mut self.calls,
            place.client,
            place.maps,
        );
        let memory = Memory::new(place.maps, place.log, &mut link);
        self.busy = self.worker.step(place.engine, &memory);
        let fault = link.fault();
        self.session.settle();
        if let (Some(tell), Some(why)) = (&mut self.tell, self.calls.take_denied()) {
            tell(why);
        }
        fault.map_or(Ok(()), Err)
    }
}

/// Whether poll(2) has something to say about a file.
fn is_ready(file: &PollFd<'_>) -> bool {
    file.any() != Some(false)
}

fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
