// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Where clients come from: a socket that is made, or one that is there.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
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
};

use nix::sys::socket::{
    getsockopt,
    sockopt::{
        AcceptConn,
        SockType as TypeOf, //
    },
    SockType,
};

use super::{
    cannot,
    cli::Where,
    Failure, //
};
use crate::files::inherited;

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
    let is_socket = |found: fs::Metadata| found.file_type().is_socket();
    if fs::symlink_metadata(path).is_ok_and(is_socket) {
        if let Err(error) = UnixStream::connect(path) {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                fs::remove_file(path)?;
            }
        }
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
