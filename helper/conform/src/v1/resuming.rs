// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! V23 to V26: giving the state back.

use vmig_vfio::Area;

use super::client::{
    Judged,
    Old,
    Transactions,
    DATA_SIZE,
    RESUMING,
    RUNNING,
    STOP, //
};
use crate::{
    bench::Bench,
    catalogue::{
        Class::{
            Must,
            Should,
            Wish, //
        },
        Id,
        Section,
        Statement, //
    },
    mutate::{
        cuts,
        flipped,
        Bit, //
    },
    stream::difference,
    verdict::{
        broken,
        check,
        errno_shown,
        held_with,
        skip,
        Call,
        Held,
        Own,
        Unheld,
        Verdict, //
    },
};

/// V23 to V26.
pub(crate) const SECTION: Section = Section {
    title: "The migration region: resuming",
    statements: &[
        Statement::new(
            Must,
            Id::v(23),
            "data_offset, data, data_size and again: that order gives the state back",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, sequence while resuming",
            v23,
        ),
        Statement::new(
            Wish,
            Id::v(24),
            "transactions in smaller pieces than the source's are accepted",
            "linux/vfio.h of 5.8 has users keep the size; QEMU splits what the section cannot hold",
            v24,
        ),
        Statement::new(
            Wish,
            Id::v(25),
            "an error in the data is told in the loop, before the state is asked for",
            "linux/vfio.h of 5.8, struct vfio_device_migration_info, can return an error code",
            v25,
        )
        .destructive(),
        Statement::new(
            Should,
            Id::v(26),
            "100b -> 001b and 100b -> 000b fail when data are missing",
            "linux/vfio.h of 5.8 has no text; the rule of protocol version 2, RESUMING -> STOP",
            v26,
        )
        .destructive(),
    ],
};

fn v23(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let mut held = Held::default();
    let first = old.save_some(bench)?;
    let mut transactions = first.clone();
    for round in 1..=3 {
        old.load(&transactions, &format!("a good stream (round {round})"))?;
        transactions = old.save(bench)?;
    }
    let repeats = transactions == first;
    let first_bytes = first.concat();
    if !repeats {
        let difference = difference(&transactions.concat(), &first_bytes);
        held.note(format!("streams differ after three rounds: {difference}"));
    }
    if mapped(&old, &first)? {
        held.note("also with data written through a mapping");
        // A driver that took other bytes than these may have found nothing wrong with them.
        let bytes = old.save(bench)?.concat();
        check(
            !repeats || bytes == first_bytes,
            "data written through a mapping give the same state",
            difference(&bytes, &first_bytes),
        )?;
    }
    Ok(held)
}

/// Gives the state back through a mapping of the data section; `false` if there is none.
fn mapped(old: &Old, transactions: &Transactions) -> Result<bool, Unheld> {
    old.enter(RESUMING)?;
    let (region, areas) = (old.region()?, old.mappable()?);
    for data in transactions {
        let offset = old.data_offset()?;
        let Some((area, start)) = place(&areas, offset, data.len()) else {
            return Ok(false);
        };
        let size = usize::try_from(area.size).own("the size of the area")?;
        let memory = region.map(area.offset, size);
        let memory = memory.must("mmap() of the data section")?;
        // An earlier stream may have left the very same bytes.
        let zeros = vec![0; data.len().min(4096)];
        old.write(offset, &zeros)?
            .map_err(|errno| broken("the data section can be written", errno_shown(errno)))?;
        memory.write(start, data).own("writing to a mapping")?;
        let done = region.write_u64(DATA_SIZE, data.len() as u64);
        done.must("writing data_size after data were written through a mapping")?;
        // "must return this write operations on consuming data": nobody needs them any more.
        let junk = vec![0xa5; data.len()];
        memory.write(start, &junk).own("writing to a mapping")?;
    }
    let done = old.ask(RUNNING)?;
    done.must("100b -> 001b after data were written through a mapping")?;
    old.at(RUNNING, "after 100b -> 001b")?;
    Ok(true)
}

