// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A client of QEMU's machine protocol (QEMU's `docs/interop/qmp-spec.rst`): one JSON object a line.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{json, Value};

/// Longest wait for an answer. Generous, because QEMU may be emulated on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a wait looks at the clock.
const GLANCE: Duration = Duration::from_millis(50);

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// QEMU refused it.
    Refused {
        /// `GenericError`, for most.
        class: String,
        /// For a person.
        desc: String,
    },
    /// There is no answer, or none that can be understood.
    Lost(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { class, desc } => write!(f, "{class}: {desc}"),
            Self::Lost(why) => write!(f, "no answer: {why}"),
        }
    }
}

/// Something that QEMU tells unasked.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// What belongs to it.
    pub data: Value,
}

/// A connection.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
    /// What has come of a line.
    line: Vec<u8>,
    next_id: u64,
    events: Vec<Event>,
}

impl Qmp {
    /// Takes QEMU's greeting on a new connection, and leaves the mode in which only capabilities can be
    /// agreed on.
    ///
    /// # Errors
    ///
    /// If this is no QEMU; so for all below that can fail.
    pub fn new(stream: UnixStream) -> Result<Self, Error> {
        let lost = |e: std::io::Error| Error::Lost(e.to_string());
        stream.set_read_timeout(Some(GLANCE)).map_err(lost)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(lost)?;
        let reader = BufReader::new(stream.try_clone().map_err(lost)?);
        let mut qmp = Self {
            stream,
            reader,
            line: Vec::new(),
            next_id: 1,
            events: Vec::new(),
        };
        let greeting = qmp.message(Instant::now() + PATIENCE)?;
        if greeting.pointer("/QMP/version/qemu").is_none() {
            return Err(Error::Lost(format!("no greeting: {greeting}")));
        }
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Has a command done and returns what it returns.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, Error> {
        let id = self.next_id;
        self.next_id += 1;
        let text = json!({"execute": command, "arguments": arguments, "id": id}).to_string() + "\n";
        let sent = self.stream.write_all(text.as_bytes());
        sent.map_err(|e| Error::Lost(format!("{command}: {e}")))?;
        let end = Instant::now() + PATIENCE;
        loop {
            let message = self.message(end)?;
            if self.take_event(&message) {
                continue;
            }
            if message.get("id") != Some(&json!(id)) {
                return Err(Error::Lost(format!(
                    "not the answer to {command}: {message}"
                )));
            }
            if let Some(value) = message.get("return") {
                return Ok(value.clone());
            }
            let word = |name: &str| {
                let text = message.pointer(&format!("/error/{name}"));
                text.and_then(Value::as_str).unwrap_or("?").to_owned()
            };
            return Err(Error::Refused {
                class: word("class"),
                desc: word("desc"),
            });
        }
    }

    /// The same for a command that QEMU has no reason to refuse.
    ///
    /// # Panics
    ///
    /// If it is refused, or there is no answer; so for the other.
    #[track_caller]
    pub fn run(&mut self, command: &str, arguments: &Value) -> Value {
        let done = self.execute(command, arguments);
        done.unwrap_or_else(|error| panic!("{command} {arguments}: {error}"))
    }

    /// A command for people, and what they are told.
    #[track_caller]
    pub fn human(&mut self, line: &str) -> String {
        let said = self.run("human-monitor-command", &json!({ "command-line": line }));
        said.as_str().unwrap_or_default().to_owned()
    }

    /// The events since the beginning, in their order. A command's events come before its answer, if
    /// they were sent before it.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Waits for an event with this name, which may have come already.
    pub fn wait_for(&mut self, name: &str) -> Result<Event, Error> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(event) = self.events.iter().find(|event| event.name == name) {
                return Ok(event.clone());
            }
            let message = self.message(end)?;
            if !self.take_event(&message) {
                return Err(Error::Lost(format!("not an event: {message}")));
            }
        }
    }

    fn take_event(&mut self, message: &Value) -> bool {
        let Some(name) = message.get("event").and_then(Value::as_str) else {
            return false;
        };
        self.events.push(Event {
            name: name.to_owned(),
            data: message.get("data").cloned().unwrap_or(Value::Null),
        });
        true
    }

    /// The next line.
    fn message(&mut self, end: Instant) -> Result<Value, Error> {
        loop {
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => return Err(Error::Lost("QEMU has hung up".to_owned())),
                Ok(_) if self.line.ends_with(b"\n") => {
                    let line = std::mem::take(&mut self.line);
                    return serde_json::from_slice(&line).map_err(|e| {
                        Error::Lost(format!("{e}: {}", String::from_utf8_lossy(&line)))
                    });
                }
                // The rest of the line is missing: the next read says that QEMU has hung up.
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if Instant::now() >= end {
                        return Err(Error::Lost("QEMU is silent".to_owned()));
                    }
                }
                Err(e) => return Err(Error::Lost(e.to_string())),
            }
        }
    }
}
