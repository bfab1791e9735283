// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! V1 to V4, and V27 to V33: the region and its fields.

use vmig_vfio::Error;

use super::client::{
    name,
    Old,
    DATA_OFFSET,
    DATA_SIZE,
    HEADER,
    PENDING,
    PRE_COPY,
    RESERVED,
    RESUMING,
    RUNNING,
    STATE,
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

/// V1 to V4.
pub(crate) const SECTION: Section = Section {
    title: "The migration region",
    statements: &[
        Statement::new(
            Must,
            Id::v(1),
            "the region has type 3, subtype 1, a size, READ and WRITE, and an index after the PCI ones",
            "linux/vfio.h, VFIO_REGION_TYPE_MIGRATION_DEPRECATED",
            v1,
        ),
        Statement::new(
            Should,
            Id::v(2),
            "a field is accessed at its native width and alignment; anything else is an error",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, native width",
            v2,
        ),
        Statement::new(
            Must,
            Id::v(3),
            "the reserved field reads 0, and writes to it are ignored",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, reserved",
            v3,
        ),
        Statement::new(
            Should,
            Id::v(4),
            "bits 3 to 31 of device_state survive a read-modify-write",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, device_state bits 3 to 31",
            v4,
        ),
    ],
};

/// V27 to V33.
pub(crate) const LAST: Section = Section {
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
            "VFIO_DEVICE_RESET leads to 001b from every state, with nothing pending",
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
            "the size of the region and data_offset do not change while the device is open",
            "no uAPI text; QEMU 5.2 to 7.2 read the size once",
            v31,
        ),
        Statement::new(
            Should,
            Id::v(32),
            "mapping the data section is safe in every state, and shows nothing old",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, mmapped data section",
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

fn v1(bench: &Bench) -> Verdict {
    /// `VFIO_PCI_NUM_REGIONS`.
    const PCI_REGIONS: u32 = 9;
    let old = Old::open_fresh(bench)?;
    let region = old.region()?;
    let info = region.info();
    check(
        info.readable() && info.writable(),
        "VFIO_REGION_INFO_FLAG_READ and WRITE",
        format!("flags {:#x}", info.flags),
    )?;
    let expected = format!("a size above the {HEADER} bytes of the structure");
    check(info.size > HEADER, expected, info.size.to_string())?;
    let device = old.subject.info().must("VFIO_DEVICE_GET_INFO")?;
    if device.is_pci() {
        let expected = format!("an index of {PCI_REGIONS} or more");
        check(
            old.index() >= PCI_REGIONS,
            expected,
            old.index().to_string(),
        )?;
    }
    held_with(format!("region {}, {} bytes", old.index(), info.size))
}

fn v2(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let region = old.region()?;
    for (offset, len) in [
        (STATE, 1),
        (STATE, 2),
        (STATE + 2, 2),
        (STATE + 1, 4),
        (PENDING, 4),
        (PENDING + 4, 4),
        (PENDING + 4, 8),
        (DATA_OFFSET, 1),
        (DATA_SIZE, 2),
    ] {
        let done = region.read_at(offset, &mut vec![0; len]);
        done.must_fail_somehow(&format!("reading {len} bytes at {offset}"))?;
    }
    for (offset, len) in [(STATE, 1), (STATE, 2), (STATE + 2, 2), (DATA_SIZE, 4)] {
        let done = region.write_at(offset, &vec![0; len]);
        done.must_fail_somehow(&format!("writing {len} bytes at {offset}"))?;
        old.at(RUNNING, "after a write that was refused")?;
    }
    held()
}

fn v3(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let region = old.region()?;
    let zero = |when: &str| {
        let seen = region
            .read_u32(RESERVED)
            .must("reading the reserved field")?;
        check(
            seen == 0,
            format!("0 in the reserved field {when}"),
            seen.to_string(),
        )
    };
    zero("at open")?;
    let write = region.write_u32(RESERVED, u32::MAX);
    write.must("writing to the reserved field")?;
    zero("after a write")?;
    old.at(RUNNING, "after a write to the reserved field")?;
    held()
}

fn v4(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let before = old.raw_state()? >> 3;
    for state in [STOP, RUNNING, STOP_COPY, STOP, RUNNING, PRE_COPY, RUNNING] {
        // `set` is a read-modify-write.
        old.set(state)?;
        let after = old.raw_state()? >> 3;
        let expected = format!("bits 3 to 31 are {before:#x} in {}", name(state));
        check(after == before, expected, format!("{after:#x}"))?;
    }
    held()
}

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
            if size > end && done.is_ok() {
                // Without effect, then: what follows must still be the beginning.
                let judged = old.ask(RUNNING)?;
                let what = format!("100b -> 001b after data_size {size}");
                judged.must_fail_somehow(&what)?;
            }
        }
    }
    old.load(
        &transactions,
        "a good stream after sizes that make no sense",
    )?;
    match bench.options.destructive {
        true => held(),
        false => held_with("not in 100b (--destructive)"),
    }
}

