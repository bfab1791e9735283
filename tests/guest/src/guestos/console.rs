// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The guest's first serial port: commands go in, answers come out.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::machine;

/// How long an answer may take. The guest itself waits a minute for a card.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the kernel says when nobody takes an interrupt, in two parts.
const NOBODY: [&str; 2] = ["nobody cared", "Disabling IRQ"];

/// The other end of the port.
#[derive(Debug)]
pub struct Console {
    stream: BufReader<UnixStream>,
}

impl Console {
    /// Connects to QEMU's socket, as soon as it is there.
    ///
    /// # Panics
    ///
    /// If it does not come; so for the others.
    #[track_caller]
    pub fn connect(socket: &Path) -> Self {
        let stream = machine::connect(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Gives a command; the lines of the answer but the last, which says that all went well.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> Vec<String> {
        let line = format!("{command}\n");
        let written = self.stream.get_mut().write_all(line.as_bytes());
        written.expect("the guest's console");
        let mut answer = Vec::new();
        loop {
            let line = self.line(command, &answer);
            let lost = NOBODY.iter().any(|text| line.contains(text));
            assert!(!lost, "the guest has lost an interrupt: {answer:?} {line}");
            match line.as_str() {
                "done" => return answer,
                failed if failed.starts_with("failed: ") => {
                    panic!("the guest, asked {command:?}: {answer:?} {failed}")
                }
                _ => answer.push(line),
            }
        }
    }

    #[track_caller]
    fn line(&mut self, command: &str, answer: &[String]) -> String {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        match read {
            Ok(len) if len > 0 => text,
            other => {
                panic!("asked {command:?}, the guest says {answer:?} {text:?}, then {other:?}")
            }
        }
    }
}
