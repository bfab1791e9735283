// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The registers of the serial card, against the data sheets (PC16550D, TL16C750) and against
//! the detection code of Linux' own driver.

use guest::detect::{autoconfig, Chip};
use guest::uart::*;
use guest::{Mdev, Port, Test, Type};
use vmig_vfio::Device;

/// A card of two ports with FIFOs of this size.
fn card(fifo_size: u32, auto_flow: &str) -> (Mdev, Device) {
    let list = format!("ports=2 fifo-size={fifo_size} auto-flow={auto_flow}");
    let mdev = Type::default_parent("serial-var").new_device_with(&list);
    let device = mdev.device();
    (mdev, device)
}

#[test]
fn reset_values_are_those_of_the_data_sheet() {
    let _test = Test::begin();
    let (_mdev, device) = card(64, "on");
    for round in ["first open", "VFIO reset"] {
        for index in 0..2 {
            let port = Port::new(&device, index);
            assert_eq!(port.get(IER), 0, "{round}: IER");
            assert_eq!(port.get(IIR), IIR_NONE, "{round}: IIR");
            assert_eq!(port.get(LCR), 0, "{round}: LCR");
            assert_eq!(port.get(MCR), 0, "{round}: MCR");
            assert_eq!(port.get(LSR), LSR_THRE | LSR_TEMT, "{round}: LSR");
            assert_eq!(port.get(MSR), 0, "{round}: MSR");
            // All of this is to be undone.
            port.set(IER, IER_RDI | IER_RLSI | IER_MSI);
            port.fifos(true);
            port.set(MCR, MCR_DTR | MCR_RTS);
            port.send(b"lost in the reset");
        }
        device.reset().unwrap();
    }
}

#[test]
fn the_scratch_register_and_the_divisor_hold_every_value() {
    let _test = Test::begin();
    let (_mdev, device) = card(16, "off");
    let (a, b) = (Port::new(&device, 0), Port::new(&device, 1));
    for value in 0..=255_u8 {
        a.set(SCR, value);
        b.set(SCR, !value);
        assert_eq!((a.get(SCR), b.get(SCR)), (value, !value));
        a.set(LCR, LCR_DLAB);
        a.set(DATA, value);
        a.set(IER, value ^ 0x55);
        assert_eq!((a.get(DATA), a.get(IER)), (value, value ^ 0x55));
        a.set(LCR, 0);
        // What was written there is neither data nor an interrupt enable.
        assert_eq!((a.get(IER), a.get(LSR) & LSR_DR), (0, 0));
    }
}

#[test]
fn unused_bits_read_as_zero() {
    let _test = Test::begin();
    for (fifo_size, auto_flow, mcr) in [(16, "off", 0x1f), (64, "off", 0x1f), (64, "on", 0x3f)] {
        let (_mdev, device) = card(fifo_size, auto_flow);
        let port = Port::new(&device, 0);
        port.set(MCR, 0xff);
        assert_eq!(port.get(MCR), mcr, "MCR with {fifo_size}, {auto_flow}");
        port.set(MCR, 0);
        port.set(LCR, 0xff);
        assert_eq!(port.get(LCR), 0xff);
        port.set(LCR, 0);
        port.set(IER, 0xff);
        // The TL16C750 has sleep and low power mode in bits 4 and 5, the PC16550D nothing.
        let ier = port.get(IER);
        assert_eq!(ier & 0x0f, 0x0f);
        assert_eq!(ier & 0xc0, 0, "IER with {fifo_size}");
        if fifo_size == 16 {
            assert_eq!(ier & 0x30, 0, "IER with {fifo_size}");
        }
    }
}

#[test]
fn every_byte_comes_back_on_its_own_port() {
    let _test = Test::begin();
    let (_mdev, device) = card(16, "off");
    let ports = [Port::new(&device, 0), Port::new(&device, 1)];
    for fifos in [false, true] {
        for port in &ports {
            port.set(LCR, LCR_8N1);
            port.set(FCR, if fifos { FCR_ENABLE } else { 0 });
        }
        for byte in 0..=255_u8 {
            ports[0].set(DATA, byte);
            assert_eq!(ports[1].get(LSR) & LSR_DR, 0, "nothing crosses over");
            ports[1].set(DATA, !byte);
            assert_eq!(ports[0].receive(), [byte]);
            assert_eq!(ports[1].receive(), [!byte]);
        }
    }
}

