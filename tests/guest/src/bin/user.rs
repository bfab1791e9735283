// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! `user`: a process that uses a device as it is told; see [`guest::user`].

use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use guest::event::readable;
use guest::region::{Migration, Way};
use guest::slow::Page;
use guest::Port;
use nix::errno::Errno;
use nix::sys::ptrace;
use vmig_vfio::{Attach, DataFile, Device, Group, IovaRange, Roots, State};

/// Why a command was not obeyed.
struct Refused(Errno, String);

impl From<vmig_vfio::Error> for Refused {
    fn from(error: vmig_vfio::Error) -> Self {
        Self(error.errno().unwrap_or(Errno::EPROTO), error.to_string())
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self(guest::sysfs::errno(error), "file".to_owned())
    }
}

/// What comes after the answer, and does not end.
enum Then {
    Poll,
    ReadInto(Page),
    WriteFrom(Page),
    TwoReaders(Page),
    Saving,
    Loading(Vec<u8>),
    Changing,
}

type Answer = Result<(String, Option<Then>), Refused>;

#[derive(Default)]
struct User {
    device: Option<Device>,
    data: Option<DataFile>,
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == "traced") {
        traced(arguments);
    }
    let socket = io::stdin().as_fd().try_clone_to_owned();
    let socket = UnixStream::from(socket.expect("a socket"));
    let mut user = User::default();
    for line in BufReader::new(&socket).lines() {
        let Ok(line) = line else { return };
        let words: Vec<&str> = line.split(' ').collect();
        let (answer, then) = match user.obey(&words) {
            Ok((value, then)) => (format!("ok {value}\n"), then),
            Err(Refused(errno, text)) => {
                let text = text.replace('\n', " ");
                (format!("err {} {text}\n", errno as i32), None)
            }
        };
        if (&socket).write_all(answer.as_bytes()).is_err() {
            return;
        }
        if let Some(then) = then {
            user.go_on(then);
        }
    }
}

/// Becomes another program, which its parent traces from its first instruction on.
fn traced(mut arguments: impl Iterator<Item = OsString>) -> ! {
    ptrace::traceme().expect("ptrace");
    let program = arguments.next().expect("a program");
    let error = Command::new(program).args(arguments).exec();
    panic!("exec: {error}");
}

fn done(value: impl Display) -> Answer {
    Ok((value.to_string(), None))
}

fn then(next: Then) -> Answer {
    Ok((String::new(), Some(next)))
}

fn number<T: TryFrom<u64>>(word: &str) -> Result<T, Refused> {
    let number = word.parse().ok().and_then(|n: u64| T::try_from(n).ok());
    number.ok_or_else(|| Refused(Errno::EINVAL, format!("{word}: no such number")))
}

/// The first `count` bytes of a file.
fn front(file: &str, count: &str) -> Result<Vec<u8>, Refused> {
    let mut bytes = fs::read(file)?;
    let count = number(count)?;
    if bytes.len() < count {
        return Err(Refused(Errno::EINVAL, format!("{file}: too short")));
    }
    bytes.truncate(count);
    Ok(bytes)
}

fn state(word: &str) -> Result<State, Refused> {
    let found = State::ALL
        .into_iter()
        .find(|state| state.to_string() == word);
    found.ok_or_else(|| Refused(Errno::EINVAL, format!("{word}: no such state")))
}

impl User {
    fn device(&self) -> Result<&Device, Refused> {
        let device = self.device.as_ref();
        device.ok_or_else(|| Refused(Errno::EBADF, "no device".to_owned()))
    }

    fn data(&self) -> Result<&DataFile, Refused> {
        let data = self.data.as_ref();
        data.ok_or_else(|| Refused(Errno::EBADF, "no data file".to_owned()))
    }

