// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Programs of a client that are run to their end, and what they say.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::Client;

/// Where mdevctl looks for callouts.
const CALLOUTS: &str = "/usr/lib/mdevctl/scripts.d/callouts";

/// Standard files by name, which mdevctl and virsh are told to read. A VM without udev has none.
const STANDARD: [&str; 3] = ["stdin", "stdout", "stderr"];

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// Exit status; none if a signal has ended it.
    pub status: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Said {
    /// What it wrote to standard output.
    ///
    /// # Panics
    ///
    /// If it did not succeed.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.out
    }

    /// Asserts that it failed, with all of `parts` on standard error.
    ///
    /// # Panics
    ///
    /// If it did not.
    #[track_caller]
    pub fn refused(self, parts: &[&str]) {
        assert_eq!(self.status, Some(1), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "{part:?}: {self:?}");
        }
    }
}

impl Client {
    /// Puts vmig's callout and command where `make install` does.
    ///
    /// # Panics
    ///
    /// If a file cannot be written.
    #[track_caller]
    pub fn install(&self) {
        let links = STANDARD.iter().enumerate();
        let links = links.map(|(number, name)| (format!("/dev/{name}"), number));
        for (link, number) in links.filter(|(link, _)| !Path::new(link).exists()) {
            symlink(format!("/proc/self/fd/{number}"), link).expect("standard files");
        }
        fs::create_dir_all(self.path(CALLOUTS)).expect("callouts");
        let callout = self.path(CALLOUTS).join("vmig");
        fs::copy("/bin/vmig-mdevctl", callout).expect("the callout");
        fs::copy("/bin/vmig", self.path("/usr/bin/vmig")).expect("the command");
    }

    /// Runs a program, which can read `input`.
    ///
    /// # Panics
    ///
    /// If it cannot be run.
    #[track_caller]
    pub fn run(&self, words: &[&str], input: &str) -> Said {
        let mut child = self
            .command(words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chroot");
        let mut stdin = child.stdin.take().expect("a pipe");
        // It may not want to read it all.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().expect("the program's end");
        let said = Said {
            status: status.code(),
            out: String::from_utf8(stdout).expect("text"),
            err: String::from_utf8(stderr).expect("text"),
        };
        println!("{words:?} {said:#?}");
        said
    }

    /// The run must succeed. Returns what it wrote to standard output.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn done(&self, words: &[&str], input: &str) -> String {
        self.run(words, input).done()
    }

    /// The run must fail, with all of `parts` on standard error.
    ///
    /// # Panics
    ///
    /// If it does not.
    #[track_caller]
    pub fn refused(&self, words: &[&str], input: &str, parts: &[&str]) {
        self.run(words, input).refused(parts);
    }
}
