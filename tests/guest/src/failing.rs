// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Allocations in the kernel that fail on request, one after the other.
//!
//! Only on the debug kernel (`tests/kernel-debug.config`). Kernel documentation:
//! `Documentation/fault-injection/fault-injection.rst`, `/proc/<pid>/fail-nth`.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::sysfs;
use crate::test::Test;

/// Settings of the fault injection of slab allocations.
const FAILSLAB: &str = "/sys/kernel/debug/failslab";

/// More allocations than any operation does.
const LIMIT: u32 = 10_000;

/// Allocations below one of these do not fail; the first one that the kernel has counts, for the
/// compiler may have merged each into the next.
///
/// `vfio_create_group()` of 7.3 drops the group on its error path before it has given up the
/// reference on the IOMMU group, and `vfio_group_release()` warns of that: the core's own
/// (`drivers/vfio/group.c`), whatever the driver does.
const CORE_WARNS: [&str; 3] = [
    "vfio_create_group",
    "vfio_group_find_or_alloc",
    "vfio_device_set_group",
];

/// What the kernel core says by itself of an allocation that failed, at warning level or worse.
const CORE_SAYS: [&str; 6] = [
    "Failed to add to iommu group",
    "driver_sysfs_add failed",
    "Failed to create compatibility class link",
    "kobject: can not set name properly!",
    "kobject_add_internal failed for ",
    "kobject_create_and_add: kobject_add error",
];

/// Makes slab allocations of the calling thread fail.
#[derive(Debug)]
pub struct Failing {
    /// `fail-nth` of the thread.
    nth: File,
}

/// One attempt, in which one allocation is to fail.
#[derive(Debug)]
pub struct Shot<'a> {
    failing: &'a Failing,
    /// Which one, from 1.
    nth: u32,
    /// Whether there were that many.
    hit: Cell<bool>,
}

impl Failing {
    /// Prepares the kernel.
    ///
    /// # Panics
    ///
    /// If it has no failslab.
    pub fn new() -> Self {
        let set = |name: &str, value: &str| {
            let path = Path::new(FAILSLAB).join(name);
            sysfs::write(&path, value).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        };
        // Those that may sleep, which are nearly all, are spared by default.
        set("ignore-gfp-wait", "N");
        // No stack for each failure: it would look like trouble.
        set("verbose", "0");
        let (start, end) = CORE_WARNS
            .iter()
            .find_map(|name| function(name))
            .expect("a function of the VFIO core");
        set("reject-start", &format!("{start:#x}"));
        set("reject-end", &format!("{end:#x}"));
        let options = File::options()
            .read(true)
            .write(true)
            .open("/proc/thread-self/fail-nth");
        Self {
            nth: options.expect("fail-nth"),
        }
    }

    /// Runs `case` again and again, with the first, the second, ... allocation of the part in
    /// [`Shot::at`] failing, until that part does not come so far. Returns how many it has.
    ///
    /// # Panics
    ///
    /// If there is no end to it.
    #[track_caller]
    pub fn each(&self, case: impl FnMut(&Shot<'_>)) -> u32 {
        self.sample(1, case)
    }

    /// As [`Failing::each`], with one of `step` allocations: the first, and each that is so many
    /// after the one before. For parts that have hundreds and take long.
    ///
    /// # Panics
    ///
    /// If there is no end to it.
    #[track_caller]
    pub fn sample(&self, step: usize, mut case: impl FnMut(&Shot<'_>)) -> u32 {
        for nth in (1..LIMIT).step_by(step) {
            let shot = Shot {
                failing: self,
                nth,
                hit: Cell::new(false),
            };
            case(&shot);
            if !shot.hit.get() {
                return nth - 1;
            }
        }
        panic!("after {LIMIT} allocations it still fails")
    }

    /// Asserts that the kernel log has nothing but what the kernel core says of such failures.
    ///
    /// # Panics
    ///
    /// If it has.
    #[track_caller]
    pub fn assert_quiet(test: &mut Test) {
        let known = |text: &str| CORE_SAYS.iter().any(|words| text.contains(words));
        let records = test.log().records();
        let complaints: Vec<_> = records
            .iter()
            .filter(|record| record.is_complaint() && !known(&record.text))
            .collect();
        assert!(
            complaints.is_empty(),
            "the kernel complained: {complaints:#?}"
        );
    }
}

impl Default for Failing {
    fn default() -> Self {
        Self::new()
    }
}

impl Shot<'_> {
    /// Runs `operation`, in which the allocation is to fail.
    ///
    /// # Panics
    ///
    /// If the kernel does not say whether it did.
    pub fn at<T>(&self, operation: impl FnOnce() -> T) -> T {
        let file = &self.failing.nth;
        let set = |nth: u32| file.write_all_at(nth.to_string().as_bytes(), 0);
        set(self.nth).expect("fail-nth");
        let result = operation();
        // Counted down to 0 when it fails.
        let mut left = [0; 16];
        let read = file.read_at(&mut left, 0).expect("fail-nth");
        set(0).expect("fail-nth");
        self.hit.set(left[..read].starts_with(b"0"));
        result
    }

    /// Which allocation it is.
    pub fn nth(&self) -> u32 {
        self.nth
    }

    /// Whether an allocation has failed.
    pub fn hit(&self) -> bool {
        self.hit.get()
    }
}

/// Where a function of the kernel starts and ends.
fn function(name: &str) -> Option<(u64, u64)> {
    let symbols = fs::read_to_string("/proc/kallsyms").ok()?;
    let mut lines = symbols.lines().map(|line| {
        let mut words = line.split_ascii_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((address, words.nth(1)?))
    });
    // Sorted by address.
    let (start, _) = lines.by_ref().flatten().find(|(_, found)| *found == name)?;
    let (end, _) = lines.flatten().find(|(address, _)| *address > start)?;
    (start > 0).then_some((start, end))
}
