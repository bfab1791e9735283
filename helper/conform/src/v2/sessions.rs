// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C21 to C28: what becomes of sessions and states.

use std::time::{
    Duration,
    Instant, //
};

use vmig_vfio::{
    uapi,
    State, //
};

use crate::{
    bench::{
        Bench,
        Subject, //
    },
    catalogue::{
        Class::Must,
        Id,
        Section,
        Statement, //
    },
    paths::path,
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
        must_be_over,
        must_take_nothing,
        save,
        save_some,
        CHUNK, //
    },
    target::Session,
    verdict::{
        broken,
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

/// C21 to C28.
pub(crate) const SECTION: Section = Section {
    title: "State machine: sessions",
    statements: &[
        Statement::new(
            Must,
            Id::c(21),
            "PRE_COPY -> STOP ends the session; nothing is saved",
            "vfio_mig_get_next_state(), PRE_COPY -> RUNNING -> STOP",
            c21,
        ),
        Statement::new(
            Must,
            Id::c(22),
            "PRE_COPY -> STOP_COPY keeps the data_fd; what was not read yet still comes",
            "linux/vfio.h, enum vfio_device_mig_state, saving group",
            c22,
        ),
        Statement::new(
            Must,
            Id::c(23),
            "PRE_COPY <-> PRE_COPY_P2P keep the data_fd and its position",
            "linux/vfio.h, enum vfio_device_mig_state, saving group",
            c23,
        ),
        Statement::new(
            Must,
            Id::c(24),
            "PRE_COPY -> RUNNING and PRE_COPY_P2P -> RUNNING_P2P end the session",
            "linux/vfio.h, enum vfio_device_mig_state, PRE_COPY -> RUNNING; struct vfio_migration_ops",
            c24,
        ),
        Statement::new(
            Must,
            Id::c(25),
            "SET is synchronous: GET right after it shows the new state",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, must fully transition",
            c25,
        ),
        Statement::new(
            Must,
            Id::c(26),
            "after a failed SET the state is the old one, one on the way, or ERROR",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, if this function fails",
            c26,
        ),
        Statement::new(
            Must,
            Id::c(27),
            "VFIO_DEVICE_RESET leads to RUNNING from every state and ends sessions",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE; RESUMING -> STOP, to abort",
            c27,
        ),
        Statement::new(
            Must,
            Id::c(28),
            "the state changes by SET and RESET only, whatever is done with the data_fd",
            "linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, asynchronous transitions",
            c28,
        ),
    ],
};

/// Takes the device on without a new session; it must work.
fn go_on(subject: &Subject, to: State) -> Result<(), Unheld> {
    match subject.set(to)? {
        None => subject.at(to, &format!("after SET {to}")),
        Some(_) => Err(broken(format!("SET {to} returns data_fd -1"), "a data_fd")),
    }
}

fn c21(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    subject.need(State::PreCopy)?;
    let data = subject.session(State::PreCopy)?;
    go_on(&subject, State::Stop)?;
    must_be_over(&data, "after PRE_COPY -> STOP")?;
    held()
}

/// Bytes that are read where nobody can be asked how many there are.
const FEW: u64 = 64;

/// How much is read before STOP_COPY.
#[derive(Clone, Copy)]
enum Early {
    Nothing,
    Half,
    All,
}

/// A whole stream that begins in PRE_COPY; `on_the_way` is called after the early reads.
fn save_early(
    bench: &Bench,
    subject: &Subject,
    early: Early,
    on_the_way: impl FnOnce(&Session) -> Result<(), Unheld>,
) -> Result<Vec<u8>, Unheld> {
    let data = subject.session(State::PreCopy)?;
    let mut stream = match early {
        Early::Nothing => Vec::new(),
        Early::Half => {
            let told = data.initial_bytes().transpose();
            let told = told.must("VFIO_MIG_GET_PRECOPY_INFO")?;
            let half = told.map_or(FEW, |bytes| bytes / 2).clamp(1, CHUNK as u64);
            let mut buffer = vec![0; half as usize];
            let n = data.read(&mut buffer).must("read() in PRE_COPY")?;
            buffer.truncate(n);
            buffer
        }
        Early::All => drain_early(&data, bench)?.0,
    };
    on_the_way(&data)?;
    go_on(subject, State::StopCopy)?;
    stream.extend(drain(&data, CHUNK)?);
    drop(data);
    subject.set(State::Running)?;
    Ok(stream)
}

fn c22(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    subject.need(State::PreCopy)?;
    let mut held = Held::default();
    let whole = save_early(bench, &subject, Early::Nothing, |_| Ok(()))?;
    load(
        &subject,
        &whole,
        "a stream of which nothing was read in PRE_COPY",
    )?;
    for (early, what) in [
        (Early::Half, "some of the initial bytes were"),
        (Early::All, "all there was for the moment was"),
    ] {
        let stream = save_early(bench, &subject, early, |_| Ok(()))?;
        let what = format!("a stream of which {what} read in PRE_COPY");
        load(&subject, &stream, &what)?;
        if stream != whole {
            let difference = difference(&stream, &whole);
            held.note(format!(
                "{what} differs from one read in STOP_COPY: {difference}"
            ));
        }
    }
    Ok(held)
}

fn c23(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    subject.need(State::PreCopyP2p)?;
    let mut held = Held::default();
    let whole = save_early(bench, &subject, Early::Nothing, |_| Ok(()))?;
    let stream = save_early(bench, &subject, Early::Half, |data| {
        let before = data.precopy_info().must("VFIO_MIG_GET_PRECOPY_INFO")?;
        go_on(&subject, State::PreCopyP2p)?;
        let after = data.precopy_info().must("VFIO_MIG_GET_PRECOPY_INFO")?;
        check(
            before.initial_bytes == after.initial_bytes,
            format!(
                "{} initial bytes in PRE_COPY_P2P, as in PRE_COPY",
                before.initial_bytes
            ),
            after.initial_bytes.to_string(),
        )?;
        go_on(&subject, State::PreCopy)
    })?;
    let what = "a stream read around PRE_COPY -> PRE_COPY_P2P -> PRE_COPY";
    load(&subject, &stream, what)?;
    if stream != whole {
        let difference = difference(&stream, &whole);
        held.note(format!(
            "{what} differs from one read in STOP_COPY: {difference}"
        ));
    }
    Ok(held)
}

fn c24(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    subject.need(State::PreCopy)?;
    for (from, to) in [
        (State::PreCopy, State::Running),
        (State::PreCopyP2p, State::RunningP2p),
    ] {
        if subject.flags().has(from) {
            let data = subject.session(from)?;
            go_on(&subject, to)?;
            must_be_over(&data, &format!("after {from} -> {to}"))?;
        }
    }
    held()
}

fn c25(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save(&subject)?;
    let mut count = 0;
    for from in subject.states() {
        for to in subject.states() {
            if path(subject.flags(), from, to).is_none() {
                continue;
            }
            let session = subject.enter(from)?;
            if let (State::Resuming, Some(data)) = (from, &session) {
                data.write_all(&stream).must("write() of a good stream")?;
            }
            subject.set_state(to).must(&format!("{from} -> {to}"))?;
            subject.at(to, &format!("right after {from} -> {to}"))?;
            count += 1;
        }
    }
    held_with(format!("{count} pairs"))
}

fn c26(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save(&subject)?;
    let mut failures = 0;
    let mut examine = |from: State, to: u32, way: &[State]| {
        if subject.set_state_number(to).is_ok() {
            return Ok(());
        }
        failures += 1;
        let seen = subject.state().must("getting the state")?;
        check(
            seen == from || seen == State::Error || way.contains(&seen),
            format!("{from}, ERROR or one of {way:?} after {from} -> {to} failed"),
            seen.to_string(),
        )
    };
    for from in subject.states() {
        for to in [0, 3, 6, 7, 8, u32::MAX] {
            // What may succeed is not of interest here.
            let state = State::try_from(to).ok();
            if state.is_none_or(|to| path(subject.flags(), from, to).is_none()) {
                let _session = subject.enter(from)?;
                examine(from, to, &[])?;
            }
        }
    }
    let half = stream.get(..stream.len() / 2).unwrap_or_default();
    if bench.options.destructive && !stream.is_empty() {
        for to in subject.states() {
            let way = path(subject.flags(), State::Resuming, to).unwrap_or_default();
            if !way.is_empty() {
                let data = subject.session(State::Resuming)?;
                // Whether it is refused here already does not matter.
                let _ = data.write_all(half);
                examine(State::Resuming, to as u32, &way)?;
            }
        }
    }
    held_with(match bench.options.destructive {
        true => format!("{failures} failures, with truncated streams"),
        false => format!("{failures} failures, none by a bad stream (--destructive)"),
    })
}

fn c27(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    for state in subject.states() {
        let session = subject.enter(state)?;
        subject
            .reset()
            .must(&format!("VFIO_DEVICE_RESET in {state}"))?;
        let when = format!("after VFIO_DEVICE_RESET in {state}");
        subject.at(State::Running, &when)?;
        match (&session, state) {
            (None, _) => {}
            (Some(data), State::Resuming) => must_take_nothing(data, &when)?,
            (Some(data), _) => must_be_over(data, &when)?,
        }
    }
    let info = subject.info().must("VFIO_DEVICE_GET_INFO")?;
    match info.can_reset() {
        true => held(),
        false => held_with("VFIO_DEVICE_FLAGS_RESET is not set, although the reset works"),
    }
}

fn c28(bench: &Bench) -> Verdict {
    let subject = bench.open()?;
    let stream = save_some(&subject)?;
    let trap = Trap::new().own("memory")?;
    for state in subject.states() {
        let session = subject.enter(state)?;
        let end = Instant::now() + Duration::from_millis(50);
        let mut rounds = 0;
        while rounds < 8 || Instant::now() < end {
            if let Some(data) = &session {
                // Good and bad accesses; what they return is the matter of other statements.
                let _ = data.read(&mut [0; 64]);
                if let Ok(file) = data.file() {
                    let _ = trap.read(file, 64, Place::Gone);
                    let _ = trap.write(file, 64, Place::Gone);
                    let _ = events(file, 0)?;
                }
                let _ = data.precopy_info();
                if state == State::Resuming {
                    let piece = stream.get(rounds..=rounds).unwrap_or_default();
                    let _ = data.write(piece);
                }
            }
            let _ = subject.data_size();
            if subject.info().is_ok_and(|info| info.is_pci()) {
                let config = subject.region_info(uapi::VFIO_PCI_CONFIG_REGION_INDEX);
                let _ = config.map(|config| subject.region_u32(&config, 0));
            }
            subject.at(state, "while data and config space are accessed")?;
            rounds += 1;
        }
        drop(session);
        subject.at(state, "after the data_fd was closed")?;
    }
    held()
}
