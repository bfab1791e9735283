// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Which region accesses each state lets through.

use vmig_model::{arcs::State, device::Region, error::Error};

use crate::support::*;

const STOPPED: [State; 3] = [State::Stop, State::StopCopy, State::Resuming];
const RUNNING: [State; 4] = [
    State::Running,
    State::RunningP2p,
    State::PreCopy,
    State::PreCopyP2p,
];

#[test]
fn bars_work_while_running() {
    for state in RUNNING {
        let mut dut = dut(PLAIN);
        set_up(&mut dut, 0, false);
        dut.set_state(state).unwrap();
        send(&mut dut, 0, b"ab");
        assert_eq!(receive(&mut dut, 0), b"ab", "{state:?}");
    }
}

#[test]
fn bar_reads_have_no_side_effects_while_stopped() {
    for state in [State::Stop, State::StopCopy] {
        let mut dut = dut(FULL);
        fill(&mut dut);
        assert_eq!(inb(&mut dut, RBR), 0, "the break");
        outb(&mut dut, IER, 0x0a);
        let before = saved(&mut dut);
        let opened = dut.set_state(state).unwrap();
        for _ in 0..3 {
            for at in 0..16 {
                inb(&mut dut, at);
            }
            assert_eq!(inb(&mut dut, RBR), b'f', "the first character stays");
            assert_eq!(inb(&mut dut, MSR) & 0x0f, 0x0b, "the changes stay");
        }
        let after = match opened {
            Some(opened) => drain(&mut dut, opened.session, 64),
            None => saved(&mut dut),
        };
        assert_eq!(after, before, "{state:?}");
    }
}

#[test]
fn bar_writes_are_busy_while_stopped() {
    for state in STOPPED {
        let mut dut = dut(FULL);
        dut.set_state(state).unwrap();
        for at in 0..16 {
            assert_eq!(
                dut.region_write(Region::Bar(0), at, &[0xff]),
                Err(Error::Busy),
                "{state:?}"
            );
        }
        assert_eq!(
            dut.region_write(Region::Bar(0), 16, &[0]),
            Err(Error::OutOfRange)
        );
        assert_eq!(inb(&mut dut, SCR), 0, "nothing was written");
    }
}

#[test]
fn config_space_works_always() {
    for state in STOPPED.into_iter().chain(RUNNING) {
        let mut dut = dut(FULL);
        dut.set_state(state).unwrap();
        config_write(&mut dut, 0x3c, &[0x0b]);
        assert_eq!(config_read(&mut dut, 0x3c), [0x0b, 0x01], "{state:?}");
    }
}

/// What the user writes to config space in `RESUMING` is overwritten by the stream, as the rest of the
/// device is.
#[test]
fn the_stream_wins_over_config_writes_in_resuming() {
    let mut source = dut(PLAIN);
    config_write(&mut source, 0x3c, &[5]);
    let stream = saved(&mut source);
    let mut dut = dut(PLAIN);
    feed(&mut dut, &stream, 64).unwrap();
    config_write(&mut dut, 0x3c, &[9]);
    dut.set_state(State::Stop).unwrap();
    assert_eq!(config_read(&mut dut, 0x3c), [5]);
}

#[test]
fn resuming_discards_the_contents() {
    let mut dut = dut(FULL);
    fill(&mut dut);
    dut.set_state(State::Resuming).unwrap();
    assert_eq!(inb(&mut dut, SCR), 0);
    assert_eq!(inb(&mut dut, LSR), 0x60);
}

/// Nothing of a stream can be seen before `STOP`.
#[test]
fn a_stream_is_applied_as_a_whole() {
    let mut source = dut(FULL);
    fill(&mut source);
    let stream = saved(&mut source);
    let mut dut = dut(FULL);
    let mut clean = vec![0; 16];
    dut.region_read(Region::Bar(0), 0, &mut clean).unwrap();
    let session = dut.set_state(State::Resuming).unwrap().unwrap().session;
    for byte in &stream {
        dut.write(session, &[*byte]).unwrap();
        let mut seen = vec![0; 16];
        dut.region_read(Region::Bar(0), 0, &mut seen).unwrap();
        assert_eq!(seen, clean);
    }
    dut.set_state(State::Stop).unwrap();
    assert_eq!(inb(&mut dut, SCR), 0x5a);
}