#[test]
fn a_character_has_as_many_bits_as_lcr_says() {
    let _test = Test::begin();
    let (_mdev, device) = card(16, "off");
    let port = Port::new(&device, 0);
    for (lcr, mask) in [(0, 0x1f), (1, 0x3f), (2, 0x7f), (3, 0xff)] {
        port.set(LCR, lcr);
        for byte in [0xff, 0xa5, 0x5a, 0x00] {
            port.send(&[byte]);
            assert_eq!(port.receive(), [byte & mask], "LCR {lcr}");
        }
    }
}

#[test]
fn without_fifos_a_second_byte_is_an_overrun() {
    let _test = Test::begin();
    let (_mdev, device) = card(16, "off");
    let port = Port::new(&device, 0);
    port.set(LCR, LCR_8N1);
    assert_eq!(port.get(IIR) & IIR_FIFO, 0);
    port.send(b"ab");
    let lsr = port.get(LSR);
    assert_eq!(lsr & (LSR_DR | LSR_OE), LSR_DR | LSR_OE);
    // Reading LSR has cleared the error; the newer byte has won (PC16550D, LSR bit 1).
    assert_eq!(port.get(LSR) & LSR_OE, 0);
    assert_eq!(port.receive(), b"b");
}

#[test]
fn fifos_have_their_depth_and_drop_what_does_not_fit() {
    let _test = Test::begin();
    for (fifo_size, big, depth) in [
        (16, false, 16),
        (16, true, 16),
        (64, false, 16),
        (64, true, 64),
    ] {
        let (_mdev, device) = card(fifo_size, "off");
        let port = Port::new(&device, 1);
        port.fifos(big);
        let sent: Vec<u8> = (0..depth).collect();
        port.send(&sent);
        assert_eq!(
            port.get(LSR) & LSR_OE,
            0,
            "{fifo_size}, {big}: full, not over"
        );
        port.send(b"!!");
        assert_eq!(port.get(LSR) & LSR_OE, LSR_OE, "{fifo_size}, {big}: over");
        // PC16550D: the FIFO keeps its contents, the newcomer is lost in the shift register.
        assert_eq!(port.receive(), sent, "{fifo_size}, {big}");
    }
}

#[test]
fn the_64_byte_mode_needs_dlab_and_a_16750() {
    let _test = Test::begin();
    for (fifo_size, offers) in [(16, false), (64, true)] {
        let (_mdev, device) = card(fifo_size, "off");
        let port = Port::new(&device, 0);
        port.set(LCR, 0);
        port.set(FCR, FCR_ENABLE | FCR_64);
        assert_eq!(
            port.get(IIR) & (IIR_FIFO | IIR_64),
            IIR_FIFO,
            "without DLAB"
        );
        port.set(LCR, LCR_DLAB);
        port.set(FCR, FCR_ENABLE | FCR_64);
        let expected = if offers { IIR_FIFO | IIR_64 } else { IIR_FIFO };
        assert_eq!(port.get(IIR) & (IIR_FIFO | IIR_64), expected, "under DLAB");
        port.set(LCR, 0);
        // Bit 5 is protected: a write without DLAB leaves the mode alone.
        port.set(FCR, FCR_ENABLE);
        assert_eq!(port.get(IIR) & (IIR_FIFO | IIR_64), expected, "kept");
        port.set(LCR, LCR_DLAB);
        port.set(FCR, FCR_ENABLE);
        assert_eq!(port.get(IIR) & (IIR_FIFO | IIR_64), IIR_FIFO, "left again");
        port.set(LCR, 0);
        port.set(FCR, 0);
        assert_eq!(port.get(IIR) & (IIR_FIFO | IIR_64), 0, "FIFOs off");
    }
}

