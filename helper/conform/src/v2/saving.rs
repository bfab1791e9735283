// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C33 to C42: the stream of STOP_COPY and the temporary end in PRE_COPY.

use std::{
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use nix::poll::PollFlags;
use vmig_vfio::{
    Direction,
    Errno,
    State, //
};

use crate::{
    bench::{
        Bench,
        Subject, //
    },
    catalogue::{
        Class::{
            Must,
            Should, //
        },
        Id,
        Section,
        Statement, //
    },
    feature::DATA_SIZE,
    raw::{
        Place,
        Trap, //
    },
    stream::{
        difference,
        drain,
        drain_early,
        events,
        load,
        mark,
        save,
        save_by,
        save_some,
        save_twice,
        Mark,
        CHUNK, //
    },
    target::Session,
    v2::{
        NO_ENOMSG,
        NO_POINTERS,
        NO_POLL, //
    },
    verdict::{
        broken,
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

/// C33 to C42.
pub(crate) const SECTION: Section = Section {
    title: "Saving: the stream",
    statements: &[
        Statement::new(
            Must,
            Id::c(33),
            "in STOP_COPY read() gives 0 for ever after the last byte",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, permanent end of stream",
            c33,
        ),
        Statement::new(
            Must,
            Id::c(34),
            "in STOP_COPY poll() always tells readable, also at the end",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, permanent end of stream",
            c34,
        )
        .only_kernel(NO_POLL),
        Statement::new(
            Must,
            Id::c(35),
            "ENOMSG is never seen in STOP_COPY",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, ENOMSG may not be returned in STOP_COPY",
            c35,
        )
        .only_kernel(NO_ENOMSG),
        Statement::new(
            Must,
            Id::c(36),
            "in PRE_COPY read() at the temporary end gives ENOMSG: 0 means that all was sent",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, temporary and permanent end of stream",
            c36,
        )
        .only_kernel(NO_ENOMSG),
        Statement::new(
            Must,
            Id::c(37),
            "in PRE_COPY poll() at the temporary end waits for data",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, can wait for more data by using poll",
            c37,
        )
        .only_kernel(NO_POLL),
        Statement::new(
            Must,
            Id::c(38),
            "moving to STOP_COPY wakes who polls at the temporary end",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, poll always returning readable",
            c38,
        )
        .only_kernel(NO_POLL),
        Statement::new(
            Must,
            Id::c(39),
            "reads of any size give the same bytes",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, byte order of the stream",
            c39,
        ),
        Statement::new(
            Should,
            Id::c(40),
            "read() of 0 bytes gives 0, and one that gives EFAULT loses nothing",
            "read(2); linux/vfio.h, PRE_COPY_P2P -> STOP_COPY, the entire device state",
            c40,
        )
        .only_kernel(NO_POINTERS),
        Statement::new(
            Must,
            Id::c(41),
            "what was read up to the end is the whole state: it can be loaded",
            "linux/vfio.h, enum vfio_device_mig_state, PRE_COPY_P2P -> STOP_COPY",
            c41,
        ),
        Statement::new(
            Must,
            Id::c(42),
            "GET of MIG_DATA_SIZE succeeds in every state",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE",
            c42,
        ),
    ],
};

/// How long a poll that should not return is watched, in milliseconds.
const QUIET_MS: u16 = 100;

fn c33(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let data = subject.session(State::StopCopy)?;
    let stream = drain(&data, CHUNK)?;
    for size in [1, 16, 4096, CHUNK].repeat(4) {
        let seen = mark(&data, &mut vec![0; size]);
        let expected = "read() after the end gives 0";
        check(seen == Mark::End, expected, seen.to_string())?;
    }
    held_with(format!("stream of {} bytes", stream.len()))
}

/// The names of events, for people.
fn named(events: PollFlags) -> String {
    let names: Vec<_> = events.iter_names().map(|(name, _)| name).collect();
    match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join("|"),
    }
}

fn must_be_readable(data: &Session, when: &str) -> Result<(), Unheld> {
    let seen = events(data.file()?, 0)?;
    let expected = format!("POLLIN {when}");
    check(seen.contains(PollFlags::POLLIN), expected, named(seen))
}

fn c34(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let data = subject.session(State::StopCopy)?;
    must_be_readable(&data, "before the first byte")?;
    if let Mark::Data(_) = mark(&data, &mut [0; 1]) {
        must_be_readable(&data, "after the first byte")?;
    }
    drain(&data, CHUNK)?;
    for _ in 0..3 {
        must_be_readable(&data, "at the end")?;
    }
    held()
}

fn c35(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let has_early = subject.flags().pre_copy();
    let ways = [(false, false), (true, false), (true, true)];
    for (early, read_early) in ways.into_iter().filter(|&(early, _)| has_early || !early) {
        let data = match early {
            true => subject.session(State::PreCopy)?,
            false => subject.session(State::StopCopy)?,
        };
        if read_early {
            drain_early(&data, bench)?;
        }
        if early {
            subject.set(State::StopCopy)?;
        }
        let mut buffer = vec![0; 4096];
        loop {
            let seen = mark(&data, &mut buffer);
            let expected = "no ENOMSG in STOP_COPY";
            check(seen != Mark::Temporary, expected, seen.to_string())?;
            if !matches!(seen, Mark::Data(_)) {
                break;
            }
        }
    }
    held()
}

/// The states in which there is a temporary end.
fn early_states(subject: &Subject) -> Result<Vec<State>, Unheld> {
    subject.need(State::PreCopy)?;
    let states = subject.states();
    let states = states.filter(|state| matches!(state, State::PreCopy | State::PreCopyP2p));
    Ok(states.collect())
}

fn c36(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    for state in early_states(&subject)? {
        let data = subject.session(state)?;
        let (_, end) = drain_early(&data, bench)?;
        let expected = format!("read() gives ENOMSG at the temporary end in {state}");
        check(end == Mark::Temporary, expected, end.to_string())?;
        let again = mark(&data, &mut [0; 16]);
        let expected = format!("read() gives ENOMSG again in {state}");
        check(
            matches!(again, Mark::Temporary | Mark::Data(_)),
            expected,
            again.to_string(),
        )?;
    }
    held()
}

/// Reads up to the temporary end, and until poll waits there; broken if it never does.
fn wait_at_end(data: &Session, bench: &Bench) -> Result<(), Unheld> {
    loop {
        drain_early(data, bench)?;
        let seen = events(data.file()?, QUIET_MS)?;
        if seen.is_empty() {
            return Ok(());
        }
        // Perhaps there is something new to read.
        let new = mark(data, &mut [0; 1]);
        if !matches!(new, Mark::Data(_)) {
            let expected = format!("poll() returns nothing for {QUIET_MS} ms at the temporary end");
            return Err(broken(
                expected,
                format!("{} at once, but {new}", named(seen)),
            ));
        }
    }
}

fn c37(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    for state in early_states(&subject)? {
        let data = subject.session(state)?;
        wait_at_end(&data, bench)?;
    }
    held()
}

fn c38(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    for state in early_states(&subject)? {
        let data = subject.session(state)?;
        if wait_at_end(&data, bench).is_err() {
            return Err(skip("poll() does not wait at the temporary end (C37)"));
        }
        let file = data.file()?;
        thread::scope(|scope| {
            let poller = scope.spawn(|| {
                let seen = events(file, 10_000);
                (seen, Instant::now())
            });
            thread::sleep(Duration::from_millis(50));
            if poller.is_finished() {
                return Err(skip("there was something to read again"));
            }
            subject.set(State::StopCopy)?;
            let moved = Instant::now();
            let (seen, woken) = poller.join().map_err(|_| skip("the poller died"))?;
            let seen = seen?;
            let expected = format!("POLLIN for who polled when {state} became STOP_COPY");
            check(seen.contains(PollFlags::POLLIN), expected, named(seen))?;
            let late = woken.saturating_duration_since(moved);
            check(
                late < Duration::from_secs(5),
                "the poller is woken within 5 s",
                format!("{} ms", late.as_millis()),
            )
        })?;
    }
    held()
}

fn c39(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let reference = save_twice(&subject)?;
    let mut sizes = vec![4095, CHUNK, 64 * 1024];
    if reference.len() <= CHUNK {
        sizes.extend([1, 7, 333]);
    }
    for &size in &sizes {
        let stream = save_by(&subject, size)?;
        let expected = format!("reads of {size} bytes give the bytes of reads of {CHUNK}");
        check(
            stream == reference,
            expected,
            difference(&stream, &reference),
        )?;
    }
    held_with(format!("{} bytes by {sizes:?}", reference.len()))
}

fn c40(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let reference = save_twice(&subject)?;
    let trap = Trap::new().own("memory")?;
    let data = subject.session(State::StopCopy)?;
    let file = data.file()?;
    let mut stream = Vec::new();
    let mut buffer = [0; 5];
    loop {
        let none = data.read(&mut []).must("read() of 0 bytes")?;
        check(none == 0, "read() of 0 bytes gives 0", none.to_string())?;
        let gone = trap.read(file, 16, Place::Gone);
        let at_end = stream.len() >= reference.len();
        if !(at_end && gone == Ok(0)) {
            gone.must_fail(Errno::EFAULT, "read() into memory that is not there")?;
        }
        // The first 3 of 16 bytes have a place.
        match trap.read(file, 16, Place::Cut(3)) {
            Ok(n) => stream.extend(trap.bytes(3).into_iter().take(n)),
            Err(Errno::EFAULT) => {}
            Err(errno) => {
                let expected = "read() into memory that ends early gives EFAULT or less";
                return Err(broken(expected, format!("{errno:?}")));
            }
        }
        let n = data.read(&mut buffer).must("read() after EFAULT")?;
        stream.extend(buffer.iter().take(n));
        if n == 0 || stream.len() > 4096 {
            break;
        }
    }
    stream.extend(drain(&data, CHUNK)?);
    check(
        stream == reference,
        "a stream read around EFAULT equals one read in one go",
        difference(&stream, &reference),
    )?;
    held()
}

fn c41(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    load(&subject, &stream, "the stream of STOP_COPY up to its end")?;
    let mut held = Held::default();
    held.note(format!("{} bytes", stream.len()));
    let again = save(&subject)?;
    if again != stream {
        let difference = difference(&again, &stream);
        held.note(format!(
            "saved again it differs, which is not forbidden: {difference}"
        ));
    }
    Ok(held)
}

fn c42(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let sizes = || subject.has_feature(DATA_SIZE, Direction::Get);
    if subject.kernel().is_none() && !sizes().must("PROBE of feature 9")? {
        return Err(skip(
            "the server has no feature MIG_DATA_SIZE, which the protocol does not ask for",
        ));
    }
    let mut held = Held::default();
    for state in subject.states() {
        let _session = subject.enter(state)?;
        let what = format!("GET of MIG_DATA_SIZE in {state}");
        let size = subject.data_size().must(&what)?;
        if size == 0 {
            held.note(format!("0 in {state}"));
        }
    }
    let data = subject.session(State::StopCopy)?;
    let told = subject.data_size().must("GET of MIG_DATA_SIZE")?;
    let real = drain(&data, CHUNK)?.len() as u64;
    if told < real {
        held.note(format!(
            "{told} is less than the {real} bytes of the stream"
        ));
    }
    Ok(held)
}
