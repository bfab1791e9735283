// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! State moves from one device to another, over both interfaces, with and without pre-copy.

use std::os::fd::AsFd;

use guest::contents::{assert_contents, contents, fill, look, LIST};
use guest::pci::{self, INTX};
use guest::stream::{load, save, Stream};
use guest::uart::*;
use guest::{Event, Mdev, Port, Test, Type};
use vmig_vfio::{Attach, Errno, MigrationFlags, State};

fn card() -> Mdev {
    Type::default_parent("serial-var").new_device_with(LIST)
}

#[test]
fn state_moves_between_both_interfaces() {
    let _test = Test::begin();
    let both = [Attach::Cdev, Attach::Group];
    for (from, to) in both.into_iter().flat_map(|from| both.map(|to| (from, to))) {
        let (source, destination) = (card(), card());
        let source = source.open(from).unwrap();
        let destination = destination.open(to).unwrap();
        fill(&source);
        let before = look(&source);
        let stream = save(&source);
        assert_eq!(source.state(), Ok(State::Running));
        load(&destination, &stream).unwrap();
        assert_eq!(destination.state(), Ok(State::Running));
        assert_eq!(look(&destination), before, "{from:?} to {to:?}");
        assert_eq!(look(&source), before, "the source keeps its state");
        assert_contents(&destination);
        assert_contents(&source);
        Stream::parse(&stream);
    }
}

#[test]
fn every_type_and_list_can_be_moved() {
    let _test = Test::begin();
    for (kind, list) in [
        ("serial-1", "ports=1"),
        (
            "serial-1",
            "ports=1 fifo-size=64 auto-flow=on line-stats=on",
        ),
        ("serial-2", "ports=2 fifo-size=64"),
        ("serial-var", "ports=1 fifo-size=16 line-stats=on"),
        ("serial-var", "ports=2 line-stats=on"),
    ] {
        let kind = Type::default_parent(kind);
        let (source, destination) = (kind.new_device_with(list), kind.new_device_with(list));
        let (source, destination) = (source.device(), destination.device());
        let port = Port::new(&source, 0);
        port.fifos(false);
        port.set(SCR, 0x77);
        port.send(b"0123456789abcdef");
        let stream = save(&source);
        load(&destination, &stream).unwrap();
        let port = Port::new(&destination, 0);
        assert_eq!(port.get(SCR), 0x77, "{list}");
        assert_eq!(port.receive(), b"0123456789abcdef", "{list}");
    }
}

#[test]
fn the_bytes_are_a_function_of_the_state() {
    let _test = Test::begin();
    let (source, destination) = (card(), card());
    let (source, destination) = (source.device(), destination.device());
    fill(&source);
    let stream = save(&source);
    assert_eq!(save(&source), stream, "saving changes nothing");
    load(&destination, &stream).unwrap();
    assert_eq!(
        save(&destination),
        stream,
        "and nothing is lost or made up on the way"
    );
    Port::new(&source, 1).set(SCR, 0xff);
    assert_ne!(save(&source), stream);
}

#[test]
fn an_interrupt_that_was_pending_arrives_at_the_destination() {
    let _test = Test::begin();
    let (source, destination) = (card(), card());
    let (source, destination) = (source.device(), destination.device());
    pci::enable(&source);
    let port = Port::new(&source, 0);
    port.fifos(false);
    port.set(IER, IER_RDI);
    port.send(b"x");
    let event = Event::new();
    destination
        .irq_eventfds(INTX, 0, &[Some(event.as_fd())])
        .unwrap();
    event.expect_none("nothing has arrived");
    load(&destination, &save(&source)).unwrap();
    event.expect("INTx is a function of the registers");
    assert_eq!(Port::new(&destination, 0).receive(), b"x");
    destination.irq_unmask(INTX, 0, 1).unwrap();
    event.expect_none("served");
}