#[test]
fn fifo_control_clears_each_fifo() {
    let _test = Test::begin();
    let (_mdev, device) = card(64, "on");
    let port = Port::new(&device, 0);
    port.fifos(true);
    port.send(b"received");
    // Auto CTS without RTS: the wire says "not clear to send", so bytes wait in the sender.
    port.set(MCR, MCR_AFE);
    port.send(b"waiting");
    assert_eq!(port.get(LSR), LSR_DR, "data in both FIFOs");
    port.set(FCR, FCR_ENABLE | FCR_CLEAR_RX);
    assert_eq!(port.get(LSR), 0, "receiver empty, sender full");
    port.set(FCR, FCR_ENABLE | FCR_CLEAR_TX);
    assert_eq!(port.get(LSR), LSR_THRE | LSR_TEMT, "both empty");
    // Changing the FIFO enable bit clears both (PC16550D, FCR bit 0).
    port.set(MCR, 0);
    port.send(b"again");
    port.set(FCR, 0);
    port.set(FCR, FCR_ENABLE);
    assert_eq!(port.receive(), b"");
}

#[test]
fn the_plug_connects_rts_to_cts_and_dtr_to_dsr_and_dcd() {
    let _test = Test::begin();
    let (_mdev, device) = card(16, "off");
    let port = Port::new(&device, 0);
    let lines = |mcr| {
        port.set(MCR, mcr);
        port.get(MSR)
    };
    assert_eq!(lines(0), 0);
    assert_eq!(lines(MCR_RTS), MSR_CTS | MSR_DCTS);
    assert_eq!(port.get(MSR), MSR_CTS, "reading clears the changes");
    assert_eq!(
        lines(MCR_RTS | MCR_DTR),
        MSR_CTS | MSR_DSR | MSR_DCD | MSR_DDSR | MSR_DDCD
    );
    assert_eq!(lines(MCR_DTR), MSR_DSR | MSR_DCD | MSR_DCTS);
    assert_eq!(lines(0), MSR_DDSR | MSR_DDCD);
    assert_eq!(
        lines(MCR_OUT1 | MCR_OUT2) & 0xf0,
        0,
        "nothing is wired to the outputs"
    );
}

#[test]
fn the_internal_loop_connects_all_modem_lines() {
    let _test = Test::begin();
    let (_mdev, device) = card(16, "off");
    let port = Port::new(&device, 0);
    // PC16550D, MCR bit 4: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD.
    for (mcr, msr) in [
        (0, 0),
        (MCR_RTS, MSR_CTS),
        (MCR_DTR, MSR_DSR),
        (MCR_OUT1, MSR_RI),
        (MCR_OUT2, MSR_DCD),
        (MCR_OUT2 | MCR_RTS, MSR_DCD | MSR_CTS),
    ] {
        port.set(MCR, MCR_LOOP | mcr);
        assert_eq!(port.get(MSR) & 0xf0, msr, "MCR {mcr:#x} in loop mode");
    }
    // The end of a ring is an event, its beginning is not.
    port.set(MCR, MCR_LOOP);
    port.get(MSR);
    port.set(MCR, MCR_LOOP | MCR_OUT1);
    assert_eq!(port.get(MSR) & MSR_TERI, 0);
    port.set(MCR, MCR_LOOP);
    assert_eq!(port.get(MSR) & MSR_TERI, MSR_TERI);
    port.set(MCR, MCR_LOOP);
    port.set(LCR, LCR_8N1);
    port.send(b"x");
    assert_eq!(port.receive(), b"x");
}

#[test]
fn a_break_arrives_as_a_zero_with_its_flag() {
    let _test = Test::begin();
    let (_mdev, device) = card(16, "off");
    let port = Port::new(&device, 0);
    port.fifos(false);
    port.set(LCR, LCR_8N1 | LCR_BREAK);
    port.set(LCR, LCR_8N1);
    let lsr = port.get(LSR);
    if lsr & LSR_DR == 0 {
        // A model without line timing may leave breaks out; then nothing at all arrives.
        assert_eq!(lsr, LSR_THRE | LSR_TEMT);
        return;
    }
    assert_eq!(lsr & LSR_BI, LSR_BI);
    assert_eq!(port.get(LSR) & LSR_BI, 0, "reading clears it");
    assert_eq!(port.receive(), [0]);
}

