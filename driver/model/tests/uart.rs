// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Registers of a port against the data sheets.

use crate::support::*;

fn ports() -> [(Dut, u64, bool); 4] {
    [
        (dut(PLAIN), 0, false),
        (dut(PLAIN_2), PORT_1, false),
        (dut(FULL), 0, true),
        (dut(FULL), PORT_1, true),
    ]
}

#[test]
fn reset_values() {
    for (mut dut, port, _) in ports() {
        for _ in 0..2 {
            let found = [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR].map(|at| inb(&mut dut, port + at));
            assert_eq!(found, [0, 0, 0x01, 0, 0, 0x60, 0, 0]);
            outb(&mut dut, port + LCR, 0x80);
            assert_eq!([DLL, DLM].map(|at| inb(&mut dut, port + at)), [0, 0]);
            // Once more after a reset that has something to do.
            fill_port(&mut dut, port);
            dut.reset();
        }
    }
}

fn fill_port(dut: &mut Dut, port: u64) {
    outb(dut, port + LCR, 0x83);
    outb(dut, port + DLL, 0x77);
    outb(dut, port + DLM, 0x66);
    outb(dut, port + FCR, 0xe9);
    outb(dut, port + LCR, 0x1b);
    outb(dut, port + IER, 0xff);
    outb(dut, port + SCR, 0x55);
    outb(dut, port + MCR, 0x2f);
    send(dut, port, b"abc");
}

#[test]
fn writable_bits() {
    for (mut dut, port, is_16750) in ports() {
        for (at, mask) in [
            (IER, if is_16750 { 0x3f } else { 0x0f }),
            (LCR, 0xff),
            (MCR, if is_16750 { 0x3f } else { 0x1f }),
            (SCR, 0xff),
        ] {
            for value in [0xff, 0x00, 0xaa, 0x55] {
                dut.reset();
                outb(&mut dut, port + at, value);
                assert_eq!(inb(&mut dut, port + at), value & mask, "register {at}");
            }
        }
        dut.reset();
        outb(&mut dut, port + LCR, 0x80);
        for (at, value) in [(DLL, 0xa5), (DLM, 0x5a), (DLL, 0x00), (DLM, 0xff)] {
            outb(&mut dut, port + at, value);
            assert_eq!(inb(&mut dut, port + at), value);
        }
        outb(&mut dut, port + LCR, 0x00);
        assert_eq!(inb(&mut dut, port + IER), 0, "DLM is not IER");
        for at in [LSR, MSR] {
            let before = inb(&mut dut, port + at);
            outb(&mut dut, port + at, 0xff);
            assert_eq!(
                inb(&mut dut, port + at),
                before,
                "register {at} ignores writes"
            );
        }
    }
}

#[test]
fn ports_are_apart() {
    let mut dut = dut(FULL);
    fill_port(&mut dut, 0);
    let found = [IER, IIR, LCR, MCR, LSR, MSR, SCR].map(|at| inb(&mut dut, PORT_1 + at));
    assert_eq!(found, [0, 0x01, 0, 0, 0x60, 0, 0]);
}

#[test]
fn wide_accesses_are_bytes_in_order() {
    let mut dut = dut(PLAIN_2);
    use vmig_model::device::Region::Bar;
    // LCR and MCR in one go, then SCR of port 0 and THR of port 1 across the border.
    dut.region_write(Bar(0), LCR, &[0x03, 0x0b]).unwrap();
    outb(&mut dut, PORT_1 + LCR, 0x03);
    dut.region_write(Bar(0), SCR, &[0x99, b'x']).unwrap();
    assert_eq!(
        [LCR, MCR, SCR].map(|at| inb(&mut dut, at)),
        [0x03, 0x0b, 0x99]
    );
    let mut all = [0; 16];
    dut.region_read(Bar(0), 0, &mut all).unwrap();
    assert_eq!(
        all[8..14],
        [b'x', 0, 1, 3, 0, 0x60],
        "RBR was popped before LSR was read"
    );
    assert_eq!(inb(&mut dut, PORT_1 + LSR), 0x60);
}

