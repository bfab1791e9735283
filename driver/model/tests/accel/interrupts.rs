// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! INTERRUPT, MASK and messages.

use vmig_model::arcs::State;

use super::machine::*;

/// Vectors that are to be delivered; they are.
fn deliver(rig: &mut Rig) -> u32 {
    let vectors = rig.dut.msi_pending();
    rig.dut.msi_delivered(vectors);
    vectors
}

/// Lets queue `queue` do something and ask for an interrupt.
fn notify(rig: &mut Rig, queue: u64) {
    rig.submit(queue, descriptor(FILL, NOTIFY, 8, 0, 0));
    rig.work();
}

/// Four queues, MSI-X on, nothing masked.
fn ready() -> Rig {
    let mut rig = Rig::new(FULL);
    rig.config(MSIX, &0x8003_u16.to_le_bytes());
    rig.set(MASK, 0);
    for queue in 0..4 {
        rig.enable(queue, 8);
    }
    rig
}

#[test]
fn each_queue_has_its_vector() {
    let mut rig = ready();
    for queue in 0..4 {
        rig.submit(queue, descriptor(FILL, 0, 8, 0, 0));
        rig.work();
        assert_eq!((rig.get(INTERRUPT), deliver(&mut rig)), (0, 0));
        notify(&mut rig, queue);
        assert_eq!(rig.get(INTERRUPT), 1 << queue);
        assert_eq!(rig.get(PBA), 1 << queue);
        assert_eq!(deliver(&mut rig), 1 << queue);
        assert_eq!((rig.get(PBA), deliver(&mut rig)), (0, 0));
        // No other message until INTERRUPT was cleared: the next one is an edge.
        notify(&mut rig, queue);
        assert_eq!(deliver(&mut rig), 0);
        rig.set(INTERRUPT, !(1 << queue));
        assert_eq!(rig.get(INTERRUPT), 1 << queue);
        rig.set(INTERRUPT, 1 << queue);
        assert_eq!(rig.get(INTERRUPT), 0);
        notify(&mut rig, queue);
        assert_eq!(deliver(&mut rig), 1 << queue);
        rig.set(INTERRUPT, 0xffff_ffff);
        assert_eq!(rig.get(INTERRUPT), 0);
    }
}

#[test]
fn errors_interrupt_unasked() {
    let mut rig = ready();
    rig.submit(1, descriptor(0, 0, 0, 0, 0));
    rig.work();
    assert_eq!((rig.get(INTERRUPT), deliver(&mut rig)), (2, 2));
    rig.set(q(3, TAIL), 8);
    assert_eq!((rig.get(INTERRUPT), deliver(&mut rig)), (10, 8));
}

#[test]
fn masks_hold_messages_back() {
    let mut rig = ready();
    rig.set(MASK, 0b0100);
    notify(&mut rig, 2);
    notify(&mut rig, 3);
    assert_eq!((rig.get(INTERRUPT), deliver(&mut rig)), (0b1100, 0b1000));
    rig.set(MASK, 0);
    assert_eq!(deliver(&mut rig), 0b0100, "unmasking is an edge");
    rig.set(MASK, u32::MAX);
    assert_eq!(rig.get(MASK), 0b1111);
    rig.set(MASK, 0b0111);
    assert_eq!(deliver(&mut rig), 0b1000);
}

#[test]
fn messages_need_msix_and_bus_master() {
    let mut rig = ready();
    let control = |rig: &mut Rig, value: u16| rig.config(MSIX, &value.to_le_bytes());
    control(&mut rig, 0);
    notify(&mut rig, 0);
    assert_eq!((rig.get(PBA), deliver(&mut rig)), (0, 0));
    control(&mut rig, 0x8000);
    assert_eq!(deliver(&mut rig), 1, "was there when MSI-X was switched on");
    control(&mut rig, 0xc000);
    notify(&mut rig, 1);
    assert_eq!((rig.get(PBA), deliver(&mut rig)), (2, 0), "function masked");
    control(&mut rig, 0x8000);
    rig.config(COMMAND, &[2, 0]);
    assert_eq!((rig.get(PBA), deliver(&mut rig)), (2, 0), "Bus Master off");
    rig.config(COMMAND, &[6, 0]);
    assert_eq!(deliver(&mut rig), 2);
    rig.set(INTERRUPT, 0xf);
    notify(&mut rig, 1);
    control(&mut rig, 0);
    assert_eq!((rig.get(PBA), rig.get(INTERRUPT)), (0, 2), "dropped");
    rig.set(INTERRUPT, 2);
    control(&mut rig, 0x8000);
    assert_eq!(deliver(&mut rig), 0);
}

#[test]
fn resetting_by_control_keeps_config_space_memory_and_table() {
    let mut rig = ready();
    rig.poke(0x5000, b"kept");
    rig.set(TABLE + 4, 0x1234);
    notify(&mut rig, 2);
    rig.submit(1, descriptor(FILL, 0, 8, 0, 8));
    rig.set(CONTROL, 0xffff_fffe);
    assert_eq!(rig.get(INTERRUPT), 4, "bit 0 resets, others do nothing");
    rig.set(CONTROL, 1);
    assert_eq!(
        (rig.get(CONTROL), rig.get(INTERRUPT), rig.get(MASK)),
        (0, 0, 0xf)
    );
    assert_eq!((rig.get(PBA), rig.work()), (0, 0));
    for queue in 0..4 {
        for at in (0..0x20).step_by(4) {
            assert_eq!(rig.get(q(queue, at)), 0);
        }
    }
    assert_eq!(rig.get(TABLE + 4), 0x1234);
    assert_eq!(rig.ram().get(0x5000, 4), b"kept");
    let mut control = [0; 2];
    let config = vmig_model::device::Region::Config;
    rig.dut.region_read(config, MSIX, &mut control).unwrap();
    assert_eq!(u16::from_le_bytes(control), 0x8003);
}

#[test]
fn pending_vectors_travel_and_nothing_fires_in_a_stopped_device() {
    let mut rig = ready();
    notify(&mut rig, 3);
    rig.dut.set_state(State::Stop).unwrap();
    assert_eq!((rig.dut.msi_pending(), rig.dut.intx()), (0, false));
    let stream = rig.saved();
    let mut other = rig.resumed(&stream);
    assert_eq!(deliver(&mut other), 8);
    assert_eq!(other.get(INTERRUPT), 8);
    rig.dut.set_state(State::Running).unwrap();
    assert_eq!(deliver(&mut rig), 8);
}
