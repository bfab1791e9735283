// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A server under test, and clients that do as they are told.

use std::{
    fs,
    io::{
        Read,
        Write, //
    },
    os::{
        fd::AsFd,
        unix::net::{
            UnixListener,
            UnixStream, //
        },
    },
    path::{
        Path,
        PathBuf, //
    },
    thread::{
        self,
        JoinHandle, //
    },
    time::Duration,
};

use vmig_model::{
    device::Device,
    serial::Card,
    types::{
        find,
        Generation, //
    },
    values::Values,
};
use vmig_vfio_user::{
    channel::Fault,
    message::{
        Command,
        Header,
        Version,
        Wire,
        ERROR, //
    },
    server::Worker,
    version::{
        self,
        Capabilities, //
    },
    Client,
    Server, //
};

pub(crate) const CONFIG: u32 = 7;

/// A parameter list.
pub(crate) type List = [(&'static str, &'static str)];

pub(crate) const PLAIN: &List = &[("ports", "1")];
pub(crate) const FULL: &List = &[
    ("auto-flow", "on"),
    ("fifo-size", "64"),
    ("line-stats", "on"),
    ("ports", "2"),
];

/// A `serial-var` of the newest generation with `list`, everything else off.
pub(crate) fn card(list: &List) -> Card {
    card_of(Generation::NEWEST, list)
}

/// The same of any generation.
pub(crate) fn card_of(generation: Generation, list: &List) -> Card {
    let ty = find(generation, "serial-var").unwrap();
    let mut values = Values::off_or_init(ty);
    for (name, text) in list {
        values.set(ty, ty.index(name).unwrap(), text).unwrap();
    }
    Card::new(ty, values)
}

/// A server on a thread, and how its connections ended.
pub(crate) struct Running<D: Device, W = ()> {
    pub(crate) path: PathBuf,
    stop: UnixStream,
    thread: JoinHandle<(Server<D, W>, Vec<Fault>)>,
    _directory: tempfile::TempDir,
}

/// Starts a server.
pub(crate) fn run<D, W>(mut server: Server<D, W>) -> Running<D, W>
where
    D: Device + Send + 'static,
    D::Cursor: Send,
    D::Held: Send,
    W: Worker<D> + Send + 'static,
{
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (stop, stopped) = UnixStream::pair().unwrap();
    let thread = thread::spawn(move || {
        let mut faults = Vec::new();
        let mut report = |fault| faults.push(fault);
        server
            .listen(&listener, stopped.as_fd(), &mut report)
            .unwrap();
        (server, faults)
    });
    Running {
        path,
        stop,
        thread,
        _directory: directory,
    }
}

/// Starts a server of a serial card with `list`.
pub(crate) fn serial(list: &List) -> Running<Card> {
    run(Server::new(card(list)))
}

impl<D: Device, W> Running<D, W> {
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.path).unwrap()
    }

    /// A connection on which nothing was said.
    pub(crate) fn raw(&self) -> Raw {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Raw { stream, id: 0 }
    }

    /// A connection on which the version was agreed on.
    pub(crate) fn greeted(&self) -> Raw {
        let mut raw = self.raw();
        let (header, _) = raw.call(Command::Version.number(), &greeting());
        assert_eq!(header.flags & ERROR, 0);
        raw
    }

    /// Stops the server once it has seen the last of the clients before.
    pub(crate) fn drain(self) -> (Server<D, W>, Vec<Fault>) {
        let raw = self.greeted();
        let ended = self.finish();
        drop(raw);
        ended
    }

    /// Stops the server.
    pub(crate) fn finish(self) -> (Server<D, W>, Vec<Fault>) {
        drop(self.stop);
        self.thread.join().expect("the server does not panic")
    }
}

/// The body of a `VERSION` that any server takes.
pub(crate) fn greeting() -> Vec<u8> {
    let version = Version {
        major: version::MAJOR,
        minor: version::MINOR,
    };
    let capabilities = Capabilities {
        twin_socket: false,
        ..Capabilities::ours()
    };
    version::body(version, &capabilities)
}

/// The bytes of a command.
pub(crate) fn bytes(command: u16, id: u16, flags: u32, body: &[u8]) -> Vec<u8> {
    let header = Header {
        id,
        command,
        size: (Header::LEN + body.len()) as u32,
        flags,
        error: 0,
    };
    let mut bytes = header.bytes();
    bytes.extend(body);
    bytes
}

/// A client that sends what it is given.
pub(crate) struct Raw {
    pub(crate) stream: UnixStream,
    id: u16,
}

impl Raw {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next message.
    pub(crate) fn receive(&mut self) -> (Header, Vec<u8>) {
        let mut head = [0; Header::LEN];
        self.stream.read_exact(&mut head).expect("a reply");
        let header = Header::decode(&head).unwrap();
        let mut body = vec![0; header.size as usize - Header::LEN];
        self.stream.read_exact(&mut body).expect("all of it");
        (header, body)
    }

    /// Sends a command and checks that the next message is its reply.
    pub(crate) fn call(&mut self, command: u16, body: &[u8]) -> (Header, Vec<u8>) {
        self.id += 1;
        self.send(&bytes(command, self.id, 0, body));
        let (header, body) = self.receive();
        assert_eq!((header.id, header.command), (self.id, command));
        assert_eq!(header.flags & !ERROR, 1, "a reply");
        if header.flags & ERROR != 0 {
            assert!(body.is_empty(), "an error is a header only");
            assert_ne!(header.error, 0, "an error says why");
        }
        (header, body)
    }

    /// The errno of a command, 0 if it succeeds.
    pub(crate) fn errno(&mut self, command: Command, body: &[u8]) -> i32 {
        let (header, _) = self.call(command.number(), body);
        header.error as i32
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => rest.is_empty(),
            // What was sent was not read.
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// The golden streams of the repository: file name and bytes.
pub(crate) fn streams() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/streams");
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            let digits: String = lines.collect();
            let bytes = (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, bytes)
        })
        .collect();
    found.sort();
    found
}
