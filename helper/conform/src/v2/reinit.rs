// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! C52 and C53: new initial data in PRE_COPY, of which a user is told who opts in to it.

use std::{
    process::{
        Command,
        Stdio, //
    },
    thread,
    time::{
        Duration,
        Instant, //
    },
};

use vmig_vfio::{
    uapi::VFIO_PRECOPY_INFO_REINIT,
    Errno,
    PrecopyInfo,
    State, //
};

use super::precopy::{
    early,
    info,
    info_with, //
};
use crate::{
    bench::{
        Bench,
        Subject, //
    },
    stream::{
        drain,
        drain_early,
        feed,
        CHUNK, //
    },
    target::Session,
    verdict::{
        check,
        held_with,
        skip,
        Call,
        Held,
        Own,
        Unheld,
        Verdict, //
    },
};

/// How long a device may take until it shows that it was reconfigured.
const WATCHED: Duration = Duration::from_secs(3);

/// How long nobody looks in between.
const PAUSE: Duration = Duration::from_millis(50);

/// Opts in; skips the statement on kernels that have no such thing.
fn opt_in(subject: &Subject) -> Result<(), Unheld> {
    match subject.device()?.enable_precopy_info_v2() {
        Err(e) if e.errno() == Some(Errno::ENOTTY) => Err(skip(
            "the kernel has no feature MIG_PRECOPY_INFOv2 (before 7.1)",
        )),
        done => done.must("SET of feature MIG_PRECOPY_INFOv2"),
    }
}

/// Runs the program that makes the device reconfigure itself.
fn reconfigure(program: &str, arguments: &[String]) -> Result<(), Unheld> {
    // What it prints must not get among what this process prints.
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.own(&format!("the program that reconfigures, {program}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let (status, said) = (output.status, said.trim());
            Err(skip(format!(
                "{program}, which is to reconfigure: {status}: {said}"
            )))
        }
    }
}

/// Looks until REINIT is set, or for a while; returns what was seen last.
fn watch(data: &Session) -> Result<PrecopyInfo, Unheld> {
    let begun = Instant::now();
    loop {
        let seen = info(data)?;
        if seen.reinit() || begun.elapsed() >= WATCHED {
            return Ok(seen);
        }
        thread::sleep(PAUSE);
    }
}

/// Reads up to the temporary end, and once more if there are new initial data then: a device may
/// reconfigure itself without being asked to. Returns the bytes, and what is told after them.
fn settle(data: &Session, bench: &Bench) -> Result<(Vec<u8>, PrecopyInfo), Unheld> {
    let (mut stream, _) = drain_early(data, bench)?;
    if info(data)?.reinit() {
        stream.extend(drain_early(data, bench)?.0);
    }
    Ok((stream, info(data)?))
}

fn must_not_reinit(seen: PrecopyInfo, when: &str) -> Result<(), Unheld> {
    let flags = format!("flags {:#x}", seen.flags);
    check(!seen.reinit(), format!("no REINIT {when}"), flags)
}

/// The part of C52 that needs new initial data; notes why there may have been none.
fn without_opt_in(bench: &Bench, data: &Session, held: &mut Held) -> Result<(), Unheld> {
    let Some((program, arguments)) = bench.options.reconfigure.split_first() else {
        held.note("without a reconfiguration: give a program that makes the device do so");
        return Ok(());
    };
    drain_early(data, bench)?;
    let seen = match reconfigure(program, arguments) {
        Ok(()) => watch(data)?,
        // A driver may refuse what it cannot tell of.
        Err(_) => {
            held.note("without opt-in the reconfiguration fails");
            info(data)?
        }
    };
    must_not_reinit(seen, "after a reconfiguration without opt-in")
}

pub(super) fn c52(bench: &Bench) -> Verdict {
    let mut held = Held::default();
    let (subject, data) = early(bench)?;
    must_not_reinit(info(&data)?, "without opt-in")?;
    let garbage = !VFIO_PRECOPY_INFO_REINIT;
    let echo = info_with(&data, garbage)?.flags;
    without_opt_in(bench, &data, &mut held)?;
    opt_in(&subject)?;
    for input in [garbage, u32::MAX, 0] {
        let seen = info_with(&data, input)?.flags;
        check(
            seen & !VFIO_PRECOPY_INFO_REINIT == 0,
            format!("flags 0 or REINIT after opt-in, with {input:#x} as input"),
            format!("flags {seen:#x}"),
        )?;
    }
    drop(data);
    subject.close();
    let (_subject, data) = early(bench)?;
    let again = info_with(&data, garbage)?.flags;
    match echo == garbage {
        true => check(
            again == garbage,
            format!("flags {garbage:#x} stay as they are after close and open"),
            format!("flags {again:#x}"),
        )?,
        false => held.note(format!(
            "without opt-in flags {garbage:#x} become {echo:#x}, and {again:#x} after close and open"
        )),
    }
    Ok(held)
}

pub(super) fn c53(bench: &Bench) -> Verdict {
    let Some((program, arguments)) = bench.options.reconfigure.split_first() else {
        return Err(skip(
            "the device must reconfigure itself: give a program that makes it do so",
        ));
    };
    let (subject, _) = early(bench)?;
    opt_in(&subject)?;
    let data = subject.session(State::PreCopy)?;
    let (mut stream, before) = settle(&data, bench)?;
    reconfigure(program, arguments)?;
    let after = watch(&data)?;
    let shown = format!("{after:?}");
    if !after.reinit() {
        check(
            after.initial_bytes <= before.initial_bytes,
            "no new initial data without REINIT",
            &shown,
        )?;
        // They "may result" from it.
        return Err(skip("the device has no new initial data"));
    }
    check(
        after.initial_bytes > 0,
        "initial_bytes above 0 with REINIT",
        &shown,
    )?;
    check(after.dirty_bytes == 0, "dirty_bytes 0 with REINIT", &shown)?;
    let (more, last) = settle(&data, bench)?;
    check(!more.is_empty(), "new initial data", "none")?;
    check(
        !last.reinit() && last.initial_bytes == 0,
        "initial_bytes 0 without REINIT after the new initial data were read",
        format!("{last:?}"),
    )?;
    stream.extend(more);
    subject.set(State::StopCopy)?;
    stream.extend(drain(&data, CHUNK)?);
    // The device is not what it was when the stream began, and may say so.
    let fed = feed(&subject, &stream, CHUNK)?;
    subject.restart()?;
    held_with(format!("the device as it is now: {}", fed.shown()))
}
