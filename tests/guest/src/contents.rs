// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Contents of a card: something in every register, and data in both FIFOs of every port. What
//! exactly is known for a card with two ports, 64 byte FIFOs and auto-flow.

use crate::stream::save;
use crate::uart::*;
use crate::{pci, Port};
use vmig_vfio::Device;

/// Parameters of such a card.
pub const LIST: &str = "ports=2 fifo-size=64 auto-flow=on";

/// What port `index` has in its receiver and in its sender.
pub fn contents(index: u64) -> (Vec<u8>, Vec<u8>) {
    let received = (0..40).map(|n| n * 3 + u8::try_from(index).unwrap());
    let waiting = (0..64).map(|n| n ^ 0xa0 ^ u8::try_from(index).unwrap());
    (received.collect(), waiting.collect())
}

/// Number of ports of a card.
fn ports(device: &Device) -> u64 {
    let bar = device.region_info(0).expect("BAR 0");
    bar.size / STRIDE
}

/// Puts data into both FIFOs of all ports, and something into every register.
///
/// # Panics
///
/// If the device refuses an access; so for those below.
#[track_caller]
pub fn fill(device: &Device) {
    pci::enable(device);
    let config = pci::config(device);
    config.write_u8(pci::LINE, 0x5a).unwrap();
    config.write_u32(pci::BAR0, 0xc000).unwrap();
    for index in 0..ports(device) {
        let port = Port::new(device, index);
        port.fifos(true);
        port.set(FCR, FCR_ENABLE | (3 << 6));
        let (received, waiting) = contents(index);
        port.send(&received);
        port.set(MCR, MCR_AFE | MCR_DTR | MCR_OUT2);
        port.send(&waiting);
        port.set(SCR, 0x30 + u8::try_from(index).unwrap());
        port.set(LCR, LCR_DLAB);
        port.set(DATA, 0x0c);
        port.set(IER, 0x01);
        port.set(LCR, LCR_8N1);
        port.set(IER, IER_RLSI | IER_MSI);
    }
}

/// Everything that can be read without changing it.
#[track_caller]
pub fn look(device: &Device) -> (Vec<u8>, Vec<[u8; 7]>) {
    let mut config = vec![0; 256];
    pci::config(device).read_at(0, &mut config).unwrap();
    let ports = (0..ports(device)).map(|index| Port::new(device, index).registers());
    (config, ports.collect())
}

/// Takes all data out, and asserts that it is what [`fill`] has put in.
#[track_caller]
pub fn assert_contents(device: &Device) {
    for index in 0..2 {
        let port = Port::new(device, index);
        let (received, waiting) = contents(index);
        assert_eq!(
            port.get(LSR) & (LSR_DR | LSR_THRE | LSR_TEMT),
            LSR_DR,
            "both FIFOs of {index}"
        );
        assert_eq!(port.receive(), received, "receiver of port {index}");
        port.set(MCR, 0);
        assert_eq!(port.receive(), waiting, "sender of port {index}");
        assert_eq!(port.get(LSR), LSR_THRE | LSR_TEMT, "port {index} is empty");
    }
}

/// Fills the device and takes two copies of its state: without contents, and with them.
#[track_caller]
pub fn empty_and_full(device: &Device) -> (Vec<u8>, Vec<u8>) {
    device.reset().expect("reset");
    let empty = save(device);
    fill(device);
    let full = save(device);
    assert_ne!(empty, full);
    (empty, full)
}