#[test]
fn pre_copy_ends_in_the_same_state() {
    let _test = Test::begin();
    for p2p in [false, true] {
        let (source, destination) = (card(), card());
        let (source, destination) = (source.device(), destination.device());
        let data = source.set_state(State::PreCopy).unwrap().unwrap();
        let info = data.precopy_info().unwrap();
        assert!(info.initial_bytes > 0, "{info:?}");
        assert_eq!(info.dirty_bytes, 0);
        let mut stream = Vec::new();
        let mut buffer = [0; 16];
        // Everything that there is, in small pieces; the sizes go down with it.
        loop {
            let before = data.precopy_info().unwrap();
            match data.read(&mut buffer) {
                Ok(0) => panic!("an end of the stream before STOP_COPY"),
                Ok(n) => {
                    stream.extend_from_slice(&buffer[..n]);
                    let after = data.precopy_info().unwrap();
                    let left = |info: vmig_vfio::PrecopyInfo| info.initial_bytes + info.dirty_bytes;
                    assert_eq!(left(after), left(before) - n as u64);
                }
                Err(e) => {
                    assert_eq!(e.errno(), Some(Errno::ENOMSG));
                    assert_eq!((before.initial_bytes, before.dirty_bytes), (0, 0));
                    break;
                }
            }
        }
        // The device still runs.
        fill(&source);
        if p2p {
            assert!(
                source.set_state(State::PreCopyP2p).unwrap().is_none(),
                "the same file goes on"
            );
        }
        let before = look(&source);
        assert!(
            source.set_state(State::StopCopy).unwrap().is_none(),
            "the same file goes on"
        );
        loop {
            match data.read(&mut buffer).unwrap() {
                0 => break,
                n => stream.extend_from_slice(&buffer[..n]),
            }
        }
        assert_eq!(data.read(&mut buffer), Ok(0), "for ever");
        assert!(source.set_state(State::Running).unwrap().is_none());
        Stream::parse(&stream);
        load(&destination, &stream).unwrap();
        assert_eq!(look(&destination), before);
        assert_contents(&destination);
        assert_contents(&source);
    }
}

#[test]
fn pre_copy_can_be_left_without_loss() {
    let _test = Test::begin();
    let (source, destination) = (card(), card());
    let (source, destination) = (source.device(), destination.device());
    fill(&source);
    // Given up: the source runs on as if nothing had been.
    for back in [State::Running, State::Stop] {
        let data = source.set_state(State::PreCopy).unwrap().unwrap();
        data.read(&mut [0; 5]).unwrap();
        source.set_state(back).unwrap();
        assert!(
            matches!(data.read(&mut [0; 16]), Ok(0) | Err(_)),
            "no data after the session"
        );
        source.set_state(State::Running).unwrap();
    }
    // Early: not a byte of the first part was read.
    let data = source.set_state(State::PreCopy).unwrap().unwrap();
    assert!(source.set_state(State::StopCopy).unwrap().is_none());
    let mut stream = Vec::new();
    let mut buffer = [0; 4096];
    while let n @ 1.. = data.read(&mut buffer).unwrap() {
        stream.extend_from_slice(&buffer[..n]);
    }
    load(&destination, &stream).unwrap();
    assert_contents(&destination);
}

#[test]
fn a_runtime_parameter_changed_in_pre_copy_reinitialises() {
    let _test = Test::begin();
    let (source_mdev, destination_mdev) = (card(), card());
    let source = source_mdev.device();
    source.enable_precopy_info_v2().unwrap();
    let data = source.set_state(State::PreCopy).unwrap().unwrap();
    let mut stream = Vec::new();
    let mut buffer = [0; 4096];
    let mut drain = |stream: &mut Vec<u8>| loop {
        match data.read(&mut buffer) {
            Ok(0)
            | Err(vmig_vfio::Error::Data {
                errno: Errno::ENOMSG,
                ..
            }) => break,
            Ok(n) => stream.extend_from_slice(&buffer[..n]),
            Err(e) => panic!("{e}"),
        }
    };
    assert!(!data.precopy_info().unwrap().reinit());
    drain(&mut stream);
    source_mdev.set("line-stats", "on").unwrap();
    let info = data.precopy_info().unwrap();
    assert!(info.reinit(), "{info:?}");
    assert!(info.initial_bytes > 0);
    assert_eq!(info.dirty_bytes, 0);
    drain(&mut stream);
    assert_eq!(data.precopy_info().unwrap().initial_bytes, 0);
    fill(&source);
    source.set_state(State::StopCopy).unwrap();
    drain(&mut stream);
    // The destination has the parameter as it was, then as it is.
    let destination = destination_mdev.device();
    let error = load(&destination, &stream).unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EXDEV));
    assert!(destination_mdev.refusal().contains("line-stats"));
    // A device with the new value refuses nothing: only runtime parameters differ on arrival.
    let incoming = destination.set_state(State::Resuming).unwrap().unwrap();
    incoming.write_all(&stream).unwrap();
    destination_mdev.set("line-stats", "on").unwrap();
    destination.set_state(State::Running).unwrap();
    assert_contents(&destination);
}

