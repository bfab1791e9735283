// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A domain without a guest: its processor is halted, and a test does what a driver would do through
//! QEMU's monitor.

use std::fs;

use guest::qemu::{HALTED, QEMU_10, SLOT};
use guest::uart::*;

use crate::host::Host;

/// Where its firmware is.
const BIOS: &str = "/tmp/halted.bin";

/// Where BAR 0 of the card answers.
const PORTS_AT: u16 = 0xc000;

/// ACPI's registers for hotplug on this machine: which bus, which slots are to go, and which to eject.
const BUS: u16 = 0xae10;
const DOWN: u16 = 0xae04;
const EJECT: u16 = 0xae08;

/// A domain that runs. Dropping it destroys it.
#[derive(Debug)]
pub(crate) struct Domain<'a> {
    host: &'a Host,
    name: String,
}

impl<'a> Domain<'a> {
    /// Starts one with the device `uuid`.
    #[track_caller]
    pub(crate) fn start(host: &'a Host, name: &str, uuid: &str) -> Self {
        fs::write(BIOS, HALTED).expect("firmware");
        let create = ["virsh", "create", "/dev/stdin", "--validate"];
        host.done(&create, &xml(name, uuid));
        Self::existing(host, name)
    }

    /// One that runs already.
    pub(crate) fn existing(host: &'a Host, name: &str) -> Self {
        let name = name.to_owned();
        Self { host, name }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What `virsh domstate` says.
    #[track_caller]
    pub(crate) fn state(&self) -> String {
        let text = self.host.virsh(&["domstate", &self.name]);
        text.trim().to_owned()
    }

    /// Whether it has a device of the host.
    #[track_caller]
    pub(crate) fn has_device(&self) -> bool {
        let xml = self.host.virsh(&["dumpxml", &self.name]);
        xml.contains("<hostdev ")
    }

    /// Has the monitor do all of `commands`.
    #[track_caller]
    fn monitor(&self, commands: &[String]) -> String {
        let line = |command| format!("qemu-monitor-command {} --hmp \"{command}\"", self.name);
        let lines: Vec<String> = commands.iter().map(line).collect();
        self.host.virsh(&[&lines.join("; ")])
    }

    /// Sets the card up and puts something into each of its ports.
    #[track_caller]
    pub(crate) fn fill(&self, ports: u16) {
        let mut commands = config(0x10, u32::from(PORTS_AT));
        commands.extend(config(0x04, 0x0005));
        for port in 0..ports {
            commands.push(write(port, LCR, LCR_8N1));
            commands.push(write(port, FCR, FCR_ENABLE | FCR_CLEAR_RX | FCR_CLEAR_TX));
            let text = text(port);
            commands.extend(text.bytes().map(|byte| write(port, DATA, byte)));
            commands.push(write(port, SCR, scratch(port)));
        }
        self.monitor(&commands);
    }

    /// Whether ACPI tells the guest that the card is to go.
    #[track_caller]
    pub(crate) fn is_asked(&self) -> bool {
        let said = self.monitor(&[format!("o /w {BUS:#x} 0"), format!("i /w {DOWN:#x}")]);
        let slots = values(&said).next().expect("a value");
        slots & (1 << SLOT) != 0
    }

    /// Asserts that all is there that [`Domain::fill`] has put in, and takes it out.
    #[track_caller]
    pub(crate) fn check(&self, ports: u16) {
        for port in 0..ports {
            let text = text(port);
            let registers = [SCR].into_iter().chain(text.bytes().map(|_| DATA));
            let reads = registers.chain([LSR]).map(|register| read(port, register));
            let said = self.monitor(&reads.collect::<Vec<_>>());
            let values: Vec<u8> = values(&said).map(|value| value as u8).collect();
            let [first, received @ .., last] = values.as_slice() else {
                panic!("{said}")
            };
            assert_eq!(*first, scratch(port), "scratch register of port {port}");
            assert_eq!(received, text.as_bytes(), "receiver of port {port}");
            assert_eq!(last & LSR_DR, 0, "the receiver of port {port} is empty");
        }
    }

    /// Does what a guest does when ACPI tells it that the card is to go.
    #[track_caller]
    pub(crate) fn eject(&self) {
        let slot = 1_u32 << SLOT;
        self.monitor(&[
            format!("o /w {BUS:#x} 0"),
            format!("o /w {EJECT:#x} {slot}"),
        ]);
    }
}

impl Drop for Domain<'_> {
    fn drop(&mut self) {
        // Gone already is as good.
        self.host.run(&["virsh", "destroy", &self.name], "");
    }
}

/// What a port receives.
fn text(port: u16) -> String {
    format!("port {port}")
}

/// What is in the scratch register of a port.
fn scratch(port: u16) -> u8 {
    0xa0 + port as u8
}

/// What the monitor has read.
fn values(said: &str) -> impl Iterator<Item = u32> + '_ {
    let values = said.lines().filter_map(|line| line.split_once("= 0x"));
    values.map(|(_, hex)| u32::from_str_radix(hex.trim(), 16).expect("hexadecimal"))
}

/// Writes to the card's config space.
fn config(offset: u8, value: u32) -> Vec<String> {
    let address = 0x8000_0000 | u32::from(SLOT) << 11 | u32::from(offset);
    vec![
        format!("o /w 0xcf8 {address:#x}"),
        format!("o /w 0xcfc {value:#x}"),
    ]
}

fn at(port: u16, register: u64) -> u16 {
    PORTS_AT + port * STRIDE as u16 + register as u16
}

fn write(port: u16, register: u64, value: u8) -> String {
    format!("o /b {:#x} {value:#x}", at(port, register))
}

fn read(port: u16, register: u64) -> String {
    format!("i /b {:#x}", at(port, register))
}

/// The domain `name` with the device `uuid`, in libvirt's words.
fn xml(name: &str, uuid: &str) -> String {
    format!(
        "<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>\
         <os><type arch='x86_64' machine='{}'>hvm</type><loader type='rom'>{BIOS}</loader></os>\
         <features><acpi/></features><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>\
         <controller type='usb' model='none'/><memballoon model='none'/>{}</devices></domain>",
        QEMU_10.machine,
        hostdev(uuid)
    )
}

/// The device in a domain.
fn hostdev(uuid: &str) -> String {
    format!(
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='{uuid}'/></source>\
         <address type='pci' domain='0' bus='0' slot='{SLOT}' function='0'/></hostdev>"
    )
}
