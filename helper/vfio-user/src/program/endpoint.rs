// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Where clients come from: a socket that is made, or one that is there.

use std::{
    fs::{
        self,
        File, //
    },
    io,
    os::{
        fd::{
            AsRawFd as _,
            OwnedFd, //
        },
        unix::{
            fs::{
                FileTypeExt as _,
                MetadataExt as _, //
            },
            net::{
                UnixListener,
                UnixStream, //
            },
        },
    },
    path::{
        Path,
        PathBuf, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use nix::{
    errno::Errno,
    fcntl::{
        Flock,
        FlockArg, //
    },
    sys::socket::{
        connect,
        getsockopt,
        socket,
        sockopt::{
            AcceptConn,
            SockType as TypeOf, //
        },
        AddressFamily,
        SockFlag,
        SockType,
        UnixAddr, //
    },
};

use super::{
    cannot,
    cli::Where,
    Failure, //
};
use crate::files::inherited;

/// How long another program may keep the directory of a socket locked.
const LOCKED_MAX: Duration = Duration::from_secs(5);

/// A socket.
#[derive(Debug)]
pub(super) enum Endpoint {
    /// Clients connect to it. What was made here goes away with its name.
    Listening {
        listener: UnixListener,
        _name: Option<Name>,
    },
    /// The one client.
    Connected(UnixStream),
}

/// The name of a socket, removed when it is dropped, unless another has taken its place.
#[derive(Debug)]
pub(super) struct Name {
    path: PathBuf,
    identity: (u64, u64),
}

impl Endpoint {
    pub(super) fn open(asked: &Where) -> Result<Self, Failure> {
        match asked {
            Where::Path(path) => listen(path).map_err(|error| {
                cannot(&format!("listen on {}", path.display()))(error) //
            }),
            Where::Fd(number) => take(*number).map_err(|error| {
                cannot(&format!("use file descriptor {number}"))(error) //
            }),
            Where::Nowhere => Err(Failure::refused("no socket")),
        }
    }
}

/// Makes a socket. One that nobody listens to any more is replaced; every other file is left alone.
fn listen(path: &Path) -> io::Result<Endpoint> {
    // Between the look and the removal, nobody else is to have made a new one.
    let _alone = lock(path)?;
    let is_socket = |found: fs::Metadata| found.file_type().is_socket();
    if fs::symlink_metadata(path).is_ok_and(is_socket) && is_stale(path)? {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let found = fs::symlink_metadata(path)?;
    let name = Name {
        path: path.to_owned(),
        identity: (found.dev(), found.ino()),
    };
    Ok(Endpoint::Listening {
        listener,
        _name: Some(name),
    })
}

/// Locks the directory of a socket against programs that begin there, too; nothing if it cannot be
/// read.
fn lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let Ok(mut directory) = File::open(parent.unwrap_or(Path::new("."))) else {
        return Ok(None);
    };
    let begin = Instant::now();
    loop {
        match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err((back, Errno::EAGAIN)) if begin.elapsed() < LOCKED_MAX => directory = back,
            Err((_, errno)) => return Err(errno.into()),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Whether nobody listens to a socket. One with more clients waiting than it takes is none of those,
/// and is not waited for.
fn is_stale(path: &Path) -> io::Result<bool> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let found = connect(probe.as_raw_fd(), &UnixAddr::new(path)?);
    Ok(found == Err(Errno::ECONNREFUSED))
}

/// Takes over a socket that the program was started with.
fn take(number: u32) -> io::Result<Endpoint> {
    let socket: OwnedFd = inherited(number)?;
    if getsockopt(&socket, TypeOf)? != SockType::Stream {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(match getsockopt(&socket, AcceptConn)? {
        true => Endpoint::Listening {
            listener: socket.into(),
            _name: None,
        },
        false => Endpoint::Connected(socket.into()),
    })
}

impl Drop for Name {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.identity) {
            // There is nobody left to tell if this fails.
            let _ = fs::remove_file(&self.path);
        }
    }
}
