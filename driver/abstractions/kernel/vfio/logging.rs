// SPDX-License-Identifier: GPL-2.0-only

//! Logging of the pages that a device writes by DMA.
//!
//! A driver keeps a [`Tracker`], marks in it what the device has written, and names [`Table::new`] in
//! [`vfio::Operations::LOGGING`](super::Operations::LOGGING). Starting, stopping and reporting need
//! nothing more from it; logging is independent of the migration state.
//!
//! This module exists in kernels with `CONFIG_IOMMUFD_DRIVER` only: without it the kernel accepts the
//! start of logging and fails every report, and a device that offers no logging is refused early and
//! clearly instead.
//!
//! C headers: [`include/linux/vfio.h`](srctree/include/linux/vfio.h),
//! [`include/linux/iova_bitmap.h`](srctree/include/linux/iova_bitmap.h)

mod dirty;
mod table;

pub use self::table::Table;

use kernel::{
    prelude::*,
    sync::{
        static_lock_class,
        Mutex, //
    }, //
};

use self::dirty::DirtyLog;
use crate::compat;

/// Logging callbacks of a driver.
pub trait Operations: super::Operations {
    /// Where the device's writes are logged.
    fn tracker(&self) -> &Tracker;
}

/// A range of I/O virtual addresses, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    last: u64,
}

impl Range {
    /// The range of `length` bytes from `iova`.
    fn new(iova: u64, length: u64) -> Result<Self> {
        let last = length
            .checked_sub(1)
            .and_then(|rest| iova.checked_add(rest));
        Ok(Self {
            first: iova,
            last: last.ok_or(EINVAL)?,
        })
    }

    /// What two ranges have in common.
    fn intersection(self, other: Self) -> Option<Self> {
        let first = self.first.max(other.first);
        let last = self.last.min(other.last);
        (first <= last).then_some(Self { first, last })
    }
}

/// The log of one device, from its start to its end.
#[pin_data]
pub struct Tracker {
    #[pin]
    log: Mutex<Option<DirtyLog>>,
}

impl Tracker {
    /// A tracker that logs nothing yet.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            log <- Mutex::new(
                None,
                compat::lock_name!("vfio::logging::Tracker::log"),
                static_lock_class!(),
            ),
        })
    }

    /// Logs that the device has written `length` bytes at `iova`; to be called after the write, even
    /// if it failed half way.
    ///
    /// This cannot fail: when there is no memory for the log, all that is logged counts as written.
    pub fn mark(&self, iova: u64, length: u64) {
        let Ok(written) = Range::new(iova, length) else {
            return;
        };
        if let Some(log) = &mut *self.log.lock() {
            log.mark(written);
        }
    }

    /// Ends logging, if it was on.
    pub fn stop(&self) {
        let log = self.log.lock().take();
        drop(log);
    }

    /// Starts to log.
    fn start(&self, new: DirtyLog) -> Result {
        let mut log = self.log.lock();
        if log.is_some() {
            return Err(EINVAL);
        }
        *log = Some(new);
        Ok(())
    }

    /// Calls `report` for each run of written pages within `range`, and clears them. `report` may
    /// wait for user memory; the log is not locked meanwhile.
    fn report(&self, range: Range, mut report: impl FnMut(Range)) -> Result {
        let mut left = range;
        loop {
            let run = match &mut *self.log.lock() {
                Some(log) => log.take(left),
                None => return Err(EINVAL),
            };
            let Some(run) = run else {
                return Ok(());
            };
            report(run);
            if run.last >= left.last {
                return Ok(());
            }
            // NO-OVERFLOW: `run.last` is less than `left.last`.
            left.first = run.last + 1;
            if compat::fatal_signal_pending() {
                return Err(EINTR);
            }
        }
    }
}

#[kunit_tests(vmig_vfio_tracker)]
mod tests {
    use super::*;

    #[test]
    fn logging_has_a_start_and_an_end() -> Result {
        let page = |first| Range {
            first,
            last: first + 0xfff,
        };
        let log = || -> Result<DirtyLog> {
            let mut ranges = KVec::new();
            ranges.push(Range::new(0, 0x10000)?, GFP_KERNEL)?;
            DirtyLog::new(ranges, 4096)
        };
        let tracker = KBox::pin_init(Tracker::new(), GFP_KERNEL)?;
        let reported = || -> Result<KVec<Range>> {
            let mut runs = KVec::new();
            tracker.report(Range::new(0, 0x10000)?, |run| {
                // A test's ranges are few.
                let _ = runs.push(run, GFP_KERNEL);
            })?;
            Ok(runs)
        };

        // Off: nothing to report, and writes are nobody's affair.
        tracker.mark(0, 1);
        assert_eq!(reported().err(), Some(EINVAL));
        tracker.start(log()?)?;
        assert_eq!(tracker.start(log()?), Err(EINVAL));
        assert_eq!(reported()?.len(), 0);
        tracker.mark(0x1800, 1);
        tracker.mark(0x3000, 0x1000);
        tracker.mark(0x4000, 0);
        tracker.mark(u64::MAX, 2);
        assert_eq!(&*reported()?, &[page(0x1000), page(0x3000)]);
        assert_eq!(reported()?.len(), 0);
        tracker.stop();
        tracker.stop();
        assert_eq!(reported().err(), Some(EINVAL));
        Ok(())
    }
}
