// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Moving a device's state: whole streams out of it, and streams of any kind into it.

use nix::poll::{
    poll,
    PollFd,
    PollFlags,
    PollTimeout, //
};
use std::os::fd::AsFd;

use vmig_vfio::{
    Errno,
    Error,
    State, //
};

use crate::{
    bench::{
        Bench,
        Subject, //
    },
    target::Session,
    verdict::{
        broken,
        check,
        errno_shown,
        error_shown,
        skip,
        Call,
        Own,
        Unheld, //
    },
};

/// The largest state that is held in memory, in bytes.
const LIMIT: usize = 1 << 30;

/// How much is moved at once where it does not matter.
pub(crate) const CHUNK: usize = 1 << 20;

/// Reads to the permanent end, `chunk` bytes at a time.
pub(crate) fn drain(data: &Session, chunk: usize) -> Result<Vec<u8>, Unheld> {
    let mut stream = Vec::new();
    let mut buffer = vec![0; chunk];
    loop {
        let n = data.read(&mut buffer).must("read() in STOP_COPY")?;
        if n == 0 {
            return Ok(stream);
        }
        stream.extend_from_slice(buffer.get(..n).unwrap_or(&buffer));
        limit(&stream)?;
    }
}

/// What a read at some point of a stream gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// This many bytes.
    Data(usize),
    /// 0: the permanent end.
    End,
    /// ENOMSG: the temporary end.
    Temporary,
    /// Another errno, `None` for an error that has none.
    Failed(Option<Errno>),
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Data(n) => write!(f, "read() gave {n} bytes"),
            Self::End => f.write_str("read() gave 0 (end of stream)"),
            Self::Temporary => f.write_str("read() gave ENOMSG"),
            Self::Failed(errno) => {
                let errno = errno.map_or("an error".to_owned(), errno_shown);
                write!(f, "read() gave {errno}")
            }
        }
    }
}

/// One read.
pub(crate) fn mark(data: &Session, buffer: &mut [u8]) -> Mark {
    match data.read(buffer) {
        Ok(0) => Mark::End,
        Ok(n) => Mark::Data(n),
        Err(e) if e.errno() == Some(Errno::ENOMSG) => Mark::Temporary,
        Err(e) => Mark::Failed(e.errno()),
    }
}

/// Reads in a pre-copy state until there is no more for now; returns the bytes, and how that was
/// told.
pub(crate) fn drain_early(data: &Session, bench: &Bench) -> Result<(Vec<u8>, Mark), Unheld> {
    let mut stream = Vec::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match mark(data, &mut buffer) {
            Mark::Data(n) => stream.extend_from_slice(buffer.get(..n).unwrap_or(&buffer)),
            end @ (Mark::End | Mark::Temporary) => return Ok((stream, end)),
            failed @ Mark::Failed(_) => {
                let expected = "read() in PRE_COPY gives data or a temporary end";
                return Err(broken(expected, failed.to_string()));
            }
        }
        limit(&stream)?;
        if !bench.has_time() {
            let bytes = stream.len();
            return Err(skip(format!("no temporary end within {bytes} bytes")));
        }
    }
}

fn limit(stream: &[u8]) -> Result<(), Unheld> {
    match stream.len() <= LIMIT {
        true => Ok(()),
        false => Err(skip("the state is larger than 1 GiB")),
    }
}

/// The whole state of the device, which is in RUNNING before and after.
pub(crate) fn save(subject: &Subject) -> Result<Vec<u8>, Unheld> {
    save_by(subject, CHUNK)
}

/// [`save`], `chunk` bytes at a time.
pub(crate) fn save_by(subject: &Subject, chunk: usize) -> Result<Vec<u8>, Unheld> {
    let data = subject.begin(State::StopCopy)?;
    let stream = drain(&data, chunk)?;
    drop(data);
    subject.set(State::Running)?;
    Ok(stream)
}

/// [`save`] for statements that need something to be in the stream.
pub(crate) fn save_some(subject: &Subject) -> Result<Vec<u8>, Unheld> {
    let stream = save(subject)?;
    match stream.is_empty() {
        false => Ok(stream),
        true => Err(skip("the device's stream is empty")),
    }
}

/// Skips the statement unless two saves of the unchanged device are equal. Nobody promises that
/// they are, but what cannot be compared cannot be checked by comparing.
pub(crate) fn save_twice(subject: &Subject) -> Result<Vec<u8>, Unheld> {
    let first = save_some(subject)?;
    let second = save(subject)?;
    match first == second {
        true => Ok(first),
        false => {
            let difference = difference(&first, &second);
            Err(skip(format!(
                "two saves differ by themselves: {difference}"
            )))
        }
    }
}

/// Where and how much two streams differ.
pub(crate) fn difference(a: &[u8], b: &[u8]) -> String {
    if a.len() != b.len() {
        return format!("{} and {} bytes", a.len(), b.len());
    }
    let mut places = a.iter().zip(b).enumerate().filter(|(_, (a, b))| a != b);
    let first = places.next().map(|(place, _)| place);
    match first {
        None => format!("equal, {} bytes", a.len()),
        Some(first) => {
            let count = places.count() + 1;
            format!("{count} of {} bytes, the first at {first}", a.len())
        }
    }
}

