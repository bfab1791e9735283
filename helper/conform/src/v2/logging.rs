// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C78 to C85: DMA logging.

use vmig_vfio::{
    Direction,
    Errno,
    IovaRange, //
};

use crate::{
    bench::{
        Bench,
        Subject, //
    },
    catalogue::{
        Class::Must,
        Id,
        Section,
        Statement, //
    },
    feature::LOG_START,
    raw::Trap,
    verdict::{
        broken,
        check,
        error_shown,
        held,
        held_with,
        skip,
        Call,
        Held,
        Own,
        Unheld,
        Verdict, //
    },
};

/// C78 to C85.
pub(crate) const SECTION: Section = Section {
    title: "DMA logging",
    statements: &[
        Statement::new(
            Must,
            Id::c(78),
            "START refuses no, too many, misaligned, overlapping and wrapping ranges",
            "vfio_ioctl_device_feature_logging_start()",
            c78,
        )
        .only_kernel("no range means every address there, and the protocol has no text on bad ones"),
        Statement::new(
            Must,
            Id::c(79),
            "START returns the page size that the device chose",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START, page_size",
            c79,
        ),
        Statement::new(
            Must,
            Id::c(80),
            "a second START fails until STOP",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START, another start; struct vfio_log_ops",
            c80,
        ),
        Statement::new(
            Must,
            Id::c(81),
            "REPORT fails while logging is off, and STOP is harmless then",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, not enabled; struct vfio_log_ops",
            c81,
        ),
        Statement::new(
            Must,
            Id::c(82),
            "REPORT only sets bits of the bitmap, and forgets what it has reported",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT",
            c82,
        ),
        Statement::new(
            Must,
            Id::c(83),
            "REPORT takes any power of two from 4 KiB on as page size, and nothing else",
            "linux/vfio.h, DMA_LOGGING_REPORT, page_size; vfio_ioctl_device_feature_logging_report()",
            c83,
        ),
        Statement::new(
            Must,
            Id::c(84),
            "every byte that the device writes between START and REPORT is reported",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START",
            c84,
        ),
        Statement::new(
            Must,
            Id::c(85),
            "logging does not depend on the migration state, and ends with the last close",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START, not connected; struct vfio_log_ops",
            c85,
        ),
    ],
};

const PAGE: u64 = 4096;

const MIB: u64 = 1 << 20;

const fn range(iova: u64, length: u64) -> IovaRange {
    IovaRange { iova, length }
}

const RANGE: IovaRange = range(16 * MIB, 16 * MIB);

/// The device, if it can log.
fn logger(bench: &Bench) -> Result<Subject, Unheld> {
    let subject = bench.open_plain()?;
    let has = subject.has_feature(LOG_START, Direction::Set);
    match has.must("PROBE of DMA_LOGGING_START")? {
        true => Ok(subject),
        false => Err(skip("the device has no DMA logging")),
    }
}

fn start(subject: &Subject) -> Result<u64, Unheld> {
    let done = subject.dma_logging_start(PAGE, &[RANGE]);
    done.must("DMA_LOGGING_START of one range")
}

fn stop(subject: &Subject) -> Result<(), Unheld> {
    subject.dma_logging_stop().must("DMA_LOGGING_STOP")
}

/// Reports on [`RANGE`].
fn report(subject: &Subject, bitmap: &mut [u64]) -> Result<(), Unheld> {
    match subject.dma_logging_report(RANGE, PAGE, bitmap) {
        Err(e) if e.errno() == Some(Errno::EOPNOTSUPP) => Err(skip(
            "the kernel cannot report (it lacks CONFIG_IOMMUFD_DRIVER)",
        )),
        done => done.must("DMA_LOGGING_REPORT"),
    }
}

fn bitmap(word: u64) -> Vec<u64> {
    vec![word; (RANGE.length / PAGE / 64) as usize]
}

fn c78(bench: &Bench) -> Verdict {
    let subject = logger(bench)?;
    let page = Trap::new().own("memory")?.page() as u64;
    let mut held = Held::default();
    let cases: [(&[IovaRange], Errno, &str); 6] = [
        (&[], Errno::EINVAL, "no range"),
        (&[range(1, page)], Errno::EINVAL, "a misaligned address"),
        (&[range(0, page + 1)], Errno::EINVAL, "a misaligned length"),
        (
            &[range(0, 4 * page), range(page, page)],
            Errno::EINVAL,
            "overlapping ranges",
        ),
        (
            &[range(0, page), range(0, page)],
            Errno::EINVAL,
            "the same range twice",
        ),
        (
            &[range(0_u64.wrapping_sub(page), 2 * page)],
            Errno::EOVERFLOW,
            "a range that wraps",
        ),
    ];
    for (ranges, errno, what) in cases {
        let done = subject.dma_logging_start(page, ranges);
        if done.is_ok() {
            let _ = subject.dma_logging_stop();
        }
        done.must_fail(errno, &format!("DMA_LOGGING_START with {what}"))?;
    }
    // As many as fit into a page are guaranteed by the core; a driver may have less.
    let many: Vec<_> = (0..=page / 16).map(|n| range(2 * n * page, page)).collect();
    match subject.dma_logging_start(page, &many) {
        Ok(_) => {
            held.note(format!("{} ranges accepted", many.len()));
            stop(&subject)?;
        }
        done => done.must_fail(Errno::E2BIG, "DMA_LOGGING_START with too many ranges")?,
    }
    start(&subject)?;
    stop(&subject)?;
    Ok(held)
}