#[test]
fn interrupts_are_identified_in_the_order_of_their_priority() {
    let _test = Test::begin();
    let (_mdev, device) = card(16, "off");
    let port = Port::new(&device, 0);
    port.fifos(false);
    port.set(MCR, MCR_RTS);
    (0..17).for_each(|n| port.set(DATA, n));
    port.set(IER, IER_RDI | IER_THRI | IER_RLSI | IER_MSI);
    assert_eq!(port.get(IIR) & IIR_ID, IIR_RLSI, "overrun first");
    port.get(LSR);
    assert!(
        matches!(port.get(IIR) & IIR_ID, IIR_RDI | IIR_TIMEOUT),
        "then data"
    );
    port.receive();
    assert_eq!(port.get(IIR) & IIR_ID, IIR_THRI, "then the empty sender");
    // Reading IIR has cleared that one.
    assert_eq!(port.get(IIR) & IIR_ID, IIR_MSI, "then the modem lines");
    port.get(MSR);
    assert_eq!(port.get(IIR) & IIR_ID, IIR_NONE);
}

#[test]
fn trigger_levels_decide_between_data_and_timeout() {
    let _test = Test::begin();
    for (fifo_size, big, levels) in [(16, false, [1, 4, 8, 14]), (64, true, [1, 16, 32, 56])] {
        let (_mdev, device) = card(fifo_size, "off");
        let port = Port::new(&device, 0);
        port.set(IER, IER_RDI);
        for (bits, level) in (0_u8..).zip(levels) {
            port.fifos(big);
            port.set(FCR, FCR_ENABLE | (bits << 6));
            for count in 1..=level {
                port.set(DATA, count);
                let expected = if count < level { IIR_TIMEOUT } else { IIR_RDI };
                let id = port.get(IIR) & IIR_ID;
                // There is no baud pacing: below the level, the line has been quiet for long.
                assert_eq!(
                    id, expected,
                    "{count} of {level} bytes, FIFO of {fifo_size}"
                );
            }
            assert_eq!(port.receive().len(), usize::from(level));
            assert_eq!(port.get(IIR) & IIR_ID, IIR_NONE);
        }
    }
}

#[test]
fn auto_flow_stops_the_sender_at_the_trigger_level() {
    let _test = Test::begin();
    let (_mdev, device) = card(64, "on");
    let port = Port::new(&device, 0);
    port.fifos(true);
    // Level 32: auto RTS takes the line away there, auto CTS then holds the sender.
    port.set(FCR, FCR_ENABLE | (2 << 6));
    port.set(MCR, MCR_AFE | MCR_RTS);
    let sent: Vec<u8> = (0..96).collect();
    port.send(&sent);
    assert_eq!(
        port.get(LSR) & (LSR_DR | LSR_OE | LSR_TEMT),
        LSR_DR,
        "both FIFOs hold data"
    );
    assert_eq!(port.get(MSR) & MSR_CTS, 0, "not clear to send");
    // Reading makes room, so the rest follows: nothing is lost, and the order holds.
    assert_eq!(port.receive(), sent);
    assert_eq!(port.get(LSR), LSR_THRE | LSR_TEMT);
}

#[test]
fn without_auto_flow_its_bit_does_nothing() {
    let _test = Test::begin();
    let (_mdev, device) = card(64, "off");
    let port = Port::new(&device, 0);
    port.fifos(true);
    port.set(MCR, MCR_AFE);
    assert_eq!(port.get(MCR), 0);
    port.send(b"flows");
    assert_eq!(port.receive(), b"flows");
}

#[test]
fn linux_detects_the_chip_that_the_parameters_say() {
    let _test = Test::begin();
    for (fifo_size, chip) in [(16, Chip::Ns16550a), (64, Chip::Ti16750)] {
        for auto_flow in ["off", "on"] {
            if (fifo_size, auto_flow) == (16, "on") {
                continue; // excluded by the constraint
            }
            let (_mdev, device) = card(fifo_size, auto_flow);
            for index in 0..2 {
                let port = Port::new(&device, index);
                assert_eq!(autoconfig(&port), chip, "{fifo_size}, {auto_flow}");
            }
        }
    }
}
