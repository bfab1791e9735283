// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What moving a state is measured against.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::thread;

use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::unistd::pipe2;

use crate::card::MIB;

/// The stream through a pipe of a MiB, a MiB at a time; the writer is a thread of its own.
///
/// # Panics
///
/// If there is no such pipe.
pub(crate) fn through_pipe(stream: &[u8], buffer: &mut [u8]) {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("pipe");
    let (mut reader, mut writer) = (File::from(reader), File::from(writer));
    let size = i32::try_from(MIB).expect("a size of a pipe");
    fcntl(writer.as_fd(), FcntlArg::F_SETPIPE_SZ(size)).expect("F_SETPIPE_SZ");
    thread::scope(|scope| {
        scope.spawn(move || {
            for piece in stream.chunks(MIB) {
                writer.write_all(piece).expect("write to the pipe");
            }
        });
        let mut total = 0;
        loop {
            match reader.read(buffer).expect("read from the pipe") {
                0 => break,
                count => total += count,
            }
        }
        assert_eq!(total, stream.len());
    });
}

/// The stream into the buffer, a MiB at a time.
pub(crate) fn copied(stream: &[u8], buffer: &mut [u8]) {
    for piece in stream.chunks(MIB) {
        buffer[..piece.len()].copy_from_slice(piece);
        std::hint::black_box(&mut *buffer);
    }
}
