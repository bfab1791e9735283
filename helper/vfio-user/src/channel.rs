// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A socket with messages and files on it.
//!
//! A message is read in two steps, its header and exactly what the header announces, so that files
//! belong to the message that they were sent with. What is too long to be kept is read all the same,
//! and thrown away: the next header is where it should be.

use std::{
    io::{
        self,
        IoSlice, //
    },
    mem,
    os::{
        fd::{
            AsFd,
            AsRawFd,
            BorrowedFd,
            OwnedFd,
            RawFd, //
        },
        unix::net::UnixStream,
    },
    time::{
        Duration,
        Instant, //
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
    sys::socket::{
        sendmsg,
        ControlMessage,
        MsgFlags, //
    },
};

use crate::{
    files,
    message::{
        Header,
        Message,
        Wire,
        BODY_MAX,
        FILES_MAX, //
    },
};

/// Bytes that are thrown away at once.
const SCRAP: usize = 1 << 16;

/// Calls of recvmsg(2) after which others are looked after, too.
const ROUNDS: usize = 64;

/// Why a channel cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The other end is gone, between two messages.
    Gone,
    /// The other end is gone, in the middle of a message.
    Cut,
    /// A header announces less than its own length.
    Frame,
    /// The other end takes or sends nothing for too long.
    Timeout,
    /// Who watches the channel wants it to end.
    Stopped,
    /// The other end does what the protocol does not allow.
    Protocol,
    /// The system refused.
    System(Errno),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => f.write_str("the other end has closed the connection"),
            Self::Cut => f.write_str("the connection ended in the middle of a message"),
            Self::Frame => f.write_str("a message is shorter than its header"),
            Self::Timeout => f.write_str("the other end does not answer"),
            Self::Stopped => f.write_str("stopped"),
            Self::Protocol => f.write_str("the other end does not keep to the protocol"),
            Self::System(errno) => write!(f, "{} ({errno:?})", errno.desc()),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ECONNRESET | Errno::EPIPE => Self::Gone,
            errno => Self::System(errno),
        }
    }
}

/// A message that is arriving.
#[derive(Debug, Default)]
struct Incoming {
    head: [u8; Header::LEN],
    /// Bytes of the header that are there.
    have: usize,
    header: Header,
    /// As long as the header says, once it is there.
    body: Vec<u8>,
    /// Bytes of the body that are there.
    filled: usize,
    /// Bytes to be thrown away, of a body that is too long.
    skip: usize,
    files: Vec<OwnedFd>,
    flaw: Option<Errno>,
}

/// One end of a connection.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
    /// Readable when all waiting is to end.
    stop: Option<OwnedFd>,
    /// How long sending may stand still; without it, for ever.
    patience: Option<Duration>,
    incoming: Incoming,
    control: Vec<u64>,
    scrap: Vec<u8>,
}

impl Channel {
    /// A channel on `socket`. `stop` ends what waits once it is readable or its other end is closed;
    /// nothing waits longer than `patience`.
    ///
    /// # Errors
    ///
    /// None now; what the system says if there are too many open files.
    pub fn new(
        socket: UnixStream,
        stop: Option<BorrowedFd<'_>>,
        patience: Option<Duration>,
    ) -> io::Result<Self> {
        Ok(Self {
            socket,
            stop: stop.map(|stop| stop.try_clone_to_owned()).transpose()?,
            patience,
            incoming: Incoming::default(),
            control: files::control_space(),
            scrap: Vec::new(),
        })
    }

