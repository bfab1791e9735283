// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! V27 to V33: what no user should do with the region, and what must not change or show.

use std::ops::Range;

use vmig_vfio::{
    Area,
    Error,
    Memory, //
};

use super::client::{
    name,
    Old,
    DATA_SIZE,
    PRE_COPY,
    RESUMING,
    RUNNING,
    STATES,
    STOP,
    STOP_COPY, //
};
use crate::{
    bench::Bench,
    catalogue::{
        Class::{
            Must,
            Should, //
        },
        Id,
        Section,
        Statement, //
    },
    mutate::Numbers,
    verdict::{
        broken,
        check,
        errno_shown,
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

/// V27 to V33.
pub(crate) const SECTION: Section = Section {
    title: "The migration region: misuse and limits",
    statements: &[
        Statement::new(
            Must,
            Id::v(27),
            "a data_size that makes no sense is refused or without effect",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, data_size",
            v27,
        ),
        Statement::new(
            Should,
            Id::v(28),
            "data cannot be accessed while nothing is saved or resumed",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, data_offset",
            v28,
        ),
        Statement::new(
            Must,
            Id::v(29),
            "VFIO_DEVICE_RESET leads to 001b from every state, and the next stream is whole",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, device reset ioctl",
            v29,
        ),
        Statement::new(
            Must,
            Id::v(30),
            "an access that leaves the region is refused",
            "linux/vfio.h, VFIO_DEVICE_GET_REGION_INFO, size",
            v30,
        ),
        Statement::new(
            Should,
            Id::v(31),
            "the size of the region does not change while the device is open",
            "no uAPI text; QEMU 5.2 to 7.2 read the size once",
            v31,
        ),
        Statement::new(
            Should,
            Id::v(32),
            "mapping the data section is safe in every state, and shows nothing of the last user's",
            "no uAPI text; what one user has written is not for the next",
            v32,
        ),
        Statement::new(
            Must,
            Id::v(33),
            "in 010b data_size is above 0 while pending_bytes is",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, only after data is available",
            v33,
        ),
    ],
};

/// Broken unless a write was refused, or changed nothing that can be seen.
fn harmless(old: &Old, done: Result<(), Error>, state: u32, what: &str) -> Result<(), Unheld> {
    // Which of the two is up to the driver.
    drop(done);
    old.at(state, &format!("after {what}"))
}

fn v27(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let transactions = old.save_some(bench)?;
    let end = old.region()?.info().size;
    let mut held = Held::default();
    for state in [RUNNING, STOP, STOP_COPY, PRE_COPY] {
        old.enter(state)?;
        for size in [0, 1, end, u64::MAX] {
            let done = old.region()?.write_u64(DATA_SIZE, size);
            let what = format!("writing data_size {size} in {}", name(state));
            harmless(&old, done, state, &what)?;
        }
    }
    if bench.options.destructive {
        for size in [0, end, end + 1, u64::from(u32::MAX), 1 << 63, u64::MAX] {
            old.enter(RESUMING)?;
            let done = old.region()?.write_u64(DATA_SIZE, size);
            // Without effect, then; whether 100b can be left without data is what V26 says.
            if size > end && done.is_ok() && old.ask(RUNNING)?.is_ok() {
                held.note(format!("data_size {size} is taken, and so is 001b then"));
            }
        }
    } else {
        held.note("not in 100b (--destructive)");
    }
    old.load(
        &transactions,
        "a good stream after sizes that make no sense",
    )?;
    Ok(held)
}

fn v28(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    // Where nothing is saved or resumed, reading data_offset may well wait for ever.
    old.enter(RESUMING)?;
    let offset = old.data_offset()?;
    for state in [RUNNING, STOP] {
        old.enter(state)?;
        let region = old.region()?;
        let what = format!("of the data section in {}", name(state));
        region
            .read_u64(offset)
            .must_fail_somehow(&format!("reading {what}"))?;
        let write = region.write_u64(offset, 0);
        write.must_fail_somehow(&format!("writing {what}"))?;
        old.at(state, "after that")?;
    }
    held()
}

fn v29(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let mut held = Held::default();
    for state in STATES {
        old.enter(state)?;
        if [STOP_COPY, PRE_COPY].contains(&state) && old.pending()? > 0 {
            // In the middle of a buffer.
            old.buffer()?;
        }
        old.restart()?;
        let when = format!("after VFIO_DEVICE_RESET in {}", name(state));
        // The field means something only while the state is saved.
        if let Ok(pending @ 1..) = old.pending() {
            held.note(format!("{pending} bytes pending {when}"));
        }
        let transactions = old.save(bench)?;
        old.load(&transactions, &format!("a stream saved {when}"))?;
    }
    Ok(held)
}

/// Where the other regions are in the device's file.
fn others(old: &Old) -> Result<Vec<Range<u64>>, Unheld> {
    let count = old.subject.info().must("VFIO_DEVICE_GET_INFO")?.regions;
    let others = (0..count).filter(|&index| index != old.index());
    let infos = others.filter_map(|index| old.subject.region_info(index).ok());
    let ranges = infos.map(|info| info.offset..info.offset.saturating_add(info.size));
    Ok(ranges.filter(|range| !range.is_empty()).collect())
}

fn v30(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let region = old.region()?;
    let (start, end) = (region.info().offset, region.info().size);
    let others = others(&old)?;
    // Where regions lie is the driver's choice: behind one there may be another.
    let is_taken = |offset: u64| {
        let first = start.saturating_add(end.max(offset));
        let last = start.saturating_add(offset).saturating_add(8);
        others
            .iter()
            .any(|other| first < other.end && other.start < last)
    };
    let places = [
        (end - 4, 4),
        (end, 0),
        (end + 4096, 0),
        (end + (1 << 38), 0),
    ];
    let free = places.into_iter().filter(|&(offset, _)| !is_taken(offset));
    let free: Vec<_> = free.collect();
    if free.is_empty() {
        return Err(skip("other regions lie wherever this one could be left"));
    }
    let mut held = Held::default();
    for state in [RUNNING, STOP_COPY, RESUMING] {
        old.enter(state)?;
        if state == STOP_COPY && old.pending()? > 0 {
            old.buffer()?;
        }
        for &(offset, inside) in &free {
            let seen = [
                region.read_at(offset, &mut [0; 8]),
                region.write_at(offset, &[0; 8]),
            ];
            for (seen, what) in seen.iter().zip(["reading", "writing"]) {
                // A short access is a refusal of the rest.
                let taken = *seen.as_ref().unwrap_or(&0);
                let expected = format!("at most {inside} bytes by {what} 8 at {offset} of {end}");
                check(taken <= inside, expected, format!("{taken} bytes"))?;
            }
        }
        old.at(state, "after accesses beyond the end")?;
        held.note(format!("{} places in {}", free.len(), name(state)));
    }
    Ok(held)
}

fn v31(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let transactions = old.save_some(bench)?;
    let size = old.region()?.info().size;
    let same = || {
        let now = old.region()?.info().size;
        let expected = format!("a region of {size} bytes");
        check(now == size, expected, now.to_string())
    };
    let mut offsets = Vec::new();
    for _ in 0..2 {
        old.enter(STOP_COPY)?;
        while old.pending()? > 0 {
            let (offset, len) = old.buffer()?;
            offsets.push(offset);
            old.read(offset, len)?;
        }
        same()?;
        old.enter(RESUMING)?;
        for data in &transactions {
            offsets.push(old.data_offset()?);
            old.give(data)?
                .map_err(|errno| broken("a good transaction is accepted", errno_shown(errno)))?;
        }
        same()?;
    }
    // "decided by the kernel driver"
    offsets.dedup();
    match offsets.len() {
        0..=1 => held(),
        _ => held_with(format!("data_offset was one after the other {offsets:?}")),
    }
}

/// Mappings of the data section, one for each part that can be mapped.
fn mappings(old: &Old, areas: &[Area]) -> Result<Vec<Memory>, Unheld> {
    let region = old.region()?;
    let map = |area: &Area| {
        let len = usize::try_from(area.size).own("the size of the area")?;
        let memory = region.map(area.offset, len);
        memory.must("mmap() of the data section")
    };
    areas.iter().map(map).collect()
}

/// Bytes of a mapping that are looked at in each state: a page fault for each page, for each mapping again.
/// And those that are looked at once.
const BEGINNING: usize = 64 << 10;
const MOST: usize = 1 << 20;

/// What each mapping shows in its first `len` bytes; nothing, where the device refuses the access.
fn shown(mappings: &[Memory], len: usize) -> Vec<u8> {
    let look = |memory: &Memory| {
        let mut seen = vec![0; memory.size().min(len)];
        let pages = seen.chunks_mut(4096).enumerate();
        for (i, page) in pages {
            // A page that is refused stays 0.
            if memory.read_if_there(i * 4096, page).is_err() {
                page.fill(0);
            }
        }
        seen
    };
    mappings.iter().flat_map(look).collect()
}

/// Bytes that are nowhere by chance.
fn mark() -> Vec<u8> {
    let mut numbers = Numbers::new(32);
    (0..4).flat_map(|_| numbers.next().to_le_bytes()).collect()
}

/// Writes the mark to the data section, as a user does who goes away in the middle.
fn leave_mark(old: Old) -> Result<(), Unheld> {
    old.enter(RESUMING)?;
    let offset = old.data_offset()?;
    old.write(offset, &mark())?
        .map_err(|errno| broken("the data section can be written", errno_shown(errno)))?;
    old.close();
    Ok(())
}

fn v32(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let areas = old.mappable()?;
    if areas.is_empty() {
        return Err(skip("the data section cannot be mapped"));
    }
    let mut held = Held::default();
    // Mapped across changes of state, and mapped anew in each state.
    let kept = mappings(&old, &areas)?;
    let first = shown(&kept, MOST);
    for state in STATES {
        old.enter(state)?;
        shown(&kept, BEGINNING);
        shown(&mappings(&old, &areas)?, BEGINNING);
    }
    drop(kept);
    old.restart()?;
    let transactions = old.save(bench)?;
    old.load(&transactions, "a good stream after mappings came and went")?;
    leave_mark(old)?;
    let old = Old::open(bench)?;
    let seen = shown(&mappings(&old, &areas)?, MOST);
    let mark = mark();
    check(
        memchr::memmem::find(&seen, &mark).is_none(),
        "a data section without what the last user wrote",
        "it is there",
    )?;
    let bytes = first.iter().filter(|&&byte| byte != 0).count();
    if bytes > 0 {
        held.note(format!("{bytes} bytes at first that are not 0"));
    }
    held.note(format!("{} areas", areas.len()));
    Ok(held)
}

fn v33(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    old.set(STOP_COPY)?;
    let mut rounds = 0;
    loop {
        let pending = old.pending()?;
        if pending == 0 {
            break;
        }
        let (offset, len) = old.buffer()?;
        let expected = format!("data_size above 0 while {pending} bytes are pending");
        check(len > 0, expected, "0")?;
        old.read(offset, len)?;
        rounds += 1;
        if !bench.has_time() {
            return Err(skip("no end in time"));
        }
    }
    held_with(format!("{rounds} rounds"))
}