/// What a device said of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fed {
    /// Where and why a write was refused; `None`: all were taken.
    pub(crate) write: Option<(usize, Errno)>,
    /// Why SET STOP was refused.
    pub(crate) set: Result<(), Errno>,
}

impl Fed {
    /// The whole stream was taken.
    pub(crate) fn is_accepted(&self) -> bool {
        self.write.is_none() && self.set.is_ok()
    }

    /// For people.
    pub(crate) fn shown(&self) -> String {
        let write = match self.write {
            None => "all write()s accepted".to_owned(),
            Some((at, errno)) => format!("write() at {at} gave {}", errno_shown(errno)),
        };
        match self.set {
            Ok(()) => format!("{write}, SET STOP succeeded"),
            Err(errno) => format!("{write}, SET STOP gave {}", errno_shown(errno)),
        }
    }
}

/// Writes, and stops at the first refusal: returns it with the offset of the write.
pub(crate) fn pour(
    data: &Session,
    stream: &[u8],
    chunk: usize,
) -> Result<Option<(usize, Errno)>, Unheld> {
    let mut at = 0;
    while let Some(rest) = stream.get(at..).filter(|rest| !rest.is_empty()) {
        let piece = rest.get(..chunk).unwrap_or(rest);
        match data.write(piece) {
            Ok(0) => return Err(broken("write() takes bytes or fails", "write() gave 0")),
            Ok(n) => at += n,
            Err(error) => return Ok(Some((at, errno_of(error)?))),
        }
    }
    Ok(None)
}

/// Resets the device, feeds it a stream, and asks for STOP.
pub(crate) fn feed(subject: &Subject, stream: &[u8], chunk: usize) -> Result<Fed, Unheld> {
    let data = subject.session(State::Resuming)?;
    let write = pour(&data, stream, chunk)?;
    let set = match subject.set_state(State::Stop) {
        Ok(_) => Ok(()),
        Err(error) => Err(errno_of(error)?),
    };
    Ok(Fed { write, set })
}

/// Feeds a good stream, which must be taken; the device is in RUNNING then.
pub(crate) fn load(subject: &Subject, stream: &[u8], what: &str) -> Result<(), Unheld> {
    load_by(subject, stream, CHUNK, what)
}

/// [`load`], `chunk` bytes at a time.
pub(crate) fn load_by(
    subject: &Subject,
    stream: &[u8],
    chunk: usize,
    what: &str,
) -> Result<(), Unheld> {
    let fed = feed(subject, stream, chunk)?;
    check(
        fed.is_accepted(),
        format!("{what} is accepted"),
        fed.shown(),
    )?;
    subject.at(State::Stop, "after RESUMING -> STOP")?;
    subject.set(State::Running)?;
    Ok(())
}

fn errno_of(error: Error) -> Result<Errno, Unheld> {
    let expected = "an errno";
    error
        .errno()
        .ok_or_else(|| broken(expected, error_shown(&error)))
}

/// What poll(2) tells of the file within so many milliseconds; nothing if they pass first.
pub(crate) fn events(data: &impl AsFd, ms: u16) -> Result<PollFlags, Unheld> {
    let mut fds = [PollFd::new(data.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, PollTimeout::from(ms)) {
            Err(Errno::EINTR) => {}
            result => {
                result.own("poll")?;
                let [fd] = fds;
                return Ok(fd.revents().unwrap_or(PollFlags::all()));
            }
        }
    }
}

/// Broken unless a read shows that the session is over: end of stream, or an error that is not
/// the temporary end.
pub(crate) fn must_be_over(data: &Session, when: &str) -> Result<(), Unheld> {
    let seen = mark(data, &mut [0; 256]);
    // An error without an errno is a server that is gone.
    let over = matches!(seen, Mark::End | Mark::Failed(Some(_)));
    let expected = format!("end of stream or an error from read() {when}");
    check(over, expected, seen.to_string())
}

/// Broken unless a write shows that the session is over.
pub(crate) fn must_take_nothing(data: &Session, when: &str) -> Result<(), Unheld> {
    let what = format!("write() {when}");
    data.write(&[0; 16]).must_fail_somehow(&what).map(|_| ())
}

/// A good stream of the device under test, to compare others with.
pub(crate) struct Reference {
    pub(crate) stream: Vec<u8>,
    repeatable: bool,
}

impl Reference {
    pub(crate) fn take(subject: &Subject) -> Result<Self, Unheld> {
        let stream = save_some(subject)?;
        let repeatable = save(subject)? == stream;
        Ok(Self { stream, repeatable })
    }

    /// Broken if bytes are missing or there twice: compared where two saves are equal, else loaded.
    pub(crate) fn must_equal(
        &self,
        subject: &Subject,
        stream: &[u8],
        what: &str,
    ) -> Result<(), Unheld> {
        if !self.repeatable {
            return load(subject, stream, what);
        }
        check(
            stream == self.stream,
            format!("{what} equals a stream read in one go"),
            difference(stream, &self.stream),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named() {
        assert_eq!(difference(b"abc", b"abc"), "equal, 3 bytes");
        assert_eq!(difference(b"abc", b"abcd"), "3 and 4 bytes");
        assert_eq!(difference(b"abcd", b"aXcX"), "2 of 4 bytes, the first at 1");
    }
}