    /// Receives, without waiting; `None` if no message is complete yet.
    ///
    /// # Errors
    ///
    /// [`Fault`]; the channel is of no use then.
    pub fn try_receive(&mut self) -> Result<Option<Message>, Fault> {
        for _ in 0..ROUNDS {
            if self.is_complete() {
                return Ok(Some(self.complete()));
            }
            match self.receive_some() {
                Ok(()) => {}
                Err(Fault::System(Errno::EAGAIN)) => return Ok(None),
                Err(Fault::System(Errno::EINTR)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    /// Receives the next message.
    ///
    /// # Errors
    ///
    /// As [`Channel::try_receive`]; [`Fault::Timeout`], [`Fault::Stopped`].
    pub fn receive(&mut self) -> Result<Message, Fault> {
        self.receive_until(self.deadline())
    }

    /// Receives the next message, waiting no longer than `until`, however much of it comes meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Channel::receive`]. After [`Fault::Timeout`] it may go on: what came is kept.
    pub fn receive_until(&mut self, until: Option<Instant>) -> Result<Message, Fault> {
        loop {
            if let Some(message) = self.try_receive()? {
                return Ok(message);
            }
            self.wait(PollFlags::POLLIN, until)?;
        }
    }

    fn is_complete(&self) -> bool {
        let Incoming {
            have,
            body,
            filled,
            skip,
            ..
        } = &self.incoming;
        *have == Header::LEN && *filled == body.len() && *skip == 0
    }

    fn complete(&mut self) -> Message {
        let done = mem::take(&mut self.incoming);
        Message {
            header: done.header,
            body: done.body,
            files: done.files,
            flaw: done.flaw,
        }
    }

    /// One recvmsg(2) of what is due.
    fn receive_some(&mut self) -> Result<(), Fault> {
        let incoming = &mut self.incoming;
        let skipping = incoming.skip > 0;
        let started = incoming.have > 0;
        let heading = incoming.have < Header::LEN;
        let due = if heading {
            incoming.head.get_mut(incoming.have..)
        } else if skipping {
            self.scrap.resize(SCRAP, 0);
            self.scrap.get_mut(..incoming.skip.min(SCRAP))
        } else {
            incoming.body.get_mut(incoming.filled..)
        };
        let (read, excess) = files::receive(
            self.socket.as_fd(),
            due.unwrap_or_default(),
            &mut self.control,
            &mut incoming.files,
            FILES_MAX,
        )?;
        if excess > 0 {
            incoming.flaw = Some(Errno::EINVAL);
        }
        if read == 0 {
            return Err(if started { Fault::Cut } else { Fault::Gone });
        }
        if skipping {
            incoming.skip = incoming.skip.saturating_sub(read);
        } else if heading {
            incoming.have = incoming.have.saturating_add(read);
            if incoming.have == Header::LEN {
                incoming.begin_body()?;
            }
        } else {
            incoming.filled = incoming.filled.saturating_add(read);
        }
        Ok(())
    }

    /// Sends a message; its size is filled in here.
    ///
    /// # Errors
    ///
    /// [`Fault`]; the message may have gone in part.
    pub fn send(
        &mut self,
        header: Header,
        body: &[u8],
        files: &[BorrowedFd<'_>],
    ) -> Result<(), Fault> {
        self.send_until(header, body, files, self.deadline())
    }

    /// Sends a message, waiting no longer than `until`.
    ///
    /// # Errors
    ///
    /// As [`Channel::send`].
    pub fn send_until(
        &mut self,
        header: Header,
        body: &[u8],
        files: &[BorrowedFd<'_>],
        until: Option<Instant>,
    ) -> Result<(), Fault> {
        let size = Header::LEN.saturating_add(body.len());
        let size = u32::try_from(size).map_err(|_| Errno::EMSGSIZE)?;
        let head = Header { size, ..header }.bytes();
        let numbers: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let mut rights = if files.is_empty() { &[][..] } else { &rights };
        let (mut head, mut body) = (head.as_slice(), body);
        while !(head.is_empty() && body.is_empty()) {
            let pieces = [IoSlice::new(head), IoSlice::new(body)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match sendmsg::<()>(self.socket.as_raw_fd(), &pieces, rights, flags, None) {
                Ok(sent) => {
                    // They go with the first byte.
                    rights = &[];
                    let of_head = sent.min(head.len());
                    head = head.get(of_head..).unwrap_or_default();
                    let of_body = sent.saturating_sub(of_head);
                    body = body.get(of_body..).unwrap_or_default();
                }
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, until)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// What ends all waiting.
    pub(crate) fn stop(&self) -> Option<BorrowedFd<'_>> {
        self.stop.as_ref().map(AsFd::as_fd)
    }

    fn deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.patience?)
    }

    /// Waits until the socket is ready for `events`, or has failed.
    fn wait(&self, events: PollFlags, until: Option<Instant>) -> Result<(), Fault> {
        // A little now and then is not what is waited for.
        if until.is_some_and(|until| Instant::now() >= until) {
            return Err(Fault::Timeout);
        }
        let mut files = vec![PollFd::new(self.socket.as_fd(), events)];
        if let Some(stop) = &self.stop {
            files.push(PollFd::new(stop.as_fd(), PollFlags::POLLIN));
        }
        let timeout = match until {
            Some(until) => until
                .saturating_duration_since(Instant::now())
                .saturating_add(Duration::from_millis(1))
                .try_into()
                .unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        match poll(&mut files, timeout) {
            Ok(0) => Err(Fault::Timeout),
            Ok(_) if files.get(1).is_some_and(|stop| stop.any() != Some(false)) => {
                Err(Fault::Stopped)
            }
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Incoming {
    /// The header is there.
    fn begin_body(&mut self) -> Result<(), Fault> {
        self.header = Header::decode(&self.head).ok_or(Fault::Frame)?;
        let size = usize::try_from(self.header.size).map_err(|_| Fault::Frame)?;
        let len = size.checked_sub(Header::LEN).ok_or(Fault::Frame)?;
        if len > BODY_MAX {
            self.flaw = Some(Errno::EINVAL);
            self.skip = len;
        } else {
            self.body = vec![0; len];
        }
        Ok(())
    }
}
