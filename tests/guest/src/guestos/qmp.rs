// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! QEMU's machine protocol.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{json, Value};

use super::machine;

/// How long QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub struct Qmp {
    stream: BufReader<UnixStream>,
    /// What QEMU has told without being asked.
    events: Vec<Value>,
}

impl Qmp {
    /// Connects to QEMU's socket, as soon as it is there, and leaves negotiation mode.
    ///
    /// # Panics
    ///
    /// If that fails; so for the others.
    #[track_caller]
    pub fn connect(socket: &Path) -> Self {
        let stream = machine::connect(socket);
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let mut qmp = Self {
            stream: BufReader::new(stream),
            events: Vec::new(),
        };
        let greeting = qmp.message();
        assert!(greeting.get("QMP").is_some(), "{greeting}");
        qmp.run("qmp_capabilities", &json!({}));
        qmp
    }

    /// Has a command executed; what it returns, or QEMU's words.
    ///
    /// # Errors
    ///
    /// What QEMU says.
    #[track_caller]
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, String> {
        let line = json!({ "execute": command, "arguments": arguments });
        let stream = self.stream.get_mut();
        stream
            .write_all(format!("{line}\n").as_bytes())
            .expect("QMP");
        loop {
            let mut message = self.message();
            if let Some(value) = message.get_mut("return") {
                return Ok(value.take());
            }
            if let Some(error) = message.get("error") {
                return Err(error["desc"].as_str().unwrap_or_default().to_owned());
            }
            self.events.push(message);
        }
    }

    /// The same for a command that QEMU has no reason to refuse.
    #[track_caller]
    pub fn run(&mut self, command: &str, arguments: &Value) -> Value {
        let done = self.execute(command, arguments);
        done.unwrap_or_else(|error| panic!("{command} {arguments}: {error}"))
    }

    /// A command for people.
    #[track_caller]
    pub fn human(&mut self, line: &str) -> String {
        let said = self.run("human-monitor-command", &json!({ "command-line": line }));
        said.as_str().unwrap_or_default().to_owned()
    }

    /// Events so far.
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    #[track_caller]
    fn message(&mut self) -> Value {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).expect("QMP");
        assert!(read > 0, "QEMU has hung up");
        serde_json::from_str(&line).expect("JSON")
    }
}
