// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Sends bytes through a port of a serial card, or reads what its FIFO holds, over VFIO.
//!
//! `uart send UUID PORT TEXT` writes TEXT to the port, which is wired to itself, and leaves it in
//! the receive FIFO; `uart read UUID PORT` prints what the FIFO holds. Every access is a read or
//! write of BAR 0 as a guest's driver would make it. Registers: `linux/serial_reg.h`.

use std::process::ExitCode;

use vmig_vfio::{uapi, Attach, Device, Region, Roots};

/// Receive buffer and transmit holding register.
const DATA: u64 = 0;
/// FIFO control register.
const FCR: u64 = 2;
/// Line control register.
const LCR: u64 = 3;
/// Modem control register.
const MCR: u64 = 4;
/// Line status register.
const LSR: u64 = 5;

/// Registers of one port.
const PORT_SIZE: u64 = 8;
/// A FIFO of any known chip is emptied by fewer reads.
const FIFO_MAX: usize = 256;

const FCR_ENABLE: u8 = 0x01;
const LCR_8N1: u8 = 0x03;
const MCR_DTR_RTS: u8 = 0x03;
const LSR_DATA_READY: u8 = 0x01;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["send", uuid, port, text] => send(uuid, port, text),
        ["read", uuid, port] => read(uuid, port),
        _ => {
            eprintln!("usage: uart send UUID PORT TEXT | uart read UUID PORT");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("uart: {error}");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Result<String, Box<dyn std::error::Error>>;

fn send(uuid: &str, port: &str, text: &str) -> Outcome {
    let device = open(uuid)?;
    let uart = Uart::new(&device, port)?;
    uart.write(LCR, LCR_8N1)?;
    uart.write(FCR, FCR_ENABLE)?;
    uart.write(MCR, MCR_DTR_RTS)?;
    for byte in text.bytes() {
        uart.write(DATA, byte)?;
    }
    Ok(format!("port {port}: {} bytes sent", text.len()))
}

fn read(uuid: &str, port: &str) -> Outcome {
    let device = open(uuid)?;
    let uart = Uart::new(&device, port)?;
    let mut bytes = Vec::new();
    while uart.read(LSR)? & LSR_DATA_READY != 0 {
        if bytes.len() == FIFO_MAX {
            return Err("the FIFO does not run empty".into());
        }
        bytes.push(uart.read(DATA)?);
    }
    Ok(format!(
        "port {port}: {:?}, {} bytes",
        String::from_utf8_lossy(&bytes),
        bytes.len()
    ))
}

fn open(uuid: &str) -> vmig_vfio::Result<Device> {
    let roots = Roots::default();
    Device::open(&roots, &roots.mdev(uuid), Attach::Auto)
}

/// The registers of one port.
struct Uart<'d> {
    bar: Region<'d>,
    base: u64,
}

impl<'d> Uart<'d> {
    fn new(device: &'d Device, port: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let bar = device.region(uapi::VFIO_PCI_BAR0_REGION_INDEX)?;
        let port: u64 = port.parse()?;
        let base = port.checked_mul(PORT_SIZE).ok_or("no such port")?;
        Ok(Self { bar, base })
    }

    fn read(&self, register: u64) -> vmig_vfio::Result<u8> {
        self.bar.read_u8(self.base + register)
    }

    fn write(&self, register: u64, value: u8) -> vmig_vfio::Result<()> {
        self.bar.write_u8(self.base + register, value)
    }
}
