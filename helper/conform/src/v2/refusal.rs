// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C59 to C64, C66 to C69, C71: bad streams. Their entries stand in `resuming.rs`.

use std::{
    fs,
    time::{
        Duration,
        Instant, //
    },
};

use vmig_vfio::{
    Errno,
    State, //
};

use crate::{
    bench::{
        Bench,
        Subject, //
    },
    mutate::{
        cuts,
        flipped,
        flips,
        hostile,
        Bit, //
    },
    stream::{
        difference,
        feed,
        load,
        save,
        save_some,
        Fed,
        CHUNK, //
    },
    verdict::{
        broken,
        check,
        held,
        held_with,
        skip,
        Call,
        Held,
        Unheld,
        Verdict, //
    },
};

/// The first half of a stream.
fn half(stream: &[u8]) -> &[u8] {
    stream.get(..stream.len() / 2).unwrap_or_default()
}

/// Broken unless SET STOP refused.
fn must_refuse(fed: &Fed, what: &str) -> Result<(), Unheld> {
    check(
        fed.set.is_err(),
        format!("SET STOP after {what} fails"),
        fed.shown(),
    )
}

pub(super) fn c59(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let cuts = cuts(stream.len(), bench.options.tries);
    let mut tried = 0;
    // The longest first: there the least is missing.
    for cut in cuts.into_iter().rev() {
        if !bench.has_time() {
            break;
        }
        let part = stream.get(..cut).unwrap_or_default();
        let fed = feed(&subject, part, CHUNK)?;
        must_refuse(&fed, &format!("{cut} of {} bytes", stream.len()))?;
        tried += 1;
    }
    load(&subject, &stream, "a good stream after truncated ones")?;
    held_with(format!(
        "{tried} lengths of a stream of {} bytes",
        stream.len()
    ))
}

pub(super) fn c60(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    must_refuse(&feed(&subject, &[], CHUNK)?, "no data at all")?;
    // An empty write() is no data either.
    let data = subject.session(State::Resuming)?;
    let _ = data.write(&[]);
    let set = subject.set_state(State::Stop);
    set.must_fail_somehow("SET STOP after an empty write()")?;
    load(&subject, &stream, "a good stream after an empty one")?;
    held()
}

pub(super) fn c61(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let tails = [
        (vec![0], "a byte 0"),
        (vec![0xff], "a byte 0xff"),
        (vec![0; 16], "16 bytes 0"),
        (stream.clone(), "the same stream"),
    ];
    for (tail, what) in tails {
        let long = [stream.as_slice(), tail.as_slice()].concat();
        for chunk in [CHUNK, stream.len()] {
            let fed = feed(&subject, &long, chunk)?;
            let expected = format!("{what} after the end is refused");
            check(!fed.is_accepted(), expected, fed.shown())?;
        }
    }
    load(&subject, &stream, "a good stream after too long ones")?;
    held()
}

pub(super) fn c62(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let (mut tried, mut by_write, mut by_set) = (0, 0, 0);
    let mut result = Ok(());
    for bit in flips(stream.len(), bench.options.tries) {
        if !bench.has_time() {
            break;
        }
        tried += 1;
        match feed(&subject, &flipped(&stream, bit), CHUNK) {
            Ok(Fed { write: Some(_), .. }) => by_write += 1,
            Ok(Fed { set: Err(_), .. }) => by_set += 1,
            Ok(_) => {}
            Err(unheld) => {
                result = Err(unheld);
                break;
            }
        }
    }
    // Also after a failure: what was accepted must not stay.
    let good = load(
        &subject,
        &stream,
        "a good stream after those with a flipped bit",
    );
    result?;
    good?;
    held_with(format!(
        "of {tried} flipped bits {by_write} refused by write(), {by_set} by SET"
    ))
}

/// Writes a stream in chunks and goes on after a refusal as if nothing had happened. Returns the
/// first refusal.
fn pour_on(subject: &Subject, stream: &[u8], chunk: usize) -> Result<Option<Errno>, Unheld> {
    let data = subject.session(State::Resuming)?;
    let mut refused = None;
    for piece in stream.chunks(chunk) {
        if let Err(error) = data.write_all(piece) {
            refused = refused.or(error.errno());
        }
    }
    Ok(refused)
}

pub(super) fn c63(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let len = stream.len();
    let mut refused = 0;
    let mut held = Held::default();
    let mut verdict = Ok(());
    'all: for chunk in [
        len,
        len.div_ceil(2),
        len.div_ceil(4),
        len.min(24),
        len.min(64),
    ] {
        for byte in (0..len.min(64)).step_by(3) {
            if !bench.has_time() {
                break 'all;
            }
            let wrong = flipped(&stream, Bit { byte, bit: 0 });
            let Some(errno) = pour_on(&subject, &wrong, chunk)? else {
                continue;
            };
            refused += 1;
            let set = subject.set_state(State::Stop);
            let what = format!("SET STOP after write() gave {errno:?} and the rest was written");
            verdict = set.must_fail_somehow(&what).map(|_| ());
            if verdict.is_err() {
                break 'all;
            }
        }
    }
    if verdict.is_ok() && refused > 0 && good_after_bad(&subject, &stream)? {
        held.note("a whole good stream after a refused write() is accepted");
    }
    load(&subject, &stream, "a good stream after bad ones")?;
    verdict?;
    if refused == 0 {
        return Err(skip(
            "write() refused none of the bad streams that were tried",
        ));
    }
    held.note(format!("{refused} refused write()s"));
    Ok(held)
}