#[test]
fn loop_plug_wires_the_modem_lines() {
    let (dtr, rts, out1, out2, inside) = (1, 2, 4, 8, 16);
    let (cts, dsr, ri, dcd) = (0x10, 0x20, 0x40, 0x80);
    for (mcr, status) in [
        (0, 0),
        (dtr, dsr | dcd),
        (rts, cts),
        (dtr | rts, cts | dsr | dcd),
        (out1, 0),
        (out2, 0),
        (inside, 0),
        (inside | dtr, dsr),
        (inside | rts, cts),
        (inside | out1, ri),
        (inside | out2, dcd),
        (inside | 0x0f, cts | dsr | ri | dcd),
    ] {
        for (mut dut, port, _) in ports() {
            outb(&mut dut, port + MCR, mcr);
            assert_eq!(inb(&mut dut, port + MSR) & 0xf0, status, "MCR {mcr:#x}");
        }
    }
}

#[test]
fn modem_changes_are_latched_until_read() {
    for (mut dut, port, _) in ports() {
        outb(&mut dut, port + MCR, 0x02);
        assert_eq!(inb(&mut dut, port + MSR), 0x11, "CTS came");
        assert_eq!(inb(&mut dut, port + MSR), 0x10, "reading clears the change");
        outb(&mut dut, port + MCR, 0x00);
        outb(&mut dut, port + MCR, 0x02);
        assert_eq!(inb(&mut dut, port + MSR), 0x11, "away and back is a change");
        outb(&mut dut, port + MCR, 0x03);
        assert_eq!(inb(&mut dut, port + MSR), 0xba, "DSR and DCD came");
        outb(&mut dut, port + MCR, 0x14);
        assert_eq!(inb(&mut dut, port + MSR), 0x4b, "RI comes without a change");
        outb(&mut dut, port + MCR, 0x10);
        assert_eq!(
            inb(&mut dut, port + MSR),
            0x04,
            "the end of the ring is one"
        );
    }
}

#[test]
fn data_loops_back() {
    for (mut dut, port, wide) in ports() {
        for mcr in [0x00, 0x10] {
            set_up(&mut dut, port, wide);
            outb(&mut dut, port + MCR, mcr);
            send(&mut dut, port, b"loop");
            assert_eq!(inb(&mut dut, port + LSR), 0x61);
            assert_eq!(receive(&mut dut, port), b"loop");
            assert_eq!(inb(&mut dut, port + LSR), 0x60);
            assert_eq!(inb(&mut dut, port + RBR), 0, "empty");
        }
    }
}

#[test]
fn words_have_their_length() {
    for (mut dut, port, _) in ports() {
        for (lcr, received) in [(0x00, 0x1f), (0x01, 0x3f), (0x02, 0x7f), (0x03, 0xff)] {
            outb(&mut dut, port + LCR, lcr);
            outb(&mut dut, port + THR, 0xff);
            assert_eq!(inb(&mut dut, port + RBR), received);
        }
    }
}

#[test]
fn fifos_have_their_depth() {
    let depth = |list, wide, fcr| {
        let mut dut = dut(list);
        set_up(&mut dut, 0, wide);
        outb(&mut dut, FCR, fcr);
        send(&mut dut, 0, &[7; 80]);
        let overrun = inb(&mut dut, LSR) & 2 != 0;
        assert!(
            overrun && inb(&mut dut, LSR) & 2 == 0,
            "reading LSR clears it"
        );
        receive(&mut dut, 0).len()
    };
    assert_eq!(depth(PLAIN, false, 0x01), 16);
    assert_eq!(depth(PLAIN, true, 0x01), 16, "a 16550A has no 64-byte mode");
    assert_eq!(depth(FULL, false, 0x01), 16, "16 until FCR.5 is set");
    assert_eq!(depth(FULL, false, 0x21), 16, "FCR.5 is locked without DLAB");
    assert_eq!(depth(FULL, true, 0x01), 64, "and stays");
    assert_eq!(depth(FULL, true, 0x00), 1);
    assert_eq!(depth(PLAIN, false, 0x00), 1);
}

