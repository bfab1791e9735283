// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A client of QEMU's test protocol (the comment in QEMU's `system/qtest.c`): port I/O and memory
//! accesses as the processor makes them, one a line, and what a driver makes of them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// I/O ports of the mechanism for config space: address and data.
const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;

/// A connection. Accesses panic if there is no answer: the machine is gone, or broken.
#[derive(Debug)]
pub struct Qtest(RefCell<BufReader<UnixStream>>);

impl Qtest {
    /// A client on a new connection.
    ///
    /// # Errors
    ///
    /// That of the socket.
    pub fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(RefCell::new(BufReader::new(stream))))
    }

    /// Has a command done; the words after `OK`.
    ///
    /// # Errors
    ///
    /// What came instead.
    pub fn ask(&self, command: &str) -> Result<String, String> {
        let mut reader = self.0.borrow_mut();
        let sent = writeln!(reader.get_mut(), "{command}");
        sent.map_err(|e| format!("{command}: {e}"))?;
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(_) if line.starts_with("OK") => Ok(line[2..].trim().to_owned()),
            Ok(_) => Err(format!("{command}: {line:?}")),
            Err(e) => Err(format!("{command}: {e}")),
        }
    }

    #[track_caller]
    fn done(&self, command: &str) -> String {
        self.ask(command).unwrap_or_else(|e| panic!("qtest: {e}"))
    }

    #[track_caller]
    fn number(&self, command: &str) -> u64 {
        let text = self.done(command);
        let digits = text.trim_start_matches("0x");
        u64::from_str_radix(digits, 16).unwrap_or_else(|e| panic!("{command}: {text:?}: {e}"))
    }

    /// Writes a byte to an I/O port.
    #[track_caller]
    pub fn outb(&self, port: u16, value: u8) {
        self.done(&format!("outb {port:#x} {value:#x}"));
    }

    /// Reads a byte from an I/O port.
    #[track_caller]
    pub fn inb(&self, port: u16) -> u8 {
        self.number(&format!("inb {port:#x}")) as u8
    }

    /// Writes 32 bits to an I/O port.
    #[track_caller]
    pub fn outl(&self, port: u16, value: u32) {
        self.done(&format!("outl {port:#x} {value:#x}"));
    }

    /// Reads 32 bits from an I/O port.
    #[track_caller]
    pub fn inl(&self, port: u16) -> u32 {
        self.number(&format!("inl {port:#x}")) as u32
    }

    /// Writes 32 bits to memory, or what answers at its address.
    #[track_caller]
    pub fn writel(&self, address: u64, value: u32) {
        self.done(&format!("writel {address:#x} {value:#x}"));
    }

    /// Reads 32 bits likewise.
    #[track_caller]
    pub fn readl(&self, address: u64) -> u32 {
        self.number(&format!("readl {address:#x}")) as u32
    }

    /// Writes bytes to memory.
    #[track_caller]
    pub fn write(&self, address: u64, bytes: &[u8]) {
        let mut text = format!("write {address:#x} {:#x} 0x", bytes.len());
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        self.done(&text);
    }

    /// Fills memory with a byte.
    #[track_caller]
    pub fn fill(&self, address: u64, len: u64, byte: u8) {
        self.done(&format!("memset {address:#x} {len:#x} {byte:#x}"));
    }

    /// Reads bytes from memory.
    #[track_caller]
    pub fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let text = self.done(&format!("read {address:#x} {len:#x}"));
        let digits = text.trim_start_matches("0x");
        let bytes = digits.as_bytes().chunks(2);
        bytes
            .map(|pair| {
                let pair = std::str::from_utf8(pair).unwrap_or("?");
                u8::from_str_radix(pair, 16).unwrap_or_else(|e| panic!("{text:?}: {e}"))
            })
            .collect()
    }

    fn config_at(&self, slot: u8, at: u8) {
        let address = 0x8000_0000 | u32::from(slot) << 11 | u32::from(at & !3);
        self.outl(CONFIG_ADDRESS, address);
    }

    /// Reads 32 bits of config space of the function 0 in `slot` of bus 0.
    #[track_caller]
    pub fn config(&self, slot: u8, at: u8) -> u32 {
        self.config_at(slot, at);
        self.inl(CONFIG_DATA)
    }

    /// Writes 32 bits likewise.
    #[track_caller]
    pub fn set_config(&self, slot: u8, at: u8, value: u32) {
        self.config_at(slot, at);
        self.outl(CONFIG_DATA, value);
    }
}