fn c79(bench: &Bench) -> Verdict {
    let subject = logger(bench)?;
    let mut held = Held::default();
    for hint in [PAGE, 64 * 1024, 2 * MIB] {
        let done = subject.dma_logging_start(hint, &[RANGE]);
        let chosen = done.must(&format!("DMA_LOGGING_START with page size {hint}"))?;
        stop(&subject)?;
        let expected = format!("a power of two as page size for the hint {hint}");
        check(chosen.is_power_of_two(), expected, chosen.to_string())?;
        held.note(format!("{chosen} for {hint}"));
    }
    Ok(held)
}

fn c80(bench: &Bench) -> Verdict {
    let subject = logger(bench)?;
    start(&subject)?;
    let again = subject.dma_logging_start(PAGE, &[RANGE]);
    let other = subject.dma_logging_start(PAGE, &[range(64 * MIB, MIB)]);
    let stopped = stop(&subject);
    again.must_fail_somehow("a second DMA_LOGGING_START")?;
    other.must_fail_somehow("a second DMA_LOGGING_START with another range")?;
    stopped?;
    start(&subject)?;
    stop(&subject)?;
    held()
}

fn c81(bench: &Bench) -> Verdict {
    let subject = logger(bench)?;
    let off = |when: &str| {
        let done = subject.dma_logging_report(RANGE, PAGE, &mut bitmap(0));
        done.must_fail_somehow(&format!("DMA_LOGGING_REPORT {when}"))
    };
    off("before DMA_LOGGING_START")?;
    let early = subject.dma_logging_stop();
    start(&subject)?;
    stop(&subject)?;
    off("after DMA_LOGGING_STOP")?;
    match early {
        Ok(()) => held(),
        Err(e) => held_with(format!(
            "DMA_LOGGING_STOP while off gives {}",
            error_shown(&e)
        )),
    }
}

fn c82(bench: &Bench) -> Verdict {
    let subject = logger(bench)?;
    start(&subject)?;
    let mut ones = bitmap(0xaaaa_5555_ffff_0001);
    report(&subject, &mut ones)?;
    let kept = ones
        .iter()
        .all(|word| word & 0xaaaa_5555_ffff_0001 == 0xaaaa_5555_ffff_0001);
    check(kept, "bits that were set stay set", "some were cleared")?;
    let mut first = bitmap(0);
    report(&subject, &mut first)?;
    let mut second = bitmap(0);
    report(&subject, &mut second)?;
    stop(&subject)?;
    let count = |bitmap: &[u64]| bitmap.iter().map(|word| word.count_ones()).sum::<u32>();
    match (count(&first), count(&second)) {
        (0, 0) => held_with("nothing was written, so nothing was there to forget"),
        (_, 0) => held(),
        // The device may be at work, but nobody told it to.
        (_, second) => Err(broken(
            "no page of an idle device in the next report",
            format!("{second} pages"),
        )),
    }
}

fn c83(bench: &Bench) -> Verdict {
    let subject = logger(bench)?;
    start(&subject)?;
    report(&subject, &mut bitmap(0))?;
    for page in [8 * 1024, 64 * 1024, 2 * MIB, 16 * MIB] {
        let done = subject.dma_logging_report(RANGE, page, &mut bitmap(0));
        done.must(&format!("DMA_LOGGING_REPORT with page size {page}"))?;
    }
    // Less than 4 KiB is the kernel's limit, not that of vfio-user.
    let small = [1, 2048].into_iter().filter(|_| subject.kernel().is_some());
    for page in small.chain([0, 4095, 3 * PAGE, u64::MAX]) {
        let done = subject.dma_logging_report(RANGE, page, &mut bitmap(0));
        done.must_fail(
            Errno::EINVAL,
            &format!("DMA_LOGGING_REPORT with page size {page}"),
        )?;
    }
    let wraps = range(0_u64.wrapping_sub(PAGE), 2 * PAGE);
    let done = subject.dma_logging_report(wraps, PAGE, &mut bitmap(0));
    done.must_fail(Errno::EOVERFLOW, "DMA_LOGGING_REPORT of a range that wraps")?;
    stop(&subject)?;
    held()
}

fn c84(_: &Bench) -> Verdict {
    Err(skip("only a driver of the device can make it do DMA"))
}

fn c85(bench: &Bench) -> Verdict {
    let subject = logger(bench)?;
    if subject.is_migratable() {
        let states: Vec<_> = subject.states().collect();
        for state in states {
            subject.restart()?;
            start(&subject)?;
            let _session = subject.set(state)?;
            report(&subject, &mut bitmap(0))?;
            subject.at(state, "after DMA_LOGGING_REPORT")?;
            stop(&subject)?;
            start(&subject)?;
            stop(&subject)?;
            subject.at(state, "after DMA_LOGGING_START and STOP")?;
        }
        subject.restart()?;
    }
    start(&subject)?;
    drop(subject);
    let subject = logger(bench)?;
    let again = subject.dma_logging_start(PAGE, &[RANGE]);
    again.must("DMA_LOGGING_START after the last user closed without STOP")?;
    stop(&subject)?;
    held()
}
