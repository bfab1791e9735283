// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Who pays for the accelerator's memory: the memory cgroup of the process that opened the device, whoever
//! touches it. At its limit there is no memory, and the device stays what it was.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use guest::accel::{self, Descriptor, Queue};
use guest::wait::{self, SOON};
use guest::{sysfs, Test, Type};
use vmig_vfio::{Attach, Device, Errno, IovaRange, Memory};

const MIB: usize = 1 << 20;
const PAGE: u64 = 4096;

/// What counts as 4 MiB: each processor charges 64 pages in advance (`MEMCG_CHARGE_BATCH` in `mm/memcontrol.c`), and some more is
/// charged than the memory itself.
const FOUR: Range<usize> = 4 * MIB - MIB / 2..5 * MIB;

/// Where cgroups are.
const ROOT: &str = "/sys/fs/cgroup";

/// A memory cgroup. Dropping it removes it.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new(name: &str) -> Self {
        sysfs::write(format!("{ROOT}/cgroup.subtree_control"), "+memory").unwrap();
        let path = Path::new(ROOT).join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn join(path: &Path) {
        let pid = std::process::id().to_string();
        sysfs::write(path.join("cgroup.procs"), pid).unwrap();
    }

    /// Runs `f` in the cgroup, and leaves it again.
    fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        Self::join(&self.0);
        let result = f();
        Self::join(Path::new(ROOT));
        result
    }

    /// Bytes that are charged.
    fn current(&self) -> usize {
        sysfs::line(self.0.join("memory.current")).parse().unwrap()
    }

    fn set_max(&self, max: &str) {
        sysfs::write(self.0.join("memory.max"), max).unwrap();
    }

    /// How often something happened.
    fn events(&self, what: &str) -> u64 {
        let text = sysfs::read(self.0.join("memory.events")).unwrap();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let (_, count) = lines.find(|(name, _)| *name == what).unwrap();
        count.parse().unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // What was charged may be given back a little later.
        let removed = wait::until(SOON, || fs::remove_dir(&self.0).is_ok());
        assert!(removed || std::thread::panicking(), "the cgroup stays");
    }
}

/// Writes device memory through its file until there is none; returns how many bytes that were.
fn write_until_full(device: &Device) -> usize {
    let region = device.region(accel::MEMORY).unwrap();
    let piece = [0xa5; 16 * PAGE as usize];
    let mut at = 0;
    loop {
        match region.write_at(at as u64, &piece) {
            Ok(written) => at += written,
            Err(error) => {
                assert_eq!(error.errno(), Some(Errno::ENOMEM));
                return at;
            }
        }
    }
}

#[test]
fn at_the_limit_of_the_opener_there_is_no_memory() {
    let _test = Test::begin();
    for attach in [Attach::Cdev, Attach::Group] {
        let cgroup = Cgroup::new("limited");
        let mdev = Type::default_parent("accel-var").new_device_with("memory-mb=64 num-queues=1");
        let device = cgroup.within(|| mdev.open(attach)).unwrap();
        accel::enable(&device);
        let mut queue = Queue::enable(&device, 0, 0x10_0000, 16);
        cgroup.set_max("8M");
        let written = write_until_full(&device);
        assert!((4 * MIB..8 * MIB).contains(&written), "{written}");
        assert!(cgroup.events("max") > 0);
        assert_eq!(cgroup.events("oom_kill"), 0, "nobody is killed for it");
        // What is there is there, by file, by mapping, and for the queue.
        let region = device.region(accel::MEMORY).unwrap();
        let mut bytes = vec![0; written];
        region.read_at(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0xa5));
        region.write_at(0, &[1; 100_000]).unwrap();
        queue.run(&[Descriptor::fill(2, 4096, 100_000)]);
        // What is not cannot be had, by none of them.
        let wrong = Descriptor::fill(3, 32 << 20, 1 << 20);
        assert_eq!(queue.run_wrong(wrong), (0x0a, 0x0a));
        let mapping = region.map(32 << 20, 8 * MIB).unwrap();
        let refused = mapping.read_if_there(0, &mut vec![0; 8 * MIB]);
        assert_eq!(refused, Err(Errno::EFAULT));
        assert_eq!(
            region
                .write_at(40 << 20, &[1; 8 * MIB])
                .unwrap_err()
                .errno(),
            Some(Errno::ENOMEM)
        );
        // A reset gives it back, and all works as before.
        device.reset().unwrap();
        let empty = wait::until(SOON, || cgroup.current() < 2 * MIB);
        assert!(empty, "{} bytes are still charged", cgroup.current());
        accel::enable(&device);
        queue.restart();
        queue.run(&[Descriptor::fill(0x0404_0404_0404_0404, 1 << 20, 1 << 20)]);
        assert_eq!(region.read::<1>((1 << 20) + 5000).unwrap(), [4]);
        assert_eq!(region.read::<1>(0).unwrap(), [0]);
        drop(mapping);
    }
}

