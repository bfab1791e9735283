// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Config space and the shape of the device: IDs, masks, BAR sizing, capabilities, regions.

use guest::pci::{self, *};
use guest::{Mdev, Test, Type};
use vmig_vfio::{uapi, Device};

fn card(ports: u32) -> (Mdev, Device) {
    let kind = Type::default_parent(if ports == 1 { "serial-1" } else { "serial-2" });
    let mdev = kind.new_device();
    let device = mdev.device();
    (mdev, device)
}

#[test]
fn the_device_is_a_pci_device_that_can_be_reset() {
    let _test = Test::begin();
    let (_mdev, device) = card(1);
    let info = device.info().unwrap();
    assert!(info.is_pci());
    assert!(info.can_reset());
    assert!(info.regions >= uapi::VFIO_PCI_NUM_REGIONS);
    assert_eq!(info.irqs, uapi::VFIO_PCI_NUM_IRQS);
    for index in [info.regions, u32::MAX] {
        assert_eq!(
            device.region_info(index).unwrap_err().raw_os_error(),
            Some(22),
            "{index}"
        );
    }
    for index in [info.irqs, u32::MAX] {
        assert_eq!(
            device.irq_info(index).unwrap_err().raw_os_error(),
            Some(22),
            "{index}"
        );
    }
}

#[test]
fn ids_and_class_are_those_of_a_serial_card() {
    let _test = Test::begin();
    for (ports, id) in [(1, 0x0002), (2, 0x0003)] {
        let (_mdev, device) = card(ports);
        let config = pci::config(&device);
        assert_eq!(config.read_u16(VENDOR).unwrap(), 0x1b36);
        assert_eq!(config.read_u16(DEVICE).unwrap(), id);
        assert_eq!(
            config.read_u32(REVISION).unwrap() >> 8,
            0x07_00_02,
            "16550 serial"
        );
        assert_eq!(config.read_u8(HEADER).unwrap(), 0);
        assert_eq!(config.read_u8(PIN).unwrap(), 1, "INTA");
    }
}

#[test]
fn regions_are_one_io_bar_and_config_space() {
    let _test = Test::begin();
    for ports in [1, 2] {
        let (_mdev, device) = card(ports);
        let info = |index| device.region_info(index).unwrap();
        let bar = info(uapi::VFIO_PCI_BAR0_REGION_INDEX);
        assert_eq!(bar.size, 8 * u64::from(ports));
        assert!(bar.readable() && bar.writable());
        assert!(bar.mappable().is_empty(), "registers are trapped");
        for index in uapi::VFIO_PCI_BAR1_REGION_INDEX..=uapi::VFIO_PCI_ROM_REGION_INDEX {
            assert_eq!(info(index).size, 0, "region {index}");
        }
        assert_eq!(info(uapi::VFIO_PCI_CONFIG_REGION_INDEX).size, 256);
        assert_eq!(info(uapi::VFIO_PCI_VGA_REGION_INDEX).size, 0);
    }
}

#[test]
fn bar_sizing_shows_the_size_and_then_holds_an_address() {
    let _test = Test::begin();
    for ports in [1_u32, 2] {
        let (_mdev, device) = card(ports);
        let config = pci::config(&device);
        let bar = |n: u64| BAR0 + 4 * n;
        config.write_u32(bar(0), u32::MAX).unwrap();
        assert_eq!(
            config.read_u32(bar(0)).unwrap(),
            !(8 * ports - 1) | 1,
            "I/O, {ports} port(s)"
        );
        config.write_u32(bar(0), 0x0000_c000).unwrap();
        assert_eq!(config.read_u32(bar(0)).unwrap(), 0x0000_c001);
        for n in 1..6 {
            config.write_u32(bar(n), u32::MAX).unwrap();
            assert_eq!(config.read_u32(bar(n)).unwrap(), 0, "BAR {n}");
        }
        config.write_u32(0x30, u32::MAX).unwrap();
        assert_eq!(config.read_u32(0x30).unwrap(), 0, "no ROM");
        // Sizing in pieces, as a guest with byte accesses may do.
        for byte in 0..4 {
            config.write_u8(bar(0) + byte, 0xff).unwrap();
        }
        assert_eq!(config.read_u32(bar(0)).unwrap(), !(8 * ports - 1) | 1);
    }
}

