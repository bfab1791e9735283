// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C29 to C32: ERROR, file descriptors, bad arguments.

use nix::{
    fcntl::{
        fcntl,
        FcntlArg,
        FdFlag, //
    },
    sys::{
        resource::{
            getrlimit,
            setrlimit,
            Resource, //
        },
        uio::{
            pread,
            pwrite, //
        },
    },
    unistd::{
        lseek,
        read,
        write,
        Whence, //
    },
};
use vmig_vfio::{
    Errno,
    Error,
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
    feature::{
        request,
        DEVICE_STATE,
        HEADER,
        SET, //
    },
    mutate::{
        flipped,
        Bit, //
    },
    paths::{
        has_session,
        path, //
    },
    raw::{
        Place,
        Trap,
        VFIO_DEVICE_FEATURE, //
    },
    stream::{
        feed,
        load,
        save,
        save_some,
        CHUNK, //
    },
    system::fd_count,
    target::Session,
    v2::{
        NO_DATA_FD,
        NO_POINTERS, //
    },
    verdict::{
        check,
        held,
        skip,
        Call,
        Held,
        Own,
        Unheld,
        Verdict, //
    },
};

/// C29 to C32.
pub(crate) const SECTION: Section = Section {
    title: "State machine: failures",
    statements: &[
        Statement::new(
            Must,
            Id::c(29),
            "in ERROR every SET fails, GET shows ERROR, and VFIO_DEVICE_RESET recovers",
            "linux/vfio.h, enum vfio_device_mig_state, any -> ERROR",
            c29,
        )
        .destructive(),
        Statement::new(
            Must,
            Id::c(30),
            "SET that would return a data_fd gives EMFILE when there is none; nothing leaks",
            "vfio_ioct_mig_return_fd(); linux/vfio.h, if this function fails",
            c30,
        )
        .only_kernel(NO_DATA_FD),
        Statement::new(
            Should,
            Id::c(31),
            "a data_fd is close-on-exec, of one direction, and has no position",
            "vfio_ioct_mig_return_fd(); convention of all drivers (stream_open)",
            c31,
        )
        .only_kernel(NO_DATA_FD),
        Statement::new(
            Must,
            Id::c(32),
            "a bad argument pointer gives EFAULT before any transition; a read-only one leaks nothing",
            "vfio_ioctl_device_feature_mig_device_state(), copy_from_user",
            c32,
        )
        .only_kernel(NO_POINTERS),
    ],
};

/// Tries to bring the device into ERROR by bad streams: nothing else that the uAPI has can do it.
fn into_error(subject: &Subject) -> Result<bool, Unheld> {
    let stream = save_some(subject)?;
    let half = stream.get(..stream.len() / 2).unwrap_or_default();
    let flip = |byte| flipped(&stream, Bit { byte, bit: 7 });
    let bad = [
        Vec::new(),
        half.to_vec(),
        flip(0),
        flip(stream.len() / 2),
        flip(stream.len() - 1),
    ];
    for stream in bad {
        feed(subject, &stream, CHUNK)?;
        if subject.state().must("getting the state")? == State::Error {
            return Ok(true);
        }
    }
    // What may have been accepted must not stay.
    load(subject, &stream, "a good stream after bad ones")?;
    Ok(false)
}

fn c29(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    if !into_error(&subject)? {
        return Err(skip(
            "no bad stream that was tried brings the device into ERROR",
        ));
    }
    for to in State::ALL {
        let done = subject.set_state(to);
        done.must_fail_somehow(&format!("SET {to} in ERROR"))?;
        subject.at(State::Error, &format!("after SET {to} in ERROR"))?;
    }
    subject.restart()?;
    let stream = save(&subject)?;
    load(&subject, &stream, "a good stream after ERROR and RESET")?;
    held()
}

/// SET while this process may open no more files.
fn set_without_files(
    subject: &Subject,
    to: State,
) -> Result<Result<Option<Session>, Error>, Unheld> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).own("getrlimit")?;
    setrlimit(Resource::RLIMIT_NOFILE, 0, hard).own("setrlimit")?;
    let done = subject.set_state(to);
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).own("setrlimit")?;
    Ok(done)
}

