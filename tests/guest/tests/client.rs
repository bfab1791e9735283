// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The client library on a device that is not ours: the kernel's `mtty` sample.

use std::os::fd::AsFd;
use std::path::Path;

use guest::{modules, sysfs, uuid, Event, Mdev, Test};
use vmig_vfio::{
    Attach, Cause, Device, Direction, Errno, Error, IovaRange, Memory, Phase, Roots, State,
};

/// The sample's module and a device of it; both go away with the value.
struct Sample(Mdev);

impl Sample {
    fn new() -> Self {
        modules::load("mtty").expect("mtty.ko");
        let id = uuid();
        let kind = Path::new("/sys/class/mdev_bus/mtty/mdev_supported_types/mtty-2");
        sysfs::write(kind.join("create"), &id).expect("create");
        Self(Mdev::existing(&id))
    }

    /// Opens it as a VMM does. The sample takes interrupts only from a user who has asked what
    /// it is, and begins in whatever state the last user has left.
    fn open(&self, attach: Attach) -> Device {
        let device = self.0.open(attach).expect("open");
        device.info().expect("info");
        device.reset().expect("reset");
        device
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = self.0.remove();
        let _ = modules::unload("mtty");
    }
}

#[test]
fn both_interfaces_open_a_foreign_device() {
    let _test = Test::begin();
    let sample = Sample::new();
    for (attach, expected) in [
        (Attach::Auto, Attach::Cdev),
        (Attach::Cdev, Attach::Cdev),
        (Attach::Group, Attach::Group),
    ] {
        let device = sample.open(attach);
        assert_eq!(device.attached(), expected);
        assert_eq!(device.name(), sample.0.uuid());
        let info = device.info().unwrap();
        assert!(info.is_pci());
        assert_eq!(device.region_info(0).unwrap().size, 8);
        assert_eq!(device.irq_info(0).unwrap().count, 1);
        assert_eq!(
            device.region(7).unwrap().read_u16(0).unwrap(),
            0x4348,
            "vendor"
        );
    }
}

#[test]
fn auto_falls_back_to_the_group_only_where_a_node_is_missing() {
    let _test = Test::begin();
    let sample = Sample::new();
    // A /dev in which IOMMUFD, or the device's own node, does not exist.
    let directory = std::env::temp_dir().join(uuid());
    for hidden in ["iommu", "vfio/devices"] {
        std::fs::create_dir_all(directory.join("vfio")).unwrap();
        for name in ["iommu", "vfio/vfio", "vfio/devices"] {
            if name != hidden {
                std::os::unix::fs::symlink(Path::new("/dev").join(name), directory.join(name))
                    .unwrap();
            }
        }
        for entry in sysfs::names("/dev/vfio")
            .iter()
            .filter(|name| name.parse::<u32>().is_ok())
        {
            let node = Path::new("/dev/vfio").join(entry);
            std::os::unix::fs::symlink(node, directory.join("vfio").join(entry)).unwrap();
        }
        let roots = Roots {
            dev: directory.clone(),
            ..Roots::default()
        };
        let open = |attach| Device::open(&roots, sample.0.directory(), attach);
        assert_eq!(
            open(Attach::Auto).unwrap().attached(),
            Attach::Group,
            "without {hidden}"
        );
        assert_eq!(open(Attach::Cdev).unwrap_err().errno(), Some(Errno::ENOENT));
        std::fs::remove_dir_all(&directory).unwrap();
    }
    // A device that refuses is not asked twice.
    let _user = sample.open(Attach::Cdev);
    let error = sample.0.open(Attach::Auto).unwrap_err();
    assert!(matches!(error, Error::Call { .. }), "{error}");
    assert!(
        error.to_string().starts_with("VFIO_DEVICE_BIND_IOMMUFD: "),
        "{error}"
    );
}

#[test]
fn what_vfio_does_not_have_is_named() {
    let _test = Test::begin();
    let roots = Roots::default();
    let open = |path: &str| Device::open(&roots, Path::new(path), Attach::Auto).unwrap_err();
    assert!(matches!(
        open("/sys/devices/system/cpu/cpu0"),
        Error::NotVfio { .. }
    ));
    assert_eq!(
        open("/sys/bus/mdev/devices/none").errno(),
        Some(Errno::ENOENT)
    );
}

