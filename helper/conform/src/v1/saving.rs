// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! V14 to V22: reading the state out.

use nix::unistd::{
    sysconf,
    SysconfVar, //
};
use vmig_vfio::Area;

use super::client::{
    name,
    Old,
    DATA_OFFSET,
    HEADER,
    PENDING,
    PRE_COPY,
    RESUMING,
    RUNNING,
    STOP_COPY, //
};
use crate::{
    bench::Bench,
    catalogue::{
        Class::Must,
        Id,
        Section,
        Statement, //
    },
    stream::difference,
    verdict::{
        check,
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

/// V14 to V22.
pub(crate) const SECTION: Section = Section {
    title: "The migration region: saving",
    statements: &[
        Statement::new(
            Must,
            Id::v(14),
            "pending_bytes is read-only, and reading it again changes nothing",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, pending_bytes",
            v14,
        ),
        Statement::new(
            Must,
            Id::v(15),
            "in 010b pending_bytes 0 is the end: what was read is the whole state",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, until pending_bytes is 0",
            v15,
        ),
        Statement::new(
            Must,
            Id::v(16),
            "pending_bytes, data_offset, data_size, data and again: that order gives the state",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, sequence in stop-and-copy",
            v16,
        ),
        Statement::new(
            Must,
            Id::v(17),
            "when data_offset was read the data are there, inside of the region",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, only after data is available",
            v17,
        ),
        Statement::new(
            Must,
            Id::v(18),
            "data_offset, data_size and the data can be read again until pending_bytes is",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, more than once",
            v18,
        ),
        Statement::new(
            Must,
            Id::v(19),
            "data_offset lies behind the structure, and is read-only",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, data_offset",
            v19,
        ),
        Statement::new(
            Must,
            Id::v(20),
            "data_offset of a data section that can be mapped is page aligned",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, page aligned",
            v20,
        ),
        Statement::new(
            Must,
            Id::v(21),
            "the structure cannot be mapped; a mapping has the bytes that read() gives",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, trapped, mmapped, or partitioned",
            v21,
        ),
        Statement::new(
            Must,
            Id::v(22),
            "what is said to be mappable lies in the region and can be mapped",
            "linux/vfio.h, VFIO_REGION_INFO_CAP_SPARSE_MMAP",
            v22,
        ),
    ],
};

fn v14(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    old.set(STOP_COPY)?;
    let first = old.pending()?;
    let same = |when: &str| {
        let seen = old.pending()?;
        let expected = format!("{first} bytes pending {when}");
        check(seen == first, expected, seen.to_string())
    };
    for _ in 0..4 {
        same("when read again")?;
    }
    // Refused or ignored, as the driver likes.
    let _ = old.region()?.write_u64(PENDING, first.wrapping_add(1));
    same("after a write to it")?;
    old.at(STOP_COPY, "after a write to pending_bytes")?;
    let transactions = old.drain(bench)?;
    old.load(&transactions, "a stream read after that")?;
    held_with(format!("{first} bytes"))
}

fn v15(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    old.set(STOP_COPY)?;
    let transactions = old.drain(bench)?;
    for _ in 0..4 {
        let pending = old.pending()?;
        check(
            pending == 0,
            "nothing pending after the end",
            pending.to_string(),
        )?;
    }
    old.load(&transactions, "what was read up to the end")?;
    let bytes: usize = transactions.iter().map(Vec::len).sum();
    held_with(format!(
        "{bytes} bytes in {} transactions",
        transactions.len()
    ))
}

fn v16(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let first = old.save(bench)?;
    let second = old.save(bench)?;
    for (transactions, what) in [(&first, "a first stream"), (&second, "a second stream")] {
        old.load(transactions, what)?;
    }
    match first == second {
        true => held(),
        false => {
            let difference = difference(&first.concat(), &second.concat());
            held_with(format!(
                "two saves differ, which is not forbidden: {difference}"
            ))
        }
    }
}

/// Takes the device to its first buffer in 010b.
fn first_buffer(bench: &Bench) -> Result<(Old, u64, usize), Unheld> {
    let old = Old::open(bench)?;
    old.set(STOP_COPY)?;
    if old.pending()? == 0 {
        return Err(skip("the device saves nothing"));
    }
    let (offset, len) = old.buffer()?;
    Ok((old, offset, len))
}

fn v17(bench: &Bench) -> Verdict {
    let (old, offset, len) = first_buffer(bench)?;
    check(len > 0, "data after data_offset was read", "data_size 0")?;
    old.read(offset, len)?;
    held_with(format!("{len} bytes at {offset}"))
}

fn v18(bench: &Bench) -> Verdict {
    let (old, offset, len) = first_buffer(bench)?;
    let first = old.read(offset, len)?;
    for _ in 0..3 {
        let again = old.buffer()?;
        check(
            again == (offset, len),
            format!("{len} bytes at {offset} again"),
            format!("{} bytes at {}", again.1, again.0),
        )?;
        let data = old.read(offset, len)?;
        let seen = difference(&data, &first);
        check(data == first, "the same data again", seen)?;
    }
    let mut transactions = vec![first];
    transactions.extend(old.drain(bench)?);
    old.load(&transactions, "a stream whose first buffer was read often")?;
    held()
}

fn v19(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let mut held = Held::default();
    for state in [STOP_COPY, PRE_COPY, RESUMING] {
        old.enter(state)?;
        // Before there are data a driver may let the reader wait.
        if state != RESUMING && old.pending()? == 0 {
            continue;
        }
        let before = old.data_offset()?;
        let expected = format!("data_offset of {HEADER} or more");
        check(before >= HEADER, expected, before.to_string())?;
        // Refused or ignored, as the driver likes.
        let _ = old.region()?.write_u64(DATA_OFFSET, 0);
        let after = old.data_offset()?;
        let expected = format!("data_offset {before} after a write to it");
        check(after == before, expected, after.to_string())?;
        held.note(name(state));
    }
    Ok(held)
}

/// The part that can be mapped and has the byte at `offset`.
fn area_of(areas: &[Area], offset: u64) -> Option<&Area> {
    areas
        .iter()
        .find(|area| (area.offset..area.offset.saturating_add(area.size)).contains(&offset))
}

fn mappable(old: &Old) -> Result<Vec<Area>, Unheld> {
    match old.mappable()? {
        areas if areas.is_empty() => Err(skip("the data section cannot be mapped")),
        areas => Ok(areas),
    }
}

fn page() -> Result<u64, Unheld> {
    let page = sysconf(SysconfVar::PAGE_SIZE).own("the page size")?;
    let page = page.and_then(|page| u64::try_from(page).ok());
    page.ok_or_else(|| skip("the page size is not known"))
}

fn v20(bench: &Bench) -> Verdict {
    let (old, offset, _) = first_buffer(bench)?;
    let areas = mappable(&old)?;
    let page = page()?;
    if area_of(&areas, offset).is_none() {
        return Err(skip("the buffer lies in the part that cannot be mapped"));
    }
    check(
        offset % page == 0,
        format!("a multiple of {page}"),
        offset.to_string(),
    )?;
    held()
}

fn v21(bench: &Bench) -> Verdict {
    let (old, offset, len) = first_buffer(bench)?;
    let areas = mappable(&old)?;
    let covered = areas.iter().find(|area| area.offset < HEADER);
    let seen = format!("{covered:?}");
    check(
        covered.is_none(),
        format!("no mapping of the first {HEADER} bytes"),
        seen,
    )?;
    let Some(area) = area_of(&areas, offset) else {
        return held_with("the buffer lies in the part that cannot be mapped");
    };
    let trapped = old.read(offset, len)?;
    let size = usize::try_from(area.size).own("the size of the area")?;
    let memory = old.region()?.map(area.offset, size);
    let memory = memory.must("mmap() of the data section")?;
    let start = usize::try_from(offset - area.offset).own("the offset")?;
    let mut mapped = vec![0; len.min(size - start)];
    memory.read(start, &mut mapped).own("reading a mapping")?;
    let trapped = trapped.get(..mapped.len()).unwrap_or(&trapped);
    let seen = difference(&mapped, trapped);
    check(
        mapped == trapped,
        "the same bytes by read() and through a mapping",
        seen,
    )?;
    held_with(format!("{} bytes", mapped.len()))
}

fn v22(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let areas = mappable(&old)?;
    let region = old.region()?;
    let end = region.info().size;
    for area in &areas {
        let last = area.offset.checked_add(area.size);
        let seen = format!("{area:?}");
        let inside = area.size > 0 && last.is_some_and(|last| last <= end);
        check(inside, format!("an area within {end} bytes"), seen)?;
        let len = usize::try_from(area.size).own("the size of the area")?;
        region
            .map(area.offset, len)
            .must(&format!("mmap() of {area:?}"))?;
    }
    old.at(RUNNING, "after mmap()")?;
    let areas = areas
        .iter()
        .map(|area| format!("{} at {}", area.size, area.offset));
    let areas = areas.collect::<Vec<_>>().join(", ");
    held_with(format!("{areas} of {end} bytes"))
}
