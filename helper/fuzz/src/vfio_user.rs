// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The vfio-user server: a whole connection per input, files included.
//!
//! An input is a list of things that a client does, each a byte with its kind and what that kind takes:
//!
//! | kind (modulo 4) | then | does |
//! |---|---|---|
//! | 0 | length, bytes | sends these bytes, whatever they are |
//! | 1 | command, flags, length, body | sends a command with a right header |
//! | 2 | the same | the same with files: as many as bits 6 and 7 of the kind say, of the kinds of [`File`] |
//! | 3 | | agrees on the version |
//!
//! What must come back is known from the frames alone: one reply for each command that wants one, in
//! order, up to the frame that ends the connection. And the device must be there for the next client.

use std::{
    io::{
        IoSlice,
        Read as _, //
    },
    os::{
        fd::{
            AsFd,
            AsRawFd as _,
            OwnedFd,
            RawFd, //
        },
        unix::net::UnixStream,
    },
    sync::OnceLock,
    thread,
};

use nix::{
    sys::{
        eventfd::EventFd,
        memfd::{
            memfd_create,
            MFdFlags, //
        },
        socket::{
            sendmsg,
            ControlMessage,
            MsgFlags, //
        },
    },
    unistd::{
        ftruncate,
        pipe, //
    },
};
use vmig_model::{
    arcs::State,
    serial::Card,
    types::{
        find,
        Generation, //
    },
    values::Values,
};
use vmig_vfio_user::{
    message::{
        Command,
        Header,
        Wire as _,
        BODY_MAX,
        NO_REPLY,
        TYPE_COMMAND,
        TYPE_REPLY, //
    },
    version::{
        self,
        Capabilities, //
    },
    Server,
};

/// A file that goes with a command.
type File = OwnedFd;

/// The input, taken from its front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many bytes as the next one says, or what is left.
    fn bytes(&mut self) -> &'a [u8] {
        let len = self.byte().map_or(0, usize::from).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

/// Eventfd, memory, or what is neither.
fn file(kind: u8) -> File {
    match kind % 3 {
        0 => {
            static EVENT: OnceLock<EventFd> = OnceLock::new();
            let event = EVENT.get_or_init(|| EventFd::new().expect("an eventfd"));
            event.as_fd().try_clone_to_owned().expect("a copy")
        }
        1 => {
            let memory = memfd_create(c"fuzz", MFdFlags::MFD_CLOEXEC).expect("memory");
            ftruncate(&memory, 0x10000).expect("memory");
            memory
        }
        _ => pipe().expect("a pipe").0,
    }
}

fn message(command: u16, flags: u32, id: u16, body: &[u8]) -> Vec<u8> {
    let header = Header {
        id,
        command,
        size: (Header::LEN + body.len()) as u32,
        flags,
        error: 0,
    };
    [header.bytes(), body.to_vec()].concat()
}

fn greeting(id: u16) -> Vec<u8> {
    let proposed = version::parse(&[0, 0, 1, 0]).expect("a version").0;
    let ours = Capabilities {
        twin_socket: false,
        ..Capabilities::ours()
    };
    message(
        Command::Version.number(),
        TYPE_COMMAND,
        id,
        &version::body(proposed, &ours),
    )
}

/// Does what the input says; returns the bytes that were sent.
fn play(data: &[u8], client: &UnixStream) -> Vec<u8> {
    let mut input = Input(data);
    let mut sent = Vec::new();
    let mut id = 0;
    while let Some(kind) = input.byte() {
        id += 1;
        let mut files: Vec<File> = Vec::new();
        let bytes = match kind % 4 {
            0 => input.bytes().to_vec(),
            3 => greeting(id),
            with => {
                let command = input.byte().unwrap_or_default();
                let flags = input.byte().unwrap_or_default();
                if with == 2 {
                    files.extend((0..=kind >> 6).map(|n| file(kind / 4 + n)));
                }
                message(command.into(), flags.into(), id, input.bytes())
            }
        };
        let numbers: Vec<RawFd> = files.iter().map(|file| file.as_raw_fd()).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let rights = if files.is_empty() { &[][..] } else { &rights };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let done = sendmsg::<()>(
            client.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            rights,
            flags,
            None,
        );
        // What does not fit in the socket is not sent; nothing comes after it.
        let done = done.unwrap_or_default();
        sent.extend_from_slice(&bytes[..done]);
        if done < bytes.len() {
            break;
        }
    }
    sent
}

/// The replies that these bytes call for: id and command of each, and whether the last frame is one
/// that ends the connection.
fn expected(mut sent: &[u8]) -> Vec<(u16, u16)> {
    let mut replies = Vec::new();
    while let Some(header) = Header::decode(sent) {
        let size = header.size as usize;
        if size < Header::LEN || (header.kind() == TYPE_REPLY && size <= sent.len()) {
            break;
        }
        let Some(rest) = sent.get(size..) else {
            break;
        };
        assert!(size <= Header::LEN + BODY_MAX, "inputs are shorter");
        if header.flags & NO_REPLY == 0 {
            replies.push((header.id, header.command));
        }
        sent = rest;
    }
    replies
}

/// The headers of all that came back.
fn headers(mut bytes: &[u8]) -> Vec<Header> {
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let header = Header::decode(bytes).expect("a whole header");
        assert_eq!(header.kind(), TYPE_REPLY);
        bytes = bytes.get(header.size as usize..).expect("a whole message");
        assert_eq!(header.error != 0, header.flags != TYPE_REPLY);
        headers.push(header);
    }
    headers
}

/// Has `client` do what it likes and `server` serve it; returns the replies.
fn connection(server: &mut Server<Card>, act: impl FnOnce(&UnixStream)) -> Vec<Header> {
    let (client, socket) = UnixStream::pair().expect("sockets");
    // Nobody stops the server but its client.
    let (_stop, stopped) = UnixStream::pair().expect("sockets");
    act(&client);
    client
        .shutdown(std::net::Shutdown::Write)
        .expect("a connection");
    let mut back = Vec::new();
    thread::scope(|scope| {
        // Replies may be more than the socket holds.
        let reader = scope.spawn(|| (&client).read_to_end(&mut back));
        server.serve(socket, stopped.as_fd());
        // What was not read any more resets the connection.
        let _ = reader.join().expect("the reader does not panic");
    });
    headers(&back)
}

pub(crate) fn run(data: &[u8]) {
    let ty = find(Generation::NEWEST, "serial-var").expect("a type");
    let mut server = Server::new(Card::new(ty, Values::init(ty)));
    let mut sent = Vec::new();
    let replies = connection(&mut server, |client| sent = play(data, client));
    let replies: Vec<_> = replies.iter().map(|r| (r.id, r.command)).collect();
    let expected = expected(&sent);
    assert_eq!(replies, expected);
    let engine = server.engine();
    assert_eq!((engine.state(), engine.session()), (State::Running, None));
    // The next client gets what it asks for.
    let state = [&[16, 0, 0, 0, 2, 0, 1, 0][..], &[0; 8]].concat();
    let ask = [
        greeting(1),
        message(Command::Feature.number(), TYPE_COMMAND, 2, &state),
    ];
    let replies = connection(&mut server, |client| {
        let bytes = ask.concat();
        let sent = nix::unistd::write(client, &bytes);
        assert_eq!(sent, Ok(bytes.len()));
    });
    assert!(replies.iter().all(|reply| reply.error == 0));
    assert_eq!(replies.len(), 2);
}
