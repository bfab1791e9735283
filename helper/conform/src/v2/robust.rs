// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C86 to C90: many users, signals, and what the kernel shows elsewhere.

use std::{
    fs,
    io::ErrorKind,
    os::fd::AsFd,
    sync::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        Arc,
        Mutex, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use nix::sys::{
    pthread::{
        pthread_kill,
        pthread_self, //
    },
    signal::Signal,
};
use signal_hook::consts::SIGUSR1;
use vmig_vfio::{
    Attach,
    Errno,
    Group,
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
    mutate::Numbers,
    raw,
    stream::{
        difference,
        drain,
        load,
        must_be_over,
        save,
        save_twice,
        CHUNK, //
    },
    target::Session,
    v2::NO_DATA_FD,
    verdict::{
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

/// C86 to C90.
pub(crate) const SECTION: Section = Section {
    title: "Robustness",
    statements: &[
        Statement::new(
            Should,
            Id::c(86),
            "debugfs shows the state and the features that the ioctls show",
            "Documentation/ABI/testing/debugfs-vfio",
            c86,
        )
        .only_kernel("there is no debugfs"),
        Statement::new(
            Must,
            Id::c(87),
            "SET, RESET, GET, read() and write() at the same time end, and leave the device usable",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE; struct vfio_migration_ops",
            c87,
        ),
        Statement::new(
            Must,
            Id::c(88),
            "two device fds of one group share one state; closing one keeps the session",
            "vfio_df_open(), vfio_df_close()",
            c88,
        )
        .only_kernel("there are no groups"),
        Statement::new(
            Must,
            Id::c(89),
            "copies of a data_fd, also those passed through a socket, are one stream",
            "dup(2), unix(7); linux/vfio.h, byte order of the stream",
            c89,
        )
        .only_kernel(NO_DATA_FD),
        Statement::new(
            Must,
            Id::c(90),
            "signals during read() and write() lose no byte and repeat none",
            "read(2), signal(7); linux/vfio.h, byte order of the stream",
            c90,
        )
        .only_kernel("a signal for the client does not reach the server"),
    ],
};

fn c86(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let roots = &bench.options.roots;
    let directory = roots
        .sys
        .join("kernel/debug/vfio")
        .join(subject.name())
        .join("migration");
    let read = |name: &str| match fs::read_to_string(directory.join(name)) {
        Ok(text) => Ok(text),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => Err(
            skip("no debugfs, no right to read it, or no CONFIG_VFIO_DEBUGFS"),
        ),
        Err(e) => Err(skip(format!("debugfs: {e}"))),
    };
    for state in subject.states() {
        let _session = subject.enter(state)?;
        let seen = read("state")?;
        let expected = format!("{state} in debugfs");
        check(
            seen.trim_end() == state.to_string(),
            expected,
            seen.trim_end(),
        )?;
    }
    // Older kernels have no such file.
    if let Ok(features) = read("features") {
        let flags = subject.flags();
        for (name, has) in [
            ("stop-copy", flags.stop_copy()),
            ("p2p", flags.p2p()),
            ("pre-copy", flags.pre_copy()),
        ] {
            let shown = features.lines().any(|line| line == name);
            let expected = format!("{name} in debugfs: {has}");
            check(shown == has, expected, shown.to_string())?;
        }
    }
    held()
}

/// Does `job` again and again until `over`, with numbers of its own. Returns how often.
fn hammer(over: &AtomicBool, seed: u64, mut job: impl FnMut(&mut Numbers)) -> usize {
    let mut numbers = Numbers::new(seed);
    let mut rounds = 0;
    while !over.load(Ordering::Relaxed) {
        job(&mut numbers);
        rounds += 1;
    }
    rounds
}

fn c87(bench: &Bench) -> Verdict {
    const TIME: Duration = Duration::from_millis(1500);
    let subject = bench.open()?;
    let stream = save(&subject)?;
    let states: Vec<_> = subject
        .states()
        // Leaving RESUMING in the middle is a bad stream.
        .filter(|&state| bench.options.destructive || state != State::Resuming)
        .collect();
    let over = AtomicBool::new(false);
    let latest: Mutex<Option<Arc<Session>>> = Mutex::new(None);
    let session = || latest.lock().ok().and_then(|latest| latest.clone());
    let device = &*subject;
    let rounds = thread::scope(|scope| {
        let set = scope.spawn(|| {
            hammer(&over, 1, |numbers| {
                let Some(&to) = states.get(numbers.below(states.len())) else {
                    return;
                };
                let done = device.set_state(to);
                let data = done.map(|data| data.or_else(|| device.transfer()));
                if let (Ok(Some(data)), Ok(mut latest)) = (data, latest.lock()) {
                    *latest = Some(Arc::new(data));
                }
            })
        });
        let reset = scope.spawn(|| {
            hammer(&over, 2, |numbers| {
                let _ = device.reset();
                thread::sleep(Duration::from_micros(numbers.next() % 2000));
            })
        });
        let get = scope.spawn(|| {
            hammer(&over, 3, |_| {
                let _ = device.state();
                let _ = device.data_size();
            })
        });
        let read = scope.spawn(|| {
            hammer(&over, 4, |numbers| {
                if let Some(data) = session() {
                    let _ = data.read(&mut vec![0; 1 + numbers.below(5000)]);
                    let _ = data.precopy_info();
                }
            })
        });
        let write = scope.spawn(|| {
            hammer(&over, 5, |numbers| {
                if let Some(data) = session() {
                    let len = numbers.below(stream.len() + 1);
                    let _ = data.write(stream.get(..len).unwrap_or_default());
                }
            })
        });
        thread::sleep(bench.share(TIME));
        over.store(true, Ordering::Relaxed);
        [set, reset, get, read, write].map(|thread| thread.join().unwrap_or_default())
    });
    subject.restart()?;
    let last = save(&subject)?;
    match last.is_empty() {
        true => {}
        false => load(&subject, &stream, "a good stream after all that")?,
    }
    let mut held = Held::default();
    held.note(format!(
        "rounds of SET, RESET, GET, read(), write(): {rounds:?}"
    ));
    if subject.kernel().is_none() {
        held.note("in turn: one connection, one command at a time");
    }
    Ok(held)
}

fn c88(bench: &Bench) -> Verdict {
    if bench.options.attach == Attach::Cdev {
        return Err(skip("a cdev opens once; --attach group checks this"));
    }
    let location = bench.location()?;
    let roots = &bench.options.roots;
    let Some(node) = &location.group else {
        return Err(skip("the device has no group node (CONFIG_VFIO_GROUP)"));
    };
    let group = Group::open(&roots.container(), node);
    let group = group.map_err(|e| skip(format!("the device's group: {}", error_shown(&e))))?;
    let first = group
        .device(&location.name)
        .must("the first VFIO_GROUP_GET_DEVICE_FD")?;
    if first
        .migration_flags()
        .is_err_and(|e| e.errno() == Some(Errno::ENOTTY))
    {
        return Err(skip(
            "the device has no migration (feature MIGRATION: ENOTTY)",
        ));
    }
    first.reset().must("VFIO_DEVICE_RESET")?;
    let second = group
        .device(&location.name)
        .must("the second VFIO_GROUP_GET_DEVICE_FD")?;
    let shared = |state: State, when: &str| {
        let seen = second.state().must("getting the state")?;
        check(seen == state, format!("{state} {when}"), seen.to_string())
    };
    shared(State::Running, "on the second device fd at open")?;
    let data = first.set_state(State::StopCopy).must("SET STOP_COPY")?;
    let data = data.ok_or_else(|| skip("SET STOP_COPY returned no data_fd (C17)"))?;
    let data = Session::File(data);
    shared(State::StopCopy, "on the second device fd")?;
    let mut stream = vec![0; 1];
    let n = data.read(&mut stream).must("read() in STOP_COPY")?;
    stream.truncate(n);
    drop(first);
    shared(State::StopCopy, "after the first device fd was closed")?;
    stream.extend(drain(&data, CHUNK)?);
    second
        .set_state(State::Stop)
        .must("SET STOP on the second device fd")?;
    must_be_over(
        &data,
        "after the session was ended through the other device fd",
    )?;
    drop(second);
    drop(group);
    let subject = bench.open()?;
    if !stream.is_empty() {
        load(
            &subject,
            &stream,
            "a stream read while one of two device fds was closed",
        )?;
    }
    held()
}

/// A copy of the descriptor, made by dup(2) or sent through a socket.
fn copies(data: &Session) -> Result<[Session; 2], Unheld> {
    let data = data.file()?;
    let dup = data.as_fd().try_clone_to_owned().own("dup")?;
    let sent = raw::through_socket(data).own("a descriptor through a socket")?;
    Ok([dup, sent].map(|fd| Session::File(fd.into())))
}

fn c89(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let reference = save_twice(&subject)?;
    let data = subject.session(State::StopCopy)?;
    let copies_of_it = copies(&data)?;
    let [dup, sent] = &copies_of_it;
    let size = reference.len().div_ceil(10).clamp(1, CHUNK);
    let mut stream = Vec::new();
    let mut buffer = vec![0; size];
    for from in [&data, dup, sent].into_iter().cycle() {
        let n = from
            .read(&mut buffer)
            .must("read() from a copy of the data_fd")?;
        if n == 0 {
            break;
        }
        stream.extend(buffer.iter().take(n));
    }
    check(
        stream == reference,
        "a stream read from three descriptors by turns equals one read from one",
        difference(&stream, &reference),
    )?;
    let data = subject.session(State::Resuming)?;
    let [dup, sent] = copies(&data)?;
    let targets = [&data, &dup, &sent].into_iter().cycle();
    for (piece, to) in reference.chunks(size).zip(targets) {
        to.write_all(piece)
            .must("write() to a copy of the data_fd")?;
    }
    subject
        .set_state(State::Stop)
        .must("SET STOP after writes to three descriptors by turns")?;
    // The copies end with the session.
    for copy in [&dup, &sent] {
        copy.write(&[0])
            .must_fail_somehow("write() to a copy after the session")?;
    }
    held()
}

/// Runs `job` while signals rain on this thread. Returns what it returns, and how many were sent.
fn under_signals<R>(job: impl FnOnce() -> R) -> (R, usize) {
    let over = AtomicBool::new(false);
    let target = pthread_self();
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            hammer(&over, 90, |_| {
                // The thread lives: the scope ends before it does.
                let _ = pthread_kill(target, Signal::SIGUSR1);
                thread::yield_now();
            })
        });
        let result = job();
        over.store(true, Ordering::Relaxed);
        (result, sender.join().unwrap_or_default())
    })
}

