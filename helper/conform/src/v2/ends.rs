// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C43 to C46: data_fds that outlive their session, their user and their device.

use std::{
    fs,
    thread,
    time::Duration, //
};

use vmig_vfio::{
    State, //
};

use crate::{
    bench::Bench,
    catalogue::{
        Class::Must,
        Id,
        Section,
        Statement, //
    },
    mdev::Mdev,
    paths::has_session,
    stream::{
        drain,
        events,
        load,
        mark,
        must_be_over,
        must_take_nothing,
        save_some,
        CHUNK, //
    },
    target::Session,
    v2::NO_DATA_FD,
    verdict::{
        check,
        held,
        held_with,
        Call,
        Held,
        Own,
        Unheld,
        Verdict, //
    },
};

/// C43 to C46.
pub(crate) const SECTION: Section = Section {
    title: "Saving: the end of the data_fd",
    statements: &[
        Statement::new(
            Must,
            Id::c(43),
            "closing the data_fd early does not change the state, and another session can begin",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, asynchronous transitions",
            c43,
        )
        .only_kernel(NO_DATA_FD),
        Statement::new(
            Must,
            Id::c(44),
            "after STOP_COPY -> STOP the data_fd carries no device data any more",
            "linux/vfio.h, STOP_COPY -> STOP; struct vfio_migration_ops, end of stream or error",
            c44,
        ),
        Statement::new(
            Must,
            Id::c(45),
            "a data_fd that outlives the device fd is dead, and harmless to the next user",
            "struct vfio_migration_ops, before close_device() returns",
            c45,
        )
        .only_kernel(NO_DATA_FD),
        Statement::new(
            Must,
            Id::c(46),
            "a data_fd that outlives the device itself is harmless",
            "struct vfio_migration_ops, end of stream or error",
            c46,
        )
        .only_kernel(NO_DATA_FD)
        .destructive(),
    ],
};

fn c43(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    for state in subject.states().filter(|&state| has_session(state)) {
        let data = subject.session(state)?;
        match state {
            State::Resuming => {
                data.write_all(stream.get(..1).unwrap_or_default())
                    .must("write() of the first byte")?;
            }
            _ => {
                mark(&data, &mut [0; 1]);
            }
        }
        drop(data);
        thread::sleep(Duration::from_millis(10));
        subject.at(state, "after the data_fd was closed")?;
        if state == State::Resuming {
            continue;
        }
        subject.set(State::Stop)?;
        let data = subject.begin(State::StopCopy)?;
        let whole = drain(&data, CHUNK)?;
        let what = format!("the stream after one that was given up in {state}");
        load(&subject, &whole, &what)?;
    }
    held()
}

fn c44(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    for read_some in [false, true] {
        let data = subject.session(State::StopCopy)?;
        if read_some {
            mark(&data, &mut [0; 1]);
        }
        subject.set(State::Stop)?;
        must_be_over(&data, "after STOP_COPY -> STOP")?;
        // Nor does a new session wake the old one. Without files they cannot be told apart.
        if subject.kernel().is_some() {
            let _new = subject.begin(State::StopCopy)?;
            must_be_over(&data, "of an old session while a new one is open")?;
        }
    }
    held()
}

/// All that can be done with a data_fd; what it returns is checked only as far as `direction` of
/// `state` promises something.
fn exercise(data: &Session, state: State, when: &str) -> Result<(), Unheld> {
    let _ = events(data.file()?, 0)?;
    let _ = data
        .precopy_info()
        .must_fail_somehow(&format!("VFIO_MIG_GET_PRECOPY_INFO {when}"))?;
    match state {
        State::Resuming => must_take_nothing(data, when),
        _ => must_be_over(data, when),
    }
}

fn c45(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let states: Vec<_> = subject
        .states()
        .filter(|&state| has_session(state))
        .collect();
    drop(subject);
    let mut held = Held::default();
    for state in states {
        let subject = bench.open()?;
        let old = subject.session(state)?;
        subject.close();
        exercise(&old, state, "after the device fd was closed")?;
        let subject = bench.open_fresh()?;
        let seen = subject.state().must("getting the state")?;
        if seen != State::Running {
            held.note(format!("{seen} after close in {state} and open (C8)"));
        }
        // The next user's session, and the old data_fd next to it.
        let new = subject.session(state)?;
        exercise(&old, state, "while the next user has a session")?;
        let (done, what) = match state {
            State::Resuming => {
                new.write_all(&stream).must("write() of the next user")?;
                subject.set(State::Stop)?;
                (
                    save_stopped(&subject)?,
                    "the state that the next user loaded",
                )
            }
            _ => {
                // That a state can be set again is C16.
                if state != State::StopCopy {
                    subject.set(State::StopCopy)?;
                }
                (drain(&new, CHUNK)?, "the state that the next user saved")
            }
        };
        exercise(&old, state, "after the next user's session")?;
        load(&subject, &done, what)?;
    }
    Ok(held)
}

fn save_stopped(subject: &crate::bench::Subject) -> Result<Vec<u8>, Unheld> {
    drain(&subject.begin(State::StopCopy)?, CHUNK)
}

fn c46(bench: &Bench) -> Verdict {
    let mdev = Mdev::find(&bench.options.directory)?;
    let subject = bench.open()?;
    let states: Vec<_> = subject
        .states()
        .filter(|&state| has_session(state))
        .collect();
    drop(subject);
    for &state in &states {
        let subject = bench.open()?;
        let data = subject.session(state)?;
        subject.close();
        mdev.remove()?;
        let done = exercise(&data, state, "after the device was removed");
        drop(data);
        mdev.create()?;
        done?;
    }
    let gone = fs::exists(&bench.options.directory).own("sysfs")?;
    check(gone, "the device is there again", "it is not")?;
    let count = states.len();
    held_with(format!(
        "removed and made again {count} times, with default attributes; memory that is used after \
         it was freed shows only on a kernel with KASAN"
    ))
}