#[test]
fn each_bit_of_the_header_is_read_only_or_writable_as_the_specification_says() {
    struct Row {
        at: u64,
        name: &'static str,
        /// Must take both values.
        writable: u16,
        /// May be writable or not: the device has no use for it, guests may still write it.
        either: u16,
    }
    let row = |at, name, writable, either| Row {
        at,
        name,
        writable,
        either,
    };
    let rows = [
        row(0x00, "vendor", 0, 0),
        row(0x02, "device", 0, 0),
        // I/O, bus master, INTx disable; memory, parity and SERR enable are of no use.
        row(
            0x04,
            "command",
            COMMAND_IO | COMMAND_MASTER | COMMAND_INTX_DISABLE,
            0x0142,
        ),
        row(0x06, "status", 0, 0),
        row(0x08, "revision and interface", 0, 0),
        row(0x0a, "class", 0, 0),
        row(0x0c, "cache line and latency", 0, 0xffff),
        row(0x0e, "header type and BIST", 0, 0),
        row(0x28, "CardBus, low", 0, 0),
        row(0x2a, "CardBus, high", 0, 0),
        row(0x2c, "subsystem vendor", 0, 0),
        row(0x2e, "subsystem", 0, 0),
        row(0x34, "capabilities", 0, 0),
        row(0x36, "reserved", 0, 0),
        row(0x38, "reserved", 0, 0),
        row(0x3a, "reserved", 0, 0),
        row(0x3c, "interrupt line and pin", 0x00ff, 0),
        row(0x3e, "latency", 0, 0),
    ];
    let _test = Test::begin();
    let (_mdev, device) = card(2);
    let config = pci::config(&device);
    for Row {
        at,
        name,
        writable,
        either,
    } in rows
    {
        let before = config.read_u16(at).unwrap();
        for value in [0xffff, 0x0000, 0x5555, 0xaaaa] {
            config.write_u16(at, value).unwrap();
            let now = config.read_u16(at).unwrap();
            assert_eq!(
                now & writable,
                value & writable,
                "{name}: {value:#06x} was not taken"
            );
            let fixed = !(writable | either);
            assert_eq!(
                now & fixed,
                before & fixed,
                "{name}: {value:#06x} has changed it"
            );
        }
        config.write_u16(at, before).unwrap();
    }
}

#[test]
fn accesses_of_every_width_agree() {
    let _test = Test::begin();
    let (_mdev, device) = card(2);
    let config = pci::config(&device);
    let mut whole = [0; 256];
    assert_eq!(config.read_at(0, &mut whole).unwrap(), 256);
    for at in 0..256_u64 {
        let here = usize::try_from(at).unwrap();
        assert_eq!(config.read_u8(at).unwrap(), whole[here], "byte {at:#x}");
        if at % 2 == 0 {
            assert_eq!(
                config.read::<2>(at).unwrap(),
                whole[here..here + 2],
                "word {at:#x}"
            );
        }
        if at % 4 == 0 {
            assert_eq!(
                config.read::<4>(at).unwrap(),
                whole[here..here + 4],
                "dword {at:#x}"
            );
        }
    }
}

#[test]
fn nothing_is_read_or_written_beyond_the_end() {
    let _test = Test::begin();
    let (_mdev, device) = card(1);
    let bar = device.region(uapi::VFIO_PCI_BAR0_REGION_INDEX).unwrap();
    let config = pci::config(&device);
    for (region, size) in [(&bar, 8), (&config, 256)] {
        for at in [size, size + 1, 1 << 20, (1 << 40) - 1] {
            let mut byte = [0xee];
            assert!(
                matches!(region.read_at(at, &mut byte), Err(_) | Ok(0)),
                "read at {at:#x}"
            );
            assert_eq!(byte, [0xee]);
            assert!(
                matches!(region.write_at(at, &[0]), Err(_) | Ok(0)),
                "write at {at:#x}"
            );
        }
    }
    // A region that the device does not have.
    let none = device.region(uapi::VFIO_PCI_BAR1_REGION_INDEX).unwrap();
    assert!(matches!(none.read_at(0, &mut [0]), Err(_) | Ok(0)));
    assert!(matches!(none.write_at(0, &[0]), Err(_) | Ok(0)));
}

#[test]
fn the_msi_capability_fits_the_interrupts() {
    let _test = Test::begin();
    let (_mdev, device) = card(2);
    let config = pci::config(&device);
    let vectors = device.irq_info(MSI).unwrap().count;
    let msi = pci::capability(&config, CAP_MSI);
    assert_eq!(msi.is_some(), vectors > 0, "{vectors} vectors");
    let Some(msi) = msi else { return };
    let control = config.read_u16(msi + 2).unwrap();
    let capable = 1 << ((control >> 1) & 7);
    assert_eq!(capable, vectors, "multiple message capable");
    assert_eq!(control & MSI_ENABLE, 0, "off after reset");
    pci::enable_msi(&device, true);
    assert_eq!(config.read_u16(msi + 2).unwrap() & MSI_ENABLE, MSI_ENABLE);
    config.write_u32(msi + 4, 0xfee0_0003).unwrap();
    assert_eq!(
        config.read_u32(msi + 4).unwrap(),
        0xfee0_0000,
        "dword aligned address"
    );
    let header = config.read::<2>(msi).unwrap();
    config.write(msi, &[0, 0]).unwrap();
    assert_eq!(
        config.read::<2>(msi).unwrap(),
        header,
        "ID and link are read-only"
    );
    device.reset().unwrap();
    assert_eq!(
        config.read_u16(msi + 2).unwrap() & MSI_ENABLE,
        0,
        "off after reset"
    );
}

#[test]
fn a_change_of_ports_changes_the_device() {
    let _test = Test::begin();
    let mdev = Type::default_parent("serial-var").new_device_with("ports=1");
    for (ports, id) in [("2", 3), ("1", 2)] {
        mdev.set("ports", ports).unwrap();
        let device = mdev.device();
        assert_eq!(pci::config(&device).read_u16(DEVICE).unwrap(), id);
        let bar = device
            .region_info(uapi::VFIO_PCI_BAR0_REGION_INDEX)
            .unwrap();
        assert_eq!(bar.size.to_string(), if ports == "2" { "16" } else { "8" });
    }
}
