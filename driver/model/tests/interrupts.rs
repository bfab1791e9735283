// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! IIR, the INTx line and MSI.

use vmig_model::arcs::State;

use crate::support::*;

fn source(dut: &mut Dut, port: u64) -> u8 {
    inb(dut, port + IIR) & 0x0f
}

const NONE: u8 = 0x01;
const MODEM: u8 = 0x00;
const EMPTY: u8 = 0x02;
const DATA: u8 = 0x04;
const LINE: u8 = 0x06;
const TIMEOUT: u8 = 0x0c;

#[test]
fn receiver_interrupts_at_its_trigger() {
    for (wide, triggers) in [(false, [1, 4, 8, 14]), (true, [1, 16, 32, 56])] {
        for (bits, trigger) in (0u8..).zip(triggers) {
            let mut dut = dut(FULL);
            set_up(&mut dut, 0, wide);
            outb(&mut dut, FCR, bits << 6 | 1);
            outb(&mut dut, IER, 1);
            assert_eq!(source(&mut dut, 0), NONE);
            for n in 1..=trigger {
                send(&mut dut, 0, b"x");
                let expected = if n < trigger { TIMEOUT } else { DATA };
                assert_eq!(source(&mut dut, 0), expected, "{n} of {trigger}");
                assert_eq!(
                    source(&mut dut, 0),
                    expected,
                    "reading IIR does not clear it"
                );
            }
            inb(&mut dut, RBR);
            assert_eq!(
                source(&mut dut, 0),
                if trigger == 1 { NONE } else { TIMEOUT }
            );
            receive(&mut dut, 0);
            assert_eq!(source(&mut dut, 0), NONE);
        }
    }
    let mut dut = dut(PLAIN);
    outb(&mut dut, IER, 1);
    send(&mut dut, 0, b"x");
    assert_eq!(inb(&mut dut, IIR), DATA, "without FIFOs");
}

#[test]
fn transmitter_interrupt_is_latched() {
    let mut dut = dut(FULL);
    set_up(&mut dut, 0, true);
    outb(&mut dut, IER, 2);
    assert_eq!(
        source(&mut dut, 0),
        EMPTY,
        "IER.1 goes on while it is empty"
    );
    assert_eq!(source(&mut dut, 0), NONE, "reading IIR cleared it");
    outb(&mut dut, IER, 2);
    assert_eq!(source(&mut dut, 0), NONE, "it was on already");
    outb(&mut dut, IER, 0);
    outb(&mut dut, IER, 2);
    assert_eq!(source(&mut dut, 0), EMPTY);
    send(&mut dut, 0, b"x");
    assert_eq!(source(&mut dut, 0), EMPTY, "sent at once: empty again");
    outb(&mut dut, IER, 2);
    send(&mut dut, 0, b"x");
    outb(&mut dut, IER, 0);
    assert_eq!(source(&mut dut, 0), NONE);
    // Held back by flow control, the transmitter is not empty.
    outb(&mut dut, MCR, 0x20);
    send(&mut dut, 0, b"held");
    outb(&mut dut, IER, 2);
    assert_eq!(source(&mut dut, 0), NONE);
    outb(&mut dut, FCR, 0x03);
    outb(&mut dut, MCR, 0x22);
    assert_eq!(
        source(&mut dut, 0),
        NONE,
        "one of four sent, then the trigger level"
    );
    inb(&mut dut, RBR);
    assert_eq!(source(&mut dut, 0), NONE, "two of four");
    outb(&mut dut, MCR, 0x00);
    assert_eq!(source(&mut dut, 0), EMPTY, "released");
}

#[test]
fn line_status_interrupts() {
    let mut dut = dut(PLAIN);
    set_up(&mut dut, 0, false);
    outb(&mut dut, IER, 4);
    send(&mut dut, 0, &[0; 17]);
    assert_eq!(source(&mut dut, 0), LINE);
    assert_eq!(source(&mut dut, 0), LINE);
    inb(&mut dut, LSR);
    assert_eq!(source(&mut dut, 0), NONE);
    outb(&mut dut, FCR, 0x03);
    send(&mut dut, 0, b"a");
    outb(&mut dut, LCR, 0x43);
    assert_eq!(
        source(&mut dut, 0),
        NONE,
        "the break is not the first character yet"
    );
    inb(&mut dut, RBR);
    assert_eq!(source(&mut dut, 0), LINE);
}