#[test]
fn overrun_loses_the_right_character() {
    let mut dut = dut(PLAIN);
    outb(&mut dut, LCR, 0x03);
    send(&mut dut, 0, b"ab");
    assert_eq!(
        receive(&mut dut, 0),
        b"b",
        "without FIFOs the last one stays"
    );
    set_up(&mut dut, 0, false);
    send(&mut dut, 0, b"0123456789abcdefGH");
    assert_eq!(
        receive(&mut dut, 0),
        b"0123456789abcdef",
        "with FIFOs the first ones"
    );
}

#[test]
fn fcr_follows_the_data_sheet() {
    let mut dut = dut(FULL);
    let iir = |dut: &mut Dut| inb(dut, IIR) & 0xf0;
    outb(&mut dut, FCR, 0x20);
    assert_eq!(iir(&mut dut), 0x00, "nothing without bit 0");
    outb(&mut dut, FCR, 0x21);
    assert_eq!(iir(&mut dut), 0xc0, "bit 5 is locked");
    outb(&mut dut, LCR, 0x80);
    outb(&mut dut, FCR, 0x21);
    assert_eq!(iir(&mut dut), 0xe0);
    outb(&mut dut, LCR, 0x03);
    outb(&mut dut, FCR, 0x01);
    assert_eq!(iir(&mut dut), 0xe0, "and cannot be cleared without DLAB");
    outb(&mut dut, FCR, 0x00);
    assert_eq!(iir(&mut dut), 0x00, "no FIFOs, no mode");
    outb(&mut dut, FCR, 0x01);
    assert_eq!(iir(&mut dut), 0xe0, "it was only out of sight");
    outb(&mut dut, LCR, 0x80);
    outb(&mut dut, FCR, 0x01);
    assert_eq!(iir(&mut dut), 0xc0);

    let fill = |dut: &mut Dut| {
        outb(dut, LCR, 0x03);
        send(dut, 0, b"xy");
        assert_eq!(inb(dut, LSR) & 1, 1);
    };
    for (fcr, dlab, left) in [
        (0x01, 0, 2),
        (0x03, 0, 0),
        (0x05, 0, 2),
        (0x00, 0, 0),
        (0x21, 0x80, 0),
    ] {
        dut.reset();
        outb(&mut dut, FCR, 0x01);
        fill(&mut dut);
        outb(&mut dut, LCR, 0x03 | dlab);
        outb(&mut dut, FCR, fcr);
        outb(&mut dut, LCR, 0x03);
        assert_eq!(receive(&mut dut, 0).len(), left, "FCR {fcr:#x}");
    }
    dut.reset();
    outb(&mut dut, LCR, 0x03);
    send(&mut dut, 0, b"x");
    outb(&mut dut, FCR, 0x02);
    assert_eq!(receive(&mut dut, 0), b"x", "bit 1 is nothing without bit 0");
}

#[test]
fn breaks_arrive_once_with_their_errors() {
    for (lcr, errors) in [
        (0x43, 0x18), // no parity
        (0x5b, 0x18), // even
        (0x4b, 0x1c), // odd: the parity bit of zeros would be 1
        (0x7b, 0x18), // space
        (0x6b, 0x1c), // mark
    ] {
        for (mut dut, port, wide) in ports() {
            set_up(&mut dut, port, wide);
            send(&mut dut, port, b"a");
            outb(&mut dut, port + LCR, lcr);
            assert_eq!(
                inb(&mut dut, port + LSR),
                0xe1,
                "the break is not the first yet"
            );
            send(&mut dut, port, b"lost");
            outb(&mut dut, port + LCR, lcr | 0x04);
            outb(&mut dut, port + LCR, 0x03);
            send(&mut dut, port, b"z");
            assert_eq!(inb(&mut dut, port + RBR), b'a');
            assert_eq!(inb(&mut dut, port + LSR), 0xe1 | errors);
            assert_eq!(inb(&mut dut, port + LSR), 0x61, "reading LSR clears them");
            assert_eq!(
                receive(&mut dut, port),
                [0, b'z'],
                "one break, LCR {lcr:#x}"
            );
        }
    }
}

