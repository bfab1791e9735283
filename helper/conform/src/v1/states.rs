// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! V5 to V13: device_state.

use super::client::{
    name,
    Judged,
    Old,
    Transactions,
    ERROR,
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
    mutate::{
        flipped,
        Bit, //
    },
    verdict::{
        broken,
        check,
        errno_shown,
        held,
        held_with,
        skip,
        Call,
        Unheld,
        Verdict, //
    },
};

/// V5 to V13.
pub(crate) const SECTION: Section = Section {
    title: "The migration region: states",
    statements: &[
        Statement::new(
            Must,
            Id::v(5),
            "001b is the state at open, and each of 000b, 001b, 010b, 011b and 100b can be entered",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, device_state",
            v5,
        ),
        Statement::new(
            Must,
            Id::v(6),
            "a write to device_state returns when the transition is complete",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, before write() returns",
            v6,
        ),
        Statement::new(
            Must,
            Id::v(7),
            "after a failed write device_state shows the previous state, or 110b",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, if the transition fails",
            v7,
        ),
        Statement::new(
            Must,
            Id::v(8),
            "110b is left by VFIO_DEVICE_RESET only",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, device reset ioctl",
            v8,
        )
        .destructive(),
        Statement::new(
            Must,
            Id::v(9),
            "101b, 111b and 110b are refused",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, invalid and error state",
            v9,
        ),
        Statement::new(
            Must,
            Id::v(10),
            "the transitions of the protocol's diagram work",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, state transitions",
            v10,
        ),
        Statement::new(
            Should,
            Id::v(11),
            "so do those that QEMU needs: the same state again, 000b to 010b, and back to 001b",
            "no uAPI text; hw/vfio/migration.c of QEMU 5.2 to 7.2",
            v11,
        ),
        Statement::new(
            Must,
            Id::v(12),
            "011b is supported, even if no data come in it",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, must support the pre-copy state",
            v12,
        ),
        Statement::new(
            Must,
            Id::v(13),
            "011b -> 010b works whatever is pending, and loses nothing",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, regardless of pending bytes",
            v13,
        ),
    ],
};

fn v5(bench: &Bench) -> Verdict {
    let old = Old::open_fresh(bench)?;
    old.at(RUNNING, "at open")?;
    for state in STATES {
        old.enter(state)?;
    }
    held()
}

/// Takes the device to `from`; in 100b the state is there already, so that it can be left.
fn stand(old: &Old, from: u32, transactions: &Transactions) -> Result<(), Unheld> {
    old.enter(from)?;
    if from == RESUMING {
        for data in transactions {
            old.give(data)?
                .map_err(|errno| broken("a good transaction is accepted", errno_shown(errno)))?;
        }
    }
    Ok(())
}

/// Broken unless each of these transitions works.
fn must_work(bench: &Bench, transitions: &[(u32, u32)]) -> Result<(), Unheld> {
    let old = Old::open(bench)?;
    let transactions = old.save(bench)?;
    for &(from, to) in transitions {
        stand(&old, from, &transactions)?;
        let what = format!("{} -> {}", name(from), name(to));
        old.ask(to)?.must(&what)?;
        old.at(to, &format!("after {what}"))?;
    }
    Ok(())
}

/// What the protocol's diagram has.
const DIAGRAM: [(u32, u32); 7] = [
    (RUNNING, STOP),
    (RUNNING, STOP_COPY),
    (RUNNING, PRE_COPY),
    (PRE_COPY, STOP_COPY),
    (STOP_COPY, STOP),
    (RUNNING, RESUMING),
    (RESUMING, RUNNING),
];

fn v6(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let transactions = old.save(bench)?;
    for (from, to) in DIAGRAM {
        for _ in 0..4 {
            stand(&old, from, &transactions)?;
            let what = format!("{} -> {}", name(from), name(to));
            old.ask(to)?.must(&what)?;
            old.at(to, &format!("right after {what}"))?;
        }
    }
    held()
}

fn v7(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let mut failures = 0;
    for state in STATES {
        for wrong in [0b101, 0b110, 0b111] {
            old.enter(state)?;
            if old.ask(wrong)?.is_err() {
                failures += 1;
                let seen = old.state()?;
                check(
                    seen == state || seen == ERROR,
                    format!("{} or 110b after a failed write", name(state)),
                    name(seen),
                )?;
            }
        }
    }
    if bench.options.destructive {
        old.enter(RESUMING)?;
        if old.ask(RUNNING)?.is_err() {
            failures += 1;
            let seen = old.state()?;
            let expected = "100b or 110b after 100b -> 001b without data failed";
            check(seen == RESUMING || seen == ERROR, expected, name(seen))?;
        }
    }
    match failures {
        0 => Err(skip("no write failed")),
        _ => held_with(format!("{failures} failures")),
    }
}

/// Tries to bring the device into 110b by bad streams.
fn into_error(old: &Old, transactions: &Transactions) -> Result<bool, Unheld> {
    let first = transactions.first().map_or(&[][..], Vec::as_slice);
    let half = first.get(..first.len() / 2).unwrap_or_default();
    let wrong = flipped(first, Bit { byte: 0, bit: 7 });
    for bad in [&[][..], &[half], &[&wrong]] {
        old.feed(bad.iter().copied())?;
        if old.state()? == ERROR {
            return Ok(true);
        }
    }
    old.load(transactions, "a good stream after bad ones")?;
    Ok(false)
}

fn v8(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let transactions = old.save_some(bench)?;
    if !into_error(&old, &transactions)? {
        return Err(skip(
            "no bad stream that was tried brings the device into 110b",
        ));
    }
    for state in STATES {
        let what = format!("110b -> {}", name(state));
        old.ask(state)?.must_fail_somehow(&what)?;
        old.at(ERROR, &format!("after {what}"))?;
    }
    old.restart()?;
    old.load(&transactions, "a good stream after 110b and a reset")?;
    held()
}

fn v9(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    for state in STATES {
        for wrong in [0b101, 0b110, 0b111] {
            old.enter(state)?;
            let what = format!("{} -> {}", name(state), name(wrong));
            old.ask(wrong)?.must_fail_somehow(&what)?;
        }
    }
    held()
}

fn v10(bench: &Bench) -> Verdict {
    must_work(bench, &DIAGRAM)?;
    held()
}

fn v11(bench: &Bench) -> Verdict {
    let mut needed: Vec<_> = STATES.iter().map(|&state| (state, state)).collect();
    needed.extend([
        (STOP, STOP_COPY),
        (STOP, RUNNING),
        (STOP_COPY, RUNNING),
        (PRE_COPY, RUNNING),
        (RESUMING, RUNNING),
        (RUNNING, RESUMING),
    ]);
    must_work(bench, &needed)?;
    held()
}

fn v12(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    old.set(PRE_COPY)?;
    let pending = old.pending()?;
    if pending > 0 {
        old.round()?;
    }
    old.at(PRE_COPY, "after a round")?;
    held_with(format!("{pending} bytes pending at first"))
}

fn v13(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let mut pending = 0;
    for rounds in [0, 1] {
        old.enter(PRE_COPY)?;
        pending = old.pending()?;
        let mut transactions = Vec::new();
        for _ in 0..rounds {
            transactions.extend(old.round()?);
        }
        old.set(STOP_COPY)?;
        transactions.extend(old.drain(bench)?);
        let what = format!("a stream with {rounds} rounds in 011b");
        let judged = old.feed(transactions.iter().map(Vec::as_slice))?;
        let expected = format!("{what} is accepted");
        check(judged == Judged::Accepted, expected, judged.shown())?;
    }
    held_with(format!("{pending} bytes were pending"))
}