#[test]
fn at_the_limit_the_log_gives_up_exactness_and_nobody_is_killed() {
    const GUEST: u64 = 0x1_0000_0000;
    /// One page in so many bytes is written, so that each needs a bitmap of its own.
    const STRIDE: u64 = 4096 * PAGE;
    const SPREAD: u64 = 256;
    let _test = Test::begin();
    let cgroup = Cgroup::new("logged");
    let mdev = Type::default_parent("accel-var").new_device_with("memory-mb=64 num-queues=1");
    let device = cgroup.within(|| mdev.device());
    accel::enable(&device);
    let mut queue = Queue::enable(&device, 0, 0x10_0000, 16);
    let guests: Vec<_> = (0..SPREAD)
        .map(|i| {
            let memory = Memory::anonymous(PAGE as usize).unwrap();
            // There, with its page table, before the limit is: both would be charged to the cgroup.
            memory.write(0, &[0; PAGE as usize]).unwrap();
            device.dma_map(GUEST + i * STRIDE, memory).unwrap()
        })
        .collect();
    let logged = IovaRange {
        iova: GUEST,
        length: SPREAD * STRIDE,
    };
    device.dma_logging_start(PAGE, &[logged]).unwrap();
    cgroup.set_max("8M");
    write_until_full(&device);
    for (i, guest) in (0..).zip(&guests) {
        queue.run(&[Descriptor::copy_out(0, GUEST + i * STRIDE, 64)]);
        let mut bytes = [0; 64];
        guest.memory().read(0, &mut bytes).unwrap();
        assert_eq!(
            bytes, [0xa5; 64],
            "what is not logged exactly is written all the same"
        );
    }
    // Not even looked for: there is nobody in the cgroup who could be killed.
    assert_eq!(cgroup.events("oom"), 0, "nobody is killed for it");
    // A page that was never written counts as written, as all others do, time and again.
    let never = IovaRange {
        iova: GUEST + PAGE,
        length: PAGE,
    };
    for range in [
        never,
        never,
        IovaRange {
            iova: GUEST,
            ..never
        },
    ] {
        let mut bitmap = [0];
        device.dma_logging_report(range, PAGE, &mut bitmap).unwrap();
        assert_eq!(bitmap, [1]);
    }
    device.dma_logging_stop().unwrap();
    cgroup.set_max("max");
}

#[test]
fn the_opener_is_charged_whoever_touches() {
    let _test = Test::begin();
    let cgroup = Cgroup::new("opener");
    let mdev = Type::default_parent("accel-var").new_device_with("memory-mb=64 num-queues=1");
    let device = cgroup.within(|| mdev.device());
    accel::enable(&device);
    let mut queue = Queue::enable(&device, 0, 0x10_0000, 16);
    let region = device.region(accel::MEMORY).unwrap();
    let mapping = region.map(0, 64 * MIB).unwrap();
    let charged = |before: usize| cgroup.current().saturating_sub(before);
    // The work, which is done by nobody's process; then a process in another cgroup, by file and mapping.
    let before = cgroup.current();
    queue.run(&[Descriptor::fill(1, 0, 4 << 20)]);
    let by_work = charged(before);
    assert!(FOUR.contains(&by_work), "{by_work}");
    let before = cgroup.current();
    region.write_at(8 << 20, &vec![1; 4 * MIB]).unwrap();
    let by_file = charged(before);
    assert!(FOUR.contains(&by_file), "{by_file}");
    let before = cgroup.current();
    for page in 0..1024 {
        mapping.write(16 * MIB + page * 4096, &[1]).unwrap();
    }
    let by_mapping = charged(before);
    assert!(FOUR.contains(&by_mapping), "{by_mapping}");
    drop((mapping, queue));
    drop(device);
    let empty = wait::until(SOON, || cgroup.current() < MIB / 2);
    assert!(empty, "{} bytes are still charged", cgroup.current());
}