#[test]
fn state_is_saved_and_loaded() {
    let _test = Test::begin();
    let sample = Sample::new();
    for attach in [Attach::Cdev, Attach::Group] {
        let device = sample.open(attach);
        let bar = device.region(0).unwrap();
        bar.write_u8(7, 0x5a).unwrap();
        let mut stream = Vec::new();
        let mut steps = Vec::new();
        let bytes = vmig_vfio::save(&device, &mut stream, &mut |step| steps.push(step)).unwrap();
        assert_eq!(bytes, stream.len() as u64);
        assert_eq!(steps.first().unwrap().bytes, 0);
        assert_eq!(steps.last().unwrap().bytes, bytes);
        assert!(steps.iter().all(|step| step.estimate == Some(bytes)));
        bar.write_u8(7, 0).unwrap();
        vmig_vfio::load(&device, &mut &stream[..], &mut |_| ()).unwrap();
        assert_eq!(bar.read_u8(7), Ok(0x5a));
        assert_eq!(device.state(), Ok(State::Running));
        // A stopped device is left stopped.
        device.set_state(State::Stop).unwrap();
        vmig_vfio::save(&device, &mut Vec::new(), &mut |_| ()).unwrap();
        assert_eq!(device.state(), Ok(State::Stop));
    }
}

#[test]
fn a_failed_transfer_says_where_and_leaves_the_device_usable() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(28))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let _test = Test::begin();
    let sample = Sample::new();
    let device = sample.open(Attach::Cdev);
    let error = vmig_vfio::save(&device, &mut Full, &mut |_| ()).unwrap_err();
    assert_eq!(
        (error.phase, error.state),
        (Phase::Stream, Some(State::Running))
    );
    assert!(matches!(error.cause, Cause::Stream(_)));
    assert_eq!(error.errno(), None);

    let load = |stream: &[u8]| vmig_vfio::load(&device, &mut &stream[..], &mut |_| ()).unwrap_err();
    let error = load(&[0; 100]);
    assert_eq!(
        (error.phase, error.state),
        (Phase::Data, Some(State::Running))
    );
    assert!(error.errno().is_some());
    let error = load(&[]);
    assert_eq!(
        (error.phase, error.state),
        (Phase::Finish, Some(State::Running))
    );

    let _data = device.set_state(State::PreCopy).unwrap();
    let error = vmig_vfio::save(&device, &mut Vec::new(), &mut |_| ()).unwrap_err();
    assert_eq!(
        (error.phase, error.state),
        (Phase::Query, Some(State::PreCopy))
    );
    assert!(matches!(error.cause, Cause::State(State::PreCopy)));
}

#[test]
fn interrupts_features_and_memory_work() {
    let _test = Test::begin();
    let sample = Sample::new();
    for attach in [Attach::Cdev, Attach::Group] {
        let device = sample.open(attach);
        let event = Event::new();
        device.irq_eventfds(0, 0, &[Some(event.as_fd())]).unwrap();
        device.irq_fire(0, 0, 1).unwrap();
        assert_eq!(event.expect("fired by hand"), 1);
        device.irq_disable(0).unwrap();

        assert_eq!(device.has_feature(2, Direction::Both), Ok(true));
        assert_eq!(device.has_feature(2, Direction::Get), Ok(true));
        assert_eq!(device.has_feature(0x7fff, Direction::Get), Ok(false));
        let mut state = [0; 8];
        device.feature_bytes((1 << 16) | 2, 16, &mut state).unwrap();
        assert_eq!(state[..4], 2_u32.to_ne_bytes(), "RUNNING");
        let refused = device
            .feature_bytes((1 << 16) | 2, 15, &mut state)
            .unwrap_err();
        assert_eq!(refused.errno(), Some(Errno::EINVAL), "too short");

        let memory = Memory::anonymous(8192).unwrap();
        memory.write(0, b"mapped").unwrap();
        let mapping = device.dma_map(0x10000, memory).unwrap();
        let second = device.dma_map(0x10000, Memory::anonymous(4096).unwrap());
        assert_eq!(second.unwrap_err().errno(), Some(Errno::EEXIST));
        let mut back = [0; 6];
        mapping.memory().read(0, &mut back).unwrap();
        assert_eq!(&back, b"mapped");
        drop(mapping);
        drop(
            device
                .dma_map(0x10000, Memory::anonymous(4096).unwrap())
                .unwrap(),
        );

        let range = IovaRange {
            iova: 0,
            length: 1 << 20,
        };
        assert_eq!(device.dma_logging_start(4096, &[range]), Ok(4096));
        let mut bitmap = [0; 4];
        device.dma_logging_report(range, 4096, &mut bitmap).unwrap();
        let short = device
            .dma_logging_report(range, 4096, &mut bitmap[..3])
            .unwrap_err();
        assert_eq!(short.errno(), Some(Errno::EFAULT), "not even asked");
        device.dma_logging_stop().unwrap();
    }
}
