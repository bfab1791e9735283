// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Another process that uses a device, told what to do step by step, and killed at any moment.
//!
//! `/bin/user` reads commands from the socket that is its standard input, one a line, and answers
//! each with a line: `ok` and a value, or `err`, the errno and a text.
//!
//! | command | does |
//! |---|---|
//! | `open UUID cdev`, `open UUID group` | opens the device |
//! | `share UUID` | opens the device through a group that the parent has open: standard output is the group, standard error the container |
//! | `state NAME` | goes to a state, and keeps the data file if there is one |
//! | `now` | answers the state |
//! | `read N` | reads N bytes of the data file, fewer at its end; answers how many |
//! | `write FILE N` | writes the first N bytes of a file to the data file |
//! | `old N` | goes to a `device_state` of protocol version 1 |
//! | `old-read`, `old-write FILE N` | one transaction of that protocol through a mapping, which stays |
//! | `set PORT REGISTER VALUE`, `get PORT REGISTER` | one register |
//! | `log` | starts DMA logging |
//! | `poll` | polls the data file |
//! | `read-into FILE`, `write-from FILE` | reads or writes the data file, with the first page of FILE as memory |
//! | `two-readers FILE` | the former in a thread, and another read behind it |
//! | `saving`, `loading FILE`, `changing` | saves, loads or changes states over and over |
//!
//! The last four lines answer before they begin, and do not end.
//!
//! `/bin/user traced PROGRAM ...` becomes the program, traced by its parent; see
//! [`crate::traced`].

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use vmig_vfio::Group;

use crate::wait::{self, SOON};

/// Numbers of system calls on x86-64, as `/proc/PID/syscall` shows them.
pub mod syscall {
    /// read(2)
    pub const READ: i64 = 0;
    /// write(2)
    pub const WRITE: i64 = 1;
    /// poll(2)
    pub const POLL: i64 = 7;
}

/// A running `/bin/user`. Dropping it kills it.
#[derive(Debug)]
pub struct User {
    child: Child,
    lines: BufReader<UnixStream>,
}

impl User {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If it cannot be started; so for the next ones.
    pub fn start() -> Self {
        Self::spawn(Stdio::null(), Stdio::inherit())
    }

    /// Starts one that inherits an open group, for `share`.
    pub fn sharing(group: &Group) -> Self {
        let own = |fd: std::io::Result<OwnedFd>| Stdio::from(fd.expect("dup"));
        Self::spawn(
            own(group.as_fd().try_clone_to_owned()),
            own(group.container().try_clone_to_owned()),
        )
    }

    fn spawn(stdout: Stdio, stderr: Stdio) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("socketpair");
        let child = Command::new("/bin/user")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .expect("/bin/user");
        // A user that hangs must not hang the test as well.
        ours.set_read_timeout(Some(SOON)).expect("a timeout");
        Self {
            child,
            lines: BufReader::new(ours),
        }
    }

    /// Gives a command; returns the answer.
    ///
    /// # Errors
    ///
    /// The errno with which the kernel refused.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> Result<String, Errno> {
        writeln!(self.lines.get_ref(), "{command}").expect("a user that listens");
        let mut answer = String::new();
        let got = self.lines.read_line(&mut answer);
        assert!(
            matches!(got, Ok(1..)),
            "{command}: no answer from the user: {got:?}"
        );
        let answer = answer.trim_end();
        if let Some(refusal) = answer.strip_prefix("err ") {
            let number = refusal.split(' ').next().and_then(|n| n.parse().ok());
            let number = number.unwrap_or_else(|| panic!("{command}: {answer}"));
            return Err(Errno::from_raw(number));
        }
        let value = answer.strip_prefix("ok");
        let value = value.unwrap_or_else(|| panic!("{command}: {answer}"));
        Ok(value.trim_start().to_owned())
    }

    /// The same for a command that must work.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[track_caller]
    pub fn tell(&mut self, command: &str) -> String {
        self.ask(command)
            .unwrap_or_else(|errno| panic!("{command}: {errno}"))
    }

    /// Waits until the process sleeps in system call `number` with a file other than the one its
    /// commands come from.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn waits_in(&self, number: i64) {
        let path = format!("/proc/{}/syscall", self.child.id());
        let mut last = String::new();
        let seen = wait::until(SOON, || {
            last = fs::read_to_string(&path).unwrap_or_default();
            let mut words = last.split_whitespace();
            let is = words.next().and_then(|word| word.parse().ok()) == Some(number);
            is && words.next() != Some("0x0")
        });
        assert!(seen, "the user is not in system call {number}: {last:?}");
    }

    /// SIGKILL; returns when the process is gone.
    ///
    /// # Panics
    ///
    /// If it does not go.
    #[track_caller]
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// The same for a user that was lent.
    ///
    /// # Panics
    ///
    /// As above.
    #[track_caller]
    pub fn kill_now(&mut self) {
        self.child.kill().expect("kill");
        let gone = wait::until(SOON, || matches!(self.child.try_wait(), Ok(Some(_))));
        assert!(gone, "the user cannot be killed");
    }
}

impl Drop for User {
    fn drop(&mut self) {
        // Both fail when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
