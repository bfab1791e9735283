// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Cards and ports as the kernel has them.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::{pci, wait, Result};

/// The driver of PCI serial cards.
const DRIVER: &str = "/sys/bus/pci/drivers/serial";

/// Registers of a port, and two of them with a bit each: those of 64 bytes can be switched while DLAB
/// is on, by a value with the FIFOs on.
const PORT_LEN: u64 = 8;
const FCR: u64 = 2;
const FCR_ENABLE: u8 = 0x01;
const LCR: u64 = 3;
const LCR_DLAB: u8 = 0x80;

/// Waits for `count` ports on PCI cards. Their names, such as `ttyS1`.
pub(crate) fn wait_for(count: usize) -> Result<Vec<String>> {
    pci::rescan()?;
    wait::for_some("ports", || {
        let ports = ports()?;
        Ok((ports.len() >= count).then_some(ports))
    })
}

/// Takes all cards from their driver and gives them back.
///
/// The driver leaves a 16750 with FIFOs of 64 bytes, and takes for a 16550A what has them before it
/// has switched them on. So it is as well with real chips; it is the reset before a boot that helps.
pub(crate) fn probe_again() -> Result<()> {
    let mut cards = names(DRIVER)?;
    cards.retain(|name| name.contains(':'));
    for card in &cards {
        fs::write(Path::new(DRIVER).join("unbind"), card)?;
        short_fifos(&Path::new("/sys/bus/pci/devices").join(card))?;
        fs::write(Path::new(DRIVER).join("bind"), card)?;
    }
    Ok(())
}

/// Gives the chips of a card the FIFOs that they have after a reset.
fn short_fifos(card: &Path) -> Result<()> {
    let ports = card.join("resource0");
    let len = fs::metadata(&ports)?.len();
    let ports = fs::File::options().write(true).open(ports)?;
    for port in (0..len / PORT_LEN).map(|port| port * PORT_LEN) {
        for (register, value) in [(LCR, LCR_DLAB), (FCR, FCR_ENABLE), (FCR, 0), (LCR, 0)] {
            ports.write_all_at(&[value], port + register)?;
        }
    }
    Ok(())
}

/// The ports whose device is below a PCI device, sorted.
fn ports() -> Result<Vec<String>> {
    let mut ports = names("/sys/class/tty")?;
    ports.retain(|name| {
        let place = fs::canonicalize(Path::new("/sys/class/tty").join(name));
        name.starts_with("ttyS")
            && place.is_ok_and(|place| place.starts_with("/sys/devices/pci0000:00"))
    });
    ports.sort();
    Ok(ports)
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).map_err(|error| format!("{file}: {error}").into())
}

fn names(directory: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{directory}: {error}"))?;
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// What the kernel tells about a port in `/proc/tty/driver/serial_8250`.
pub(crate) struct Known {
    /// What it takes the chip for.
    pub(crate) chip: String,
    irq: u32,
    /// How often the chip has said that it lost a byte.
    pub(crate) overruns: u64,
}

impl Known {
    /// About the port `name`.
    pub(crate) fn of(name: &str) -> Result<Self> {
        let number = name.strip_prefix("ttyS").ok_or("no serial port")?;
        let table = read("/proc/tty/driver/serial_8250")?;
        let found = Self::parse(&table, number);
        found.ok_or_else(|| format!("{name} is not in {table:?}").into())
    }

    fn parse(table: &str, number: &str) -> Option<Self> {
        let row = |line: &str| {
            line.split_once(": ")
                .filter(|(n, _)| *n == number)
                .map(|(_, rest)| rest.to_owned())
        };
        let row = table.lines().find_map(row)?;
        let field = |name: &str| {
            let mut words = row.split_ascii_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix(':'))
        };
        Some(Self {
            chip: field("uart")?.to_owned(),
            irq: field("irq")?.parse().ok()?,
            // Not there while there were none.
            overruns: field("oe").map_or(Some(0), |count| count.parse().ok())?,
        })
    }

    /// How often the interrupt came.
    pub(crate) fn interrupts(&self) -> Result<u64> {
        let table = read("/proc/interrupts")?;
        let count = |line: &str| {
            let (irq, rest) = line.trim_start().split_once(':')?;
            let count = rest.split_ascii_whitespace().next()?;
            (irq.parse() == Ok(self.irq)).then(|| count.parse().ok())?
        };
        // It has none before it is first opened.
        Ok(table.lines().find_map(count).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::Known;

    #[test]
    fn the_kernels_table_is_understood() {
        let table = "serinfo:1.0 driver revision:\n\
            0: uart:16550A port:000003F8 irq:4 tx:12 rx:0 RTS|DTR|DSR|CD\n\
            1: uart:16750 port:0000C000 irq:10 tx:9 rx:9 oe:3 RTS|CTS\n\
            10: uart:unknown port:00000000 irq:0\n";
        let known = Known::parse(table, "1").unwrap();
        assert_eq!(
            (known.chip.as_str(), known.irq, known.overruns),
            ("16750", 10, 3)
        );
        assert_eq!(Known::parse(table, "0").unwrap().overruns, 0);
        assert!(Known::parse(table, "2").is_none());
    }
}
