// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C11 to C20: the arcs of the state machine.

use vmig_vfio::{
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
    paths::{
        is_saving,
        opens,
        path, //
    },
    stream::{
        difference,
        drain,
        load,
        pour,
        save,
        save_some,
        Reference,
        CHUNK, //
    },
    system::fd_count,
    target::Session,
    v2::NO_DATA_FD,
    verdict::{
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

/// C11 to C20.
pub(crate) const SECTION: Section = Section {
    title: "State machine: arcs",
    statements: &[
        Statement::new(
            Must,
            Id::c(11),
            "all 64 pairs of states are granted or refused as the uAPI's rules say",
            "linux/vfio.h, enum vfio_device_mig_state; vfio_mig_get_next_state()",
            c11,
        ),
        Statement::new(
            Must,
            Id::c(12),
            "a device_state that is no state is EINVAL and changes nothing",
            "linux/vfio.h, enum vfio_device_mig_state; vfio_mig_get_next_state()",
            c12,
        ),
        Statement::new(
            Must,
            Id::c(13),
            "ERROR cannot be asked for: EINVAL from every state",
            "linux/vfio.h, enum vfio_device_mig_state, any -> ERROR",
            c13,
        ),
        Statement::new(
            Must,
            Id::c(14),
            "an optional state that the flags do not announce is EINVAL",
            "linux/vfio.h, enum vfio_device_mig_state, optional states",
            c14,
        ),
        Statement::new(
            Must,
            Id::c(15),
            "STOP_COPY -> PRE_COPY and PRE_COPY_P2P are EINVAL; the rest of the stream is still there",
            "linux/vfio.h, enum vfio_device_mig_state, STOP_COPY -> PRE_COPY",
            c15,
        ),
        Statement::new(
            Should,
            Id::c(16),
            "SET to the current state succeeds, returns no data_fd and does not touch the session",
            "vfio_mig_get_next_state(), the diagonal; linux/vfio.h is silent",
            c16,
        ),
        Statement::new(
            Must,
            Id::c(17),
            "exactly the arcs that open a session, or end in such an arc, return a data_fd",
            "linux/vfio.h, enum vfio_device_mig_state, RUNNING -> PRE_COPY and STOP -> RESUMING",
            c17,
        )
        .only_kernel(NO_DATA_FD),
        Statement::new(
            Must,
            Id::c(18),
            "combined arcs leak no file descriptor",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data_fd",
            c18,
        )
        .only_kernel(NO_DATA_FD),
        Statement::new(
            Must,
            Id::c(19),
            "RUNNING -> RESUMING and RESUMING -> RUNNING work as single requests",
            "linux/vfio.h, enum vfio_device_mig_state, combinations of arcs",
            c19,
        ),
        Statement::new(
            Must,
            Id::c(20),
            "RESUMING -> STOP_COPY loads the state, then saves it",
            "vfio_mig_get_next_state(), RESUMING -> STOP -> STOP_COPY",
            c20,
        ),
    ],
};

/// Takes the device to `from`; in RESUMING a good stream is there already, so that it can be left.
fn stand(subject: &Subject, stream: &[u8], from: State) -> Result<Option<Session>, Unheld> {
    let data = subject.enter(from)?;
    if let (State::Resuming, Some(data)) = (from, &data) {
        let refused = pour(data, stream, CHUNK)?;
        let seen = format!("{refused:?}");
        check(refused.is_none(), "write() of a good stream succeeds", seen)?;
    }
    Ok(data)
}

/// Calls `visit` for each ordered pair of states, the first of which the device has. Returns how
/// many there were.
fn all_pairs(
    subject: &Subject,
    mut visit: impl FnMut(State, State) -> Result<(), Unheld>,
) -> Result<usize, Unheld> {
    let mut count = 0;
    for from in subject.states() {
        for to in State::ALL {
            visit(from, to)?;
            count += 1;
        }
    }
    Ok(count)
}

fn c11(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save(&subject)?;
    let flags = subject.flags();
    let count = all_pairs(&subject, |from, to| {
        let _session = stand(&subject, &stream, from)?;
        let done = subject.set_state(to);
        let what = format!("{from} -> {to}");
        match path(flags, from, to) {
            Some(_) => {
                done.must(&what)?;
                subject.at(to, &format!("after {what}"))
            }
            None => {
                done.must_fail(Errno::EINVAL, &what)?;
                subject.at(from, &format!("after {what} was refused"))
            }
        }
    })?;
    held_with(format!("{count} pairs; none from ERROR"))
}

fn c12(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    for from in subject.states() {
        let _session = subject.enter(from)?;
        for number in [8, 255, 0x8000_0002, u32::MAX] {
            let what = format!("SET of state {number} in {from}");
            let done = subject.set_state_number(number);
            done.must_fail(Errno::EINVAL, &what)?;
            subject.at(from, &format!("after {what}"))?;
        }
    }
    held()
}

fn c13(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    for from in subject.states() {
        let _session = subject.enter(from)?;
        let done = subject.set_state(State::Error);
        done.must_fail(Errno::EINVAL, &format!("SET ERROR in {from}"))?;
        subject.at(from, "after SET ERROR was refused")?;
    }
    held()
}

fn c14(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let flags = subject.flags();
    let missing: Vec<_> = State::ALL
        .into_iter()
        .filter(|&state| !flags.has(state))
        .collect();
    if missing.is_empty() {
        return Err(skip("the device has all states"));
    }
    for from in subject.states() {
        let _session = subject.enter(from)?;
        for &to in &missing {
            let done = subject.set_state(to);
            done.must_fail(
                Errno::EINVAL,
                &format!("{from} -> {to}, which the device lacks"),
            )?;
            subject.at(from, &format!("after SET {to} was refused"))?;
        }
    }
    held()
}

fn c15(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    subject.need(State::PreCopy)?;
    let reference = Reference::take(&subject)?;
    for to in [State::PreCopy, State::PreCopyP2p] {
        let data = subject.session(State::StopCopy)?;
        let mut first = vec![0; reference.stream.len().div_ceil(2)];
        let n = data.read(&mut first).must("read() in STOP_COPY")?;
        first.truncate(n);
        let done = subject.set_state(to);
        done.must_fail(Errno::EINVAL, &format!("STOP_COPY -> {to}"))?;
        subject.at(
            State::StopCopy,
            &format!("after STOP_COPY -> {to} was refused"),
        )?;
        first.extend(drain(&data, CHUNK)?);
        let what = format!("a stream read around a refused STOP_COPY -> {to}");
        reference.must_equal(&subject, &first, &what)?;
    }
    held()
}

fn c16(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let half = stream.len() / 2;
    for state in subject.states() {
        let session = subject.enter(state)?;
        let mut early = Vec::new();
        if let (State::Resuming, Some(data), Some(first)) = (state, &session, stream.get(..half)) {
            data.write_all(first).must("write() of the first half")?;
        }
        if let (true, Some(data)) = (is_saving(state), &session) {
            early.resize(half.max(1), 0);
            let n = data.read(&mut early).must(&format!("read() in {state}"))?;
            early.truncate(n);
        }
        let again = subject.set(state)?;
        let expected = format!("SET {state} in {state} returns no data_fd");
        check(again.is_none(), expected, "a new one")?;
        subject.at(state, &format!("after SET {state} in {state}"))?;
        if let (State::Resuming, Some(data), Some(rest)) = (state, &session, stream.get(half..)) {
            data.write_all(rest).must("write() of the second half")?;
            subject.set(State::Stop)?;
        }
        if let (true, Some(data)) = (is_saving(state), &session) {
            subject.set(State::StopCopy)?;
            early.extend(drain(data, CHUNK)?);
            let what = format!("a stream read around SET {state} in {state}");
            load(&subject, &early, &what)?;
        }
    }
    held()
}

fn c17(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save(&subject)?;
    let flags = subject.flags();
    all_pairs(&subject, |from, to| {
        if path(flags, from, to).is_none() {
            return Ok(());
        }
        let _session = stand(&subject, &stream, from)?;
        let data = subject.set_state(to).must(&format!("{from} -> {to}"))?;
        let (expected, seen) = match opens(flags, from, to) {
            true => ("a data_fd", "data_fd -1"),
            false => ("data_fd -1", "a data_fd"),
        };
        check(
            data.is_some() == opens(flags, from, to),
            format!("{from} -> {to} returns {expected}"),
            seen,
        )
    })?;
    held()
}

fn c18(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save(&subject)?;
    let flags = subject.flags();
    let mut combined = 0;
    all_pairs(&subject, |from, to| {
        if path(flags, from, to).is_none_or(|way| way.len() < 2) {
            return Ok(());
        }
        combined += 1;
        let _session = stand(&subject, &stream, from)?;
        let before = fd_count()?;
        let data = subject.set_state(to).must(&format!("{from} -> {to}"))?;
        let grown = fd_count()?.saturating_sub(before);
        let told = usize::from(data.is_some());
        check(
            grown == told,
            format!("{from} -> {to} opens {told} file descriptors"),
            format!("{grown}"),
        )
    })?;
    held_with(format!("{combined} combinations"))
}

fn c19(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save(&subject)?;
    subject.at(State::Running, "before")?;
    let data = subject.begin(State::Resuming)?;
    subject.at(State::Resuming, "after RUNNING -> RESUMING")?;
    data.write_all(&stream).must("write() of a good stream")?;
    subject.set(State::Running)?;
    subject.at(State::Running, "after RESUMING -> RUNNING")?;
    held()
}

fn c20(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let data = subject.session(State::Resuming)?;
    data.write_all(&stream).must("write() of a good stream")?;
    let out = subject.begin(State::StopCopy)?;
    subject.at(State::StopCopy, "after RESUMING -> STOP_COPY")?;
    drop(data);
    let again = drain(&out, CHUNK)?;
    drop(out);
    load(
        &subject,
        &again,
        "the stream that RESUMING -> STOP_COPY saved",
    )?;
    let mut held = Held::default();
    if again != stream {
        let difference = difference(&again, &stream);
        held.note(format!("saved and loaded streams differ: {difference}"));
    }
    Ok(held)
}
