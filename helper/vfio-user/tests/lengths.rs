// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every command with every length that it should not have, and with structures full of extremes: one
//! reply each, an error, and the connection stays in step.

use vmig_vfio_user::message::{
    uapi::*,
    Command,
    DmaMap,
    Feature,
    MigData,
    RegionAccess,
    RegionIoFds,
    Wire, //
};

use crate::support::*;

/// A body of each command that succeeds in the state after connecting, or is refused for another
/// reason than its length.
fn good(command: Command) -> Option<Vec<u8>> {
    let argsz = 4096;
    let feature = |flags, data: &[u8]| {
        let mut body = Feature { argsz, flags }.bytes();
        body.extend(data);
        body
    };
    Some(match command {
        Command::DmaMap => DmaMap {
            argsz: 32,
            flags: 3,
            offset: 0,
            address: 0,
            size: 4096,
        }
        .bytes(),
        Command::DmaUnmap => vfio_iommu_type1_dma_unmap {
            argsz,
            size: 4096,
            ..Default::default()
        }
        .bytes(),
        Command::GetInfo => vfio_device_info {
            argsz,
            ..Default::default()
        }
        .bytes(),
        Command::GetRegionInfo => vfio_region_info {
            argsz,
            ..Default::default()
        }
        .bytes(),
        Command::GetRegionIoFds => RegionIoFds {
            argsz,
            ..Default::default()
        }
        .bytes(),
        Command::GetIrqInfo => vfio_irq_info {
            argsz,
            ..Default::default()
        }
        .bytes(),
        Command::SetIrqs => vfio_irq_set {
            argsz: 20,
            flags: VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
            count: 1,
            ..Default::default()
        }
        .bytes(),
        Command::RegionRead => RegionAccess {
            offset: 0,
            region: CONFIG,
            count: 4,
        }
        .bytes(),
        Command::RegionWrite => {
            let access = RegionAccess {
                offset: 0,
                region: CONFIG,
                count: 4,
            };
            [access.bytes(), vec![0; 4]].concat()
        }
        Command::RegionWriteMulti => {
            let mut body = 1_u64.to_ne_bytes().to_vec();
            body.extend([0; 8]);
            body.extend(CONFIG.to_ne_bytes());
            body.extend(1_u32.to_ne_bytes());
            body.extend([0; 8]);
            body
        }
        Command::Feature => feature(
            VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
            &[2, 0, 0, 0, 0, 0, 0, 0],
        ),
        Command::MigDataRead => MigData { argsz, size: 8 }.bytes(),
        Command::MigDataWrite => [MigData { argsz, size: 8 }.bytes(), vec![0; 8]].concat(),
        Command::Reset => vec![],
        Command::Version | Command::DmaRead | Command::DmaWrite => return None,
    })
}

#[test]
fn every_shorter_length_is_refused() {
    let running = serial(FULL);
    let mut raw = running.greeted();
    for command in Command::ALL {
        let Some(body) = good(command) else {
            continue;
        };
        for len in 0..body.len() {
            assert_ne!(raw.errno(command, &body[..len]), 0, "{command:?} {len}");
        }
        let transfer = matches!(command, Command::MigDataRead | Command::MigDataWrite);
        let refused = raw.errno(command, &body) != 0;
        assert_eq!(refused, transfer, "{command:?}: there is no transfer");
    }
    drop(raw);
    running.finish();
}

#[test]
fn lengths_that_contradict_the_message_are_refused() {
    let running = serial(FULL);
    let mut raw = running.greeted();
    // Each u32 at the front of the structures set to what nobody means.
    for command in Command::ALL {
        let Some(body) = good(command) else {
            continue;
        };
        for at in (0..body.len().saturating_sub(3)).step_by(4) {
            for value in [0, 1, 15, 31, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                let mut odd = body.clone();
                odd[at..at + 4].copy_from_slice(&value.to_ne_bytes());
                // Some are good after all; what counts is one reply each, in step.
                raw.errno(command, &odd);
                for more in [1, 8, 100] {
                    let mut longer = odd.clone();
                    longer.resize(body.len() + more, 0xff);
                    raw.errno(command, &longer);
                }
            }
        }
    }
    drop(raw);
    let (server, faults) = running.drain();
    assert_eq!(faults.len(), 1);
    assert_eq!(server.engine().session(), None);
}

#[test]
fn replies_are_no_longer_than_argsz() {
    let running = serial(FULL);
    let mut raw = running.greeted();
    for (command, len) in [
        (Command::GetInfo, 16),
        (Command::GetRegionInfo, 32),
        (Command::GetRegionIoFds, 16),
        (Command::GetIrqInfo, 16),
        (Command::DmaUnmap, 24),
    ] {
        assert_eq!(
            raw.errno(Command::DmaMap, &good(Command::DmaMap).unwrap()),
            0
        );
        let mut body = good(command).unwrap();
        for argsz in 0..len {
            body[..4].copy_from_slice(&(argsz as u32).to_ne_bytes());
            assert_ne!(raw.errno(command, &body), 0, "{command:?} {argsz}");
        }
        body[..4].copy_from_slice(&(len as u32).to_ne_bytes());
        let (header, reply) = raw.call(command.number(), &body);
        assert_eq!((header.error, reply.len()), (0, len));
        if command != Command::DmaUnmap {
            raw.errno(Command::DmaUnmap, &good(Command::DmaUnmap).unwrap());
        }
    }
    drop(raw);
    running.finish();
}