#[test]
fn a_stopped_device_shows_its_registers_and_keeps_them() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    fill(&device);
    for state in [State::Stop, State::StopCopy] {
        let data = device.set_state(state).unwrap();
        let port = Port::new(&device, 0);
        for _ in 0..3 {
            assert_eq!(
                port.get(DATA),
                contents(0).0[0],
                "{state}: reading does not take"
            );
            assert_eq!(port.get(SCR), 0x30, "{state}");
        }
        let bar = device.region(0).unwrap();
        for register in 0..8 {
            let error = bar.write_u8(register, 0xff).unwrap_err();
            assert_eq!(
                error.errno(),
                Some(Errno::EBUSY),
                "{state}: write to {register}"
            );
        }
        // Config space works: VMMs restore it there.
        let config = pci::config(&device);
        config.write_u8(pci::LINE, 0x11).unwrap();
        assert_eq!(config.read_u8(pci::LINE).unwrap(), 0x11, "{state}");
        config.write_u8(pci::LINE, 0x5a).unwrap();
        drop(data);
    }
    device.set_state(State::Running).unwrap();
    assert_contents(&device);
}

#[test]
fn a_device_keeps_working_while_it_is_saved() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    let port = Port::new(&device, 0);
    port.fifos(true);
    for state in [
        State::RunningP2p,
        State::PreCopy,
        State::PreCopyP2p,
        State::RunningP2p,
        State::Running,
    ] {
        let _data = device.set_state(state).unwrap();
        port.send(b"ping");
        assert_eq!(port.receive(), b"ping", "{state}");
    }
}

#[test]
fn reset_leads_from_everywhere_to_running() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    for state in State::ALL
        .into_iter()
        .filter(|&state| state != State::Error)
    {
        device.set_state(state).unwrap();
        device.reset().unwrap();
        assert_eq!(device.state(), Ok(State::Running), "{state}");
        let port = Port::new(&device, 0);
        assert_eq!(
            (port.get(LSR), port.get(MCR)),
            (LSR_THRE | LSR_TEMT, 0),
            "{state}"
        );
        port.fifos(true);
        port.send(b"lost in the reset");
    }
}

#[test]
fn the_features_are_announced() {
    use vmig_vfio::{uapi, Direction};

    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    assert_eq!(
        device.migration_flags(),
        Ok(MigrationFlags(7)),
        "STOP_COPY, P2P, PRE_COPY"
    );
    for (feature, direction) in [
        (uapi::VFIO_DEVICE_FEATURE_MIGRATION, Direction::Get),
        (uapi::VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, Direction::Both),
        (uapi::VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, Direction::Get),
        (uapi::VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, Direction::Set),
        (uapi::VFIO_DEVICE_FEATURE_DMA_LOGGING_START, Direction::Set),
        (uapi::VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, Direction::Set),
        (uapi::VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, Direction::Get),
    ] {
        assert_eq!(
            device.probe_feature(feature, direction),
            Ok(()),
            "feature {feature}"
        );
    }
}

#[test]
fn the_data_size_covers_the_stream_in_every_state() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    fill(&device);
    let length = save(&device).len() as u64;
    for state in State::ALL
        .into_iter()
        .filter(|&state| state != State::Error)
    {
        let data = device.set_state(state).unwrap();
        let size = device.data_size().unwrap();
        // A device in RESUMING has nothing of its own any more.
        let least = if state == State::Resuming { 1 } else { length };
        assert!(size >= least, "{state}: {size} for {length} bytes");
        assert!(
            size <= 1 << 20,
            "{state}: {size} is no estimate for {length} bytes"
        );
        drop(data);
        device.reset().unwrap();
        fill(&device);
    }
}

#[test]
fn every_arc_is_as_the_uapi_has_it() {
    let _test = Test::begin();
    let mdev = card();
    let device = mdev.device();
    let sources = State::ALL
        .into_iter()
        .filter(|&from| !matches!(from, State::Error | State::Resuming));
    for from in sources {
        for to in State::ALL {
            let _session = device.set_state(from).unwrap();
            let answer = device.set_state(to);
            let precopy = matches!(from, State::PreCopy | State::PreCopyP2p);
            // Only what leads nowhere is refused: into ERROR, and from STOP_COPY back to pre-copy.
            let back = from == State::StopCopy && matches!(to, State::PreCopy | State::PreCopyP2p);
            if to == State::Error || back {
                assert_eq!(
                    answer.unwrap_err().errno(),
                    Some(Errno::EINVAL),
                    "{from} to {to}"
                );
                assert_eq!(device.state(), Ok(from), "{from} to {to}");
            } else {
                let opens = match to {
                    _ if from == to => false,
                    State::Resuming => true,
                    State::StopCopy | State::PreCopy | State::PreCopyP2p => !precopy,
                    _ => false,
                };
                assert_eq!(answer.unwrap().is_some(), opens, "{from} to {to}");
                assert_eq!(device.state(), Ok(to), "{from} to {to}");
            }
            device.reset().unwrap();
        }
    }
    for number in [8, 255, u32::MAX] {
        assert_eq!(
            device.set_state_number(number).unwrap_err().errno(),
            Some(Errno::EINVAL)
        );
        assert_eq!(device.state(), Ok(State::Running));
    }
}