fn v28(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    for state in [RUNNING, STOP] {
        old.enter(state)?;
        let offset = old.data_offset()?;
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
    for state in STATES {
        old.enter(state)?;
        if state == STOP_COPY {
            // In the middle of a buffer.
            old.pending()?;
            old.buffer()?;
        }
        old.restart()?;
        let pending = old.pending()?;
        let expected = format!("nothing pending after VFIO_DEVICE_RESET in {}", name(state));
        check(pending == 0, expected, pending.to_string())?;
    }
    let transactions = old.save(bench)?;
    old.load(&transactions, "a good stream after resets")?;
    held()
}

fn v30(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let region = old.region()?;
    let end = region.info().size;
    let mut held = Held::default();
    for state in [RUNNING, STOP_COPY, RESUMING] {
        old.enter(state)?;
        if state == STOP_COPY && old.pending()? > 0 {
            old.buffer()?;
        }
        for (offset, inside) in [
            (end - 4, 4),
            (end, 0),
            (end + 4096, 0),
            (end + (1 << 38), 0),
        ] {
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
        held.note(name(state));
    }
    Ok(held)
}

fn v31(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let transactions = old.save_some(bench)?;
    let size = old.region()?.info().size;
    let mut offsets = Vec::new();
    for _ in 0..2 {
        old.enter(STOP_COPY)?;
        while old.pending()? > 0 {
            let (offset, len) = old.buffer()?;
            offsets.push(offset);
            old.read(offset, len)?;
        }
        old.enter(RESUMING)?;
        for data in &transactions {
            offsets.push(old.data_offset()?);
            old.give(data)?
                .map_err(|errno| broken("a good transaction is accepted", errno_shown(errno)))?;
        }
        let now = old.region()?.info().size;
        check(
            now == size,
            format!("a region of {size} bytes"),
            now.to_string(),
        )?;
    }
    offsets.dedup();
    let seen = format!("{offsets:?}");
    check(offsets.len() <= 1, "the same data_offset each time", seen)?;
    held()
}

fn v32(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let areas = old.mappable()?;
    if areas.is_empty() {
        return Err(skip("the data section cannot be mapped"));
    }
    let region = old.region()?;
    let map = |area: &vmig_vfio::Area| {
        let len = usize::try_from(area.size).own("the size of the area")?;
        region
            .map(area.offset, len)
            .must("mmap() of the data section")
    };
    for area in &areas {
        let memory = map(area)?;
        let mut seen = vec![0; memory.size().min(1 << 20)];
        memory.read(0, &mut seen).own("reading a mapping")?;
        let dirty = seen.iter().filter(|&&byte| byte != 0).count();
        let expected = "a data section of zeros before the first session";
        check(
            dirty == 0,
            expected,
            format!("{dirty} bytes that are not 0"),
        )?;
    }
    // Mapped across changes of state, and mapped anew in each state.
    let kept = areas.iter().map(map).collect::<Result<Vec<_>, _>>()?;
    for state in STATES {
        old.enter(state)?;
        for (area, memory) in areas.iter().zip(&kept) {
            memory.read(0, &mut [0; 8]).own("reading a mapping")?;
            drop(map(area)?);
        }
    }
    drop(kept);
    old.restart()?;
    let transactions = old.save(bench)?;
    old.load(&transactions, "a good stream after mappings came and went")?;
    held_with(format!("{} areas", areas.len()))
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