/// Whether a refused stream can be made good by writing a good one on the same data_fd. Nobody
/// promises that it cannot.
fn good_after_bad(subject: &Subject, stream: &[u8]) -> Result<bool, Unheld> {
    let wrong = flipped(stream, Bit { byte: 0, bit: 0 });
    let data = subject.session(State::Resuming)?;
    if data.write_all(&wrong).is_ok() || data.write_all(stream).is_err() {
        return Ok(false);
    }
    Ok(subject.set_state(State::Stop).is_ok())
}

pub(super) fn c64(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    subject.restart()?;
    let fresh = save_some(&subject)?;
    subject.restart()?;
    if save(&subject)? != fresh {
        return Err(skip("the state after a reset is another one each time"));
    }
    let middle = Bit {
        byte: fresh.len() / 2,
        bit: 3,
    };
    let last = Bit {
        byte: fresh.len() - 1,
        bit: 7,
    };
    let bad = [
        half(&fresh).to_vec(),
        fresh.get(..fresh.len() - 1).unwrap_or_default().to_vec(),
        flipped(&fresh, middle),
        flipped(&fresh, last),
        flipped(half(&fresh), Bit { byte: 0, bit: 0 }),
    ];
    let mut refused = 0;
    for stream in bad {
        if feed(&subject, &stream, CHUNK)?.is_accepted() {
            load(
                &subject,
                &fresh,
                "a good stream after one that was accepted",
            )?;
            continue;
        }
        refused += 1;
        let seen = subject.state().must("getting the state")?;
        check(
            matches!(seen, State::Resuming | State::Stop | State::Error),
            "RESUMING, STOP or ERROR after a refused stream",
            seen.to_string(),
        )?;
        subject.restart()?;
        let after = save(&subject)?;
        check(
            after == fresh,
            "the state after a reset is as if there had been no stream",
            difference(&after, &fresh),
        )?;
    }
    held_with(format!("{refused} refused streams"))
}

pub(super) fn c66(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    for (bad, what) in [(&[][..], "no data"), (half(&stream), "half of a stream")] {
        let data = subject.session(State::Resuming)?;
        let _ = data.write_all(bad);
        let done = subject.set_state(State::Running);
        done.must_fail_somehow(&format!("RESUMING -> RUNNING after {what}"))?;
        let seen = subject.state().must("getting the state")?;
        check(
            matches!(seen, State::Resuming | State::Stop | State::Error),
            format!("RESUMING, STOP or ERROR after RESUMING -> RUNNING with {what}"),
            seen.to_string(),
        )?;
    }
    load(&subject, &stream, "a good stream after bad ones")?;
    held()
}

pub(super) fn c67(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    for round in 1..=2 {
        must_refuse(&feed(&subject, half(&stream), CHUNK)?, "half of a stream")?;
        let what = format!("a good stream after a bad one (round {round})");
        load(&subject, &stream, &what)?;
        // Without a reset between the good session and the bad one.
        subject.set(State::Stop)?;
        let data = subject.begin(State::Resuming)?;
        let _ = data.write_all(half(&stream));
        let done = subject.set_state(State::Stop);
        done.must_fail_somehow("SET STOP after half of a stream that follows a good one")?;
    }
    load(&subject, &stream, "a good stream at last")?;
    held()
}

/// Memory that the system could give to programs, in KiB.
fn available_kib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse().ok()
}

pub(super) fn c68(bench: &Bench) -> Verdict {
    /// What one stream may take of it.
    const SLOW: Duration = Duration::from_secs(5);
    const MUCH_KIB: u64 = 256 * 1024;
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let (mut tried, mut accepted) = (0, 0);
    let mut verdict = Ok(());
    for bad in hostile(&stream, 256, bench.options.tries) {
        if !bench.has_time() {
            break;
        }
        let (before, begun) = (available_kib(), Instant::now());
        let fed = feed(&subject, &bad, CHUNK)?;
        let (after, took) = (available_kib(), begun.elapsed());
        tried += 1;
        accepted += usize::from(fed.is_accepted());
        let used = before
            .zip(after)
            .map_or(0, |(before, after)| before.saturating_sub(after));
        if took > SLOW || used > MUCH_KIB + stream.len() as u64 / 1024 {
            let expected = "a refusal within 5 s that takes no memory";
            let seen = format!("{} ms, {used} KiB, {}", took.as_millis(), fed.shown());
            verdict = Err(broken(expected, seen));
            break;
        }
    }
    load(&subject, &stream, "a good stream after hostile ones")?;
    verdict?;
    held_with(format!("{tried} streams, {accepted} accepted"))
}

pub(super) fn c69(bench: &Bench) -> Verdict {
    /// Enough for a driver that only fills a buffer to run out of it.
    const ROUNDS: usize = 64;
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let data = subject.session(State::Resuming)?;
    data.write_all(&stream).must("write() of a good stream")?;
    let zeros = vec![0; CHUNK];
    let mut written = 0;
    let refusal = (0..ROUNDS).find_map(|_| {
        let done = data.write_all(&zeros);
        written += 1;
        done.err()
    });
    let set = subject.set_state(State::Stop);
    let accepted = refusal.is_none() && set.is_ok();
    let seen = format!("{written} MiB taken, and SET STOP succeeded");
    load(&subject, &stream, "a good stream after far too long a one")?;
    check(!accepted, "bytes far beyond the end are refused", seen)?;
    match refusal.and_then(|error| error.errno()) {
        Some(errno) => held_with(format!("write() gave {errno:?}")),
        None => held(),
    }
}

pub(super) fn c71(_: &Bench) -> Verdict {
    Err(skip(
        "it takes streams of another version of the driver, which cannot be made from one of this",
    ))
}
