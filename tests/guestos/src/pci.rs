// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A PCI function without a driver, through sysfs.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use vmig_vfio::Memory;

use crate::{wait, Result};

/// COMMAND in config space, and two of its bits: Memory Space, Bus Master.
const COMMAND: u64 = 0x04;
const MEMORY_AND_MASTER: u16 = 0x0006;
/// Where the first capability is.
const CAPABILITIES: u64 = 0x34;
/// ID of the MSI-X capability, and the bit of its control word that switches it on.
const MSIX: u8 = 0x11;
const MSIX_ENABLE: u16 = 0x8000;

/// Has the kernel look for cards that were plugged in.
pub(crate) fn rescan() -> Result<()> {
    Ok(fs::write("/sys/bus/pci/rescan", "1")?)
}

/// The function.
pub(crate) struct Function {
    place: PathBuf,
    config: File,
}

impl Function {
    /// Waits for a function with these IDs.
    pub(crate) fn wait_for(vendor: u16, device: u16) -> Result<Self> {
        rescan()?;
        let place = wait::for_some("such function", || find(vendor, device))?;
        let config = File::options()
            .read(true)
            .write(true)
            .open(place.join("config"))?;
        Ok(Self { place, config })
    }

    /// Lets it be used: BARs, DMA, messages.
    pub(crate) fn enable(&self) -> Result<()> {
        fs::write(self.place.join("enable"), "1")?;
        let command = self.word(COMMAND)? | MEMORY_AND_MASTER;
        self.set_word(COMMAND, command)?;
        let control = self.capability(MSIX)? + 2;
        let on = self.word(control)? | MSIX_ENABLE;
        self.set_word(control, on)
    }

    /// Maps the first `len` bytes of a BAR.
    pub(crate) fn map(&self, bar: u32, len: usize) -> Result<Memory> {
        let place = self.place.join(format!("resource{bar}"));
        let file = File::options().read(true).write(true).open(place)?;
        Ok(Memory::shared(&file, 0, len)?)
    }

    /// Where in config space a capability is.
    fn capability(&self, id: u8) -> Result<u64> {
        let mut at = self.byte(CAPABILITIES)?;
        // There is no room for more.
        for _ in 0..48 {
            if at == 0 {
                break;
            }
            if self.byte(at.into())? == id {
                return Ok(at.into());
            }
            at = self.byte(u64::from(at) + 1)?;
        }
        Err(format!("no capability {id:#x}").into())
    }

    fn byte(&self, at: u64) -> Result<u8> {
        let mut byte = [0];
        self.config.read_exact_at(&mut byte, at)?;
        Ok(byte[0])
    }

    fn word(&self, at: u64) -> Result<u16> {
        let mut word = [0; 2];
        self.config.read_exact_at(&mut word, at)?;
        Ok(u16::from_le_bytes(word))
    }

    fn set_word(&self, at: u64, value: u16) -> Result<()> {
        Ok(self.config.write_all_at(&value.to_le_bytes(), at)?)
    }
}

fn find(vendor: u16, device: u16) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir("/sys/bus/pci/devices")? {
        let place = entry?.path();
        // The last file that the kernel makes for a function is there.
        if place.join("resource0").exists()
            && id(&place, "vendor") == Some(vendor)
            && id(&place, "device") == Some(device)
        {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

fn id(place: &Path, name: &str) -> Option<u16> {
    let text = fs::read_to_string(place.join(name)).ok()?;
    u16::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}