fn c30(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let mut held = Held::default();
    for to in subject.states().filter(|&state| has_session(state)) {
        subject.restart()?;
        let before = fd_count()?;
        let done = set_without_files(&subject, to)?;
        done.must_fail(
            Errno::EMFILE,
            &format!("SET {to} without a free file descriptor"),
        )?;
        let seen = subject.state().must("getting the state")?;
        let way = path(subject.flags(), State::Running, to).unwrap_or_default();
        check(
            seen == State::Running || seen == State::Error || way.contains(&seen),
            format!("RUNNING, ERROR or a state on the way to {to} after EMFILE"),
            seen.to_string(),
        )?;
        held.note(format!("SET {to} leaves {seen}"));
        // From RESUMING without a stream only a reset leads out.
        match seen == State::Resuming || seen == State::Error {
            true => subject.restart()?,
            false => {
                subject.set(State::Stop)?;
                subject.set(State::Running)?;
            }
        }
        let after = fd_count()?;
        let expected = format!("no new file descriptor after EMFILE from SET {to}");
        check(
            after == before,
            expected,
            format!("{before} before, {after} after"),
        )?;
        let stream = save(&subject)?;
        load(&subject, &stream, "a good stream after EMFILE")?;
    }
    Ok(held)
}

fn c31(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    for state in subject.states().filter(|&state| has_session(state)) {
        let session = subject.session(state)?;
        let data = session.file()?;
        let flags = fcntl(data, FcntlArg::F_GETFD).own("fcntl")?;
        check(
            FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC),
            format!("the data_fd of {state} is close-on-exec"),
            "it is not",
        )?;
        if state == State::Resuming {
            read(data, &mut [0; 8]).must_fail(Errno::EBADF, "read() on the data_fd of RESUMING")?;
        } else {
            let what = format!("write() on the data_fd of {state}");
            write(data, &[0; 8]).must_fail(Errno::EBADF, &what)?;
        }
        let (pread, pwrite, lseek) = (
            pread(data, &mut [0; 8], 0).map(|_| ()),
            pwrite(data, &[0; 8], 0).map(|_| ()),
            lseek(data, 0, Whence::SeekCur).map(|_| ()),
        );
        // The wrong direction may be found first.
        let (good, other) = match state {
            State::Resuming => ((pwrite, "pwrite()"), (pread, "pread()")),
            _ => ((pread, "pread()"), (pwrite, "pwrite()")),
        };
        for (done, call) in [good, (lseek, "lseek()")] {
            done.must_fail(Errno::ESPIPE, &format!("{call} on the data_fd of {state}"))?;
        }
        let (done, call) = other;
        done.must_fail_somehow(&format!("{call} on the data_fd of {state}"))?;
    }
    held()
}

fn c32(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let device = subject.device()?;
    let trap = Trap::new().own("memory")?;
    let mut held = Held::default();
    for to in [State::Stop, State::StopCopy] {
        subject.restart()?;
        let before = fd_count()?;
        let mut data = (to as u32).to_ne_bytes().to_vec();
        data.extend_from_slice(&(-1_i32).to_ne_bytes());
        let argument = request(HEADER + 8, DEVICE_STATE | SET, &data);
        for (place, what) in [
            (Place::Gone, "an argument that is not there"),
            (
                Place::Cut(4),
                "an argument of which the size alone is there",
            ),
            (
                Place::Cut(8),
                "an argument of which the header alone is there",
            ),
            (Place::Cut(12), "an argument that ends before data_fd"),
        ] {
            let done = trap.ioctl(device, VFIO_DEVICE_FEATURE, &argument, place, false);
            done.must_fail(Errno::EFAULT, &format!("SET {to} with {what}"))?;
            subject.at(State::Running, &format!("after SET {to} with {what}"))?;
        }
        // The core copies the answer back after the transition, so it may have happened.
        let done = trap.ioctl(device, VFIO_DEVICE_FEATURE, &argument, Place::Good, true);
        done.must_fail(
            Errno::EFAULT,
            &format!("SET {to} with a read-only argument"),
        )?;
        let seen = subject.state().must("getting the state")?;
        let way = path(subject.flags(), State::Running, to).unwrap_or_default();
        check(
            seen == State::Running || seen == State::Error || way.contains(&seen),
            format!("RUNNING, ERROR or a state on the way to {to} after EFAULT"),
            seen.to_string(),
        )?;
        held.note(format!("SET {to} with a read-only argument leaves {seen}"));
        let after = fd_count()?;
        let expected = format!("no new file descriptor after EFAULT from SET {to}");
        check(
            after == before,
            expected,
            format!("{before} before, {after} after"),
        )?;
    }
    subject.restart()?;
    match save(&subject)? {
        stream if stream.is_empty() => held.note("the device's stream is empty"),
        stream => load(&subject, &stream, "a good stream after EFAULT")?,
    }
    Ok(held)
}