#[test]
fn errors_in_the_fifo_show_only_with_fifos() {
    let mut dut = dut(FULL);
    outb(&mut dut, LCR, 0x43);
    assert_eq!(inb(&mut dut, LSR), 0x79, "LSR.7 is 0 without FIFOs");
    outb(&mut dut, LCR, 0x03);
    outb(&mut dut, FCR, 0x01);
    outb(&mut dut, LCR, 0x43);
    assert_eq!(inb(&mut dut, LSR), 0xf9);
}

#[test]
fn auto_cts_keeps_bytes_in_the_transmitter() {
    let mut dut = dut(FULL);
    set_up(&mut dut, 0, true);
    outb(&mut dut, MCR, 0x20);
    send(&mut dut, 0, &[9; 70]);
    assert_eq!(inb(&mut dut, LSR), 0x00, "not sent, not empty");
    outb(&mut dut, MCR, 0x22);
    assert_eq!(
        inb(&mut dut, LSR) & 0x61,
        0x01,
        "RTS went on: trigger level 1, the rest waits"
    );
    assert_eq!(receive(&mut dut, 0).len(), 64, "what was above 64 is lost");
    assert_eq!(inb(&mut dut, LSR), 0x60, "no overrun");

    outb(&mut dut, MCR, 0x20);
    send(&mut dut, 0, b"abc");
    outb(&mut dut, MCR, 0x00);
    assert_eq!(
        receive(&mut dut, 0),
        b"abc",
        "without AFE nothing is held back"
    );
    outb(&mut dut, MCR, 0x20);
    send(&mut dut, 0, b"abc");
    outb(&mut dut, FCR, 0x05);
    assert_eq!(inb(&mut dut, LSR), 0x60, "clearing the transmitter");
    outb(&mut dut, MCR, 0x30);
    send(&mut dut, 0, b"d");
    assert_eq!(inb(&mut dut, LSR), 0x00, "the inner loop has a CTS too");
}

#[test]
fn auto_rts_stops_at_the_trigger_and_goes_on_when_empty() {
    for (fcr, trigger) in [(0x01, 1), (0x41, 16), (0x81, 32), (0xc1, 56)] {
        let mut dut = dut(FULL);
        set_up(&mut dut, 0, true);
        outb(&mut dut, FCR, fcr);
        outb(&mut dut, MCR, 0x22);
        let sent: Vec<u8> = (0..trigger + 20).collect();
        send(&mut dut, 0, &sent);
        assert_eq!(inb(&mut dut, LSR), 0x01);
        assert_eq!(inb(&mut dut, MSR) & 0x10, 0, "RTS is off");
        let mut found = Vec::new();
        for n in 0..trigger {
            assert_eq!(inb(&mut dut, LSR) & 1, 1);
            assert_eq!(inb(&mut dut, MSR) & 0x10, 0, "off until empty");
            found.push(inb(&mut dut, RBR));
            assert_eq!(usize::from(n) + 1, found.len());
        }
        found.extend(receive(&mut dut, 0));
        assert_eq!(found, sent, "nothing lost, nothing doubled");
        assert_eq!(inb(&mut dut, MSR) & 0x10, 0x10);
        assert_eq!(inb(&mut dut, LSR), 0x60);
    }
}

#[test]
fn auto_flow_is_a_parameter() {
    let mut dut = dut(&[("fifo-size", "64"), ("ports", "1")]);
    set_up(&mut dut, 0, true);
    outb(&mut dut, MCR, 0x20);
    assert_eq!(inb(&mut dut, MCR), 0);
    send(&mut dut, 0, &[1; 64]);
    assert_eq!(
        receive(&mut dut, 0).len(),
        64,
        "64 bytes without flow control"
    );
}
