// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C47 to C56: what is told about the stream in PRE_COPY. C52 and C53 stand in `reinit.rs`.

use vmig_vfio::{
    Errno,
    PrecopyInfo,
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
            Should,
            Wish, //
        },
        Id,
        Section,
        Statement, //
    },
    mutate::{
        flipped,
        flips, //
    },
    raw::{
        vfio,
        Place,
        Trap,
        VFIO_MIG_GET_PRECOPY_INFO, //
    },
    stream::{
        drain,
        drain_early,
        load,
        mark,
        pour,
        save,
        Mark,
        CHUNK, //
    },
    target::Session,
    v2::{
        reinit::{
            c52,
            c53, //
        },
        NO_PRECOPY_INFO, //
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

/// C47 to C56.
pub(crate) const SECTION: Section = Section {
    title: "Pre-copy information",
    statements: &[
        Statement::new(
            Must,
            Id::c(47),
            "VFIO_MIG_GET_PRECOPY_INFO is valid in PRE_COPY and PRE_COPY_P2P only",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, valid only in PRE_COPY states",
            c47,
        )
        .only_kernel(NO_PRECOPY_INFO),
        Statement::new(
            Should,
            Id::c(48),
            "another ioctl is ENOTTY, a small argsz EINVAL, a bad pointer EFAULT; RESUMING has none",
            "vfio_check_precopy_ioctl()",
            c48,
        )
        .only_kernel(NO_PRECOPY_INFO),
        Statement::new(
            Should,
            Id::c(49),
            "initial_bytes begins above 0, decreases as it is read, and reaches 0",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, initial_bytes",
            c49,
        )
        .only_kernel(NO_PRECOPY_INFO),
        Statement::new(
            Should,
            Id::c(50),
            "dirty_bytes of an idle device begins at 0 and is 0 when all was read",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, dirty_bytes",
            c50,
        )
        .only_kernel(NO_PRECOPY_INFO),
        Statement::new(
            Must,
            Id::c(51),
            "there is nothing to read exactly when initial_bytes and dirty_bytes are both 0",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, temporary end of stream",
            c51,
        )
        .only_kernel(NO_PRECOPY_INFO),
        Statement::new(
            Must,
            Id::c(52),
            "without opt-in REINIT is never set; with it, until close, flags are output: 0 or REINIT",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2; vfio_check_precopy_ioctl()",
            c52,
        )
        .only_kernel("the protocol has no feature MIG_PRECOPY_INFOv2"),
        Statement::new(
            Must,
            Id::c(53),
            "REINIT comes with initial_bytes above 0 and dirty_bytes 0, and ends when all was read",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, VFIO_PRECOPY_INFO_REINIT",
            c53,
        )
        .only_kernel("the protocol has no feature MIG_PRECOPY_INFOv2"),
        Statement::new(
            Must,
            Id::c(54),
            "a device with PRE_COPY has VFIO_MIG_GET_PRECOPY_INFO",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, support is mandatory",
            c54,
        )
        .only_kernel(NO_PRECOPY_INFO),
        Statement::new(
            Must,
            Id::c(55),
            "leaving PRE_COPY while initial_bytes is above 0 is legal and loses nothing",
            "linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO, leaving PRE_COPY earlier",
            c55,
        ),
        Statement::new(
            Wish,
            Id::c(56),
            "the first initial_bytes alone let the destination's write() refuse a wrong source",
            "no uAPI text; wish of the VFIO maintainers, as in samples/vfio-mdev/mtty.c",
            c56,
        )
        .only_kernel(NO_PRECOPY_INFO)
        .destructive(),
    ],
};

/// What the structure holds before the call: a driver that leaves a member as it is shall be seen.
const UNWRITTEN: PrecopyInfo = PrecopyInfo {
    flags: 0,
    initial_bytes: u64::MAX,
    dirty_bytes: u64::MAX,
};

/// `VFIO_MIG_GET_PRECOPY_INFO` with these input flags.
pub(super) fn info_with(data: &Session, flags: u32) -> Result<PrecopyInfo, Unheld> {
    let before = PrecopyInfo { flags, ..UNWRITTEN };
    data.precopy_info_with(before)
        .must("VFIO_MIG_GET_PRECOPY_INFO in PRE_COPY")
}

pub(super) fn info(data: &Session) -> Result<PrecopyInfo, Unheld> {
    info_with(data, 0)
}

/// The device in PRE_COPY, if it has that.
pub(super) fn early(bench: &Bench) -> Result<(Subject, Session), Unheld> {
    let subject = bench.open()?;
    subject.need(State::PreCopy)?;
    let data = subject.session(State::PreCopy)?;
    Ok((subject, data))
}

fn c47(bench: &Bench) -> Verdict {
    let (subject, data) = early(bench)?;
    let mut held = Held::default();
    let mut refused = |data: &Session, when: &str| {
        let what = format!("VFIO_MIG_GET_PRECOPY_INFO {when}");
        let errno = data.precopy_info().must_fail_somehow(&what)?;
        // The header says that the errno "should" be this one.
        if errno != Some(Errno::EINVAL) {
            let seen = errno.map_or("no errno".to_owned(), errno_shown);
            held.note(format!("{seen} {when}, where EINVAL is recommended"));
        }
        Ok::<(), Unheld>(())
    };
    info(&data)?;
    if subject.flags().p2p() {
        subject.set(State::PreCopyP2p)?;
        data.precopy_info()
            .must("VFIO_MIG_GET_PRECOPY_INFO in PRE_COPY_P2P")?;
    }
    subject.set(State::StopCopy)?;
    refused(&data, "in STOP_COPY on the same data_fd")?;
    subject.set(State::Stop)?;
    refused(&data, "after STOP_COPY -> STOP")?;
    subject.set(State::Running)?;
    refused(&data, "in RUNNING on an old data_fd")?;
    let new = subject.begin(State::PreCopy)?;
    refused(&data, "in PRE_COPY on an old data_fd")?;
    info(&new)?;
    Ok(held)
}

fn c48(bench: &Bench) -> Verdict {
    let (subject, data) = early(bench)?;
    let file = data.file()?;
    let trap = Trap::new().own("memory")?;
    let argument = |argsz: u32| {
        let mut bytes = argsz.to_ne_bytes().to_vec();
        bytes.resize(24, 0);
        bytes
    };
    let call = VFIO_MIG_GET_PRECOPY_INFO;
    let other = trap.ioctl(file, vfio(99), &argument(24), Place::Good, false);
    other.must_fail(Errno::ENOTTY, "an unknown ioctl on the data_fd")?;
    for argsz in [0, 4, 8, 23] {
        let done = trap.ioctl(file, call, &argument(argsz), Place::Good, false);
        done.must_fail(
            Errno::EINVAL,
            &format!("VFIO_MIG_GET_PRECOPY_INFO, argsz {argsz}"),
        )?;
    }
    let larger = trap.ioctl(file, call, &argument(4096), Place::Good, false);
    larger.must("VFIO_MIG_GET_PRECOPY_INFO, argsz 4096")?;
    for (place, read_only, what) in [
        (Place::Gone, false, "an argument that is not there"),
        (Place::Cut(4), false, "an argument that is cut short"),
        (Place::Good, true, "a read-only argument"),
    ] {
        let done = trap.ioctl(file, call, &argument(24), place, read_only);
        done.must_fail(
            Errno::EFAULT,
            &format!("VFIO_MIG_GET_PRECOPY_INFO with {what}"),
        )?;
    }
    subject.at(State::PreCopy, "after ioctls that were refused")?;
    let data = subject.session(State::Resuming)?;
    let what = "VFIO_MIG_GET_PRECOPY_INFO on the data_fd of RESUMING";
    let errno = data.precopy_info().must_fail_somehow(what)?;
    // A driver may have no such ioctl there, or one that says what the header recommends.
    check(
        matches!(errno, Some(Errno::ENOTTY | Errno::EINVAL)),
        format!("{what} gives ENOTTY or EINVAL"),
        errno.map_or("no errno".to_owned(), errno_shown),
    )?;
    held()
}

fn c49(bench: &Bench) -> Verdict {
    let (_subject, data) = early(bench)?;
    let first = info(&data)?.initial_bytes;
    check(first > 0, "initial_bytes above 0 at first", "0")?;
    let mut buffer = vec![0; first.div_ceil(2).min(CHUNK as u64) as usize];
    let n = data.read(&mut buffer).must("read() in PRE_COPY")? as u64;
    let second = info(&data)?.initial_bytes;
    let expected = format!("initial_bytes below {first} after {n} bytes");
    check(second < first, expected, second.to_string())?;
    drain_early(&data, bench)?;
    let last = info(&data)?.initial_bytes;
    check(
        last == 0,
        "initial_bytes 0 at the temporary end",
        last.to_string(),
    )?;
    let mut held = Held::default();
    held.note(format!("{first} bytes"));
    // "an estimate"
    if second != first.saturating_sub(n) {
        held.note(format!("{second} bytes after {n}"));
    }
    Ok(held)
}

fn c50(bench: &Bench) -> Verdict {
    let (_subject, data) = early(bench)?;
    let first = info(&data)?.dirty_bytes;
    check(first == 0, "dirty_bytes 0 at first", first.to_string())?;
    drain_early(&data, bench)?;
    let last = info(&data)?.dirty_bytes;
    check(
        last == 0,
        "dirty_bytes 0 at the temporary end",
        last.to_string(),
    )?;
    held()
}

fn c51(bench: &Bench) -> Verdict {
    let (_subject, data) = early(bench)?;
    // The device may change between the two calls, but not always the same way.
    let mut contradictions = 0;
    for round in 0.. {
        let info = info(&data)?;
        let left = info.initial_bytes.saturating_add(info.dirty_bytes);
        let mut buffer = vec![0; if round < 64 { 1 } else { CHUNK }];
        let seen = mark(&data, &mut buffer);
        match (left, seen) {
            (0, Mark::End | Mark::Temporary) => break,
            (1.., Mark::Data(_)) => contradictions = 0,
            (_, Mark::Failed(_)) => {
                let expected = "read() in PRE_COPY gives data or a temporary end";
                return Err(broken(expected, seen.to_string()));
            }
            _ => contradictions += 1,
        }
        check(
            contradictions < 3,
            "data exactly when initial_bytes or dirty_bytes is above 0",
            format!("{seen}, although {left} bytes are announced"),
        )?;
        if !bench.has_time() {
            return Err(skip("no temporary end in time"));
        }
    }
    held()
}

fn c54(bench: &Bench) -> Verdict {
    let (_subject, data) = early(bench)?;
    info(&data)?;
    held()
}

fn c55(bench: &Bench) -> Verdict {
    let (subject, data) = early(bench)?;
    let left = data.initial_bytes().transpose();
    let left = left.must("VFIO_MIG_GET_PRECOPY_INFO in PRE_COPY")?;
    subject.set(State::StopCopy)?;
    let stream = drain(&data, CHUNK)?;
    load(
        &subject,
        &stream,
        "a stream of which nothing was read in PRE_COPY",
    )?;
    match left {
        Some(left) => held_with(format!("{left} initial bytes were left")),
        None => held(),
    }
}

fn c56(bench: &Bench) -> Verdict {
    let (subject, data) = early(bench)?;
    let first = info(&data)?.initial_bytes;
    let mut initial = vec![0; usize::try_from(first).own("initial_bytes")?.min(CHUNK)];
    let n = data.read(&mut initial).must("read() in PRE_COPY")?;
    initial.truncate(n);
    drop(data);
    if initial.is_empty() {
        return Err(skip("there are no initial bytes"));
    }
    subject.set(State::Running)?;
    let whole = save(&subject)?;
    let bits = flips(initial.len(), bench.options.tries);
    let mut tried = 0;
    let mut refused = 0;
    for bit in bits {
        if !bench.has_time() {
            break;
        }
        tried += 1;
        let data = subject.session(State::Resuming)?;
        let wrong = flipped(&initial, bit);
        refused += usize::from(pour(&data, &wrong, CHUNK)?.is_some());
    }
    load(&subject, &whole, "a good stream after bad ones")?;
    // Some only make a length longer, so that the device waits for more.
    check(
        2 * refused > tried,
        format!("most of {tried} flipped bits of the initial bytes are refused by write()"),
        format!("{refused} were"),
    )?;
    held_with(format!(
        "{refused} of {tried} flipped bits refused by write()"
    ))
}