/// Streams out of the device and into it, for a while.
/// Returns how often, and how many signals were sent.
fn rounds(subject: &Subject, reference: &[u8], time: Duration) -> Result<(usize, usize), Unheld> {
    // A handler that does nothing but be there.
    let seen = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, seen).own("a signal handler")?;
    let end = Instant::now() + time;
    let (mut rounds, mut signals) = (0, 0);
    while rounds == 0 || Instant::now() < end {
        let size = [CHUNK, 64, 4096, 7][rounds % 4];
        // Small pieces of a large state would take for ever.
        let size = size.max(reference.len() / 10_000);
        let data = subject.session(State::StopCopy)?;
        let (stream, sent) = under_signals(|| drain(&data, size));
        let stream = stream?;
        signals += sent;
        check(
            stream == reference,
            format!("{} bytes under signals, as without", reference.len()),
            difference(&stream, reference),
        )?;
        let data = subject.session(State::Resuming)?;
        let (written, sent) = under_signals(|| {
            reference
                .chunks(size)
                .try_for_each(|piece| data.write_all(piece))
        });
        signals += sent;
        written.must("write() under signals")?;
        subject
            .set_state(State::Stop)
            .must("SET STOP after writes under signals")?;
        rounds += 1;
    }
    Ok((rounds, signals))
}

fn c90(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let reference = save_twice(&subject)?;
    let time = bench.share(Duration::from_secs(1));
    let (rounds, signals) = rounds(&subject, &reference, time)?;
    let len = reference.len();
    held_with(format!(
        "{rounds} rounds of {len} bytes each way, {signals} signals"
    ))
}