#[test]
fn modem_status_interrupts() {
    let mut dut = dut(FULL);
    outb(&mut dut, IER, 8);
    outb(&mut dut, MCR, 2);
    assert_eq!(source(&mut dut, 0), MODEM);
    inb(&mut dut, MSR);
    assert_eq!(source(&mut dut, 0), NONE);
    outb(&mut dut, MCR, 0x20);
    assert_eq!(inb(&mut dut, MSR) & 0x11, 0x01, "CTS went, as MSR says");
    outb(&mut dut, MCR, 0x22);
    assert_eq!(
        source(&mut dut, 0),
        NONE,
        "but under AFE it is not software's business"
    );
    outb(&mut dut, MCR, 0x23);
    assert_eq!(source(&mut dut, 0), MODEM, "DSR is");
}

#[test]
fn sources_have_their_priority() {
    let mut dut = dut(PLAIN);
    set_up(&mut dut, 0, false);
    outb(&mut dut, FCR, 0x41);
    send(&mut dut, 0, &[0; 20]);
    outb(&mut dut, MCR, 3);
    outb(&mut dut, IER, 0x0f);
    assert_eq!(source(&mut dut, 0), LINE);
    inb(&mut dut, LSR);
    assert_eq!(source(&mut dut, 0), DATA);
    while source(&mut dut, 0) == DATA {
        inb(&mut dut, RBR);
    }
    assert_eq!(source(&mut dut, 0), TIMEOUT);
    receive(&mut dut, 0);
    assert_eq!(
        source(&mut dut, 0),
        EMPTY,
        "not cleared by reading IIR for another source"
    );
    assert_eq!(source(&mut dut, 0), MODEM);
    inb(&mut dut, MSR);
    assert_eq!(source(&mut dut, 0), NONE);
}

fn status_3(dut: &mut Dut) -> bool {
    config_read::<1>(dut, 0x06)[0] & 8 != 0
}

#[test]
fn intx_is_a_function_of_the_registers() {
    for port in [0, PORT_1] {
        let mut dut = dut(PLAIN_2);
        assert!(!dut.intx() && !status_3(&mut dut));
        outb(&mut dut, port + IER, 1);
        assert!(!dut.intx());
        send(&mut dut, port, b"x");
        assert!(dut.intx() && status_3(&mut dut));
        config_write(&mut dut, 0x04, &[0x00, 0x04]);
        assert!(
            !dut.intx() && status_3(&mut dut),
            "INTx disable gates the line only"
        );
        config_write(&mut dut, 0x04, &[0x00, 0x00]);
        assert!(dut.intx());
        config_write(&mut dut, 0x42, &[1]);
        assert!(!dut.intx() && !status_3(&mut dut), "MSI replaces INTx");
        config_write(&mut dut, 0x42, &[0]);
        assert!(dut.intx());
        outb(&mut dut, port + IER, 0);
        assert!(!dut.intx() && !status_3(&mut dut));
        outb(&mut dut, port + IER, 1);
        assert!(dut.intx());
        inb(&mut dut, port + RBR);
        assert!(!dut.intx());
    }
}

#[test]
fn intx_is_silent_outside_the_running_states() {
    let mut dut = dut(PLAIN);
    outb(&mut dut, IER, 1);
    send(&mut dut, 0, b"x");
    for (state, level) in [
        (State::RunningP2p, true),
        (State::Stop, false),
        (State::StopCopy, false),
        (State::Stop, false),
        (State::Running, true),
        (State::PreCopy, true),
        (State::PreCopyP2p, true),
        (State::StopCopy, false),
        (State::Running, true),
    ] {
        dut.set_state(state).unwrap();
        assert_eq!(dut.intx(), level, "{state:?}");
        assert!(status_3(&mut dut), "the register shows it: {state:?}");
    }
}