    fn obey(&mut self, words: &[&str]) -> Answer {
        match words {
            ["open", uuid, how] => {
                let attach = match *how {
                    "group" => Attach::Group,
                    _ => Attach::Cdev,
                };
                let roots = Roots::default();
                self.device = Some(Device::open(&roots, &roots.mdev(uuid), attach)?);
                done("")
            }
            ["share", uuid] => {
                let (group, container) = inherited()?;
                self.device = Some(Group::of_files(container, group).device(uuid)?);
                done("")
            }
            ["state", name] => {
                let data = self.device()?.set_state(state(name)?)?;
                let value = if data.is_some() { "data" } else { "" };
                self.data = data.or(self.data.take());
                done(value)
            }
            ["now"] => done(self.device()?.state()?),
            ["read", count] => {
                let mut bytes = vec![0; number(count)?];
                let mut filled = 0;
                while filled < bytes.len() {
                    match self.data()?.read(&mut bytes[filled..]) {
                        Ok(0) => break,
                        Ok(n) => filled += n,
                        Err(e) if e.errno() == Some(Errno::ENOMSG) => break,
                        Err(e) => return Err(e.into()),
                    }
                }
                done(filled)
            }
            ["write", file, count] => {
                self.data()?.write_all(&front(file, count)?)?;
                done("")
            }
            ["old", state] => {
                Migration::of(self.device()?, Way::Trapped)
                    .ask(number(state)?)
                    .map_err(|errno| Refused(errno, "device_state".to_owned()))?;
                done("")
            }
            ["old-read"] => {
                let old = Migration::of(self.device()?, Way::Mapped);
                let count = old.round().map_or(0, |bytes| bytes.len());
                // Mapped for as long as this process lives.
                mem::forget(old);
                done(count)
            }
            ["old-write", file, count] => {
                let old = Migration::of(self.device()?, Way::Mapped);
                old.give(&front(file, count)?)
                    .map_err(|errno| Refused(errno, "data".to_owned()))?;
                mem::forget(old);
                done("")
            }
            ["set", port, register, value] => {
                Port::new(self.device()?, number(port)?).set(number(register)?, number(value)?);
                done("")
            }
            ["get", port, register] => {
                done(Port::new(self.device()?, number(port)?).get(number(register)?))
            }
            ["log"] => {
                let range = IovaRange {
                    iova: 0,
                    length: 1 << 20,
                };
                done(self.device()?.dma_logging_start(4096, &[range])?)
            }
            ["poll"] => then(Then::Poll),
            ["read-into", file] => then(Then::ReadInto(Page::map(file.as_ref())?)),
            ["write-from", file] => then(Then::WriteFrom(Page::map(file.as_ref())?)),
            ["two-readers", file] => then(Then::TwoReaders(Page::map(file.as_ref())?)),
            ["saving"] => then(Then::Saving),
            ["loading", file] => then(Then::Loading(fs::read(file)?)),
            ["changing"] => then(Then::Changing),
            _ => Err(Refused(Errno::ENOSYS, words.join(" "))),
        }
    }

    /// Only a signal ends this, or something that went wrong.
    fn go_on(&self, then: Then) {
        let (device, data) = (self.device.as_ref(), self.data.as_ref());
        match (then, device, data) {
            (Then::Poll, _, Some(data)) => {
                while !readable(data.as_fd(), Duration::from_secs(60)) {}
            }
            (Then::ReadInto(page), _, Some(data)) => drop(page.read(data)),
            (Then::WriteFrom(page), _, Some(data)) => drop(page.write(data)),
            (Then::TwoReaders(page), _, Some(data)) => thread::scope(|scope| {
                scope.spawn(|| page.read(data));
                // Long enough for the other one to have its turn.
                thread::sleep(Duration::from_millis(100));
                let _ = data.read(&mut [0; 16]);
            }),
            (Then::Saving, Some(device), _) => {
                while vmig_vfio::save(device, &mut io::sink(), &mut |_| ()).is_ok() {}
            }
            (Then::Loading(bytes), Some(device), _) => {
                while vmig_vfio::load(device, &mut bytes.as_slice(), &mut |_| ()).is_ok() {}
            }
            (Then::Changing, Some(device), _) => {
                let round = [
                    State::RunningP2p,
                    State::PreCopyP2p,
                    State::PreCopy,
                    State::StopCopy,
                    State::Stop,
                    State::Running,
                ];
                while round.iter().all(|&to| device.set_state(to).is_ok()) {}
            }
            // Nothing to do it with: the parent waits in vain, and says so.
            _ => {}
        }
    }
}

/// The group and the container that the parent has passed on.
fn inherited() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok((
        io::stdout().as_fd().try_clone_to_owned()?,
        io::stderr().as_fd().try_clone_to_owned()?,
    ))
}