/// The area that has all of `len` bytes at `offset`, and where in it they begin.
fn place(areas: &[Area], offset: u64, len: usize) -> Option<(&Area, usize)> {
    areas.iter().find_map(|area| {
        let start = offset.checked_sub(area.offset)?;
        let end = start.checked_add(len as u64)?;
        let start = usize::try_from(start).ok()?;
        (end <= area.size).then_some((area, start))
    })
}

/// Pieces that a transaction is cut into at most: single bytes of a large state would take for ever.
const PIECES: u32 = 2000;

fn v24(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let transactions = old.save_some(bench)?;
    let longest = transactions.iter().map(Vec::len).max().unwrap_or(0);
    let most = bench.share(PIECES) as usize;
    let mut held = Held::default();
    for size in [1, 7, 8, 24, 333, 4096, longest.div_ceil(2)] {
        if longest.div_ceil(size.max(1)) > most {
            held.note(format!("not in pieces of {size} bytes: too many"));
            continue;
        }
        let pieces = transactions.iter().flat_map(|data| data.chunks(size));
        let judged = old.feed(pieces)?;
        let expected = format!("transactions of {size} bytes are accepted");
        check(judged == Judged::Accepted, expected, judged.shown())?;
        old.at(RUNNING, "after 100b -> 001b")?;
    }
    Ok(held)
}

/// A stream with a bit of its first byte wrong.
fn wrong(transactions: &Transactions) -> Transactions {
    let mut wrong = transactions.clone();
    if let Some(first) = wrong.first_mut() {
        *first = flipped(first, Bit { byte: 0, bit: 0 });
    }
    wrong
}

fn slices(transactions: &Transactions) -> impl Iterator<Item = &[u8]> {
    transactions.iter().map(Vec::as_slice)
}

fn v25(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let good = old.save_some(bench)?;
    let bad = wrong(&good);
    // A second time, so that there is a next access in any case.
    let judged = old.feed(slices(&bad).chain(slices(&good)))?;
    old.load(&good, "a good stream after a bad one")?;
    match judged {
        Judged::InLoop(_) => held_with(judged.shown()),
        Judged::AtEnd(_) => {
            let expected = "a wrong first byte is refused in the loop";
            Err(broken(expected, judged.shown()))
        }
        // Data are opaque: no value of that byte need be wrong.
        Judged::Accepted => Err(skip("the device takes another first byte")),
    }
}

fn v26(bench: &Bench) -> Verdict {
    let old = Old::open(bench)?;
    let good = old.save_some(bench)?;
    let result = bad_streams(bench, &old, &good);
    // Data are opaque: no value of that byte need be wrong.
    let judged = old.feed(slices(&wrong(&good)))?;
    old.load(&good, "a good stream after bad ones")?;
    let mut held = Held::default();
    held.note(format!("{} bad streams", result?));
    held.note(format!("another first byte: {}", judged.shown()));
    Ok(held)
}

fn bad_streams(bench: &Bench, old: &Old, good: &Transactions) -> Result<usize, Unheld> {
    let mut tried = 0;
    let mut refused = |judged: Judged, what: &str| {
        tried += 1;
        let expected = format!("{what} is refused");
        check(judged != Judged::Accepted, expected, judged.shown())
    };
    refused(old.feed([])?, "no data at all")?;
    // To 000b as well.
    old.enter(RESUMING)?;
    let judged = match old.ask(STOP)? {
        Ok(()) => Judged::Accepted,
        Err(error) => Judged::AtEnd(error.errno().unwrap_or(vmig_vfio::Errno::EIO)),
    };
    refused(judged, "100b -> 000b without data")?;
    if let Some((last, before)) = good.split_last() {
        for cut in cuts(last.len(), bench.options.tries).into_iter().rev() {
            if !bench.has_time() {
                break;
            }
            let part = last.get(..cut).filter(|part| !part.is_empty());
            let pieces = before.iter().map(Vec::as_slice).chain(part);
            refused(
                old.feed(pieces)?,
                &format!("a last transaction of {cut} bytes"),
            )?;
        }
    }
    Ok(tried)
}
