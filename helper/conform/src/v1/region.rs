// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! V1 to V4: the region and its fields.

use super::client::{
    name,
    Old,
    DATA_OFFSET,
    DATA_SIZE,
    HEADER,
    PENDING,
    PRE_COPY,
    RESERVED,
    RUNNING,
    STATE,
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
        check,
        held,
        held_with,
        Call,
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