fn msi(list: &List) -> Dut {
    let mut dut = dut(list);
    config_write(&mut dut, 0x04, &[0x04]);
    config_write(&mut dut, 0x42, &[1]);
    dut
}

/// Delivers what is pending; whether there was something.
fn deliver(dut: &mut Dut) -> bool {
    let pending = dut.msi_pending();
    dut.msi_delivered(pending);
    assert!(pending <= 1);
    assert_eq!(dut.msi_pending(), 0);
    pending != 0
}

#[test]
fn msi_is_sent_once_per_interrupt() {
    let mut dut = msi(PLAIN_2);
    for port in [0, PORT_1] {
        assert!(!deliver(&mut dut));
        outb(&mut dut, port + IER, 1);
        assert!(!deliver(&mut dut));
        send(&mut dut, port, b"x");
        assert!(deliver(&mut dut));
        send(&mut dut, port, b"y");
        assert!(!deliver(&mut dut), "still the same interrupt");
        inb(&mut dut, port + RBR);
        receive(&mut dut, port);
        assert!(!deliver(&mut dut));
        send(&mut dut, port, b"z");
        assert!(deliver(&mut dut));
        // It stays on; the other port's is one of its own.
    }
}

#[test]
fn msi_waits_for_bus_master_and_running() {
    let mut dut = msi(PLAIN);
    outb(&mut dut, IER, 1);
    config_write(&mut dut, 0x04, &[0x00]);
    send(&mut dut, 0, b"x");
    assert_eq!(
        dut.msi_pending(),
        0,
        "no write to memory without Bus Master"
    );
    dut.set_state(State::Stop).unwrap();
    config_write(&mut dut, 0x04, &[0x04]);
    assert_eq!(dut.msi_pending(), 0, "nothing leaves a stopped device");
    dut.set_state(State::Running).unwrap();
    assert_eq!(dut.msi_pending(), 1, "and nothing is lost");
    config_write(&mut dut, 0x42, &[0]);
    assert_eq!(dut.msi_pending(), 0, "MSI off");
    assert!(dut.intx(), "INTx has it");
    config_write(&mut dut, 0x42, &[1]);
    assert_eq!(dut.msi_pending(), 1, "MSI on while an interrupt is present");
}

/// The loop of the Linux driver, `serial8250_interrupt()`: called per message, it goes round the ports
/// until none has an interrupt. No message may be lost on the way.
#[test]
fn a_driver_that_serves_messages_gets_all_data() {
    let mut dut = msi(FULL);
    for port in [0, PORT_1] {
        set_up(&mut dut, port, true);
        outb(&mut dut, port + FCR, 0x41);
        outb(&mut dut, port + MCR, 0x22);
        outb(&mut dut, port + IER, 0x07);
    }
    let text: Vec<u8> = (0..=255).collect();
    let mut sent = [0, 0];
    let mut found = [Vec::new(), Vec::new()];
    for round in 0.. {
        assert!(round < 1000, "stuck at {sent:?}");
        if !deliver(&mut dut) {
            break;
        }
        while (0..2).any(|n| {
            inb(&mut dut, n * PORT_1 + IIR) & 1 == 0
                && serve(&mut dut, n, &text, &mut sent, &mut found)
        }) {}
        if sent == [256, 256] && found.iter().all(|found| found.len() == 256) {
            break;
        }
    }
    assert_eq!(found, [text.clone(), text]);
}

fn serve(
    dut: &mut Dut,
    n: u64,
    text: &[u8],
    sent: &mut [usize; 2],
    found: &mut [Vec<u8>; 2],
) -> bool {
    let (port, n) = (n * PORT_1, n as usize);
    found[n].extend(receive(dut, port));
    if inb(dut, port + LSR) & 0x20 != 0 {
        let end = (sent[n] + 64).min(text.len());
        send(dut, port, &text[sent[n]..end]);
        sent[n] = end;
        if end == text.len() {
            outb(dut, port + IER, 0x05);
        }
    }
    true
}
